// op_label.c: label_replace and label_join: only labels change; columns pass through.
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "promql/ops.h"
#include "promql/query_run.h"
#include "text/re.h"

#define LABEL_VALUE_BYTES_MAX ((size_t)16 << 20)
#define LABEL_GROUPS_MAX      256

// Threads: owned by the run.
struct op_label {
    struct op base;
    const struct expr_call *call;
    struct op *child;
    bool (*rename)(struct op_label *o, struct run *r, struct op_series *s);
    struct re *re; // label_replace
};

static struct op_label *label_of(struct op *o)
{
    return CONTAINER_OF(o, struct op_label, base);
}

static str text_arg(const struct op_label *o, u32 i)
{
    return expr_unwrap(o->call->args[i])->string;
}

static bool set_label(struct op_label *o, struct run *r, struct op_series *s, const struct buf *b)
{
    str name = text_arg(o, 1);
    if (b->full) {
        return run_fail(r, ERR_LIMIT, "%.*s makes a label value of more than %zu bytes",
                        STR_ARG(o->call->fn->name), LABEL_VALUE_BYTES_MAX);
    }
    if (!run_room(r, b->len + (u64)(s->labels.count + 2) * sizeof(struct label))) {
        return false;
    }
    struct labels_builder lb;
    labels_builder_init(&lb, r->arena, s->labels);
    labels_builder_set(&lb, name, arena_str(r->arena, buf_get(b)));
    s->labels = labels_builder_take(&lb);
    if (str_eq(name, LABEL_NAME)) {
        s->drop_name = false;
    }
    return true;
}

static bool replace_one(struct op_label *o, struct run *r, struct op_series *s)
{
    str groups[LABEL_GROUPS_MAX];
    u32 n = 0;
    if (!re_match_groups(o->re, labels_get(s->labels, text_arg(o, 3)), groups, LABEL_GROUPS_MAX,
                         &n)) {
        return true;
    }
    struct buf b;
    buf_init(&b, LABEL_VALUE_BYTES_MAX);
    re_expand(o->re, text_arg(o, 2), groups, n, &b);
    bool ok = set_label(o, r, s, &b);
    buf_fini(&b);
    return ok;
}

static bool join_one(struct op_label *o, struct run *r, struct op_series *s)
{
    struct buf b;
    buf_init(&b, LABEL_VALUE_BYTES_MAX);
    for (u32 i = 3; i < o->call->arg_count; i++) {
        if (i > 3) {
            buf_str(&b, text_arg(o, 2));
        }
        buf_str(&b, labels_get(s->labels, text_arg(o, i)));
    }
    bool ok = set_label(o, r, s, &b);
    buf_fini(&b);
    return ok;
}

static void free_re(void *arg)
{
    re_free(arg);
}

static bool prepare_replace(struct op_label *o, struct run *r)
{
    o->re = re_new(text_arg(o, 4), NULL);
    if (!o->re || re_group_count(o->re) >= LABEL_GROUPS_MAX) {
        re_free(o->re);
        return run_fail(r, ERR_OUT_OF_ORDER, "invalid regular expression in label_replace(): %.*s",
                        STR_ARG(text_arg(o, 4)));
    }
    arena_on_free(r->arena, free_re, o->re);
    return true;
}

static bool check_names(const struct op_label *o, struct run *r)
{
    for (u32 i = 3; i < o->call->arg_count && o->call->fn->id == FN_LABEL_JOIN; i++) {
        if (!label_name_valid(text_arg(o, i))) {
            return run_fail(r, ERR_OUT_OF_ORDER, "invalid source label name in label_join(): %.*s",
                            STR_ARG(text_arg(o, i)));
        }
    }
    if (!label_name_valid(text_arg(o, 1))) {
        return run_fail(r, ERR_OUT_OF_ORDER, "invalid destination label name in %.*s(): %.*s",
                        STR_ARG(o->call->fn->name), STR_ARG(text_arg(o, 1)));
    }
    return true;
}

static bool label_open(struct op *base, struct run *r)
{
    struct op_label *o = label_of(base);
    if ((o->call->fn->id == FN_LABEL_REPLACE && !prepare_replace(o, r)) || !check_names(o, r) ||
        !op_open(o->child, r) || !op_keep_labels(base, r, o->child)) {
        return false;
    }
    base->is_distinct = false; // Renaming may make them equal.
    for (u32 i = 0; i < base->series_count; i++) {
        if (!o->rename(o, r, &base->series[i])) {
            return false;
        }
    }
    return true;
}

static bool label_next(struct op *base, struct run *r, struct column *out)
{
    return op_next(label_of(base)->child, r, out);
}

static const struct op_ops label_ops = {.name = "label", .open = label_open, .next = label_next};

static struct op *label_new(struct run *r, const struct expr *call, struct op *child,
                            bool (*rename)(struct op_label *, struct run *, struct op_series *))
{
    struct op_label *o = child ? RUN_NEW(r, struct op_label) : NULL;
    if (!o) {
        return NULL;
    }
    op_init(&o->base, r, &label_ops, &child->grid);
    o->call = &call->call;
    o->child = child;
    o->rename = rename;
    return &o->base;
}

struct op *op_label_replace_new(struct run *r, const struct expr *call, struct op *child)
{
    return label_new(r, call, child, replace_one);
}

struct op *op_label_join_new(struct run *r, const struct expr *call, struct op *child)
{
    return label_new(r, call, child, join_one);
}
