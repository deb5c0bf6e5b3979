// head_values_test.c: the order of a name's values, through everything that changes it.
#include "base/str.h"
#include "base/test.h"
#include "tsdb/head.h"
#include "tsdb/head_values.h"

#include <stdio.h>

static u32 series_make(struct head *h, const char *value)
{
    const struct label items[] = {{STR("l"), str_c(value)}};
    const struct labels set = {.items = items, .count = 1};
    const struct head_asker asker = {.tenant = TENANT_DEFAULT};
    struct series_ref ref;
    u8 outcome = APPEND_INVALID;
    head_resolve(h, &asker, &set, 1, &ref, &outcome);
    assert_int_equal(outcome, APPEND_STORED);
    return ref.ordinal;
}

// Of "a b c", the values there are now, in order; the order is kept from then on.
static void assert_values(struct head *h, const char *wanted)
{
    for (u32 round = 0; round < 2; round++) {
        struct head_values v;
        char said[256] = "";
        size_t n = 0;
        head_values_get(h, STR("l"), &v);
        for (u32 i = 0; i < v.count; i++) {
            const str text = head_values_text(h, &v, i);
            n += (size_t)snprintf(said + n, sizeof(said) - n, "%s%.*s", i > 0 ? " " : "",
                                  STR_ARG(text));
            const u32 pair = head_index_pair(&h->index, STR("l"), text);
            assert_true(v.handles[i] == head_index_handle(&h->index, pair));
        }
        assert_string_equal(said, wanted);
        assert_int_equal(h->index.ordered, v.count);
        head_values_fini(&v);
    }
}

TEST(head_values_stay_in_order_while_values_come_and_leave)
{
    struct head_limits limits = {.series_max = 1000};
    struct head *h = head_new(0, 7200000, &limits, (u64)1 << 20);
    struct head_values none;
    head_values_get(h, STR("l"), &none);
    assert_int_equal(none.count, 0);
    head_values_fini(&none);
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
    u32 *order = MEM_NEW_N(u32, 3);
    assert_false(head_index_order_keep(&h->index, name, before, order));
    assert_int_equal(h->index.ordered, 0);
    mem_free(order);
    assert_values(h, "a b c");
    head_free(h);
}
