#include "tsdb/head_labels.h"

#include "base/bits.h"
#include "base/hash.h"
#include "base/str.h"
#include "tsdb/head_index.h"

#define POOL_WASTE_SMALL (64U << 10)

// Threads: owned by one look-up.
struct part_key {
    const struct label_texts *set;
    u64 mask;
    bool target;
};

static bool position_in(const struct part_key *k, u32 i)
{
    bool bit = i < PART_BITS && (k->mask >> i & 1);
    return bit == k->target;
}

static bool pair_is(const struct head_index *x, u32 pair, const struct label *l)
{
    const struct head_pair *p = &x->pairs[pair];
    return str_eq(symtab_get(x->symbols, p->value), l->value) &&
           str_eq(symtab_get(x->symbols, x->names[p->name].symbol), l->name);
}

static bool part_eq(const void *ctx, u32 index, const void *key)
{
    const struct head_parts *p = ctx;
    const struct part_key *k = key;
    const struct label_part *part = &p->parts[index];
    u32 at = 0;
    if (part->mask != (k->target ? 0 : k->mask)) {
        return false;
    }
    for (u32 i = 0; i < k->set->n; i++) {
        if (position_in(k, i) && (at == part->count || !pair_is(p->index, p->pool[part->at + at++],
                                                                &k->set->items[i]))) {
            return false;
        }
    }
    return at == part->count;
}

static u64 part_hash_of(const void *ctx, u32 index)
{
    return ((const struct head_parts *)ctx)->parts[index].hash;
}

static const struct map_ops part_ops = {.eq = part_eq, .hash_of = part_hash_of};

void head_parts_init(struct head_parts *p, struct head_index *index)
{
    *p = (struct head_parts){.index = index, .free = PART_NONE, .match_part = PART_NONE};
    p->match_texts = MEM_NEW_N(struct label, PART_BITS);
    p->after = MEM_NEW_N(u32, PART_GUESSES);
    map_init(&p->by_text, &part_ops, p);
}

void head_parts_fini(struct head_parts *p)
{
    mem_free(p->parts);
    mem_free(p->pool);
    mem_free(p->match_texts);
    mem_free(p->after);
    map_fini(&p->by_text);
    *p = (struct head_parts){0};
}

u64 head_parts_bytes(const struct head_parts *p)
{
    return (u64)p->cap * sizeof(struct label_part) + (u64)p->pool_cap * sizeof(u32) +
           PART_GUESSES * sizeof(u32) + map_bytes(&p->by_text);
}

static u32 part_take(struct head_parts *p)
{
    u32 part = p->free;
    if (part != PART_NONE) {
        p->free = p->parts[part].at;
        return part;
    }
    if (p->count == p->cap) {
        p->cap = MAX(64U, p->cap + p->cap / 2);
        p->parts = MEM_GROW(p->parts, p->cap, struct label_part);
    }
    return p->count++;
}

static u32 pool_take(struct head_parts *p, u32 words)
{
    if (p->pool_len + words > p->pool_cap) {
        p->pool_cap = MAX(MAX(1024U, p->pool_cap + p->pool_cap / 2), p->pool_len + words);
        p->pool = MEM_GROW(p->pool, p->pool_cap, u32);
    }
    p->pool_len += words;
    return p->pool_len - words;
}

// Symbols first, so that no pair is made for a set that has no room.
static bool symbols_make(struct symtab *symbols, const struct part_key *k)
{
    for (u32 i = 0; i < k->set->n; i++) {
        if (position_in(k, i) && (symtab_intern(symbols, k->set->items[i].name) == SYMBOL_NONE ||
                                  symtab_intern(symbols, k->set->items[i].value) == SYMBOL_NONE)) {
            return false;
        }
    }
    return true;
}

static u32 part_make(struct head_parts *p, const struct part_key *k, u64 hash, u32 count)
{
    struct symtab *symbols = p->index->symbols;
    if (!symbols_make(symbols, k)) {
        return PART_NONE;
    }
    u32 part = part_take(p);
    u32 at = pool_take(p, count);
    p->parts[part] = (struct label_part){
        .hash = hash, .mask = k->target ? 0 : k->mask, .at = at, .count = count};
    for (u32 i = 0; i < k->set->n; i++) {
        if (position_in(k, i)) {
            const struct label *l = &k->set->items[i];
            p->parts[part].bytes += (u32)(l->name.len + l->value.len);
            p->pool[at++] =
                head_index_pair_make(p->index, symtab_intern(symbols, k->set->items[i].name),
                                     symtab_intern(symbols, k->set->items[i].value));
        }
    }
    map_put(&p->by_text, hash, part);
    return part;
}

