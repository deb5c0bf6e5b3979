// head_values_test.c: the order of a name's values, through everything that changes it.
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "tsdb/head.h"
#include "tsdb/head_fixture.h"
#include "tsdb/head_newest.h"
#include "tsdb/head_series.h"
#include "tsdb/head_values.h"
#include "tsdb/postings.h"
#include "tsdb/tombstone.h"

#include <stdio.h>

static bool always(UNUSED void *ctx)
{
    return true;
}

static bool some(void *ctx)
{
    u32 *left = ctx;
    *left -= *left > 0;
    return *left > 0;
}

static struct head_order *values_get(struct head *h)
{
    return head_values_get(h, STR("l"), &(struct head_values_pace){always, NULL});
}

static u32 series_make(struct head *h, const char *value)
{
    const struct label items[] = {{STR("l"), str_c(value)}};
    return fixture_series(h, (struct labels){.items = items, .count = ARRAY_LEN(items)}).ordinal;
}

static u32 series_make_two(struct head *h, const char *value, const char *other)
{
    const struct label items[] = {{STR("l"), str_c(value)}, {STR("n"), str_c(other)}};
    return fixture_series(h, (struct labels){.items = items, .count = ARRAY_LEN(items)}).ordinal;
}

// Of "a b c", the values there are now, in order; the order is kept from then on.
static void assert_values(struct head *h, const char *wanted)
{
    for (u32 round = 0; round < 2; round++) {
        struct head_order *o = values_get(h);
        char said[256] = "";
        size_t n = 0;
        for (u32 i = 0; i < o->count; i++) {
            str text;
            symtab_texts(h->index.symbols, &o->items[i].place, 1, &text);
            n += (size_t)snprintf(said + n, sizeof(said) - n, "%s%.*s", i > 0 ? " " : "",
                                  STR_ARG(text));
            const u32 pair = head_index_pair(&h->index, STR("l"), text);
            u32 first = 0;
            assert_true(o->items[i].handle == head_index_handle(&h->index, pair));
            assert_true(postings_next(h->index.pairs[pair].set, 0, &first));
            assert_int_equal(o->items[i].first, first);
            assert_int_equal(o->items[i].generation, h->rows[first].generation);
        }
        assert_string_equal(said, wanted);
        assert_int_equal(h->index.ordered, o->count);
        head_order_unref(o);
    }
}

TEST(head_values_stay_in_order_while_values_come_and_leave)
{
    struct head_limits limits = {.series_max = 1000};
    struct head *h = head_new(0, 7200000, &limits, (u64)1 << 20);
    struct head_order *none = values_get(h);
    assert_int_equal(none->count, 0);
    head_order_unref(none);
    (void)series_make(h, "m");
    (void)series_make(h, "c");
    assert_values(h, "c m");
    (void)series_make(h, "c"); // One that is there.
    assert_int_equal(h->index.ordered, 2);
    (void)series_make(h, "d");
    assert_int_equal(h->index.ordered, 0);
    assert_values(h, "c d m");
    (void)series_make(h, "zz");
    (void)series_make(h, "a");
    assert_values(h, "a c d m zz");
    h->pending_count = 0; // As if the log knew them.
    assert_int_equal(head_collect(h, INT64_MAX, 1), 0);
    assert_int_equal(head_collect(h, INT64_MAX, 1), 5); // Young ones leave with the second.
    assert_int_equal(h->index.ordered, 0);
    assert_values(h, "");
    (void)series_make(h, "b");
    assert_values(h, "b");
    head_free(h);
}

// Says no at one look, and yes at all others: who does not listen goes on.
static bool but_once(void *ctx)
{
    u32 *left = ctx;
    --*left;
    return *left != 0;
}

static bool counted(void *ctx)
{
    ++*(u32 *)ctx;
    return true;
}

// As many values as are sorted by slices that are merged more than once.
static struct head *head_of_many(u32 values)
{
    struct head_limits limits = {.series_max = values};
    struct head *h = head_new(0, 7200000, &limits, (u64)1 << 24);
    for (u32 i = 0; i < values; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%08x", i * 2654435761U);
        (void)series_make(h, text);
    }
    return h;
}

