// scrape_show.c: what a target keeps for the pages: the metadata of its families, and the part of a
// broken body that says why.
// Threads: the scrape's; the target's lock is taken here for metadata, by the caller for excerpts.
#include "base/arena.h"
#include "base/str.h"
#include "scrape/scrape_inner.h"

static bool metadata_eq(const struct metadata *a, const struct metadata *b)
{
    return a->type == b->type && str_eq(a->name, b->name) && str_eq(a->help, b->help) &&
           str_eq(a->unit, b->unit);
}

// Only the scrape itself writes what it compares with here.
bool scrape_metadata_is_new(const struct scrape_target *t, const struct metadata *m, u32 count)
{
    bool same = count == t->family_count;
    for (u32 i = 0; same && i < count; i++) {
        same = metadata_eq(&t->families[i].metadata, &m[i]);
    }
    return !same;
}

// Keeps what this page said for the metadata endpoint, as far as there is room.
void scrape_metadata_keep(struct scrape_target *t, const struct metadata *m, u32 count)
{
    lock_take(&t->lock);
    arena_reset(t->metadata_memory);
    t->families = ARENA_NEW_N(t->metadata_memory, struct cache_family, count + 1U);
    t->family_count = 0;
    for (u32 i = 0; i < count; i++) {
        if (arena_bytes(t->metadata_memory) + m[i].name.len + m[i].help.len + m[i].unit.len >
            SCRAPE_METADATA_BYTES_MAX / 4) {
            break;
        }
        t->families[i].metadata = (struct metadata){
            arena_str(t->metadata_memory, m[i].name), m[i].type,
            arena_str(t->metadata_memory, m[i].help), arena_str(t->metadata_memory, m[i].unit)};
        t->family_count++;
    }
    lock_drop(&t->lock);
}

void scrape_excerpt_set(struct scrape_target *t, str body, u32 line)
{
    size_t from = 0;
    u32 first = 1;
    if (line > 2) { // Two lines of context before the broken one.
        u32 seen = 1;
        for (size_t i = 0; i < body.len && seen < line - 2; i++) {
            if (body.ptr[i] == '\n') {
                seen++;
                from = i + 1;
                first = seen;
            }
        }
    }
    size_t line_at = from;
    for (u32 at = first; at < line && line_at < body.len; line_at++) {
        at += body.ptr[line_at] == '\n';
    }
    if (line_at - from > SCRAPE_EXCERPT_BYTES / 2) { // Long lines: the broken one alone.
        from = line_at;
        first = line;
    }
    buf_clear(&t->excerpt);
    buf_str(&t->excerpt, str_sub(body, from, MIN(body.len, from + SCRAPE_EXCERPT_BYTES)));
    t->info.error_line = line ? line - first + 1 : 0;
}
