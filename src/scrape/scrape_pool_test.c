#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "scrape/scrape_rig.h"

#include <stdio.h>

#define JOB "- job_name: j\n  static_configs: [{targets: ['h:1']}]\n"

static void write_file(struct fs *fs, const char *path, const char *text)
{
    struct error e = {0};
    struct file *f = fs_open(fs, path, FS_TRUNCATE, &e);
    assert_non_null(f);
    ASSERT_OK(fs_write_at(fs, f, 0, str_c(text), &e), e);
    fs_close(fs, f);
}

static void load(struct rig *r, const char *yaml)
{
    struct error e = {0};
    ASSERT_OK(rig_load(r, yaml, &e), e);
}

static void refuse(struct rig *r, const char *yaml, const char *why)
{
    struct error e = {0};
    assert_false(rig_load(r, yaml, &e));
    if (str_find_str(str_c(e.text), str_c(why)) == STR_NONE) {
        fail_msg("%s", e.text);
    }
}

static struct scrape_snapshot snapshot(struct rig *r, struct arena *a)
{
    struct scrape_snapshot s;
    scrape_snapshot_take(r->scrape, STR_EMPTY, a, &s);
    return s;
}

// A rig with the target of JOB, scraped for 25 s.
static void scraped(struct rig *r)
{
    rig_init(r, 0);
    r->body = "a 1\n";
    load(r, JOB);
    rig_run(r, 25000);
}

TEST(scrape_ends_the_series_of_a_target_that_is_gone)
{
    struct rig r;
    scraped(&r);
    load(&r, "[]");
    rig_run(&r, 20900);
    assert_true(rig_last(&r, "a") == 1 && rig_last(&r, "up") == 1);
    rig_run(&r, 200); // Two intervals and a tenth.
    assert_true(is_stale_nan(rig_last(&r, "a")) && is_stale_nan(rig_last(&r, "up")));
    rig_fini(&r);
}

TEST(scrape_a_target_made_again_wins_over_the_markers)
{
    struct rig r;
    scraped(&r);
    load(&r, JOB "  sample_limit: 1000\n"); // Another pool, the same target.
    r.body = "a 2\n";
    rig_run(&r, 40000);
    assert_true(rig_last(&r, "a") == 2 && rig_last(&r, "up") == 1);
    assert_int_equal(rig_metric(&r, "tidemark_scrape_samples_total{job=\"j\",outcome=\"stored\"}"),
                     (u64)r.requests * 6);
    rig_fini(&r);
}

// The markers of the old targets must wait for the first scrape at the new, longer interval.
TEST(scrape_a_longer_interval_makes_no_gap)
{
    for (u32 host = 0; host < 20; host++) { // Offsets differ.
        struct rig r;
        struct error e = {0};
        struct buf job;
        rig_init(&r, 0);
        buf_init(&job, 200);
        buf_printf(&job, "- job_name: j\n  static_configs: [{targets: ['h%u:1']}]\n", host);
        buf_byte(&job, '\0');
        r.body = "a 1\n";
        load(&r, job.bytes);
        rig_run(&r, 25000);
        const struct scrape_globals g = {.interval_ms = 60000, .timeout_ms = 5000};
        ASSERT_OK(rig_load_globals(&r, job.bytes, &g, &e), e);
        for (u32 s = 0; s < 200; s++) {
            rig_run(&r, 1000);
            assert_false(is_stale_nan(rig_last(&r, "a")));
            assert_false(is_stale_nan(rig_last(&r, "up")));
        }
        assert_int_equal(r.scrape->retired_count, 0);
        buf_fini(&job);
        rig_fini(&r);
    }
}

TEST(scrape_stop_writes_no_markers)
{
    struct rig r;
    scraped(&r);
    scrape_stop(r.scrape);
    assert_true(rig_last(&r, "a") == 1 && rig_last(&r, "up") == 1);
    rig_fini(&r);
}

