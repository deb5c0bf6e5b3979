// hist_binary.c: binary operators with native histograms; see fn_hist.h.
#include "base/arena.h"
#include "model/hist_quantile.h"
#include "promql/fn_hist.h"
#include "promql/query_run.h"

void note_types(struct run *r, struct text_span at, enum binary_op op, bool left_hist,
                bool right_hist)
{
    note_info(r, at, "incompatible sample types encountered for binary operator \"%s\": %s %s %s",
              binary_op_text(op), left_hist ? "histogram" : "float", binary_op_text(op),
              right_hist ? "histogram" : "float");
}

static bool take(struct run *r, const struct hist_sum *s, const struct hist **out)
{
    u64 buckets = (u64)s->positive.n + s->negative.n + s->bound_count;
    if (!run_room(r, buckets * 2 * sizeof(f64) + sizeof(struct hist))) {
        return false;
    }
    *out = hist_sum_take(s, r->arena);
    return true;
}

bool hist_add_pair(struct run *r, struct text_span at, enum binary_op op, const struct hist *left,
                   const struct hist *right, const struct hist **out)
{
    struct hist_spare spare = {.positive = {.n = 0}};
    struct hist_remarks remarks = {.resets_collide = false};
    struct hist_sum s;
    enum hist_part part = op == OP_ADD ? HIST_PART_ADDITION : HIST_PART_SUBTRACTION;
    *out = NULL;
    arena_reset(r->scratch);
    if (!run_work(r, hist_work(left) + hist_work(right)) ||
        !run_room(r, 64 * hist_work(left) + 256 * hist_work(right))) {
        return false;
    }
    hist_sum_start(&s, r->scratch, &spare, false, left);
    if (!hist_sum_add(&s, right, op == OP_ADD ? 1 : -1, &remarks)) {
        note_warning(r, at, "incompatible bucket layout encountered for binary operator %s",
                     binary_op_text(op));
        return true;
    }
    if (remarks.resets_collide) {
        note_resets_collide(r, at, part);
    }
    if (remarks.bounds_reconciled) {
        note_bounds_reconciled(r, at, part);
    }
    if (op == OP_SUB) {
        s.reset = HIST_RESET_GAUGE;
    }
    return take(r, &s, out);
}

static const struct hist *trimmed(struct run *r, enum binary_op op, const struct hist *h, f64 v)
{
    const struct hist *cut = hist_trim(h, v, op == OP_TRIM_LOWER, r->scratch);
    return cut == h ? h : hist_copy(r->arena, cut);
}

bool hist_by_number(struct run *r, enum binary_op op, const struct hist *h, f64 v,
                    const struct hist **out)
{
    *out = NULL;
    arena_reset(r->scratch);
    if (!run_work(r, hist_work(h)) || !run_room(r, 192 * hist_work(h) + 1024)) {
        return false;
    }
    if (op == OP_TRIM_LOWER || op == OP_TRIM_UPPER) {
        *out = trimmed(r, op, h, v);
        return true;
    }
    struct hist_sum s;
    hist_sum_start(&s, r->scratch, NULL, false, h);
    if (op == OP_MUL) {
        hist_sum_scale(&s, v);
    } else {
        hist_sum_divide(&s, v);
    }
    return take(r, &s, out);
}
