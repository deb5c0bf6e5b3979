// client_threads_test.c: many threads at once lose nothing; run it under the thread sanitizer too.
#include "base/test.h"
#include "client/client_test_page.h"
#include "client/tmk_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 8, ROUNDS = 20000 };

// Threads: frozen while the threads run, but for done, which is atomic.
struct work {
    struct tmk_registry *registry;
    struct tmk_family *family;
    struct tmk_counter *counter;
    struct tmk_gauge *gauge;
    struct tmk_histogram *histogram;
    bool done;
};

static void *work_count(void *ctx)
{
    struct work *w = ctx;
    for (int i = 0; i < ROUNDS; i++) {
        tmk_counter_inc(w->counter);
        tmk_counter_add_double(w->counter, 0.5);
        tmk_gauge_add(w->gauge, i % 2 ? 1 : -1);
        tmk_histogram_observe(w->histogram, i % 4);
        if (i % 1000 == 0) {
            char name[12];
            snprintf(name, sizeof(name), "%d", i / 1000);
            tmk_counter_inc(tmk_counter_with(w->family, TMK_VALUES(name)));
        }
    }
    return NULL;
}

// Looks while others count: neither the counter nor a histogram may ever go back.
static void *work_look(void *ctx)
{
    static struct page page;
    struct work *w = ctx;
    double before = 0;
    u64 count_before = 0;
    while (!__atomic_load_n(&w->done, __ATOMIC_ACQUIRE)) {
        double now = tmk_counter_get(w->counter);
        u64 count = tmk_histogram_count(w->histogram);
        CHECK(now >= before && count >= count_before);
        before = now;
        count_before = count;
        (void)page_get(&page, w->registry, TMK_OPENMETRICS);
    }
    return NULL;
}

static void work_init(struct work *w)
{
    static const double bounds[] = {0, 1, 2};
    static const char *const labels[] = {"n"};
    struct tmk_desc d = {.kind = TMK_COUNTER,
                         .name = "family_total",
                         .help = "F.",
                         .labels = labels,
                         .label_count = 1};
    memset(w, 0, sizeof(*w));
    w->registry = tmk_registry_new(NULL);
    w->family = tmk_family_register(w->registry, &d, NULL);
    w->counter = tmk_counter_register(w->registry, "c_total", "C.", NULL);
    w->gauge = tmk_gauge_register(w->registry, "g", "G.", NULL);
    w->histogram = tmk_histogram_register(w->registry, "h", "H.", bounds, 3, NULL);
}

TEST(client_threads_lose_nothing)
{
    struct work w;
    work_init(&w);
    pthread_t threads[THREADS];
    pthread_t looker;
    assert_int_equal(pthread_create(&looker, NULL, work_look, &w), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work_count, &w), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    __atomic_store_n(&w.done, true, __ATOMIC_RELEASE);
    pthread_join(looker, NULL);
    assert_true(tmk_counter_get(w.counter) == THREADS * ROUNDS * 1.5);
    assert_true(tmk_gauge_get(w.gauge) == 0);
    assert_int_equal(tmk_histogram_count(w.histogram), THREADS * ROUNDS);
    assert_true(tmk_histogram_sum(w.histogram) == THREADS * ROUNDS * 1.5);
    assert_true(tmk_counter_get(tmk_counter_with(w.family, TMK_VALUES("7"))) == THREADS);
    tmk_registry_free(w.registry);
}

static void *work_one(void *ctx)
{
    tmk_counter_add_double(((struct work *)ctx)->counter, 0.25);
    return NULL;
}

TEST(client_threads_that_end_hand_their_cells_on)
{
    struct work w;
    work_init(&w);
    for (int i = 0; i < 3000; i++) { // three times the slots there are
        pthread_t t;
        assert_int_equal(pthread_create(&t, NULL, work_one, &w), 0);
        pthread_join(t, NULL);
    }
    assert_true(tmk_counter_get(w.counter) == 750);
    assert_in_range(w.registry->slot_high, 1, 16);
    tmk_registry_free(w.registry);
}

// Threads: crowd.waiting guarded by crowd_lock.
static pthread_mutex_t crowd_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t crowd_cond = PTHREAD_COND_INITIALIZER;
static int crowd_waiting;

static void *work_crowd(void *ctx)
{
    work_one(ctx);
    pthread_mutex_lock(&crowd_lock);
    crowd_waiting++;
    pthread_cond_broadcast(&crowd_cond);
    while (crowd_waiting < TMK_SLOTS_MAX + 20) {
        pthread_cond_wait(&crowd_cond, &crowd_lock);
    }
    pthread_mutex_unlock(&crowd_lock);
    work_one(ctx);
    return NULL;
}

TEST(client_more_threads_than_slots_share_a_cell)
{
    static pthread_t threads[TMK_SLOTS_MAX + 20];
    struct work w;
    work_init(&w);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    crowd_waiting = 0;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], &attr, work_crowd, &w), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_attr_destroy(&attr);
    assert_int_equal(w.registry->slot_high, TMK_SLOTS_MAX);
    assert_true(tmk_bits_double(((struct tmk_child *)w.counter)->spare) >= 20 * 0.5);
    assert_true(tmk_counter_get(w.counter) == (TMK_SLOTS_MAX + 20) * 0.5);
    tmk_registry_free(w.registry);
}

static double value_one(void *ctx)
{
    return *(const double *)ctx;
}

static void *work_remove(void *ctx)
{
    struct work *w = ctx;
    for (int i = 0; i < 200; i++) {
        double *value = malloc(sizeof(*value));
        CHECK(value);
        *value = i;
        CHECK(tmk_gauge_fn(w->registry, "passing", "P.", value_one, value, NULL));
        tmk_fn_remove(w->registry, value);
        free(value); // an exposition that still called would read freed memory
    }
    __atomic_store_n(&w->done, true, __ATOMIC_RELEASE);
    return NULL;
}

TEST(client_removed_callbacks_never_run_again)
{
    struct work w;
    work_init(&w);
    pthread_t looker;
    pthread_t remover;
    assert_int_equal(pthread_create(&looker, NULL, work_look, &w), 0);
    assert_int_equal(pthread_create(&remover, NULL, work_remove, &w), 0);
    pthread_join(remover, NULL);
    pthread_join(looker, NULL);
    tmk_registry_free(w.registry);
}
