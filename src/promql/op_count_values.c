// op_count_values.c: one series per group and value, counting. Which series there are depends on
// the values, so the child is pulled when the operator is opened.
#include "base/arena.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/num.h"
#include "base/str.h"
#include "model/hist_bucket.h"
#include "model/hist_sum.h"
#include "promql/grouping.h"
#include "promql/ops.h"
#include "promql/query_run.h"

#define HIST_TEXT_BYTES_MAX (1 << 20)

// Threads: owned by the run.
struct op_count_values {
    struct op base;
    const struct expr_aggregate *expr;
    struct op *child;
    str label;
    struct label_rule rule;
    struct slots slots;
    struct column *counts; // By slot.
    u32 cap;
};

static struct op_count_values *count_values_of(struct op *o)
{
    return CONTAINER_OF(o, struct op_count_values, base);
}

// The labels of the group that a value of a series is counted in; in scratch.
static bool group_labels(const struct op_count_values *o, struct run *r, struct labels ls,
                         str value, struct labels *out)
{
    if (!run_room(r, (u64)(ls.count + 9) * sizeof(struct label))) {
        return false;
    }
    struct labels_builder b;
    labels_builder_init(&b, r->scratch, ls);
    labels_builder_set(&b, o->label, value);
    return label_rule_apply(&o->rule, r, labels_builder_take(&b), out);
}

static bool make_counts(struct op_count_values *o, struct run *r, u32 slot)
{
    if (slot >= o->cap) {
        u32 cap = MAX(16U, o->cap * 2);
        struct column *grown = run_grow(r, o->counts, o->cap, cap, sizeof(*grown));
        if (!grown) {
            return false;
        }
        o->counts = grown;
        o->cap = cap;
    }
    return column_init(r, &o->counts[slot], o->base.grid.steps);
}

static u32 slot_for(struct op_count_values *o, struct run *r, struct labels ls, str value)
{
    struct labels group;
    arena_reset(r->scratch);
    if (!group_labels(o, r, ls, value, &group)) {
        return SLOT_NONE;
    }
    u32 slot = slots_get(&o->slots, group);
    if (slot != SLOT_NONE) {
        return slot;
    }
    // A new one: the text of the value must outlive this step.
    if (!group_labels(o, r, ls, arena_str(r->arena, value), &group)) {
        return SLOT_NONE;
    }
    slot = slots_put(&o->slots, r, group);
    return slot != SLOT_NONE && make_counts(o, r, slot) ? slot : SLOT_NONE;
}

static u32 slot_of_float(struct op_count_values *o, struct run *r, struct labels ls, f64 v)
{
    char text[NUM_TEXT_MAX];
    return slot_for(o, r, ls, str_make(text, num_plain(text, v)));
}

static u32 slot_of_hist(struct op_count_values *o, struct run *r, struct labels ls,
                        const struct hist *h)
{
    struct buf b;
    u32 slot = SLOT_NONE;
    buf_init(&b, HIST_TEXT_BYTES_MAX);
    hist_print(&b, h);
    if (!buf_ok(&b)) {
        run_fail(r, ERR_LIMIT, "a histogram's text is longer than %d bytes", HIST_TEXT_BYTES_MAX);
    } else if (run_work(r, hist_work(h)) && run_room(r, 2 * buf_get(&b).len)) {
        slot = slot_for(o, r, ls, buf_get(&b));
    }
    buf_fini(&b);
    return slot;
}

static bool count_column(struct op_count_values *o, struct run *r, struct labels ls,
                         const struct column *c)
{
    u32 slot = SLOT_NONE;
    const f64 *before = NULL; // The float that slot is of.
    for (u32 i = 0; i < c->steps; i++) {
        if (!column_has(c, i)) {
            continue;
        }
        const struct hist *h = column_hist(c, i);
        f64 v = c->values[i];
        if (h) {
            slot = slot_of_hist(o, r, ls, h);
            before = NULL;
        } else if (!before || bits_of_f64(v) != bits_of_f64(*before)) {
            slot = slot_of_float(o, r, ls, v);
            before = &c->values[i];
        }
        if (slot == SLOT_NONE) {
            return false;
        }
        struct column *counts = &o->counts[slot];
        column_set(counts, i, column_has(counts, i) ? counts->values[i] + 1 : 1);
    }
    return true;
}

static bool count_values_open(struct op *base, struct run *r)
{
    struct op_count_values *o = count_values_of(base);
    const struct expr_aggregate *x = o->expr;
    struct column c;
    if (!label_name_valid(o->label)) {
        return run_fail(r, ERR_OUT_OF_ORDER, "invalid label name %s", run_quoted(r, o->label));
    }
    if (!op_open(o->child, r) || !column_init(r, &c, base->grid.steps) ||
        !label_rule_make(r, x->labels, x->label_count, x->without ? LABEL_NAME : o->label,
                         !x->without, &o->rule)) {
        return false;
    }
    slots_init(&o->slots, r);
    for (u32 i = 0; i < o->child->series_count; i++) {
        if (!op_next(o->child, r, &c) || !count_column(o, r, o->child->series[i].labels, &c)) {
            return false;
        }
    }
    if (!op_make_series(base, r, o->slots.count)) {
        return false;
    }
    for (u32 i = 0; i < base->series_count; i++) {
        base->series[i].labels = o->slots.labels[i];
    }
    return true;
}

static bool count_values_next(struct op *base, struct run *r, struct column *out)
{
    return column_copy(r, out, &count_values_of(base)->counts[base->at]);
}

static const struct op_ops count_values_ops = {
    .name = "count_values", .open = count_values_open, .next = count_values_next};

struct op *op_count_values_new(struct run *r, const struct expr *x, struct op *child)
{
    struct op_count_values *o = child ? RUN_NEW(r, struct op_count_values) : NULL;
    if (!o) {
        return NULL;
    }
    op_init(&o->base, r, &count_values_ops, &child->grid);
    o->expr = &x->aggregate;
    o->label = expr_unwrap(x->aggregate.param)->string;
    o->child = child;
    return &o->base;
}
