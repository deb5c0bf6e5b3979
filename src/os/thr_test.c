#include "base/error.h"
#include "base/test.h"
#include "os/clk.h"
#include "os/queue.h"
#include "os/thr.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static struct lock low;
static struct lock high;
static struct lock leaf;

static void locks_init(void)
{
    lock_init(&low, 1, "low");
    lock_init(&high, 2, "high");
    lock_init(&leaf, 0, "leaf");
}

static void take_in_order(void *arg)
{
    (void)arg;
    lock_take(&low);
    lock_take(&high);
    lock_take(&leaf);
    lock_check_held(&low);
    lock_drop(&low); // Not the newest: allowed.
    lock_drop(&leaf);
    lock_drop(&high);
}

#ifndef NDEBUG
static void take_against_rank(void *arg)
{
    (void)arg;
    lock_take(&high);
    lock_take(&low);
}

static void take_under_leaf(void *arg)
{
    (void)arg;
    lock_take(&leaf);
    lock_take(&high);
}

static void take_twice(void *arg)
{
    (void)arg;
    lock_take(&low);
    lock_take(&low);
}

static void drop_not_held(void *arg)
{
    (void)arg;
    lock_drop(&low);
}

static void check_not_held(void *arg)
{
    (void)arg;
    lock_check_held(&low);
}

static void wait_under_another(void *arg)
{
    struct cond c;
    (void)arg;
    cond_init(&c);
    lock_take(&low);
    lock_take(&high);
    (void)cond_wait_ms(&c, &high, 1);
}
#endif

#ifndef NDEBUG
static void take_the_rank_of_another(UNUSED void *arg)
{
    struct lock l;
    lock_init(&l, LOCK_TSDB, "mine");
}
#endif

TEST(lock_ranks_are_checked)
{
    locks_init();
    assert_false(test_dies(take_in_order, NULL));
#ifndef NDEBUG
    assert_true(test_dies(take_against_rank, NULL));
    assert_true(test_dies(take_under_leaf, NULL));
    assert_true(test_dies(take_twice, NULL));
    assert_true(test_dies(drop_not_held, NULL));
    assert_true(test_dies(check_not_held, NULL));
    assert_true(test_dies(wait_under_another, NULL));
    assert_true(test_dies(take_the_rank_of_another, NULL));
#endif
}

TEST(cond_times_out_on_the_monotonic_clock)
{
    struct lock l;
    struct cond c;
    lock_init(&l, 1, "l");
    cond_init(&c);
    lock_take(&l);
    i64 start = clk_mono_ms(clk_real());
    while (cond_wait_ms(&c, &l, 30)) {
    }
    i64 passed = clk_mono_ms(clk_real()) - start;
    assert_true(passed >= 29 && passed < 5000);
    assert_false(cond_wait_ms(&c, &l, -5));
    lock_drop(&l);
    cond_fini(&c);
    lock_fini(&l);
}

// A thread that notes what it is.
struct note {
    char name[16];
    bool signals_blocked;
};

static void note_self(void *arg)
{
    struct note *n = arg;
    sigset_t set;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &set);
    n->signals_blocked = sigismember(&set, SIGTERM) == 1 && sigismember(&set, SIGHUP) == 1;
    (void)pthread_getname_np(pthread_self(), n->name, sizeof(n->name));
}

TEST(thr_has_a_name_and_no_signals)
{
    struct note n = {0};
    struct error e = {0};
    struct thr *t = thr_start("fifteen-letters", note_self, &n, &e);
    assert_non_null(t);
    thr_join(t);
    thr_join(NULL);
    assert_string_equal(n.name, "fifteen-letters");
    assert_true(n.signals_blocked);
    sigset_t set;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &set);
    assert_false(sigismember(&set, SIGTERM)); // The caller's mask is back.
}

static _Atomic(u32) done;

static void count_one(void *arg)
{
    (void)arg;
    atomic_fetch_add(&done, 1);
}

static void block_until(void *arg)
{
    (void)stop_sleep_ms(arg, 60000);
    atomic_fetch_add(&done, 1);
}

TEST(pool_runs_all_and_refuses_beyond_its_queue)
{
    struct error e = {0};
    struct stop *gate = stop_new();
    struct pool *p = pool_new("lane", 2, 3, &e);
    assert_non_null(p);
    atomic_store(&done, 0);
    for (u32 i = 0; i < 2; i++) {
        while (!pool_submit(p, block_until, gate)) {
        }
    }
    while (pool_running(p) < 2) {
        (void)usleep(1000);
    }
    assert_int_equal(pool_queued(p), 0);
    for (u32 i = 0; i < 3; i++) {
        assert_true(pool_submit(p, count_one, NULL));
    }
    assert_false(pool_submit(p, count_one, NULL)); // Full, and it does not wait.
    assert_int_equal(pool_queued(p), 3);
    stop_set(gate);
    pool_free(p); // What is queued still runs.
    assert_int_equal(atomic_load(&done), 5);
    stop_free(gate);
    pool_free(NULL);
}

