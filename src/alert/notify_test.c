#include "alert/notify_inner.h"
#include "base/arena.h"
#include "base/str.h"
#include "base/test.h"
#include "client/tidemark.h"
#include "os/clk.h"
#include "os/fs.h"

#include <stdio.h>

#define START_MS 1700000000000

// A notifier on one thread, before a receiver that keeps what it was told last. With `parked` the
// answer comes only when the test gives it, as from a slow receiver.
struct alarm {
    struct clk *clk;
    struct fs *fs;
    struct http_client http;
    struct notify *n;
    u32 status;
    enum http_failure failure;
    bool parked;
    u32 pages;
    struct buf last;
    char last_url[64];
    struct alarm_target *targets;
};
struct alarm_target {
    struct http_target base;
    struct alarm *alarm;
    const struct http_fetch *parked;
    u32 page; // The number of the last.
    char url[64];
    struct http_fetch fetch;
    struct alarm_target *next;
};

static struct http_target *target_new(struct http_client *c, const struct http_target_opts *opts,
                                      UNUSED struct error *e)
{
    struct alarm_target *t = MEM_NEW(struct alarm_target);
    t->base.client = c;
    t->alarm = CONTAINER_OF(c, struct alarm, http);
    (void)snprintf(t->url, sizeof(t->url), "%.*s", STR_ARG(opts->url));
    t->next = t->alarm->targets;
    t->alarm->targets = t;
    return &t->base;
}

static void answer(struct alarm_target *t, enum http_failure failure)
{
    struct http_reply reply = {.failure = failure, .status = t->alarm->status, .body = STR("no")};
    if (failure != HTTP_FAIL_NONE) {
        reply.status = 0;
        (void)err_set(&reply.error, ERR_UNAVAILABLE, "it failed");
    }
    t->parked = NULL;
    t->fetch.done(t->fetch.ctx, &reply);
}

static void target_free(struct http_target *base)
{
    struct alarm_target *t = CONTAINER_OF(base, struct alarm_target, base);
    if (t->parked) {
        answer(t, HTTP_FAIL_CANCELLED);
    }
    struct alarm_target **at = &t->alarm->targets;
    while (*at != t) {
        at = &(*at)->next;
    }
    *at = t->next;
    mem_free(t);
}

static bool target_start(struct http_target *base, const struct http_fetch *f, struct error *e)
{
    struct alarm_target *t = CONTAINER_OF(base, struct alarm_target, base);
    struct alarm *a = t->alarm;
    if (t->parked) {
        return err_set(e, ERR_OUT_OF_ORDER, "busy");
    }
    t->fetch = *f;
    t->page = a->pages++;
    memcpy(a->last_url, t->url, sizeof(a->last_url));
    buf_clear(&a->last);
    buf_str(&a->last, f->body);
    if (a->parked) {
        t->parked = &t->fetch;
    } else {
        answer(t, a->failure);
    }
    return true;
}

static void target_cancel(struct http_target *base)
{
    struct alarm_target *t = CONTAINER_OF(base, struct alarm_target, base);
    if (t->parked) {
        answer(t, HTTP_FAIL_CANCELLED);
    }
}

static const struct http_client_ops alarm_ops = {target_new, target_free, target_start,
                                                 target_cancel};

static void alarm_init(struct alarm *a)
{
    struct error e = {0};
    *a = (struct alarm){.http = {&alarm_ops}, .status = 200};
    a->clk = clk_manual_new(START_MS);
    a->fs = fs_mem_new(1 << 20);
    buf_init(&a->last, 32 << 20);
    const struct notify_deps deps = {
        .clk = a->clk, .fs = a->fs, .http = &a->http, .external_url = STR("http://t:9090")};
    a->n = notify_new(&deps, &e);
}

static void alarm_fini(struct alarm *a)
{
    notify_free(a->n);
    buf_fini(&a->last);
    fs_mem_free(a->fs);
    clk_manual_free(a->clk);
    assert_null(a->targets);
}

