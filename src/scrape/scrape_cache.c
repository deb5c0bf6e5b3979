#include "base/alloc_fault.h"
#include "base/hash.h"
#include "base/str.h"
#include "scrape/scrape_inner.h"

#define CACHE_ENTRIES_MAX 2000000U
#define CACHE_TEXT_MAX    (256U << 20)
#define CACHE_LINES_MAX   (64U << 20) // Bytes of # lines,
#define CACHE_RUNS_MAX    (1U << 20)  // and runs of them.

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
    buf_init(&c->line_texts, CACHE_LINES_MAX);
    map_init(&c->map, &entry_ops, c);
}

void scrape_cache_fini(struct scrape_cache *c)
{
    mem_free(c->entries);
    mem_free(c->order);
    mem_free(c->lines);
    buf_fini(&c->texts);
    buf_fini(&c->line_texts);
    map_fini(&c->map);
    *c = (struct scrape_cache){0};
}

void scrape_cache_begin(struct scrape_cache *c)
{
    c->iteration++;
    scrape_cache_unread(c);
    c->position = 0;
    c->full = false;
    c->lines_seen = 0;
    c->lines_passed = 0;
    c->lines_lost = false;
}

void scrape_cache_unread(struct scrape_cache *c)
{
    c->stamp++;
    c->entries_read = 0;
}

void scrape_cache_seen(struct scrape_cache *c)
{
    for (u32 i = 0; i < c->count; i++) {
        struct cache_entry *e = &c->entries[i];
        if (scrape_cache_is_read(c, e)) {
            e->seen = c->iteration;
            e->tracked = e->read_tracked;
        }
    }
}

void scrape_cache_forget(struct scrape_cache *c)
{
    c->order_count = 0;
    c->lines_count = 0;
    c->lines_trusted = false;
    buf_clear(&c->line_texts);
}

static void order_set(struct scrape_cache *c, u32 what)
{
    if (c->position == c->order_cap) {
        c->order_cap = MAX(64, c->order_cap * 2);
        c->order = MEM_GROW(c->order, c->order_cap, u32);
    }
    c->order[c->position++] = what;
    c->order_count = MAX(c->order_count, c->position);
}

struct cache_entry *scrape_cache_find(const struct scrape_cache *c, str text)
{
    const u32 index = map_get(&c->map, hash_str(text), &text);
    return index == MAP_NONE ? NULL : &c->entries[index];
}

struct cache_entry *scrape_cache_get(struct scrape_cache *c, str text)
{
    if (c->position < c->order_count) {
        struct cache_entry *e = scrape_cache_at(c, c->position);
        if (e && e->text_len == text.len &&
            memcmp(c->texts.bytes + e->text_at, text.ptr, text.len) == 0) {
            c->position++;
            return e;
        }
    }
    struct cache_entry *e = scrape_cache_find(c, text);
    if (e) {
        order_set(c, scrape_cache_index(c, e));
    }
    return e;
}

static str lines_text(const struct scrape_cache *c, const struct cache_lines *l)
{
    return str_make(c->line_texts.bytes + l->text_at, l->text_len);
}

u32 scrape_cache_expect(const struct scrape_cache *c, struct expo_piece *pieces)
{
    const u32 n = MIN(c->order_count - MIN(c->order_count, c->position), CACHE_AHEAD);
    const u32 *order = c->order + c->position;
    for (u32 i = 0; i < n; i++) {
        if (UNLIKELY(order[i] & CACHE_LINES)) {
            const struct cache_lines *l = &c->lines[order[i] & ~CACHE_LINES];
            if (!c->lines_trusted) {
                return i;
            }
            pieces[i] = (struct expo_piece){lines_text(c, l), l->count, l->typed, l->united};
            continue;
        }
        const struct cache_entry *e = &c->entries[order[i]];
        if (series_ref_is_none(e->ref) && !e->dropped) {
            return i;
        }
        pieces[i].text = entry_text(c, e);
        pieces[i].lines = 0;
    }
    return n;
}

void scrape_cache_pass(struct scrape_cache *c, u32 n)
{
    c->position += n;
}

// Forgets lines that no position names any more. O(positions).
static void lines_compact(struct scrape_cache *c)
{
    struct cache_lines *kept = MEM_NEW_N(struct cache_lines, c->lines_seen + 1U);
    struct buf texts;
    u32 n = 0;
    buf_init(&texts, CACHE_LINES_MAX);
    for (u32 i = 0; i < c->order_count; i++) {
        if (c->order[i] & CACHE_LINES) {
            kept[n] = c->lines[c->order[i] & ~CACHE_LINES];
            const str text = lines_text(c, &kept[n]);
            kept[n].text_at = (u32)texts.len;
            buf_str(&texts, text);
            c->order[i] = CACHE_LINES | n++;
        }
    }
    mem_free(c->lines);
    buf_fini(&c->line_texts);
    c->lines = kept;
    c->lines_count = n;
    c->lines_cap = c->lines_seen + 1;
    c->line_texts = texts;
}

void scrape_cache_lines(struct scrape_cache *c, const struct expo_piece *run)
{
    const str text = run->text;
    c->lines_seen++;
    if (c->position < c->order_count && c->order[c->position] & CACHE_LINES) {
        const struct cache_lines *l = &c->lines[c->order[c->position] & ~CACHE_LINES];
        if (str_eq(lines_text(c, l), text)) {
            c->position++;
            return;
        }
    }
    if (!str_ends(text, STR("\n"))) {
        return; // The page ends in the midst of a line.
    }
    if (c->line_texts.len + text.len > CACHE_LINES_MAX || c->lines_count == CACHE_RUNS_MAX) {
        c->lines_lost = true;
        return;
    }
    if (c->lines_count == c->lines_cap) {
        c->lines_cap = MAX(16, c->lines_cap * 2);
        c->lines = MEM_GROW(c->lines, c->lines_cap, struct cache_lines);
    }
    c->lines[c->lines_count] = (struct cache_lines){(u32)c->line_texts.len, (u32)text.len,
                                                    run->lines, run->typed, run->united};
    buf_str(&c->line_texts, text);
    order_set(c, CACHE_LINES | c->lines_count++);
}

struct cache_entry *scrape_cache_add(struct scrape_cache *c, str text)
{
    if (alloc_refused() || c->count == CACHE_ENTRIES_MAX ||
        c->texts.len + text.len > CACHE_TEXT_MAX) {
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
    fresh.stamp = c->stamp;
    scrape_cache_fini(c);
    *c = fresh;
    c->map.ctx = c;
}

bool scrape_cache_lines_same(const struct scrape_cache *c)
{
    return c->lines_trusted && c->lines_passed == c->lines_seen && c->lines_seen == c->lines_before;
}

void scrape_cache_sweep(struct scrape_cache *c, bool good)
{
    const bool strict = good || c->full; // A full one must make room, or the target never recovers.
    if (good) {
        c->order_count = c->position;
        c->lines_before = c->lines_seen;
        if (c->lines_lost || c->lines_count > 2 * c->lines_seen + 16) {
            lines_compact(c);
        }
        if (c->entries_read == c->count) {
            return; // All are alive.
        }
    } else {
        scrape_cache_forget(c); // Lines of failed pages would come on top of one another.
    }
    u32 dead = 0;
    for (u32 i = 0; i < c->count; i++) {
        dead += !is_alive(c, &c->entries[i], strict);
    }
    if (dead > 16 && (dead > c->count / 3 || c->full)) {
        rebuild(c, strict);
    }
}
