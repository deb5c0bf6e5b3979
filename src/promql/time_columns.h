// time_columns.h: the timestamp columns that the series of one selector share, each kept once.
//
// Storage numbers its columns: series whose runs have equal numbers have equal times. Others may
// have them too, as targets do that are written together: then the times themselves are compared
// with those of the last column that began at the same one, which has the numbers of the series
// from then on: its neighbours have them, too. A series' times are copied only if no
// column is found, and who derives something from times (windows, picks) may keep that by column:
// index and version tell one from another.
// Cost: O(runs) a series that shares by number, O(samples) any other. Memory: what is pinned stays;
// beyond that at most BYTES of times, or one column; older ones make room.
// Invariants: (I1) A version is never given twice. (I2) The times of a pinned one do not change.
// Threads: owned by the run.
#ifndef PROMQL_TIME_COLUMNS_H
#define PROMQL_TIME_COLUMNS_H

#include "base/base.h"

struct run;
struct series_run;

#define COLUMN_NONE ((u32)0xffffffff)

// Threads: owned.
struct time_column {
    u32 version; // Of the times; 0 = nothing here.
    u32 count;
    u32 cap;
    u32 run_count;
    u32 run_cap;
    i64 *t_ms;
    u64 *run_ids;
    u32 *run_ends;
};

// Threads: owned.
struct time_columns {
    struct time_column *items;
    u32 count;
    u32 cap;
    u32 pinned; // The first so many.
    u32 victim;
    u64 loose_bytes; // Ever made for columns that are not pinned.
    u32 version;
    u32 *by_key; // Hash of a column's first run, and of its first time, to its index + 1.
    // The series at hand:
    struct time_column now; // Its runs, and its times unless they are those of the guess.
    u32 guess;              // The column that it has had in common so far; COLUMN_NONE = none.
    bool is_private;
    bool is_compared; // A run of it had the guess's times by another number.
};

// A series begins; then its runs, the samples before them told; then its end.
void time_columns_begin(struct time_columns *c);
bool time_columns_add(struct time_columns *c, struct run *r, const struct series_run *run,
                      u32 from) MUST_USE;
// Which column it has; COLUMN_NONE: times of its own, in c->now.t_ms. pins: the column stays.
bool time_columns_end(struct time_columns *c, struct run *r, bool pins, u32 *column) MUST_USE;

#endif
