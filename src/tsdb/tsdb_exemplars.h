// tsdb_exemplars.h: what is known of exemplars, in memory and in blocks.
//
// Cost of a query: all exemplars of the ring and of the blocks in its range are looked at.
// Threads: any; the db's lock is taken.
#ifndef TSDB_TSDB_EXEMPLARS_H
#define TSDB_TSDB_EXEMPLARS_H

#include "tsdb/exemplar_file.h"

struct exemplar_series;
struct matcher;
struct storage_querier;
struct tsdb;

// Sorted by tenant and labels. Threads: a value, in somebody's arena.
struct exemplar_groups {
    struct exemplar_group *items;
    u32 n;
};
// Copies of the ring's in [min, max); false: the arena is full.
bool tsdb_exemplars_window(struct tsdb *db, i64 min_ms, i64 max_ms, struct arena *a,
                           struct exemplar_groups *out) MUST_USE;
// Series sorted by labels, exemplars by time, each once.
// NOLINTNEXTLINE(readability-function-size): the waist's signature
bool tsdb_query_exemplars(struct storage_querier *base, const struct matcher *ms, u32 count,
                          struct arena *a, struct exemplar_series **out, u32 *n, struct error *e);

#endif
