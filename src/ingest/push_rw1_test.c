#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "ingest/ingest.h"
#include "storage/memstore.h"
#include "wire/pb.h"
#include "wire/snappy.h"

static void put_label(struct buf *b, const char *name, const char *value)
{
    const size_t mark = pbw_begin(b, 1);
    pbw_bytes(b, 1, str_c(name));
    pbw_bytes(b, 2, str_c(value));
    pbw_end(b, mark);
}

static void put_sample(struct buf *b, f64 value, i64 t_ms)
{
    const size_t mark = pbw_begin(b, 2);
    pbw_f64(b, 1, value);
    pbw_varint(b, 2, (u64)t_ms);
    pbw_end(b, mark);
}

static bool push(struct storage *s, const struct buf *request, struct push_result *out,
                 struct error *e)
{
    struct arena *a = arena_new(16U << 20);
    struct buf packed;
    buf_init(&packed, 1 << 20);
    snappy_encode(buf_get(request), &packed);
    const struct push_opts opts = {.storage = s,
                                   .decoded_bytes_max = 1 << 20,
                                   .limits = {.labels_max = 5, .value_bytes_max = 20}};
    const bool ok = push_remote_write_1(&opts, buf_get(&packed), a, out, e);
    buf_fini(&packed);
    arena_free(a);
    return ok;
}

TEST(push_stores_the_good_and_counts_each_of_the_rest)
{
    struct storage *s = memstore_new((struct memstore_opts){.series_max = 2});
    struct buf b;
    buf_init(&b, 1 << 16);
    size_t mark = pbw_begin(&b, 1); // Unsorted labels are sorted.
    put_label(&b, "job", "x");
    put_label(&b, "__name__", "m");
    put_sample(&b, 1, 1000);
    put_sample(&b, 1, 1000); // duplicate
    put_sample(&b, 2, 1000); // conflict
    put_sample(&b, 3, 500);  // out of order
    put_sample(&b, 4, 2000);
    pbw_end(&b, mark);
    mark = pbw_begin(&b, 1); // No name.
    put_label(&b, "job", "x");
    put_sample(&b, 1, 1000);
    pbw_end(&b, mark);
    mark = pbw_begin(&b, 1); // A label value that is too long.
    put_label(&b, "__name__", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    put_sample(&b, 1, 1000);
    pbw_end(&b, mark);
    for (int i = 0; i < 2; i++) { // The second of these is over the series limit.
        mark = pbw_begin(&b, 1);
        put_label(&b, "__name__", i ? "o" : "n");
        put_sample(&b, 1, 1000);
        pbw_end(&b, mark);
    }
    struct push_result r = {0};
    struct error e = {0};
    ASSERT_OK(push(s, &b, &r, &e), e);
    assert_int_equal(r.samples, 9);
    assert_int_equal(r.outcomes[APPEND_STORED], 3);
    assert_int_equal(r.outcomes[APPEND_DUPLICATE], 1);
    assert_int_equal(r.outcomes[APPEND_CONFLICT], 1);
    assert_int_equal(r.outcomes[APPEND_OUT_OF_ORDER], 1);
    assert_int_equal(r.outcomes[APPEND_INVALID], 2);
    assert_int_equal(r.outcomes[APPEND_LIMIT], 1);
    assert_int_equal(r.series_bad_labels, 2);
    assert_int_not_equal(r.first_error.code, ERR_NONE);
    buf_fini(&b);
    memstore_free(s);
}

TEST(push_refuses_what_it_cannot_read)
{
    struct storage *s = memstore_new((struct memstore_opts){0});
    struct push_result r = {0};
    struct error e = {0};
    struct arena *a = arena_new(1 << 20);
    const struct push_opts opts = {.storage = s, .decoded_bytes_max = 1 << 10};
    assert_false(push_remote_write_1(&opts, STR("not snappy at all"), a, &r, &e));
    // Declares 16 MiB: refused by the declared size.
    assert_false(push_remote_write_1(&opts, STR("\x80\x80\x80\x08\x00"), a, &r, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    struct buf b;
    buf_init(&b, 64);
    buf_c(&b, "\x0a\x7f broken");
    assert_false(push(s, &b, &r, &e));
    assert_int_equal(e.code, ERR_INVALID);
    buf_fini(&b);
    arena_free(a);
    memstore_free(s);
}

TEST(push_of_an_empty_request_is_fine)
{
    struct storage *s = memstore_new((struct memstore_opts){0});
    struct push_result r = {0};
    struct error e = {0};
    struct buf b;
    buf_init(&b, 64);
    ASSERT_OK(push(s, &b, &r, &e), e);
    assert_int_equal(r.samples, 0);
    buf_fini(&b);
    memstore_free(s);
}

// Two bytes each on the wire, some dozen in memory: the arena must not be passed.
static void expect_too_much(u8 outer_field, u8 inner_field)
{
    struct storage *s = memstore_new((struct memstore_opts){0});
    struct push_result r = {0};
    struct error e = {0};
    struct buf b;
    buf_init(&b, 1 << 20);
    struct buf inner;
    buf_init(&inner, 1 << 20);
    const char empty[2] = {(char)((inner_field ? inner_field : outer_field) << 3 | PB_BYTES), 0};
    for (u32 i = 0; i < 500000; i++) {
        buf_add(&inner, empty, 2);
    }
    if (inner_field) {
        pbw_bytes(&b, outer_field, buf_get(&inner));
    }
    assert_false(push(s, inner_field ? &b : &inner, &r, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    buf_fini(&inner);
    buf_fini(&b);
    memstore_free(s);
}

TEST(push_of_many_empty_messages_is_refused_not_fatal)
{
    expect_too_much(1, 0); // Series.
    expect_too_much(1, 2); // Samples of one series.
    expect_too_much(3, 0); // Metadata.
}
