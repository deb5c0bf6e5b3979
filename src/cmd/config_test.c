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

static struct config *load(struct fs *fs, const char *text, struct error *e)
{
    struct error write_error = {0};
    if (!fs_make_dir(fs, "/c", &write_error)) {
        fail_msg("%s", write_error.text);
    }
    struct file *f = fs_open(fs, "/c/prometheus.yml", FS_TRUNCATE, &write_error);
    assert_non_null(f);
    ASSERT_OK(fs_write_at(fs, f, 0, str_c(text), &write_error), write_error);
    fs_close(fs, f);
    return config_load(fs, STR("/c/prometheus.yml"), STR("127.0.0.1:9090"), test_env, e);
}

TEST(config_reads_upstreams_file)
{
    struct fs *fs = fs_mem_new(1 << 20);
    struct error e = {0};
    struct config *c =
        load(fs,
             "global:\n"
             "  scrape_interval: 15s\n"
             "  external_labels: {region: '${REGION}-$$1', gone: '$NOPE'}\n"
             "rule_files: [rules.yml, 'none*.yml']\n"
             "storage: {tsdb: {out_of_order_time_window: 30m, retention: {time: 30d}}}\n"
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
    assert_int_equal(c->retention_ms, 30LL * 86400000);
    ASSERT_STR_EQ(labels_get(c->scrape.external_labels, STR("region")), STR("north-$1"));
    assert_false(labels_has(c->scrape.external_labels, STR("gone")));
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
        {"global:\n  scrape_interval: 5s\n  scrape_timeout: 6s\n", "greater than scrape interval"},
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
