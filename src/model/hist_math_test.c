// hist_math_test.c: arithmetic, resets, quantiles and cuts of native histograms.
#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/test.h"
#include "model/hist_bucket.h"
#include "model/hist_quantile.h"
#include "model/hist_reset.h"
#include "model/hist_sum.h"

#include <float.h>
#include <math.h>

#define ARENA_BYTES ((size_t)16 << 20)

// One span of buckets from `offset` on.
static struct hist make(struct arena *a, i32 schema, i32 offset, const f64 *buckets, u32 n)
{
    struct hist_span *span = ARENA_NEW(a, struct hist_span);
    struct hist h = {.schema = schema, .is_float = true};
    *span = (struct hist_span){offset, n};
    h.positive = (struct hist_side){span, 1, buckets, n};
    for (u32 i = 0; i < n; i++) {
        h.count += buckets[i];
        h.sum += buckets[i];
    }
    return h;
}

static void expect_text(const struct hist *h, const char *want)
{
    struct buf b;
    buf_init(&b, 4096);
    hist_print(&b, h);
    buf_byte(&b, 0);
    assert_string_equal(b.bytes, want);
    buf_fini(&b);
}

TEST(hist_bounds_are_those_of_the_tables)
{
    assert_true(hist_exponential_bound(0, 0) == 1);
    assert_true(hist_exponential_bound(0, 3) == 8);
    assert_true(hist_exponential_bound(-2, 1) == 16);
    assert_true(hist_exponential_bound(-4, 64) == DBL_MAX);
    assert_true(isinf(hist_exponential_bound(-4, 65)));
    assert_true(hist_exponential_bound(3, 1 << 13) == DBL_MAX);
    // Not what exp2 says: the tables are one place below it, and everything behind goes with them.
    assert_true(hist_exponential_bound(1, 1) == 1.414213562373095);
    assert_true(hist_exponential_bound(2, -1) == 0.8408964152537144);
    assert_true(hist_exponential_bound(3, -1) == 0.9170040432046711);
    assert_true(hist_exponential_bound(8, -1) == 0.9972960560854698);
    assert_true(hist_exponential_bound(8, -127) == 0.7090239421602076);
}

TEST(hist_scan_goes_from_the_lowest_to_the_highest_and_back)
{
    static const struct hist_span negative[] = {{0, 1}, {2, 1}};
    static const struct hist_span positive[] = {{-1, 2}, {0, 0}, {1, 1}};
    static const f64 counts[] = {1, 2, 3};
    const struct hist h = {.schema = 0,
                           .zero_threshold = 0.25,
                           .zero_count = 4,
                           .count = 13,
                           .positive = {positive, 3, counts, 3},
                           .negative = {negative, 2, counts, 2}};
    expect_text(&h, "{count:13, sum:0, [-8,-4):2, [-1,-0.5):1, [-0.25,0.25]:4, (0.25,0.5]:1, "
                    "(0.5,1]:2, (2,4]:3}");
    f64 forward[8];
    f64 backward[8];
    u32 n = 0;
    u32 m = 0;
    struct hist_scan s;
    struct hist_bucket b;
    hist_scan_begin(&s, &h, false);
    while (hist_scan_next(&s, &b)) {
        forward[n++] = b.upper;
    }
    hist_scan_begin(&s, &h, true);
    while (hist_scan_next(&s, &b)) {
        backward[m++] = b.upper;
    }
    assert_int_equal(n, 6);
    assert_int_equal(m, 6);
    for (u32 i = 0; i < n; i++) {
        assert_true(forward[i] == backward[n - 1 - i]);
    }
}

