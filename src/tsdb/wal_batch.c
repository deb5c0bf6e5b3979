#include "tsdb/wal_batch.h"

#include "base/dec.h"

#include <stdlib.h>

void wal_batch_fini(struct wal_batch *b)
{
    mem_free(b->items);
    *b = (struct wal_batch){0};
}

bool wal_batch_add(struct wal_batch *b, str payload, u64 record_at)
{
    struct dec d = dec_of(payload);
    if (b->n == WAL_BATCH_MAX) {
        return false;
    }
    if (b->n == b->cap) {
        b->cap = MIN(WAL_BATCH_MAX, MAX(64U, b->cap * 2));
        b->items = MEM_GROW(b->items, b->cap, struct wal_waiting);
    }
    b->items[b->n++] = (struct wal_waiting){.payload = payload.ptr,
                                            .len = (u32)payload.len,
                                            .group = (u32)dec_varint(&d),
                                            .record_at = record_at};
    return true;
}

static int waiting_order(const void *a, const void *b)
{
    const struct wal_waiting *x = a;
    const struct wal_waiting *y = b;
    if (x->group != y->group) {
        return x->group < y->group ? -1 : 1;
    }
    return x->record_at < y->record_at ? -1 : 1;
}

void wal_batch_sort(struct wal_batch *b)
{
    if (b->n > 1) {
        qsort(b->items, b->n, sizeof(b->items[0]), waiting_order);
    }
}
