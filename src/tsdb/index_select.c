#include "tsdb/index_select.h"

#include "base/error.h"
#include "base/str.h"
#include "text/re.h"
#include "tsdb/match_cache.h"
#include "tsdb/postings.h"

#include <stdio.h>
#include <stdlib.h>

#define HANDLES_AT_ONCE 512
#define MATCHERS_MAX    256
#define SIFT_SHARE      8U // One series' label costs about as much as so many values.

str index_tenant(struct tenant_id tenant, char out[16])
{
    int n = snprintf(out, 16, "%u", tenant.v);
    return str_make(out, (size_t)n);
}

enum cost { COST_EQUAL, COST_LIST, COST_PREFIX, COST_SCAN, COST_SUBTRACT, COST_FREE };

static enum cost matcher_cost(const struct matcher *m)
{
    const str *alts;
    u32 n;
    str text;
    if (m->op == MATCH_RE && re_matches_all(m->re)) {
        return COST_FREE;
    }
    if (matcher_matches_empty(m)) {
        return COST_SUBTRACT;
    }
    if (m->op == MATCH_EQ) {
        return COST_EQUAL;
    }
    if (m->op == MATCH_RE && (re_literal(m->re, &text) || re_alternatives(m->re, &alts, &n))) {
        return COST_LIST;
    }
    return m->op == MATCH_RE && re_prefix(m->re, &text) ? COST_PREFIX : COST_SCAN;
}

// Threads: owned by one selection.
struct walk {
    struct index_source *source;
    const struct matcher *matcher;
    bool want; // Gather the values that match, or those that do not.
    struct postings *into;
    u64 handles[HANDLES_AT_ONCE];
    u32 count;
    bool failed;
    struct error *e;
};

static bool walk_flush(struct walk *w)
{
    bool ok = w->source->ops->gather(w->source, w->handles, w->count, w->into, w->e);
    w->count = 0;
    w->failed = w->failed || !ok;
    return ok;
}

static bool walk_value(void *ctx, str value, u64 handle)
{
    struct walk *w = ctx;
    if (matcher_matches(w->matcher, value) != w->want) {
        return true;
    }
    w->handles[w->count++] = handle;
    return w->count < HANDLES_AT_ONCE || walk_flush(w);
}

// The union of the postings of all values that match (want) or do not match.
static bool gather_scan(struct index_source *s, const struct matcher *m, bool want, str prefix,
                        struct postings *into, struct error *e)
{
    struct walk *w = MEM_NEW(struct walk);
    w->source = s;
    w->matcher = m;
    w->want = want;
    w->into = into;
    w->e = e;
    bool ok = s->ops->values(s, m->name, prefix, walk_value, w, e) && !w->failed && walk_flush(w);
    mem_free(w);
    return ok;
}

static bool gather_list(struct index_source *s, str name, const str *values, u32 n,
                        struct postings *into, struct error *e)
{
    for (u32 i = 0; i < n; i++) {
        u64 handle;
        if (values[i].len && s->ops->pair(s, name, values[i], &handle) &&
            !s->ops->gather(s, &handle, 1, into, e)) {
            return false;
        }
    }
    return true;
}

static bool gather_matching(struct index_source *s, const struct matcher *m, enum cost cost,
                            struct postings *into, struct error *e)
{
    const str *alts = NULL;
    u32 n = 0;
    str text = STR_EMPTY;
    switch (cost) {
    case COST_EQUAL:
        return gather_list(s, m->name, &m->value, 1, into, e);
    case COST_LIST:
        if (re_literal(m->re, &text)) {
            return gather_list(s, m->name, &text, 1, into, e);
        }
        return re_alternatives(m->re, &alts, &n) ? gather_list(s, m->name, alts, n, into, e)
                                                 : false;
    case COST_PREFIX:
        (void)re_prefix(m->re, &text);
        return gather_scan(s, m, true, text, into, e);
    case COST_SCAN:
    case COST_SUBTRACT:
    case COST_FREE:
        break;
    }
    return gather_scan(s, m, true, STR_EMPTY, into, e);
}

// The union of the postings of the values that a matcher, which lets a missing label pass, refuses.
static bool gather_refused(struct index_source *s, const struct matcher *m, struct postings *into,
                           struct error *e)
{
    const str *alts = NULL;
    u32 n = 0;
    str text = STR_EMPTY;
    if (m->op == MATCH_NE) {
        return gather_list(s, m->name, &m->value, 1, into, e);
    }
    if (m->op == MATCH_NRE && re_literal(m->re, &text)) {
        return gather_list(s, m->name, &text, 1, into, e);
    }
    if (m->op == MATCH_NRE && re_alternatives(m->re, &alts, &n)) {
        return gather_list(s, m->name, alts, n, into, e);
    }
    if (m->op != MATCH_NRE || !re_prefix(m->re, &text)) {
        text = STR_EMPTY;
    }
    return gather_scan(s, m, false, text, into, e);
}

// Threads: owned by one selection.
struct sift {
    const struct matcher *matcher;
    bool *keep;
};

static bool sift_label(void *ctx, u32 at, struct label l)
{
    struct sift *f = ctx;
    f->keep[at] = matcher_matches(f->matcher, l.value);
    return true;
}

// Looks at the label of each series that is left.
static bool matcher_sift(struct index_source *s, const struct matcher *m, struct postings *result,
                         struct error *e)
{
    u32 n = (u32)postings_count(result);
    u32 *ordinals = MEM_NEW_N(u32, n);
    struct sift f = {.matcher = m, .keep = MEM_NEW_N(bool, n)};
    const struct index_wanted wanted = {.ordinals = ordinals, .n = n, .name = m->name};
    postings_list(result, ordinals);
    memset(f.keep, matcher_matches_empty(m), n);
    bool ok = s->ops->labels(s, &wanted, sift_label, &f, e);
    for (u32 i = 0; ok && i < n; i++) {
        if (!f.keep[i]) {
            postings_remove(result, ordinals[i]);
        }
    }
    mem_free(f.keep);
    mem_free(ordinals);
    return ok;
}

