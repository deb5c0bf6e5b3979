// head_settle.h: series that get no samples any more give back what only an active series needs.
//
//   a pass a minute, the first one at the start: a series that is still silent grows older by one
//     after 1: ends in a staleness marker ─► its open chunk is sealed
//     after SETTLE_IDLE: sealed, and it is idle: no limit of series counts it
//   a sample of an idle series ─► judged by these limits as if it were new ─► awake
//
// What counts is when samples came, not what times they have; after a start all series count as
// active until they have been silent for so long again. An idle series keeps its row, labels
// and data, so that it is found as before, until a block holds what it has (head_collect). One that
// came back from a cold block only to be refused (ROW_COLD) grows older from then on.
// Once a quarter of all cells is free, their memory goes back to the system.
// Invariants:
//   (I1) head_limits.series and the quotas count the series that are not idle.
// Cost: a pass O(series, and spans of histograms), a seal for each that ends.
// Threads: as struct head.
#ifndef TSDB_HEAD_SETTLE_H
#define TSDB_HEAD_SETTLE_H

#include "storage/storage.h"
#include "tsdb/head_row.h"

struct head;

#define SETTLE_EVERY_MS 60000
#define SETTLE_IDLE     10U // Passes.

// An idle one that a writer has found, and may write to: for some passes from then on.
static inline bool head_row_asked(const struct head_row *r)
{
    static_assert(SETTLE_IDLE + 4 < ROW_ASKED / ROW_AGE, "three passes and a part of one");
    return r->open.flags / ROW_AGE > SETTLE_IDLE + 1;
}

// Takes the turn by slices: one pass.
void head_settle(struct head *h);
// With the turn, of an idle series: APPEND_STORED, or the limit that keeps it idle. reserve: as of
// struct head_asker.
enum append_outcome head_wake(struct head *h, u32 ordinal, bool reserve);

#endif
