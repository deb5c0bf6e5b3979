// http_queue_test.c: who is next, told by hand: no thread, no clock.
#include "base/test.h"
#include "net/http_queue.h"

enum { DASHBOARD, ADHOC, EXPORT };
static const struct http_class classes[] = {
    {"dashboards", 4, 4, 16, 0, 0}, {"adhoc", 2, 3, 12, 0, 0}, {"exports", 1, 2, 4, 0, 0}};
static const struct http_lane lane = {.name = "query",
                                      .threads = 4,
                                      .queue_max = 16,
                                      .classes = classes,
                                      .class_count = 3,
                                      .wait_ms_max = 10000};
static const int stays = 0;

// Items are letters: what they are called.
static const struct http_class *push(struct http_queue *q, char name, u32 class_index, u64 tenant)
{
    static char names[128];
    names[(u8)name % 128] = name;
    const struct http_queued w = {
        .item = &names[(u8)name % 128], .cancelled = &stays, .place = {class_index, tenant}};
    return http_queue_push(q, &w).of;
}

static char pop(struct http_queue *q, struct http_place *place)
{
    const char *name = http_queue_pop(q, place);
    return name != NULL ? *name : '-';
}

// Pops all that may run, ends each at once, and writes their names in one row.
static void drain(struct http_queue *q, char *out, size_t size)
{
    struct http_place place;
    size_t len = 0;
    for (char name; len + 1 < size && (name = pop(q, &place)) != '-';) {
        out[len++] = name;
        http_queue_done(q, place);
    }
    out[len] = '\0';
}

TEST(http_queue_keeps_the_order_of_a_lane_without_classes)
{
    const struct http_lane plain = {.name = "meta", .threads = 1, .queue_max = 2};
    struct http_queue *q = http_queue_new(&plain);
    char row[32];
    assert_null(push(q, 'a', 0, 0));
    assert_null(push(q, 'b', 0, 0));
    assert_null(push(q, 'c', 0, 0));
    assert_non_null(push(q, 'd', 0, 0));
    drain(q, row, sizeof(row));
    assert_string_equal(row, "abc");
    http_queue_free(q);
}

TEST(http_queue_shares_by_weight)
{
    struct http_queue *q = http_queue_new(&lane);
    char row[32];
    for (int i = 0; i < 4; i++) {
        assert_null(push(q, 'e', EXPORT, 1));
    }
    for (int i = 0; i < 4; i++) {
        assert_null(push(q, 'a', ADHOC, 1));
    }
    for (int i = 0; i < 8; i++) {
        assert_null(push(q, 'd', DASHBOARD, 1));
    }
    drain(q, row, sizeof(row));
    // Turns move on by 1/4, 1/2 and 1; of equal ones the first class is next. So "daeddad" comes
    // again and again, 4 to 2 to 1, as long as all three wait.
    assert_string_equal(row, "daeddad"
                             "daeddad"
                             "ee");
    http_queue_free(q);
}

TEST(http_queue_saves_up_no_turns_for_who_was_away)
{
    struct http_queue *q = http_queue_new(&lane);
    char row[64];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 12; i++) {
            assert_null(push(q, 'a', ADHOC, 1));
        }
        drain(q, row, sizeof(row));
    }
    for (int i = 0; i < 6; i++) {
        assert_null(push(q, 'a', ADHOC, 1));
        assert_null(push(q, 'd', DASHBOARD, 1));
    }
    drain(q, row, sizeof(row));
    assert_string_equal(row, "dddaddadaaaa");
    http_queue_free(q);
}

TEST(http_queue_runs_no_more_of_a_class_than_it_may)
{
    struct http_queue *q = http_queue_new(&lane);
    struct http_place place[4];
    for (int i = 0; i < 6; i++) { // Two will run, four may wait.
        assert_null(push(q, 'e', EXPORT, 1));
    }
    assert_string_equal(push(q, 'e', EXPORT, 1)->name, "exports");
    assert_non_null(http_queue_pop(q, &place[0]));
    assert_non_null(http_queue_pop(q, &place[1]));
    assert_null(http_queue_pop(q, &place[2]));
    assert_string_equal(push(q, 'e', EXPORT, 1)->name, "exports");
    assert_null(push(q, 'd', DASHBOARD, 1));
    assert_int_equal(pop(q, &place[2]), 'd');
    assert_int_equal(place[2].class_index, DASHBOARD);
    assert_null(http_queue_pop(q, &place[3]));
    http_queue_done(q, place[0]);
    assert_int_equal(pop(q, &place[0]), 'e');
    for (int i = 0; i < 3; i++) {
        http_queue_done(q, place[i]);
    }
    char row[8];
    drain(q, row, sizeof(row));
    assert_string_equal(row, "eee");
    http_queue_free(q);
}

