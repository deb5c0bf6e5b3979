#include "tsdb/match_cache.h"

#include "base/str.h"
#include "model/match.h"
#include "os/lock_rank.h"
#include "os/thr.h"
#include "tsdb/postings.h"

#define ENTRY_BYTES_MAX (MATCH_CACHE_BYTES / 4)

// Threads: guarded by the cache's lock.
struct match_entry {
    enum match_op op;
    char *text; // Name, then value. NULL = free.
    size_t name_len;
    size_t value_len;
    struct postings *set;
    u64 bytes;
    u64 asked; // When last, in questions.
};

struct match_cache {
    struct lock lock;
    struct match_entry entries[MATCH_CACHE_ENTRIES];
    u64 bytes;
    u64 questions;
};

struct match_cache *match_cache_new(void)
{
    struct match_cache *c = MEM_NEW(struct match_cache);
    lock_init(&c->lock, LOCK_LEAF, "match_cache");
    return c;
}

// With the lock.
static void entry_drop(struct match_cache *c, struct match_entry *entry)
{
    c->bytes -= entry->bytes;
    mem_free(entry->text);
    postings_free(entry->set);
    *entry = (struct match_entry){0};
}

void match_cache_free(struct match_cache *c)
{
    if (!c) {
        return;
    }
    for (u32 i = 0; i < MATCH_CACHE_ENTRIES; i++) {
        entry_drop(c, &c->entries[i]);
    }
    lock_fini(&c->lock);
    mem_free(c);
}

static bool entry_is(const struct match_entry *entry, const struct matcher *m)
{
    return entry->text && entry->op == m->op && entry->name_len == m->name.len &&
           entry->value_len == m->value.len &&
           str_eq((str){entry->text, entry->name_len}, m->name) &&
           str_eq((str){entry->text + entry->name_len, entry->value_len}, m->value);
}

// With the lock. NULL if it is not there.
static struct match_entry *entry_find(struct match_cache *c, const struct matcher *m)
{
    for (u32 i = 0; i < MATCH_CACHE_ENTRIES; i++) {
        if (entry_is(&c->entries[i], m)) {
            return &c->entries[i];
        }
    }
    return NULL;
}

struct postings *match_cache_get(struct match_cache *c, const struct matcher *m)
{
    struct postings *copy = NULL;
    if (!c) {
        return NULL;
    }
    lock_take(&c->lock);
    struct match_entry *found = entry_find(c, m);
    c->questions++;
    if (found) {
        found->asked = c->questions;
        copy = postings_copy(found->set);
    }
    lock_drop(&c->lock);
    return copy;
}

// With the lock: a free entry, once what is oldest has made room for so many bytes.
static struct match_entry *room_make(struct match_cache *c, u64 bytes)
{
    while (true) {
        struct match_entry *oldest = NULL;
        struct match_entry *free = NULL;
        for (u32 i = 0; i < MATCH_CACHE_ENTRIES; i++) {
            struct match_entry *entry = &c->entries[i];
            if (!entry->text) {
                free = entry;
            } else if (!oldest || entry->asked < oldest->asked) {
                oldest = entry;
            }
        }
        if (free && c->bytes + bytes <= MATCH_CACHE_BYTES) {
            return free;
        }
        entry_drop(c, oldest);
    }
}

void match_cache_put(struct match_cache *c, const struct matcher *m, const struct postings *set)
{
    u64 bytes = postings_bytes(set) + m->name.len + m->value.len;
    if (!c || bytes > ENTRY_BYTES_MAX) {
        return;
    }
    lock_take(&c->lock);
    if (!entry_find(c, m)) {
        struct match_entry *entry = room_make(c, bytes);
        *entry = (struct match_entry){.op = m->op,
                                      .text = MEM_NEW_N(char, m->name.len + m->value.len + 1),
                                      .name_len = m->name.len,
                                      .value_len = m->value.len,
                                      .set = postings_copy(set),
                                      .bytes = bytes,
                                      .asked = c->questions};
        if (m->name.len > 0) { // The tenant's has none.
            memcpy(entry->text, m->name.ptr, m->name.len);
        }
        if (m->value.len > 0) {
            memcpy(entry->text + m->name.len, m->value.ptr, m->value.len);
        }
        c->bytes += bytes;
    }
    lock_drop(&c->lock);
}

u64 match_cache_bytes(struct match_cache *c)
{
    lock_take(&c->lock);
    u64 bytes = c->bytes;
    lock_drop(&c->lock);
    return bytes;
}