TEST(hist_sum_merges_buckets_and_resolutions)
{
    static const f64 fine[] = {1, 2, 3};
    static const f64 coarse[] = {4, 8};
    struct arena *a = arena_new(ARENA_BYTES);
    struct hist x = make(a, 1, 1, fine, 3); // (1,1.41] (1.41,2] (2,2.82]
    struct hist y = make(a, 0, 0, coarse, 2);
    struct hist_spare spare = {{0}, {0}};
    struct hist_remarks remarks = {false, false};
    struct hist_sum s;
    hist_sum_start(&s, a, &spare, false, &x);
    assert_true(hist_sum_add(&s, &y, 1, &remarks));
    expect_text(hist_sum_take(&s, a), "{count:18, sum:18, (0.5,1]:4, (1,2]:11, (2,4]:3}");
    assert_true(hist_sum_add(&s, &y, -1, &remarks));
    struct hist *back = hist_sum_take(&s, a);
    expect_text(back, "{count:6, sum:6, (1,2]:3, (2,4]:3}");
    assert_int_equal(back->positive.span_count, 1); // What became nothing is gone.
    hist_sum_scale(&s, -2);
    assert_int_equal(s.reset, HIST_RESET_GAUGE);
    expect_text(hist_sum_take(&s, a), "{count:-12, sum:-12, (1,2]:-6, (2,4]:-6}");
    hist_sum_divide(&s, 0);
    expect_text(hist_sum_take(&s, a), "{count:-Inf, sum:-Inf, [-0,0]:NaN}");
    assert_false(remarks.resets_collide);
    arena_free(a);
}

TEST(hist_sum_widens_the_zero_bucket_to_whole_buckets)
{
    static const f64 counts[] = {1, 2, 4};
    struct arena *a = arena_new(ARENA_BYTES);
    struct hist x = make(a, 0, -1, counts, 3); // (.25,.5] (.5,1] (1,2]
    struct hist y = {.schema = 0, .zero_threshold = 0.75, .zero_count = 10, .count = 10};
    struct hist_spare spare = {{0}, {0}};
    struct hist_remarks remarks = {false, false};
    struct hist_sum s;
    hist_sum_start(&s, a, &spare, false, &x);
    assert_true(hist_sum_add(&s, &y, 1, &remarks));
    expect_text(hist_sum_take(&s, a), "{count:17, sum:7, [-1,1]:13, (1,2]:4}");
    hist_sum_start(&s, a, &spare, false, &y);
    assert_true(hist_sum_add(&s, &x, 1, &remarks));
    expect_text(hist_sum_take(&s, a), "{count:17, sum:7, [-1,1]:13, (1,2]:4}");
    arena_free(a);
}

TEST(hist_sum_keeps_the_custom_bounds_that_both_have)
{
    static const f64 x_bounds[] = {1, 2, 3};
    static const f64 y_bounds[] = {2, 3, 4};
    static const f64 counts[] = {1, 2, 3, 4};
    struct arena *a = arena_new(ARENA_BYTES);
    struct hist x = make(a, HIST_SCHEMA_CUSTOM, 0, counts, 4);
    struct hist y = make(a, HIST_SCHEMA_CUSTOM, 0, counts, 4);
    x.custom_bounds = x_bounds;
    y.custom_bounds = y_bounds;
    x.custom_bound_count = y.custom_bound_count = 3;
    struct hist_spare spare = {{0}, {0}};
    struct hist_remarks remarks = {false, false};
    struct hist_sum s;
    hist_sum_start(&s, a, &spare, false, &x);
    assert_true(hist_sum_add(&s, &y, 1, &remarks));
    assert_true(remarks.bounds_reconciled);
    expect_text(hist_sum_take(&s, a), "{count:20, sum:20, [-Inf,2]:4, (2,3]:5, (3,+Inf]:11}");
    struct hist exponential = make(a, 0, 0, counts, 1);
    assert_false(hist_sum_add(&s, &exponential, 1, &remarks));
    arena_free(a);
}

TEST(hist_fold_compensates_and_does_not_overflow)
{
    struct arena *a = arena_new(ARENA_BYTES);
    struct hist_spare spare = {{0}, {0}};
    struct hist h = {.schema = 0, .count = 1};
    static const f64 sums[] = {1, 1e100, 1, -1e100};
    struct hist_fold f;
    h.sum = sums[0];
    hist_fold_start(&f, a, &spare, false, &h);
    for (u32 i = 1; i < ARRAY_LEN(sums); i++) {
        h.sum = sums[i];
        assert_true(hist_fold_add(&f, &h));
    }
    assert_true(hist_fold_take(&f, a)->sum == 2);
    h = (struct hist){.schema = 0, .count = 1.7e308, .sum = 4};
    hist_fold_start(&f, a, &spare, true, &h);
    assert_true(hist_fold_add(&f, &h));
    assert_true(f.is_incremental);
    struct hist *mean = hist_fold_take(&f, a);
    assert_true(fabs(mean->count / 1.7e308 - 1) < 1e-15);
    assert_true(mean->sum == 4);
    arena_free(a);
}