TEST(scrape_offsets_are_stable_and_spread)
{
    struct rig r;
    rig_init(&r, 0);
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_c(&b, "- job_name: j\n  static_configs: [{targets: [");
    for (u32 i = 0; i < 500; i++) {
        buf_printf(&b, "'h%u:1',", i);
    }
    buf_c(&b, "]}]\n");
    buf_byte(&b, '\0');
    load(&r, b.bytes);
    u32 tenths[10] = {0};
    const struct scrape_pool *p = r.scrape->pools[0];
    assert_int_equal(p->target_count, 500);
    for (u32 i = 0; i < p->target_count; i++) {
        const struct scrape_target *t = p->targets[i];
        const i64 offset = scrape_target_first_due(t, (struct scrape_now){0});
        assert_true(offset >= 0 && offset < 10000);
        assert_int_equal(offset % 100, 0); // One wake for several.
        tenths[offset / 1000]++;
        // At any time the next slot is the same offset.
        const struct scrape_now now = {.wall_ms = RIG_START_MS + 1234, .mono_ms = 7};
        const struct scrape_now later = {.wall_ms = now.wall_ms + 10000, .mono_ms = 7};
        assert_int_equal((now.wall_ms + scrape_target_first_due(t, now) - 7) % 10000, offset);
        assert_int_equal(scrape_target_first_due(t, later), scrape_target_first_due(t, now));
    }
    for (u32 i = 0; i < 10; i++) {
        assert_true(tenths[i] > 20 && tenths[i] < 100);
    }
    rig_run(&r, 9999);
    assert_int_equal(r.requests, 500);
    buf_fini(&b);
    rig_fini(&r);
}

// Each look at the wall takes 7 ms, as if what lies between two looks took it.
// Threads: owned by the test.
struct slow_clk {
    struct clk base;
    struct clk *manual;
};

static i64 slow_wall_ms(struct clk *c)
{
    struct clk *manual = CONTAINER_OF(c, struct slow_clk, base)->manual;
    const i64 wall_ms = clk_wall_ms(manual);
    clk_manual_advance(manual, 7);
    return wall_ms;
}

static i64 slow_mono_ns(struct clk *c)
{
    return clk_mono_ns(CONTAINER_OF(c, struct slow_clk, base)->manual);
}

TEST(scrape_keeps_the_grid_in_a_sync_that_takes_long)
{
    static const struct clk_ops ops = {slow_wall_ms, slow_mono_ns};
    struct rig r;
    rig_init(&r, 0);
    struct slow_clk slow = {.base = {&ops}, .manual = r.clk};
    r.scrape->deps.clk = &slow.base;
    // Both clocks go on together.
    const i64 between_ms = clk_wall_ms(r.clk) - clk_mono_ms(r.clk);
    load(&r, "- job_name: j\n  static_configs: [{targets: ['h1:1', 'h2:1', 'h3:1', 'h4:1']}]\n"
             "- job_name: k\n  static_configs: [{targets: ['h1:1', 'h2:1', 'h3:1', 'h4:1']}]\n");
    i64 due_t_ms[8];
    for (u32 i = 0; i < 8; i++) {
        const struct scrape_target *t = r.scrape->pools[i / 4]->targets[i % 4];
        due_t_ms[i] = t->next_mono_ms + between_ms;
        assert_int_equal(due_t_ms[i] % 10000, scrape_target_first_due(t, (struct scrape_now){0}));
    }
    // The markers of the gone stand where they would have been scraped.
    load(&r, "[]");
    assert_int_equal(r.scrape->retired_count, 8);
    for (u32 i = 0; i < 8; i++) {
        assert_int_equal(r.scrape->retired[i]->stale_t_ms, due_t_ms[i]);
    }
    rig_fini(&r);
}

TEST(scrape_timestamps_step_evenly_within_two_ms)
{
    struct rig r;
    rig_init(&r, 0);
    r.body = "a 1\n";
    load(&r, JOB);
    struct scrape_target *t = r.scrape->pools[0]->targets[0];
    rig_run(&r, 10000);
    const i64 first_ms = t->scrape_t_ms;
    rig_run(&r, t->next_mono_ms - clk_mono_ms(r.clk) - 1);
    clk_manual_advance(r.clk, 3); // 2 ms late.
    rig_run(&r, 0);
    assert_int_equal(t->scrape_t_ms, first_ms + 10000);
    rig_run(&r, t->next_mono_ms - clk_mono_ms(r.clk) - 1);
    clk_manual_advance(r.clk, 4); // 3 ms late is late.
    rig_run(&r, 0);
    assert_int_equal(t->scrape_t_ms, first_ms + 20003);
    rig_fini(&r);
}

