// head_seal.c: what is open becomes a sealed chunk; windows that are frozen.
#include "base/buf.h"
#include "tsdb/chunk_pack.h"
#include "tsdb/head.h"

#define SEALED_BYTES_MAX ((size_t)ROWS_MAX * 16 + 64)

// Packs the values of an open chunk, and writes the bits of their rows if there are gaps. Most have
// none, and their tokens say the integers that the packer would have to find again.
static void open_pack(const struct head *h, const struct open_chunk *o, u8 *present,
                      struct buf *out)
{
    UNINIT u8 bytes[OPEN_BYTES_MAX];
    UNINIT i64 ints[ROWS_MAX];
    UNINIT f64 values[ROWS_MAX];
    u32 exponent;
    const str tokens = {(const char *)bytes, o->bytes};
    open_chunk_copy(&h->cells, o, bytes);
    const u32 n = open_tokens_whole(tokens, o->n, ints, &exponent);
    if (n > 0) {
        chunk_pack_whole(ints, n, exponent, out);
        return;
    }
    open_tokens_decode(tokens, o->n, values, present, o->first);
    chunk_pack_encode(values, o->n, out);
}

void head_seal(struct head *h, u32 ordinal)
{
    struct open_chunk *o = &h->rows[ordinal].open;
    if (o->segment && o->n > 0) {
        u8 present[PRESENCE_BYTES] = {0};
        const bool gaps = open_chunk_gaps(o);
        struct buf packed;
        buf_init(&packed, SEALED_BYTES_MAX);
        open_pack(h, o, gaps ? present : NULL, &packed);
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
