// join_pair.c: two values that meet in a join: what comes of them, and whether they may meet.
//
// Threads: owned by the run.
#include "model/hist_reset.h"
#include "promql/fn_hist.h"
#include "promql/op_join.h"

enum pair_outcome { PAIR_VALUE, PAIR_DROPPED, PAIR_IMPOSSIBLE, PAIR_FAILED };

static enum pair_outcome pair_hists(const struct op_join *o, struct run *r,
                                    struct join_operand left, struct join_operand right,
                                    struct join_operand *out)
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

static enum pair_outcome pair_values(const struct op_join *o, struct run *r,
                                     struct join_operand many, struct join_operand one,
                                     struct join_operand *out)
{
    struct join_operand left = o->swapped ? one : many;
    struct join_operand right = o->swapped ? many : one;
    if (left.hist || right.hist) {
        return pair_hists(o, r, left, right, out);
    }
    if (o->op == OP_TRIM_LOWER || o->op == OP_TRIM_UPPER) {
        note_types(r, o->expr->span, o->op, false, false);
        return PAIR_IMPOSSIBLE;
    }
    bool keep;
    *out = (struct join_operand){.value = binary_value(o->op, left.value, right.value, &keep)};
    return keep ? PAIR_VALUE : PAIR_DROPPED;
}

static bool claim(struct op_join *o, struct run *r, const struct join_meeting *m)
{
    u64 *taken = m->entry->taken;
    if (join_is_one_to_one(o)) {
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

bool join_meet(struct op_join *o, struct run *r, const struct join_meeting *m, struct column *out)
{
    struct join_operand v = {.value = 0};
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
