// crash_fixture.h: a store over a disk that fails and loses, and what was sent to it. Every value
// is a hash of series and time, so a wrong one shows by itself; what was acknowledged as durable is
// written down and looked for. For this folder's tests.
#ifndef TSDB_CRASH_FIXTURE_H
#define TSDB_CRASH_FIXTURE_H

#include "base/error.h"
#include "os/fs_inner.h"
#include "tsdb/tsdb_fixture.h"

#define WORLD_SERIES 18U
#define WORLD_MAIN   14U // The rest belongs to rules.
#define SENT_MAX     4096U

enum { SENT_LIVE, SENT_DELETED, SENT_UNKNOWN };

// What the test knows of a series: its samples in order of sending. Threads: owned.
struct sent {
    i64 t[SENT_MAX];
    u8 state[SENT_MAX]; // Of each: there, deleted, or nobody knows (a deletion failed).
    u32 n;
    u32 acked;     // The first so many were told to be on disk.
    u32 committed; // The first so many were committed.
};

// Threads: owned.
struct world {
    struct fixture f;
    struct fs *mem;
    struct fs *faulty;
    struct sent series[WORLD_SERIES];
    i64 now;
    i64 forgotten; // Samples before it are not looked at any more.
    u64 checked;
    struct error failure; // The last of the engine's.
    u32 failures;
};

void world_init(struct world *w, u64 seed);
void world_fini(struct world *w);
bool world_open(struct world *w);
void world_close(struct world *w);

// One commit of some series of a shard at one time, or at scattered ones.
void world_write(struct world *w, bool rules, bool sync);
// Deletes some time of some series.
void world_delete(struct world *w);
void world_settle(struct world *w);           // All series are found to be silent for long.
void world_work(struct world *w, u32 rounds); // Writes, silence, steps, deletions, cleans.
// Looks at everything: right values, nothing that was not sent, a prefix of each series, all that
// was acked (after_crash) or committed. Forgets what was lost.
void world_check(struct world *w, bool after_crash);
// A fixed course of work in which the armed call fails. Opening may fail once for it.
void world_course(struct world *w);

#endif