static u64 hash_label(const struct label *l)
{
    return hash_mix(hash_str(l->name), hash_str(l->value));
}

static u64 part_hash(const struct part_key *k, u32 *count)
{
    u64 hash = k->target ? 0 : k->mask;
    *count = 0;
    for (u32 i = 0; i < k->set->n; i++) {
        if (position_in(k, i)) {
            hash = hash_mix(hash, hash_label(&k->set->items[i]));
            ++*count;
        }
    }
    return hash;
}

// As part_eq, of a set whose own part would be `before` if all its values were the same: pairs have
// one id each.
static bool part_eq_alike(const struct head_parts *p, u32 part, u32 before,
                          const struct part_key *k)
{
    const struct head_index *x = p->index;
    const struct label_part *a = &p->parts[part];
    const u32 *pair = p->pool + a->at;
    const u32 *known = p->pool + p->parts[before].at;
    if (a->mask != k->mask || a->count != p->parts[before].count) {
        return false;
    }
    for (u32 i = 0; i < k->set->n; i++) {
        if (k->mask >> i & 1) {
            continue;
        }
        const bool as_before = k->set->same >> i & 1;
        if (*pair != *known &&
            (as_before || x->pairs[*pair].name != x->pairs[*known].name ||
             !str_eq(symtab_get(x->symbols, x->pairs[*pair].value), k->set->items[i].value))) {
            return false;
        }
        if (*pair == *known && !as_before) {
            return false;
        }
        pair++;
        known++;
    }
    return true;
}

static bool part_guessed(const struct head_parts *p, u32 part, const struct part_key *k)
{
    if (part >= p->count || p->parts[part].refs == 0) {
        return false;
    }
    const u32 before = p->own_last;
    return k->set->same != 0 && p->parts[before].mask == k->mask ? part_eq_alike(p, part, before, k)
                                                                 : part_eq(p, part, k);
}

u32 head_part_find(struct head_parts *p, const struct label_texts *set, u64 mask)
{
    const struct part_key k = {.set = set, .mask = mask};
    u32 *guess = &p->after[p->own_last % PART_GUESSES];
    u32 part = *guess;
    u32 count;
    // Compared as any other: a part that left, or is another one now, is only a wrong guess.
    if (!part_guessed(p, part, &k)) {
        part = map_get(&p->by_text, part_hash(&k, &count), &k);
    }
    if (part != MAP_NONE) {
        *guess = part;
        p->own_last = part;
    }
    return part;
}

u32 head_part_get(struct head_parts *p, const struct label_texts *set, u64 mask, bool target)
{
    const struct part_key k = {.set = set, .mask = mask, .target = target};
    u32 count;
    u64 hash = part_hash(&k, &count);
    u32 part = map_get(&p->by_text, hash, &k);
    if (part == MAP_NONE) {
        part = part_make(p, &k, hash, count);
    }
    if (part != PART_NONE) {
        p->parts[part].refs++;
    }
    return part;
}

void head_part_ref(struct head_parts *p, u32 part)
{
    p->parts[part].refs++;
}

// The map finds a part by its text; here it is the part itself that is looked for.
static bool part_is(UNUSED const void *ctx, u32 index, const void *key)
{
    return index == *(const u32 *)key;
}

void head_part_unref(struct head_parts *p, u32 part)
{
    static const struct map_ops itself = {.eq = part_is, .hash_of = part_hash_of};
    struct label_part *gone = &p->parts[part];
    CHECK(gone->refs > 0);
    if (--gone->refs > 0) {
        return;
    }
    p->by_text.ops = &itself;
    CHECK(map_del(&p->by_text, gone->hash, &part));
    p->by_text.ops = &part_ops;
    for (u32 i = 0; i < gone->count; i++) {
        head_index_pair_drop(p->index, p->pool[gone->at + i]);
    }
    p->match_part = p->match_part == part ? PART_NONE : p->match_part;
    p->pool_waste += gone->count;
    *gone = (struct label_part){.at = p->free};
    p->free = part;
}

