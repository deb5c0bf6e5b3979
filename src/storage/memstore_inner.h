// memstore_inner.h: what memstore's writing and reading halves share; private to memstore*.c.
//
// Invariants:
//   (M1) A series' samples rise strictly by time.
//   (M2) A sample's `commit` is the number of the commit that made it visible; a querier sees the
//        samples whose number is not above the one it was opened at, so nothing needs copying
//        when it opens (W1).
// Threads: struct memstore is guarded by `lock`; queriers and cursors are owned.
#ifndef STORAGE_MEMSTORE_INNER_H
#define STORAGE_MEMSTORE_INNER_H

#include "base/map.h"
#include "os/thr.h"
#include "storage/memstore.h"

struct arena;

// Threads: guarded by the store's lock.
struct mem_sample {
    i64 t_ms;
    i64 start_t_ms;
    u64 commit;
    f64 value;
    const struct hist *hist; // NULL for a float.
    bool has_start;
};

// Threads: guarded by the store's lock.
struct mem_series {
    struct tenant_id tenant;
    struct labels labels;
    struct mem_sample *samples;
    u32 count;
    u32 cap;
    struct exemplar *exemplars; // As they came; rising by time.
    u32 exemplar_count;
    u32 exemplar_cap;
};

// Threads: guarded by the store's lock.
struct mem_metadata {
    struct tenant_id tenant;
    struct metadata metadata;
};

struct memstore {
    struct storage base;
    struct memstore_opts opts;
    struct arena *arena; // Labels, histograms, texts: all that is never taken back.
    struct lock lock;
    // Guarded by lock from here on.
    struct mem_series **series; // Index = ordinal - 1; each stays where it is.
    u32 series_count;
    u32 series_cap;
    struct map by_labels;
    struct mem_metadata *metadata;
    u32 metadata_count;
    u32 metadata_cap;
    u32 generation;   // Of the refs that are alive.
    u32 refusals;     // Of commits that are still to come.
    u64 commit;       // The number of the last commit; also the log position.
    u64 column_count; // Column ids given out, so that equal ids mean equal times for ever.
};

#define MEMSTORE_BYTES_MAX ((size_t)8 << 30)

struct memstore *memstore_of(struct storage *s);
// Index of the first sample with t ≥ t_ms; count if none.
u32 mem_series_find(const struct mem_series *s, i64 t_ms);

struct storage_appender *mem_appender_open(struct storage *s, struct tenant_id tenant,
                                           enum storage_stream stream, struct error *e);
struct storage_querier *mem_querier_open(struct storage *s, struct tenant_id tenant, i64 min_ms,
                                         i64 max_ms, struct error *e);

#endif