TEST(http_queue_takes_tenants_in_turn)
{
    struct http_queue *q = http_queue_new(&lane);
    struct http_place place[4];
    char row[8] = "";
    for (int i = 0; i < 6; i++) {
        assert_null(push(q, '1', DASHBOARD, 1));
    }
    assert_null(push(q, '2', DASHBOARD, 2));
    assert_null(push(q, '3', DASHBOARD, 3));
    for (int i = 0; i < 4; i++) {
        row[i] = pop(q, &place[i]);
    }
    assert_string_equal(row, "1231");
    assert_null(push(q, '2', DASHBOARD, 2));
    http_queue_done(q, place[1]); // Now 1 has two, 3 one and 2 none.
    assert_int_equal(pop(q, &place[1]), '2');
    for (int i = 0; i < 4; i++) {
        http_queue_done(q, place[i]);
    }
    drain(q, row, sizeof(row));
    assert_string_equal(row, "1111");
    http_queue_free(q);
}

TEST(http_queue_bounds_what_waits_in_all)
{
    struct http_queue *q = http_queue_new(&lane);
    char row[32];
    for (int i = 0; i < 20; i++) { // Four threads are free, 16 may wait.
        assert_null(push(q, 'd', DASHBOARD, 1));
    }
    assert_string_equal(push(q, 'd', DASHBOARD, 1)->name, "dashboards");
    assert_string_equal(push(q, 'a', ADHOC, 1)->name, "adhoc");
    drain(q, row, sizeof(row));
    assert_int_equal(strlen(row), 20);
    http_queue_free(q);
}

TEST(http_queue_refuses_nobody_for_whom_a_thread_is_free)
{
    const struct http_lane tight = {.name = "meta", .threads = 2, .queue_max = 1};
    struct http_queue *q = http_queue_new(&tight);
    struct http_place place[2];
    assert_null(push(q, 'a', 0, 0)); // Both threads are free, and slow to come for them.
    assert_null(push(q, 'b', 0, 0));
    assert_null(push(q, 'c', 0, 0));
    assert_non_null(push(q, 'd', 0, 0));
    assert_int_equal(pop(q, &place[0]), 'a');
    assert_non_null(push(q, 'd', 0, 0)); // One thread and one to wait: b and c are there.
    assert_int_equal(pop(q, &place[1]), 'b');
    assert_non_null(push(q, 'd', 0, 0));
    http_queue_done(q, place[0]);
    assert_null(push(q, 'd', 0, 0));
    http_queue_done(q, place[1]);
    char row[8];
    drain(q, row, sizeof(row));
    assert_string_equal(row, "cd");
    http_queue_free(q);
}

TEST(http_queue_takes_out_who_waited_too_long_or_left)
{
    struct http_queue *q = http_queue_new(&lane);
    struct http_full of = {.of = NULL};
    char row[8];
    int left = 0;
    assert_null(push(q, 'a', ADHOC, 1));
    char name[] = "e";
    const struct http_queued w = {
        .item = name, .cancelled = &left, .place = {EXPORT, 1}, .since_mono_ns = 5000000000};
    assert_null(http_queue_push(q, &w).of);
    assert_null(http_queue_take(q, 9999999999, &of));
    assert_int_equal(*(const char *)http_queue_take(q, 10000000000, &of), 'a');
    assert_string_equal(of.of->name, "adhoc");
    assert_null(http_queue_take(q, 10000000000, &of));
    left = 1;
    assert_int_equal(*(const char *)http_queue_take(q, 10000000000, &of), 'e');
    assert_string_equal(of.of->name, "exports");
    drain(q, row, sizeof(row));
    assert_string_equal(row, "");
    http_queue_free(q);
}

// Two of one tenant run in a class, one waits.
static const struct http_class bounded[] = {{"dashboards", 4, 4, 16, 2, 1},
                                            {"adhoc", 2, 3, 12, 1, 1}};
static const struct http_lane bounded_lane = {.name = "query",
                                              .threads = 4,
                                              .queue_max = 16,
                                              .classes = bounded,
                                              .class_count = 2,
                                              .wait_ms_max = 10000};

TEST(http_queue_passes_over_a_tenant_who_has_what_is_his)
{
    struct http_queue *q = http_queue_new(&bounded_lane);
    struct http_place place[4];
    for (int i = 0; i < 3; i++) { // Two may run, and one waits.
        assert_null(push(q, '1', DASHBOARD, 1));
    }
    char name[] = "x";
    const struct http_queued one_more = {
        .item = name, .cancelled = &stays, .place = {DASHBOARD, 1}};
    struct http_full full = http_queue_push(q, &one_more);
    assert_true(full.of == &bounded[DASHBOARD] && full.of_tenant);
    assert_int_equal(pop(q, &place[0]), '1');
    assert_int_equal(pop(q, &place[1]), '1');
    assert_int_equal(pop(q, &place[2]), '-'); // Two threads are free, and not for him.
    assert_null(push(q, '2', DASHBOARD, 2));
    assert_null(push(q, 'a', ADHOC, 1)); // Another class has bounds of its own.
    assert_int_equal(pop(q, &place[2]), 'a');
    assert_int_equal(pop(q, &place[3]), '2');
    http_queue_done(q, place[3]);
    assert_int_equal(pop(q, &place[3]), '-');
    http_queue_done(q, place[0]);
    assert_int_equal(pop(q, &place[0]), '1');
    for (u32 i = 0; i < 3; i++) {
        http_queue_done(q, place[i]);
    }
    http_queue_free(q);
}