static bool label_same(const struct label *a, const struct label *b)
{
    return str_eq(a->value, b->value) && str_eq(a->name, b->name);
}

static void match_learn(struct head_parts *p, u32 part)
{
    const struct head_index *x = p->index;
    const struct label_part *t = &p->parts[part];
    CHECK(t->count <= PART_BITS);
    for (u32 i = 0; i < t->count; i++) {
        const struct head_pair *pair = &x->pairs[p->pool[t->at + i]];
        p->match_texts[i] =
            (struct label){.name = symtab_get(x->symbols, x->names[pair->name].symbol),
                           .value = symtab_get(x->symbols, pair->value)};
    }
    p->match_part = part;
    p->match_mask = 0;
}

// Whether all pairs of the part stand where those of the set before stood.
static bool match_again(const struct head_parts *p, const struct label_texts *set, u32 count)
{
    const struct label *text = p->match_texts;
    if (p->match_mask == 0 || bits_width(p->match_mask) > set->n) {
        return false;
    }
    for (u64 left = p->match_mask; left; left &= left - 1) {
        if (!label_same(text++, &set->items[__builtin_ctzll(left)])) {
            return false;
        }
    }
    return text == p->match_texts + count;
}

bool head_part_again(const struct head_parts *p, u32 part, const struct label_texts *set, u64 *mask)
{
    const bool same = p->match_mask != 0 && (set->same & p->match_mask) == p->match_mask;
    if (p->match_part != part || !(same || match_again(p, set, p->parts[part].count))) {
        return false;
    }
    *mask = p->match_mask;
    return true;
}

u64 head_part_match(struct head_parts *p, u32 part, const struct label_texts *set, bool *all)
{
    const u32 count = p->parts[part].count;
    u64 mask = 0;
    u32 i = 0;
    if (p->match_part != part) {
        match_learn(p, part);
    }
    *all = match_again(p, set, count);
    if (*all) {
        return p->match_mask;
    }
    for (u32 k = 0; k < count; k++) {
        const struct label *text = &p->match_texts[k];
        while (i < set->n && str_cmp(set->items[i].name, text->name) < 0) {
            i++;
        }
        if (i < set->n && label_same(text, &set->items[i])) {
            mask |= (u64)1 << i++;
        }
    }
    *all = (u32)__builtin_popcountll(mask) == count;
    p->match_mask = *all ? mask : 0;
    return mask;
}

u32 head_parts_count(const struct head_parts *p, u32 target, u32 own)
{
    return p->parts[own].count + (target == PART_NONE ? 0 : p->parts[target].count);
}

u32 head_parts_bytes_of(const struct head_parts *p, u32 target, u32 own)
{
    return p->parts[own].bytes + (target == PART_NONE ? 0 : p->parts[target].bytes);
}

struct pair_walk head_parts_walk(const struct head_parts *p, u32 target, u32 own)
{
    const struct label_part *o = &p->parts[own];
    return (struct pair_walk){.mine = p->pool + o->at,
                              .theirs = target == PART_NONE ? NULL : p->pool + p->parts[target].at,
                              .mask = target == PART_NONE ? 0 : o->mask};
}

bool head_parts_equal(const struct head_parts *p, u32 target, u32 own, struct labels set)
{
    struct pair_walk w = head_parts_walk(p, target, own);
    if (head_parts_count(p, target, own) != set.count + 1) {
        return false;
    }
    (void)pair_walk_next(&w); // The hidden one.
    for (u32 i = 0; i < set.count; i++) {
        if (!pair_is(p->index, pair_walk_next(&w), &set.items[i])) {
            return false;
        }
    }
    return true;
}

void head_parts_pack(struct head_parts *p)
{
    if (p->pool_waste < POOL_WASTE_SMALL || p->pool_waste < p->pool_len / 2) {
        return;
    }
    u32 cap = MAX(1024U, p->pool_len - p->pool_waste);
    u32 *packed = MEM_NEW_N(u32, cap);
    u32 len = 0;
    for (u32 i = 0; i < p->count; i++) {
        struct label_part *part = &p->parts[i];
        if (part->refs > 0) {
            memcpy(packed + len, p->pool + part->at, part->count * sizeof(u32));
            part->at = len;
            len += part->count;
        }
    }
    mem_free(p->pool);
    p->pool = packed;
    p->pool_cap = cap;
    p->pool_len = len;
    p->pool_waste = 0;
}
