// head_series.c: the head's series table: find, make, forget, and their labels.
#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "tsdb/head.h"
#include "tsdb/index_select.h"

#define LABELS_MAX       512U // Of one series; what comes through the API is bounded lower.
#define SLOTS_MAX        (1U << 27)
#define SLOTS_SPARE      (1U << 20)
#define POOL_WASTE_SMALL (64U << 10)

// What comes from outside was held to its limits where it came in.
static const struct labels_limits no_limits;

// Threads: owned by one look-up.
struct series_key {
    struct tenant_id tenant;
    struct labels labels;
};

static u64 series_hash(struct tenant_id tenant, struct labels set)
{
    return hash_mix(tenant.v, labels_hash(set));
}

const u32 *head_label_symbols(const struct head *h, u32 ordinal, u32 *count)
{
    const u32 *at = h->label_pool + h->labels_at[ordinal];
    *count = at[0];
    return at + 1;
}

u32 head_label_count(const struct head *h, u32 ordinal)
{
    return h->label_pool[h->labels_at[ordinal]] - 1;
}

struct labels head_labels(const struct head *h, u32 ordinal, struct label *items)
{
    u32 count;
    const u32 *symbols = head_label_symbols(h, ordinal, &count);
    for (u32 i = 1; i < count; i++) { // The first is the tenant's.
        items[i - 1].name = symtab_get(h->index.symbols, symbols[(size_t)2 * i]);
        items[i - 1].value = symtab_get(h->index.symbols, symbols[(size_t)2 * i + 1]);
    }
    return (struct labels){.items = items, .count = count - 1};
}

static bool series_eq(const void *ctx, u32 index, const void *key)
{
    const struct head *h = ctx;
    const struct series_key *k = key;
    u32 count;
    const u32 *symbols = head_label_symbols(h, index, &count);
    char text[16];
    if (count != k->labels.count + 1 ||
        !str_eq(symtab_get(h->index.symbols, symbols[1]), index_tenant(k->tenant, text))) {
        return false;
    }
    for (u32 i = 1; i < count; i++) {
        const struct label *l = &k->labels.items[i - 1];
        if (!str_eq(symtab_get(h->index.symbols, symbols[(size_t)2 * i]), l->name) ||
            !str_eq(symtab_get(h->index.symbols, symbols[(size_t)2 * i + 1]), l->value)) {
            return false;
        }
    }
    return true;
}

static u64 series_hash_of(const void *ctx, u32 index)
{
    const struct head *h = ctx;
    return h->hash[index];
}

// Threads: owned by one look-up.
struct group_key {
    u32 tenant;
    u32 job;
    u32 instance;
};

static u64 group_hash(struct group_key k)
{
    return hash_mix(hash_mix(k.tenant, k.job), k.instance);
}

static bool group_eq(const void *ctx, u32 index, const void *key)
{
    const struct head *h = ctx;
    const struct group_key *k = key;
    const struct head_group *g = &h->groups[index];
    return g->tenant == k->tenant && g->job == k->job && g->instance == k->instance;
}

static u64 group_hash_of(const void *ctx, u32 index)
{
    const struct head *h = ctx;
    const struct head_group *g = &h->groups[index];
    return group_hash(
        (struct group_key){.tenant = g->tenant, .job = g->job, .instance = g->instance});
}

static const struct map_ops series_ops = {.eq = series_eq, .hash_of = series_hash_of};
static const struct map_ops group_ops = {.eq = group_eq, .hash_of = group_hash_of};

struct head *head_new(u32 id, i64 range_ms, _Atomic u32 *series_total, _Atomic bool *full,
                      u32 series_max, u64 symbol_bytes_max)
{
    CHECK(id <= 1 && range_ms > 0);
    struct head *h = MEM_NEW(struct head);
    h->id = id;
    h->range_ms = range_ms;
    h->series_total = series_total;
    h->full = full;
    h->series_max = series_max;
    h->own_max = series_max;
    h->t_floor = INT64_MIN;
    h->t_max = T_NEVER;
    lock_init(&h->lock, LOCK_HEAD, "head");
    cond_init(&h->turn_free);
    map_init(&h->by_labels, &series_ops, h);
    map_init(&h->by_group, &group_ops, h);
    head_index_init(&h->index, symbol_bytes_max);
    pins_init(&h->pins);
    slabs_init(&h->slabs);
    h->pool_len = 1; // Offset 0 says that a slot is free.
    h->pool_cap = 1024;
    h->label_pool = MEM_NEW_N(u32, h->pool_cap);
    h->windows = MEM_NEW_N(struct head_window *, HEAD_WINDOWS_MAX);
    return h;
}