// Two of one tenant run, and what waits has no bound of his own.
TEST(http_queue_gives_no_tenant_the_places_of_threads_that_are_not_for_him)
{
    static const struct http_class two[] = {{"dashboards", 4, 4, 16, 2, 0}};
    const struct http_lane narrow = {
        .name = "query", .threads = 4, .queue_max = 16, .classes = two, .class_count = 1};
    for (int late = 0; late < 2; late++) { // Whether the threads come before the second tenant.
        struct http_queue *q = http_queue_new(&narrow);
        struct http_place place[4];
        u32 running = 0;
        for (int i = 0; i < 18; i++) { // Two may run, and 16 wait.
            assert_null(push(q, '1', DASHBOARD, 1));
        }
        assert_ptr_equal(push(q, '1', DASHBOARD, 1), two);
        for (; late == 0 && running < 2; running++) {
            assert_int_equal(pop(q, &place[running]), '1');
        }
        assert_null(push(q, '2', DASHBOARD, 2)); // Two threads are free.
        assert_null(push(q, '2', DASHBOARD, 2));
        assert_ptr_equal(push(q, '2', DASHBOARD, 2), two);
        assert_ptr_equal(push(q, '3', DASHBOARD, 3), two); // The threads are the second one's.
        u32 of_second = 0;
        for (; running < 4; running++) {
            of_second += pop(q, &place[running]) == '2';
        }
        assert_int_equal(of_second, 2);
        assert_int_equal(pop(q, &place[0]), '-');
        assert_ptr_equal(push(q, '3', DASHBOARD, 3), two);
        for (u32 i = 0; i < 4; i++) {
            http_queue_done(q, (struct http_place){DASHBOARD, 1 + i / 2});
        }
        char row[32];
        drain(q, row, sizeof(row));
        assert_string_equal(row, "1111111111111111");
        http_queue_free(q);
    }
}

// One of a class may run: the threads that are free beside it leave others no fewer places.
TEST(http_queue_gives_no_class_the_places_of_threads_that_are_not_for_it)
{
    static const struct http_class some[] = {
        {"dashboards", 4, 4, 6, 0, 0}, {"adhoc", 2, 1, 6, 0, 0}, {"exports", 1, 1, 6, 0, 0}};
    const struct http_lane narrow = {
        .name = "query", .threads = 4, .queue_max = 6, .classes = some, .class_count = 3};
    struct http_queue *q = http_queue_new(&narrow);
    for (int i = 0; i < 7; i++) { // One may run, six wait.
        assert_null(push(q, 'e', EXPORT, 1));
    }
    assert_ptr_equal(push(q, 'e', EXPORT, 1), &some[EXPORT]);
    assert_null(push(q, 'a', ADHOC, 1)); // It starts, another would wait.
    assert_ptr_equal(push(q, 'a', ADHOC, 1), &some[ADHOC]);
    assert_null(push(q, 'd', DASHBOARD, 1)); // Two threads are free for this class.
    assert_null(push(q, 'd', DASHBOARD, 1));
    assert_ptr_equal(push(q, 'd', DASHBOARD, 1), &some[DASHBOARD]);
    char row[16];
    drain(q, row, sizeof(row));
    assert_int_equal(strlen(row), 10);
    http_queue_free(q);
}

TEST(http_queue_tells_for_what_somebody_waited_too_long)
{
    struct http_queue *q = http_queue_new(&bounded_lane);
    struct http_place place[4];
    struct http_full why = {.of = NULL};
    assert_null(push(q, 'a', ADHOC, 1));
    assert_null(push(q, 'b', ADHOC, 1));
    assert_int_equal(pop(q, &place[0]), 'a');
    assert_int_equal(pop(q, &place[1]), '-');
    const i64 late_ns = (i64)10000 * 1000000;
    assert_null(http_queue_take(q, late_ns - 1, &why));
    assert_non_null(http_queue_take(q, late_ns, &why));
    assert_true(why.of == &bounded[ADHOC] && why.of_tenant);
    for (u32 i = 0; i < 2; i++) {
        assert_null(push(q, '2', ADHOC, 2 + i));
        assert_int_equal(pop(q, &place[1 + i]), '2');
    }
    assert_null(push(q, '4', ADHOC, 4)); // Three run: for the class he waits, not for himself.
    assert_non_null(http_queue_take(q, late_ns, &why));
    assert_true(why.of == &bounded[ADHOC] && !why.of_tenant);
    for (u32 i = 0; i < 3; i++) {
        http_queue_done(q, place[i]);
    }
    http_queue_free(q);
}
