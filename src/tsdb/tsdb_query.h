// tsdb_query.h: the querier of the engine, for the files that its calls are spread over.
//
// Threads: owned.
#ifndef TSDB_TSDB_QUERY_H
#define TSDB_TSDB_QUERY_H

#include "tsdb/tsdb_cursor.h"
#include "tsdb/tsdb_inner.h"

// Threads: owned.
struct tsdb_querier {
    struct storage_querier base;
    struct tsdb *db;
    struct tenant_id tenant;
    i64 min_ms;
    i64 max_ms;
    struct tsdb_pin pin;
    struct query_texts texts;
};
static inline struct tsdb_querier *tsdb_querier_of(struct storage_querier *q)
{
    return CONTAINER_OF(q, struct tsdb_querier, base);
}

// tsdb_labels.c: names, values and counts, from postings as far as these alone tell.
// NOLINTBEGIN(readability-function-size): the waist's signatures
bool tsdb_label_names(struct storage_querier *base, const struct matcher *ms, u32 count,
                      struct arena *a, str **names, u32 *n, struct error *e);
bool tsdb_label_values(struct storage_querier *base, str name, const struct matcher *ms, u32 count,
                       struct arena *a, str **values, u32 *n, struct error *e);
// NOLINTEND(readability-function-size)
bool tsdb_series_count(struct storage_querier *base, const struct matcher *ms, u32 count,
                       u64 *series, struct error *e);

#endif
