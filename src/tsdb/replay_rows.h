// replay_rows.h: rows of the log on their way into a head, which a thread of its own takes in while
// the caller reads and decodes those behind them.
//
//   caller │ decode 1 │ decode 2 │ decode 3 │ settle    │ a definition, a spill …
//   thread │          │ rows 1   │ rows 2   │ rows 3    │
// (I1) Rows go in as they came, one after the other: what comes out does not depend on the thread.
// (I2) Once settled all of them are in, and the head is the caller's until the next row is added.
// Cost: a lock for each WAL_ROWS_ENOUGH values. Memory: REPLAY_GATHERS times that of wal_rows.h.
// Threads: owned by open, but for what is guarded by the lock.
#ifndef TSDB_REPLAY_ROWS_H
#define TSDB_REPLAY_ROWS_H

#include "os/thr.h"
#include "tsdb/wal_rows.h"

struct head;

#define REPLAY_GATHERS 4U

// Threads: owned by the caller; the gathers between taken and given, and `lost`, by the thread;
// given, taken and ended guarded by the lock.
struct replay_rows {
    struct head *head;
    bool threaded; // A thread may help.
    struct thr *thread;
    struct wal_gather gathers[REPLAY_GATHERS];
    u64 lost; // Values without a series. Read once settled.
    struct lock lock;
    struct cond moved;
    u32 given; // Gathers ever: the caller fills the next one.
    u32 taken;
    bool ended;
};
void replay_rows_init(struct replay_rows *r, struct head *h, bool threaded);
void replay_rows_fini(struct replay_rows *r);                 // What is not settled is left out.
void replay_rows_head(struct replay_rows *r, struct head *h); // Another one; before any row.
void replay_rows_add(struct replay_rows *r, const struct wal_row *row); // Copies it.
void replay_rows_settle(struct replay_rows *r);

#endif
