// range_tiles_inner.h: what the files of range_tiles share.
//
//   range_tiles.c   hands and tiles: how many, what they do, what they came to
//   range_turn.c    columns that are streamed: taken tile after tile
//
// Threads: see the structs.
#ifndef PROMQL_RANGE_TILES_INNER_H
#define PROMQL_RANGE_TILES_INNER_H

#include "os/thr.h"
#include "promql/query_run.h"
#include "promql/range_tiles.h"

#include <stdatomic.h>

#define TAKEN_EARLY 16U // Series that a tile whose turn it is has ready.

// One thread's part. Threads: owned by the thread that has its number, then by the run's; spare and
// early_bytes are guarded by the turn's lock.
struct hand {
    struct run run;
    struct error error;
    struct feed feed;
    struct range_eval eval;
    struct column *spare; // Its columns that have been taken and may be used again.
    u32 spare_count;
    u32 spare_cap;
    u64 early_bytes; // Of histograms in its tiles that are done and have not been taken.
    bool is_ready;
};

// Neighbouring series, and what they came to. Threads: owned by who takes it, then by the run's.
struct tile {
    struct series_cursor *slice;
    struct op_series *series; // In the hand's memory, as are the next.
    struct column *columns;
    struct arena *made; // Histograms of columns that are streamed.
    struct notes notes;
    struct storage_warnings warnings;
    struct hand *hand; // Who does it.
    u64 early_bytes;   // What it counts for there.
    u32 count;         // That stand here,
    u32 given;         // and that were taken already.
    u32 cap;
    bool is_done; // Guarded by the turn's lock.
};

// Streamed tiles, taken in their order. Threads: guarded by lock; hand and taker are owned by who
// has set is_taking.
struct turn {
    const struct op_taker *taker; // NULL: nothing is streamed.
    struct hand hand;             // Of its run alone.
    struct lock lock;
    struct cond moved; // Something was taken, or all is in vain.
    u32 next;          // The first tile that has not been taken.
    bool is_taking;
};

// Threads: owned by the run's thread; frozen while others are at it, but for what is theirs.
struct tiles {
    struct run *run;
    const struct feed *feed;
    const struct range_task *task;
    struct tile *items;
    struct query_budget *budgets; // By tile.
    struct hand *hands;
    struct turn turn;
    u32 count;
    u32 hand_count;
    u64 column_bytes;
    u64 hand_bytes; // What each hand may hold,
    u64 turn_bytes; // and that of the turn.
    _Atomic bool failed;
    _Atomic u32 helped;      // Tiles that others than the run's thread did.
    _Atomic u64 series_read; // By tiles that are done.
    _Atomic u64 samples_read;
    _Atomic u64 bytes_held;
};

// ---- range_tiles.c ----
// A run that counts, notes and fails for itself, within so many bytes.
bool hand_begin(struct hand *h, const struct tiles *t, u64 limit) MUST_USE;

// ---- range_turn.c ----
void turn_init(struct turn *w);
void turn_fini(struct tiles *t);
// All is in vain: nobody needs to wait any more.
void tiles_fail(struct tiles *t);
// An empty column for the next series of tile `at`: one that has been taken, or a new one. Who has
// as much as he may hold beyond what he needs waits until something of it is taken, or until it is
// his turn; so nobody can run out of memory because he is early (range_tiles.h, I1).
bool turn_column(struct tiles *t, struct hand *h, u32 at, struct column *c) MUST_USE;
void turn_begin_tile(struct hand *h, struct tile *x);
// Of the tile whose turn it is anyway, what is there is taken before it is done: it need not wait,
// and is still near.
void turn_take_some(struct tiles *t, struct hand *h, u32 at);
// A tile is done: it is taken, and those behind it that are done too, unless one before it is not,
// or somebody is at it, who will then find this one.
void turn_take(struct tiles *t, struct hand *h, u32 at);

#endif
