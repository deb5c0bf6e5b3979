// head_replay.c: see head_replay.h.
//
// Rows of one group that name the same series go in series by series, each with its values of all
// of them: what stands in the series' row and its open chunk is fetched once, and what kind of
// values a series has is guessed right by the processor from the second on. As far as:
//   (I1) Each row is newer than whatever any of the series holds, so nothing is to be looked for.
//   (I2) All rows are made before, in one segment, as the first series would have made them.
// What comes out is what rows one after the other leave, but for the places of chunks that are
// sealed on the way.
#include "tsdb/head_replay.h"

#include "base/bits.h"
#include "tsdb/head.h"
#include "tsdb/head_write.h"
#include "tsdb/wal_entry.h"

#define REPLAY_AHEAD 16U

// With turn and lock, in a window that is there.
static inline void replay_value(struct head *h, u32 ordinal, i64 t, f64 value, struct row_at *at)
{
    struct head_row *r = &h->rows[ordinal];
    if (LIKELY(r->t_last == T_NEVER || t > r->t_last)) {
        const struct head_write w = {
            .t = t, .value = value, .ordinal = ordinal, .t_was = r->t_last, .v_was = r->v_last};
        r->t_last = t;
        r->v_last = value;
        if (!head_value_next(h, r, &w, at)) {
            head_value_add(h, ordinal, (struct head_sample){w.t_was, w.v_was},
                           (struct head_sample){t, value}, at);
        }
        h->t_max = MAX(h->t_max, t);
    } else if (!(r->open.flags & ROW_COLD)) { // Else a block holds it.
        f64 there;
        if (!head_stored_find(h, NULL, ordinal, t, &there)) {
            (void)window_late_add(head_window_at(h, t), ordinal, t, value);
        }
    }
}

void head_replay_box(struct head *h, u32 ordinal, i64 t, str bytes)
{
    f64 there;
    if (t < h->t_floor || !head_window_ensure(h, t)) {
        return;
    }
    struct box_store *boxes = &head_window_at(h, t)->boxes;
    const struct head_row *r = &h->rows[ordinal];
    bool known = r->t_last != T_NEVER && t <= r->t_last &&
                 ((r->open.flags & ROW_COLD) || head_stored_find(h, NULL, ordinal, t, &there));
    if (known || bytes.len > BOX_BYTES_MAX || boxes->count == BOX_EXTENTS_MAX) {
        return; // Twice in the log: the same place is not taken up twice.
    }
    struct row_at at = {0};
    lock_take(&h->lock);
    replay_value(h, ordinal, t, box_store_add(boxes, bytes), &at);
    lock_drop(&h->lock);
}

void head_replay(struct head *h, u32 ordinal, i64 t, f64 value)
{
    if (is_box(value)) { // A double that only looks like one: logs of version 1 had them plain.
        u8 bytes[1 + sizeof(value)] = {0};
        memcpy(bytes + 1, &value, sizeof(value));
        head_replay_box(h, ordinal, t, (str){(const char *)bytes, sizeof(bytes)});
        return;
    }
    if (t < h->t_floor || !head_window_ensure(h, t)) {
        return;
    }
    struct row_at at = {0};
    lock_take(&h->lock);
    replay_value(h, ordinal, t, value, &at);
    lock_drop(&h->lock);
}

// Rows of the series come from memory one after the other, and with each its newest cell.
static inline void replay_prefetch(const struct head *h, const struct wal_row *row, u32 i)
{
    const u32 far = row->ordinals[MIN(i + REPLAY_AHEAD, row->n - 1)];
    const u32 near = row->ordinals[MIN(i + REPLAY_AHEAD / 2, row->n - 1)];
    if (far < h->count) {
        __builtin_prefetch(&h->rows[far], 1);
    }
    if (near < h->count) {
        open_chunk_prefetch(&h->cells, &h->rows[near].open);
    }
}

u32 head_replay_row(struct head *h, const struct wal_row *row)
{
    u32 lost = 0;
    if (row->t < h->t_floor) {
        return 0; // A block holds it.
    }
    const bool room = head_window_ensure(h, row->t);
    struct row_at at = {0};
    lock_take(&h->lock);
    for (u32 i = 0; i < row->n; i++) {
        const u32 ordinal = row->ordinals[i];
        replay_prefetch(h, row, i);
        if (!head_live(h, ordinal)) {
            lost += !head_gone_is(h, ordinal);
        } else if (UNLIKELY(is_box(row->values[i]))) {
            lock_drop(&h->lock);
            head_replay(h, ordinal, row->t, row->values[i]);
            lock_take(&h->lock);
        } else if (room) {
            replay_value(h, ordinal, row->t, row->values[i], &at);
        }
    }
    lock_drop(&h->lock);
    return lost;
}

// What all series of some rows have in common. Threads: owned by the call.
struct replay_common {
    u32 group;
    i64 t; // Rows behind it are newer than all that any of them holds.
};

