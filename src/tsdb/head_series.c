// head_series.c: the head's series table: find, make, forget, and their labels.
#include "tsdb/head_series.h"

#include "base/hash.h"
#include "base/str.h"
#include "tsdb/head.h"
#include "tsdb/index_select.h"
#include "tsdb/postings.h"

u64 head_key_hash(struct tenant_id tenant, struct labels set)
{
    return hash_mix(tenant.v, labels_hash(set));
}

u32 head_label_count(const struct head *h, u32 ordinal)
{
    return head_parts_count(&h->parts, h->target[ordinal], h->rows[ordinal].own - 1) - 1;
}

u32 head_label_bytes(const struct head *h, u32 ordinal)
{
    return head_parts_bytes_of(&h->parts, h->target[ordinal], h->rows[ordinal].own - 1);
}

struct pair_walk head_pair_walk(const struct head *h, u32 ordinal)
{
    return head_parts_walk(&h->parts, h->target[ordinal], h->rows[ordinal].own - 1);
}

u32 head_label_symbols(const struct head *h, u32 ordinal, u32 *symbols)
{
    const struct head_index *x = &h->index;
    struct pair_walk w = head_pair_walk(h, ordinal);
    u32 n = head_label_count(h, ordinal) + 1;
    for (u32 i = 0; i < n; i++) {
        const struct head_pair *p = &x->pairs[pair_walk_next(&w)];
        *symbols++ = x->names[p->name].symbol;
        *symbols++ = p->value;
    }
    return n;
}

struct labels head_labels(const struct head *h, u32 ordinal, struct label *items)
{
    const struct head_index *x = &h->index;
    struct pair_walk w = head_pair_walk(h, ordinal);
    u32 n = head_label_count(h, ordinal);
    (void)pair_walk_next(&w); // The tenant's.
    for (u32 i = 0; i < n; i++) {
        const struct head_pair *p = &x->pairs[pair_walk_next(&w)];
        items[i].name = symtab_get(x->symbols, x->names[p->name].symbol);
        items[i].value = symtab_get(x->symbols, p->value);
    }
    return (struct labels){.items = items, .count = n};
}

str head_job(const struct head *h, u32 ordinal)
{
    const struct head_index *x = &h->index;
    const u32 group = h->rows[ordinal].group;
    if (group != 0) {
        return symtab_get(x->symbols, h->groups[group - 1].job);
    }
    struct pair_walk w = head_pair_walk(h, ordinal);
    for (u32 n = head_label_count(h, ordinal) + 1; n > 0; n--) {
        const struct head_pair *p = &x->pairs[pair_walk_next(&w)];
        if (str_eq(symtab_get(x->symbols, x->names[p->name].symbol), LABEL_JOB)) {
            return symtab_get(x->symbols, p->value);
        }
    }
    return STR_EMPTY;
}

// Out of the set of each pair.
static void postings_leave(struct head *h, u32 ordinal)
{
    struct pair_walk w = head_pair_walk(h, ordinal);
    u32 n = head_label_count(h, ordinal) + 1;
    for (u32 i = 0; i < n; i++) {
        postings_remove(h->index.pairs[pair_walk_next(&w)].set, ordinal);
    }
}

void head_births_end(struct head *h, struct head_births *births)
{
    if (births->n == 0) {
        return;
    }
    const struct label_part *target = &h->parts.parts[births->target];
    for (u32 i = 0; i < target->count; i++) {
        postings_add_all(h->index.pairs[h->parts.pool[target->at + i]].set, births->ordinals,
                         births->n);
    }
    births->n = 0;
}

// Into the sets of what is its own; into those of its target with others.
static void postings_enter(struct head *h, u32 ordinal, struct head_births *births)
{
    const struct label_part *own = &h->parts.parts[h->rows[ordinal].own - 1];
    for (u32 i = 0; i < own->count; i++) {
        postings_add(h->index.pairs[h->parts.pool[own->at + i]].set, ordinal);
    }
    if (h->target[ordinal] == PART_NONE) {
        return;
    }
    if (births->n == HEAD_BIRTHS || births->target != h->target[ordinal] ||
        (births->n > 0 && births->ordinals[births->n - 1] > ordinal)) {
        head_births_end(h, births);
    }
    births->target = h->target[ordinal];
    births->ordinals[births->n++] = ordinal;
}

