#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "cmd/config.h"
#include "os/fs.h"

static const char *test_env(const char *name)
{
    return strcmp(name, "REGION") == 0 ? "north" : NULL;
}

static void file_put(struct fs *fs, const char *path, const char *text)
{
    struct error e = {0};
    ASSERT_OK(fs_make_dir(fs, "/c", &e), e);
    struct file *f = fs_open(fs, path, FS_TRUNCATE, &e);
    assert_non_null(f);
    ASSERT_OK(fs_write_at(fs, f, 0, str_c(text), &e), e);
    fs_close(fs, f);
}

static struct config *load(struct fs *fs, const char *text, struct error *e)
{
    file_put(fs, "/c/prometheus.yml", text);
    return config_load(fs, STR("/c/prometheus.yml"), STR("127.0.0.1:9090"), test_env, e);
}

TEST(config_reads_upstreams_file)
{
    struct fs *fs = fs_mem_new(1 << 20);
    struct error e = {0};
    file_put(fs, "/c/rules.yml", "groups: []\n");
    struct config *c =
        load(fs,
             "global:\n"
             "  scrape_interval: 15s\n"
             "  external_labels: {region: '${REGION}-$$1', gone: '$NOPE'}\n"
             "rule_files: [rules.yml, 'none*.yml']\n"
             "storage: {tsdb: {out_of_order_time_window: 30m, retention: {time: 30d,\n"
             "  percentage: 80, classes: [{match: '{namespace=~\"debug-.*\"}', keep: 6h}]}}}\n"
             "scrape_configs:\n"
             "  - job_name: a\n"
             "    basic_auth: {username: u, password: very-hidden}\n"
             "    static_configs: [{targets: ['x:1']}]\n",
             &e);
    if (!c) {
        fail_msg("%s", e.text);
    }
    assert_int_equal(c->scrape.interval_ms, 15000);
    assert_int_equal(c->scrape.timeout_ms, 10000);
    assert_int_equal(c->evaluation_interval_ms, 60000);
    assert_int_equal(c->ooo_window_ms, 30 * 60000);
    assert_int_equal(c->retention.ms, 30LL * 86400000);
    assert_int_equal(c->retention.disk_percent, 80);
    assert_int_equal(c->retention.class_count, 1);
    assert_int_equal(c->retention.classes[0].keep_ms, 6 * 3600000);
    assert_int_equal(c->retention.classes[0].count, 1);
    ASSERT_STR_EQ(c->retention.classes[0].ms[0].value, STR("debug-.*"));
    ASSERT_STR_EQ(labels_get(c->scrape.external_labels, STR("region")), STR("north-$1"));
    assert_false(labels_has(c->scrape.external_labels, STR("gone")));
    assert_int_equal(c->warning_count, 1); // And not without a word.
    ASSERT_STR_EQ(c->warnings[0], STR("/c/prometheus.yml:3:52: external label gone: the "
                                      "environment has no NOPE, nothing stands in its place"));
    assert_int_equal(c->scrape_config_count, 1);
    assert_int_equal(c->rule_file_count, 1);
    ASSERT_STR_EQ(c->rule_files[0].path, STR("/c/rules.yml"));
    struct arena *a = arena_new(1 << 20);
    const str masked = config_masked(c, a);
    assert_false(str_contains(masked, STR("very-hidden")));
    assert_true(str_contains(masked, STR("<secret>")));
    arena_free(a);
    config_free(c);
    fs_mem_free(fs);
}

TEST(config_errors_carry_file_line_column_and_a_hint)
{
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"global:\n  scrape_intervall: 15s\n", "/c/prometheus.yml:2:3: "},
        {"global:\n  scrape_intervall: 15s\n", "scrape_interval"},
        {"remote_write:\n  - url: http://x\n", "not built"},
        {"global:\n  scrape_interval: 15\n", "/c/prometheus.yml:2:20: "},
        {"scrape_configs:\n\t- x\n", "/c/prometheus.yml:2:"},
        {"global:\n  scrape_interval: 5s\n  scrape_timeout: 6s\n",
         "/c/prometheus.yml:3:19: global scrape timeout greater than scrape interval"},
        {"global:\n  evaluation_interval: 0s\n", "/c/prometheus.yml:2:24: evaluation_interval"},
        {"rule_files:\n  - '*.yml'\n  - gone.yml\n", "/c/prometheus.yml:3:5: "},
        {"rule_files:\n  - '*.yml'\n  - gone.yml\n", "/c/gone.yml"},
        {"storage: {tsdb: {retention: {percentage: 101}}}\n", "percentage: 101 is more than 100"},
        {"storage: {tsdb: {retention: {classes: [{match: up}]}}}\n", "keep"},
        {"storage: {tsdb: {retention: {classes: [{match: '{', keep: 1h}]}}}\n",
         "/c/prometheus.yml:1:40: match: "},
        {"rule_files: [../c]\n", "/c/prometheus.yml:1:14: "},
        {"scrape_config_files: [gone.yml]\n", "/c/prometheus.yml:1:23: "},
        {"tracing: {}\nscrape_configs:\n- job_name: a\n  oauth2: {}\n- job_name: b\n"
         "  dns_sd_configs: []\n  bearer_token: s3cr3t\n",
         "'oauth2' (4:3), 'dns_sd_configs' (6:3), 'bearer_token' (7:3)"},
        {"scrape_configs: [{job_name: a, bearer_token: x}]\n",
         "write authorization: {credentials: …}"},
    };
    struct fs *fs = fs_mem_new(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error e = {0};
        assert_null(load(fs, cases[i].text, &e));
        if (!strstr(e.text, cases[i].want)) {
            fail_msg("case %zu: \"%s\" is not in \"%s\"", i, cases[i].want, e.text);
        }
    }
    fs_mem_free(fs);
}

TEST(config_without_a_file_scrapes_itself)
{
    struct fs *fs = fs_mem_new(1 << 20);
    struct error e = {0};
    struct config *c = config_load(fs, STR_EMPTY, STR(":9191"), test_env, &e);
    assert_non_null(c);
    assert_true(c->is_builtin);
    assert_int_equal(c->scrape_config_count, 1);
    struct arena *a = arena_new(1 << 20);
    assert_true(str_contains(config_masked(c, a), STR("127.0.0.1:9191")));
    arena_free(a);
    config_free(c);
    fs_mem_free(fs);
}
