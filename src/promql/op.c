// op.c: what all operators share; see op.h.
#include "promql/op.h"

#include "base/arena.h"
#include "base/str.h"
#include "promql/explain.h"
#include "promql/query_run.h"

// What a column counts for, so that the clock is looked at once in some (run_work).
#define SERIES_WORK 4096U

void op_init(struct op *o, struct run *r, const struct op_ops *ops, const struct grid *g)
{
    *o = (struct op){.ops = ops, .grid = *g, .order = ++r->op_count};
}

bool op_open(struct op *o, struct run *r)
{
    CHECK(o->at == 0 && !o->series);
    u32 outer = r->op_order;
    r->op_order = o->order;
    struct explain_node *from = explain_to(r, o->node);
    bool ok = query_tick(r) && o->ops->open(o, r);
    explain_back(r, o->node, from);
    explain_series(o->node, o->series_count);
    r->op_order = outer;
    CHECK(ok || r->failed);
    return ok;
}

bool op_stream(struct op *o, struct run *r, const struct op_taker *t, bool *done)
{
    *done = false;
    CHECK(o->at == 0 && !o->series);
    if (!o->ops->stream) {
        return true;
    }
    u32 outer = r->op_order;
    r->op_order = o->order;
    struct explain_node *from = explain_to(r, o->node);
    bool ok = query_tick(r) && o->ops->stream(o, r, t, done);
    explain_back(r, o->node, from);
    if (ok && *done) {
        explain_series(o->node, o->series_count);
        o->at = o->series_count;
    }
    r->op_order = outer;
    CHECK(ok || r->failed);
    return ok;
}

bool op_next(struct op *o, struct run *r, struct column *out)
{
    CHECK(o->at < o->series_count);
    DCHECK(out->steps == o->grid.steps); // (I2)
    column_clear(out);
    u32 outer = r->op_order;
    r->op_order = o->order;
    struct explain_node *from = explain_to(r, o->node);
    bool ok = run_work(r, SERIES_WORK) && o->ops->next(o, r, out);
    explain_back(r, o->node, from);
    r->op_order = outer;
    CHECK(ok || r->failed);
    o->at++;
    return ok;
}

bool op_instants(struct op *o, struct instants *out)
{
    CHECK(o->at == 0);
    if (!o->ops->instants) {
        return false;
    }
    o->ops->instants(o, out);
    o->at = o->series_count;
    return true;
}

void op_narrow(struct op *o, const str *names, u32 count)
{
    CHECK(!o->series && names);
    if (o->ops->narrow) {
        o->ops->narrow(o, names, count);
    }
}

// Most operators write into what they are given. One that gives arrays of its own leaves the room
// to the next column.
bool op_collect(struct op *o, struct run *r, struct column **out)
{
    struct column *all = RUN_NEW_N(r, struct column, o->series_count);
    struct column room = {.values = NULL};
    if (!all) {
        return false;
    }
    for (u32 i = 0; i < o->series_count; i++) {
        if (!room.values && !column_init(r, &room, o->grid.steps)) {
            return false;
        }
        all[i] = room;
        if (!op_next(o, r, &all[i]) || !run_hold(r, column_count(&all[i]))) {
            return false;
        }
        if (all[i].values == room.values) {
            room.values = NULL;
        }
    }
    *out = all;
    return true;
}

bool op_collect_scalar(struct op *o, struct run *r, struct column *out)
{
    if (!op_open(o, r)) {
        return false;
    }
    CHECK(o->series_count == 1);
    return column_init(r, out, o->grid.steps) && op_next(o, r, out);
}

bool op_make_series(struct op *o, struct run *r, u32 count)
{
    struct op_series *series = RUN_NEW_N(r, struct op_series, MAX(count, 1U));
    if (!series) {
        return false;
    }
    o->series = series;
    o->series_count = count;
    return true;
}

const str identity_labels[IDENTITY_LABELS] = {{"__name__", 8}, {"__type__", 8}, {"__unit__", 8}};

