// match.c: matchers over single values and whole label sets.

#include "model/match.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "text/quote.h"
#include "text/re.h"

static void free_re(void *arg)
{
    re_free(arg);
}

bool matcher_init(struct matcher *m, struct arena *a, enum match_op op, str name, str value,
                  struct error *e)
{
    struct re *re = NULL;
    if (op == MATCH_RE || op == MATCH_NRE) {
        re = re_new(value, e);
        if (!re) {
            return false;
        }
        arena_on_free(a, free_re, re);
    }
    *m = (struct matcher){
        .op = op, .name = arena_str(a, name), .value = arena_str(a, value), .re = re};
    return true;
}

bool matcher_matches(const struct matcher *m, str value)
{
    switch (m->op) {
    case MATCH_EQ:
        return str_eq(m->value, value);
    case MATCH_NE:
        return !str_eq(m->value, value);
    case MATCH_RE:
        return re_match(m->re, value);
    case MATCH_NRE:
        return !re_match(m->re, value);
    }
    CHECK(false && "a matcher has one of four operators");
}

bool matcher_matches_empty(const struct matcher *m)
{
    return matcher_matches(m, STR_EMPTY);
}

bool matchers_match(const struct matcher *ms, u32 count, struct labels ls)
{
    for (u32 i = 0; i < count; i++) {
        if (!matcher_matches(&ms[i], labels_get(ls, ms[i].name))) {
            return false;
        }
    }
    return true;
}

const char *match_op_text(enum match_op op)
{
    switch (op) {
    case MATCH_EQ:
        return "=";
    case MATCH_NE:
        return "!=";
    case MATCH_RE:
        return "=~";
    case MATCH_NRE:
        return "!~";
    }
    CHECK(false && "a matcher has one of four operators");
}

void matcher_print(struct buf *out, const struct matcher *m)
{
    if (label_name_valid_legacy(m->name)) {
        buf_str(out, m->name);
    } else {
        quote_go(out, m->name);
    }
    buf_c(out, match_op_text(m->op));
    quote_go(out, m->value);
}

void matchers_print(struct buf *out, const struct matcher *ms, u32 count)
{
    buf_byte(out, '{');
    for (u32 i = 0; i < count; i++) {
        if (i > 0) {
            buf_byte(out, ',');
        }
        matcher_print(out, &ms[i]);
    }
    buf_byte(out, '}');
}
