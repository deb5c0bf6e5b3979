// plan_share.c: see plan_share.h.
#include "promql/plan_share.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/str.h"
#include "promql/function_table.h"
#include "promql/parse.h"
#include "promql/query_run.h"

#include <stdlib.h>

static bool is_leaf(const struct expr *x)
{
    return x->kind == EXPR_VECTOR;
}

static u32 count_nodes(const struct expr *x)
{
    u32 n = 1;
    for (u32 i = 0; i < expr_child_count(x); i++) { // ast.h (I2) bounds the depth.
        n += count_nodes(expr_child(x, i));
    }
    return n;
}

// ---- is it worth looking? ----------------------------------------------------------------------

// Threads: owned.
struct leaf_walk {
    u64 *hashes;
    u32 count;
    struct buf text;
};

static void walk_leaves(struct leaf_walk *w, const struct expr *x)
{
    if (is_leaf(x)) {
        buf_clear(&w->text);
        expr_print(&w->text, x);
        w->hashes[w->count++] = hash_str(buf_get(&w->text));
    }
    for (u32 i = 0; i < expr_child_count(x); i++) { // As above.
        walk_leaves(w, expr_child(x, i));
    }
}

static int by_value(const void *a, const void *b)
{
    u64 x = *(const u64 *)a;
    u64 y = *(const u64 *)b;
    return (x > y) - (x < y);
}

bool share_is_likely(struct run *r, const struct expr *x)
{
    u64 text_bytes = r->request->query ? promql_query_text(r->request->query).len : 0;
    if (x->height < 2 || text_bytes * x->height > SHARE_TEXT_BYTES_MAX) {
        return false;
    }
    r->shares = true;
    struct leaf_walk w = {.hashes = RUN_NEW_N(r, u64, count_nodes(x))};
    if (!w.hashes) {
        return false;
    }
    buf_init(&w.text, (size_t)SHARE_TEXT_BYTES_MAX * 4);
    walk_leaves(&w, x);
    buf_fini(&w.text);
    qsort(w.hashes, w.count, sizeof(u64), by_value);
    bool twice = false;
    for (u32 i = 1; i < w.count; i++) {
        twice = twice || w.hashes[i] == w.hashes[i - 1];
    }
    return twice;
}

bool share_begin(struct run *r, const struct expr *x)
{
    struct plan_share *s = RUN_NEW(r, struct plan_share);
    u32 slots = 16;
    while (slots < count_nodes(x)) {
        slots *= 2;
    }
    if (!s) {
        return false;
    }
    s->slots = run_alloc(r, slots, sizeof(struct shared *));
    if (!s->slots) {
        return false;
    }
    s->slot_mask = slots - 1;
    s->surveys = true;
    r->share = s;
    return true;
}

// ---- parts -------------------------------------------------------------------------------------

static bool reads_data(const struct expr *x)
{
    bool found = is_leaf(x);
    for (u32 i = 0; i < expr_child_count(x) && !found; i++) { // As above.
        found = reads_data(expr_child(x, i));
    }
    return found;
}

// Does what it has to tell depend on how often it is evaluated?
static bool counts_itself(const struct expr *x)
{
    bool found = x->kind == EXPR_CALL && (x->call.fn->id == FN_HISTOGRAM_QUANTILE ||
                                          x->call.fn->id == FN_HISTOGRAM_QUANTILES);
    for (u32 i = 0; i < expr_child_count(x) && !found; i++) { // As above.
        found = counts_itself(expr_child(x, i));
    }
    return found;
}

static bool grids_eq(const struct grid *a, const struct grid *b)
{
    return a->start_ms == b->start_ms && a->end_ms == b->end_ms && a->step_ms == b->step_ms &&
           a->steps == b->steps && a->tally == b->tally;
}

static struct shared *find(const struct plan_share *t, u64 hash, str text, const struct grid *g,
                           u8 context)
{
    for (struct shared *s = t->slots[hash & t->slot_mask]; s; s = s->next) {
        if (s->hash == hash && s->context == context && grids_eq(&s->grid, g) &&
            str_eq(s->text, text)) {
            return s;
        }
    }
    return NULL;
}

static struct shared *add(struct run *r, u64 hash, str text, const struct grid *g, u8 context)
{
    struct plan_share *t = r->share;
    struct shared *s = run_room(r, text.len) ? RUN_NEW(r, struct shared) : NULL;
    if (!s) {
        return NULL;
    }
    *s = (struct shared){.text = arena_str(r->arena, text),
                         .grid = *g,
                         .context = context,
                         .hash = hash,
                         .places_read = 1,
                         .next = t->slots[hash & t->slot_mask]};
    t->slots[hash & t->slot_mask] = s;
    return s;
}

struct shared *share_find(struct run *r, const struct expr *x, const struct grid *g)
{
    if (!r->share || !reads_data(x) || counts_itself(x)) {
        return NULL;
    }
    u8 context = (u8)((r->total_depth > 0 ? 1 : 0) | (r->whole_depth > 0 ? 2 : 0));
    struct buf text;
    buf_init(&text, (size_t)SHARE_TEXT_BYTES_MAX * 4);
    expr_print(&text, x);
    struct shared *s = NULL;
    if (!text.full) {
        u64 hash = hash_str(buf_get(&text));
        s = find(r->share, hash, buf_get(&text), g, context);
        if (!s && r->share->surveys) {
            s = add(r, hash, buf_get(&text), g, context);
        }
    }
    buf_fini(&text);
    return s;
}