TEST(scrape_reload_keeps_unchanged_pools)
{
    struct rig r;
    rig_init(&r, 0);
    load(&r, JOB "- job_name: k\n  static_configs: [{targets: ['k:1']}]\n");
    const struct scrape_target *t = r.scrape->pools[0]->targets[0];
    load(&r, "- job_name: k\n  static_configs: [{targets: ['k:2']}]\n" JOB);
    assert_ptr_equal(t, r.scrape->pools[1]->targets[0]);
    assert_int_equal(r.scrape->retired_count, 1);
    rig_run(&r, 0);
    assert_int_equal(r.scrape->retired_count, 1); // Its markers are not due yet,
    assert_null(r.scrape->retired[0]->http);      // but it holds no place in the client.
    rig_run(&r, 60000);
    assert_int_equal(r.scrape->retired_count, 0);
    struct error e = {0};
    const struct scrape_globals g = {.interval_ms = 20000, .timeout_ms = 5000};
    ASSERT_OK(rig_load_globals(&r, JOB, &g, &e), e);
    assert_ptr_not_equal(t, r.scrape->pools[0]->targets[0]);
    assert_int_equal(r.scrape->pools[0]->targets[0]->interval_ms, 20000);
    refuse(&r, JOB JOB, "found multiple scrape configs with job name \"j\"");
    assert_int_equal(r.scrape->pool_count, 1);
    rig_fini(&r);
}

TEST(scrape_relabels_targets)
{
    struct rig r;
    rig_init(&r, 0);
    load(&r, "- job_name: j\n"
             "  params: {module: [a, b], x: ['1 2']}\n"
             "  static_configs: [{targets: ['site/p', 'gone']}]\n"
             "  relabel_configs:\n"
             "  - {source_labels: [__address__], regex: gone, action: drop}\n"
             "  - {source_labels: [__address__], target_label: __param_module}\n"
             "  - {source_labels: [__param_module], target_label: instance}\n"
             "  - {target_label: __address__, replacement: 'probe:9'}\n"
             "  - {target_label: __scheme__, replacement: https}\n"
             "  - {target_label: __metrics_path__, replacement: probe}\n"
             "  - {target_label: __scrape_interval__, replacement: 20s}\n"
             "  - {target_label: __tmp_x, replacement: y}\n");
    struct arena *a = arena_new(1 << 20);
    const struct scrape_snapshot s = snapshot(&r, a);
    assert_int_equal(s.target_count, 1);
    ASSERT_STR_EQ(s.targets[0].url, STR("https://probe:9/probe?module=site%2Fp&x=1%202&module=b"));
    struct buf b;
    buf_init(&b, 1000);
    labels_print(&b, s.targets[0].labels);
    ASSERT_STR_EQ(buf_get(&b), STR("{instance=\"site/p\", job=\"j\"}"));
    buf_fini(&b);
    assert_int_equal(s.targets[0].interval_ms, 20000);
    assert_int_equal(s.dropped_count, 1);
    assert_int_equal(s.dropped_total, 1);
    ASSERT_STR_EQ(labels_get(s.dropped[0].discovered_labels, LABEL_JOB), STR("j"));
    arena_free(a);
    rig_fini(&r);
}

TEST(scrape_counts_targets_that_cannot_be_used)
{
    struct rig r;
    rig_init(&r, 0);
    load(&r, "- job_name: j\n"
             "  static_configs: [{targets: ['a/b', 'c:1', 'd:1', 'e:1']}]\n"
             "  relabel_configs:\n"
             "  - {source_labels: [__address__], regex: 'd.*', target_label: __address__, "
             "replacement: ''}\n"
             "  - {source_labels: [__address__], regex: 'e.*', target_label: __scrape_timeout__, "
             "replacement: 1h}\n");
    assert_int_equal(r.scrape->pools[0]->target_count, 1);
    assert_int_equal(
        rig_metric(&r, "tidemark_scrape_failures_total{job=\"j\",reason=\"bad_target\"}"), 3);
    rig_fini(&r);
}

