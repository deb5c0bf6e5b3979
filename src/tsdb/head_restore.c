#include "tsdb/head_restore.h"

#include "base/hash.h"
#include "tsdb/head.h"
#include "tsdb/head_cold.h"
#include "tsdb/head_series.h"
#include "tsdb/postings.h"

#define PREFETCH_AHEAD 8U
#define RUN_MAX        512U // Ordinals that go into sets at once.

// Of a set that is not known; its end is taken only if no row comes with it. false: the slot is
// taken, or there is no room for its symbols.
static bool restored_alone(struct head *h, const struct head_key *k, u32 ordinal, bool end)
{
    if (head_live(h, ordinal)) {
        return false;
    }
    lock_take(&h->lock);
    struct head_births births = {.n = 0};
    bool made = head_series_make(h, k, ordinal, &births);
    if (made && end) {
        head_end_take(h, ordinal);
    }
    head_births_end(h, &births);
    lock_drop(&h->lock);
    return made;
}

u32 head_restore(struct head *h, struct tenant_id tenant, struct labels set, u32 ordinal)
{
    struct series_ref ref;
    if (!head_set_valid(set)) {
        return MAP_NONE;
    }
    const struct head_key k = {tenant, set, head_key_hash(tenant, set), 0};
    if (head_series_known(h, &k, &ref)) {
        // The same word twice (checkpoint and segment), or a series that left and came back.
        if (ref.ordinal == ordinal || !head_row_bare(&h->rows[ref.ordinal])) {
            return ref.ordinal;
        }
        const bool cold = h->rows[ref.ordinal].open.flags & ROW_COLD;
        lock_take(&h->lock);
        head_series_leave(h, ref.ordinal); // head_restored sees to all free ordinals.
        lock_drop(&h->lock);
        if (cold) {
            head_gone_set(h, ref.ordinal);
        }
    }
    return restored_alone(h, &k, ordinal, true) ? ordinal : MAP_NONE;
}

bool head_restore_new(struct head *h, struct tenant_id tenant, struct labels set, u32 ordinal)
{
    struct series_ref ref;
    if (!head_set_valid(set)) {
        return false;
    }
    const struct head_key k = {tenant, set, head_key_hash(tenant, set), 0};
    return !head_series_known(h, &k, &ref) && restored_alone(h, &k, ordinal, false);
}

void head_restore_reserve(struct head *h, u32 series, u32 slots)
{
    lock_take(&h->lock);
    if (slots > h->cap) {
        head_table_reserve(h, slots);
    }
    map_reserve(&h->by_labels, series);
    lock_drop(&h->lock);
}

bool head_restore_target(struct head *h, struct tenant_id tenant, struct labels set,
                         struct head_target *out)
{
    u32 group;
    lock_take(&h->lock);
    head_tenant_text(h, tenant);
    h->items[0] = (struct label){STR_EMPTY, h->tenant_text};
    memcpy(h->items + 1, set.items, set.count * sizeof(struct label));
    const struct label_texts texts = {.items = h->items, .n = set.count + 1};
    bool ok = texts.n <= PART_BITS && head_group_of(h, h->tenant_text, set, &group) && group != 0;
    u32 part = ok ? head_part_get(&h->parts, &texts, UINT64_MAX, true) : PART_NONE;
    if (part != PART_NONE) {
        struct head_group *g = &h->groups[group - 1];
        bool fewer =
            g->target == PART_NONE || h->parts.parts[part].count < h->parts.parts[g->target].count;
        if (fewer) { // What the group offers was narrowed in the course of time.
            if (g->target != PART_NONE) {
                head_part_unref(&h->parts, g->target);
            }
            g->target = part;
            head_part_ref(&h->parts, part);
        }
        *out = (struct head_target){.part = part, .group = group};
    }
    lock_drop(&h->lock);
    return part != PART_NONE;
}

u32 head_restore_own(struct head *h, const struct label *items, u32 n, u64 mask)
{
    lock_take(&h->lock);
    const struct label_texts texts = {.items = items, .n = n};
    u32 part = head_part_get(&h->parts, &texts, mask, false);
    lock_drop(&h->lock);
    return part;
}

void head_restore_drop(struct head *h, u32 part)
{
    lock_take(&h->lock);
    head_part_unref(&h->parts, part);
    lock_drop(&h->lock);
}

