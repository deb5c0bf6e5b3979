// scrape_cache_test.c: what is expected of a page behind a good and a failed one.
#include "base/str.h"
#include "base/test.h"
#include "scrape/scrape_cache.h"

// Two # lines and a series.
static void page_take(struct scrape_cache *c)
{
    const struct expo_piece run = {.text = STR("# HELP a A.\n# TYPE a gauge\n"), .lines = 2};
    scrape_cache_begin(c);
    scrape_cache_lines(c, &run);
    struct cache_entry *e = scrape_cache_get(c, STR("a"));
    e = e ? e : scrape_cache_add(c, STR("a"));
    e->dropped = true; // By relabelling: no reference is needed.
    scrape_cache_read(c, e, false);
}

TEST(scrape_cache_expects_nothing_of_a_target_that_failed)
{
    struct scrape_cache c;
    struct expo_piece pieces[CACHE_AHEAD];
    scrape_cache_init(&c);
    page_take(&c);
    scrape_cache_seen(&c);
    scrape_cache_sweep(&c, true);
    c.lines_trusted = true;
    scrape_cache_begin(&c);
    assert_int_equal(scrape_cache_expect(&c, pieces), 2);
    assert_int_equal(pieces[0].lines, 2);
    ASSERT_STR_EQ(pieces[1].text, STR("a"));
    for (u32 i = 0; i < 3; i++) { // Pages that fail leave nothing behind.
        page_take(&c);
        scrape_cache_sweep(&c, false);
        assert_int_equal(c.order_count, 0);
        assert_int_equal(c.lines_count, 0);
        assert_int_equal(c.line_texts.len, 0);
    }
    scrape_cache_begin(&c);
    assert_int_equal(scrape_cache_expect(&c, pieces), 0);
    assert_non_null(scrape_cache_get(&c, STR("a"))); // But the series is known.
    scrape_cache_fini(&c);
}