static bool series_eq(const void *ctx, u32 index, const void *key)
{
    const struct head *h = ctx;
    const struct head_key *k = key;
    return h->hash[index] == k->hash && h->rows[index].tenant == k->tenant.v &&
           head_parts_equal(&h->parts, h->target[index], h->rows[index].own - 1, k->labels);
}

u64 head_series_hash_of(const void *ctx, u32 index)
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

const struct map_ops head_series_ops = {.eq = series_eq, .hash_of = head_series_hash_of};
const struct map_ops head_group_ops = {.eq = group_eq, .hash_of = group_hash_of};

#define SLOT_BYTES  (2 * sizeof(u32) + sizeof(u64) + sizeof(struct head_row))
#define TABLE_SHARE 8 // Of the room, that a step may take at most to double the table.

// To the double while there is room for many times that, else by a quarter: a step must fit into
// the memory that is left, and what it set aside is used up before the room is.
static u32 table_cap(const struct head *h, u32 count)
{
    const bool plenty = h->room / SLOT_BYTES / TABLE_SHARE > count;
    return (count + (plenty ? count : count / 4) + 1023) / 1024 * 1024;
}

u64 head_table_step(const struct head *h, u32 ordinal)
{
    const u32 cap = ordinal < h->cap ? h->cap : table_cap(h, ordinal + 1);
    return (u64)(cap - h->cap) * SLOT_BYTES;
}

void head_table_reserve(struct head *h, u32 cap)
{
    h->hash = MEM_GROW(h->hash, cap, u64);
    h->rows = MEM_GROW(h->rows, cap, struct head_row);
    h->note = MEM_GROW(h->note, cap, u32);
    h->target = MEM_GROW(h->target, cap, u32);
    h->cap = cap;
    h->slots_dropped = 0; // What moved was touched.
}

// Slots up to count exist afterwards, free.
static void table_grow(struct head *h, u32 count)
{
    if (count <= h->count) {
        return;
    }
    if (count > h->cap) {
        head_table_reserve(h, table_cap(h, count));
    }
    for (u32 i = h->count; i < count; i++) {
        h->rows[i] = (struct head_row){.generation = 2 | h->id};
    }
    h->count = count;
}

void head_slot_reserve(struct head *h, u32 ordinal)
{
    table_grow(h, ordinal + 1);
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
    h->groups[at] = (struct head_group){.tenant = k->tenant,
                                        .job = k->job,
                                        .instance = k->instance,
                                        .sequence = sequence,
                                        .target = PART_NONE};
    map_put(&h->by_group, group_hash(*k), at);
    return at + 1;
}

static bool group_is(const struct head *h, const struct head_group *g, str tenant, str job,
                     str instance)
{
    const struct symtab *s = h->index.symbols;
    return str_eq(symtab_get(s, g->instance), instance) && str_eq(symtab_get(s, g->job), job) &&
           str_eq(symtab_get(s, g->tenant), tenant);
}

// false: there is no room for its symbols. *group: 0 if the set belongs to none.
bool head_group_of(struct head *h, str tenant, struct labels set, u32 *group)
{
    str job = labels_get(set, LABEL_JOB);
    str instance = labels_get(set, LABEL_INSTANCE);
    *group = 0;
    if (job.len == 0 || instance.len == 0) {
        return true;
    }
    if (h->group_made != 0 && group_is(h, &h->groups[h->group_made - 1], tenant, job, instance)) {
        *group = h->group_made;
        return true;
    }
    struct group_key k = {.tenant = symtab_intern(h->index.symbols, tenant),
                          .job = symtab_intern(h->index.symbols, job),
                          .instance = symtab_intern(h->index.symbols, instance)};
    if (k.tenant == SYMBOL_NONE || k.job == SYMBOL_NONE || k.instance == SYMBOL_NONE) {
        return false;
    }
    *group = group_find(h, &k);
    h->group_made = *group; // The next series is likely to be of the same target.
    return true;
}