bool op_drop_name(struct run *r, const struct op_series *from, struct op_series *to)
{
    struct op_series out = {.labels = from->labels, .drop_name = true};
    if (!r->opts->delayed_name_removal && !op_strip_name(r, from->labels, &out.labels)) {
        return false;
    }
    *to = out;
    return true;
}

// The name comes first and nothing else says what a metric is: the rest is but a view.
static bool begins_with_name(struct labels ls)
{
    return ls.count > 0 && str_eq(ls.items[0].name, LABEL_NAME) &&
           (ls.count == 1 || !str_starts(ls.items[1].name, STR("__")));
}

bool op_is_same_metric(struct labels a, struct labels b)
{
    if (begins_with_name(a) && begins_with_name(b)) {
        return str_eq(a.items[0].value, b.items[0].value);
    }
    bool same = true;
    for (u32 i = 0; i < ARRAY_LEN(identity_labels); i++) {
        same = same && str_eq(labels_get(a, identity_labels[i]), labels_get(b, identity_labels[i]));
    }
    return same;
}

// Texts that neighbours share tell at once that all that was found out of one, name and what
// follows it, is so of the other.
static bool begins_alike(struct labels a, struct labels b)
{
    return a.count > 0 && b.count > 0 && (a.count > 1) == (b.count > 1) &&
           str_same(a.items[0].name, b.items[0].name) &&
           str_same(a.items[0].value, b.items[0].value) &&
           (a.count == 1 || str_same(a.items[1].name, b.items[1].name));
}

bool op_drop_alike(const struct run *r, struct labels ls, struct labels *viewed,
                   struct op_series *to)
{
    const bool alike = begins_alike(ls, *viewed);
    if (alike) {
        *to = (struct op_series){.labels = r->opts->delayed_name_removal
                                               ? ls
                                               : (struct labels){ls.items + 1, ls.count - 1},
                                 .drop_name = true};
    } else {
        *viewed = begins_with_name(ls) ? ls : (struct labels){.count = 0};
    }
    return alike;
}

bool op_drop_names(struct op *o, struct run *r, const struct op_series *from)
{
    bool is_one = true; // What is taken away is the same of all.
    struct labels viewed = {.count = 0};
    const struct labels first = o->series_count > 0 ? from[0].labels : (struct labels){NULL, 0};
    for (u32 i = 0; i < o->series_count; i++) {
        const struct labels ls = from[i].labels; // from may be what is written.
        if (op_drop_alike(r, ls, &viewed, &o->series[i])) {
            continue;
        }
        is_one = is_one && op_is_same_metric(ls, first);
        if (!op_drop_name(r, &from[i], &o->series[i])) {
            return false;
        }
    }
    o->is_distinct = o->is_distinct && (is_one || r->opts->delayed_name_removal);
    return true;
}

bool op_strip_name(struct run *r, struct labels from, struct labels *to)
{
    if (begins_with_name(from)) {
        *to = (struct labels){from.items + 1, from.count - 1};
        return true;
    }
    bool has = false;
    for (u32 i = 0; i < ARRAY_LEN(identity_labels); i++) {
        has = has || labels_has(from, identity_labels[i]);
    }
    if (has && !run_room(r, from.count * sizeof(struct label))) {
        return false;
    }
    *to = has ? labels_drop(r->arena, from, identity_labels, ARRAY_LEN(identity_labels)) : from;
    return true;
}

bool op_keep_labels(struct op *o, struct run *r, const struct op *child)
{
    if (!op_make_series(o, r, child->series_count)) {
        return false;
    }
    op_copy_series(o, 0, child);
    o->is_distinct = child->is_distinct;
    return true;
}

void op_copy_series(struct op *o, u32 at, const struct op *child)
{
    CHECK(at + child->series_count <= o->series_count);
    if (child->series_count > 0) {
        memcpy(o->series + at, child->series, child->series_count * sizeof(*o->series));
    }
}
