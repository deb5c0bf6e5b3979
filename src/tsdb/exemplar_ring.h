// exemplar_ring.h: the newest exemplars, in memory.
//
// One ring for all tenants in order of arrival: the newest push out the oldest. A series gets at
// most EXEMPLARS_PER_HOUR of any hour, and its exemplars rise by time; the same one again (targets
// show it until there is a newer one, pushes are retried) is passed over. Series are known by their
// labels, so an exemplar outlives its series in the head.
// Costs: add O(labels), and O(EXEMPLARS_PER_HOUR) at the newest's time; a query O(all exemplars).
// Memory: EXEMPLARS_MAX exemplars and bytes_max of text.
// Threads: guarded by the db's lock.
#ifndef TSDB_EXEMPLAR_RING_H
#define TSDB_EXEMPLAR_RING_H

#include "base/map.h"
#include "model/labels.h"
#include "model/sample.h"

struct arena;
struct exemplar_series;
struct matcher;

#define EXEMPLARS_MAX      100000U
#define EXEMPLARS_PER_HOUR 100U
#define EXEMPLAR_BYTES_MAX ((size_t)16 << 20)
#define EXEMPLAR_LABEL_MAX 1024U // Bytes of names and values of one; more is refused.

// Threads: guarded by the db's lock.
struct exemplar_ring {
    struct ring_entry *entries; // [first, first + count), wrapping at EXEMPLARS_MAX.
    u32 first;
    u32 count;
    u64 dropped; // Ever: the number of the oldest.
    struct ring_series *series;
    u32 series_count; // Rows ever used; free ones have no entries.
    u32 series_cap;
    u32 *free;
    u32 free_count;
    struct map by_labels;
    size_t bytes;
    size_t bytes_max; // EXEMPLAR_BYTES_MAX; may be set lower before the first.
};
void exemplar_ring_init(struct exemplar_ring *r);
void exemplar_ring_fini(struct exemplar_ring *r);

bool exemplar_too_long(const struct exemplar *x);
// Whether add would keep it.
bool exemplar_ring_takes(const struct exemplar_ring *r, struct tenant_id tenant, struct labels set,
                         const struct exemplar *x);
// Copies it; false: it was passed over.
bool exemplar_ring_add(struct exemplar_ring *r, struct tenant_id tenant, struct labels set,
                       const struct exemplar *x);
// Calls fn for all, oldest first, from number *from on (0: from the first there is). fn returns
// false to end after this one: *from is where to go on, also if the oldest were dropped meanwhile.
// Returns whether the newest was reached.
typedef bool exemplar_fn(void *ctx, struct tenant_id tenant, struct labels set,
                         const struct exemplar *x);
bool exemplar_ring_each(const struct exemplar_ring *r, u64 *from, exemplar_fn *fn, void *ctx);

// Whether it is older than the newest of its series, for which it is not kept.
bool exemplar_ring_late(const struct exemplar_ring *r, struct tenant_id tenant, struct labels set,
                        const struct exemplar *x);
i64 exemplar_ring_oldest(
    const struct exemplar_ring *r); // Time of the first that came; there is one.
// The lowest tenant from this number on that has any; false if there is none.
bool exemplar_ring_tenant(const struct exemplar_ring *r, u64 from, struct tenant_id *out);

// A question: exemplars of series that match, with times in [min_ms, max_ms]. Threads: a value.
struct exemplar_ask {
    struct tenant_id tenant;
    const struct matcher *ms;
    u32 count;
    i64 min_ms;
    i64 max_ms;
};
// Series sorted by labels; false: the arena is full.
bool exemplar_ring_find(const struct exemplar_ring *r, const struct exemplar_ask *ask,
                        struct arena *a, struct exemplar_series **out, u32 *n) MUST_USE;

#endif