// Returns what of the time is left if the notifier stopped before its end.
static i64 alarm_run(struct alarm *a, i64 ms)
{
    for (i64 left_ms = ms;;) {
        const i64 wait_ms = notify_step(a->n, 0);
        if (left_ms == 0 || wait_ms < 0) {
            return left_ms;
        }
        const i64 step_ms = MIN(wait_ms, left_ms);
        clk_manual_advance(a->clk, step_ms);
        left_ms -= step_ms;
    }
}

static void alarm_load(struct alarm *a, const char *yaml)
{
    struct error e = {0};
    struct notify_plan *p = notify_prepare(a->n, STR("am.yml"), str_c(yaml), &e);
    ASSERT_OK(p != NULL, e);
    notify_swap(a->n, p);
    (void)notify_step(a->n, 0);
}

#define CONF(route, hook)                                                                          \
    "route: {receiver: r, group_by: [alertname], group_wait: 10s, group_interval: 1m, "            \
    "repeat_interval: 10m" route                                                                   \
    "}\nreceivers: [{name: r, webhook_configs: [{url: 'http://x/'" hook "}]}]\n"

// Sends alert name{host} that ends in ends_ms from now (negative: resolved).
static u32 alarm_tell(struct alarm *a, const char *name, const char *host, i64 ends_ms)
{
    const i64 now_ms = clk_wall_ms(a->clk);
    const struct label labels[] = {{STR("alertname"), str_c(name)}, {STR("host"), str_c(host)}};
    const struct label note = {STR("summary"), STR("all \"is\" bad")};
    const struct alert alert = {.labels = {labels, 2},
                                .annotations = {&note, 1},
                                .starts_at_ms = START_MS,
                                .ends_at_ms = now_ms + ends_ms,
                                .generator_url = STR("http://t:9090/graph?g0.expr=x")};
    return alert_sink_send(notify_sink(a->n), &alert, 1);
}

static bool last_has(const struct alarm *a, const char *text)
{
    return str_find_str(buf_get(&a->last), str_c(text)) != STR_NONE;
}

TEST(notify_groups_waits_and_repeats)
{
    struct alarm a;
    alarm_init(&a);
    alarm_load(&a, CONF("", ""));
    alarm_tell(&a, "A", "h1", 3600000);
    alarm_run(&a, 5000);
    alarm_tell(&a, "A", "h2", 3600000);
    alarm_tell(&a, "B", "h1", 3600000);
    alarm_run(&a, 4900);
    assert_int_equal(a.pages, 0);
    alarm_run(&a, 200); // group_wait of A.
    assert_int_equal(a.pages, 1);
    assert_true(last_has(&a, "h1") && last_has(&a, "h2") && !last_has(&a, "\"B\""));
    alarm_run(&a, 5000); // And of B.
    assert_int_equal(a.pages, 2);
    alarm_run(&a, 300000);
    assert_int_equal(a.pages, 2); // Nothing new.
    alarm_tell(&a, "A", "h3", 3600000);
    alarm_run(&a, 60000); // group_interval.
    assert_int_equal(a.pages, 3);
    assert_true(last_has(&a, "h3"));
    alarm_run(&a, 11 * 60000); // repeat_interval, each group once.
    assert_int_equal(a.pages, 5);
    alarm_tell(&a, "A", "h1", -1);
    alarm_run(&a, 61000);
    assert_int_equal(a.pages, 6);
    assert_true(last_has(&a, "\"status\":\"resolved\"") && last_has(&a, "\"status\":\"firing\""));
    alarm_tell(&a, "A", "h2", -1);
    alarm_tell(&a, "A", "h3", -1);
    alarm_run(&a, 61000);
    assert_int_equal(a.pages, 7);
    alarm_run(&a, 61000);
    assert_int_equal(a.n->group_count, 1); // B's alone.
    alarm_fini(&a);
}