TEST(scrape_many_dropped_targets_are_counted_and_bounded)
{
    struct rig r;
    rig_init(&r, 0);
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_c(&b, "- targets: [");
    for (u32 i = 0; i < 12000; i++) {
        buf_printf(&b, "'h%u',", i);
    }
    buf_c(&b, "]\n");
    buf_byte(&b, '\0');
    write_file(r.fs, "/etc/t.yml", b.bytes);
    load(&r, "- job_name: j\n  file_sd_configs: [{files: [t.yml]}]\n"
             "  relabel_configs: [{action: drop}]\n"
             "- job_name: k\n  file_sd_configs: [{files: [t.yml]}]\n  keep_dropped_targets: 3\n"
             "  relabel_configs: [{action: drop}]\n");
    struct arena *a = arena_new(256 << 20);
    const struct scrape_snapshot s = snapshot(&r, a);
    assert_int_equal(s.dropped_count, 10003);
    assert_int_equal(s.dropped_total, 24000);
    assert_true(s.pool_dropped[0] == 12000 && s.pool_dropped[1] == 12000);
    arena_free(a);
    buf_fini(&b);
    rig_fini(&r);
}

TEST(scrape_snapshots_are_bounded_and_say_what_they_leave_out)
{
    struct rig r;
    rig_init(&r, 0);
    load(&r, "- job_name: j\n  static_configs: [{targets: ['a:1', 'b:1', 'c:1', 'd:1']}]\n"
             "- job_name: k\n  static_configs: [{targets: ['a:1']}]\n");
    struct arena *a = arena_new(1 << 20);
    struct scrape_snapshot s = snapshot(&r, a);
    assert_int_equal(s.target_count, 5);
    assert_int_equal(s.targets_left_out, 0);
    scrape_snapshot_take(r.scrape, STR("k"), a, &s);
    assert_int_equal(s.target_count, 1);
    assert_int_equal(s.pool_count, 2);
    r.scrape->targets_answer_max = 0;
    s = snapshot(&r, a);
    assert_int_equal(s.target_count, 0);
    assert_int_equal(s.targets_left_out, 5);
    arena_free(a);
    rig_fini(&r);
}

TEST(scrape_over_target_limit_everybody_fails)
{
    struct rig r;
    rig_init(&r, 0);
    write_file(r.fs, "/etc/t.yml", "[{targets: ['a:1', 'b:1']}]");
    load(&r, "- job_name: j\n  target_limit: 1\n  file_sd_configs: [{files: ['*.yml']}]\n");
    rig_run(&r, 10000);
    assert_int_equal(r.requests, 0);
    struct arena *a = arena_new(1 << 20);
    const struct scrape_snapshot s = snapshot(&r, a);
    assert_int_equal(s.target_count, 2);
    ASSERT_STR_EQ(s.targets[0].last_error,
                  STR("target_limit exceeded (number of targets: 2, limit: 1)"));
    arena_free(a);
    assert_int_equal(rig_series(&r, "up"), 2);
    write_file(r.fs, "/etc/t.yml", "[{targets: ['a:1']}]");
    rig_run(&r, 12000);
    assert_true(r.requests > 0);
    assert_int_equal(r.scrape->pools[0]->target_count, 1);
    rig_fini(&r);
}

TEST(scrape_follows_file_sd)
{
    struct rig r;
    rig_init(&r, 0);
    load(&r, "- job_name: j\n  file_sd_configs: [{files: [t.json]}]\n");
    assert_int_equal(r.scrape->pools[0]->target_count, 0);
    write_file(r.fs, "/etc/t.json", "[{\"targets\": [\"a:1\"], \"labels\": {\"zone\": \"z\"}}]");
    r.body = "m 1\n";
    rig_run(&r, 12000);
    const struct scrape_target *t = r.scrape->pools[0]->targets[0];
    ASSERT_STR_EQ(labels_get(t->labels, STR("zone")), STR("z"));
    ASSERT_STR_EQ(labels_get(t->discovered, STR("__meta_filepath")), STR("/etc/t.json"));
    write_file(r.fs, "/etc/t.json", "[]");
    rig_run(&r, 25000);
    assert_int_equal(r.scrape->pools[0]->target_count, 0);
    assert_true(is_stale_nan(rig_last(&r, "m")));
    rig_fini(&r);
}

TEST(scrape_refuses_configurations_by_name)
{
    struct rig r;
    rig_init(&r, 0);
    refuse(&r, "- job_name: j\n  basic_auth: {username: u, password_file: secret}\n",
           "/etc/secret");
    refuse(&r, "- job_name: j\n  scrape_timeout: 1m\n", "timeout greater than scrape interval");
    refuse(&r, "- job_name: j\n  scrape_intervall: 1m\n", "t.yml:2:3");
    refuse(&r, "- job_name: j\n  kubernetes_sd_configs: []\n", "kubernetes_sd_configs");
    refuse(&r, "- {job_name: ''}\n", "t.yml:1:14: job_name is empty");
    refuse(&r, "- {job_name: j}\n- {job_name: j}\n", "t.yml:2:14: found multiple");
    rig_fini(&r);
}