TEST(head_values_look_at_the_clock_while_they_sort)
{
    // Five slices; merged by twos, by fours, and all.
    enum { VALUES = 20000, FIRSTS = (VALUES + 63) / 64, SORTS = 4, MERGES = 3 * 5 };
    struct head *h = head_of_many(VALUES);
    u32 asked = 0;
    for (u32 looks = 2; looks <= SORTS + MERGES;
         looks++) { // While they sort, and while they merge.
        u32 left = looks;
        struct head_order *stopped =
            head_values_get(h, STR("l"), &(struct head_values_pace){but_once, &left});
        assert_int_equal(left, 0); // And nobody asked again.
        assert_int_equal(stopped->count, VALUES);
        assert_int_equal(h->index.ordered, 0); // Not kept.
        head_order_unref(stopped);
    }
    struct head_order *o =
        head_values_get(h, STR("l"), &(struct head_values_pace){counted, &asked});
    assert_int_equal(h->index.ordered, VALUES);
    assert_int_equal(asked, FIRSTS + SORTS + MERGES);
    str last = STR_EMPTY;
    for (u32 i = 0; i < o->count; i++) {
        str text;
        symtab_texts(h->index.symbols, &o->items[i].place, 1, &text);
        assert_true(str_cmp(last, text) < 0);
        last = text;
    }
    head_order_unref(o);
    head_free(h);
}

TEST(head_values_take_no_order_that_a_change_has_overtaken)
{
    struct head_limits limits = {.series_max = 1000};
    struct head *h = head_new(0, 7200000, &limits, (u64)1 << 20);
    (void)series_make(h, "b");
    (void)series_make(h, "a");
    const struct head_name *n = head_index_name(&h->index, STR("l"));
    const u32 name = (u32)(n - h->index.names);
    const u32 before = n->changes;
    (void)series_make(h, "c");
    struct head_order *order = head_order_new(2);
    assert_false(head_index_order_keep(&h->index, name, before, order));
    assert_int_equal(h->index.ordered, 0);
    head_order_unref(order);
    assert_values(h, "a b c");
    head_free(h);
}

// With the turn.
static void sample_put(struct head *h, struct head_plan *plan, u32 ordinal, i64 t)
{
    const struct head_rules rules = {
        .tenant = TENANT_DEFAULT, .t_newest = INT64_MAX, .ooo_window_ms = 0};
    const struct series_ref ref = {ordinal, h->rows[ordinal].generation};
    assert_int_equal(head_check(h, plan, &rules, ref, t, 1), APPEND_STORED);
    head_apply(h, plan);
}

// Whether the first value of an order has one of two series with a sample since min_ms.
static bool first_is_sure(struct head *h, struct head_order *o, i64 min_ms)
{
    const struct head_read r = {
        .head = h, .commit = h->pins.commit, .min_ms = min_ms, .max_ms = INT64_MAX};
    struct postings *set = postings_new();
    struct head_values_ask ask = {.reader = &r, .set = set, .unsure = postings_new()};
    bool sure = false;
    postings_add(set, 0);
    postings_add(set, 1);
    head_values_sure(&ask, o, o->items, 1, &sure);
    assert_int_equal(postings_count(ask.unsure), 0);
    postings_free(set);
    postings_free(ask.unsure);
    return sure;
}

TEST(head_values_believe_no_first_series_that_has_left)
{
    enum { RANGE_MS = 7200000, EARLY = 1000, LATE = RANGE_MS + 1000, LAST = RANGE_MS + 2000 };
    struct head_limits limits = {.series_max = 1000};
    struct head *h = head_new(0, RANGE_MS, &limits, (u64)1 << 20);
    struct head_plan plan;
    head_plan_init(&plan, 1024);
    const u32 early = series_make_two(h, "a", "1");
    const u32 late = series_make_two(h, "a", "2");
    head_turn_take(h);
    sample_put(h, &plan, early, EARLY);
    sample_put(h, &plan, late, LATE);
    head_turn_drop(h);
    struct head_order *o = values_get(h);
    assert_int_equal(o->items[0].first, early);
    assert_true(first_is_sure(h, o, EARLY));
    assert_true(first_is_sure(h, o, LATE)); // The second one tells.
    assert_false(first_is_sure(h, o, LAST));
    h->pending_count = 0; // As if the log knew them.
    head_freeze(h, RANGE_MS);
    assert_int_equal(head_collect(h, RANGE_MS, 1), 0);
    assert_int_equal(head_collect(h, RANGE_MS, 1), 1); // Young ones leave with the second.
    assert_true(first_is_sure(h, o, EARLY));
    head_turn_take(h);
    head_release(h, 2);
    head_turn_drop(h);
    assert_int_equal(series_make_two(h, "b", "1"), early); // Has its ordinal.
    head_turn_take(h);
    sample_put(h, &plan, early, LAST);
    head_turn_drop(h);
    assert_true(first_is_sure(h, o, LATE));
    assert_false(first_is_sure(h, o, LAST)); // That is none of a's.
    head_order_unref(o);
    o = values_get(h);
    assert_int_equal(o->count, 2);
    assert_int_equal(o->items[0].first, late);
    assert_int_equal(o->items[1].first, early);
    assert_false(first_is_sure(h, o, LAST));
    head_order_unref(o);
    head_plan_fini(&plan);
    head_free(h);
}

