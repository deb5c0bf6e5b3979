// tsdb_cursor_run.c: the parts of one series as runs.
#include "base/arena.h"
#include "tsdb/tsdb_cursor_inner.h"

// What may stand in one run with its neighbours.
static bool same_kind(const struct tsdb_cursor *c, f64 a, f64 b)
{
    if (!is_box(a) && !is_box(b)) {
        return true;
    }
    const struct box plain = {0};
    const struct box *x = is_box(a) ? box_list_get(&c->boxes, a) : &plain;
    const struct box *y = is_box(b) ? box_list_get(&c->boxes, b) : &plain;
    return (x->hist != NULL) == (y->hist != NULL) && x->has_start == y->has_start;
}

// n boxes, and doubles among them, as the columns of a run.
static void boxes_run(struct tsdb_cursor *c, const f64 *refs, struct series_run *out)
{
    f64 *values = ARENA_NEW_N(c->series_arena, f64, out->n);
    i64 *starts = ARENA_NEW_N(c->series_arena, i64, out->n);
    const struct hist **hists = arena_alloc(c->series_arena, out->n, sizeof(void *));
    struct box b = {0};
    for (u32 i = 0; i < out->n; i++) {
        b = is_box(refs[i]) ? *box_list_get(&c->boxes, refs[i]) : (struct box){.value = refs[i]};
        values[i] = b.value;
        starts[i] = b.start_ms;
        hists[i] = b.hist;
    }
    out->values = values;
    out->kind = b.hist ? SAMPLE_HIST : SAMPLE_FLOAT;
    out->hists = b.hist ? hists : NULL;
    if (b.has_start) {
        out->start_t_ms = starts;
        out->column_id = 0;
    }
}

// Gives the samples of c->rest that may stand in one run.
static void rest_run(struct tsdb_cursor *c, struct series_run *out)
{
    struct series_run *rest = &c->rest;
    u32 n = 1;
    bool boxes = is_box(rest->values[0]);
    while (n < rest->n && same_kind(c, rest->values[n - 1], rest->values[n])) {
        boxes = boxes || is_box(rest->values[n]);
        n++;
    }
    *out = *rest;
    out->n = n;
    out->column_id = n == rest->n ? rest->column_id : 0;
    if (boxes) {
        boxes_run(c, rest->values, out);
    }
    rest->column_id = 0;
    rest->t_ms += n;
    rest->values += n;
    rest->n -= n;
}

// Can its chunk be decoded to where the reader wants the values? Not if he would get some that are
// not asked for, before those.
static bool has_room(const struct tsdb_cursor *c, const struct part *p)
{
    return c->base.room && c->base.room_count >= p->chunk_n && !p->values && !p->boxed &&
           p->low == p->first;
}

// The next part as a run of values; false: nothing of it can be read.
static bool part_run(struct tsdb_cursor *c, const struct part *p, struct series_run *out)
{
    *out = (struct series_run){.kind = SAMPLE_FLOAT, .n = p->n};
    if (p->present) {
        i64 *t = ARENA_NEW_N(c->series_arena, i64, p->n);
        f64 *values = ARENA_NEW_N(c->series_arena, f64, p->n);
        struct part q = *p;
        q.boxed = true; // What looks like a reference is looked at only where one may be.
        out->n = cursor_part_copy(c, &q, t, values);
        out->t_ms = t;
        out->values = values;
        return out->n > 0;
    }
    c->decoded_rises = false;
    const f64 *all =
        has_room(c, p) ? cursor_part_unpack(c, p, c->base.room) : cursor_part_values(c, p);
    if (!all) {
        return false;
    }
    out->rises = c->decoded_rises;
    out->t_ms = p->t + p->low;
    out->values = all + (p->low - p->first);
    if (p->column_id != 0) {
        out->column_id = p->column_id | (u64)p->low << 9 | p->n;
    }
    return true;
}

bool cursor_run(struct series_cursor *base, struct series_run *out)
{
    struct tsdb_cursor *c = tsdb_cursor_of(base);
    if (c->failed || c->s.no_data) {
        return false;
    }
    while (c->rest.n == 0 && c->part_at < c->part_count) {
        const struct part *p = &c->parts[c->part_at++];
        if (part_run(c, p, out)) {
            if (!p->boxed || !box_any(out->values, out->n)) {
                return true;
            }
            c->rest = *out;
        }
        if (c->failed) {
            return false;
        }
    }
    if (c->rest.n == 0) {
        return false;
    }
    rest_run(c, out);
    return true;
}