TEST(scrape_names_the_key_whose_file_cannot_be_read)
{
    struct rig r;
    rig_init(&r, 0);
    refuse(&r, "- job_name: j\n  basic_auth:\n    username: u\n    password_file: secret\n",
           "t.yml:4:20: job j: password_file: opening /etc/secret");
    refuse(&r, "- job_name: j\n  authorization:\n    credentials_file: /x/token\n",
           "t.yml:3:23: job j: credentials_file: opening /x/token");
    refuse(&r, "- job_name: j\n  tls_config:\n    ca_file: ca.pem\n",
           "t.yml:3:14: job j: ca_file: opening /etc/ca.pem");
    write_file(r.fs, "/etc/cert", "x");
    refuse(&r, "- job_name: j\n  tls_config:\n    cert_file: cert\n    key_file: key\n",
           "t.yml:4:15: job j: key_file: opening /etc/key");
    write_file(r.fs, "/etc/secret", " pw\n");
    load(&r, "- job_name: j\n  basic_auth: {username: u, password_file: secret}\n");
    ASSERT_STR_EQ(r.scrape->pools[0]->http.password, STR("pw"));
    rig_fini(&r);
}

TEST(scrape_refuses_keys_that_exclude_each_other)
{
    static const struct {
        const char *keys;
        const char *why;
    } cases[] = {
        {"basic_auth: {password: a, password_file: b}", "t.yml:2:44: basic_auth: at most one of "},
        {"authorization: {credentials_file: b, credentials: a}", "at most one of credentials and"},
        {"tls_config: {ca: a, ca_file: b}", "at most one of ca and ca_file"},
        {"tls_config: {cert: a, cert_file: b}", "at most one of cert and cert_file"},
        {"tls_config: {key: a, key_file: b}", "at most one of key and key_file"},
        {"tls_config: {key: a}", "cert or cert_file is missing"},
        {"tls_config: {cert_file: a}", "key or key_file is missing"},
        {"basic_auth: {}\n  authorization: {}", "at most one of basic_auth and authorization"},
        {"authorization: {type: Basic}", "use basic_auth"},
        {"bearer_token_file: /x", "write authorization: {credentials_file: …}"},
    };
    struct rig r;
    rig_init(&r, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char yaml[256];
        (void)snprintf(yaml, sizeof(yaml), "- job_name: j\n  %s\n", cases[i].keys);
        refuse(&r, yaml, cases[i].why);
    }
    rig_fini(&r);
}

TEST(scrape_reads_a_password_file_again_when_it_changes)
{
    struct rig r;
    rig_init(&r, 0);
    write_file(r.fs, "/etc/secret", "first\n");
    load(&r, "- job_name: j\n  basic_auth: {username: u, password_file: secret}\n"
             "  static_configs: [{targets: ['a:1']}]\n");
    r.body = "m 1\n";
    rig_run(&r, 11000);
    ASSERT_STR_EQ(str_c(r.last_password), STR("first"));
    write_file(r.fs, "/etc/secret", "second\n");
    rig_run(&r, 11000);
    ASSERT_STR_EQ(str_c(r.last_password), STR("second"));
    struct error e = {0};
    ASSERT_OK(fs_unlink(r.fs, "/etc/secret", &e), e);
    rig_run(&r, 11000);
    ASSERT_STR_EQ(str_c(r.last_password), STR("second"));
    write_file(r.fs, "/etc/secret", "third");
    const u32 requests = r.requests;
    rig_run(&r, 10000);
    ASSERT_STR_EQ(str_c(r.last_password), STR("third"));
    assert_int_equal(r.requests, requests + 1); // A new connection is no second scrape.
    rig_fini(&r);
}