static void list_add(u32 **list, u32 *count, u32 *cap, u32 v)
{
    if (*count == *cap) {
        *cap = MAX(64U, *cap * 2);
        *list = MEM_GROW(*list, *cap, u32);
    }
    (*list)[(*count)++] = v;
}

// The group's slot goes with its last series.
static void group_free(struct head *h, u32 group)
{
    struct head_group *g = group != 0 ? &h->groups[group - 1] : NULL;
    if (!g || g->series > 0) {
        return;
    }
    struct group_key k = {.tenant = g->tenant, .job = g->job, .instance = g->instance};
    CHECK(map_del(&h->by_group, group_hash(k), &k));
    h->group_made = 0;
    if (g->target != PART_NONE) {
        head_part_unref(&h->parts, g->target);
        g->target = PART_NONE;
    }
    list_add(&h->free_groups, &h->free_group_count, &h->free_group_cap, group - 1);
}

// The positions of everything but the name: what the first series of a group offers.
static u64 all_but_name(const struct label_texts *set)
{
    u64 mask = 0;
    for (u32 i = 0; i < set->n; i++) {
        mask |= (u64)!str_eq(set->items[i].name, LABEL_NAME) << i;
    }
    return mask;
}

// What of the set is its target's, by the group's offer, which is narrowed if the set lacks some.
static bool target_split(struct head *h, struct head_group *g, const struct label_texts *set,
                         u64 *mask)
{
    bool whole = false;
    if (g->target == PART_NONE) {
        *mask = all_but_name(set);
    } else {
        *mask = head_part_match(&h->parts, g->target, set, &whole);
    }
    if (whole) {
        return true;
    }
    u32 narrow = head_part_get(&h->parts, set, *mask, true);
    if (narrow == PART_NONE) {
        return false;
    }
    if (g->target != PART_NONE) {
        head_part_unref(&h->parts, g->target);
    }
    g->target = narrow;
    return true;
}

// References for the series to be; false: no room for its symbols, and nothing is held.
static bool parts_get(struct head *h, u32 group, const struct label_texts *set, u32 *target,
                      u32 *own)
{
    u64 mask = 0;
    *target = PART_NONE;
    if (group != 0 && set->n <= PART_BITS) {
        struct head_group *g = &h->groups[group - 1];
        if (!target_split(h, g, set, &mask)) {
            return false;
        }
        *target = g->target;
        head_part_ref(&h->parts, *target);
    }
    *own = head_part_get(&h->parts, set, mask, false);
    if (*own == PART_NONE && *target != PART_NONE) {
        head_part_unref(&h->parts, *target);
    }
    return *own != PART_NONE;
}

// All but the sets of the index and the windows: O(1).
u64 head_bytes_base(const struct head *h)
{
    return (u64)h->cap * SLOT_BYTES - h->slots_dropped + head_parts_bytes(&h->parts) +
           map_bytes(&h->by_labels) + head_index_bytes_base(&h->index) +
           (u64)h->group_cap * sizeof(struct head_group) + head_ends_bytes(&h->ends);
}

// What a series takes beside: its first sample, with times of its own if it has no group; its
// places in sets; the sets of new pairs.
#define SERIES_BYTES  64U
#define ALONE_BYTES   192U
#define POSTING_BYTES 8U
#define PAIR_BYTES    128U

// Of so many bytes and pairs more.
static void room_charge(struct head *h, u64 bytes, u32 pairs, u32 ordinal)
{
    const u64 labels = head_label_count(h, ordinal) + 1ULL;
    const u64 cost = SERIES_BYTES + (h->rows[ordinal].group == 0 ? ALONE_BYTES : 0) + bytes +
                     labels * POSTING_BYTES + (u64)pairs * PAIR_BYTES;
    h->room -= h->room == UINT64_MAX ? 0 : MIN(h->room, cost);
}

