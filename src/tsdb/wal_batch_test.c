// wal_batch_test.c: fragments that wait come out by group, those of each as they came.
#include "base/buf.h"
#include "base/test.h"
#include "os/rng.h"
#include "tsdb/wal_batch.h"

#define GROUPS    300U // Some take two bytes.
#define FRAGMENTS 2000U
#define BYTES     4U // Of each.

static str payload_put(char *at, u32 group)
{
    struct buf b;
    buf_init(&b, BYTES);
    buf_varint(&b, group);
    assert_true(buf_ok(&b));
    memcpy(at, b.bytes, b.len);
    buf_fini(&b);
    return (str){at, BYTES};
}

TEST(wal_batch_keeps_the_order_of_each_group)
{
    static char bytes[FRAGMENTS * BYTES];
    struct wal_batch b = {0};
    struct rng r;
    u32 run = 0;
    u32 added = 0;
    rng_init(&r, 7);
    while (added < FRAGMENTS) {
        const str payload = payload_put(bytes + (size_t)added * BYTES, (u32)rng_below(&r, GROUPS));
        if (wal_batch_add(&b, payload, added) && ++added < FRAGMENTS) {
            continue;
        }
        assert_true(b.n == WAL_BATCH_MAX || added == FRAGMENTS);
        wal_batch_sort(&b);
        for (u32 i = 0; i < b.n; i++, run++) {
            const struct wal_waiting *w = &b.items[i];
            assert_ptr_equal(w->payload, bytes + w->record_at * BYTES);
            assert_int_equal(w->len, BYTES);
            assert_true(i == 0 || w[-1].group < w->group ||
                        (w[-1].group == w->group && w[-1].record_at < w->record_at));
        }
        b.n = 0;
    }
    assert_int_equal(run, FRAGMENTS);
    wal_batch_fini(&b);
}

TEST(wal_batch_is_full_at_its_maximum)
{
    static char bytes[BYTES];
    const str payload = payload_put(bytes, 1);
    struct wal_batch b = {0};
    for (u32 i = 0; i < WAL_BATCH_MAX; i++) {
        assert_true(wal_batch_add(&b, payload, i));
    }
    assert_false(wal_batch_add(&b, payload, WAL_BATCH_MAX));
    assert_int_equal(b.n, WAL_BATCH_MAX);
    wal_batch_fini(&b);
}