// Discovery that says another interval or time-out for a target it goes on to find.
TEST(scrape_follows_intervals_and_timeouts_of_discovery)
{
    static const char text[] =
        "[{\"targets\": [\"a:1\"], \"labels\": "
        "{\"__scrape_interval__\": \"%s\", \"__scrape_timeout__\": \"%s\"}}]";
    static const struct {
        const char *interval;
        const char *timeout;
        const char *told;
        u32 requests; // In three minutes.
    } cases[] = {{"10s", "5s", "5", 18},
                 {"10s", "2s", "2", 18},
                 {"30s", "2s", "2", 6},
                 {"5s", "4s", "4", 36}};
    struct rig r;
    rig_init(&r, 0);
    r.body = "a 1\n";
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char json[256];
        (void)snprintf(json, sizeof(json), text, cases[i].interval, cases[i].timeout);
        write_file(r.fs, "/etc/sd.json", json);
        if (i == 0) {
            load(&r, "- job_name: j\n  file_sd_configs: [{files: [sd.json]}]\n");
        }
        for (u32 s = 0; s < 100; s++) { // Also while the old one is on its way out.
            rig_run(&r, 1000);
            assert_false(s > 31 && is_stale_nan(rig_last(&r, "a")));
        }
        assert_int_equal(r.scrape->pools[0]->target_count, 1);
        assert_int_equal(r.scrape->retired_count, 0);
        const u32 before = r.requests;
        rig_run(&r, 180000);
        assert_int_equal(r.requests - before, cases[i].requests);
        ASSERT_STR_EQ(str_c(r.last_timeout), str_c(cases[i].told));
    }
    rig_fini(&r);
}

// A gone job's markers are written beside the scheduler, which goes on scraping.
TEST(scrape_ends_gone_targets_by_a_thread_of_their_own)
{
    struct rig r;
    rig_init(&r, 0);
    struct error e = {0};
    r.body = "a 1\n";
    const struct scrape_deps deps = {
        .storage = r.store, .fs = r.fs, .clk = clk_real(), .http = r.http};
    struct scrape *own = r.scrape;
    r.scrape = scrape_new(&deps, &e);
    assert_non_null(r.scrape);
    const struct scrape_globals g = {.interval_ms = 10, .timeout_ms = 10};
    struct stop *pause = stop_new();
    ASSERT_OK(rig_load_globals(&r, JOB, &g, &e), e);
    while (rig_series(&r, "a") == 0) {
        (void)stop_sleep_ms(pause, 5);
    }
    ASSERT_OK(rig_load_globals(&r, "[]", &g, &e), e);
    while (!is_stale_nan(rig_last(&r, "a"))) {
        (void)stop_sleep_ms(pause, 5);
    }
    stop_free(pause);
    scrape_stop(r.scrape);
    scrape_free(r.scrape);
    r.scrape = own;
    rig_fini(&r);
}

TEST(scrape_tells_each_target_its_own_timeout)
{
    struct rig r;
    rig_init(&r, 0);
    load(&r, "- job_name: j\n  static_configs: [{targets: ['a:1']}]\n");
    rig_run(&r, 11000);
    ASSERT_STR_EQ(str_c(r.last_timeout), STR("5"));
    load(&r, "- job_name: j\n  static_configs: [{targets: ['a:1']}]\n  relabel_configs:\n"
             "  - {target_label: __scrape_timeout__, replacement: 2500ms}\n");
    rig_run(&r, 11000);
    ASSERT_STR_EQ(str_c(r.last_timeout), STR("2.5"));
    rig_fini(&r);
}

TEST(scrape_by_its_own_threads)
{
    struct rig r;
    rig_init(&r, 0);
    struct error e = {0};
    r.body = "a 1\n";
    const struct scrape_deps deps = {
        .storage = r.store, .fs = r.fs, .clk = clk_real(), .http = r.http};
    struct scrape *own = r.scrape;
    r.scrape = scrape_new(&deps, &e);
    assert_non_null(r.scrape);
    const struct scrape_globals g = {.interval_ms = 20, .timeout_ms = 10};
    struct arena *a = arena_new(64 << 20);
    for (u32 i = 0; i < 20; i++) {
        ASSERT_OK(rig_load_globals(&r, i % 2 ? JOB "  sample_limit: 9\n" : JOB, &g, &e), e);
        const struct scrape_snapshot s = snapshot(&r, a);
        assert_int_equal(s.target_count, 1);
        struct stop *pause = stop_new();
        (void)stop_sleep_ms(pause, 10);
        stop_free(pause);
    }
    scrape_stop(r.scrape);
    assert_true(r.requests > 2);
    arena_free(a);
    scrape_free(r.scrape);
    r.scrape = own;
    rig_fini(&r);
}
