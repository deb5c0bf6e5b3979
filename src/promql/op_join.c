// op_join.c: a binary operator between two vectors: partners found once, by signature.
//
// The "one" side is folded into one column per signature (two values there at a step are an error,
// if anything at all stands on the other side then). The "many" side streams: each of its series
// gives an output entry per different label set it can have; partners are looked up by index.
//
//   many series ─┬─ signature ── one column of the "one" side ─┐
//                └─ entry (labels) ◄──────── value ◄───────────┘
//   With a fill value for the many side, each series of the one side gives an entry of its own, for
//   the steps at which its signature met nobody.
//
// In one-to-one matching the left side is taken for "many"; in one-to-many the sides are swapped,
// values are computed the right way round.
#include "promql/op_join.h"

#include "base/str.h"

static struct op_join *join_of(struct op *o)
{
    return CONTAINER_OF(o, struct op_join, base);
}

static struct join_operand operand_at(const struct column *c, u32 step)
{
    return (struct join_operand){.value = c->values[step], .hist = column_hist(c, step)};
}

// Does this entry have the labels that the pair at this step gives?
static bool is_entry_of(const struct op_join *o, struct run *r, const struct join_entry *x,
                        struct labels one)
{
    if (o->matching->include_count == 0) {
        return true;
    }
    for (u32 i = 0; i < o->matching->include_count; i++) {
        str name = o->matching->include[i];
        if (!str_eq(labels_get(x->labels, name), labels_get(one, name))) {
            return false;
        }
    }
    return !r->failed;
}

static bool load_many(struct op_join *o, struct run *r, u32 series)
{
    while (o->many_loaded <= series) {
        if (!op_next(o->many, r, &o->many_column)) {
            return false;
        }
        for (u32 w = 0; w < o->words; w++) {
            o->many_any[w] |= o->many_column.present[w];
        }
        o->many_loaded++;
    }
    return true;
}

static bool load_all_many(struct op_join *o, struct run *r)
{
    return o->many->series_count == 0 || load_many(o, r, o->many->series_count - 1);
}

static void pair_floats(enum binary_op op, const f64 *left, const f64 *right, u32 steps, f64 *out)
{
    switch ((int)op) {
    case OP_ADD:
        for (u32 i = 0; i < steps; i++) {
            out[i] = left[i] + right[i];
        }
        break;
    case OP_SUB:
        for (u32 i = 0; i < steps; i++) {
            out[i] = left[i] - right[i];
        }
        break;
    case OP_MUL:
        for (u32 i = 0; i < steps; i++) {
            out[i] = left[i] * right[i];
        }
        break;
    default: // OP_DIV
        for (u32 i = 0; i < steps; i++) {
            out[i] = left[i] / right[i];
        }
        break;
    }
}

// Is a pair of floats all there is to look at, at every step?
static bool is_plain(const struct op_join *o, const struct run *r, const struct join_entry *x,
                     const struct join_side *s)
{
    const bool is_known = o->op == OP_ADD || o->op == OP_SUB || o->op == OP_MUL || o->op == OP_DIV;
    if (!is_known || o->expr->binary.return_bool || r->opts->window_by_window || s->owner ||
        x->taken || o->matching->include_count > 0 || join_has_one_fill(o) ||
        o->many_column.hists || s->column.hists) {
        return false;
    }
    u64 again = 0;
    for (u32 w = 0; w < o->words; w++) {
        again |= o->many_column.present[w] & s->column.present[w] & s->matched[w];
    }
    return !join_is_one_to_one(o) || again == 0; // What join_meet refuses, it tells.
}

// All steps at once.
static void join_plain(const struct op_join *o, const struct join_side *s, struct column *out)
{
    const f64 *many = o->many_column.values;
    const f64 *one = s->column.values;
    pair_floats(o->op, o->swapped ? one : many, o->swapped ? many : one, out->steps, out->values);
    for (u32 w = 0; w < o->words; w++) {
        out->present[w] = o->many_column.present[w] & s->column.present[w];
        s->matched[w] |= out->present[w];
    }
}

