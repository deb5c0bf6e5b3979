// head_resolve.c: series for those who ask: found, or made if limits let them, in batches; and
// which of them the log does not know yet.
#include "base/hash.h"
#include "tsdb/head.h"
#include "tsdb/head_alike.h"
#include "tsdb/head_cold.h"
#include "tsdb/head_series.h"

#define PREFETCH_AHEAD      8U
#define PENDING_LABEL_BYTES 20ULL // At most, beside its texts, in the log.
// A record of the log holds 16 MiB, and series of up to 4 MiB before the one that fills it.
#define SERIES_BYTES_MAX ((u64)8 << 20)

// What comes from outside was held to its limits where it came in.
static const struct labels_limits no_limits;

static void pending_add(struct head *h, u32 ordinal)
{
    if (h->pending_count == h->pending_cap) {
        h->pending_cap = MAX(64U, h->pending_cap * 2);
        h->pending = MEM_GROW(h->pending, h->pending_cap, u32);
    }
    h->pending[h->pending_count++] = ordinal;
}

u32 head_pending_slice(const struct head *h, u64 bytes_max)
{
    u32 n = 0;
    u64 bytes = 0;
    while (n < h->pending_count && bytes < bytes_max) {
        u32 at = h->pending[h->pending_count - 1 - n];
        bytes += head_label_bytes(h, at) + head_label_count(h, at) * PENDING_LABEL_BYTES;
        n += bytes <= bytes_max || n == 0;
    }
    return n;
}

static bool set_fits_log(struct labels set)
{
    u64 bytes = 0;
    for (u32 i = 0; i < set.count; i++) {
        bytes += set.items[i].name.len + set.items[i].value.len + PENDING_LABEL_BYTES;
    }
    return bytes <= SERIES_BYTES_MAX;
}

// With the turn: whether a series fits into the room, and what its ordinal makes of the table.
static bool room_is(const struct head *h, u32 ordinal)
{
    return h->room > head_table_step(h, ordinal);
}

static u32 ordinal_next(const struct head *h)
{
    return h->free_count > 0 ? h->free_ordinals[h->free_count - 1] : h->count;
}

static bool reserve_is(const struct head *h, const struct head_asker *asker)
{
    return asker->reserve && h->live - h->idle < h->limits->series_max;
}

enum append_outcome head_room_judge(const struct head *h, const struct head_asker *asker,
                                    struct labels set, u32 ordinal)
{
    const u32 active = h->live - h->idle;
    if (reserve_is(h, asker)) {
        return APPEND_STORED;
    }
    if (!head_live(h, ordinal) && !room_is(h, ordinal)) {
        return APPEND_LIMIT_MEMORY;
    }
    bool fits = active < h->own_min ||
                (active < h->own_max && atomic_load(&h->limits->series) < h->limits->series_max);
    return fits ? head_quotas_judge(&h->quotas, asker->tenant, set) : APPEND_LIMIT_SERIES;
}

// With the turn: APPEND_STORED, or the limit that refuses one more series. Shards that add series
// at the same moment may pass the limit by one each.
static enum append_outcome admit(const struct head *h, const struct head_asker *asker,
                                 struct labels set)
{
    if (!set_fits_log(set)) {
        return APPEND_LIMIT_LABELS;
    }
    if (atomic_load(&h->limits->restrained[h->id]) && !reserve_is(h, asker)) {
        return APPEND_LIMIT_STARTS;
    }
    return head_room_judge(h, asker, set, ordinal_next(h));
}

// With the turn and the lock: a set that was found good.
static enum append_outcome resolve_good(struct head *h, const struct head_asker *asker,
                                        const struct head_key *k,
                                        const struct head_series_parts *known,
                                        struct head_births *births)
{
    const enum append_outcome outcome = admit(h, asker, k->labels);
    const u32 at = ordinal_next(h);
    if (outcome != APPEND_STORED) {
        return outcome;
    }
    if (at >= head_slots_max(h->limits->series_max)) {
        return APPEND_LIMIT_SERIES;
    }
    if (known) {
        head_series_make_known(h, k, known, at, births);
    } else if (!head_series_make(h, k, at, births)) {
        return APPEND_LIMIT_SYMBOLS;
    }
    head_end_take(h, at);
    if (h->free_count > 0) {
        h->free_count--;
    }
    pending_add(h, at);
    return APPEND_STORED;
}

