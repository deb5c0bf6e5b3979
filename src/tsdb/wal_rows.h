// wal_rows.h: rows of the log that name the same series, gathered so that each series takes its
// values of all of them at once (head_replay_rows).
//
// (I1) Times rise from row to row, so each series has its samples in order.
// (I2) Whoever lets anything else into the head takes what is gathered before.
// Cost: add O(values). Memory: WAL_ROWS_VALUES doubles and half as many bytes at most.
// Threads: owned.
#ifndef TSDB_WAL_ROWS_H
#define TSDB_WAL_ROWS_H

#include "tsdb/wal_entry.h"

#define WAL_ROWS_VALUES (1U << 18)

// Threads: owned by the replay.
struct wal_gather {
    i64 t[WAL_ROWS_AT_ONCE];
    u32 rows;
    u32 n;      // Values of each row.
    u32 stride; // From row to row.
    u32 *ordinals;
    f64 *values;
    u32 cap;       // Of ordinals,
    u32 value_cap; // and of values.
};
void wal_gather_fini(struct wal_gather *g); // Accepts zeroed.
// Copies it. false: it does not go with those that are there, or is too large for any.
bool wal_gather_add(struct wal_gather *g, const struct wal_row *row) MUST_USE;
// What is there, until the next one is added; false: nothing.
bool wal_gather_take(struct wal_gather *g, struct wal_rows *out) MUST_USE;

#endif