// With the turn.
static void series_forget(struct head *h, u32 ordinal)
{
    lock_take(&h->lock);
    h->pending_count = 0; // As if the log knew them.
    head_series_forget(h, ordinal, 1);
    lock_drop(&h->lock);
}

TEST(head_values_look_for_first_series_again_when_it_was_missed_often)
{
    enum { RANGE_MS = 7200000, LAST = 1000, LOST = 65 };
    struct head_limits limits = {.series_max = 1000};
    struct head *h = head_new(0, RANGE_MS, &limits, (u64)1 << 20);
    struct head_plan plan;
    head_plan_init(&plan, 1024);
    const u32 gone = series_make_two(h, "a", "1");
    const u32 stays = series_make_two(h, "a", "2");
    (void)series_make_two(h, "b", "1");
    head_turn_take(h);
    sample_put(h, &plan, stays, LAST);
    head_turn_drop(h);
    struct head_order *before = values_get(h);
    assert_int_equal(before->items[0].first, gone);
    head_turn_take(h);
    series_forget(h, gone);
    head_turn_drop(h);
    for (u32 i = 0; i < LOST; i++) { // One that has left is no reason to look at all values.
        struct head_order *again = values_get(h);
        assert_true(again == before);
        head_order_unref(again);
        assert_true(first_is_sure(h, before, LAST)); // The other one tells.
    }
    struct head_order *after = values_get(h);
    struct head_order *again = values_get(h);
    assert_true(after != before && again == after);
    assert_int_equal(before->items[0].first, gone); // Who has it sees no change.
    assert_int_equal(after->items[0].first, stays);
    assert_int_equal(after->missed, 0);
    assert_true(first_is_sure(h, after, LAST));
    assert_int_equal(after->missed, 0);
    assert_int_equal(h->index.ordered, 2);
    head_order_unref(before);
    head_order_unref(after);
    head_order_unref(again);
    head_plan_fini(&plan);
    head_free(h);
}

// Looking for the first series of many values may take longer than a question has time.
TEST(head_values_end_the_search_for_first_series_when_time_is_up)
{
    enum { VALUES = 200, LAST = 1000 };
    struct head_limits limits = {.series_max = 1000};
    struct head *h = head_new(0, 7200000, &limits, (u64)1 << 20);
    struct head_plan plan;
    head_plan_init(&plan, 1024);
    for (u32 i = 0; i < VALUES; i++) {
        char value[16];
        (void)snprintf(value, sizeof(value), "%03u", i);
        const u32 ordinal = series_make(h, value);
        head_turn_take(h);
        sample_put(h, &plan, ordinal, LAST);
        head_turn_drop(h);
    }
    for (u32 slices = 1; slices <= 4; slices++) {
        u32 left = slices;
        struct head_order *o =
            head_values_get(h, STR("l"), &(struct head_values_pace){some, &left});
        assert_int_equal(left, 0);
        assert_int_equal(h->index.ordered, 0); // It is not kept.
        assert_int_equal(o->count, VALUES);
        assert_true((o->items[0].generation != 0) == (slices > 1));
        assert_int_equal(o->items[VALUES - 1].generation, 0);
        assert_true(first_is_sure(h, o, LAST)); // But nothing wrong is said of it.
        head_order_unref(o);
    }
    u32 left = 5; // Of 64 values each, and one to be left.
    struct head_order *o = head_values_get(h, STR("l"), &(struct head_values_pace){some, &left});
    assert_int_equal(h->index.ordered, VALUES);
    assert_true(o->items[VALUES - 1].generation != 0);
    head_order_unref(o);
    head_plan_fini(&plan);
    head_free(h);
}

// What a reader of this commit learns of the first value, which has series 0 and 1.
static enum newest_state first_state(struct head *h, struct head_order *o, u64 commit, i64 min_ms,
                                     const struct tombstones *dead)
{
    const struct head_read r = {.head = h, .commit = commit, .min_ms = min_ms, .max_ms = INT64_MAX};
    struct postings *set = postings_new();
    struct head_values_ask ask = {.reader = &r, .dead = dead, .set = set, .unsure = postings_new()};
    bool sure = false;
    postings_add(set, 0);
    postings_add(set, 1);
    head_values_sure(&ask, o, o->items, 1, &sure);
    const bool unsure = postings_count(ask.unsure) > 0;
    postings_free(set);
    postings_free(ask.unsure);
    return sure ? NEWEST_KNOWN : unsure ? NEWEST_READ : NEWEST_NONE;
}

