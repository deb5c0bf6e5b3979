#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "cmd/feature_flags.h"
#include "cmd/options.h"

#include <stdio.h>

static const char *test_env(const char *name)
{
    return strcmp(name, "TIDEMARK_STORAGE_TSDB_PATH") == 0 ? "/from/env" : NULL;
}

static bool parse(struct arena *a, const char *const *args, int n, struct options *o,
                  struct error *e)
{
    char *argv[16];
    for (int i = 0; i < n; i++) {
        argv[i] = (char *)(uintptr_t)arena_cstr(a, str_c(args[i]));
    }
    return options_parse(n, argv, test_env, a, o, e);
}

TEST(options_take_flag_over_environment_over_default)
{
    struct arena *a = arena_new(1 << 20);
    struct options o;
    struct error e = {0};
    const char *const none[] = {"--web.enable-lifecycle"};
    ASSERT_OK(parse(a, none, 1, &o, &e), e);
    ASSERT_STR_EQ(o.storage_path, STR("/from/env"));
    ASSERT_STR_EQ(o.listen_address, STR("127.0.0.1:9090"));
    assert_true(o.enable_lifecycle);
    assert_int_equal(o.retention_ms, 15LL * 24 * 3600 * 1000);
    const char *const all[] = {"--storage.tsdb.path=/x",
                               "-storage.tsdb.retention.size",
                               "2GB",
                               "--no-web.enable-lifecycle",
                               "--log.level=debug",
                               "--query.timeout=30s"};
    ASSERT_OK(parse(a, all, 6, &o, &e), e);
    ASSERT_STR_EQ(o.storage_path, STR("/x"));
    assert_int_equal(o.retention_bytes, 2ULL << 30);
    assert_false(o.enable_lifecycle);
    assert_int_equal(o.log_level, 0);
    assert_int_equal(o.query_timeout_ms, 30000);
    arena_free(a);
}

TEST(options_say_what_is_wrong_and_what_would_be_right)
{
    static const struct {
        const char *arg;
        const char *want;
    } cases[] = {
        {"--storage.tsdb.pth=x",
         "unknown flag --storage.tsdb.pth: did you mean --storage.tsdb.path?"},
        {"--zzzzzzzzzzzzzzzzz",
         "unknown flag --zzzzzzzzzzzzzzzzz: tidemark server --help lists all"},
        {"--web.enable-otlp-receiver",
         "--web.enable-otlp-receiver is known to Prometheus but not built in "
         "this release: leave it out"},
        {"--log.level=loud", "--log.level: \"loud\" is none of debug, info, warn, error"},
        {"--web.enable-lifecycle=yes", "--web.enable-lifecycle: \"yes\" is not true or false"},
        {"--storage.tsdb.retention.size=12Q",
         "--storage.tsdb.retention.size: \"12Q\" is not a size (write 512MB, 2GB …)"},
        {"--storage.tsdb.path", "--storage.tsdb.path wants a value"},
        {"--memory.limit=1KB",
         "--memory.limit: \"1KB\" is less than the least, 64MB (0 = the default)"},
        {"--query.max-samples=0", "--query.max-samples: \"0\" is less than the least, 1"},
        {"--query.max-concurrency=0", "--query.max-concurrency: \"0\" is less than the least, 1"},
        {"--query.max-concurrency=65", "--query.max-concurrency: \"65\" is more than the most, 64"},
        {"--query.timeout=0s", "--query.timeout: \"0s\" is less than the least, 1ms"},
        {"--query.lookback-delta=0", "--query.lookback-delta: \"0\" is less than the least, 1ms"},
        {"--web.max-connections=0", "--web.max-connections: \"0\" is less than the least, 1"},
        {"--storage.tsdb.series-limit=5000000000",
         "--storage.tsdb.series-limit: \"5000000000\" is more than the most, 4294967295"},
        {"stray", "unexpected argument \"stray\": flags begin with --"},
    };
    struct arena *a = arena_new(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct options o;
        struct error e = {0};
        assert_false(parse(a, &cases[i].arg, 1, &o, &e));
        ASSERT_STR_EQ(str_c(e.text), str_c(cases[i].want));
    }
    arena_free(a);
}

TEST(options_help_names_every_built_flag_and_no_other)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    options_help(&b);
    for (u32 i = 0; i < options_count; i++) {
        char flag[128];
        (void)snprintf(flag, sizeof(flag), "  --%s%s", options_table[i].name,
                       options_table[i].type == OPTION_BOOL ? "\n" : "=");
        assert_int_equal(str_contains(buf_get(&b), str_c(flag)),
                         options_table[i].type != OPTION_UNBUILT);
    }
    buf_fini(&b);
}

TEST(features_are_switched_by_name)
{
    static const struct {
        const char *name;
        const char *enabled;
        const char *disabled;
        bool on;
    } cases[] = {
        {"promql-duration-expr", "", "", true},
        {"promql-duration-expr", "", "a, promql-duration-expr ,b", false},
        {"promql-duration-expr", "promql-duration-expr", "promql-duration-expr", false},
        {"promql-delayed-name-removal", "promql-delayed-name", "", false},
        {"promql-delayed-name-removal", "a,promql-delayed-name-removal", "a", true},
        {"type-and-unit-labels", "", "", false},
        {"type-and-unit-labels", "type-and-unit-labels", "", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(
            feature_is_on(cases[i].name, str_c(cases[i].enabled), str_c(cases[i].disabled)),
            cases[i].on);
    }
}

TEST(options_doubt_what_nothing_reads)
{
    char *const variables[] = {(char[]){"TIDEMARK_QUERY_TIMEOUT=1m"},
                               (char[]){"TIDEMARK_QUERY_TIMEUOT=1m"},
                               (char[]){"PATH=/bin"},
                               (char[]){"TIDEMARK_WEB_CONFIG_FILE=refused elsewhere"},
                               (char[]){"TIDEMARK_ZZZZZZZZZZZZZZZZZZZZZZZZ"},
                               NULL};
    static const char *const want[] = {
        "--enable-feature: unknown feature \"promql-experimental-function\": did you mean "
        "promql-experimental-functions?",
        "--enable-feature=old-ui changes nothing: it is known to Prometheus but not built in this "
        "release",
        "--disable-feature=native-histograms changes nothing: it is known to Prometheus but not "
        "built "
        "in this release",
        "--disable-feature=utf8-names changes nothing: it is known to Prometheus but always on "
        "here",
        "no flag reads the environment variable TIDEMARK_QUERY_TIMEUOT: did you mean "
        "TIDEMARK_QUERY_TIMEOUT?",
        "no flag reads the environment variable TIDEMARK_ZZZZZZZZZZZZZZZZZZZZZZZZ",
    };
    struct arena *a = arena_new(1 << 20);
    struct options o;
    struct error e = {0};
    const char *const args[] = {
        "--enable-feature=promql-experimental-function, old-ui,"
        "promql-duration-expr,exemplar-storage",
        "--disable-feature=native-histograms,utf8-names,promql-duration-expr"};
    ASSERT_OK(parse(a, args, 2, &o, &e), e);
    str *texts = NULL;
    assert_int_equal(options_doubts(&o, variables, a, &texts), ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        ASSERT_STR_EQ(texts[i], str_c(want[i]));
    }
    assert_int_equal(options_doubts(&o, NULL, a, &texts), 4);
    arena_free(a);
}
