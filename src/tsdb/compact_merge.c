// compact_merge.c: see compact_merge.h.
#include "tsdb/compact_merge.h"

#include "base/arena.h"
#include "base/error.h"
#include "tsdb/block_page.h"

#define LANE_BOXES_MAX ((size_t)64 << 20)

// Parts [part, to): each begins behind the one before. Threads: owned by the merge.
struct lane {
    u32 part;
    u32 to;
    u32 row;     // Of the part: the one at hand. Ended when part == to.
    u32 at;      // Its value's place.
    bool opened; // values and boxes are those of the part.
    f64 *values;
    struct box_list boxes;
};

// Threads: owned by the call.
struct merge {
    struct compact_columns *c;
    struct lane *lanes;
    u32 lane_count;
    u32 ordinal;
    u32 n; // Of the chunk that is being made.
    u64 weight;
    i64 times[COLUMN_ROWS_MAX];
    f64 values[COLUMN_ROWS_MAX];
};

static i64 lane_time(const struct merge *m, const struct lane *l)
{
    return m->c->parts[l->part].t[l->row];
}

// Moves on to a row that has a sample and is not left out.
static void lane_seek(struct merge *m, struct lane *l)
{
    while (l->part < l->to) {
        const struct compact_part *p = &m->c->parts[l->part];
        for (; l->row < p->entry.rows.first + p->span; l->row++) {
            if (!compact_part_has(p, l->row)) {
                continue;
            }
            if (!compact_is_out(m->c, p->source, p->t[l->row])) {
                return;
            }
            l->at++;
        }
        l->part++;
        l->row = l->part < l->to ? m->c->parts[l->part].entry.rows.first : 0;
        l->at = 0;
        l->opened = false;
    }
}

static void lane_step(struct merge *m, struct lane *l)
{
    l->row++;
    l->at++;
    lane_seek(m, l);
}

static u32 part_end(const struct compact_part *p)
{
    return p->entry.rows.first + p->span;
}

static bool lanes_make(struct merge *m, struct error *e)
{
    struct compact_columns *c = m->c;
    u32 n = 1;
    for (u32 i = 1; i < c->part_count; i++) {
        const struct compact_part *p = &c->parts[i - 1];
        n += p[1].t[p[1].entry.rows.first] <= p->t[part_end(p) - 1];
    }
    m->lanes = arena_try(c->arena, n, sizeof(*m->lanes));
    for (u32 i = 0; m->lanes && i < c->part_count; i++) {
        const struct compact_part *p = &c->parts[i];
        bool fresh = i == 0 || p->t[p->entry.rows.first] <= p[-1].t[part_end(&p[-1]) - 1];
        if (fresh) {
            m->lanes[m->lane_count++] = (struct lane){.part = i, .row = p->entry.rows.first};
        }
        m->lanes[m->lane_count - 1].to = i + 1;
    }
    return m->lanes || err_set(e, ERR_LIMIT, "one series has %u chunks to be merged", n);
}

static bool lane_decode(struct merge *m, struct lane *l, struct error *e)
{
    struct compact_columns *c = m->c;
    if (!l->values) {
        l->values = arena_try(c->arena, CHUNK_VALUES_MAX, sizeof(f64));
        l->boxes.arena = l->boxes.arena ? l->boxes.arena : arena_new(LANE_BOXES_MAX);
    }
    u64 before = arena_bytes(l->boxes.arena);
    if (!l->values) {
        return err_set(e, ERR_LIMIT, "one series has %u blocks to be merged", m->lane_count);
    }
    if (!compact_part_decode(c, &c->parts[l->part], &l->boxes, l->values, e)) {
        return false;
    }
    c->lane_bytes = c->lane_bytes - before + arena_bytes(l->boxes.arena);
    l->opened = true;
    return compact_columns_fit(c, e);
}

static void chunk_flush(struct merge *m)
{
    if (m->n == 0) {
        return;
    }
    struct chunk_rows rows = {.column = compact_column_write(m->c, m->times, m->n),
                              .span = m->n,
                              .n = m->n,
                              .whole = true};
    data_writer_chunk(m->c->data, m->ordinal, &rows, m->values, &m->c->boxes);
    box_list_forget(&m->c->boxes);
    m->n = 0;
    m->weight = 0;
}

static bool sample_take(struct merge *m, struct lane *l, i64 t, struct error *e)
{
    if (!l->opened && !lane_decode(m, l, e)) {
        return false;
    }
    f64 v = l->values[l->at];
    if (m->n == COLUMN_ROWS_MAX || !chunk_has_room(&l->boxes, v, &m->weight)) {
        chunk_flush(m);
        CHECK(chunk_has_room(&l->boxes, v, &m->weight)); // The first, whatever it weighs.
    }
    m->times[m->n] = t;
    return compact_value_take(m->c, &l->boxes, v, &m->values[m->n++], e);
}

// The lane that has the earliest time, and until when it goes on by itself (exclusive).
static struct lane *lane_least(const struct merge *m, i64 *until)
{
    struct lane *least = NULL;
    *until = INT64_MAX;
    for (u32 i = 0; i < m->lane_count; i++) {
        struct lane *l = &m->lanes[i];
        if (l->part == l->to) {
            continue;
        }
        if (!least || lane_time(m, l) < lane_time(m, least)) {
            *until = least ? lane_time(m, least) : *until;
            least = l;
        } else {
            *until = MIN(*until, lane_time(m, l));
        }
    }
    return least;
}

static bool lanes_run(struct merge *m, struct error *e)
{
    i64 last = INT64_MIN;
    bool any = false;
    i64 until;
    for (u32 i = 0; i < m->lane_count; i++) {
        lane_seek(m, &m->lanes[i]);
    }
    for (struct lane *l = lane_least(m, &until); l; l = lane_least(m, &until)) {
        do {
            i64 t = lane_time(m, l);
            if (!(any && t == last) && !sample_take(m, l, t, e)) {
                return false;
            }
            any = true;
            last = t;
            lane_step(m, l);
        } while (l->part < l->to && lane_time(m, l) < until);
    }
    chunk_flush(m);
    return true;
}

bool compact_merge(struct compact_columns *c, u32 ordinal, struct error *e)
{
    struct merge m = {.c = c, .ordinal = ordinal};
    box_list_forget(&c->boxes);
    c->lane_bytes = 0;
    bool ok = c->part_count == 0 || (lanes_make(&m, e) && lanes_run(&m, e));
    for (u32 i = 0; i < m.lane_count; i++) {
        arena_free(m.lanes[i].boxes.arena);
    }
    c->lane_bytes = 0;
    return ok;
}