// With the turn and the lock. *known: all its parts were there.
static enum append_outcome resolve_new(struct head *h, const struct head_asker *asker,
                                       const struct head_key *k, struct series_ref *ref,
                                       struct head_births *births, bool *known)
{
    struct head_series_parts p;
    *known = false;
    if (head_series_known(h, k, ref)) { // Somebody was faster, or it came twice.
        return APPEND_STORED;
    }
    if (k->labels.count == 0 || k->labels.count > HEAD_LABELS_MAX) {
        return APPEND_INVALID;
    }
    *known = head_parts_known(h, k, &p);
    if (!*known && !head_set_valid(k->labels)) {
        return APPEND_INVALID;
    }
    const enum append_outcome outcome = resolve_good(h, asker, k, *known ? &p : NULL, births);
    if (outcome == APPEND_STORED) {
        const u32 at = h->pending[h->pending_count - 1];
        *ref = (struct series_ref){.ordinal = at, .generation = h->rows[at].generation};
    }
    return outcome;
}

// Threads: owned by one call.
struct resolve_batch {
    const struct head_asker *asker;
    const struct labels *sets;
    u64 *hashes;
    u64 *same; // What each has in common with the one before.
    u32 n;
    struct series_ref *refs;
};

bool head_set_valid(struct labels set)
{
    return set.count > 0 && set.count <= HEAD_LABELS_MAX && labels_check(set, &no_limits, NULL);
}

static bool is_idle(const struct head *h, struct series_ref ref)
{
    return h->rows[ref.ordinal].open.flags & ROW_IDLE;
}

// With the turn: those of a batch that are not known yet. Those that are idle do not leave now.
static void batch_make(struct head *h, const struct resolve_batch *b, u8 *outcomes)
{
    bool known = false; // All parts of the set before.
    for (u32 from = 0; from < b->n; from += HEAD_BIRTHS) {
        u32 to = MIN(b->n, from + HEAD_BIRTHS);
        struct head_births births = {.n = 0};
        lock_take(&h->lock);
        for (u32 i = from; i < to; i++) {
            const struct head_key k = {b->asker->tenant, b->sets[i], b->hashes[i],
                                       known ? b->same[i] : 0};
            const bool missing = b->refs[i].generation == 0 ||
                                 !head_ref_alive(h, b->asker->tenant, b->refs[i]); // It left.
            known = false;
            if (missing) {
                outcomes[i] = (u8)resolve_new(h, b->asker, &k, &b->refs[i], &births, &known);
            }
            if (b->refs[i].generation != 0 && is_idle(h, b->refs[i])) {
                h->rows[b->refs[i].ordinal].open.flags |= ROW_ASKED;
            }
        }
        head_births_end(h, &births);
        lock_drop(&h->lock);
    }
}

// How many are not known yet, or idle.
static u32 batch_find(struct head *h, const struct resolve_batch *b, u8 *outcomes)
{
    u32 missing = 0;
    for (u32 from = 0; from < b->n; from += HEAD_SLICE) {
        u32 to = MIN(b->n, from + HEAD_SLICE);
        lock_take(&h->lock);
        for (u32 i = from; i < to; i++) {
            const struct head_key k = {b->asker->tenant, b->sets[i], b->hashes[i], 0};
            map_prefetch(&h->by_labels, b->hashes[MIN(i + PREFETCH_AHEAD, b->n - 1)]);
            b->refs[i] = (struct series_ref){0, 0};
            bool known = head_series_known(h, &k, &b->refs[i]);
            outcomes[i] = known ? APPEND_STORED : APPEND_INVALID;
            missing += !known || is_idle(h, b->refs[i]);
        }
        lock_drop(&h->lock);
    }
    return missing;
}

static void batch_hash(const struct resolve_batch *b)
{
    struct head_alike alike = {.before = {0}};
    for (u32 i = 0; i < b->n; i++) {
        b->hashes[i] =
            hash_mix(b->asker->tenant.v, head_alike_next(&alike, b->sets[i], &b->same[i]));
    }
}

void head_resolve(struct head *h, const struct head_asker *asker, const struct labels *sets, u32 n,
                  struct series_ref *refs, u8 *outcomes)
{
    struct resolve_batch b = {.asker = asker,
                              .sets = sets,
                              .hashes = MEM_NEW_N(u64, 2 * ((size_t)n + 1)),
                              .n = n,
                              .refs = refs};
    b.same = b.hashes + n + 1;
    batch_hash(&b);
    if (batch_find(h, &b, outcomes) > 0) {
        head_turn_take(h);
        batch_make(h, &b, outcomes);
        head_turn_drop(h);
    }
    mem_free(b.hashes);
}