TEST(hist_fold_tells_of_resets_that_collide)
{
    struct arena *a = arena_new(ARENA_BYTES);
    struct hist_spare spare = {{0}, {0}};
    struct hist h = {.schema = 0, .reset = HIST_RESET_GAUGE};
    struct hist_fold f;
    hist_fold_start(&f, a, &spare, false, &h);
    h.reset = HIST_RESET_YES;
    assert_true(hist_fold_add(&f, &h));
    assert_false(f.has_reset && f.has_no_reset);
    h.reset = HIST_RESET_NO;
    assert_true(hist_fold_add(&f, &h));
    assert_true(f.has_reset && f.has_no_reset);
    assert_int_equal(hist_fold_take(&f, a)->reset, HIST_RESET_GAUGE);
    arena_free(a);
}

TEST(hist_resets_are_seen_in_single_buckets)
{
    static const f64 before[] = {1, 2, 1};
    static const f64 later[] = {1, 2, 2};
    static const f64 moved[] = {1, 1, 3};
    struct arena *a = arena_new(ARENA_BYTES);
    struct hist x = make(a, 1, 0, before, 3);
    struct hist y = make(a, 1, 0, later, 3);
    struct hist z = make(a, 1, 0, moved, 3);
    assert_false(hist_is_reset(&x, &y));
    assert_true(hist_is_reset(&y, &x));
    assert_true(hist_is_reset(&x, &z));
    z.reset = HIST_RESET_NO;
    assert_false(hist_is_reset(&x, &z));
    y.reset = HIST_RESET_YES;
    assert_true(hist_is_reset(&x, &y));
    // A lower resolution is no reset, a higher one is.
    static const f64 coarse[] = {1, 3};
    struct hist low = make(a, 0, 0, coarse, 2);
    low.zero_count = 0;
    assert_false(hist_is_reset(&x, &low));
    assert_true(hist_is_reset(&low, &x));
    // A bucket that vanished.
    struct hist less = make(a, 1, 0, later, 2);
    less.count = 9;
    assert_true(hist_is_reset(&x, &less));
    // A zero bucket that swallowed buckets must hold what they held.
    struct hist wide = make(a, 1, 1, later + 1, 2);
    wide.zero_threshold = 1;
    wide.zero_count = 1;
    wide.count = 5;
    assert_false(hist_is_reset(&x, &wide));
    wide.zero_count = 0.5;
    assert_true(hist_is_reset(&x, &wide));
    arena_free(a);
}

static u64 chance_below(u64 *state, u64 below)
{
    *state = hash_mix(*state, 1);
    return *state % below;
}

// Equal spans are compared bucket by bucket, others by a walk: how buckets are cut into spans must
// not matter.
TEST(hist_resets_do_not_hang_on_how_buckets_are_cut_into_spans)
{
    enum { BUCKETS = 6, ROUNDS = 2000 };
    static const struct hist_span cut[] = {{-3, 2}, {0, BUCKETS - 2}};
    f64 before[BUCKETS];
    f64 now[BUCKETS];
    u32 resets = 0;
    u64 chance = 7;
    for (u32 round = 0; round < ROUNDS; round++) {
        struct arena *a = arena_new(ARENA_BYTES);
        for (u32 i = 0; i < BUCKETS; i++) {
            before[i] = (f64)chance_below(&chance, 4);
            now[i] =
                before[i] + (f64)chance_below(&chance, 9) - (f64)(chance_below(&chance, 20) == 0);
        }
        struct hist x = make(a, 1, -3, before, BUCKETS);
        struct hist y = make(a, 1, -3, now, BUCKETS);
        struct hist z = y;
        z.positive.spans = cut;
        z.positive.span_count = ARRAY_LEN(cut);
        if (chance_below(&chance, 3) == 0) { // Leaves the lowest buckets out of the comparison.
            y.zero_threshold = z.zero_threshold = 0.5;
            y.zero_count = z.zero_count = (f64)chance_below(&chance, 9);
            x.zero_threshold = chance_below(&chance, 2) == 0 ? 0.5 : 0;
        }
        assert_int_equal(hist_is_reset(&x, &y), hist_is_reset(&x, &z));
        resets += hist_is_reset(&x, &y);
        arena_free(a);
    }
    assert_true(resets > ROUNDS / 20 && resets < ROUNDS - ROUNDS / 20);
}

