// query_budget.h: the account of one query: every store charges it and stops when it is spent.
//
// Threads: owned by the query's thread; progress is told to others; what cancel points to is stored
// by them.
#ifndef STORAGE_QUERY_BUDGET_H
#define STORAGE_QUERY_BUDGET_H

#include "base/base.h"

// What a query has cost so far, for those who look at it while it runs: each number is right for
// some moment, all three together need not be. Threads: atomic.
struct query_progress {
    u64 series;  // Read, once for each time that a selector reads them.
    u64 samples; // Read.
    u64 bytes;   // Held now.
};
static inline void query_progress_tell(struct query_progress *p, struct query_progress now)
{
    __atomic_store_n(&p->series, now.series, __ATOMIC_RELAXED);
    __atomic_store_n(&p->samples, now.samples, __ATOMIC_RELAXED);
    __atomic_store_n(&p->bytes, now.bytes, __ATOMIC_RELAXED);
}
static inline struct query_progress query_progress_get(const struct query_progress *p)
{
    return (struct query_progress){__atomic_load_n(&p->series, __ATOMIC_RELAXED),
                                   __atomic_load_n(&p->samples, __ATOMIC_RELAXED),
                                   __atomic_load_n(&p->bytes, __ATOMIC_RELAXED)};
}

// Threads: owned.
struct query_budget {
    u64 bytes_max; // 0 = no limit.
    u64 bytes;
    u64 samples_max;
    u64 samples;
    u64 series_max;
    u64 series;
    i64 deadline_mono_ns;            // 0 = none.
    const int *cancel;               // Non-zero = stop; NULL = never. Stored atomically by others.
    struct query_progress *progress; // NULL: nobody looks.
    const int *wanted; // While not zero, others wait for it: cancel does not count. NULL: nobody.
};
static inline bool query_is_cancelled(const struct query_budget *b)
{
    return b->cancel && __atomic_load_n(b->cancel, __ATOMIC_RELAXED) != 0 &&
           !(b->wanted && __atomic_load_n(b->wanted, __ATOMIC_RELAXED) != 0);
}

#endif
