#include "tsdb/head_settle.h"

#include "tsdb/head.h"
#include "tsdb/head_series.h"

static u32 row_age(const struct head_row *r)
{
    return r->open.flags / ROW_AGE;
}

static void row_idle(struct head *h, u32 ordinal)
{
    struct head_row *r = &h->rows[ordinal];
    r->open.flags |= ROW_IDLE;
    h->idle++;
    atomic_fetch_sub(&h->limits->series, 1);
    if (head_quotas_any(&h->quotas)) {
        head_quotas_remove(&h->quotas, (struct tenant_id){r->tenant},
                           head_labels(h, ordinal, h->items));
    }
}

// With the turn and the lock: counts it, and tells whether it ended in a staleness marker, which
// may be a histogram.
static bool row_count(struct head *h, const struct head_row *r)
{
    struct box_brief brief = {.ends = is_stale_nan(r->v_last)};
    if (is_box(r->v_last)) {
        const struct head_window *w = head_window_at(h, r->t_last);
        const bool hist = w && box_is_hist(box_store_get(&w->boxes, r->v_last), &brief);
        h->seeing.hists += hist;
        h->seeing.hist_buckets += hist ? brief.buckets : 0;
    }
    h->seeing.stale += brief.ends;
    return brief.ends;
}

// With the turn and the lock. A series without any sample is ROW_YOUNG's business.
static void row_settle(struct head *h, u32 ordinal)
{
    struct head_row *r = &h->rows[ordinal];
    if (r->own == 0 || r->t_last == T_NEVER) {
        return;
    }
    const bool ended = row_count(h, r);
    if (r->open.flags & ROW_IDLE) {
        r->open.flags = (u8)(r->open.flags - (head_row_asked(r) ? ROW_AGE : 0));
        return;
    }
    r->open.flags = (u8)(r->open.flags + ROW_AGE);
    const bool old = row_age(r) > SETTLE_IDLE;
    if (r->open.segment && (old || (row_age(r) > 1 && ended))) {
        head_seal(h, ordinal);
    }
    if (old) {
        row_idle(h, ordinal);
    }
}

// With the turn, which is dropped and taken again for each slice but the last.
static void rows_each(struct head *h, void (*fn)(struct head *h, u32 ordinal))
{
    for (u32 from = 0; from < h->count; from += HEAD_SLICE) {
        if (from > 0) {
            head_turn_drop(h);
            head_turn_take(h);
        }
        lock_take(&h->lock);
        for (u32 i = from; i < h->count && i < from + HEAD_SLICE; i++) {
            fn(h, i);
        }
        lock_drop(&h->lock);
    }
}

static void row_move(struct head *h, u32 ordinal)
{
    open_chunk_move(&h->cells, &h->rows[ordinal].open);
}

void head_settle(struct head *h)
{
    head_turn_take(h);
    h->seeing = (struct head_counts){0};
    rows_each(h, row_settle);
    lock_take(&h->lock);
    h->seen = h->seeing;
    lock_drop(&h->lock);
    if (open_cells_trim_begin(&h->cells)) {
        rows_each(h, row_move);
        lock_take(&h->lock);
        open_cells_trim_end(&h->cells);
        lock_drop(&h->lock);
    }
    head_turn_drop(h);
}

enum append_outcome head_wake(struct head *h, u32 ordinal, bool reserve)
{
    struct head_row *r = &h->rows[ordinal];
    const struct head_asker asker = {.tenant = {r->tenant}, .reserve = reserve};
    lock_take(&h->lock);
    const struct labels set = head_labels(h, ordinal, h->items);
    const enum append_outcome outcome = head_room_judge(h, &asker, set, ordinal);
    if (outcome == APPEND_STORED) {
        r->open.flags &= ROW_YOUNG | ROW_ALONE | ROW_COLD; // Nothing is there before it is applied.
        h->idle--;
        atomic_fetch_add(&h->limits->series, 1);
        head_quotas_add(&h->quotas, asker.tenant, set);
    }
    lock_drop(&h->lock);
    return outcome;
}
