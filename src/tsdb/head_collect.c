// head_collect.c: what leaves a shard: windows that blocks hold, and series that have nothing left.
#include "tsdb/head.h"
#include "tsdb/head_series.h"

// Windows of older segments are not newer: the first that goes takes all behind it along.
static void group_past_drop(struct head_group *g, i64 floor)
{
    bool gone = false;
    for (u32 i = 0; i < GROUP_PAST; i++) {
        gone = gone || !g->past[i] || g->past[i]->window->end_ms <= floor;
        g->past[i] = gone ? NULL : g->past[i];
    }
}

static void windows_drop(struct head *h, i64 floor)
{
    struct head_window *gone[HEAD_WINDOWS_MAX];
    u32 n = 0;
    lock_take(&h->lock);
    while (n < h->window_count && h->windows[n]->end_ms <= floor) {
        gone[n] = h->windows[n];
        n++;
    }
    head_ends_prune(&h->ends, floor); // What is older than the floor is refused for that.
    memmove(h->windows, h->windows + n, (h->window_count - n) * sizeof(struct head_window *));
    h->window_count -= n;
    for (u32 i = 0; n > 0 && i < h->group_count; i++) { // No segment outlives its window.
        struct head_group *g = &h->groups[i];
        group_past_drop(g, floor);
        g->now = g->now && g->now->window->end_ms <= floor ? NULL : g->now;
    }
    lock_drop(&h->lock);
    for (u32 i = 0; i < n; i++) {
        window_remove(gone[i]);
    }
}

u32 head_collect(struct head *h, i64 floor, u64 segment)
{
    u32 left = 0;
    head_turn_take(h);
    windows_drop(h, floor);
    for (u32 i = 0; i < h->pending_count; i++) {
        h->rows[h->pending[i]].open.flags |= ROW_YOUNG; // The log is still to hear of it.
    }
    head_turn_drop(h);
    for (u32 from = 0;; from += HEAD_SLICE) {
        head_turn_take(h);
        if (from >= h->count) {
            break; // With the turn.
        }
        lock_take(&h->lock);
        for (u32 i = from; i < h->count && i < from + HEAD_SLICE; i++) {
            if (h->rows[i].own == 0 || h->rows[i].t_last >= floor) {
                continue;
            }
            if (h->rows[i].open.flags & ROW_YOUNG) {
                h->rows[i].open.flags &= (u8)~ROW_YOUNG;
                continue;
            }
            head_series_forget(h, i, segment);
            left++;
        }
        lock_drop(&h->lock);
        head_turn_drop(h);
    }
    lock_take(&h->lock);
    head_parts_pack(&h->parts);
    lock_drop(&h->lock);
    head_turn_drop(h);
    return left;
}