TEST(notify_the_webhook_body_is_exact)
{
    struct alarm a;
    alarm_init(&a);
    alarm_load(&a, CONF("", ""));
    alarm_tell(&a, "A", "h1", 3600000);
    alarm_run(&a, 10000);
    ASSERT_STR_EQ(
        buf_get(&a.last),
        STR("{\"receiver\":\"r\",\"status\":\"firing\",\"alerts\":[{\"status\":\"firing\","
            "\"labels\":{\"alertname\":\"A\",\"host\":\"h1\"},\"annotations\":{\"summary\":\"all "
            "\\\"is\\\" bad\"},\"startsAt\":\"2023-11-14T22:13:20Z\",\"endsAt\":\"0001-01-01T00:00:"
            "00Z\",\"generatorURL\":\"http://t:9090/graph?g0.expr=x\",\"fingerprint\":"
            "\"b940463ef466cbde\"}],\"groupLabels\":{\"alertname\":\"A\"},\"commonLabels\":{"
            "\"alertname\":\"A\",\"host\":\"h1\"},\"commonAnnotations\":{\"summary\":\"all "
            "\\\"is\\\" "
            "bad\"},\"externalURL\":\"http://t:9090\",\"version\":\"4\",\"groupKey\":\"{}:{"
            "alertname=\\\"A\\\"}\",\"truncatedAlerts\":0}"));
    alarm_fini(&a);
}

TEST(notify_group_by_all_makes_a_group_of_each)
{
    struct alarm a;
    alarm_init(&a);
    alarm_load(&a, "route: {receiver: r, group_by: ['...'], group_wait: 1s}\n"
                   "receivers: [{name: r, webhook_configs: [{url: 'http://x/'}]}]\n");
    alarm_tell(&a, "A", "h1", 3600000);
    alarm_tell(&a, "A", "h2", 3600000);
    alarm_run(&a, 1000);
    assert_int_equal(a.pages, 2);
    assert_int_equal(a.n->group_count, 2);
    alarm_fini(&a);
}

TEST(notify_retries_with_growing_pauses_and_then_at_the_next_flush)
{
    struct alarm a;
    alarm_init(&a);
    alarm_load(&a, CONF("", ""));
    alarm_tell(&a, "A", "h1", 3600000);
    a.status = 500;
    alarm_run(&a, 10000 + 59000);
    // At 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 seconds; the next would be behind the interval.
    assert_int_equal(a.pages, 7);
    a.failure = HTTP_FAIL_CONNECT;
    alarm_run(&a, 3000); // The next flush.
    assert_true(a.pages >= 9);
    a.failure = HTTP_FAIL_NONE;
    a.status = 200;
    alarm_run(&a, 10000);
    const u32 pages = a.pages;
    alarm_run(&a, 120000);
    assert_int_equal(a.pages, pages);
    struct arena *m = arena_new(1 << 20);
    struct delivery *d;
    u32 count;
    notify_deliveries(a.n, m, &d, &count);
    assert_int_equal(count, pages);
    assert_int_equal(d[0].status, DELIVERY_OK);
    assert_int_equal(d[0].code, 200);
    assert_int_equal(d[count - 7].status, DELIVERY_FAILED); // The last try of the first flush.
    assert_int_equal(d[count - 1].status, DELIVERY_RETRYING);
    ASSERT_STR_EQ(d[count - 1].error, STR("no"));
    arena_free(m);
    alarm_fini(&a);
}

TEST(notify_takes_4xx_as_final_but_429)
{
    struct alarm a;
    alarm_init(&a);
    alarm_load(&a, CONF("", ""));
    alarm_tell(&a, "A", "h1", 3600000);
    a.status = 400;
    alarm_run(&a, 69000);
    assert_int_equal(a.pages, 1);
    a.status = 429;
    alarm_run(&a, 3000); // The next flush, and two more tries.
    assert_true(a.pages >= 3);
    alarm_fini(&a);
}

