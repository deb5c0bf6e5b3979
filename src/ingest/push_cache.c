// push_cache.c: see push_cache.h.
//
//   slots   │ tag, place │ tag, place │ …   linear probing, at most 3/4 full, nothing is deleted
//   chunks  │ record: ref, next, tenant, length, key bytes │ record │ …   256 KiB, filled in order
#include "ingest/push_cache.h"

#include "base/hash.h"
#include "base/str.h"
#include "ingest/ingest.h"
#include "os/thr.h"

#include <stdatomic.h>

#define KEY_MAX    ((u32)16 << 10)
#define CHUNKS_MAX 2048U // 512 MiB a generation.
#define SLOTS_MIN  1024U
#define PROBES_MAX 32U
#define FIND_SLICE 512U // Keys looked for in one hold of the lock.
#define AHEAD      16U  // Keys whose memory is fetched before the first is compared.

// Threads: guarded by the cache's lock.
struct slot {
    u32 tag;   // Upper half of the hash.
    u32 place; // Of the record: bytes / 8 over all chunks, + 1; 0 = empty.
};

// Threads: guarded by the cache's lock.
struct generation {
    struct slot *slots;
    u32 mask; // 0 = no slots.
    u32 count;
    u8 *chunks[CHUNKS_MAX];
    u32 chunk_count;
    u32 used;   // Of the last chunk.
    u32 newest; // Place of the record that was put last.
    u32 pins;   // Walks.
};

struct push_cache {
    struct lock lock; // Guards all below.
    size_t half_max;  // Bytes of one generation. Frozen.
    struct generation *young;
    struct generation *old;
};

static size_t generation_bytes(const struct generation *g)
{
    return (size_t)g->chunk_count * PUSH_CHUNK_BYTES + (g->mask ? g->mask + (size_t)1 : 0) * 8;
}

static void generation_clear(struct generation *g)
{
    for (u32 i = 0; i < g->chunk_count; i++) {
        mem_free(g->chunks[i]);
    }
    mem_free(g->slots);
    *g = (struct generation){0};
}

struct push_cache *push_cache_new(size_t bytes_max)
{
    struct push_cache *c = MEM_NEW(struct push_cache);
    lock_init(&c->lock, LOCK_LEAF, "push_cache");
    c->half_max = MIN(bytes_max / 2, (size_t)CHUNKS_MAX * PUSH_CHUNK_BYTES);
    c->young = MEM_NEW(struct generation);
    c->old = MEM_NEW(struct generation);
    return c;
}

void push_cache_free(struct push_cache *c)
{
    if (!c) {
        return;
    }
    generation_clear(c->young);
    generation_clear(c->old);
    mem_free(c->young);
    mem_free(c->old);
    lock_fini(&c->lock);
    mem_free(c);
}

u64 push_key_hash(struct tenant_id tenant, str bytes)
{
    return bytes.len == 0 || bytes.len > KEY_MAX ? 0 : hash_mix(hash_str(bytes), tenant.v);
}

static u32 tag_of(u64 hash)
{
    return (u32)(hash >> 32);
}

static struct push_record *record_at(const struct generation *g, u32 place)
{
    return push_record_at(g->chunks, place);
}

static u64 ref_bits(struct series_ref ref)
{
    return (u64)ref.generation << 32 | ref.ordinal;
}

// Makes `to` the record after `from`; release: whoever follows finds it whole (push_walk_to).
static void record_link(const struct generation *g, u32 from, u32 to)
{
    atomic_store_explicit(&record_at(g, from)->next, to, memory_order_release);
}

static bool record_is(const struct push_record *r, struct tenant_id tenant,
                      const struct push_key *k)
{
    return r->len == k->bytes.len && r->tenant == tenant.v &&
           memcmp(r + 1, k->bytes.ptr, r->len) == 0;
}

// The first slot of the tag, from the i-th on; NULL at the end of the search.
static const struct slot *slot_next(const struct generation *g, u32 tag, u32 *i)
{
    for (; g->mask != 0 && *i < PROBES_MAX; (*i)++) {
        const struct slot *s = &g->slots[(tag + *i) & g->mask];
        if (s->place == 0) {
            return NULL;
        }
        if (s->tag == tag) {
            (*i)++;
            return s;
        }
    }
    return NULL;
}

