// tool.c: checks of configuration and rule files. Files go through the functions that the server
// loads them with, so that what passes here starts there; nothing is put to work and nothing is
// written. The words on standard output are promtool's, since scripts read them.
#include "cmd/tool.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "client/tidemark.h"
#include "cmd/config.h"
#include "cmd/server.h"
#include "cmd/tool_lint.h"
#include "cmd/tool_promql.h"
#include "cmd/tool_query.h"
#include "cmd/tool_tsdb.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/proc.h"
#include "promql/promql.h"
#include "rules/rules.h"
#include "scrape/scrape.h"
#include "storage/memstore.h"

#include <stdio.h>

// What loading needs around it; none of it runs. Threads: owned.
struct tool {
    struct storage *store;
    struct promql_engine *engine;
    struct tmk_registry *registry;
    struct rules *rules;
};

static const char check_usage[] =
    "       tidemark tool check config FILE…\n"
    "       tidemark tool check rules FILE…\n"
    "       tidemark tool check expressions EXPR…\n"
    "       tidemark tool check metrics [--extended] [--lint=all|none]\n"
    "                                       the page on standard input: its style, and with\n"
    "                                       --extended how many series each metric has\n";

static bool tool_init(struct tool *t, struct error *e)
{
    t->store = memstore_new((struct memstore_opts){.clk = clk_real()});
    t->engine = promql_engine_new((struct promql_engine_opts){.clk = clk_real()});
    t->registry = tmk_registry_new(NULL);
    const struct rules_deps rules = {.storage = t->store,
                                     .engine = t->engine,
                                     .clk = clk_real(),
                                     .fs = fs_real(),
                                     .registry = t->registry};
    t->rules = rules_new(&rules, e);
    return t->rules != NULL;
}

static void tool_fini(struct tool *t)
{
    rules_free(t->rules);
    promql_engine_free(t->engine);
    memstore_free(t->store);
    tmk_registry_free(t->registry);
}

static bool failed(const struct error *e)
{
    (void)fflush(stdout); // So that a terminal shows both in their order.
    (void)fprintf(stderr, "  FAILED:\n     %s\n", e->text);
    (void)printf("\n");
    return false;
}

static bool rules_check(struct tool *t, str path, const struct rules_opts *opts)
{
    const struct rules_file file = {.path = path};
    struct error e = {0};
    (void)printf("Checking %.*s\n", STR_ARG(path));
    struct rules_plan *plan = rules_prepare(t->rules, opts, &file, 1, &e);
    if (!plan) {
        return failed(&e);
    }
    (void)printf("  SUCCESS: %u rules found\n\n", rules_plan_rules(plan));
    rules_plan_free(plan);
    return true;
}

// The jobs, whose pools are made as for a reload, with the files of their secrets.
static bool jobs_check(struct tool *t, const struct config *c, struct error *e)
{
    const struct scrape_deps deps = {
        .storage = t->store, .fs = fs_real(), .clk = clk_real(), .config_dir = c->dir};
    struct scrape *scrape = scrape_new(&deps, e);
    struct scrape_plan *plan =
        scrape ? scrape_prepare(scrape, &c->scrape, c->scrape_configs, c->scrape_config_count, e)
               : NULL;
    const bool ok = plan != NULL;
    scrape_plan_free(plan);
    scrape_free(scrape);
    return ok;
}

static bool config_check(struct tool *t, const char *path)
{
    struct error e = {0};
    (void)printf("Checking %s\n", path);
    struct config *c = config_load(fs_real(), str_c(path), STR_EMPTY, proc_env, &e);
    bool ok = c && jobs_check(t, c, &e);
    if (!ok) {
        config_free(c);
        return failed(&e);
    }
    for (u32 i = 0; i < c->warning_count; i++) {
        (void)fprintf(stderr, "  WARNING: %.*s\n", STR_ARG(c->warnings[i]));
    }
    if (c->rule_file_count > 0) {
        (void)printf("  SUCCESS: %u rule files found\n", c->rule_file_count);
    }
    (void)printf(" SUCCESS: %s is valid prometheus config file syntax\n\n", path);
    const struct rules_opts opts = {.evaluation_interval_ms = c->evaluation_interval_ms,
                                    .query_offset_ms = c->query_offset_ms,
                                    .external_labels = c->scrape.external_labels};
    for (u32 i = 0; i < c->rule_file_count; i++) {
        ok = rules_check(t, c->rule_files[i].path, &opts) && ok;
    }
    config_free(c);
    return ok;
}