TEST(notify_without_send_resolved_tells_firing_only)
{
    struct alarm a;
    alarm_init(&a);
    alarm_load(&a, CONF("", ", send_resolved: false"));
    alarm_tell(&a, "A", "h1", 3600000);
    alarm_run(&a, 11000);
    alarm_tell(&a, "A", "h1", -1);
    alarm_run(&a, 180000);
    assert_int_equal(a.pages, 1);
    assert_int_equal(a.n->group_count, 0);
    alarm_tell(&a, "A", "h1", 3600000); // It comes back: that is news.
    alarm_run(&a, 11000);
    assert_int_equal(a.pages, 2);
    alarm_fini(&a);
}

TEST(notify_truncates_to_max_alerts)
{
    struct alarm a;
    alarm_init(&a);
    alarm_load(&a, CONF("", ", max_alerts: 2"));
    alarm_tell(&a, "A", "h1", 3600000);
    alarm_tell(&a, "A", "h2", 3600000);
    alarm_tell(&a, "A", "h3", 3600000);
    alarm_run(&a, 11000);
    assert_true(last_has(&a, "\"truncatedAlerts\":1}") && !last_has(&a, "h3"));
    alarm_run(&a, 120000);
    assert_int_equal(a.pages, 1); // h3 counts as told.
    alarm_fini(&a);
}

TEST(notify_an_alert_nobody_resends_resolves_at_its_end)
{
    struct alarm a;
    alarm_init(&a);
    alarm_load(&a, CONF("", ""));
    alarm_tell(&a, "A", "h1", 90000);
    alarm_run(&a, 11000);
    assert_int_equal(a.pages, 1);
    alarm_run(&a, 130000);
    assert_int_equal(a.pages, 2);
    assert_true(last_has(&a, "\"status\":\"resolved\",\"alerts\""));
    alarm_fini(&a);
}

TEST(notify_a_full_queue_refuses_and_does_not_wait)
{
    struct alarm a;
    alarm_init(&a);
    for (u32 i = 0; i < NOTIFY_QUEUE_MAX; i++) {
        assert_int_equal(alarm_tell(&a, "A", "h1", 3600000), 1);
    }
    assert_int_equal(alarm_tell(&a, "A", "h1", 3600000), 0);
    (void)notify_step(a.n, 0);
    assert_int_equal(alarm_tell(&a, "A", "h1", 3600000), 1);
    alarm_fini(&a);
}

TEST(notify_reload_with_a_page_in_flight_neither_loses_nor_doubles_it)
{
    struct alarm a;
    alarm_init(&a);
    alarm_load(&a, CONF("", ""));
    alarm_tell(&a, "A", "h1", 3600000);
    a.parked = true;
    alarm_run(&a, 11000);
    assert_int_equal(a.pages, 1);
    alarm_load(&a, CONF("", ", timeout: 7s"));
    alarm_run(&a, 2000);
    a.parked = false;
    answer(a.targets->next ? a.targets->next : a.targets, HTTP_FAIL_NONE); // The older one's.
    alarm_run(&a, 180000);
    assert_int_equal(a.pages, 1);
    assert_int_equal(a.n->plan->integrations[0].section->timeout_ms, 7000);
    // And when it fails, the new configuration sends it.
    alarm_tell(&a, "A", "h2", 3600000);
    a.parked = true;
    alarm_run(&a, 61000);
    assert_int_equal(a.pages, 2);
    alarm_load(&a, CONF("", ", timeout: 8s"));
    a.parked = false;
    answer(a.targets->next, HTTP_FAIL_TIMEOUT);
    alarm_run(&a, 11000);
    assert_int_equal(a.pages, 3);
    alarm_fini(&a);
}

TEST(notify_reload_waits_for_a_page_in_flight_but_not_for_ever)
{
    struct alarm a;
    alarm_init(&a);
    alarm_load(&a, CONF("", ", timeout: 1h"));
    alarm_tell(&a, "A", "h1", 3600000);
    a.parked = true;
    alarm_run(&a, 11000);
    assert_int_equal(a.pages, 1);
    alarm_load(&a, CONF("", ""));
    alarm_tell(&a, "B", "h1", 3600000);
    a.parked = false;
    alarm_run(&a, 4000);
    assert_int_equal(a.pages, 1);
    alarm_run(&a, 30000); // A again, since nobody knows whether it arrived, and B.
    assert_int_equal(a.pages, 3);
    alarm_fini(&a);
}

