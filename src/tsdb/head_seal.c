// head_seal.c: what is open becomes a sealed chunk; windows that are frozen.
#include "base/buf.h"
#include "tsdb/head.h"
#include "tsdb/head_pack.h"

void head_seal(struct head *h, u32 ordinal)
{
    struct open_chunk *o = &h->rows[ordinal].open;
    if (o->segment && o->n > 0) {
        UNINIT u8 tokens[OPEN_BYTES_MAX];
        u8 present[PRESENCE_BYTES] = {0};
        const bool gaps = open_chunk_gaps(o);
        struct buf packed;
        buf_init(&packed, OPEN_PACKED_MAX);
        open_chunk_copy(&h->cells, o, tokens);
        open_tokens_pack(PACK_TIGHT, (str){(const char *)tokens, o->bytes}, o->n,
                         gaps ? present : NULL, o->first, &packed);
        CHECK(buf_ok(&packed));
        const struct window_chunk c = {.segment = o->segment,
                                       .packed = buf_get(&packed),
                                       .present = gaps ? present : NULL,
                                       .n = o->n,
                                       .first = o->first,
                                       .last = o->last};
        window_seal(o->segment->window, ordinal, &c);
        buf_fini(&packed);
    }
    open_chunk_reset(&h->cells, o);
}

void head_freeze(struct head *h, i64 floor)
{
    head_turn_take(h);
    lock_take(&h->lock);
    h->t_floor = MAX(h->t_floor, floor);
    lock_drop(&h->lock);
    u32 from = 0;
    while (from < h->count) {
        lock_take(&h->lock);
        u32 to = MIN(h->count, from + HEAD_SLICE);
        for (u32 i = from; i < to; i++) {
            if (h->rows[i].open.segment && h->rows[i].open.segment->window->end_ms <= floor) {
                head_seal(h, i);
            }
        }
        lock_drop(&h->lock);
        from = to;
        head_turn_drop(h); // Let writers in between slices.
        head_turn_take(h);
    }
    lock_take(&h->lock);
    for (u32 i = 0; i < h->window_count && h->windows[i]->end_ms <= floor; i++) {
        h->windows[i]->frozen = true;
    }
    lock_drop(&h->lock);
    head_turn_drop(h);
}
