#include "base/arena.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/test.h"
#include "tsdb/head_read.h"
#include "tsdb/head_sort.h"

#include <stdlib.h>

// Series whose ordinals tell in which order they came.
static struct head_series *series_new(struct arena *a, u32 n, u32 (*key)(u32 i))
{
    struct head_series *series = ARENA_NEW_N(a, struct head_series, (size_t)n + 1);
    for (u32 i = 0; i < n; i++) {
        struct label *l = ARENA_NEW_N(a, struct label, 2);
        l[0] = (struct label){STR("a"), STR("same")};
        l[1] = (struct label){STR("b"), arena_printf(a, "%06u", key(i))};
        series[i] = (struct head_series){.labels = {l, 2}, .ordinal = i};
    }
    return series;
}

static int by_labels(const void *a, const void *b)
{
    const struct head_series *x = a;
    const struct head_series *y = b;
    const int order = labels_cmp(x->labels, y->labels);
    return order != 0 ? order : x->ordinal < y->ordinal ? -1 : x->ordinal > y->ordinal;
}

static u32 rising(u32 i)
{
    return i;
}
static u32 falling(u32 i)
{
    return 100000 - i;
}
static u32 mixed(u32 i)
{
    return (u32)(hash_mix(i, 7) % 100000);
}
static u32 often_equal(u32 i)
{
    return (u32)(hash_mix(i, 9) % 7);
}
// As bounds of buckets come: by number, the last one, which is infinite, first by its text.
static u32 in_twelves(u32 i)
{
    return i % 12 == 11 ? i - 11 : i % 12 == 10 ? i - 7 : i + 1;
}
// As two pages of a target that changed: the second begins among the first.
static u32 in_halves(u32 i)
{
    return i < 500 ? 2 * i : 2 * (i - 500) + 1;
}

TEST(series_are_sorted_as_qsort_sorts_them)
{
    static const u32 counts[] = {0, 1, 2, 3, 15, 16, 17, 31, 33, 63, 65, 100, 1000, 4097};
    static u32 (*const keys[])(u32) = {rising, falling, mixed, often_equal, in_twelves, in_halves};
    for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
        for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
            struct arena *a = arena_new((size_t)16 << 20);
            const u32 n = counts[i];
            struct head_series *got = series_new(a, n, keys[k]);
            struct head_series *wanted = series_new(a, n, keys[k]);
            qsort(wanted, n, sizeof(*wanted), by_labels);
            head_series_sort(got, n);
            for (u32 at = 0; at < n; at++) {
                assert_int_equal(got[at].ordinal, wanted[at].ordinal);
                assert_true(labels_eq(got[at].labels, wanted[at].labels));
            }
            arena_free(a);
        }
    }
}