// With the turn and the lock: what the series cost goes off the room.
void head_room_charge(struct head *h, struct head_room was, u32 ordinal)
{
    const u32 pairs = h->index.pairs_live - MIN(was.pairs, h->index.pairs_live);
    room_charge(h, head_bytes_base(h) - was.bytes, pairs, ordinal);
}

// Of the shard, and never 0, which names nobody.
static u32 generation_next(const struct head *h, u32 generation)
{
    return generation + 2 > 1 ? generation + 2 : 2 | h->id;
}

static u32 generation_take(struct head *h, u32 ordinal)
{
    if (h->rows[ordinal].generation == 0) { // Its memory went back, and came anew.
        h->slots_dropped -= MIN(h->slots_dropped, SLOT_BYTES);
        h->generation_top = generation_next(h, h->generation_top);
        h->rows[ordinal].generation = h->generation_top;
    }
    return h->rows[ordinal].generation;
}

// Into the table and the map; into no set yet.
void head_series_enter(struct head *h, const struct head_series_new *s, u32 ordinal)
{
    if (s->group != 0) {
        h->groups[s->group - 1].series++;
    }
    table_grow(h, ordinal + 1);
    h->hash[ordinal] = s->hash;
    h->note[ordinal] = 0;
    h->target[ordinal] = s->target;
    h->rows[ordinal] = (struct head_row){.t_last = T_NEVER,
                                         .generation = generation_take(h, ordinal),
                                         .own = s->own + 1,
                                         .tenant = s->tenant.v,
                                         .group = s->group,
                                         .open.flags = ROW_YOUNG};
    map_put(&h->by_labels, s->hash, ordinal);
    h->live++;
    h->created_total++;
    atomic_fetch_add(&h->limits->series, 1);
}

void head_tenant_text(struct head *h, struct tenant_id tenant)
{
    if (h->tenant_made.v != tenant.v || h->tenant_text.len == 0) {
        h->tenant_text = index_tenant(tenant, h->tenant_bytes);
        h->tenant_made = tenant;
    }
}

// The set with its tenant, in the room for one.
static struct label_texts texts_of(struct head *h, const struct head_key *k)
{
    head_tenant_text(h, k->tenant);
    h->items[0] = (struct label){STR_EMPTY, h->tenant_text};
    memcpy(h->items + 1, k->labels.items, k->labels.count * sizeof(struct label));
    return (struct label_texts){.items = h->items, .n = k->labels.count + 1, .same = k->same};
}

static bool names_rise(struct labels set)
{
    for (u32 i = 1; i < set.count; i++) {
        if (str_cmp(set.items[i - 1].name, set.items[i].name) >= 0) {
            return false;
        }
    }
    return true;
}

// All texts of a set of known parts were found good once, and only their order is still to be
// looked at. A target's part holds what makes it a group.
bool head_parts_known(struct head *h, const struct head_key *k, struct head_series_parts *out)
{
    u64 mask;
    const struct label_texts set = texts_of(h, k);
    *out = (struct head_series_parts){.group = h->group_made, .target = PART_NONE};
    if (h->group_made != 0 && set.n <= PART_BITS) {
        out->target = h->groups[h->group_made - 1].target;
    }
    if (out->target == PART_NONE || !head_part_again(&h->parts, out->target, &set, &mask)) {
        return false;
    }
    out->own = head_part_find(&h->parts, &set, mask);
    return out->own != MAP_NONE && (k->same != 0 || names_rise(k->labels));
}

// References for it; false: no room for its symbols, and nothing is held.
static bool parts_make(struct head *h, const struct head_key *k, const struct label_texts *set,
                       struct head_series_parts *p)
{
    if (!head_group_of(h, h->tenant_text, k->labels, &p->group)) {
        return false;
    }
    if (!parts_get(h, p->group, set, &p->target, &p->own)) {
        group_free(h, p->group);
        return false;
    }
    return true;
}

