// map.c: see map.h.
//
//   hash:  tag (top 7 bits) ······ where to begin (low bits)
//   ctrl:  │ 16 bytes │ 16 bytes │ …     one byte a slot: tag, empty or deleted
//   slots: │ 16 u32   │ 16 u32   │ …
//
// Groups are aligned and probed in triangular steps (0, 1, 3, 6, …), which visit every group of a
// power of two once. A search ends at the first group that has an empty slot; a deletion therefore
// leaves "empty" only where its group has another empty slot.
#include "base/map.h"

#include "base/map_group.h"

#define SLOTS_MAX ((u64)1 << 31)

static u8 tag_of(u64 hash)
{
    return (u8)(hash >> 57);
}

static u32 slot_count(const struct map *m)
{
    return m->mask ? m->mask + 1 : 0;
}

// How many slots may be used (live and deleted) before it grows: 7/8.
static u32 used_max(u32 slots)
{
    return slots - slots / 8;
}

void map_init(struct map *m, const struct map_ops *ops, const void *ctx)
{
    *m = (struct map){.ops = ops, .ctx = ctx};
}

void map_fini(struct map *m)
{
    if (m) {
        mem_free(m->ctrl);
        mem_free(m->slots);
        map_init(m, m->ops, m->ctx);
    }
}

// Threads: owned by the caller's frame.
struct probe {
    u32 group; // First slot of the group.
    u32 step;
};

static struct probe probe_start(const struct map *m, u64 hash)
{
    return (struct probe){.group = (u32)hash & m->mask & ~(MAP_GROUP - 1)};
}

static void probe_next(const struct map *m, struct probe *p)
{
    p->step += MAP_GROUP;
    p->group = (p->group + p->step) & m->mask;
}

// The slot that holds key, or MAP_NONE.
static u32 find(const struct map *m, u64 hash, const void *key)
{
    if (m->count == 0) {
        return MAP_NONE;
    }
    for (struct probe p = probe_start(m, hash);; probe_next(m, &p)) {
        const u8 *ctrl = m->ctrl + p.group;
        for (u32 hits = map_group_match(ctrl, tag_of(hash)); hits; hits &= hits - 1) {
            u32 slot = p.group + (u32)__builtin_ctz(hits);
            if (m->ops->eq(m->ctx, m->slots[slot], key)) {
                return slot;
            }
        }
        if (LIKELY(map_group_match(ctrl, MAP_EMPTY))) {
            return MAP_NONE;
        }
    }
}

u32 map_get(const struct map *m, u64 hash, const void *key)
{
    u32 slot = find(m, hash, key);
    return slot == MAP_NONE ? MAP_NONE : m->slots[slot];
}

static void insert(struct map *m, u64 hash, u32 index)
{
    struct probe p = probe_start(m, hash);
    u32 open = map_group_free(m->ctrl + p.group);
    while (!open) {
        probe_next(m, &p);
        open = map_group_free(m->ctrl + p.group);
    }
    u32 slot = p.group + (u32)__builtin_ctz(open);
    m->used += m->ctrl[slot] == MAP_EMPTY;
    m->count++;
    m->ctrl[slot] = tag_of(hash);
    m->slots[slot] = index;
}

// Into so many slots, without the deleted marks.
static void rebuild(struct map *m, u64 wanted)
{
    struct map old = *m;
    const u32 slots = slot_count(m);
    CHECK(wanted <= SLOTS_MAX);
    m->ctrl = mem_new(wanted, 1);
    memset(m->ctrl, MAP_EMPTY, wanted);
    m->slots = MEM_NEW_N(u32, wanted);
    m->mask = (u32)wanted - 1;
    m->count = 0;
    m->used = 0;
    for (u32 slot = 0; slot < slots; slot++) {
        if (old.ctrl[slot] < MAP_EMPTY) {
            insert(m, m->ops->hash_of(m->ctx, old.slots[slot]), old.slots[slot]);
        }
    }
    CHECK(m->count == old.count);
    mem_free(old.ctrl);
    mem_free(old.slots);
}

void map_put(struct map *m, u64 hash, u32 index)
{
    DCHECK(index != MAP_NONE);
    const u32 slots = slot_count(m);
    if (m->used >= used_max(slots)) {
        // Doubles, or only sweeps the deleted marks out when they are what fills it.
        const bool grows = m->count >= used_max(slots) / 2;
        rebuild(m, slots == 0 ? MAP_GROUP : grows ? (u64)slots * 2 : slots);
    }
    insert(m, hash, index);
}

void map_reserve(struct map *m, u32 count)
{
    u64 wanted = MAP_GROUP;
    while (wanted - wanted / 8 < count) {
        wanted *= 2;
    }
    if (wanted > slot_count(m)) {
        rebuild(m, wanted);
    }
}

bool map_del(struct map *m, u64 hash, const void *key)
{
    u32 slot = find(m, hash, key);
    if (slot == MAP_NONE) {
        return false;
    }
    const u8 *group = m->ctrl + (slot & ~(MAP_GROUP - 1));
    bool probes_end_here = map_group_match(group, MAP_EMPTY) != 0;
    m->ctrl[slot] = probes_end_here ? MAP_EMPTY : MAP_DELETED;
    m->used -= probes_end_here;
    m->count--;
    return true;
}

void map_prefetch(const struct map *m, u64 hash)
{
    if (m->mask) {
        u32 group = probe_start(m, hash).group;
        __builtin_prefetch(m->ctrl + group);
        __builtin_prefetch(m->slots + group);
    }
}

size_t map_bytes(const struct map *m)
{
    return (size_t)slot_count(m) * (sizeof(*m->ctrl) + sizeof(*m->slots));
}
