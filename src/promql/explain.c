// explain.c: see explain.h.
#include "promql/explain.h"

#include "base/arena.h"
#include "os/clk.h"
#include "promql/ops.h"
#include "promql/plan_share.h"
#include "promql/query_run.h"

// Nothing is told while a survey looks for equal parts: all is planned again behind it.
static struct explain_node *planned(const struct run *r)
{
    bool surveys = r->share && r->share->surveys;
    return r->explain && !surveys ? r->explain->planned : NULL;
}

static struct promql_cost taken(const struct run *r)
{
    return (struct promql_cost){.samples = r->samples_total,
                                .samples_read = r->budget.samples,
                                .bytes = arena_used(r->arena) + r->helper_bytes};
}

static i64 now_ns(const struct run *r)
{
    return r->opts->clk ? clk_mono_ns(r->opts->clk) : 0;
}

// ---- while planning ----------------------------------------------------------------------------

bool explain_begin(struct run *r)
{
    struct explain *x = RUN_NEW(r, struct explain);
    struct explain_node *root = x ? RUN_NEW(r, struct explain_node) : NULL;
    if (!root) {
        return false;
    }
    root->grid = r->grid;
    *x = (struct explain){
        .root = root, .planned = root, .at = root, .since = taken(r), .since_ns = now_ns(r)};
    r->explain = x;
    return true;
}

struct explain_node *explain_enter(struct run *r, const struct expr *x, const struct grid *g)
{
    struct explain_node *parent = planned(r);
    bool wanted = parent && !parent->is_constant;
    struct explain_node *n = wanted ? RUN_NEW(r, struct explain_node) : NULL;
    if (!n) {
        return NULL;
    }
    *n = (struct explain_node){.expr = x, .grid = *g, .parent = parent};
    if (parent->last) {
        parent->last->next = n;
    } else {
        parent->first = n;
    }
    parent->last = n;
    parent->child_count++;
    r->explain->planned = n;
    return n;
}

void explain_leave(struct run *r, struct explain_node *n, struct op *o)
{
    if (!n) {
        return;
    }
    r->explain->planned = n->parent;
    if (o) {
        o->node = n;
    }
}

static void drop_children(struct explain_node *n)
{
    n->first = NULL;
    n->last = NULL;
    n->child_count = 0;
}

void explain_source(struct run *r, const struct expr *x, const struct selection *s)
{
    struct explain_node *n = planned(r);
    if (n) {
        n->source = x;
        n->range_ms = s->range_ms;
    }
}

void explain_times(struct run *r, i64 min_ms, i64 max_ms)
{
    struct explain_node *n = planned(r);
    if (n) {
        n->min_ms = min_ms;
        n->max_ms = max_ms;
    }
}

void explain_window(struct run *r, const struct grid *inner, i64 range_ms)
{
    struct explain_node *n = planned(r);
    if (n) {
        n->inner = *inner;
        n->range_ms = range_ms;
    }
}

void explain_constant(struct run *r)
{
    struct explain_node *n = planned(r);
    if (n) {
        n->is_constant = true;
    }
}

void explain_value(struct run *r, f64 value)
{
    struct explain_node *n = planned(r);
    if (n) {
        n->value = value;
    }
}

void explain_once(struct run *r)
{
    struct explain_node *n = planned(r);
    if (n) {
        n->is_once = true;
    }
}

// Equal parts are planned alike, so that their trees are alike.
static void count_there(struct explain_node *n, struct explain_node *there) // ast.h (I2)
{
    n->twin = there;
    if (n->is_again) {
        return; // What was below it has been told already.
    }
    struct explain_node *a = n->first;
    struct explain_node *b = there->first;
    for (; a && b; a = a->next, b = b->next) {
        count_there(a, b);
    }
    CHECK(!a && !b);
}

void explain_shared(struct run *r, struct shared *part)
{
    struct explain_node *n = planned(r);
    if (!n) {
        return;
    }
    n->part = part;
    if (!part->told) {
        part->told = n;
        n->part_number = ++r->explain->part_count;
        return;
    }
    n->part_number = part->told->part_number;
    n->is_again = true;
    CHECK(n->child_count == 1 && part->told->child_count == 1);
    count_there(n->first, part->told->first);
    drop_children(n);
}

// ---- while running -----------------------------------------------------------------------------

static struct explain_node *counted(struct explain_node *n)
{
    while (n->twin) {
        n = n->twin;
    }
    return n;
}

struct explain_node *explain_switch(struct run *r, struct explain_node *n)
{
    struct explain *x = r->explain;
    struct explain_node *from = x->at;
    struct promql_cost now = taken(r);
    i64 ns = now_ns(r);
    if (from) {
        struct explain_node *c = counted(from);
        // What a selector gives back before it reads again is less than nothing, and made good.
        c->cost.samples += now.samples - x->since.samples;
        c->cost.samples_read += now.samples_read - x->since.samples_read;
        c->cost.bytes += now.bytes - x->since.bytes;
        c->ns += ns - x->since_ns;
    }
    x->at = n;
    x->since = now;
    x->since_ns = ns;
    return from;
}

void explain_series(struct explain_node *n, u32 count)
{
    if (n) {
        counted(n)->cost.series = count;
    }
}

void explain_end(struct run *r)
{
    if (r->explain) {
        (void)explain_switch(r, NULL);
    }
}