// What the matcher's values have in all, from the cache if it is there; the caller's.
static struct postings *matcher_gather(struct index_source *s, const struct matcher *m,
                                       enum cost cost, struct error *e)
{
    struct postings *found = match_cache_get(s->cache, m);
    if (found) {
        return found;
    }
    found = postings_new();
    bool ok = cost == COST_SUBTRACT ? gather_refused(s, m, found, e)
                                    : gather_matching(s, m, cost, found, e);
    if (!ok) {
        postings_free(found);
        return NULL;
    }
    match_cache_put(s->cache, m, found);
    return found;
}

static bool matcher_apply(struct index_source *s, const struct matcher *m, enum cost cost,
                          struct postings *result, struct error *e)
{
    if (cost >= COST_PREFIX &&
        postings_count(result) * SIFT_SHARE <= s->ops->value_count(s, m->name)) {
        return matcher_sift(s, m, result, e);
    }
    struct postings *found = matcher_gather(s, m, cost, e);
    if (!found) {
        return false;
    }
    if (cost == COST_SUBTRACT) {
        postings_andnot(result, found);
    } else {
        postings_and(result, found);
    }
    postings_free(found);
    return true;
}

// A pair that every series wanted has. Threads: owned by one selection.
struct pick {
    const struct matcher *matcher;
    u64 handle;
    u64 weight;
    struct postings *set; // From the cache, or NULL.
};

// false: no series has the pair.
static bool pick_make(struct index_source *s, const struct matcher *m, struct pick *p)
{
    *p = (struct pick){.matcher = m, .set = match_cache_get(s->cache, m)};
    if (p->set) {
        p->weight = postings_count(p->set);
        return p->weight > 0;
    }
    if (!s->ops->pair(s, m->name, m->value, &p->handle)) {
        return false;
    }
    p->weight = s->ops->weight(s, p->handle);
    return true;
}

static int by_weight(const void *a, const void *b)
{
    const struct pick *x = a;
    const struct pick *y = b;
    return x->weight < y->weight ? -1 : x->weight > y->weight;
}

// first: the set begins with it, else it is narrowed by it.
static bool pick_apply(struct index_source *s, struct pick *p, bool first, struct postings *result,
                       struct error *e)
{
    if (!p->set && !s->cache) {
        return first ? s->ops->gather(s, &p->handle, 1, result, e)
                     : s->ops->narrow(s, p->handle, result, e);
    }
    if (!p->set) {
        p->set = postings_new();
        if (!s->ops->gather(s, &p->handle, 1, p->set, e)) {
            return false;
        }
        match_cache_put(s->cache, p->matcher, p->set);
    }
    if (first) {
        postings_or(result, p->set);
    } else {
        postings_and(result, p->set);
    }
    return true;
}

// All equalities, the tenant's among them, the rarest pair first.
static bool picks_apply(struct index_source *s, struct pick *picks, u32 n, struct postings *result,
                        struct error *e)
{
    qsort(picks, n, sizeof(*picks), by_weight);
    bool ok = true;
    for (u32 i = 0; ok && i < n && (i == 0 || postings_count(result) > 0); i++) {
        ok = pick_apply(s, &picks[i], i == 0, result, e);
    }
    return ok;
}

// Threads: owned by one selection.
struct asked {
    const struct matcher *ms;
    u32 count;
    u8 costs[MATCHERS_MAX];
};

static bool equals_select(struct index_source *s, const struct matcher *tenant,
                          const struct asked *asked, struct postings *result, struct error *e)
{
    struct pick *picks = MEM_NEW_N(struct pick, (size_t)asked->count + 1);
    u32 n = 1;
    bool ok = true;
    bool some = pick_make(s, tenant, &picks[0]);
    for (u32 i = 0; some && i < asked->count; i++) {
        if (asked->costs[i] == COST_EQUAL) {
            some = pick_make(s, &asked->ms[i], &picks[n++]);
        }
    }
    if (some) {
        ok = picks_apply(s, picks, n, result, e);
    }
    for (u32 i = 0; i < n; i++) {
        postings_free(picks[i].set);
    }
    mem_free(picks);
    return ok;
}

struct postings *index_select(struct index_source *s, struct tenant_id tenant,
                              const struct matcher *ms, u32 count, struct error *e)
{
    if (count > MATCHERS_MAX) {
        return err_null(e, ERR_LIMIT, "%u matchers in one selector; at most %d", count,
                        MATCHERS_MAX);
    }
    char text[16];
    const struct matcher all = {.op = MATCH_EQ, .value = index_tenant(tenant, text)};
    struct asked asked = {.ms = ms, .count = count};
    for (u32 i = 0; i < count; i++) {
        asked.costs[i] = (u8)matcher_cost(&ms[i]);
    }
    struct postings *result = postings_new();
    bool ok = equals_select(s, &all, &asked, result, e);
    for (u32 cost = COST_LIST; ok && cost < COST_FREE; cost++) {
        for (u32 i = 0; ok && i < count && postings_count(result) > 0; i++) {
            ok = asked.costs[i] != cost || matcher_apply(s, &ms[i], (enum cost)cost, result, e);
        }
    }
    if (!ok || !index_whole(s, e)) {
        postings_free(result);
        return NULL;
    }
    return result;
}
