#include "tsdb/head_index.h"

#include "base/hash.h"
#include "tsdb/postings.h"

// Threads: owned by one look-up.
struct pair_key {
    u32 name;
    u32 value;
};

static u64 pair_hash(u32 name, u32 value)
{
    return hash_mix(name, value);
}

static bool pair_eq(const void *ctx, u32 index, const void *key)
{
    const struct head_index *x = ctx;
    const struct pair_key *k = key;
    return x->pairs[index].name == k->name && x->pairs[index].value == k->value;
}

static u64 pair_hash_of(const void *ctx, u32 index)
{
    const struct head_index *x = ctx;
    return pair_hash(x->pairs[index].name, x->pairs[index].value);
}

static bool name_eq(const void *ctx, u32 index, const void *key)
{
    const struct head_index *x = ctx;
    return x->names[index].symbol == *(const u32 *)key;
}

static u64 name_hash_of(const void *ctx, u32 index)
{
    const struct head_index *x = ctx;
    return hash_mix(x->names[index].symbol, 0);
}

static const struct map_ops pair_ops = {.eq = pair_eq, .hash_of = pair_hash_of};
static const struct map_ops name_ops = {.eq = name_eq, .hash_of = name_hash_of};

void head_index_init(struct head_index *x, u64 symbol_bytes_max)
{
    *x = (struct head_index){.pair_free = MAP_NONE};
    x->symbols = symtab_new(symbol_bytes_max);
    map_init(&x->by_pair, &pair_ops, x);
    map_init(&x->by_name, &name_ops, x);
}

void head_index_fini(struct head_index *x)
{
    for (u32 i = 0; i < x->pair_count; i++) {
        postings_free(x->pairs[i].set);
    }
    for (u32 i = 0; i < x->name_count; i++) {
        mem_free(x->names[i].pairs);
        head_order_unref(x->names[i].order);
    }
    mem_free(x->pairs);
    mem_free(x->names);
    map_fini(&x->by_pair);
    map_fini(&x->by_name);
    symtab_free(x->symbols);
    *x = (struct head_index){0};
}

static u32 name_of(struct head_index *x, u32 symbol)
{
    u32 at = map_get(&x->by_name, hash_mix(symbol, 0), &symbol);
    if (at != MAP_NONE) {
        return at;
    }
    if (x->name_count == x->name_cap) {
        x->name_cap = MAX(64U, x->name_cap * 2);
        x->names = MEM_GROW(x->names, x->name_cap, struct head_name);
    }
    at = x->name_count++;
    x->names[at] = (struct head_name){.symbol = symbol};
    map_put(&x->by_name, hash_mix(symbol, 0), at);
    return at;
}

struct head_order *head_order_new(u32 count)
{
    struct head_order *o = mem_new(1, sizeof(*o) + (size_t)count * sizeof(struct head_value));
    o->count = count;
    atomic_store(&o->refs, 1);
    return o;
}

struct head_order *head_order_ref(struct head_order *o)
{
    atomic_fetch_add(&o->refs, 1);
    return o;
}

void head_order_unref(struct head_order *o)
{
    if (o && atomic_fetch_sub(&o->refs, 1) == 1) {
        mem_free(o);
    }
}

static void order_forget(struct head_index *x, struct head_name *n)
{
    if (n->order) {
        x->ordered -= n->order->count;
        head_order_unref(n->order);
        n->order = NULL;
    }
}

// A value has come or is about to leave.
static void order_drop(struct head_index *x, struct head_name *n)
{
    n->changes++;
    order_forget(x, n);
}

bool head_index_order_keep(struct head_index *x, u32 name, u32 changes, struct head_order *order)
{
    struct head_name *n = &x->names[name];
    if (n->changes != changes) {
        return false;
    }
    order_forget(x, n);
    n->order = head_order_ref(order);
    x->ordered += order->count;
    return true;
}

static u32 pair_take(struct head_index *x)
{
    if (x->pair_free != MAP_NONE) {
        u32 at = x->pair_free;
        x->pair_free = x->pairs[at].name;
        return at;
    }
    if (x->pair_count == x->pair_cap) {
        x->pair_cap = MAX(256U, x->pair_cap * 2);
        x->pairs = MEM_GROW(x->pairs, x->pair_cap, struct head_pair);
    }
    x->pairs[x->pair_count].uses = 0;
    return x->pair_count++;
}

static u32 pair_make(struct head_index *x, struct pair_key k)
{
    u32 at = pair_take(x);
    struct head_name *n = &x->names[k.name];
    order_drop(x, n);
    if (n->count == n->cap) {
        n->cap = MAX(4U, n->cap * 2);
        n->pairs = MEM_GROW(n->pairs, n->cap, u32);
    }
    x->pairs[at] = (struct head_pair){.name = k.name,
                                      .value = k.value,
                                      .position = n->count,
                                      .uses = x->pairs[at].uses + 1,
                                      .set = postings_new()};
    n->pairs[n->count++] = at;
    map_put(&x->by_pair, pair_hash(k.name, k.value), at);
    x->pairs_live++;
    return at;
}

u32 head_index_pair_make(struct head_index *x, u32 name_symbol, u32 value_symbol)
{
    struct pair_key k = {.name = name_of(x, name_symbol), .value = value_symbol};
    u32 at = map_get(&x->by_pair, pair_hash(k.name, k.value), &k);
    return at == MAP_NONE ? pair_make(x, k) : at;
}

void head_index_pair_drop(struct head_index *x, u32 pair)
{
    struct head_pair *p = &x->pairs[pair];
    if (!p->set || postings_count(p->set) > 0) {
        return;
    }
    struct head_name *n = &x->names[p->name];
    struct pair_key k = {.name = p->name, .value = p->value};
    CHECK(map_del(&x->by_pair, pair_hash(k.name, k.value), &k));
    order_drop(x, n);
    u32 moved = n->pairs[--n->count];
    n->pairs[p->position] = moved;
    x->pairs[moved].position = p->position;
    postings_free(p->set);
    *p = (struct head_pair){.name = x->pair_free, .value = SYMBOL_NONE, .uses = p->uses};
    x->pair_free = pair;
    x->pairs_live--;
}

const struct head_name *head_index_name(const struct head_index *x, str name)
{
    u32 symbol = symtab_find(x->symbols, name);
    if (symbol == SYMBOL_NONE) {
        return NULL;
    }
    u32 at = map_get(&x->by_name, hash_mix(symbol, 0), &symbol);
    return at == MAP_NONE ? NULL : &x->names[at];
}

u32 head_index_pair(const struct head_index *x, str name, str value)
{
    const struct head_name *n = head_index_name(x, name);
    u32 symbol = n ? symtab_find(x->symbols, value) : SYMBOL_NONE;
    if (symbol == SYMBOL_NONE) {
        return MAP_NONE;
    }
    struct pair_key k = {.name = (u32)(n - x->names), .value = symbol};
    return map_get(&x->by_pair, pair_hash(k.name, k.value), &k);
}

u64 head_index_bytes_base(const struct head_index *x)
{
    return symtab_bytes(x->symbols) + map_bytes(&x->by_pair) + map_bytes(&x->by_name) +
           (u64)x->pair_cap * (sizeof(struct head_pair) + sizeof(u32)) +
           (u64)x->ordered * sizeof(struct head_value);
}

u64 head_index_bytes_sets(const struct head_index *x, u32 from, u32 to)
{
    u64 bytes = 0;
    for (u32 i = from; i < to; i++) {
        bytes += x->pairs[i].set ? postings_bytes(x->pairs[i].set) : 0;
    }
    return bytes;
}
