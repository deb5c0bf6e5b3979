// tsdb_cursor_merge.c: values of parts, and parts that overlap made into one.
#include "base/arena.h"
#include "base/error.h"
#include "os/map_guard.h"
#include "tsdb/box_chunk.h"
#include "tsdb/head.h"
#include "tsdb/tsdb_cursor_inner.h"

#include <stdlib.h>

void cursor_boxes_refuse(struct tsdb_cursor *c)
{
    c->failed = true;
    (void)err_set(&c->error, ERR_LIMIT, "the histograms of one series need more than %zu bytes",
                  SERIES_ARENA_MAX);
}

void cursor_boxes_charge(struct tsdb_cursor *c, u32 from)
{
    u64 bytes = 0;
    for (u32 i = from; i < c->boxes.n; i++) {
        bytes += box_weight(&c->boxes.items[i]);
    }
    (void)cursor_charge(c, 0, 0, bytes);
}

// All values of a part's chunk, decoded, at `to`; NULL: damaged, or the budget is spent.
static const f64 *part_decode(struct tsdb_cursor *c, const struct part *p, f64 *to)
{
    UNINIT struct error why;
    if (p->tokens) {
        open_tokens_decode(p->bytes, p->chunk_n, to, NULL, 0);
        return to;
    }
    bool ok = p->chunk_n <= CHUNK_VALUES_MAX || err_set(&why, ERR_CORRUPT, "a chunk is too long");
    if (p->box_chunk) {
        ok = ok && box_chunk_decode(p->bytes, p->chunk_n, &c->boxes, to, &why);
    } else {
        ok = ok && chunk_pack_decode_rise(p->bytes, p->chunk_n, to, &c->decoded_rises, &why);
    }
    if (!ok) {
        cursor_miss(c, &why);
        return NULL;
    }
    if (p->mapped && map_guard_holes() != p->holes) { // Its page may have read as zeroes.
        cursor_warn_partial(c, "pages of mapped files went away while they were read");
        return NULL;
    }
    return to;
}

const f64 *cursor_part_unpack(struct tsdb_cursor *c, const struct part *p, f64 *to)
{
    return c->failed ? NULL : part_decode(c, p, to);
}

const f64 *cursor_part_values(struct tsdb_cursor *c, const struct part *p)
{
    const u32 boxes = c->boxes.n;
    if (c->failed) {
        return NULL;
    }
    if (p->values && (!p->boxes || !box_any(p->values, p->chunk_n))) {
        return p->values;
    }
    const f64 *values = p->values ? p->values : part_decode(c, p, c->decoded);
    if (values && p->boxes) {
        if (values != c->decoded) {
            memcpy(c->decoded, values, p->chunk_n * sizeof(f64));
        }
        values = c->decoded;
        if (!box_store_open(p->boxes, c->decoded, p->chunk_n, &c->boxes)) {
            cursor_boxes_refuse(c);
        }
    }
    if (c->boxes.n > boxes) {
        cursor_boxes_charge(c, boxes);
    }
    return c->failed ? NULL : values;
}

u32 cursor_part_copy(struct tsdb_cursor *c, const struct part *p, i64 *t, f64 *values)
{
    const f64 *all = cursor_part_values(c, p);
    u32 at = 0;
    u32 n = 0;
    if (!all) {
        return 0;
    }
    for (u32 row = p->first; row < p->high; row++) {
        if (!cursor_part_has(p, row)) {
            continue;
        }
        if (row >= p->low) {
            t[n] = p->t[row];
            values[n++] = all[at];
        }
        at++;
    }
    if (c->any_boxed && !p->boxed && !box_list_escape(&c->boxes, values, n)) {
        cursor_boxes_refuse(c);
        return 0;
    }
    return n;
}

struct loose {
    i64 t;
    f64 value;
    u32 rank;
};

static int by_loose(const void *a, const void *b)
{
    const struct loose *x = a;
    const struct loose *y = b;
    if (x->t != y->t) {
        return x->t < y->t ? -1 : 1;
    }
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

// Makes one part of all: sorted, each time once (the part added first wins).
static void parts_merge(struct tsdb_cursor *c)
{
    u64 total = 0;
    u32 n = 0;
    for (u32 i = 0; i < c->part_count; i++) {
        total += c->parts[i].n;
    }
    struct loose *all = ARENA_NEW_N(c->series_arena, struct loose, total + 1);
    i64 *t = ARENA_NEW_N(c->series_arena, i64, total + 1);
    f64 *values = ARENA_NEW_N(c->series_arena, f64, total + 1);
    for (u32 i = 0; i < c->part_count && !c->failed; i++) {
        u32 got = cursor_part_copy(c, &c->parts[i], t, values);
        for (u32 k = 0; k < got; k++) {
            all[n++] = (struct loose){t[k], values[k], i};
        }
    }
    if (n > 1) {
        qsort(all, n, sizeof(*all), by_loose);
    }
    u32 kept = 0;
    for (u32 i = 0; i < n; i++) {
        if (i == 0 || all[i].t != all[i - 1].t) {
            t[kept] = all[i].t;
            values[kept++] = all[i].value;
        }
    }
    c->part_count = kept > 0;
    c->parts[0] = (struct part){
        .t = t, .high = kept, .chunk_n = kept, .n = kept, .values = values, .boxed = c->any_boxed};
}

static int by_first_time(const void *a, const void *b)
{
    const struct part *x = a;
    const struct part *y = b;
    return x->t[x->low] < y->t[y->low] ? -1 : x->t[x->low] > y->t[y->low];
}

static bool parts_overlap(const struct tsdb_cursor *c)
{
    for (u32 i = 1; i < c->part_count; i++) {
        const struct part *p = &c->parts[i - 1];
        const struct part *q = &c->parts[i];
        if (p->t[p->high - 1] >= q->t[q->low]) {
            return true;
        }
    }
    return false;
}

void cursor_parts_settle(struct tsdb_cursor *c)
{
    // Late samples and a second shard overlap; the order kept here decides who wins (W2).
    bool sorted = true;
    for (u32 i = 1; i < c->part_count; i++) {
        sorted = sorted && by_first_time(&c->parts[i - 1], &c->parts[i]) <= 0;
    }
    if (!sorted || parts_overlap(c)) {
        parts_merge(c);
    }
}
