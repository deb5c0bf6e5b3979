// op_set.c: and, or, unless: which series of one side have a partner on the other, step by step.
//
// Partners are found once, by signature; at a step only presence counts. The side that decides is
// folded into bits per signature, the other one streams through.
#include "base/arena.h"
#include "base/str.h"
#include "model/hist.h"
#include "promql/grouping.h"
#include "promql/ops.h"
#include "promql/query_run.h"

// Threads: owned by the run.
struct op_set {
    struct op base;
    const struct expr_binary *expr;
    struct op *left;
    struct op *right;
    struct slots slots; // Signatures of both sides.
    u32 *left_slot;
    u32 *right_slot;
    u64 *present; // By signature and step: does the deciding side have a value?
    u32 words;
    bool is_folded;
};

static struct op_set *set_of(struct op *o)
{
    return CONTAINER_OF(o, struct op_set, base);
}

static u32 *sign(struct op_set *o, struct run *r, const struct label_rule *rule,
                 const struct op *side)
{
    u32 *slot = RUN_NEW_N(r, u32, MAX(side->series_count, 1U));
    for (u32 i = 0; slot && i < side->series_count; i++) {
        struct labels ls;
        arena_reset(r->scratch);
        if (!label_rule_apply(rule, r, side->series[i].labels, &ls)) {
            return NULL;
        }
        slot[i] = slots_put(&o->slots, r, ls);
        if (slot[i] == SLOT_NONE) {
            return NULL;
        }
    }
    return slot;
}

static u64 *bits_of(const struct op_set *o, u32 slot)
{
    return o->present + (u64)slot * o->words;
}

static void fold(struct op_set *o, u32 slot, const struct column *c)
{
    u64 *bits = bits_of(o, slot);
    for (u32 w = 0; w < o->words; w++) {
        bits[w] |= c->present[w];
    }
}

static bool fold_right(struct op_set *o, struct run *r)
{
    struct column c;
    if (!column_init(r, &c, o->base.grid.steps)) {
        return false;
    }
    for (u32 i = 0; i < o->right->series_count; i++) {
        if (!op_next(o->right, r, &c)) {
            return false;
        }
        fold(o, o->right_slot[i], &c);
    }
    return true;
}

// Keeps the steps where the signature's bit is as wanted.
static void filter(const struct op_set *o, u32 slot, bool wanted, struct column *c)
{
    const u64 *bits = bits_of(o, slot);
    for (u32 w = 0; w < o->words; w++) {
        c->present[w] &= wanted ? bits[w] : ~bits[w];
    }
    for (u32 i = 0; c->hists && i < c->steps; i++) {
        if (!column_has(c, i)) {
            c->hists[i] = NULL;
        }
    }
}

static bool set_open(struct op *base, struct run *r)
{
    struct op_set *o = set_of(base);
    const struct vector_matching *m = o->expr->matching;
    struct label_rule rule;
    if (!op_open(o->left, r) || !op_open(o->right, r) ||
        !label_rule_make(r, m->labels, m->label_count, m->on ? STR_EMPTY : LABEL_NAME, m->on,
                         &rule)) {
        return false;
    }
    slots_init(&o->slots, r);
    o->left_slot = sign(o, r, &rule, o->left);
    o->right_slot = o->left_slot ? sign(o, r, &rule, o->right) : NULL;
    o->words = column_words(base->grid.steps);
    o->present = RUN_NEW_N(r, u64, (u64)MAX(o->slots.count, 1U) * MAX(o->words, 1U));
    if (!o->right_slot || !o->present) {
        return false;
    }
    u32 more = o->expr->op == OP_OR ? o->right->series_count : 0;
    if (!op_make_series(base, r, o->left->series_count + more)) {
        return false;
    }
    op_copy_series(base, 0, o->left);
    if (more > 0) {
        op_copy_series(base, o->left->series_count, o->right);
    }
    // Without series nobody will ask for columns; what is wrong on the right must come out all the
    // same.
    return base->series_count > 0 || fold_right(o, r);
}

static bool set_next(struct op *base, struct run *r, struct column *out)
{
    struct op_set *o = set_of(base);
    u32 at = base->at;
    if (o->expr->op == OP_OR) {
        // All of the left side has streamed through before the right side begins.
        if (at < o->left->series_count) {
            if (!op_next(o->left, r, out)) {
                return false;
            }
            fold(o, o->left_slot[at], out);
            return true;
        }
        if (!op_next(o->right, r, out)) {
            return false;
        }
        filter(o, o->right_slot[at - o->left->series_count], false, out);
        return true;
    }
    if (!o->is_folded) {
        o->is_folded = true;
        if (!fold_right(o, r)) {
            return false;
        }
    }
    if (!op_next(o->left, r, out)) {
        return false;
    }
    filter(o, o->left_slot[at], o->expr->op == OP_AND, out);
    return true;
}

static const struct op_ops set_ops = {.name = "set", .open = set_open, .next = set_next};

struct op *op_set_new(struct run *r, const struct expr *x, struct op *left, struct op *right)
{
    struct op_set *o = left && right ? RUN_NEW(r, struct op_set) : NULL;
    if (!o) {
        return NULL;
    }
    op_init(&o->base, r, &set_ops, &left->grid);
    o->expr = &x->binary;
    o->left = left;
    o->right = right;
    return &o->base;
}
