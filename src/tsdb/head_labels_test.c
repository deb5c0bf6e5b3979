// head_labels_test.c: that a series has the labels it was made with, whatever its target shares.
#include "base/str.h"
#include "base/test.h"
#include "tsdb/head.h"

#include <stdio.h>

static u32 series_make(struct head *h, const char *name, const char *zone)
{
    const struct head_asker asker = {.tenant = TENANT_DEFAULT};
    const struct label items[] = {{LABEL_NAME, str_c(name)},
                                  {LABEL_INSTANCE, STR("a:1")},
                                  {LABEL_JOB, STR("j")},
                                  {STR("zone"), str_c(zone)}};
    const struct labels set = {.items = items, .count = ARRAY_LEN(items)};
    struct series_ref ref;
    u8 outcome = APPEND_INVALID;
    head_resolve(h, &asker, &set, 1, &ref, &outcome);
    assert_int_equal(outcome, APPEND_STORED);
    return ref.ordinal;
}

static void assert_series(const struct head *h, u32 ordinal, const char *name, const char *zone)
{
    struct label items[8];
    struct labels set = head_labels(h, ordinal, items);
    assert_int_equal(set.count, 4);
    assert_true(str_eq(labels_get(set, LABEL_NAME), str_c(name)));
    assert_true(str_eq(labels_get(set, LABEL_INSTANCE), STR("a:1")));
    assert_true(str_eq(labels_get(set, LABEL_JOB), STR("j")));
    assert_true(str_eq(labels_get(set, STR("zone")), str_c(zone)));
}

TEST(head_labels_of_a_target_that_came_back_are_its_new_ones)
{
    struct head_limits limits = {.series_max = 1000};
    struct head *h = head_new(0, 7200000, &limits, (u64)1 << 20);
    for (u32 i = 0; i < 3; i++) { // The second and the third are matched with what the first said.
        const char *names[] = {"one", "two", "three"};
        assert_series(h, series_make(h, names[i], "north"), names[i], "north");
    }
    const u32 target = h->target[0];
    assert_int_equal(h->target[2], target);
    h->pending_count = 0; // As if the log knew them.
    assert_int_equal(head_collect(h, INT64_MAX, 1), 0);
    assert_int_equal(head_collect(h, INT64_MAX, 1), 3);
    u32 first = series_make(h, "one", "south");
    // Its place was taken again, or this test looks at nothing.
    assert_int_equal(h->target[first], target);
    u32 third = series_make(h, "three", "north");
    u32 second = series_make(h, "two", "south");
    u32 fourth = series_make(h, "four", "south");
    assert_series(h, first, "one", "south");
    assert_series(h, second, "two", "south");
    assert_series(h, third, "three", "north");
    assert_series(h, fourth, "four", "south");
    head_free(h);
}

static void assert_sets_seen(struct head *h)
{
    const u64 bytes = head_bytes(h);
    assert_true(h->index.sets_bytes == head_index_bytes_sets(&h->index, 0, h->index.pair_count));
    assert_true(head_bytes(h) == bytes);
}

TEST(head_bytes_follow_births_and_removals)
{
    enum { SERIES = HEAD_SLICE * 2 + 1 };
    struct head_limits limits = {.series_max = SERIES};
    struct head *h = head_new(0, 7200000, &limits, (u64)1 << 20);
    char name[16];
    assert_sets_seen(h);
    const u64 empty = h->index.sets_bytes;
    for (u32 i = 0; i < SERIES; i++) {
        (void)snprintf(name, sizeof(name), "n%u", i);
        (void)series_make(h, name, "north");
        if (i == 0 || i == HEAD_SLICE) {
            assert_sets_seen(h);
        }
    }
    assert_sets_seen(h);
    assert_true(h->index.sets_bytes > empty + (u64)SERIES * 8);
    h->pending_count = 0; // As if the log knew them.
    assert_int_equal(head_collect(h, INT64_MAX, 1), 0);
    assert_int_equal(head_collect(h, INT64_MAX, 1), SERIES);
    assert_sets_seen(h);
    assert_true(h->index.sets_bytes == empty);
    head_free(h);
}
