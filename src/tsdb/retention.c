#include "tsdb/retention.h"

#include "base/arena.h"
#include "base/checked.h"
#include "base/error.h"
#include "tsdb/block.h"
#include "tsdb/postings.h"
#include "tsdb/tsdb_admin.h"

#define CLASS_BYTES_MAX ((size_t)64 << 20)

void retention_init(struct retention *r)
{
    *r = (struct retention){.arena = arena_new(CLASS_BYTES_MAX)};
}

void retention_fini(struct retention *r)
{
    arena_free(r->arena);
    *r = (struct retention){0};
}

bool retention_set(struct retention *r, const struct tsdb_retention *from, struct error *e)
{
    if (from->class_count > TSDB_CLASSES_MAX) {
        return err_set(e, ERR_LIMIT, "%u retention classes; at most %u", from->class_count,
                       TSDB_CLASSES_MAX);
    }
    struct retention fresh;
    retention_init(&fresh);
    fresh.ms = from->ms;
    fresh.class_count = from->class_count;
    fresh.classes = ARENA_NEW_N(fresh.arena, struct tsdb_class, from->class_count + 1ULL);
    for (u32 i = 0; i < from->class_count; i++) {
        const struct tsdb_class *c = &from->classes[i];
        struct matcher *ms = ARENA_NEW_N(fresh.arena, struct matcher, c->count + 1ULL);
        for (u32 k = 0; k < c->count; k++) {
            if (!matcher_init(&ms[k], fresh.arena, c->ms[k].op, c->ms[k].name, c->ms[k].value, e)) {
                retention_fini(&fresh);
                return false;
            }
        }
        fresh.classes[i] = *c;
        fresh.classes[i].ms = ms;
    }
    retention_fini(r);
    *r = fresh;
    return true;
}

i64 retention_longest(const struct retention *r)
{
    i64 longest = r->ms;
    for (u32 i = 0; i < r->class_count && longest > 0; i++) {
        longest = r->classes[i].keep_ms > 0 ? MAX(longest, r->classes[i].keep_ms) : 0;
    }
    return longest;
}

static i64 over_at(i64 newest, i64 keep_ms)
{
    return keep_ms > 0 ? sat_sub_i64(newest, keep_ms) : INT64_MIN;
}

static bool cuts_fill(struct retention_cuts *c, const struct retention *r, struct block *b,
                      i64 newest, struct error *e)
{
    struct postings *rest = postings_new();
    for (u32 i = 0; i < b->index.series_count; i++) {
        postings_add(rest, i);
    }
    for (u32 i = 0; i < r->class_count; i++) {
        const struct tsdb_class *k = &r->classes[i];
        struct postings *set = index_select(&b->index.source, k->tenant, k->ms, k->count, e);
        if (!set) {
            postings_free(rest);
            return false;
        }
        postings_and(set, rest); // The first class counts.
        postings_andnot(rest, set);
        c->before_ms[c->n] = over_at(newest, k->keep_ms);
        c->sets[c->n++] = set;
    }
    c->before_ms[c->n] = over_at(newest, r->ms);
    c->sets[c->n++] = rest;
    return true;
}

bool retention_cuts_init(struct retention_cuts *c, const struct retention *r, struct block *b,
                         i64 newest, struct error *e)
{
    *c = (struct retention_cuts){0};
    bool any = over_at(newest, r->ms) >= b->meta.min_ms;
    for (u32 i = 0; i < r->class_count; i++) {
        any = any || over_at(newest, r->classes[i].keep_ms) >= b->meta.min_ms;
    }
    if (!any || r->class_count == 0) { // The general time alone drops whole blocks.
        return true;
    }
    bool ok = cuts_fill(c, r, b, newest, e);
    if (!ok) {
        retention_cuts_fini(c);
    }
    return ok;
}

void retention_cuts_fini(struct retention_cuts *c)
{
    for (u32 i = 0; i < c->n; i++) {
        postings_free(c->sets[i]);
    }
    c->n = 0;
}

i64 retention_cut_of(const struct retention_cuts *c, u32 series)
{
    for (u32 i = 0; i < c->n; i++) {
        if (postings_has(c->sets[i], series)) {
            return c->before_ms[i];
        }
    }
    return INT64_MIN;
}

u64 retention_cuts_whole(const struct retention_cuts *c, const struct block *b)
{
    u64 series = 0;
    for (u32 i = 0; i < c->n; i++) {
        series += c->before_ms[i] >= b->meta.max_ms - 1 ? postings_count(c->sets[i]) : 0;
    }
    return series;
}
