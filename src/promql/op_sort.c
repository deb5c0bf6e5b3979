// op_sort.c: sort, sort_desc, sort_by_label, sort_by_label_desc. The order of an instant query's
// series is its answer's; in a range query sorting does nothing, which is warned of.
#include "base/str.h"
#include "model/hist.h"
#include "promql/ops.h"
#include "promql/query_run.h"

#include <math.h>
#include <stdlib.h>

// Threads: owned by the run.
struct op_sort {
    struct op base;
    const struct expr *call;
    struct op *child;
    struct sort_item *items;
};

// Carries what the comparison needs, for qsort has no context. Threads: owned.
struct sort_item {
    const struct op_sort *sort;
    const struct op_series *series;
    const struct column *column;
    f64 value;
    u32 index;
};

static struct op_sort *sort_of(struct op *o)
{
    return CONTAINER_OF(o, struct op_sort, base);
}

static enum fn_id sort_id(const struct op_sort *o)
{
    return o->call->call.fn->id;
}

static bool sorts_values(const struct op_sort *o)
{
    return sort_id(o) == FN_SORT || sort_id(o) == FN_SORT_DESC;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Cuts off the leading run of digits or of other bytes.
static str cut_chunk(str *rest)
{
    size_t n = 0;
    while (n < rest->len && is_digit(rest->ptr[n]) == is_digit(rest->ptr[0])) {
        n++;
    }
    str chunk = str_sub(*rest, 0, n);
    *rest = str_sub(*rest, n, rest->len);
    return chunk;
}

// Numbers within texts count as numbers: a2 before a10.
static int natural_cmp(str a, str b)
{
    while (a.len > 0 && b.len > 0) {
        str x = cut_chunk(&a);
        str y = cut_chunk(&b);
        u64 m;
        u64 n;
        if (parse_u64(x, &m) && parse_u64(y, &n)) {
            if (m != n) {
                return m < n ? -1 : 1;
            }
        } else if (!str_eq(x, y)) {
            return str_cmp(x, y);
        }
    }
    return (a.len > 0) - (b.len > 0);
}

static int by_label(const void *a, const void *b)
{
    const struct sort_item *x = a;
    const struct sort_item *y = b;
    const struct expr_call *call = &x->sort->call->call;
    int sign = call->fn->id == FN_SORT_BY_LABEL_DESC ? -1 : 1;
    for (u32 i = 1; i < call->arg_count; i++) {
        str name = expr_unwrap(call->args[i])->string;
        str v = labels_get(x->series->labels, name);
        str w = labels_get(y->series->labels, name);
        if (!str_eq(v, w)) {
            int order = natural_cmp(v, w);
            return order != 0 ? sign * order : sign * str_cmp(v, w);
        }
    }
    return sign * labels_cmp(x->series->labels, y->series->labels);
}

// NaN comes last in both directions.
static int by_value(const void *a, const void *b)
{
    const struct sort_item *x = a;
    const struct sort_item *y = b;
    int sign = sort_id(x->sort) == FN_SORT_DESC ? -1 : 1;
    if (isnan(x->value) != isnan(y->value)) {
        return isnan(x->value) ? 1 : -1;
    }
    if (x->value != y->value && !isnan(x->value)) {
        return x->value < y->value ? -sign : sign;
    }
    return x->index < y->index ? -1 : x->index > y->index;
}

static bool sort_instant(struct op_sort *o, struct run *r)
{
    struct column *columns;
    u32 count = o->child->series_count;
    o->items = RUN_NEW_N(r, struct sort_item, MAX(count, 1U));
    if (!o->items || !op_collect(o->child, r, &columns)) {
        return false;
    }
    u32 n = 0;
    for (u32 i = 0; i < count; i++) {
        if (columns[i].steps == 1 && column_has(&columns[i], 0) &&
            !(sorts_values(o) && column_hist(&columns[i], 0))) {
            o->items[n] = (struct sort_item){.sort = o,
                                             .series = &o->child->series[i],
                                             .column = &columns[i],
                                             .value = columns[i].values[0],
                                             .index = n};
            n++;
        }
    }
    if (n > 1) {
        qsort(o->items, n, sizeof(*o->items), sorts_values(o) ? by_value : by_label);
    }
    if (!op_make_series(&o->base, r, n)) {
        return false;
    }
    for (u32 i = 0; i < n; i++) {
        o->base.series[i] = *o->items[i].series;
    }
    return true;
}

static bool sort_open(struct op *base, struct run *r)
{
    struct op_sort *o = sort_of(base);
    if (!op_open(o->child, r)) {
        return false;
    }
    if (grid_is_instant(&base->grid)) {
        return sort_instant(o, r);
    }
    note_warning(r, o->call->span,
                 "sort is ineffective for range queries since results are always ordered by "
                 "labels");
    return op_keep_labels(base, r, o->child);
}

static bool sort_next(struct op *base, struct run *r, struct column *out)
{
    struct op_sort *o = sort_of(base);
    if (o->items) {
        return column_copy(r, out, o->items[base->at].column);
    }
    if (!op_next(o->child, r, out)) {
        return false;
    }
    for (u32 i = 0; i < out->steps && sorts_values(o); i++) {
        if (column_has(out, i) && column_hist(out, i)) {
            out->hists[i] = NULL;
            bits_drop(out->present, i);
        }
    }
    return true;
}

static const struct op_ops sort_ops = {.name = "sort", .open = sort_open, .next = sort_next};

struct op *op_sort_new(struct run *r, const struct expr *call, struct op *child)
{
    struct op_sort *o = child ? RUN_NEW(r, struct op_sort) : NULL;
    if (!o) {
        return NULL;
    }
    op_init(&o->base, r, &sort_ops, &child->grid);
    o->call = call;
    o->child = child;
    return &o->base;
}