u32 head_slots_max(u32 series_max)
{
    return MIN(series_max, SLOTS_MAX / 4) * 4 + SLOTS_SPARE;
}

void head_free(struct head *h)
{
    if (!h) {
        return;
    }
    for (u32 i = 0; i < h->window_count; i++) {
        window_free(h->windows[i]);
    }
    const void *owned[] = {h->windows,     h->hash,    h->generation,    h->labels_at,  h->group,
                           h->t_last,      h->v_last,  h->private_until, h->wal_epoch,  h->staged,
                           h->note,        h->young,   h->open,          h->label_pool, h->groups,
                           h->free_groups, h->pending, h->free_ordinals, h->freed};
    for (size_t i = 0; i < ARRAY_LEN(owned); i++) {
        mem_free(owned[i]);
    }
    slabs_fini(&h->slabs);
    pins_fini(&h->pins);
    head_index_fini(&h->index);
    map_fini(&h->by_labels);
    map_fini(&h->by_group);
    cond_fini(&h->turn_free);
    lock_fini(&h->lock);
    mem_free(h);
}

void head_turn_take(struct head *h)
{
    lock_take(&h->lock);
    while (h->turn_taken) {
        cond_wait(&h->turn_free, &h->lock);
    }
    h->turn_taken = true;
    lock_drop(&h->lock);
}

void head_turn_drop(struct head *h)
{
    lock_take(&h->lock);
    CHECK(h->turn_taken);
    h->turn_taken = false;
    cond_signal(&h->turn_free);
    lock_drop(&h->lock);
}

// Slots up to count exist afterwards, free.
static void table_grow(struct head *h, u32 count)
{
    if (count > h->cap) {
        u32 cap = MAX(1024U, (u32)bits_pow2_up(count));
        h->hash = MEM_GROW(h->hash, cap, u64);
        h->generation = MEM_GROW(h->generation, cap, u32);
        h->labels_at = MEM_GROW(h->labels_at, cap, u32);
        h->group = MEM_GROW(h->group, cap, u32);
        h->t_last = MEM_GROW(h->t_last, cap, i64);
        h->v_last = MEM_GROW(h->v_last, cap, f64);
        h->private_until = MEM_GROW(h->private_until, cap, i64);
        h->wal_epoch = MEM_GROW(h->wal_epoch, cap, u32);
        h->staged = MEM_GROW(h->staged, cap, u32);
        h->note = MEM_GROW(h->note, cap, u64);
        h->young = MEM_GROW(h->young, cap, u8);
        h->open = MEM_GROW(h->open, cap, struct open_chunk);
        h->cap = cap;
    }
    for (u32 i = h->count; i < count; i++) {
        h->generation[i] = 2 | h->id;
        h->labels_at[i] = 0;
        h->staged[i] = 0;
        h->open[i] = (struct open_chunk){0};
    }
    h->count = MAX(h->count, count);
}

static bool labels_intern(struct head *h, struct tenant_id tenant, struct labels set, u32 *symbols)
{
    char text[16];
    symbols[0] = symtab_intern(h->index.symbols, STR_EMPTY);
    symbols[1] = symtab_intern(h->index.symbols, index_tenant(tenant, text));
    bool ok = symbols[0] != SYMBOL_NONE && symbols[1] != SYMBOL_NONE;
    for (u32 i = 0; ok && i < set.count; i++) {
        symbols[(size_t)2 * i + 2] = symtab_intern(h->index.symbols, set.items[i].name);
        symbols[(size_t)2 * i + 3] = symtab_intern(h->index.symbols, set.items[i].value);
        ok = symbols[(size_t)2 * i + 2] != SYMBOL_NONE && symbols[(size_t)2 * i + 3] != SYMBOL_NONE;
    }
    return ok;
}

static void pool_add(struct head *h, u32 ordinal, const u32 *symbols, u32 count)
{
    u32 need = h->pool_len + 2 * count + 1;
    if (need > h->pool_cap) {
        h->pool_cap = MAX(h->pool_cap * 2, need);
        h->label_pool = MEM_GROW(h->label_pool, h->pool_cap, u32);
    }
    h->labels_at[ordinal] = h->pool_len;
    h->label_pool[h->pool_len++] = count;
    memcpy(h->label_pool + h->pool_len, symbols, (size_t)count * 2 * sizeof(u32));
    h->pool_len += 2 * count;
}