// The page that has been in flight for longest.
static struct alarm_target *oldest_parked(struct alarm *a)
{
    struct alarm_target *found = NULL;
    for (struct alarm_target *t = a->targets; t; t = t->next) {
        found = t->parked && (!found || t->page < found->page) ? t : found;
    }
    return found;
}

TEST(notify_a_page_that_hangs_does_not_delay_that_of_another_group)
{
    struct alarm a;
    alarm_init(&a);
    alarm_load(&a, CONF("", ", timeout: 1h"));
    a.parked = true;
    alarm_tell(&a, "A", "h1", 36000000);
    alarm_run(&a, 10000);
    assert_int_equal(a.pages, 1);
    a.parked = false;
    alarm_tell(&a, "B", "h1", 36000000);
    alarm_run(&a, 10000);
    assert_int_equal(a.pages, 2);
    assert_true(last_has(&a, "\"B\"") && oldest_parked(&a));
    answer(oldest_parked(&a), HTTP_FAIL_NONE);
    alarm_run(&a, 120000);
    assert_int_equal(a.pages, 2);
    alarm_fini(&a);
}

TEST(notify_has_a_bounded_number_of_pages_in_flight_and_sends_the_oldest_first)
{
    struct alarm a;
    alarm_init(&a);
    alarm_load(&a, CONF("", ", timeout: 1h"));
    a.parked = true;
    for (char c = 'A'; c < 'A' + NOTIFY_SLOTS + 4; c++) {
        const char name[] = {c, '\0'};
        alarm_tell(&a, name, "h1", 36000000);
        alarm_run(&a, 100);
    }
    alarm_run(&a, 30000);
    assert_int_equal(a.pages, NOTIFY_SLOTS);
    assert_true(last_has(&a, "\"H\""));
    for (u32 i = 0; i < 4; i++) {
        const char quoted[] = {'"', (char)('I' + i), '"', '\0'};
        answer(oldest_parked(&a), i % 2 ? HTTP_FAIL_NONE : HTTP_FAIL_TIMEOUT);
        alarm_run(&a, 1);
        assert_int_equal(a.pages, NOTIFY_SLOTS + i + 1);
        assert_true(last_has(&a, quoted));
    }
    alarm_fini(&a);
}

TEST(notify_drains_what_is_due_and_then_stops)
{
    struct alarm a;
    alarm_init(&a);
    alarm_load(&a, CONF("", ""));
    alarm_tell(&a, "A", "h1", 3600000);
    alarm_run(&a, 9900);
    alarm_tell(&a, "B", "h1", 3600000); // It has its group_wait before it when A is due.
    alarm_run(&a, 90);
    clk_manual_advance(a.clk, 10);
    notify_drain(a.n);
    assert_true(alarm_run(&a, 10000) > 9000);
    assert_int_equal(a.pages, 1);
    assert_true(last_has(&a, "\"A\""));
    alarm_fini(&a);
}

TEST(notify_drains_with_retries_until_its_time_is_over)
{
    struct alarm a;
    alarm_init(&a);
    alarm_load(&a, CONF("", ""));
    alarm_tell(&a, "A", "h1", 3600000);
    alarm_run(&a, 9900);
    clk_manual_advance(a.clk, 200);
    a.status = 500;
    notify_drain(a.n);
    alarm_run(&a, 1000);
    a.status = 200;
    assert_true(alarm_run(&a, 9000) > 8000); // The third try, 1.5 s after the first.
    assert_int_equal(a.pages, 3);
    alarm_fini(&a);

    alarm_init(&a); // A receiver that is silent costs the drain's 5 s and no more.
    alarm_load(&a, CONF("", ""));
    alarm_tell(&a, "A", "h1", 3600000);
    a.parked = true;
    alarm_run(&a, 11000);
    notify_drain(a.n);
    assert_in_range(alarm_run(&a, 10000), 4900, 5100);
    assert_int_equal(a.pages, 1);
    alarm_fini(&a);
}