// Two splits of one set are the same series. Pairs have one id each.
static bool restored_eq(const void *ctx, u32 index, const void *key)
{
    const struct head *h = ctx;
    const struct head_series_new *k = key;
    if (h->hash[index] != k->hash || h->rows[index].tenant != k->tenant.v ||
        head_label_count(h, index) + 1 != head_parts_count(&h->parts, k->target, k->own)) {
        return false;
    }
    struct pair_walk mine = head_pair_walk(h, index);
    struct pair_walk other = head_parts_walk(&h->parts, k->target, k->own);
    u32 n = head_label_count(h, index) + 1;
    while (n > 0 && pair_walk_next(&mine) == pair_walk_next(&other)) {
        n--;
    }
    return n == 0;
}

static bool restored_known(struct head *h, const struct head_series_new *s)
{
    static const struct map_ops by_pairs = {.eq = restored_eq, .hash_of = head_series_hash_of};
    h->by_labels.ops = &by_pairs;
    bool known = map_get(&h->by_labels, s->hash, s) != MAP_NONE;
    h->by_labels.ops = &head_series_ops;
    return known;
}

static bool restored_make(struct head *h, const struct head_series_new *s, u32 ordinal)
{
    const struct head_room was = {head_bytes_base(h), h->index.pairs_live};
    if (head_live(h, ordinal) || restored_known(h, s)) {
        return false;
    }
    head_part_ref(&h->parts, s->target);
    head_part_ref(&h->parts, s->own);
    head_series_enter(h, s, ordinal);
    if (head_quotas_any(&h->quotas)) {
        head_quotas_add(&h->quotas, s->tenant, head_labels(h, ordinal, h->items));
    }
    head_room_charge(h, was, ordinal);
    return true;
}

bool head_restore_run(struct head *h, const struct head_restored_run *run)
{
    bool ok = true;
    lock_take(&h->lock);
    for (u32 i = 0; ok && i < run->n; i++) {
        map_prefetch(&h->by_labels,
                     hash_mix(run->tenant.v, run->hashes[MIN(i + PREFETCH_AHEAD, run->n - 1)]));
        const struct head_series_new s = {.tenant = run->tenant,
                                          .hash = hash_mix(run->tenant.v, run->hashes[i]),
                                          .group = run->target.group,
                                          .target = run->target.part,
                                          .own = run->owns[i]};
        ok = restored_make(h, &s, run->ordinals[i]);
    }
    lock_drop(&h->lock);
    return ok;
}

static void part_sets_add(struct head *h, u32 part, const u32 *ordinals, u32 n)
{
    const struct label_part *p = &h->parts.parts[part];
    for (u32 i = 0; i < p->count; i++) {
        postings_add_all(h->index.pairs[h->parts.pool[p->at + i]].set, ordinals, n);
    }
}

// Of one target, into the sets of its labels at once.
void head_restore_sets(struct head *h)
{
    u32 ordinals[RUN_MAX];
    u32 n = 0;
    u32 target = PART_NONE;
    for (u32 i = 0; i < h->count; i++) {
        if (!head_live(h, i) || h->target[i] == PART_NONE) {
            continue; // What is alone went into its sets when it was made.
        }
        if (n == RUN_MAX || h->target[i] != target) {
            if (n > 0) {
                part_sets_add(h, target, ordinals, n);
            }
            target = h->target[i];
            n = 0;
        }
        ordinals[n++] = i;
        part_sets_add(h, h->rows[i].own - 1, &i, 1);
    }
    if (n > 0) {
        part_sets_add(h, target, ordinals, n);
    }
}

void head_restored(struct head *h, u64 segment)
{
    for (u32 i = 0; i < h->count; i++) {
        const bool cold = head_live(h, i) && (h->rows[i].open.flags & ROW_COLD);
        lock_take(&h->lock);
        if (head_live(h, i) && head_row_bare(&h->rows[i])) {
            head_series_leave(h, i);
        }
        lock_drop(&h->lock);
        if (cold) {
            head_gone_set(h, i);
        } else if (!head_live(h, i) && !head_gone_is(h, i)) {
            head_freed_add(h, (struct head_freed){.ordinal = i, .segment = segment});
        }
    }
    lock_take(&h->lock);
    head_gone_restored(h, segment);
    lock_drop(&h->lock);
}