TEST(hist_resets_compare_custom_buckets_up_to_common_bounds)
{
    static const f64 x_bounds[] = {2, 4, 6};
    static const f64 y_bounds[] = {2, 3, 4, 6};
    static const f64 x_counts[] = {1, 2, 5, 7};
    static const f64 y_counts[] = {1, 1, 1, 5, 8};
    static const f64 y_less[] = {1, 0, 1, 5, 8};
    struct arena *a = arena_new(ARENA_BYTES);
    struct hist x = make(a, HIST_SCHEMA_CUSTOM, 0, x_counts, 4);
    struct hist y = make(a, HIST_SCHEMA_CUSTOM, 0, y_counts, 5);
    struct hist z = make(a, HIST_SCHEMA_CUSTOM, 0, y_less, 5);
    x.custom_bounds = x_bounds;
    x.custom_bound_count = 3;
    y.custom_bounds = z.custom_bounds = y_bounds;
    y.custom_bound_count = z.custom_bound_count = 4;
    z.count = x.count;
    assert_false(hist_is_reset(&x, &y));
    assert_true(hist_is_reset(&x, &z));
    arena_free(a);
}

TEST(hist_same_looks_through_spans_and_hints)
{
    static const struct hist_span one[] = {{1, 3}};
    static const struct hist_span cut[] = {{0, 0}, {1, 2}, {0, 1}};
    static const f64 counts[] = {1, 2, 3};
    struct hist x = {.schema = 0, .positive = {one, 1, counts, 3}};
    struct hist y = {.schema = 0, .reset = HIST_RESET_GAUGE, .positive = {cut, 3, counts, 3}};
    assert_true(hist_same(&x, &y));
    y.sum = -0.0;
    assert_false(hist_same(&x, &y));
}

TEST(hist_quantiles_interpolate_by_the_kind_of_bucket)
{
    static const f64 counts[] = {1, 2, 1};
    static const f64 bounds[] = {5, 10};
    struct arena *a = arena_new(ARENA_BYTES);
    enum hist_nan_effect effect;
    struct hist x = make(a, 0, 0, counts, 3);
    assert_true(hist_quantile(0.5, &x, &effect) == 1.414213562373095 ||
                fabs(hist_quantile(0.5, &x, &effect) - sqrt(2)) < 1e-15);
    assert_true(fabs(hist_fraction(0, sqrt(2), &x) - 0.5) < 1e-15);
    assert_true(isinf(hist_quantile(1.5, &x, &effect)));
    x.sum = NAN;
    x.count = 8;
    assert_true(isnan(hist_quantile(0.9, &x, &effect)));
    assert_int_equal(effect, HIST_NAN_RESULT);
    assert_true(hist_quantile(0.125, &x, &effect) == 1);
    assert_int_equal(effect, HIST_NAN_SKEW);
    assert_true(hist_fraction(-INFINITY, INFINITY, &x) == 0.5);
    struct hist custom = make(a, HIST_SCHEMA_CUSTOM, 0, counts, 3);
    custom.custom_bounds = bounds;
    custom.custom_bound_count = 2;
    assert_true(hist_quantile(0.5, &custom, &effect) == 7.5);
    assert_true(hist_quantile(0.99, &custom, &effect) == 10);
    assert_true(hist_fraction(5, 10, &custom) == 0.5);
    arena_free(a);
}

TEST(hist_trim_keeps_the_share_of_a_bucket_that_is_cut)
{
    static const f64 counts[] = {1, 6, 4, 3, 1};
    static const f64 bounds[] = {5, 10, 15, 20};
    struct arena *a = arena_new(ARENA_BYTES);
    struct hist h = make(a, HIST_SCHEMA_CUSTOM, 0, counts, 5);
    h.custom_bounds = bounds;
    h.custom_bound_count = 4;
    expect_text(hist_trim(&h, 13, false, a),
                "{count:9.4, sum:75.1, [-Inf,5]:1, (5,10]:6, (10,15]:2.4}");
    expect_text(hist_trim(&h, 15, true, a), "{count:4, sum:72.5, (15,20]:3, (20,+Inf]:1}");
    assert_ptr_equal(hist_trim(&h, 0, true, a), &h);
    arena_free(a);
}
