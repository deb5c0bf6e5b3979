// wal_rows.h: rows of the log, gathered. Those that name the same series as the one before them
// form a bundle, so that each series takes its values of all of them at once (head_replay_rows).
//
// (I1) Times rise from row to row of a bundle, so each series has its samples in order.
// (I2) Whoever lets anything else into the head takes what is gathered before.
// Cost: add O(values). Memory: WAL_ROWS_VALUES doubles and half as many bytes for whose they are at
// most; a few times WAL_ROWS_ENOUGH where no row is of very many series.
// Threads: owned.
#ifndef TSDB_WAL_ROWS_H
#define TSDB_WAL_ROWS_H

#include "tsdb/wal_entry.h"

#define WAL_ROWS_VALUES (1U << 18)
#ifdef TIDEMARK_SMALL
#    define WAL_ROWS_ENOUGH 64U // No bundle is begun behind so many.
#else
#    define WAL_ROWS_ENOUGH (1U << 15)
#endif

// Where its parts begin. Threads: a value.
struct wal_bundle {
    u32 t_at;
    u32 rows;
    u32 ordinals_at;
    u32 n; // Values of each row.
    u32 values_at;
    u32 stride; // From row to row.
};
// Threads: owned by the replay.
struct wal_gather {
    struct wal_bundle *bundles;
    i64 *t;
    u32 *ordinals;
    f64 *values;
    u32 count; // Of bundles,
    u32 t_count;
    u32 ordinal_count;
    u32 value_count;
    u32 cap; // and how many there is room for.
    u32 t_cap;
    u32 ordinal_cap;
    u32 value_cap;
};
void wal_gather_fini(struct wal_gather *g); // Accepts zeroed.
// Copies it. false: what is there has to be taken first; where nothing is, it is too large for any.
bool wal_gather_add(struct wal_gather *g, const struct wal_row *row) MUST_USE;
// Until something is added.
struct wal_rows wal_gather_rows(const struct wal_gather *g, u32 bundle);
void wal_gather_clear(struct wal_gather *g);

#endif
