#include "tsdb/time_cache.h"

#include "base/arena.h"
#include "base/hash.h"
#include "base/str.h"

#define CAP_FIRST 64U
#define PLACES    8U

static void tables_new(struct time_cache *c, u32 cap)
{
    c->slots = MEM_NEW_N(struct time_slot, cap);
    c->places = MEM_NEW_N(const struct column_times *, cap);
    c->cap = cap;
}

void time_cache_init(struct time_cache *c, size_t bytes_max)
{
    *c = (struct time_cache){.arena = arena_new(bytes_max)};
    tables_new(c, CAP_FIRST);
}

void time_cache_fini(struct time_cache *c)
{
    arena_free(c->arena);
    mem_free(c->slots);
    mem_free(c->places);
    *c = (struct time_cache){0};
}

void time_cache_clear(struct time_cache *c)
{
    arena_reset(c->arena);
    mem_free(c->slots);
    mem_free(c->places);
    tables_new(c, CAP_FIRST);
    c->count = 0;
    c->distinct = 0;
}

u64 time_cache_bytes(const struct time_cache *c)
{
    return arena_bytes(c->arena) + (u64)c->cap * (sizeof(struct time_slot) + sizeof(void *));
}

static struct time_slot *slot_find(const struct time_cache *c, u32 column)
{
    u32 at = (u32)hash_mix(column, 0) & (c->cap - 1);
    while (c->slots[at].times && c->slots[at].column != column) {
        at = (at + 1) & (c->cap - 1);
    }
    return &c->slots[at];
}

static u32 place_first(const struct time_cache *c, str body)
{
    return (u32)hash_str(body) & (c->cap - 1);
}

// Into a free place; else the first that it may have, whose times stay with those that share them.
static void place_put(struct time_cache *c, const struct column_times *times)
{
    const u32 first = place_first(c, times->body);
    u32 at = first;
    for (u32 i = 1; i < PLACES && c->places[at]; i++) {
        at = (first + i) & (c->cap - 1);
    }
    c->places[c->places[at] ? first : at] = times;
}

static void grow(struct time_cache *c)
{
    struct time_slot *slots = c->slots;
    const struct column_times **places = c->places;
    const u32 cap = c->cap;
    tables_new(c, cap * 2);
    for (u32 i = 0; i < cap; i++) {
        if (slots[i].times) {
            *slot_find(c, slots[i].column) = slots[i];
        }
        if (places[i]) {
            place_put(c, places[i]);
        }
    }
    mem_free(slots);
    mem_free(places);
}

const struct column_times *time_cache_get(const struct time_cache *c, u32 column)
{
    return slot_find(c, column)->times;
}

const struct column_times *time_cache_equal(const struct time_cache *c, str body, u32 n)
{
    const u32 first = place_first(c, body);
    for (u32 i = 0; i < PLACES; i++) {
        const struct column_times *times = c->places[(first + i) & (c->cap - 1)];
        if (!times) {
            return NULL;
        }
        if (times->n == n && str_eq(times->body, body)) {
            return times;
        }
    }
    return NULL;
}

void time_cache_share(struct time_cache *c, u32 column, const struct column_times *times)
{
    if (c->count * 2 >= c->cap) {
        grow(c);
    }
    *slot_find(c, column) = (struct time_slot){.column = column, .times = times};
    c->count++;
}

const struct column_times *time_cache_add(struct time_cache *c, u32 column, str body,
                                          const i64 *t_ms, u32 n)
{
    struct column_times *times = arena_try_raw(c->arena, 1, sizeof(*times));
    i64 *kept = times ? arena_try_raw(c->arena, n, sizeof(*kept)) : NULL;
    char *bytes = kept ? arena_try_raw(c->arena, body.len + 1, 1) : NULL;
    if (!bytes) {
        return NULL;
    }
    memcpy(kept, t_ms, n * sizeof(*kept));
    memcpy(bytes, body.ptr, body.len);
    *times = (struct column_times){.t_ms = kept, .n = n, .id = column, .body = {bytes, body.len}};
    time_cache_share(c, column, times);
    place_put(c, times);
    c->distinct++;
    return times;
}
