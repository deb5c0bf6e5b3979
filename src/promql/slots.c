// slots.c: see slots.h.
#include "promql/slots.h"

#include "base/arena.h"
#include "promql/query_run.h"

static bool slot_eq(const void *ctx, u32 index, const void *key)
{
    const struct slots *s = ctx;
    return labels_eq(s->labels[index], *(const struct labels *)key);
}

static u64 slot_hash(const void *ctx, u32 index)
{
    const struct slots *s = ctx;
    return labels_hash(s->labels[index]);
}

static const struct map_ops slot_map_ops = {.eq = slot_eq, .hash_of = slot_hash};

static void free_map(void *arg)
{
    map_fini(arg);
}

void slots_init(struct slots *s, struct run *r)
{
    memset(s, 0, sizeof(*s));
    map_init(&s->map, &slot_map_ops, s);
    arena_on_free(r->arena, free_map, &s->map);
}

u32 slots_get(const struct slots *s, struct labels ls)
{
    u32 slot = map_get(&s->map, labels_hash(ls), &ls);
    return slot == MAP_NONE ? SLOT_NONE : slot;
}

u32 slots_put(struct slots *s, struct run *r, struct labels ls)
{
    u64 hash = labels_hash(ls);
    u32 slot = map_get(&s->map, hash, &ls);
    if (slot != MAP_NONE) {
        return slot;
    }
    if (s->count == s->cap) {
        u32 cap = MAX(16U, s->cap * 2);
        struct labels *grown = run_grow(r, s->labels, s->cap, cap, sizeof(*grown));
        if (!grown) {
            return SLOT_NONE;
        }
        s->labels = grown;
        s->cap = cap;
    }
    struct label *items = RUN_NEW_N(r, struct label, MAX(ls.count, 1U));
    if (!items) {
        return SLOT_NONE;
    }
    if (ls.count > 0) {
        memcpy(items, ls.items, ls.count * sizeof(*items));
    }
    slot = s->count++;
    s->labels[slot] = (struct labels){items, ls.count};
    map_put(&s->map, hash, slot);
    return slot;
}
