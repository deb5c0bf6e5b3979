#include "tsdb/head_ends.h"

// What is looked for. Threads: owned by one look-up.
struct end_key {
    u64 hash;
    u64 check;
    bool any; // Whatever the check.
};

static bool end_eq(const void *ctx, u32 index, const void *key)
{
    const struct head_ends *x = ctx;
    const struct end_key *k = key;
    return x->items[index].hash == k->hash && (k->any || x->items[index].check == k->check);
}

static u64 end_hash(const void *ctx, u32 index)
{
    const struct head_ends *x = ctx;
    return x->items[index].hash;
}

static const struct map_ops end_ops = {.eq = end_eq, .hash_of = end_hash};

void head_ends_init(struct head_ends *x)
{
    *x = (struct head_ends){0};
    map_init(&x->index, &end_ops, x);
}

void head_ends_fini(struct head_ends *x)
{
    mem_free(x->items);
    map_fini(&x->index);
}

static u32 end_at(const struct head_ends *x, u64 hash, u64 check)
{
    const struct end_key k = {.hash = hash, .check = check};
    return map_get(&x->index, hash, &k);
}

void head_ends_put(struct head_ends *x, struct head_end end)
{
    const u32 at = end_at(x, end.hash, end.check);
    if (at != MAP_NONE) {
        x->items[at].t = MAX(x->items[at].t, end.t);
        return;
    }
    if (x->n == x->cap) {
        x->cap = MAX(64U, x->cap + x->cap / 4);
        x->items = MEM_GROW(x->items, x->cap, struct head_end);
    }
    x->items[x->n] = end;
    map_put(&x->index, end.hash, x->n++);
}

void head_ends_move(struct head_ends *to, struct head_ends *from)
{
    for (u32 i = 0; i < from->n; i++) {
        head_ends_put(to, from->items[i]);
    }
    head_ends_fini(from);
    head_ends_init(from);
}

bool head_ends_maybe(const struct head_ends *x, u64 hash)
{
    const struct end_key k = {.hash = hash, .any = true};
    return x->n > 0 && map_get(&x->index, hash, &k) != MAP_NONE;
}

bool head_ends_find(const struct head_ends *x, u64 hash, u64 check, i64 *t)
{
    const u32 at = x->n > 0 ? end_at(x, hash, check) : MAP_NONE;
    if (at == MAP_NONE) {
        return false;
    }
    *t = x->items[at].t;
    return true;
}

void head_ends_prune(struct head_ends *x, i64 floor)
{
    u32 kept = 0;
    for (u32 i = 0; i < x->n; i++) {
        if (x->items[i].t >= floor) {
            x->items[kept++] = x->items[i];
        }
    }
    if (kept == x->n) {
        return;
    }
    map_fini(&x->index);
    map_init(&x->index, &end_ops, x);
    map_reserve(&x->index, kept);
    x->n = kept;
    x->cap = kept;
    x->items = MEM_GROW(x->items, MAX(kept, 1U), struct head_end);
    for (u32 i = 0; i < kept; i++) {
        map_put(&x->index, x->items[i].hash, i);
    }
}

u64 head_ends_bytes(const struct head_ends *x)
{
    return (u64)x->cap * sizeof(struct head_end) + map_bytes(&x->index);
}
