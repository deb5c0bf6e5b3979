// cold_rig.h: a store some of whose series ended and may leave for cold blocks, for this folder's
// tests.
#ifndef TSDB_COLD_RIG_H
#define TSDB_COLD_RIG_H

#include "tsdb/tsdb_counters.h"
#include "tsdb/tsdb_fixture.h"

struct head;

enum { COLD_SERIES = 12, COLD_ENDED = 8, COLD_ROWS = 10 };
#define COLD_START FIXTURE_NOW
#define COLD_END   (COLD_START + COLD_ROWS * 1000) // Of those that ended: their marker.

// All series have COLD_ROWS samples; of them COLD_ENDED end then.
void cold_rig_begin(struct fixture *f, u64 seed);
void cold_rig_open(struct fixture *f); // The same once fixture_init was called.
enum append_outcome cold_put(struct fixture *f, u32 series, i64 t, f64 value);
bool cold_has(struct fixture *f, u32 series, i64 t, f64 *value);
void cold_idle_all(struct fixture *f); // All are silent for long.
void cold_go(struct fixture *f);       // And who may leave does.
const struct head *cold_main(const struct fixture *f);
u64 cold_counted(const struct fixture *f, enum tsdb_counter c);
u64 cold_delete(struct fixture *f, const char *metric, i64 min_ms, i64 max_ms); // Its id.
void cold_byte_turn(struct fixture *f, const char *path, u64 at);               // Twice: as it was.

// Everything that can be asked, as numbers. Threads: a value.
struct cold_seen {
    u64 samples;
    u64 series;
    u64 texts;
    u64 newest;
};
struct cold_seen cold_look(struct fixture *f);
void cold_same(struct cold_seen a, struct cold_seen b);

#endif
