#include "base/alloc_fault.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "cmd/config.h"
#include "os/fs.h"

#include <stdio.h>

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
    const str masked = config_page(c, a);
    assert_false(str_contains(masked, STR("very-hidden")));
    assert_true(str_contains(masked, STR("<secret>")));
    arena_free(a);
    config_free(c);
    fs_mem_free(fs);
}

static void page_expect(struct fs *fs, const char *text, const char *want)
{
    struct error e = {0};
    struct arena *a = arena_new(1 << 20);
    struct config *c = load(fs, text, &e);
    if (!c) {
        fail_msg("%s", e.text);
    }
    const str page = config_page(c, a);
    ASSERT_STR_EQ(page, str_c(want));
    struct config *again = load(fs, page.ptr, &e);
    if (!again) {
        fail_msg("%s", e.text);
    }
    ASSERT_STR_EQ(config_page(again, a), page);
    assert_true(labels_eq(again->scrape.external_labels, c->scrape.external_labels));
    assert_int_equal(again->scrape.timeout_ms, c->scrape.timeout_ms);
    assert_int_equal(again->ooo_window_ms, c->ooo_window_ms);
    assert_int_equal(again->retention.ms, c->retention.ms);
    assert_int_equal(again->retention.class_count, c->retention.class_count);
    assert_int_equal(again->rule_file_count, c->rule_file_count);
    assert_int_equal(again->scrape_config_count, c->scrape_config_count);
    config_free(again);
    config_free(c);
    arena_free(a);
}

TEST(config_page_is_what_is_in_force_and_loads_again)
{
    struct fs *fs = fs_mem_new(1 << 20);
    file_put(fs, "/c/rules.yml", "groups: []\n");
    file_put(fs, "/c/more.yml", "scrape_configs: [{job_name: elsewhere}]\n");
    page_expect(fs, "",
                "global:\n  scrape_interval: 1m\n  scrape_timeout: 10s\n"
                "  evaluation_interval: 1m\n");
    page_expect(
        fs,
        "# The shop's.\n"
        "storage: {tsdb: {out_of_order_time_window: 30m, retention: {time: 30d, size: 1GB,\n"
        "  percentage: 80, classes: [{match: '{a=\"b\"}', keep: 0s}]}}}\n"
        "rule_files: [rules.yml, 'none*.yml']\n"
        "scrape_config_files: [more.yml]\n"
        "global:\n"
        "  scrape_interval: 5s\n"
        "  sample_limit: 1000\n"
        "  external_labels: {region: '${REGION}-$$1', gone: '$NOPE', zone: '1'}\n"
        "scrape_configs:\n"
        "- job_name: a\n"
        "  static_configs: [{targets: ['x:1', '[::1]:80'], labels: {tier: front}}]\n"
        "- job_name: b\n"
        "  scrape_interval: 1m\n"
        "  scheme: HTTPS\n"
        "  params: {module: [x]}\n"
        "  sample_limit: 5\n"
        "  basic_auth: {username: u, password: very-hidden}\n"
        "  tls_config: {ca: very-hidden, min_version: TLS12}\n"
        "  proxy_url: http://u:very-hidden@p\n"
        "  file_sd_configs: [{files: ['t/*.json']}]\n"
        "  metric_relabel_configs: [{source_labels: [le], regex: '0\\.[0-9]+', action: drop}]\n",
        "global:\n"
        "  scrape_interval: 5s\n"
        "  scrape_timeout: 5s\n"
        "  evaluation_interval: 1m\n"
        "  external_labels:\n"
        "    region: north-$$1\n"
        "    zone: \"1\"\n"
        "  sample_limit: 1000\n"
        "rule_files:\n- rules.yml\n- none*.yml\n"
        "scrape_config_files:\n- more.yml\n"
        "scrape_configs:\n"
        "- job_name: a\n"
        "  honor_timestamps: true\n"
        "  track_timestamps_staleness: false\n"
        "  scrape_interval: 5s\n"
        "  scrape_timeout: 5s\n"
        "  metrics_path: /metrics\n"
        "  scheme: http\n"
        "  enable_compression: true\n"
        "  sample_limit: 1000\n"
        "  follow_redirects: true\n"
        "  enable_http2: true\n"
        "  static_configs:\n"
        "  - targets:\n"
        "    - x:1\n"
        "    - \"[::1]:80\"\n"
        "    labels:\n"
        "      tier: front\n"
        "- job_name: b\n"
        "  honor_timestamps: true\n"
        "  track_timestamps_staleness: false\n"
        "  params:\n"
        "    module:\n"
        "    - x\n"
        "  scrape_interval: 1m\n"
        "  scrape_timeout: 5s\n"
        "  metrics_path: /metrics\n"
        "  scheme: https\n"
        "  enable_compression: true\n"
        "  sample_limit: 5\n"
        "  follow_redirects: true\n"
        "  enable_http2: true\n"
        "  basic_auth:\n"
        "    username: u\n"
        "    password: <secret>\n"
        "  tls_config:\n"
        "    ca: <secret>\n"
        "    insecure_skip_verify: false\n"
        "    min_version: TLS12\n"
        "  proxy_url: <secret>\n"
        "  metric_relabel_configs:\n"
        "  - source_labels:\n"
        "    - le\n"
        "    separator: ;\n"
        "    regex: 0\\.[0-9]+\n"
        "    replacement: $1\n"
        "    action: drop\n"
        "  file_sd_configs:\n"
        "  - files:\n"
        "    - t/*.json\n"
        "    refresh_interval: 5m\n"
        "storage:\n"
        "  tsdb:\n"
        "    out_of_order_time_window: 30m\n"
        "    retention:\n"
        "      time: 30d\n"
        "      size: 1GiB\n"
        "      percentage: 80\n"
        "      classes:\n"
        "      - match: \"{a=\\\"b\\\"}\"\n"
        "        keep: 0s\n");
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
    assert_true(str_contains(config_page(c, a), STR("127.0.0.1:9191")));
    arena_free(a);
    config_free(c);
    fs_mem_free(fs);
}

