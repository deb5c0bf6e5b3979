// pinned_query.h: a query with its time written into it, so that it answers the same at any time.
//
// Threads: none of its own.
#ifndef CONFORMANCE_PINNED_QUERY_H
#define CONFORMANCE_PINNED_QUERY_H

#include "base/base.h"

struct arena;

// The query with `@` that time behind each selector and subquery that has none; what stands within
// a subquery goes by the subquery's. Empty if it cannot be parsed, or goes by the time at which it
// is asked whatever is pinned.
str pinned_query(struct arena *a, str text, i64 t_ms);

#endif
