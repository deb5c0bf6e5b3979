// head.c: a shard as a whole: it is made and freed, its turn, the bytes it holds.
#include "tsdb/head.h"

#include "tsdb/head_series.h"

#define SLOTS_MAX   (1U << 27)
#define SLOTS_SPARE (1U << 20)

struct head *head_new(u32 id, i64 range_ms, struct head_limits *limits, u64 symbol_bytes_max)
{
    CHECK(id < HEADS_MAX && range_ms > 0);
    struct head *h = MEM_NEW(struct head);
    h->id = id;
    h->range_ms = range_ms;
    h->limits = limits;
    h->own_max = limits->series_max;
    h->box_own_max = limits->box_bytes_max;
    h->room = UINT64_MAX;
    h->t_floor = INT64_MIN;
    h->t_short = INT64_MIN;
    h->t_max = T_NEVER;
    h->generation_top = 2 | id;
    lock_init(&h->lock, LOCK_HEAD, "head");
    cond_init(&h->turn_free);
    map_init(&h->by_labels, &head_series_ops, h);
    head_ends_init(&h->ends);
    map_init(&h->by_group, &head_group_ops, h);
    head_index_init(&h->index, symbol_bytes_max);
    head_quotas_init(&h->quotas, h->index.symbols);
    pins_init(&h->pins);
    open_cells_init(&h->cells);
    head_parts_init(&h->parts, &h->index);
    h->items = MEM_NEW_N(struct label, HEAD_LABELS_MAX + 1);
    h->windows = MEM_NEW_N(struct head_window *, HEAD_WINDOWS_MAX);
    return h;
}

u32 head_slots_max(u32 series_max)
{
    return MIN(series_max, SLOTS_MAX / 4) * 4 + SLOTS_SPARE;
}

void head_free(struct head *h)
{
    if (!h) {
        return;
    }
    for (u32 i = 0; i < h->window_count; i++) {
        window_free(h->windows[i]);
    }
    const void *owned[] = {h->items,   h->windows,       h->rows,   h->hash,
                           h->note,    h->target,        h->groups, h->free_groups,
                           h->pending, h->free_ordinals, h->freed};
    for (size_t i = 0; i < ARRAY_LEN(owned); i++) {
        mem_free(owned[i]);
    }
    open_cells_fini(&h->cells);
    pins_fini(&h->pins);
    head_quotas_fini(&h->quotas);
    head_parts_fini(&h->parts);
    head_index_fini(&h->index);
    map_fini(&h->by_labels);
    head_ends_fini(&h->ends);
    head_gone_fini(&h->gone);
    map_fini(&h->by_group);
    cond_fini(&h->turn_free);
    lock_fini(&h->lock);
    mem_free(h);
}

void head_turn_take(struct head *h)
{
    lock_take(&h->lock);
    while (h->turn_taken) {
        cond_wait(&h->turn_free, &h->lock);
    }
    h->turn_taken = true;
    lock_drop(&h->lock);
}

void head_turn_drop(struct head *h)
{
    lock_take(&h->lock);
    CHECK(h->turn_taken);
    h->turn_taken = false;
    cond_signal(&h->turn_free);
    lock_drop(&h->lock);
}

// Sets change with births and removals only: without any they are not looked at again. What changes
// while they are looked at in slices is seen the next time.
static void sets_look(struct head *h)
{
    struct head_index *x = &h->index;
    u64 bytes = 0;
    lock_take(&h->lock);
    const u64 births = h->created_total + h->removed_total;
    if (x->sets_births != births) {
        for (u32 from = 0; from < x->pair_count; from += HEAD_SLICE) {
            bytes += head_index_bytes_sets(x, from, MIN(x->pair_count, from + HEAD_SLICE));
            lock_drop(&h->lock);
            lock_take(&h->lock);
        }
        x->sets_bytes = bytes;
        x->sets_births = births;
    }
    lock_drop(&h->lock);
}

static u64 bytes_held(const struct head *h)
{
    u64 bytes = head_bytes_base(h) + h->index.sets_bytes + open_cells_bytes(&h->cells) +
                (u64)h->pins.cap * sizeof(struct pin_note);
    for (u32 i = 0; i < h->window_count; i++) {
        bytes += window_bytes(h->windows[i]);
    }
    return bytes;
}

u64 head_bytes(struct head *h)
{
    sets_look(h);
    lock_take(&h->lock);
    u64 bytes = bytes_held(h);
    lock_drop(&h->lock);
    return bytes;
}

u64 head_bytes_look(struct head *h, u64 bytes_max)
{
    sets_look(h);
    lock_take(&h->lock);
    u64 bytes = bytes_held(h);
    h->room = bytes_max - MIN(bytes, bytes_max);
    lock_drop(&h->lock);
    return bytes;
}
