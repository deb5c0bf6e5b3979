#include "tsdb/head_gone.h"

#include "os/pages.h"
#include "tsdb/head.h"
#include "tsdb/head_series.h"
#include "tsdb/postings.h"

#define SEGMENT_OF_REPLAY UINT64_MAX // Until it is over.
#define DROP_SLOTS        8192U      // Per hold of the turn.

void head_gone_fini(struct head_gone *g)
{
    for (u32 i = 0; i < g->n; i++) {
        postings_free(g->items[i].set);
    }
    mem_free(g->items);
    *g = (struct head_gone){0};
}

bool head_gone_is(const struct head *h, u32 ordinal)
{
    bool found = false;
    for (u32 i = 0; i < h->gone.n && !found; i++) {
        found = postings_has(h->gone.items[i].set, ordinal);
    }
    return found && !head_live(h, ordinal);
}

void head_gone_add(struct head *h, const u32 *ordinals, u32 n, u64 segment)
{
    struct head_gone *g = &h->gone;
    if (n == 0) {
        return;
    }
    if (g->n == 0 || g->items[g->n - 1].segment != segment) {
        if (g->n == g->cap) {
            g->cap = MAX(4U, g->cap * 2);
            g->items = MEM_GROW(g->items, g->cap, struct gone_slots);
        }
        g->items[g->n++] = (struct gone_slots){.segment = segment, .set = postings_new()};
    }
    postings_add_all(g->items[g->n - 1].set, ordinals, n);
}

void head_gone_set(struct head *h, u32 ordinal)
{
    if (head_live(h, ordinal)) {
        return;
    }
    lock_take(&h->lock);
    head_slot_reserve(h, ordinal);
    head_gone_add(h, &ordinal, 1, SEGMENT_OF_REPLAY);
    lock_drop(&h->lock);
}

static u32 *ordinals_of(const struct postings *set, u32 *n)
{
    *n = (u32)postings_count(set);
    u32 *ordinals = MEM_NEW_N(u32, (size_t)*n + 1);
    postings_list(set, ordinals);
    return ordinals;
}

void head_gone_restored(struct head *h, u64 segment)
{
    for (u32 i = 0; i < h->gone.n; i++) {
        struct gone_slots *g = &h->gone.items[i];
        u32 n;
        u32 *ordinals = ordinals_of(g->set, &n);
        for (u32 k = 0; k < n; k++) {
            if (head_live(h, ordinals[k])) {
                postings_remove(g->set, ordinals[k]);
            }
        }
        g->segment = segment;
        mem_free(ordinals);
    }
}

u32 *head_gone_release(struct head *h, u64 segment_first, u32 *n)
{
    struct head_gone *g = &h->gone;
    if (g->n == 0 || g->items[0].segment >= segment_first) {
        return NULL;
    }
    lock_take(&h->lock);
    struct postings *set = g->items[0].set;
    g->n--;
    memmove(g->items, g->items + 1, g->n * sizeof(*g->items));
    lock_drop(&h->lock);
    u32 *ordinals = ordinals_of(set, n);
    postings_free(set);
    return ordinals;
}

u32 head_gone_list(const struct head *h, u32 *from, u32 *ordinals, u32 max)
{
    u32 n = 0;
    while (n < max && *from < h->count) {
        u32 least = h->count;
        for (u32 i = 0; i < h->gone.n; i++) {
            u32 at;
            if (postings_next(h->gone.items[i].set, *from, &at)) {
                least = MIN(least, at);
            }
        }
        if (least < h->count && !head_live(h, least)) {
            ordinals[n++] = least;
        }
        *from = MIN(least, h->count - 1) + 1;
    }
    return n;
}

// With the turn and the lock: ordinals [from, to) of the table are of no use.
static u64 run_drop(struct head *h, u32 from, u32 to)
{
    const size_t n = to - from;
    return pages_drop(h->rows + from, n * sizeof(*h->rows)) +
           pages_drop(h->hash + from, n * sizeof(*h->hash)) +
           pages_drop(h->note + from, n * sizeof(*h->note)) +
           pages_drop(h->target + from, n * sizeof(*h->target));
}

// Some of a set, which rise.
static u64 slice_drop(struct head *h, const u32 *ordinals, u32 n)
{
    u64 bytes = 0;
    head_turn_take(h);
    lock_take(&h->lock);
    for (u32 from = 0; from < n;) {
        u32 to = from + 1;
        while (to < n && ordinals[to] == ordinals[to - 1] + 1) {
            to++;
        }
        bytes += run_drop(h, ordinals[from], ordinals[to - 1] + 1);
        from = to;
    }
    lock_drop(&h->lock);
    head_turn_drop(h);
    return bytes;
}

void head_gone_drop(struct head *h)
{
    u64 bytes = 0;
    for (u32 i = 0; i < h->gone.n; i++) { // Only who calls this changes them.
        u32 n;
        u32 *ordinals = ordinals_of(h->gone.items[i].set, &n);
        for (u32 from = 0; from < n; from += DROP_SLOTS) {
            bytes += slice_drop(h, ordinals + from, MIN(DROP_SLOTS, n - from));
        }
        mem_free(ordinals);
    }
    lock_take(&h->lock);
    h->slots_dropped = bytes;
    lock_drop(&h->lock);
}