// Where references of its parts are held.
static void series_begin(struct head *h, const struct head_key *k,
                         const struct head_series_parts *p, u32 ordinal, struct head_births *births)
{
    head_series_enter(h, &(struct head_series_new){k->tenant, k->hash, p->group, p->target, p->own},
                      ordinal);
    postings_enter(h, ordinal, births);
    head_quotas_add(&h->quotas, k->tenant, k->labels);
}

bool head_series_make(struct head *h, const struct head_key *k, u32 ordinal,
                      struct head_births *births)
{
    const struct head_room was = {head_bytes_base(h), h->index.pairs_live};
    const struct label_texts set = texts_of(h, k);
    struct head_series_parts p;
    if (!parts_make(h, k, &set, &p)) {
        return false;
    }
    series_begin(h, k, &p, ordinal, births);
    head_room_charge(h, was, ordinal);
    return true;
}

// What of head_bytes_base changes where all parts are there.
static u64 known_bytes(const struct head *h)
{
    return (u64)h->cap * SLOT_BYTES - h->slots_dropped + map_bytes(&h->by_labels);
}

void head_series_make_known(struct head *h, const struct head_key *k,
                            const struct head_series_parts *p, u32 ordinal,
                            struct head_births *births)
{
    const u64 was = known_bytes(h);
    head_part_ref(&h->parts, p->target);
    head_part_ref(&h->parts, p->own);
    series_begin(h, k, p, ordinal, births);
    room_charge(h, known_bytes(h) - was, 0, ordinal);
}

bool head_series_known(const struct head *h, const struct head_key *k, struct series_ref *ref)
{
    u32 at = map_get(&h->by_labels, k->hash, k);
    if (at == MAP_NONE) {
        return false;
    }
    *ref = (struct series_ref){.ordinal = at, .generation = h->rows[at].generation};
    return true;
}

void head_freed_add(struct head *h, struct head_freed f)
{
    if (h->freed_count == h->freed_cap) {
        h->freed_cap = MAX(64U, h->freed_cap * 2);
        h->freed = MEM_GROW(h->freed, h->freed_cap, struct head_freed);
    }
    h->freed[h->freed_count++] = f;
}

// With the turn and the lock.
void head_series_leave(struct head *h, u32 ordinal)
{
    struct head_row *r = &h->rows[ordinal];
    struct head_key k = {.tenant = {r->tenant},
                         .labels = head_labels(h, ordinal, h->items),
                         .hash = h->hash[ordinal]};
    CHECK(r->open.n == 0 && map_del(&h->by_labels, k.hash, &k));
    postings_leave(h, ordinal);
    if (r->open.flags & ROW_IDLE) {
        h->idle--;
    } else {
        head_quotas_remove(&h->quotas, k.tenant, k.labels);
        atomic_fetch_sub(&h->limits->series, 1);
    }
    head_part_unref(&h->parts, r->own - 1);
    if (h->target[ordinal] != PART_NONE) {
        head_part_unref(&h->parts, h->target[ordinal]);
    }
    if (r->group != 0) {
        h->groups[r->group - 1].series--;
        group_free(h, r->group);
    }
    r->own = 0;
    r->generation = generation_next(h, r->generation);
    h->generation_top = MAX(h->generation_top, r->generation);
    h->live--;
    h->removed_total++;
}

void head_series_forget(struct head *h, u32 ordinal, u64 segment)
{
    head_series_leave(h, ordinal);
    head_freed_add(h, (struct head_freed){.ordinal = ordinal, .segment = segment});
}

static void gone_release(struct head *h, u64 segment_first)
{
    u32 n;
    u32 *ordinals;
    while ((ordinals = head_gone_release(h, segment_first, &n)) != NULL) {
        for (u32 i = n; i > 0; i--) { // The lowest is taken first, so that others stay away.
            list_add(&h->free_ordinals, &h->free_count, &h->free_cap, ordinals[i - 1]);
        }
        mem_free(ordinals);
    }
}

void head_release(struct head *h, u64 segment_first)
{
    u32 kept = 0;
    gone_release(h, segment_first);
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