// Each call of the file system fails once; a folder that cannot be listed is told at its pattern.
TEST(config_tells_which_pattern_cannot_be_listed)
{
    struct fs *inner = fs_mem_new(1 << 20);
    struct fs *fs = fs_faulty_new(inner);
    struct config *c = NULL;
    u32 told = 0;
    file_put(fs, "/c/prometheus.yml", "rule_files:\n  - '*.rules'\nscrape_configs: []\n");
    for (u32 n = 1; !c; n++) {
        struct error e = {0};
        assert_true(n < 20);
        fs_faulty_arm(fs, n, FS_FAULT_EMFILE, false);
        c = config_load(fs, STR("/c/prometheus.yml"), STR(":9090"), test_env, &e);
        const bool pattern = strstr(e.text, "/c/prometheus.yml:2:5: ") != NULL;
        told += pattern;
        assert_true(!pattern || (e.code == ERR_IO && strstr(e.text, "list")));
    }
    assert_int_equal(told, 1);
    config_free(c);
    fs_faulty_free(fs);
    fs_mem_free(inner);
}

static const char config_of_all[] =
    "global:\n  scrape_interval: 15s\n  external_labels: {region: '${REGION}'}\n"
    "rule_files: ['rules*.yml', one.yml]\n"
    "scrape_config_files: ['more*.yml']\n"
    "storage: {tsdb: {retention: {time: 30d, classes: [{match: '{a=~\"b.*\"}', keep: 6h}]}}}\n"
    "scrape_configs:\n"
    "  - job_name: a\n"
    "    static_configs: [{targets: ['x:1'], labels: {k: v}}]\n"
    "    relabel_configs: [{source_labels: [a, b], regex: '(.*)', target_label: c}]\n";

// The page of the configuration and its files, as text; NULL: it was refused.
static const char *loaded_text(struct fs *fs, struct arena *a, struct error *e)
{
    struct config *c = config_load(fs, STR("/c/prometheus.yml"), STR(":9090"), test_env, e);
    if (!c) {
        return NULL;
    }
    str text = config_page(c, a);
    for (u32 i = 0; i < c->rule_file_count; i++) {
        text = arena_printf(a, "%.*s%.*s\n", STR_ARG(text), STR_ARG(c->rule_files[i].path));
    }
    text = arena_printf(a, "%.*s%u\n", STR_ARG(text), c->scrape_config_count);
    config_free(c);
    return text.ptr;
}

// A file that is left out, or half a list, would be a configuration that nobody wrote.
TEST(config_survives_each_refused_request_for_memory)
{
    struct fs *fs = fs_mem_new(1 << 20);
    struct error e = {0};
    struct arena *a = arena_new(16 << 20);
    u64 refused = 0;
    file_put(fs, "/c/rules-1.yml", "groups: []\n");
    file_put(fs, "/c/rules-2.yml", "groups: []\n");
    file_put(fs, "/c/one.yml", "groups: []\n");
    file_put(fs, "/c/more-1.yml", "scrape_configs: [{job_name: elsewhere}]\n");
    file_put(fs, "/c/prometheus.yml", config_of_all);
    alloc_fault_arm(0);
    const char *want = loaded_text(fs, a, &e);
    const u64 requests = alloc_fault_calls();
    ASSERT_OK(want != NULL, e);
    for (u64 n = 1; n <= requests; n++) {
        alloc_fault_arm(n);
        const char *got = loaded_text(fs, a, &e);
        alloc_fault_disarm();
        if (got && strncmp(got, "# ", 2) != 0) { // A page that has no room says so.
            assert_string_equal(got, want);
        } else if (!got) {
            assert_int_equal(e.code, ERR_LIMIT);
            assert_true(strstr(e.text, "memory") || strstr(e.text, "bytes"));
        }
        refused += !got;
    }
    printf("# %llu requests, %llu errors\n", (unsigned long long)requests,
           (unsigned long long)refused);
    assert_true(refused > 50);
    assert_string_equal(loaded_text(fs, a, &e), want);
    arena_free(a);
    fs_mem_free(fs);
}