// The group's index + 1. A slot that is used again goes on counting its fragments, so that nothing
// in the log can pass for a fragment of its former owner.
static u32 group_find(struct head *h, const struct group_key *k)
{
    u32 at = map_get(&h->by_group, group_hash(*k), k);
    u32 sequence = 0;
    if (at != MAP_NONE) {
        return at + 1;
    }
    if (h->free_group_count > 0) {
        at = h->free_groups[--h->free_group_count];
        sequence = h->groups[at].sequence;
    } else {
        at = h->group_count++;
        if (at == h->group_cap) {
            h->group_cap = MAX(64U, h->group_cap * 2);
            h->groups = MEM_GROW(h->groups, h->group_cap, struct head_group);
        }
    }
    h->groups[at] = (struct head_group){
        .tenant = k->tenant, .job = k->job, .instance = k->instance, .sequence = sequence};
    map_put(&h->by_group, group_hash(*k), at);
    return at + 1;
}

static bool group_key_of(const struct head *h, const u32 *symbols, struct labels set,
                         struct group_key *k)
{
    if (labels_get(set, LABEL_JOB).len == 0 || labels_get(set, LABEL_INSTANCE).len == 0) {
        return false;
    }
    *k = (struct group_key){
        .tenant = symbols[1],
        .job = symtab_find(h->index.symbols, labels_get(set, LABEL_JOB)),
        .instance = symtab_find(h->index.symbols, labels_get(set, LABEL_INSTANCE)),
    };
    return true;
}

// With the turn and the lock.
static bool series_make(struct head *h, struct tenant_id tenant, struct labels set, u32 ordinal)
{
    u32 symbols[2 * (LABELS_MAX + 1)];
    struct group_key k;
    if (!labels_intern(h, tenant, set, symbols)) {
        return false;
    }
    u32 group = 0;
    if (group_key_of(h, symbols, set, &k)) {
        group = group_find(h, &k);
        h->groups[group - 1].series++;
    }
    table_grow(h, ordinal + 1);
    h->hash[ordinal] = series_hash(tenant, set);
    h->group[ordinal] = group;
    h->t_last[ordinal] = T_NEVER;
    h->v_last[ordinal] = 0;
    h->private_until[ordinal] = INT64_MIN;
    h->wal_epoch[ordinal] = 0;
    h->staged[ordinal] = 0;
    h->note[ordinal] = 0;
    h->young[ordinal] = 1;
    pool_add(h, ordinal, symbols, set.count + 1);
    map_put(&h->by_labels, h->hash[ordinal], ordinal);
    head_index_add(&h->index, ordinal, symbols, set.count + 1);
    h->live++;
    h->created_total++;
    atomic_fetch_add(h->series_total, 1);
    return true;
}

static bool resolve_known(const struct head *h, struct tenant_id tenant, struct labels set,
                          struct series_ref *ref)
{
    struct series_key k = {.tenant = tenant, .labels = set};
    u32 at = map_get(&h->by_labels, series_hash(tenant, set), &k);
    if (at == MAP_NONE) {
        return false;
    }
    *ref = (struct series_ref){.ordinal = at, .generation = h->generation[at]};
    return true;
}

static void pending_add(struct head *h, u32 ordinal)
{
    if (h->pending_count == h->pending_cap) {
        h->pending_cap = MAX(64U, h->pending_cap * 2);
        h->pending = MEM_GROW(h->pending, h->pending_cap, u32);
    }
    h->pending[h->pending_count++] = ordinal;
}

// With the turn. Shards that add series at the same moment may pass the limit by one each.
static bool has_room(const struct head *h, const struct head_asker *asker)
{
    if (asker->reserve && h->live < h->series_max) {
        return true;
    }
    if (atomic_load(h->full)) {
        return false;
    }
    return h->live < h->own_min ||
           (h->live < h->own_max && atomic_load(h->series_total) < h->series_max);
}

// With the turn.
static enum append_outcome resolve_new(struct head *h, const struct head_asker *asker,
                                       struct labels set, struct series_ref *ref)
{
    if (set.count == 0 || set.count > LABELS_MAX || !labels_check(set, &no_limits, NULL)) {
        return APPEND_INVALID;
    }
    if (resolve_known(h, asker->tenant, set, ref)) { // Somebody was faster, or it came twice.
        return APPEND_STORED;
    }
    if (!has_room(h, asker)) {
        return APPEND_LIMIT;
    }
    u32 at = h->free_count > 0 ? h->free_ordinals[h->free_count - 1] : h->count;
    if (at >= head_slots_max(h->series_max)) {
        return APPEND_LIMIT;
    }
    lock_take(&h->lock);
    bool made = series_make(h, asker->tenant, set, at);
    lock_drop(&h->lock);
    if (!made) {
        return APPEND_LIMIT;
    }
    if (h->free_count > 0) {
        h->free_count--;
    }
    pending_add(h, at);
    *ref = (struct series_ref){.ordinal = at, .generation = h->generation[at]};
    return APPEND_STORED;
}