// The place of its record; 0 if there is none.
static u32 record_find(const struct generation *g, struct tenant_id tenant,
                       const struct push_key *k)
{
    const struct slot *s;
    for (u32 i = 0; (s = slot_next(g, tag_of(k->hash), &i)) != NULL;) {
        if (record_is(record_at(g, s->place), tenant, k)) {
            return s->place;
        }
    }
    return 0;
}

static struct slot *slot_free(const struct generation *g, u32 tag)
{
    for (u32 i = 0; i < PROBES_MAX; i++) {
        struct slot *s = &g->slots[(tag + i) & g->mask];
        if (s->place == 0) {
            return s;
        }
    }
    return NULL;
}

// What finds no slot near its place is left out: it is not known then, and costs what it did.
static void slots_grow(struct generation *g)
{
    const struct slot *was = g->slots;
    const u32 count = g->mask ? g->mask + 1 : 0;
    const u32 grown = MAX(SLOTS_MIN, count * 2);
    g->slots = MEM_NEW_N(struct slot, grown);
    g->mask = grown - 1;
    g->count = 0;
    for (u32 i = 0; i < count; i++) {
        struct slot *s = was[i].place ? slot_free(g, was[i].tag) : NULL;
        if (s) {
            *s = was[i];
            g->count++;
        }
    }
    mem_free(was);
}

// Room for one more key of this record size; the young generation becomes the old one if it has to.
static struct generation *young_room(struct push_cache *c, u32 bytes)
{
    for (u32 attempt = 0; attempt < 2; attempt++) {
        struct generation *g = c->young;
        const bool slots = g->count >= g->mask - g->mask / 4;
        const bool chunk = g->chunk_count == 0 || g->used + bytes > PUSH_CHUNK_BYTES;
        const size_t more =
            (slots ? MAX(SLOTS_MIN, g->mask + (size_t)1) * 8 : 0) + (chunk ? PUSH_CHUNK_BYTES : 0);
        if (generation_bytes(g) + more <= c->half_max) {
            if (slots) {
                slots_grow(g);
            }
            if (chunk) {
                g->chunks[g->chunk_count++] = mem_new(PUSH_CHUNK_BYTES, 1);
                g->used = 0;
            }
            return g;
        }
        if (c->old->pins > 0) {
            return NULL; // (I3)
        }
        generation_clear(c->old);
        c->young = c->old;
        c->old = g;
    }
    return NULL; // Even an empty one is too small.
}

// Returns the place in the young generation; 0: there is no room.
static u32 record_put(struct push_cache *c, struct tenant_id tenant, const struct push_key *k,
                      struct series_ref ref)
{
    const u32 known = record_find(c->young, tenant, k);
    if (known) {
        atomic_store_explicit(&record_at(c->young, known)->ref, ref_bits(ref),
                              memory_order_relaxed);
        return known;
    }
    const u32 bytes = (u32)(sizeof(struct push_record) + k->bytes.len + 7) & ~7U;
    struct generation *g = young_room(c, bytes);
    struct slot *s = g ? slot_free(g, tag_of(k->hash)) : NULL;
    if (!s) {
        return 0;
    }
    const u64 at = (u64)(g->chunk_count - 1) * PUSH_CHUNK_BYTES + g->used;
    *s = (struct slot){.tag = tag_of(k->hash), .place = (u32)(at / 8) + 1};
    struct push_record *r = record_at(g, s->place);
    r->tenant = tenant.v;
    r->len = (u32)k->bytes.len;
    atomic_init(&r->ref, ref_bits(ref));
    atomic_init(&r->next, 0);
    memcpy(r + 1, k->bytes.ptr, k->bytes.len);
    g->used += bytes;
    g->count++;
    if (g->newest) { // New series come in an order too.
        record_link(g, g->newest, s->place);
    }
    g->newest = s->place;
    return s->place;
}

// Fetches the slots of some keys, then the records that these are likely to be.
static void keys_fetch(const struct generation *g, const struct push_key *keys, u32 n)
{
    for (u32 i = 0; i < n && g->mask != 0; i++) {
        __builtin_prefetch(&g->slots[tag_of(keys[i].hash) & g->mask]);
    }
    for (u32 i = 0; i < n; i++) {
        u32 probe = 0;
        const struct slot *s = slot_next(g, tag_of(keys[i].hash), &probe);
        if (s) {
            const char *r = (const char *)record_at(g, s->place);
            __builtin_prefetch(r);
            __builtin_prefetch(r + 64);
        }
    }
}

