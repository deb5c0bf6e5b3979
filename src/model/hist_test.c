// hist_test.c: validity as upstream defines it, copies, equality.

#include "base/arena.h"
#include "base/error.h"
#include "base/test.h"
#include "model/hist.h"
#include "model/sample.h"

#include <math.h>

static const struct hist_span two_spans[] = {{-2, 2}, {3, 1}};
static const f64 three[] = {1, 2, 3};
static const struct hist_span one_span[] = {{0, 3}};
static const f64 bounds[] = {0.5, 1};

static struct hist exponential(void)
{
    return (struct hist){.schema = 3,
                         .zero_threshold = 0.001,
                         .zero_count = 4,
                         .count = 16,
                         .sum = 12.5,
                         .positive = {two_spans, 2, three, 3},
                         .negative = {one_span, 1, three, 3}};
}

static struct hist custom(void)
{
    return (struct hist){.schema = HIST_SCHEMA_CUSTOM,
                         .count = 6,
                         .sum = 4,
                         .positive = {one_span, 1, three, 3},
                         .custom_bounds = bounds,
                         .custom_bound_count = 2};
}

static void refused(struct hist h, enum err code, const char *text)
{
    struct error e = {.code = ERR_NONE};
    assert_false(hist_check(&h, &e));
    assert_int_equal(e.code, code);
    if (!strstr(e.text, text)) {
        fail_msg("\"%s\" lacks \"%s\"", e.text, text);
    }
}

TEST(hist_check_takes_what_is_valid)
{
    struct error e;
    struct hist h = exponential();
    ASSERT_OK(hist_check(&h, &e), e);
    h = custom();
    ASSERT_OK(hist_check(&h, &e), e);
    h = (struct hist){0};
    ASSERT_OK(hist_check(&h, &e), e);
    h = exponential(); // A NaN was observed: it is counted, but in no bucket.
    h.sum = NAN;
    h.count = 20;
    ASSERT_OK(hist_check(&h, &e), e);
    h = exponential(); // Rounding may part them.
    h.is_float = true;
    h.count = 16.5;
    ASSERT_OK(hist_check(&h, &e), e);
    h = (struct hist){.sum = stale_nan()};
    ASSERT_OK(hist_check(&h, &e), e);
}

TEST(hist_check_names_what_is_wrong)
{
    struct hist h = exponential();
    h.schema = 9;
    refused(h, ERR_INVALID, "invalid schema 9");
    h = exponential();
    h.schema = -5;
    refused(h, ERR_INVALID, "invalid schema -5");
    h = exponential();
    h.count = 17;
    refused(h, ERR_INVALID, "16 observations found in buckets, but the Count field is 17");
    h.sum = NAN;
    h.count = 15;
    refused(h, ERR_INVALID, "should be at least");
    h = exponential();
    h.positive.bucket_count = 2;
    refused(h, ERR_INVALID, "positive side: spans need at least 3 buckets, have 2");
    h = exponential();
    h.negative.span_count = 0;
    refused(h, ERR_INVALID, "negative side: spans need 0 buckets, have 3 buckets");
    h = exponential();
    const f64 minus[] = {1, -2, 3};
    h.positive.buckets = minus;
    refused(h, ERR_INVALID, "bucket number 2 has observation count of -2");
    const f64 half[] = {1, 2.5, 3};
    h.positive.buckets = half;
    refused(h, ERR_INVALID, "bucket number 2 is not a whole count");
    h = exponential();
    const struct hist_span back[] = {{0, 2}, {-1, 1}};
    h.positive.spans = back;
    refused(h, ERR_INVALID, "span number 2 with offset -1");
    h = exponential();
    h.zero_count = -1;
    refused(h, ERR_INVALID, "negative count");
    h = exponential();
    h.zero_threshold = NAN;
    refused(h, ERR_INVALID, "zero threshold");
    h = exponential();
    h.custom_bounds = bounds;
    h.custom_bound_count = 1;
    refused(h, ERR_INVALID, "must not have custom bounds");
}

TEST(hist_check_of_custom_buckets)
{
    struct hist h = custom();
    h.custom_bound_count = 1;
    refused(h, ERR_INVALID, "only 1 custom bounds defined");
    h = custom();
    const f64 falling[] = {1, 1};
    h.custom_bounds = falling;
    refused(h, ERR_INVALID, "strictly increasing");
    const f64 nan_bound[] = {1, NAN};
    h.custom_bounds = nan_bound;
    refused(h, ERR_INVALID, "strictly increasing");
    const f64 endless[] = {1, INFINITY};
    h.custom_bounds = endless;
    refused(h, ERR_INVALID, "+Inf bound");
    h = custom();
    h.zero_count = 1;
    h.count = 7;
    refused(h, ERR_INVALID, "zero count of 0");
    h = custom();
    h.zero_threshold = 1;
    refused(h, ERR_INVALID, "zero threshold of 0");
    h = custom();
    h.negative = h.positive;
    refused(h, ERR_INVALID, "negative spans");
    h = custom();
    const struct hist_span before[] = {{-1, 3}};
    h.positive.spans = before;
    refused(h, ERR_INVALID, "span number 1 with offset -1");
}

TEST(hist_check_bounds_hostile_sizes)
{
    struct hist h = exponential();
    h.positive.bucket_count = HIST_BUCKETS_MAX + 1; // Refused before a bucket is read.
    refused(h, ERR_LIMIT, "more than 10000");
    h = exponential();
    const struct hist_span far[] = {{INT32_MAX, 2}, {INT32_MAX, 1}};
    h.positive.spans = far;
    refused(h, ERR_INVALID, "beyond bucket");
    const struct hist_span wide[] = {{0, UINT32_MAX}, {0, UINT32_MAX}};
    h.positive.spans = wide;
    refused(h, ERR_INVALID, "positive side: spans");
}

TEST(hist_copy_is_deep_and_equal)
{
    struct arena *a = arena_new(1 << 20);
    struct hist_span spans[] = {{-2, 2}, {3, 1}};
    f64 buckets[] = {1, 2, 3};
    struct hist h = exponential();
    h.positive.spans = spans;
    h.positive.buckets = buckets;
    h.reset = HIST_RESET_GAUGE;
    const struct hist *copy = hist_copy(a, &h);
    assert_true(hist_eq(copy, &h));
    buckets[1] = 9;
    assert_false(hist_eq(copy, &h));
    buckets[1] = 2;
    spans[1].offset = 4;
    assert_false(hist_eq(copy, &h));
    const struct hist c = custom();
    assert_true(hist_eq(hist_copy(a, &c), &c));
    const struct hist none = {0};
    assert_true(hist_eq(hist_copy(a, &none), &none));
    arena_free(a);
}

TEST(hist_eq_is_bitwise_and_stale_is_exact)
{
    struct hist a = exponential();
    struct hist b = exponential();
    a.sum = stale_nan();
    b.sum = normal_nan();
    assert_false(hist_eq(&a, &b));
    assert_true(hist_is_stale(&a));
    assert_false(hist_is_stale(&b));
    b.sum = stale_nan();
    assert_true(hist_eq(&a, &b));
    a.sum = 0.0;
    b.sum = -0.0;
    assert_false(hist_eq(&a, &b));
    b.sum = 0.0;
    b.is_float = true;
    assert_false(hist_eq(&a, &b));
}