void head_resolve(struct head *h, const struct head_asker *asker, const struct labels *sets, u32 n,
                  struct series_ref *refs, u8 *outcomes)
{
    u32 missing = 0;
    for (u32 from = 0; from < n; from += HEAD_SLICE) {
        lock_take(&h->lock);
        for (u32 i = from; i < n && i < from + HEAD_SLICE; i++) {
            refs[i] = (struct series_ref){0, 0};
            bool known = resolve_known(h, asker->tenant, sets[i], &refs[i]);
            outcomes[i] = known ? APPEND_STORED : APPEND_INVALID;
            missing += !known;
        }
        lock_drop(&h->lock);
    }
    if (missing == 0) {
        return;
    }
    head_turn_take(h);
    for (u32 i = 0; i < n; i++) {
        if (refs[i].generation == 0) {
            outcomes[i] = (u8)resolve_new(h, asker, sets[i], &refs[i]);
        }
    }
    head_turn_drop(h);
}

static void freed_add(struct head *h, struct head_freed f)
{
    if (h->freed_count == h->freed_cap) {
        h->freed_cap = MAX(64U, h->freed_cap * 2);
        h->freed = MEM_GROW(h->freed, h->freed_cap, struct head_freed);
    }
    h->freed[h->freed_count++] = f;
}

static void list_add(u32 **list, u32 *count, u32 *cap, u32 v)
{
    if (*count == *cap) {
        *cap = MAX(64U, *cap * 2);
        *list = MEM_GROW(*list, *cap, u32);
    }
    (*list)[(*count)++] = v;
}

static void group_leave(struct head *h, u32 group)
{
    struct head_group *g = group != 0 ? &h->groups[group - 1] : NULL;
    if (!g || --g->series > 0) {
        return;
    }
    struct group_key k = {.tenant = g->tenant, .job = g->job, .instance = g->instance};
    CHECK(map_del(&h->by_group, group_hash(k), &k));
    list_add(&h->free_groups, &h->free_group_count, &h->free_group_cap, group - 1);
}

// With the turn and the lock.
static void series_forget(struct head *h, u32 ordinal, u64 segment)
{
    u32 count;
    const u32 *symbols = head_label_symbols(h, ordinal, &count);
    struct label items[LABELS_MAX];
    struct tenant_id tenant = {0};
    u64 tenant_text = 0;
    CHECK(parse_u64(symtab_get(h->index.symbols, symbols[1]), &tenant_text));
    tenant.v = (u32)tenant_text;
    struct series_key k = {.tenant = tenant, .labels = head_labels(h, ordinal, items)};
    CHECK(map_del(&h->by_labels, h->hash[ordinal], &k));
    head_index_remove(&h->index, ordinal, symbols, count);
    h->pool_waste += 2 * count + 1;
    h->labels_at[ordinal] = 0;
    h->generation[ordinal] += 2;
    group_leave(h, h->group[ordinal]);
    freed_add(h, (struct head_freed){.ordinal = ordinal, .segment = segment});
    h->live--;
    h->removed_total++;
    atomic_fetch_sub(h->series_total, 1);
}

u32 head_restore(struct head *h, struct tenant_id tenant, struct labels set, u32 ordinal)
{
    struct series_ref ref;
    if (set.count == 0 || set.count > LABELS_MAX || !labels_check(set, &no_limits, NULL)) {
        return MAP_NONE;
    }
    if (resolve_known(h, tenant, set, &ref)) {
        // The same word twice (checkpoint and segment), or a series that left and came back.
        if (ref.ordinal == ordinal || h->t_last[ref.ordinal] != T_NEVER) {
            return ref.ordinal;
        }
        lock_take(&h->lock);
        series_forget(h, ref.ordinal, UINT64_MAX);
        h->freed_count--; // head_restored sees to all free ordinals.
        lock_drop(&h->lock);
    }
    if (ordinal < h->count && h->labels_at[ordinal] != 0) {
        return MAP_NONE;
    }
    lock_take(&h->lock);
    bool made = series_make(h, tenant, set, ordinal);
    lock_drop(&h->lock);
    return made ? ordinal : MAP_NONE;
}

