// api_rig.c: see api_rig.h.
#include "api/api_rig.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "client/tidemark.h"
#include "os/clk.h"
#include "promql/promql.h"
#include "storage/memstore.h"

#include <stdio.h>

static const struct label up_a[] = {
    {{"__name__", 8}, {"up", 2}}, {{"instance", 8}, {"x:1", 3}}, {{"job", 3}, {"a", 1}}};
static const struct label up_b[] = {
    {{"__name__", 8}, {"up", 2}}, {{"instance", 8}, {"y:1", 3}}, {{"job", 3}, {"b", 1}}};
static const struct label n_a[] = {{{"__name__", 8}, {"n_total", 7}}, {{"job", 3}, {"a", 1}}};
static const struct label odd[] = {{{"__name__", 8}, {"odd name", 8}},
                                   {{"a b", 3}, {"<&>\"\\\n", 6}}};
#define SETS 4U

static void store_fill(struct storage *s)
{
    const struct labels sets[SETS] = {{up_a, 3}, {up_b, 3}, {n_a, 2}, {odd, 2}};
    struct series_ref refs[SETS];
    u8 outcomes[SETS];
    u64 position;
    struct error e = {0};
    struct storage_appender *a = storage_appender_open(s, TENANT_DEFAULT, STREAM_SCRAPE, &e);
    assert_non_null(a);
    a->ops->resolve(a, sets, SETS, refs, outcomes);
    for (i64 t_ms = RIG_NOW_MS - 600000; t_ms <= RIG_NOW_MS; t_ms += 15000) {
        const i64 times[SETS] = {t_ms, t_ms, t_ms, t_ms};
        const f64 values[SETS] = {1, 0, (f64)(t_ms - RIG_NOW_MS + 600000) / 2000, normal_nan()};
        const struct append_batch b = {
            .refs = refs, .t_ms = times, .values = values, .n = SETS, .outcomes = outcomes};
        ASSERT_OK(a->ops->append(a, &b, &e), e);
        ASSERT_OK(a->ops->commit(a, DURABILITY_PERIODIC, &position, &e), e);
    }
    storage_appender_close(a);
}

static bool on_reload(void *ctx, struct error *e)
{
    struct api_rig *rig = ctx;
    rig->reloads++;
    return !rig->reload_fails || err_set(e, ERR_INVALID, "prometheus.yml:3:5: no");
}

static void on_quit(void *ctx)
{
    struct api_rig *rig = ctx;
    rig->quits++;
}

static str on_config(UNUSED void *ctx, UNUSED struct arena *a)
{
    return STR("global:\n  scrape_interval: 15s\n");
}

static str on_retention(UNUSED void *ctx, UNUSED struct arena *a)
{
    return STR("15d");
}

static u32 on_flags(UNUSED void *ctx, struct arena *a, struct api_flag **out)
{
    *out = ARENA_NEW(a, struct api_flag);
    (*out)[0] = (struct api_flag){STR("web.listen-address"), STR("127.0.0.1:9090")};
    return 1;
}

static struct labels on_external(UNUSED void *ctx, UNUSED struct arena *a)
{
    static const struct label pairs[] = {{{"job", 3}, {"never", 5}}, {{"site", 4}, {"here", 4}}};
    return (struct labels){pairs, 2};
}

struct api_rig *api_rig_new_bare(bool lifecycle, bool attached)
{
    struct api_rig *rig = MEM_NEW(struct api_rig);
    struct error e = {0};
    rig->clk = clk_manual_new(RIG_NOW_MS);
    rig->store = memstore_new((struct memstore_opts){.clk = rig->clk});
    rig->engine = promql_engine_new((struct promql_engine_opts){.clk = rig->clk});
    rig->registry = tmk_registry_new(NULL);
    store_fill(rig->store);
    const struct api_opts opts = {
        .clk = rig->clk,
        .registry = rig->registry,
        .control = {.ctx = rig,
                    .reload = on_reload,
                    .quit = on_quit,
                    .config_yaml = on_config,
                    .flags = on_flags,
                    .external_labels = on_external,
                    .retention = on_retention},
        .prefix = STR("/base"),
        .lifecycle = lifecycle,
        .remote_write = lifecycle,
        .admin = lifecycle,
    };
    rig->api = api_new(&opts, &e);
    if (rig->api == NULL) {
        fail_msg("%s", e.text);
    }
    // The stand-ins of api_services_fake.c do not look at what they are given.
    const struct api_services services = {
        .storage = rig->store,
        .engine = rig->engine,
        .tsdb = (void *)rig,
        .scrape = (void *)rig,
        .collect = (void *)rig,
        .rules = (void *)rig,
        .notify = (void *)rig,
    };
    if (attached) {
        api_attach(rig->api, &services);
    }
    rig->router.routes = api_routes(rig->api, &rig->router.count);
    rig->router.prefix = STR("/base");
    u32 lanes;
    (void)api_lanes(rig->api, &lanes);
    ASSERT_OK(http_routes_check(&rig->router, lanes, &e), e);
    return rig;
}

struct api_rig *api_rig_new(void)
{
    return api_rig_new_bare(true, true);
}

void api_rig_free(struct api_rig *rig)
{
    api_free(rig->api);
    promql_engine_free(rig->engine);
    memstore_free(rig->store);
    tmk_registry_free(rig->registry);
    clk_manual_free(rig->clk);
    mem_free(rig);
}

struct http_fake *api_rig_ask(struct api_rig *rig, const char *method, const char *target, str body)
{
    static const struct http_pair form[] = {
        {{"Content-Type", 12}, {"application/x-www-form-urlencoded", 33}}};
    char path[4096];
    (void)snprintf(path, sizeof(path), "/base%s", target);
    const struct http_fake_opts opts = {.method = method,
                                        .target = path,
                                        .headers = form,
                                        .header_count = 1,
                                        .body = body,
                                        .clk = rig->clk};
    return http_fake_run(&rig->router, &opts);
}

void api_rig_expect(struct api_rig *rig, const char *target, u32 status, const char *body)
{
    struct http_fake *f = api_rig_ask(rig, "GET", target, STR_EMPTY);
    if (http_fake_status(f) != status || !str_eq_c(http_fake_body(f), body)) {
        fail_msg("%s\n got %u %.*s\nwant %u %s", target, http_fake_status(f),
                 STR_ARG(http_fake_body(f)), status, body);
    }
    http_fake_free(f);
}

void api_rig_expect_part(struct api_rig *rig, const char *target, u32 status, const char *part)
{
    struct http_fake *f = api_rig_ask(rig, "GET", target, STR_EMPTY);
    if (http_fake_status(f) != status || !str_contains(http_fake_body(f), str_c(part))) {
        fail_msg("%s\n got %u %.*s\nwant %u … %s …", target, http_fake_status(f),
                 STR_ARG(http_fake_body(f)), status, part);
    }
    http_fake_free(f);
}