static void url_write(struct alarm *a, const char *url)
{
    struct error e = {0};
    struct file *f = fs_open(a->fs, "/conf/hook", FS_TRUNCATE, &e);
    ASSERT_OK(f != NULL, e);
    ASSERT_OK(fs_write_at(a->fs, f, 0, str_c(url), &e), e);
    fs_close(a->fs, f);
}

TEST(notify_reads_a_url_file_below_its_configuration_for_each_page)
{
    struct alarm a;
    struct error e = {0};
    alarm_init(&a);
    ASSERT_OK(fs_make_dir(a.fs, "/conf", &e), e);
    url_write(&a, "http://one/\n");
    struct notify_plan *p =
        notify_prepare(a.n, STR("/conf/am.yml"),
                       STR("route: {receiver: r, group_by: ['...'], group_wait: 0s}\n"
                           "receivers: [{name: r, webhook_configs: [{url_file: hook}]}]\n"),
                       &e);
    ASSERT_OK(p != NULL, e);
    notify_swap(a.n, p);
    (void)notify_step(a.n, 0);
    alarm_tell(&a, "A", "h1", 3600000);
    alarm_run(&a, 1000);
    ASSERT_STR_EQ(str_c(a.last_url), STR("http://one/"));
    url_write(&a, "http://two/\n");
    alarm_tell(&a, "B", "h1", 3600000);
    alarm_run(&a, 1000);
    ASSERT_STR_EQ(str_c(a.last_url), STR("http://two/"));
    ASSERT_OK(fs_unlink(a.fs, "/conf/hook", &e), e); // What it held last goes on to be used.
    alarm_tell(&a, "C", "h1", 3600000);
    alarm_run(&a, 1000);
    assert_int_equal(a.pages, 3);
    ASSERT_STR_EQ(str_c(a.last_url), STR("http://two/"));
    alarm_fini(&a);
}

TEST(notify_freed_with_a_page_in_flight)
{
    struct alarm a;
    alarm_init(&a);
    alarm_load(&a, CONF("", ""));
    alarm_tell(&a, "A", "h1", 3600000);
    a.parked = true;
    alarm_run(&a, 11000);
    assert_int_equal(a.pages, 1);
    alarm_fini(&a);
}

static void ok_answer(void *ctx, UNUSED const struct http_target_opts *t,
                      UNUSED const struct http_fetch *f, struct http_reply *reply)
{
    _Atomic u32 *pages = ctx;
    (*pages)++;
    reply->status = 200;
}

TEST(notify_by_its_own_thread)
{
    _Atomic u32 pages = 0;
    struct error e = {0};
    struct http_client *http = http_client_fake_new(ok_answer, &pages);
    struct alarm a = {.clk = clk_real()};
    const struct notify_deps deps = {.clk = a.clk, .fs = fs_real(), .http = http};
    a.n = notify_new(&deps, &e);
    notify_start(a.n);
    for (u32 i = 0; i < 20; i++) {
        const char *yaml = "route: {receiver: r, group_wait: 0s}\n"
                           "receivers: [{name: r, webhook_configs: [{url: 'http://x/'}]}]\n";
        struct notify_plan *p = notify_prepare(a.n, STR("am.yml"), str_c(yaml), &e);
        ASSERT_OK(p != NULL, e);
        notify_swap(a.n, p);
        assert_int_equal(alarm_tell(&a, "A", "h1", 3600000), 1);
        struct arena *m = arena_new(1 << 20);
        struct delivery *d;
        u32 count;
        notify_deliveries(a.n, m, &d, &count);
        arena_free(m);
        struct stop *pause = stop_new();
        (void)stop_sleep_ms(pause, 5);
        stop_free(pause);
    }
    notify_stop(a.n);
    assert_int_equal(pages, 1); // Nothing new was ever said.
    notify_free(a.n);
    http_client_fake_free(http);
}