// false: they have too little in common.
static bool common_find(const struct head *h, const struct wal_rows *rows,
                        struct replay_common *out)
{
    *out = (struct replay_common){.t = T_NEVER};
    for (u32 k = 0; k < rows->rows; k++) {
        if (box_any(rows->values + (size_t)k * rows->stride, rows->n)) {
            return false;
        }
    }
    for (u32 i = 0; i < rows->n; i++) {
        const u32 ahead = rows->ordinals[MIN(i + REPLAY_AHEAD, rows->n - 1)];
        const u32 ordinal = rows->ordinals[i];
        if (ahead < h->count) { // A head that never had a series has no table.
            __builtin_prefetch(&h->rows[ahead], 1);
        }
        if (!head_live(h, ordinal)) {
            continue;
        }
        const struct head_row *r = &h->rows[ordinal];
        if (r->group == 0 || (out->group != 0 && r->group != out->group)) {
            return false;
        }
        out->group = r->group;
        out->t = MAX(out->t, r->t_last);
    }
    return out->group != 0;
}

// Rows that follow each other in one segment. Threads: owned by the call.
struct replay_block {
    const struct wal_rows *rows;
    u32 from; // Of the rows.
    u32 n;
    struct row_at first; // Where the first goes.
};

// Makes the rows from one on; none: the group has no row for it. With the turn.
static void block_begin(struct head *h, const struct wal_rows *rows, u32 group, u32 from,
                        struct replay_block *b)
{
    const i64 *t = rows->t + from;
    struct head_window *w = head_window_ensure(h, t[0]);
    u32 row = 0;
    *b = (struct replay_block){.rows = rows, .from = from};
    lock_take(&h->lock);
    struct segment *s = w ? head_group_row(h, group, w, t[0], &row) : NULL;
    b->first = (struct row_at){.t = t[0], .window = w, .group = group, .row = row, .segment = s};
    // The last one of the segment first: another one must not begin before this one is filled.
    bool more = s != NULL;
    while (more) {
        b->n++;
        more = from + b->n < rows->rows && t[b->n] < w->end_ms && row + 1U < s->cap &&
               head_group_row(h, group, w, t[b->n], &row) == s && row == b->first.row + b->n;
    }
    lock_drop(&h->lock);
}

// With turn and lock: the values of one series.
static void column_replay(struct head *h, const struct replay_block *b, u32 ordinal, const f64 *v)
{
    struct head_row *r = &h->rows[ordinal];
    struct open_chunk *o = &r->open;
    struct row_at at = b->first;
    const i64 *t = b->rows->t + b->from;
    u32 k = 0;
    while (k < b->n) {
        at.t = t[k];
        at.row = b->first.row + k;
        replay_value(h, ordinal, t[k], v[k], &at);
        k++;
        if (o->segment != at.segment) { // The series has rows of its own.
            continue;
        }
        for (; k < b->n && b->first.row + k + 1U < at.segment->cap; k++) {
            open_chunk_add(&h->cells, o, b->first.row + k, v[k - 1], v[k]);
        }
        o->flags &= ROW_YOUNG;
        r->t_last = t[k - 1];
        r->v_last = v[k - 1];
    }
    h->t_max = MAX(h->t_max, r->t_last);
}

static u32 block_replay(struct head *h, const struct replay_block *b)
{
    const struct wal_rows *rows = b->rows;
    const struct wal_row ahead = {.ordinals = rows->ordinals, .n = rows->n};
    const f64 *values = rows->values + (size_t)b->from * rows->stride;
    UNINIT f64 v[WAL_ROWS_AT_ONCE];
    u32 lost = 0;
    lock_take(&h->lock);
    for (u32 i = 0; i < rows->n; i++) {
        replay_prefetch(h, &ahead, i);
        if (!head_live(h, rows->ordinals[i])) {
            lost += head_gone_is(h, rows->ordinals[i]) ? 0 : b->n;
            continue;
        }
        for (u32 k = 0; k < b->n; k++) {
            v[k] = values[(size_t)k * rows->stride + i];
        }
        column_replay(h, b, rows->ordinals[i], v);
    }
    lock_drop(&h->lock);
    return lost;
}

u32 head_replay_rows(struct head *h, const struct wal_rows *rows)
{
    struct replay_common common = {0};
    const bool alike = rows->rows > 1 && common_find(h, rows, &common);
    u32 lost = 0;
    u32 from = 0;
    while (from < rows->rows) {
        struct replay_block b = {.n = 0};
        if (alike && rows->t[from] > common.t && rows->t[from] >= h->t_floor) {
            block_begin(h, rows, common.group, from, &b);
        }
        if (b.n > 0) {
            lost += block_replay(h, &b);
            from += b.n;
            continue;
        }
        const struct wal_row row = {.t = rows->t[from],
                                    .ordinals = rows->ordinals,
                                    .values = rows->values + (size_t)from * rows->stride,
                                    .n = rows->n};
        lost += head_replay_row(h, &row);
        from++;
    }
    return lost;
}
