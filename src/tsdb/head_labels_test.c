// head_labels_test.c: that a series has the labels it was made with, whatever its target shares.
#include "base/str.h"
#include "base/test.h"
#include "tsdb/head.h"
#include "tsdb/head_fixture.h"

#include <stdio.h>

static u32 series_make(struct head *h, const char *name, const char *zone)
{
    const struct label items[] = {{LABEL_NAME, str_c(name)},
                                  {LABEL_INSTANCE, STR("a:1")},
                                  {LABEL_JOB, STR("j")},
                                  {STR("zone"), str_c(zone)}};
    const struct labels set = {.items = items, .count = ARRAY_LEN(items)};
    return fixture_series(h, set).ordinal;
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

TEST(head_labels_guessed_are_compared)
{
    struct head_limits limits = {.series_max = 1000};
    struct head *h = head_new(0, 7200000, &limits, (u64)1 << 20);
    struct head_parts *p = &h->parts;
    const u64 mask = 1; // The first is the target's.
    const struct label texts[][2] = {{{STR_EMPTY, STR("0")}, {LABEL_NAME, STR("a")}},
                                     {{STR_EMPTY, STR("0")}, {LABEL_NAME, STR("b")}},
                                     {{STR_EMPTY, STR("0")}, {LABEL_NAME, STR("c")}}};
    struct label_texts sets[3];
    u32 parts[3];
    for (u32 i = 0; i < 3; i++) {
        sets[i] = (struct label_texts){.items = texts[i], .n = 2};
        assert_int_equal(head_part_find(p, &sets[i], mask), MAP_NONE);
    }
    for (u32 i = 0; i < 2; i++) {
        parts[i] = head_part_get(p, &sets[i], mask, false);
    }
    for (u32 i = 0; i < 6; i++) { // From the third on each is what the guess says.
        assert_int_equal(head_part_find(p, &sets[i % 2], mask), parts[i % 2]);
    }
    assert_int_equal(head_part_find(p, &sets[1], mask), parts[1]); // Not after itself.
    assert_int_equal(head_part_find(p, &sets[0], mask), parts[0]);
    assert_int_equal(head_part_find(p, &sets[1], mask | 2), MAP_NONE);
    assert_int_equal(head_part_find(p, &sets[2], mask), MAP_NONE);
    head_part_unref(p, parts[1]);
    assert_int_equal(head_part_find(p, &sets[1], mask), MAP_NONE);
    parts[2] = head_part_get(p, &sets[2], mask, false);
    assert_int_equal(parts[2], parts[1]); // Its slot, or this test looks at nothing.
    assert_int_equal(head_part_find(p, &sets[1], mask), MAP_NONE);
    assert_int_equal(head_part_find(p, &sets[2], mask), parts[2]);
    head_part_unref(p, parts[0]);
    head_part_unref(p, parts[2]);
    head_free(h);
}