static bool expression_check(struct tool *t, const char *text)
{
    struct error e = {0};
    (void)printf("Checking %s\n", text);
    struct promql_query *q = promql_query_new(t->engine, str_c(text), NULL, &e);
    if (q == NULL) {
        return failed(&e);
    }
    (void)printf("  SUCCESS: %s\n\n", promql_type_text(promql_query_type(q)));
    promql_query_free(q);
    return true;
}

// Of all files or texts; true: all are good.
static bool check_all(struct tool *t, const char *kind, int argc, char **argv)
{
    const struct rules_opts opts = {.evaluation_interval_ms = 60000};
    bool ok = true;
    for (int i = 0; i < argc; i++) {
        bool good;
        if (strcmp(kind, "config") == 0) {
            good = config_check(t, argv[i]);
        } else if (strcmp(kind, "rules") == 0) {
            good = rules_check(t, str_c(argv[i]), &opts);
        } else {
            good = expression_check(t, argv[i]);
        }
        ok = good && ok;
    }
    return ok;
}

static int usage_fail(const char *text)
{
    (void)fprintf(stderr, "tidemark: %s\nusage:\n%s", text, check_usage);
    return EXIT_USAGE;
}

static int check_run(int argc, char **argv)
{
    static const char *const kinds[] = {"config", "rules", "expressions"};
    bool known = false;
    for (u32 i = 0; argc >= 1 && i < ARRAY_LEN(kinds); i++) {
        known = known || strcmp(argv[0], kinds[i]) == 0;
    }
    if (argc >= 1 && strcmp(argv[0], "metrics") == 0) {
        struct error e = {0};
        const int code = tool_lint_run(argc - 1, argv + 1, &e);
        return code == EXIT_USAGE ? usage_fail(e.text) : code;
    }
    if (!known) {
        return usage_fail("there are check config, rules, expressions and metrics");
    }
    if (argc < 2) {
        return usage_fail("what is to be checked is wanted");
    }
    struct tool t = {0};
    struct error e = {0};
    bool ok = tool_init(&t, &e) || failed(&e);
    ok = ok && check_all(&t, argv[0], argc - 1, argv + 1);
    tool_fini(&t);
    return ok ? EXIT_OK : EXIT_RUNTIME;
}

static int tsdb_run(int argc, char **argv)
{
    return tool_tsdb_run(fs_real(), argc, argv);
}

static int query_run(int argc, char **argv)
{
    return tool_query_run(clk_real(), argc, argv);
}

static const struct {
    const char *name;
    const char *usage;
    int (*run)(int argc, char **argv);
} families[] = {{"check", check_usage, check_run},
                {"promql", tool_promql_usage, tool_promql_run},
                {"query", tool_query_usage, query_run},
                {"tsdb", tool_tsdb_usage, tsdb_run}};

static void usage_put(FILE *out, const char *of)
{
    (void)fputs("usage:\n", out);
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        if (of == NULL || strcmp(of, families[i].name) == 0) {
            (void)fputs(families[i].usage, out);
        }
    }
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return argc > 0 && strcmp(argv[0], "help") == 0;
}

int tool_run(int argc, char **argv)
{
    for (size_t i = 0; argc >= 1 && i < ARRAY_LEN(families); i++) {
        if (strcmp(argv[0], families[i].name) != 0) {
            continue;
        }
        if (asks_for_help(argc - 1, argv + 1)) {
            usage_put(stdout, argv[0]);
            return EXIT_OK;
        }
        return families[i].run(argc - 1, argv + 1);
    }
    if (asks_for_help(argc, argv)) {
        usage_put(stdout, NULL);
        return EXIT_OK;
    }
    (void)fputs("tidemark: there are tool check, promql, query and tsdb\n", stderr);
    usage_put(stderr, NULL);
    return EXIT_USAGE;
}