TEST(pool_under_load_loses_nothing)
{
    struct error e = {0};
    struct pool *p = pool_new("load", 4, 8, &e);
    atomic_store(&done, 0);
    u32 accepted = 0;
    for (u32 i = 0; i < 20000; i++) {
        accepted += pool_submit(p, count_one, NULL);
    }
    pool_free(p);
    assert_true(accepted > 0);
    assert_int_equal(atomic_load(&done), accepted);
}

TEST(stop_ends_a_sleep_at_once)
{
    struct error e = {0};
    struct stop *s = stop_new();
    assert_false(stop_is_set(s));
    assert_false(stop_sleep_ms(s, 0));
    assert_false(stop_sleep_ms(s, 5));
    i64 start = clk_mono_ms(clk_real());
    atomic_store(&done, 0);
    struct thr *t = thr_start("sleeper", block_until, s, &e);
    assert_non_null(t);
    stop_set(s);
    stop_set(s);
    thr_join(t);
    assert_int_equal(atomic_load(&done), 1);
    assert_true(stop_is_set(s));
    assert_true(stop_sleep_ms(s, INT64_MAX));
    assert_true(clk_mono_ms(clk_real()) - start < 30000);
    assert_true(stop_fd(s) >= 0);
    stop_free(s);
    stop_free(NULL);
}

TEST(queue_is_bounded_and_keeps_the_order)
{
    int items[4];
    struct queue *q = queue_new(3);
    assert_null(queue_take(q, 0));
    for (int round = 0; round < 5; round++) { // Around the ring.
        assert_true(queue_put(q, &items[0]));
        assert_true(queue_put(q, &items[1]));
        assert_true(queue_put(q, &items[2]));
        assert_false(queue_put(q, &items[3]));
        assert_int_equal(queue_count(q), 3);
        assert_ptr_equal(queue_take(q, 0), &items[0]);
        assert_true(queue_put(q, &items[3]));
        assert_ptr_equal(queue_take(q, 100), &items[1]);
        assert_ptr_equal(queue_take(q, -1), &items[2]);
        assert_ptr_equal(queue_take(q, 0), &items[3]);
    }
    assert_true(queue_put(q, &items[0]));
    queue_close(q);
    assert_false(queue_put(q, &items[1]));
    assert_ptr_equal(queue_take(q, -1), &items[0]); // What was in it still comes out.
    assert_null(queue_take(q, -1));
    queue_free(q);
    queue_free(NULL);
}

TEST(queue_take_times_out)
{
    struct queue *q = queue_new(1);
    i64 start = clk_mono_ms(clk_real());
    assert_null(queue_take(q, 30));
    i64 passed = clk_mono_ms(clk_real()) - start;
    assert_true(passed >= 29 && passed < 5000);
    queue_free(q);
}

// Producers put numbers 1..n each, consumers add them up.
struct traffic {
    struct queue *q;
    _Atomic(u64) sum;
    _Atomic(u64) put;
};

#define TRAFFIC_ITEMS 5000

static void produce(void *arg)
{
    struct traffic *t = arg;
    for (uintptr_t i = 1; i <= TRAFFIC_ITEMS; i++) {
        while (!queue_put(t->q, (void *)i)) {
            (void)sched_yield();
        }
    }
}

static void consume(void *arg)
{
    struct traffic *t = arg;
    const void *item = NULL;
    while ((item = queue_take(t->q, -1)) != NULL) {
        atomic_fetch_add(&t->sum, (uintptr_t)item);
    }
}

TEST(queue_many_to_many_loses_and_doubles_nothing)
{
    struct error e = {0};
    struct traffic t = {.q = queue_new(16)};
    struct thr *producers[3];
    struct thr *consumers[3];
    for (size_t i = 0; i < 3; i++) {
        consumers[i] = thr_start("consumer", consume, &t, &e);
        producers[i] = thr_start("producer", produce, &t, &e);
        assert_true(producers[i] && consumers[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        thr_join(producers[i]);
    }
    queue_close(t.q);
    for (size_t i = 0; i < 3; i++) {
        thr_join(consumers[i]);
    }
    assert_true(atomic_load(&t.sum) == 3ULL * TRAFFIC_ITEMS * (TRAFFIC_ITEMS + 1) / 2);
    queue_free(t.q);
}
