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
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "model/hist_reset.h"
#include "promql/fn_hist.h"
#include "promql/grouping.h"
#include "promql/ops.h"
#include "promql/query_run.h"
#include "text/quote.h"

// One signature's side of the "one". Threads: owned.
struct one_side {
    struct column column;
    u32 *owner;  // By step: which series gave the value. NULL while there is but one.
    u32 first;   // That one.
    u64 *twice;  // Steps with more than one value; NULL while there are none.
    u32 twice_a; // The two that met first.
    u32 twice_b;
    u64 *matched; // Steps at which a partner was found.
    bool exists;
};

// One output series. Threads: owned.
struct entry {
    struct labels labels;
    u64 *taken; // Shared by entries of the same signature and labels; NULL if it is alone.
    u32 many;   // The many side's series, or of the one side for a filled entry.
    bool is_fill;
};

// Threads: owned by the run.
struct op_join {
    struct op base;
    const struct expr *expr;
    const struct vector_matching *matching;
    enum binary_op op;
    struct op *many;
    struct op *one;
    bool swapped; // The many side stands on the right.
    struct label_rule rule;
    struct slots slots;
    u32 *many_slot;
    u32 *one_slot;
    struct one_side *sides; // By signature.
    struct entry *entries;
    u32 entry_count;
    u32 entry_cap;
    u64 *many_any; // Steps at which either side has anything at all.
    u64 *one_any;
    struct column many_column; // Of the series that the current entries belong to.
    u32 many_loaded;           // How many of the many side's series were pulled.
    u32 words;
    bool is_folded;
    bool is_checked;
};

static struct op_join *join_of(struct op *o)
{
    return CONTAINER_OF(o, struct op_join, base);
}

// The left fill value is the many side's, also where sides are swapped: so has upstream decided.
static bool has_many_fill(const struct op_join *o)
{
    return o->matching->has_fill_left;
}

static bool has_one_fill(const struct op_join *o)
{
    return o->matching->has_fill_right;
}

static bool is_one_to_one(const struct op_join *o)
{
    return o->matching->card == CARD_ONE_TO_ONE;
}

// ---- labels ------------------------------------------------------------------------------------

static u32 *sign(struct op_join *o, struct run *r, const struct op *side)
{
    u32 *slot = RUN_NEW_N(r, u32, MAX(side->series_count, 1U));
    for (u32 i = 0; slot && i < side->series_count; i++) {
        struct labels ls;
        arena_reset(r->scratch);
        if (!label_rule_apply(&o->rule, r, side->series[i].labels, &ls)) {
            return NULL;
        }
        slot[i] = slots_put(&o->slots, r, ls);
        if (slot[i] == SLOT_NONE) {
            return NULL;
        }
    }
    return slot;
}

// The labels of a result: the many side's, as the matching leaves them, and what is included from
// the one side.
static bool result_labels(const struct op_join *o, struct run *r, struct labels many,
                          struct labels one, struct labels *out)
{
    const struct vector_matching *m = o->matching;
    bool drop_name =
        o->op < OP_EQ || (o->expr->binary.return_bool && !r->opts->delayed_name_removal);
    u64 bytes = (u64)(many.count + m->include_count + 2) * sizeof(struct label);
    if (!run_room(r, 3 * bytes) || (drop_name && !op_strip_name(r, many, &many))) {
        return false;
    }
    if (is_one_to_one(o)) {
        // The rule of an ignoring clause takes the name too; here it stays if it was not dropped.
        struct labels_builder b;
        labels_builder_init(&b, r->arena, many);
        for (u32 i = 0; i < m->label_count && !m->on; i++) {
            labels_builder_del(&b, m->labels[i]);
        }
        many = m->on ? labels_keep(r->arena, many, o->rule.names, o->rule.count)
                     : labels_builder_take(&b);
    }
    if (m->include_count > 0) {
        struct labels_builder b;
        labels_builder_init(&b, r->arena, many);
        for (u32 i = 0; i < m->include_count; i++) {
            labels_builder_set(&b, m->include[i], labels_get(one, m->include[i]));
        }
        many = labels_builder_take(&b);
    }
    *out = many;
    return true;
}

static bool add_entry(struct op_join *o, struct run *r, struct entry x)
{
    if (o->entry_count == o->entry_cap) {
        u32 cap = MAX(64U, o->entry_cap * 2);
        struct entry *grown = run_grow(r, o->entries, o->entry_cap, cap, sizeof(*grown));
        if (!grown) {
            return false;
        }
        o->entries = grown;
        o->entry_cap = cap;
    }
    o->entries[o->entry_count++] = x;
    return true;
}

