#include "tsdb/index_select.h"

#include "base/error.h"
#include "base/str.h"
#include "text/re.h"
#include "tsdb/postings.h"

#include <stdio.h>

#define HANDLES_AT_ONCE 512
#define MATCHERS_MAX    256

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

static bool matcher_apply(struct index_source *s, const struct matcher *m, enum cost cost,
                          struct postings *result, struct error *e)
{
    if (cost == COST_FREE) {
        return true;
    }
    struct postings *found = postings_new();
    bool ok;
    if (cost != COST_SUBTRACT) {
        ok = gather_matching(s, m, cost, found, e);
        if (ok) {
            postings_and(result, found);
        }
    } else {
        ok = m->op == MATCH_NE ? gather_list(s, m->name, &m->value, 1, found, e)
                               : gather_scan(s, m, false, STR_EMPTY, found, e);
        if (ok) {
            postings_andnot(result, found);
        }
    }
    postings_free(found);
    return ok;
}

struct postings *index_select(struct index_source *s, struct tenant_id tenant,
                              const struct matcher *ms, u32 count, struct error *e)
{
    if (count > MATCHERS_MAX) {
        return err_null(e, ERR_LIMIT, "%u matchers in one selector; at most %d", count,
                        MATCHERS_MAX);
    }
    struct postings *result = postings_new();
    char text[16];
    str all = index_tenant(tenant, text);
    if (!gather_list(s, STR_EMPTY, &all, 1, result, e)) {
        postings_free(result);
        return NULL;
    }
    u8 costs[MATCHERS_MAX];
    for (u32 i = 0; i < count; i++) {
        costs[i] = (u8)matcher_cost(&ms[i]);
    }
    for (u32 cost = COST_EQUAL; cost < COST_FREE; cost++) {
        for (u32 i = 0; i < count && postings_count(result) > 0; i++) {
            if (costs[i] == cost && !matcher_apply(s, &ms[i], (enum cost)cost, result, e)) {
                postings_free(result);
                return NULL;
            }
        }
    }
    return result;
}