static bool join_many(struct op_join *o, struct run *r, const struct join_entry *x,
                      struct column *out)
{
    struct join_side *s = &o->sides[o->many_slot[x->many]];
    if (!load_many(o, r, x->many)) {
        return false;
    }
    if (!s->exists) {
        // Nobody stands there: only a fill value answers.
        s->exists = true;
        s->matched = RUN_NEW_N(r, u64, MAX(o->words, 1U));
        if (!s->matched || !column_init(r, &s->column, o->base.grid.steps)) {
            return false;
        }
    }
    if (is_plain(o, r, x, s)) {
        join_plain(o, s, out);
        return true;
    }
    struct join_operand fill = {.value = o->matching->fill_right};
    struct labels filled = join_filled_labels(o, o->many_slot[x->many]);
    for (u32 i = 0; i < out->steps; i++) {
        bool has_one = column_has(&s->column, i);
        if (!column_has(&o->many_column, i) || (!has_one && !join_has_one_fill(o))) {
            continue;
        }
        u32 owner = s->owner ? s->owner[i] : s->first;
        struct labels one = has_one ? o->one->series[owner].labels : filled;
        struct join_meeting m = {.entry = x,
                                 .matched = s->matched,
                                 .step = i,
                                 .many = operand_at(&o->many_column, i),
                                 .one = has_one ? operand_at(&s->column, i) : fill};
        if (is_entry_of(o, r, x, one) && !join_meet(o, r, &m, out)) {
            return false;
        }
    }
    return true;
}

static bool join_fill(struct op_join *o, struct run *r, const struct join_entry *x,
                      struct column *out)
{
    struct join_side *s = &o->sides[o->one_slot[x->many]];
    struct join_operand fill = {.value = o->matching->fill_left};
    for (u32 i = 0; i < out->steps; i++) {
        u32 owner = s->owner ? s->owner[i] : s->first;
        if (!column_has(&s->column, i) || owner != x->many || bits_has(s->matched, i)) {
            continue;
        }
        struct join_meeting m = {.entry = x,
                                 .matched = s->matched,
                                 .step = i,
                                 .many = fill,
                                 .one = operand_at(&s->column, i)};
        if (!join_meet(o, r, &m, out)) {
            return false;
        }
    }
    return true;
}

static bool join_open(struct op *base, struct run *r)
{
    struct op_join *o = join_of(base);
    const struct vector_matching *m = o->matching;
    o->words = column_words(base->grid.steps);
    // The left side first, for the order of notes.
    if (!op_open(o->swapped ? o->one : o->many, r) || !op_open(o->swapped ? o->many : o->one, r) ||
        !label_rule_make(r, m->labels, m->label_count, m->on ? STR_EMPTY : LABEL_NAME, m->on,
                         &o->rule)) {
        return false;
    }
    if (!join_entries_make(o, r)) {
        return false;
    }
    o->sides = RUN_NEW_N(r, struct join_side, MAX(o->slots.count, 1U));
    o->many_any = RUN_NEW_N(r, u64, MAX(o->words, 1U));
    o->one_any = RUN_NEW_N(r, u64, MAX(o->words, 1U));
    if (!o->sides || !o->many_any || !o->one_any || !op_make_series(base, r, o->entry_count) ||
        !column_init(r, &o->many_column, base->grid.steps)) {
        return false;
    }
    for (u32 i = 0; i < o->entry_count; i++) {
        base->series[i].labels = o->entries[i].labels;
        base->series[i].drop_name = o->expr->binary.return_bool;
    }
    // Without entries nobody will ask for columns; what is wrong must come out all the same.
    return o->entry_count > 0 ||
           (join_sides_fold(o, r) && load_all_many(o, r) && join_sides_check(o, r));
}

static bool join_next(struct op *base, struct run *r, struct column *out)
{
    struct op_join *o = join_of(base);
    if (!o->is_folded && !join_sides_fold(o, r)) {
        return false;
    }
    const struct join_entry *x = &o->entries[base->at];
    bool last_many = x->is_fill || base->at + 1 == o->entry_count;
    if (!x->is_fill && !join_many(o, r, x, out)) {
        return false;
    }
    if (last_many && !o->is_checked) {
        if (!load_all_many(o, r) || !join_sides_check(o, r)) {
            return false;
        }
    }
    return x->is_fill ? join_fill(o, r, x, out) : true;
}

static const struct op_ops join_ops = {.name = "join", .open = join_open, .next = join_next};

struct op *op_join_new(struct run *r, const struct expr *x, struct op *left, struct op *right)
{
    struct op_join *o = left && right ? RUN_NEW(r, struct op_join) : NULL;
    if (!o) {
        return NULL;
    }
    const struct expr_binary *b = &x->binary;
    op_init(&o->base, r, &join_ops, &left->grid);
    o->expr = x;
    o->matching = b->matching;
    o->op = b->op;
    o->swapped = b->matching->card == CARD_ONE_TO_MANY;
    o->many = o->swapped ? right : left;
    o->one = o->swapped ? left : right;
    return &o->base;
}
