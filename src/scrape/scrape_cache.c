#include "base/hash.h"
#include "base/str.h"
#include "scrape/scrape_inner.h"

#define CACHE_ENTRIES_MAX 2000000U
#define CACHE_TEXT_MAX    (256U << 20)

static str entry_text(const struct scrape_cache *c, const struct cache_entry *e)
{
    return str_make(c->texts.bytes + e->text_at, e->text_len);
}

static bool entry_eq(const void *ctx, u32 index, const void *key)
{
    const struct scrape_cache *c = ctx;
    const str *text = key;
    return str_eq(entry_text(c, &c->entries[index]), *text);
}

static u64 entry_hash(const void *ctx, u32 index)
{
    const struct scrape_cache *c = ctx;
    return c->entries[index].hash;
}

static const struct map_ops entry_ops = {entry_eq, entry_hash};

void scrape_cache_init(struct scrape_cache *c)
{
    *c = (struct scrape_cache){0};
    buf_init(&c->texts, CACHE_TEXT_MAX);
    map_init(&c->map, &entry_ops, c);
}

void scrape_cache_fini(struct scrape_cache *c)
{
    mem_free(c->entries);
    mem_free(c->order);
    buf_fini(&c->texts);
    map_fini(&c->map);
    *c = (struct scrape_cache){0};
}

void scrape_cache_begin(struct scrape_cache *c)
{
    c->iteration++;
    c->position = 0;
    c->full = false;
}

static void order_set(struct scrape_cache *c, u32 entry)
{
    if (c->position == c->order_cap) {
        c->order_cap = MAX(64, c->order_cap * 2);
        c->order = MEM_GROW(c->order, c->order_cap, u32);
    }
    c->order[c->position++] = entry;
    c->order_count = MAX(c->order_count, c->position);
}

struct cache_entry *scrape_cache_get(struct scrape_cache *c, str text)
{
    if (c->position < c->order_count) {
        struct cache_entry *e = &c->entries[c->order[c->position]];
        if (e->text_len == text.len &&
            memcmp(c->texts.bytes + e->text_at, text.ptr, text.len) == 0) {
            c->position++;
            return e;
        }
    }
    const u32 index = map_get(&c->map, hash_str(text), &text);
    if (index == MAP_NONE) {
        return NULL;
    }
    order_set(c, index);
    return &c->entries[index];
}

struct cache_entry *scrape_cache_expected(const struct scrape_cache *c, str *text)
{
    if (c->position >= c->order_count) {
        return NULL;
    }
    struct cache_entry *e = &c->entries[c->order[c->position]];
    *text = entry_text(c, e);
    return e->dropped || !series_ref_is_none(e->ref) ? e : NULL;
}

void scrape_cache_pass(struct scrape_cache *c)
{
    c->position++;
}

struct cache_entry *scrape_cache_add(struct scrape_cache *c, str text)
{
    if (c->count == CACHE_ENTRIES_MAX || c->texts.len + text.len > CACHE_TEXT_MAX) {
        c->full = true;
        return NULL;
    }
    if (c->count == c->cap) {
        c->cap = MAX(64, c->cap * 2);
        c->entries = MEM_GROW(c->entries, c->cap, struct cache_entry);
    }
    const u32 index = c->count++;
    c->entries[index] = (struct cache_entry){
        .hash = hash_str(text), .text_at = (u32)c->texts.len, .text_len = (u32)text.len};
    buf_str(&c->texts, text);
    map_put(&c->map, c->entries[index].hash, index);
    order_set(c, index);
    return &c->entries[index];
}

u32 scrape_cache_index(const struct scrape_cache *c, const struct cache_entry *e)
{
    return (u32)(e - c->entries);
}

// A failed page buries only what no good page ever had.
static bool is_alive(const struct scrape_cache *c, const struct cache_entry *e, bool good)
{
    return good ? c->iteration - e->seen <= 1 : e->seen > 0;
}

// Copies the living into a fresh cache. O(entries), at most once per third of them dead.
static void rebuild(struct scrape_cache *c, bool good)
{
    struct scrape_cache fresh;
    scrape_cache_init(&fresh);
    for (u32 i = 0; i < c->count; i++) {
        const struct cache_entry *old = &c->entries[i];
        if (!is_alive(c, old, good)) {
            continue;
        }
        struct cache_entry *e = scrape_cache_add(&fresh, entry_text(c, old));
        CHECK(e != NULL);
        e->ref = old->ref;
        e->seen = old->seen;
        e->dropped = old->dropped;
        e->tracked = old->tracked;
    }
    fresh.iteration = c->iteration;
    scrape_cache_fini(c);
    *c = fresh;
    c->map.ctx = c;
}

void scrape_cache_sweep(struct scrape_cache *c, bool good)
{
    const bool strict = good || c->full; // A full one must make room, or the target never recovers.
    if (good) {
        c->order_count = c->position;
    }
    u32 dead = 0;
    for (u32 i = 0; i < c->count; i++) {
        dead += !is_alive(c, &c->entries[i], strict);
    }
    if (dead > 16 && (dead > c->count / 3 || c->full)) {
        rebuild(c, strict);
    }
}