// What was seen of a first series tells alone, but not who reads as of before, not behind it, and
// not where something is deleted.
TEST(head_values_believe_what_was_seen_of_a_first_series_where_it_is_sure)
{
    enum { EARLY = 1000, LATE = 2000, MISSED = 512 + 1 };
    struct head_limits limits = {.series_max = 1000};
    struct head *h = head_new(0, 7200000, &limits, (u64)1 << 20);
    struct head_plan plan;
    struct error e = {0};
    struct tombstone_list deleted = {0};
    head_plan_init(&plan, 1024);
    (void)series_make(h, "a");
    head_turn_take(h);
    sample_put(h, &plan, 0, EARLY);
    head_turn_drop(h);
    lock_take(&h->lock);
    const u64 before = pins_open(&h->pins);
    lock_drop(&h->lock);
    struct head_order *o = values_get(h);
    assert_int_equal(o->items[0].seen_ms, EARLY);
    assert_int_equal(first_state(h, o, before, EARLY, NULL), NEWEST_KNOWN);
    assert_int_equal(first_state(h, o, before, EARLY + 1, NULL), NEWEST_NONE);
    assert_int_equal(o->missed, 0);
    head_turn_take(h);
    sample_put(h, &plan, 0, LATE);
    head_turn_drop(h);
    const u64 now = h->pins.commit;
    assert_true(now > before);
    assert_int_equal(first_state(h, o, before, EARLY, NULL), NEWEST_KNOWN); // Still as seen.
    for (u32 i = 0; i < MISSED; i++) { // The row has one in the range, what was seen is not.
        struct head_order *again = values_get(h);
        assert_true(again == o);
        head_order_unref(again);
        assert_int_equal(first_state(h, o, now, LATE, NULL), NEWEST_KNOWN);
    }
    struct head_order *after = values_get(h);
    assert_true(after != o);
    assert_int_equal(after->items[0].seen_ms, LATE);
    assert_int_equal(first_state(h, after, now, LATE, NULL), NEWEST_KNOWN);
    assert_int_equal(after->missed, 0);
    assert_int_not_equal(first_state(h, after, before, LATE, NULL), NEWEST_KNOWN);
    ASSERT_OK(tombstone_add(&deleted, (struct tombstone){.id = 1, .max_ms = INT64_MAX}, &e), e);
    struct tombstones *dead = tombstones_make(&deleted);
    assert_int_not_equal(first_state(h, after, now, LATE, dead), NEWEST_KNOWN);
    tombstones_unref(dead);
    tombstone_list_fini(&deleted);
    lock_take(&h->lock);
    pins_close(&h->pins);
    lock_drop(&h->lock);
    head_order_unref(o);
    head_order_unref(after);
    head_plan_fini(&plan);
    head_free(h);
}

// What an apply of many samples does in one slice of the lock, before its commit ends.
static void slice_put(struct head *h, u32 ordinal, i64 t)
{
    lock_take(&h->lock);
    (void)pins_open(&h->pins);
    pins_note(&h->pins, ordinal, t, &h->note[ordinal]);
    h->rows[ordinal].staged = 0;
    h->rows[ordinal].t_last = t;
    lock_drop(&h->lock);
}

static void slices_end(struct head *h)
{
    lock_take(&h->lock);
    h->pins.commit++;
    pins_close(&h->pins);
    lock_drop(&h->lock);
}

TEST(head_values_show_nobody_a_sample_of_a_commit_that_goes_on)
{
    enum { EARLY = 1000, LATE = 2000 };
    struct head_limits limits = {.series_max = 1000};
    struct head *h = head_new(0, 7200000, &limits, (u64)1 << 20);
    struct head_plan plan;
    head_plan_init(&plan, 1024);
    (void)series_make(h, "a");
    head_turn_take(h);
    sample_put(h, &plan, 0, EARLY);
    head_turn_drop(h);
    lock_take(&h->lock);
    const u64 before = pins_open(&h->pins);
    lock_drop(&h->lock);
    slice_put(h, 0, LATE);
    assert_true(h->pins.commit == before);
    struct head_order *o = values_get(h);
    assert_int_equal(o->items[0].seen_ms, LATE);
    assert_int_not_equal(first_state(h, o, before, LATE, NULL), NEWEST_KNOWN);
    slices_end(h);
    assert_int_not_equal(first_state(h, o, before, LATE, NULL), NEWEST_KNOWN);
    assert_int_equal(first_state(h, o, h->pins.commit, LATE, NULL), NEWEST_KNOWN);
    assert_int_equal(o->missed, 0); // What was seen tells.
    lock_take(&h->lock);
    pins_close(&h->pins);
    lock_drop(&h->lock);
    head_order_unref(o);
    head_plan_fini(&plan);
    head_free(h);
}
