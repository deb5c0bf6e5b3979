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

static const char usage[] = "usage: tidemark tool check config FILE…\n"
                            "       tidemark tool check rules FILE…\n";

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

int tool_run(int argc, char **argv)
{
    if (argc >= 1 && str_eq(str_c(argv[0]), STR("tsdb"))) {
        return tool_tsdb_run(fs_real(), argc - 1, argv + 1);
    }
    if (argc >= 1 && str_eq(str_c(argv[0]), STR("query"))) {
        return tool_query_run(clk_real(), argc - 1, argv + 1);
    }
    const bool is_check = argc >= 3 && str_eq(str_c(argv[0]), STR("check"));
    const bool is_config = is_check && str_eq(str_c(argv[1]), STR("config"));
    if (!is_check || (!is_config && !str_eq(str_c(argv[1]), STR("rules")))) {
        (void)fputs(usage, stderr);
        (void)fputs(tool_query_usage, stderr);
        (void)fputs(tool_tsdb_usage, stderr);
        return EXIT_USAGE;
    }
    struct tool t = {0};
    struct error e = {0};
    bool ok = tool_init(&t, &e) || failed(&e);
    const struct rules_opts opts = {.evaluation_interval_ms = 60000};
    for (int i = 2; t.rules && i < argc; i++) {
        const bool good =
            is_config ? config_check(&t, argv[i]) : rules_check(&t, str_c(argv[i]), &opts);
        ok = good && ok;
    }
    tool_fini(&t);
    return ok ? EXIT_OK : EXIT_RUNTIME;
}