// Rewrites the pool without the labels of series that left.
static void pool_pack(struct head *h)
{
    u32 cap = MAX(1024U, h->pool_len - h->pool_waste);
    u32 *packed = MEM_NEW_N(u32, cap);
    u32 len = 1;
    for (u32 i = 0; i < h->count; i++) {
        if (h->labels_at[i] != 0) {
            const u32 *from = h->label_pool + h->labels_at[i];
            u32 words = 2 * from[0] + 1;
            memcpy(packed + len, from, words * sizeof(u32));
            h->labels_at[i] = len;
            len += words;
        }
    }
    mem_free(h->label_pool);
    h->label_pool = packed;
    h->pool_cap = cap;
    h->pool_len = len;
    h->pool_waste = 0;
}

static void windows_drop(struct head *h, i64 floor)
{
    struct head_window *gone[HEAD_WINDOWS_MAX];
    u32 n = 0;
    lock_take(&h->lock);
    while (n < h->window_count && h->windows[n]->end_ms <= floor) {
        gone[n] = h->windows[n];
        n++;
    }
    memmove(h->windows, h->windows + n, (h->window_count - n) * sizeof(struct head_window *));
    h->window_count -= n;
    for (u32 i = 0; n > 0 && i < h->group_count; i++) { // No segment outlives its window.
        struct head_group *g = &h->groups[i];
        g->before = g->before && g->before->window->end_ms <= floor ? NULL : g->before;
        g->now = g->now && g->now->window->end_ms <= floor ? NULL : g->now;
    }
    lock_drop(&h->lock);
    for (u32 i = 0; i < n; i++) {
        window_free(gone[i]);
    }
}

u32 head_collect(struct head *h, i64 floor, u64 segment)
{
    u32 left = 0;
    head_turn_take(h);
    windows_drop(h, floor);
    for (u32 i = 0; i < h->pending_count; i++) {
        h->young[h->pending[i]] = 1; // The log is still to hear of it.
    }
    head_turn_drop(h);
    for (u32 from = 0;; from += HEAD_SLICE) {
        head_turn_take(h);
        if (from >= h->count) {
            break; // With the turn.
        }
        lock_take(&h->lock);
        for (u32 i = from; i < h->count && i < from + HEAD_SLICE; i++) {
            if (h->labels_at[i] == 0 || h->t_last[i] >= floor) {
                continue;
            }
            if (h->young[i]) {
                h->young[i] = 0;
                continue;
            }
            series_forget(h, i, segment);
            left++;
        }
        lock_drop(&h->lock);
        head_turn_drop(h);
    }
    if (h->pool_waste > POOL_WASTE_SMALL && h->pool_waste > h->pool_len / 2) {
        lock_take(&h->lock);
        pool_pack(h);
        lock_drop(&h->lock);
    }
    head_turn_drop(h);
    return left;
}

void head_restored(struct head *h, u64 segment)
{
    lock_take(&h->lock);
    for (u32 i = 0; i < h->count; i++) {
        if (h->labels_at[i] == 0) {
            freed_add(h, (struct head_freed){.ordinal = i, .segment = segment});
        } else if (h->t_last[i] == T_NEVER) {
            series_forget(h, i, segment);
        }
    }
    lock_drop(&h->lock);
}

void head_release(struct head *h, u64 segment_first)
{
    u32 kept = 0;
    for (u32 i = 0; i < h->freed_count; i++) {
        struct head_freed f = h->freed[i];
        if (f.segment >= segment_first) {
            h->freed[kept++] = f;
        } else {
            list_add(&h->free_ordinals, &h->free_count, &h->free_cap, f.ordinal);
        }
    }
    h->freed_count = kept;
}

u64 head_bytes(struct head *h)
{
    lock_take(&h->lock);
    u64 bytes = (u64)h->cap * (5 * sizeof(u32) + 5 * sizeof(u64) + sizeof(struct open_chunk) + 1) +
                (u64)h->pool_cap * sizeof(u32) + map_bytes(&h->by_labels) +
                head_index_bytes(&h->index) + arena_bytes(h->slabs.arena) +
                (u64)h->group_cap * sizeof(struct head_group) +
                (u64)h->pins.cap * sizeof(struct pin_note);
    for (u32 i = 0; i < h->window_count; i++) {
        bytes += window_bytes(h->windows[i]);
    }
    lock_drop(&h->lock);
    return bytes;
}