// The place of its record in the young generation; 0 if there is none.
static u32 key_find(struct push_cache *c, struct tenant_id tenant, const struct push_key *k,
                    struct series_ref *ref)
{
    *ref = (struct series_ref){0, 0};
    if (k->hash == 0) {
        return 0;
    }
    u32 place = record_find(c->young, tenant, k);
    if (place) {
        *ref = push_record_ref(record_at(c->young, place));
        return place;
    }
    place = record_find(c->old, tenant, k);
    if (!place) {
        return 0;
    }
    *ref = push_record_ref(record_at(c->old, place)); // The record may go with its generation.
    return record_put(c, tenant, k, *ref);
}

// With the lock: goes on in the young generation, without a place in it if it is another one.
static void walk_renew(struct push_walk *w)
{
    if (w->in == w->cache->young) {
        return;
    }
    w->in->pins--;
    w->in = w->cache->young;
    w->chunks = w->in->chunks;
    w->in->pins++;
    w->last = 0;
    w->expected = 0;
}

void push_walk_open(struct push_walk *w, struct push_cache *c, struct tenant_id tenant)
{
    *w = (struct push_walk){.cache = c, .tenant = tenant};
    if (c) {
        lock_take(&c->lock);
        w->in = c->young;
        w->chunks = w->in->chunks;
        w->in->pins++;
        lock_drop(&c->lock);
    }
}

void push_walk_close(struct push_walk *w)
{
    if (w->cache) {
        lock_take(&w->cache->lock);
        w->in->pins--;
        lock_drop(&w->cache->lock);
    }
    *w = (struct push_walk){0};
}

// With the lock: the key comes next.
static struct series_ref walk_find(struct push_walk *w, const struct push_key *k)
{
    struct series_ref ref;
    const u32 place = key_find(w->cache, w->tenant, k, &ref);
    walk_renew(w);
    if (place == 0 || place == w->last) {
        return ref;
    }
    if (w->last) {
        record_link(w->in, w->last, place);
    }
    push_walk_to(w, place, record_at(w->in, place));
    return ref;
}

u32 push_walk_find(struct push_walk *w, const struct push_key *keys, u32 n, struct series_ref *refs)
{
    struct push_cache *c = w->cache;
    u32 found = 0;
    for (u32 from = 0; from < n; from += FIND_SLICE) {
        const u32 to = MIN(n, from + FIND_SLICE);
        lock_take(&c->lock);
        for (u32 i = from; i < to; i++) {
            if ((i - from) % AHEAD == 0) {
                keys_fetch(c->young, keys + i, MIN(AHEAD, to - i));
            }
            refs[i] = walk_find(w, &keys[i]);
            found += !series_ref_is_none(refs[i]);
        }
        lock_drop(&c->lock);
    }
    return found;
}

// With the lock.
static void record_forget(struct push_cache *c, struct tenant_id tenant, const struct push_key *k)
{
    const struct generation *both[] = {c->young, c->old};
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        const u32 place = k->hash != 0 ? record_find(both[i], tenant, k) : 0;
        if (place) {
            atomic_store_explicit(&record_at(both[i], place)->ref, 0, memory_order_relaxed);
        }
    }
}

void push_cache_put(struct push_cache *c, struct tenant_id tenant, const struct push_key *keys,
                    const struct series_ref *refs, u32 n)
{
    for (u32 from = 0; from < n; from += FIND_SLICE) {
        const u32 to = MIN(n, from + FIND_SLICE);
        lock_take(&c->lock);
        for (u32 i = from; i < to; i++) {
            if (keys[i].hash != 0 && !series_ref_is_none(refs[i])) {
                (void)record_put(c, tenant, &keys[i], refs[i]);
            } else {
                record_forget(c, tenant, &keys[i]);
            }
        }
        lock_drop(&c->lock);
    }
}

void push_cache_forget(struct push_cache *c, struct tenant_id tenant, const struct push_key *key)
{
    lock_take(&c->lock);
    record_forget(c, tenant, key);
    lock_drop(&c->lock);
}

size_t push_cache_bytes(struct push_cache *c)
{
    lock_take(&c->lock);
    const size_t bytes = generation_bytes(c->young) + generation_bytes(c->old);
    lock_drop(&c->lock);
    return bytes;
}
