// head_source_test.c: what a reader's handle of a pair is worth after the pair has left.
#include "base/str.h"
#include "base/test.h"
#include "tsdb/head.h"
#include "tsdb/head_fixture.h"
#include "tsdb/head_source.h"
#include "tsdb/postings.h"

static u32 series_make(struct head *h, const char *value)
{
    const struct label items[] = {{STR("l"), str_c(value)}};
    const struct labels set = {.items = items, .count = 1};
    return fixture_series(h, set).ordinal;
}

// All series leave: young ones with the second collection.
static void all_leave(struct head *h)
{
    h->pending_count = 0; // As if the log knew them.
    assert_int_equal(head_collect(h, INT64_MAX, 1), 0);
    assert_int_equal(head_collect(h, INT64_MAX, 1), 1);
}

// Threads: owned by the test.
struct seen {
    u64 handle;
    u32 n;
};

static bool on_value(void *ctx, UNUSED str value, u64 handle)
{
    struct seen *s = ctx;
    s->handle = handle;
    s->n++;
    return true;
}

// Every way to look at a handle's postings says that there are none.
static void assert_empty(struct index_source *s, u64 handle, u32 ordinal)
{
    struct postings *all = postings_new();
    postings_add(all, ordinal);
    bool yes = true;
    assert_true(s->ops->touches(s, handle, all, &yes, NULL));
    assert_false(yes);
    assert_int_equal(s->ops->weight(s, handle), 0);
    struct postings *into = postings_new();
    assert_true(s->ops->gather(s, &handle, 1, into, NULL));
    assert_int_equal(postings_count(into), 0);
    assert_true(s->ops->narrow(s, handle, all, NULL));
    assert_int_equal(postings_count(all), 0);
    for (u32 i = 0; i < 3; i++) {
        postings_add(all, ordinal + i);
    }
    assert_true(s->ops->narrow(s, handle, all, NULL)); // One or many: sets are not kept alike.
    assert_int_equal(postings_count(all), 0);
    postings_free(into);
    postings_free(all);
}

TEST(head_source_tells_an_old_handle_from_the_pair_that_took_its_place)
{
    struct head_limits limits = {.series_max = 1000};
    struct head *h = head_new(0, 7200000, &limits, (u64)1 << 20);
    struct head_source source;
    head_source_init(&source, h);
    struct index_source *s = &source.source;
    u64 old = 0;
    u64 now = 0;
    u64 hidden = 0;
    char bytes[16];
    const str tenant = index_tenant(TENANT_DEFAULT, bytes);
    struct seen seen = {0};
    (void)series_make(h, "one");
    assert_true(s->ops->pair(s, STR("l"), STR("one"), &old));
    assert_true(s->ops->values(s, STR("l"), STR_EMPTY, on_value, &seen, NULL));
    assert_int_equal(seen.n, 1);
    assert_true(seen.handle == old);
    assert_int_equal(s->ops->weight(s, old), 1);
    assert_true(s->ops->pair(s, STR_EMPTY, tenant, &hidden));
    all_leave(h);
    assert_false(s->ops->pair(s, STR("l"), STR("one"), &now));
    assert_empty(s, old, 0);
    assert_empty(s, hidden, 0);
    u32 ordinal = series_make(h, "two");
    assert_true(s->ops->pair(s, STR("l"), STR("two"), &now));
    // Both places were taken again, or this test looks at nothing.
    assert_true((u32)now == (u32)old || (u32)now == (u32)hidden);
    assert_int_equal(h->index.pair_count, 2);
    assert_int_equal(s->ops->weight(s, now), 1);
    assert_empty(s, old, ordinal);
    assert_empty(s, hidden, ordinal);
    head_free(h);
}

// A pair that all series have narrows nothing; one that all but one have does.
TEST(head_source_narrows_by_a_pair_that_not_all_series_have)
{
    struct head_limits limits = {.series_max = 1000};
    struct head *h = head_new(0, 7200000, &limits, (u64)1 << 20);
    struct head_source source;
    head_source_init(&source, h);
    struct index_source *s = &source.source;
    char bytes[16];
    u64 tenant = 0;
    u64 one = 0;
    const u32 first = series_make(h, "one");
    assert_true(s->ops->pair(s, STR_EMPTY, index_tenant(TENANT_DEFAULT, bytes), &tenant));
    assert_true(s->ops->pair(s, STR("l"), STR("one"), &one));
    for (u32 series = 1; series <= 2; series++) {
        struct postings *set = postings_new();
        assert_true(s->ops->gather(s, &tenant, 1, set, NULL));
        assert_int_equal(postings_count(set), series);
        assert_true(s->ops->narrow(s, tenant, set, NULL));
        assert_int_equal(postings_count(set), series);
        assert_true(s->ops->narrow(s, one, set, NULL));
        assert_int_equal(postings_count(set), 1);
        assert_true(postings_has(set, first));
        postings_free(set);
        if (series == 1) {
            (void)series_make(h, "two");
        }
    }
    head_free(h);
}
