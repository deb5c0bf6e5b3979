// join_sides.c: the "one" side of a join, folded into one column per signature.
//
// Two values of a signature at one step are only remembered: whether they are an error depends on
// what stands on the other side, which is told once everything has been seen.
// Threads: owned by the run.
#include "base/buf.h"
#include "base/str.h"
#include "promql/op_join.h"
#include "text/quote.h"

static bool init_side(struct op_join *o, struct run *r, struct join_side *s, u32 series)
{
    s->exists = true;
    s->first = series;
    s->matched = RUN_NEW_N(r, u64, MAX(o->words, 1U));
    return s->matched && column_init(r, &s->column, o->base.grid.steps);
}

static bool note_owner(struct op_join *o, struct run *r, struct join_side *s)
{
    if (!s->owner) {
        s->owner = RUN_NEW_N(r, u32, MAX(o->base.grid.steps, 1U));
        s->twice = RUN_NEW_N(r, u64, MAX(o->words, 1U));
        for (u32 i = 0; s->owner && i < o->base.grid.steps; i++) {
            s->owner[i] = s->first;
        }
    }
    return s->owner && s->twice;
}

static bool fold_side(struct op_join *o, struct run *r, u32 series, const struct column *c)
{
    struct join_side *s = &o->sides[o->one_slot[series]];
    if (!s->exists) {
        return init_side(o, r, s, series) && column_copy(r, &s->column, c);
    }
    if (!note_owner(o, r, s)) {
        return false;
    }
    for (u32 i = 0; i < c->steps; i++) {
        if (!column_has(c, i)) {
            continue;
        }
        if (column_has(&s->column, i)) {
            if (s->twice_a == s->twice_b) {
                s->twice_a = s->owner[i];
                s->twice_b = series;
            }
            bits_set(s->twice, i);
        }
        s->owner[i] = series;
        column_set(&s->column, i, c->values[i]);
        const struct hist *h = column_hist(c, i);
        if (h && !column_set_hist(r, &s->column, i, h)) {
            return false;
        }
        if (!h && s->column.hists) {
            s->column.hists[i] = NULL;
        }
    }
    return true;
}

bool join_sides_fold(struct op_join *o, struct run *r)
{
    struct column c;
    o->is_folded = true;
    if (!column_init(r, &c, o->base.grid.steps)) {
        return false;
    }
    for (u32 i = 0; i < o->one->series_count; i++) {
        if (!op_next(o->one, r, &c) || !run_hold(r, column_count(&c)) || !fold_side(o, r, i, &c)) {
            return false;
        }
        for (u32 w = 0; w < o->words; w++) {
            o->one_any[w] |= c.present[w];
        }
    }
    return true;
}

// {__name__="x", a="b"}: all labels alike, the name among them.
static void print_all(struct buf *out, struct labels ls)
{
    buf_byte(out, '{');
    for (u32 i = 0; i < ls.count; i++) {
        buf_c(out, i > 0 ? ", " : "");
        if (label_name_valid_legacy(ls.items[i].name)) {
            buf_str(out, ls.items[i].name);
        } else {
            quote_go(out, ls.items[i].name);
        }
        buf_byte(out, '=');
        quote_go(out, ls.items[i].value);
    }
    buf_byte(out, '}');
}

static bool fail_twice(const struct op_join *o, struct run *r, u32 slot)
{
    const struct join_side *s = &o->sides[slot];
    struct buf group;
    struct buf a;
    struct buf b;
    buf_init(&group, NOTE_TEXT_BYTES_MAX);
    buf_init(&a, NOTE_TEXT_BYTES_MAX);
    buf_init(&b, NOTE_TEXT_BYTES_MAX);
    print_all(&group, o->slots.labels[slot]);
    print_all(&a, o->one->series[s->twice_a].labels);
    print_all(&b, o->one->series[s->twice_b].labels);
    str low = buf_get(&a);
    str high = buf_get(&b);
    if (str_cmp(low, high) > 0) {
        low = buf_get(&b);
        high = buf_get(&a);
    }
    run_fail(r, ERR_EXISTS,
             "found duplicate series for the match group %.*s on the %s hand-side of the "
             "operation: [%.*s, %.*s];many-to-many matching not allowed: matching labels must be "
             "unique on one side",
             STR_ARG(buf_get(&group)), o->swapped ? "left" : "right", STR_ARG(low), STR_ARG(high));
    buf_fini(&group);
    buf_fini(&a);
    buf_fini(&b);
    return false;
}

bool join_sides_check(struct op_join *o, struct run *r)
{
    bool fills = join_has_many_fill(o) || join_has_one_fill(o);
    o->is_checked = true;
    for (u32 s = 0; s < o->slots.count; s++) {
        const u64 *twice = o->sides[s].twice;
        for (u32 w = 0; twice && w < o->words; w++) {
            if (twice[w] & (fills ? ~(u64)0 : o->many_any[w])) {
                return fail_twice(o, r, s);
            }
        }
    }
    return true;
}
