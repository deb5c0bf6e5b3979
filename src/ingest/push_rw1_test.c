#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "ingest/push_fixture.h"
#include "model/hist.h"
#include "model/match.h"
#include "storage/memstore.h"
#include "wire/pb.h"

static bool push(struct storage *s, const struct buf *request, struct push_result *out,
                 struct error *e)
{
    const struct push_opts opts = {.storage = s,
                                   .limits = {.labels_max = 5, .value_bytes_max = 20}};
    return fixture_push(opts, request, out, e);
}

TEST(push_stores_the_good_and_counts_each_of_the_rest)
{
    struct storage *s = memstore_new((struct memstore_opts){.series_max = 2});
    struct buf b;
    buf_init(&b, 1 << 16);
    size_t mark = pbw_begin(&b, 1); // Unsorted labels are sorted.
    fixture_label(&b, "job", "x");
    fixture_label(&b, "__name__", "m");
    fixture_sample(&b, 1, 1000);
    fixture_sample(&b, 1, 1000); // duplicate
    fixture_sample(&b, 2, 1000); // conflict
    fixture_sample(&b, 3, 500);  // out of order
    fixture_sample(&b, 4, 2000);
    pbw_end(&b, mark);
    mark = pbw_begin(&b, 1); // No name.
    fixture_label(&b, "job", "x");
    fixture_sample(&b, 1, 1000);
    pbw_end(&b, mark);
    mark = pbw_begin(&b, 1); // A label value that is too long.
    fixture_label(&b, "__name__", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    fixture_sample(&b, 1, 1000);
    pbw_end(&b, mark);
    for (int i = 0; i < 2; i++) { // The second of these is over the series limit.
        mark = pbw_begin(&b, 1);
        fixture_label(&b, "__name__", i ? "o" : "n");
        fixture_sample(&b, 1, 1000);
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
    assert_int_equal(r.outcomes[APPEND_LIMIT_SERIES], 1);
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

static void put_packed(struct buf *b, u32 field, const i64 *v, u32 n, bool packed)
{
    const size_t mark = packed ? pbw_begin(b, field) : 0;
    for (u32 i = 0; i < n; i++) {
        if (packed) {
            buf_varsint(b, v[i]);
        } else {
            pbw_sint(b, field, v[i]);
        }
    }
    if (packed) {
        pbw_end(b, mark);
    }
}

static void put_doubles(struct buf *b, u32 field, const f64 *v, u32 n)
{
    const size_t mark = pbw_begin(b, field);
    for (u32 i = 0; i < n; i++) {
        buf_f64(b, v[i]);
    }
    pbw_end(b, mark);
}

static void put_span(struct buf *b, u32 field, i32 offset, u32 length)
{
    const size_t mark = pbw_begin(b, field);
    pbw_sint(b, 1, offset);
    pbw_varint(b, 2, length);
    pbw_end(b, mark);
}

// An integer histogram of schema 2 with counts 3, 5 and 1, 4 in the zero bucket.
static void put_hist(struct buf *b, i64 t_ms, bool packed, u64 count)
{
    const size_t mark = pbw_begin(b, 4);
    pbw_varint(b, 1, count);
    pbw_f64(b, 3, 18.5);
    pbw_sint(b, 4, 2);
    pbw_f64(b, 5, 0.001);
    pbw_varint(b, 6, 4);
    put_span(b, 11, -1, 2);
    put_span(b, 11, 4, 1);
    put_packed(b, 12, (const i64[]){3, 2, -4}, 3, packed);
    pbw_varint(b, 14, 2);
    pbw_varint(b, 15, (u64)t_ms);
    pbw_end(b, mark);
}

static void put_custom(struct buf *b, i64 t_ms)
{
    const size_t mark = pbw_begin(b, 4);
    pbw_f64(b, 2, 1.75);
    pbw_f64(b, 3, 9);
    pbw_sint(b, 4, HIST_SCHEMA_CUSTOM);
    put_span(b, 11, 0, 2);
    put_doubles(b, 13, (const f64[]){1.5, 0.25}, 2);
    put_doubles(b, 16, (const f64[]){0.5, 10}, 2);
    pbw_varint(b, 14, 3);
    pbw_varint(b, 15, (u64)t_ms);
    pbw_end(b, mark);
}

static void expect_hists(struct storage *s)
{
    static const struct hist_span spans[] = {{-1, 2}, {4, 1}};
    static const struct hist_span one[] = {{0, 2}};
    const struct hist whole = {.schema = 2,
                               .reset = HIST_RESET_NO,
                               .zero_threshold = 0.001,
                               .zero_count = 4,
                               .count = 13,
                               .sum = 18.5,
                               .positive = {spans, 2, (const f64[]){3, 5, 1}, 3}};
    const struct hist custom = {.schema = HIST_SCHEMA_CUSTOM,
                                .reset = HIST_RESET_GAUGE,
                                .is_float = true,
                                .count = 1.75,
                                .sum = 9,
                                .positive = {one, 1, (const f64[]){1.5, 0.25}, 2},
                                .custom_bounds = (const f64[]){0.5, 10},
                                .custom_bound_count = 2};
    const struct hist *want[] = {&whole, &whole, &custom};
    struct error e = {0};
    struct storage_querier *q = storage_querier_open(s, TENANT_DEFAULT, 0, 100000, &e);
    const struct select_hints h = {.start_ms = 0, .end_ms = 100000};
    struct series_cursor *c = q->ops->select(q, NULL, 0, &h, NULL, &e);
    u32 hists = 0;
    u32 floats = 0;
    while (c->ops->next(c)) {
        struct series_run run;
        while (c->ops->run(c, &run)) {
            floats += run.kind == SAMPLE_FLOAT ? run.n : 0;
            for (u32 i = 0; run.kind == SAMPLE_HIST && i < run.n; i++) {
                assert_true(hists < ARRAY_LEN(want));
                assert_true(hist_eq(run.hists[i], want[hists++]));
            }
        }
    }
    ASSERT_OK(c->ops->close(c, NULL, &e), e);
    storage_querier_close(q);
    assert_int_equal(hists, ARRAY_LEN(want));
    assert_int_equal(floats, 1);
}

static void expect_exemplar(struct storage *s)
{
    struct error e = {0};
    struct arena *a = arena_new(1 << 20);
    struct storage_querier *q = storage_querier_open(s, TENANT_DEFAULT, 0, 100000, &e);
    struct exemplar_series *found;
    u32 n;
    ASSERT_OK(q->ops->exemplars(q, NULL, 0, a, &found, &n, &e), e);
    assert_int_equal(n, 1);
    assert_int_equal(found[0].count, 1);
    assert_true(found[0].exemplars[0].value == 0.25);
    assert_int_equal(found[0].exemplars[0].t_ms, 2500);
    assert_int_equal(found[0].exemplars[0].labels.count, 2);
    ASSERT_STR_EQ(found[0].exemplars[0].labels.items[1].value, STR("abc"));
    storage_querier_close(q);
    arena_free(a);
}

TEST(push_stores_native_histograms_and_exemplars)
{
    struct storage *s = memstore_new((struct memstore_opts){0});
    struct buf b;
    buf_init(&b, 1 << 16);
    size_t mark = pbw_begin(&b, 1);
    fixture_label(&b, "__name__", "m");
    fixture_sample(&b, 1, 1000);
    put_hist(&b, 2000, true, 13);
    put_hist(&b, 3000, false, 13);
    put_custom(&b, 4000);
    put_hist(&b, 5000, true, 14); // Its counts do not add up.
    size_t exemplar = pbw_begin(&b, 3);
    fixture_label(&b, "trace_id", "abc");
    fixture_label(&b, "a", "z");
    pbw_f64(&b, 2, 0.25);
    pbw_varint(&b, 3, 2500);
    pbw_end(&b, exemplar);
    pbw_end(&b, mark);
    struct push_result r = {0};
    struct error e = {0};
    ASSERT_OK(push(s, &b, &r, &e), e);
    assert_int_equal(r.samples, 5);
    assert_int_equal(r.histograms, 4);
    assert_int_equal(r.histograms_stored, 3);
    assert_int_equal(r.exemplars, 1);
    assert_int_equal(r.outcomes[APPEND_STORED], 4);
    assert_int_equal(r.outcomes[APPEND_INVALID], 1);
    assert_true(str_contains(str_c(r.first_error.text), STR("14")));
    expect_hists(s);
    expect_exemplar(s);
    buf_fini(&b);
    memstore_free(s);
}