// An entry for this pair unless the series has one with these labels already.
static bool add_pair(struct op_join *o, struct run *r, u32 many, struct labels one, u32 from)
{
    struct entry x = {.many = many};
    if (!result_labels(o, r, o->many->series[many].labels, one, &x.labels)) {
        return false;
    }
    for (u32 i = from; i < o->entry_count; i++) {
        if (labels_eq(o->entries[i].labels, x.labels)) {
            return true;
        }
    }
    return add_entry(o, r, x);
}

// Series of the one side, listed by signature. Threads: owned.
struct by_slot {
    u32 *starts;
    u32 *series;
};

static bool list_one(struct op_join *o, struct run *r, struct by_slot *b)
{
    u32 count = o->one->series_count;
    b->starts = RUN_NEW_N(r, u32, (u64)o->slots.count + 2);
    b->series = RUN_NEW_N(r, u32, MAX(count, 1U));
    if (!b->starts || !b->series) {
        return false;
    }
    for (u32 i = 0; i < count; i++) {
        b->starts[o->one_slot[i] + 2]++;
    }
    for (u32 s = 2; s < o->slots.count + 2; s++) {
        b->starts[s] += b->starts[s - 1];
    }
    for (u32 i = 0; i < count; i++) {
        b->series[b->starts[o->one_slot[i] + 1]++] = i;
    }
    return true;
}

// The labels that a side which is not there would have: those of the signature.
static struct labels filled_labels(const struct op_join *o, u32 slot)
{
    return o->slots.labels[slot];
}

static bool make_entries(struct op_join *o, struct run *r)
{
    struct by_slot ones;
    if (!list_one(o, r, &ones)) {
        return false;
    }
    bool includes = o->matching->include_count > 0;
    for (u32 i = 0; i < o->many->series_count; i++) {
        u32 slot = o->many_slot[i];
        u32 from = o->entry_count;
        u32 first = ones.starts[slot];
        u32 last = includes ? ones.starts[slot + 1] : MIN(first + 1, ones.starts[slot + 1]);
        for (u32 k = first; k < last; k++) {
            if (!add_pair(o, r, i, o->one->series[ones.series[k]].labels, from)) {
                return false;
            }
        }
        if (has_one_fill(o) && !add_pair(o, r, i, filled_labels(o, slot), from)) {
            return false;
        }
    }
    for (u32 i = 0; i < o->one->series_count && has_many_fill(o); i++) {
        struct entry x = {.many = i, .is_fill = true};
        if (!result_labels(o, r, filled_labels(o, o->one_slot[i]), o->one->series[i].labels,
                           &x.labels) ||
            !add_entry(o, r, x)) {
            return false;
        }
    }
    return true;
}

static u32 entry_slot(const struct op_join *o, const struct entry *x)
{
    return x->is_fill ? o->one_slot[x->many] : o->many_slot[x->many];
}

// In grouped matching two series of one signature may not give the same labels at the same step.
static bool share_taken(struct op_join *o, struct run *r)
{
    struct slots *seen = RUN_NEW(r, struct slots); // Lives as long as the run does.
    u32 *first = RUN_NEW_N(r, u32, MAX(o->entry_count, 1U));
    if (!seen || !first) {
        return false;
    }
    slots_init(seen, r);
    for (u32 i = 0; i < o->entry_count; i++) {
        u32 known = seen->count;
        u32 slot = slots_put(seen, r, o->entries[i].labels);
        if (slot == SLOT_NONE) {
            return false;
        }
        if (slot == known) {
            first[slot] = i;
            continue;
        }
        struct entry *before = &o->entries[first[slot]];
        if (entry_slot(o, before) != entry_slot(o, &o->entries[i])) {
            continue;
        }
        if (!before->taken) {
            before->taken = RUN_NEW_N(r, u64, MAX(o->words, 1U));
        }
        o->entries[i].taken = before->taken;
        if (!before->taken) {
            return false;
        }
    }
    return true;
}

// ---- the one side ------------------------------------------------------------------------------

static bool init_side(struct op_join *o, struct run *r, struct one_side *s, u32 series)
{
    s->exists = true;
    s->first = series;
    s->matched = RUN_NEW_N(r, u64, MAX(o->words, 1U));
    return s->matched && column_init(r, &s->column, o->base.grid.steps);
}

static bool note_owner(struct op_join *o, struct run *r, struct one_side *s)
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
    struct one_side *s = &o->sides[o->one_slot[series]];
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

