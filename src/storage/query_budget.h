// query_budget.h: the account of one query: every store charges it and stops when it is spent.
//
// Threads: owned by the query's thread; what cancel points to is stored by others.
#ifndef STORAGE_QUERY_BUDGET_H
#define STORAGE_QUERY_BUDGET_H

#include "base/base.h"

// Threads: owned.
struct query_budget {
    u64 bytes_max; // 0 = no limit.
    u64 bytes;
    u64 samples_max;
    u64 samples;
    u64 series_max;
    u64 series;
    i64 deadline_mono_ns; // 0 = none.
    const int *cancel;    // Non-zero = stop; NULL = never. Stored atomically by others.
};
static inline bool query_is_cancelled(const struct query_budget *b)
{
    return b->cancel && __atomic_load_n(b->cancel, __ATOMIC_RELAXED) != 0;
}

#endif