static bool fold_one(struct op_join *o, struct run *r)
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
    const struct one_side *s = &o->sides[slot];
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

// Once everything has been seen: two values of one signature matter where there is something to be
// matched at all.
static bool check_twice(struct op_join *o, struct run *r)
{
    bool fills = has_many_fill(o) || has_one_fill(o);
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

// ---- values ------------------------------------------------------------------------------------

// One pair. Threads: value.
struct operand {
    f64 value;
    const struct hist *hist;
};
enum pair_outcome { PAIR_VALUE, PAIR_DROPPED, PAIR_IMPOSSIBLE, PAIR_FAILED };

static enum pair_outcome pair_hists(const struct op_join *o, struct run *r, struct operand left,
                                    struct operand right, struct operand *out)
{
    bool both = left.hist && right.hist;
    bool is_trim = o->op == OP_TRIM_LOWER || o->op == OP_TRIM_UPPER;
    if (both && (o->op == OP_EQ || o->op == OP_NE)) {
        *out = left;
        return hist_same(left.hist, right.hist) == (o->op == OP_EQ) ? PAIR_VALUE : PAIR_DROPPED;
    }
    bool possible = both ? o->op == OP_ADD || o->op == OP_SUB
                         : o->op == OP_MUL || (left.hist && (o->op == OP_DIV || is_trim));
    if (!possible) {
        note_types(r, o->expr->span, o->op, left.hist != NULL, right.hist != NULL);
        return PAIR_IMPOSSIBLE;
    }
    bool ok = both ? hist_add_pair(r, o->expr->span, o->op, left.hist, right.hist, &out->hist)
                   : hist_by_number(r, o->op, left.hist ? left.hist : right.hist,
                                    left.hist ? right.value : left.value, &out->hist);
    if (!ok) {
        return PAIR_FAILED;
    }
    return out->hist ? PAIR_VALUE : PAIR_IMPOSSIBLE;
}

static enum pair_outcome pair_values(const struct op_join *o, struct run *r, struct operand many,
                                     struct operand one, struct operand *out)
{
    struct operand left = o->swapped ? one : many;
    struct operand right = o->swapped ? many : one;
    if (left.hist || right.hist) {
        return pair_hists(o, r, left, right, out);
    }
    if (o->op == OP_TRIM_LOWER || o->op == OP_TRIM_UPPER) {
        note_types(r, o->expr->span, o->op, false, false);
        return PAIR_IMPOSSIBLE;
    }
    bool keep;
    *out = (struct operand){.value = binary_value(o->op, left.value, right.value, &keep)};
    return keep ? PAIR_VALUE : PAIR_DROPPED;
}

// A pair at a step. Threads: value.
struct meeting {
    const struct entry *entry;
    u64 *matched; // The signature's.
    u32 step;
    struct operand many;
    struct operand one;
};

static bool claim(struct op_join *o, struct run *r, const struct meeting *m)
{
    u64 *taken = m->entry->taken;
    if (is_one_to_one(o)) {
        if (bits_has(m->matched, m->step)) {
            return run_fail(r, ERR_EXISTS,
                            "multiple matches for labels: many-to-one matching must be explicit "
                            "(group_left/group_right)");
        }
    } else if (taken) {
        if (bits_has(taken, m->step)) {
            return run_fail(r, ERR_EXISTS,
                            "multiple matches for labels: grouping labels must ensure unique "
                            "matches");
        }
        bits_set(taken, m->step);
    }
    bits_set(m->matched, m->step);
    return true;
}

static bool emit(struct op_join *o, struct run *r, const struct meeting *m, struct column *out)
{
    struct operand v = {.value = 0};
    enum pair_outcome outcome = pair_values(o, r, m->many, m->one, &v);
    if (outcome == PAIR_FAILED) {
        return false;
    }
    if (outcome == PAIR_IMPOSSIBLE) {
        return true;
    }
    if (!claim(o, r, m)) {
        return false;
    }
    if (o->expr->binary.return_bool) {
        column_set(out, m->step, outcome == PAIR_VALUE);
        return true;
    }
    if (outcome == PAIR_DROPPED) {
        return true;
    }
    if (v.hist) {
        return column_set_hist(r, out, m->step, v.hist);
    }
    column_set(out, m->step, v.value);
    return true;
}

static struct operand operand_at(const struct column *c, u32 step)
{
    return (struct operand){.value = c->values[step], .hist = column_hist(c, step)};
}

// Does this entry have the labels that the pair at this step gives?
static bool is_entry_of(const struct op_join *o, struct run *r, const struct entry *x,
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
static bool is_plain(const struct op_join *o, const struct run *r, const struct entry *x,
                     const struct one_side *s)
{
    const bool is_known = o->op == OP_ADD || o->op == OP_SUB || o->op == OP_MUL || o->op == OP_DIV;
    if (!is_known || o->expr->binary.return_bool || r->opts->window_by_window || s->owner ||
        x->taken || o->matching->include_count > 0 || has_one_fill(o) || o->many_column.hists ||
        s->column.hists) {
        return false;
    }
    u64 again = 0;
    for (u32 w = 0; w < o->words; w++) {
        again |= o->many_column.present[w] & s->column.present[w] & s->matched[w];
    }
    return !is_one_to_one(o) || again == 0; // What emit refuses, it tells.
}

// All steps at once.
static void join_plain(const struct op_join *o, const struct one_side *s, struct column *out)
{
    const f64 *many = o->many_column.values;
    const f64 *one = s->column.values;
    pair_floats(o->op, o->swapped ? one : many, o->swapped ? many : one, out->steps, out->values);
    for (u32 w = 0; w < o->words; w++) {
        out->present[w] = o->many_column.present[w] & s->column.present[w];
        s->matched[w] |= out->present[w];
    }
}

static bool join_many(struct op_join *o, struct run *r, const struct entry *x, struct column *out)
{
    struct one_side *s = &o->sides[o->many_slot[x->many]];
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
    struct operand fill = {.value = o->matching->fill_right};
    struct labels filled = filled_labels(o, o->many_slot[x->many]);
    for (u32 i = 0; i < out->steps; i++) {
        bool has_one = column_has(&s->column, i);
        if (!column_has(&o->many_column, i) || (!has_one && !has_one_fill(o))) {
            continue;
        }
        u32 owner = s->owner ? s->owner[i] : s->first;
        struct labels one = has_one ? o->one->series[owner].labels : filled;
        struct meeting m = {.entry = x,
                            .matched = s->matched,
                            .step = i,
                            .many = operand_at(&o->many_column, i),
                            .one = has_one ? operand_at(&s->column, i) : fill};
        if (is_entry_of(o, r, x, one) && !emit(o, r, &m, out)) {
            return false;
        }
    }
    return true;
}

static bool join_fill(struct op_join *o, struct run *r, const struct entry *x, struct column *out)
{
    struct one_side *s = &o->sides[o->one_slot[x->many]];
    struct operand fill = {.value = o->matching->fill_left};
    for (u32 i = 0; i < out->steps; i++) {
        u32 owner = s->owner ? s->owner[i] : s->first;
        if (!column_has(&s->column, i) || owner != x->many || bits_has(s->matched, i)) {
            continue;
        }
        struct meeting m = {.entry = x,
                            .matched = s->matched,
                            .step = i,
                            .many = fill,
                            .one = operand_at(&s->column, i)};
        if (!emit(o, r, &m, out)) {
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
    slots_init(&o->slots, r);
    o->many_slot = sign(o, r, o->many);
    o->one_slot = o->many_slot ? sign(o, r, o->one) : NULL;
    o->sides = o->one_slot ? RUN_NEW_N(r, struct one_side, MAX(o->slots.count, 1U)) : NULL;
    o->many_any = RUN_NEW_N(r, u64, MAX(o->words, 1U));
    o->one_any = RUN_NEW_N(r, u64, MAX(o->words, 1U));
    if (!o->sides || !o->many_any || !o->one_any || !make_entries(o, r) ||
        (!is_one_to_one(o) && !share_taken(o, r)) || !op_make_series(base, r, o->entry_count) ||
        !column_init(r, &o->many_column, base->grid.steps)) {
        return false;
    }
    for (u32 i = 0; i < o->entry_count; i++) {
        base->series[i].labels = o->entries[i].labels;
        base->series[i].drop_name = o->expr->binary.return_bool;
    }
    // Without entries nobody will ask for columns; what is wrong must come out all the same.
    return o->entry_count > 0 || (fold_one(o, r) && load_all_many(o, r) && check_twice(o, r));
}

static bool join_next(struct op *base, struct run *r, struct column *out)
{
    struct op_join *o = join_of(base);
    if (!o->is_folded && !fold_one(o, r)) {
        return false;
    }
    const struct entry *x = &o->entries[base->at];
    bool last_many = x->is_fill || base->at + 1 == o->entry_count;
    if (!x->is_fill && !join_many(o, r, x, out)) {
        return false;
    }
    if (last_many && !o->is_checked) {
        if (!load_all_many(o, r) || !check_twice(o, r)) {
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
