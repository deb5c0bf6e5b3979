#include "scrape/scrape_rig.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/num.h"
#include "base/str.h"
#include "storage/memstore.h"
#include "wire/yaml.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void answer(void *ctx, const struct http_target_opts *target,
                   UNUSED const struct http_fetch *f, struct http_reply *reply)
{
    struct rig *r = ctx;
    r->requests++;
    (void)snprintf(r->last_url, sizeof(r->last_url), "%.*s", STR_ARG(target->url));
    (void)snprintf(r->last_password, sizeof(r->last_password), "%.*s", STR_ARG(target->password));
    for (u32 i = 0; i < target->header_count; i++) {
        if (str_eq_c(target->headers[i].name, "X-Prometheus-Scrape-Timeout-Seconds")) {
            (void)snprintf(r->last_timeout, sizeof(r->last_timeout), "%.*s",
                           STR_ARG(target->headers[i].value));
        }
    }
    reply->failure = r->failure;
    if (r->failure != HTTP_FAIL_NONE) {
        (void)err_set(&reply->error, ERR_UNAVAILABLE, "it failed");
        return;
    }
    reply->status = r->status;
    reply->content_type = str_c(r->content_type);
    reply->body = str_c(r->body);
}

void rig_init(struct rig *r, u32 series_max)
{
    *r = (struct rig){.body = "", .content_type = "text/plain; version=0.0.4", .status = 200};
    struct error e = {0};
    r->clk = clk_manual_new(RIG_START_MS);
    r->fs = fs_mem_new(1 << 20);
    r->store = memstore_new((struct memstore_opts){.series_max = series_max});
    r->registry = tmk_registry_new(NULL);
    r->http = http_client_fake_new(answer, r);
    const struct scrape_deps deps = {.storage = r->store,
                                     .fs = r->fs,
                                     .clk = r->clk,
                                     .registry = r->registry,
                                     .http = r->http,
                                     .config_dir = STR("/etc")};
    r->scrape = scrape_make(&deps, &e);
    assert_non_null(r->scrape);
    ASSERT_OK(fs_make_dir(r->fs, "/etc", &e), e);
}

void rig_fini(struct rig *r)
{
    scrape_free(r->scrape);
    http_client_fake_free(r->http);
    tmk_registry_free(r->registry);
    memstore_free(r->store);
    fs_mem_free(r->fs);
    clk_manual_free(r->clk);
}

bool rig_load_globals(struct rig *r, const char *yaml, const struct scrape_globals *g,
                      struct error *e)
{
    struct arena *a = arena_new(16 << 20);
    const struct yaml_doc *doc = yaml_parse(a, STR("t.yml"), str_c(yaml), e);
    assert_non_null(doc);
    const struct yaml_node *nodes[64];
    for (u32 i = 0; i < doc->root->count; i++) {
        nodes[i] = &doc->root->items[i];
    }
    struct scrape_plan *plan = scrape_prepare(r->scrape, g, nodes, doc->root->count, e);
    arena_free(a);
    if (plan) {
        scrape_swap(r->scrape, plan);
    }
    return plan != NULL;
}

bool rig_load(struct rig *r, const char *yaml, struct error *e)
{
    const struct scrape_globals g = {.interval_ms = 10000, .timeout_ms = 5000};
    return rig_load_globals(r, yaml, &g, e);
}

void rig_run(struct rig *r, i64 ms)
{
    const i64 end_ms = clk_mono_ms(r->clk) + ms;
    for (;;) {
        const i64 wait_ms = scrape_step(r->scrape);
        const i64 left_ms = end_ms - clk_mono_ms(r->clk);
        if (left_ms <= 0) {
            return;
        }
        clk_manual_advance(r->clk, MIN(wait_ms, left_ms));
    }
}

static struct series_cursor *select_name(struct rig *r, const char *name, struct arena *a,
                                         struct storage_querier **q)
{
    struct error e = {0};
    static struct matcher m;
    ASSERT_OK(matcher_init(&m, a, MATCH_EQ, LABEL_NAME, str_c(name), &e), e);
    static struct query_budget budget;
    const struct select_hints h = {.end_ms = INT64_MAX, .sorted = true};
    budget = (struct query_budget){0};
    *q = storage_querier_open(r->store, TENANT_DEFAULT, 0, INT64_MAX, &e);
    assert_non_null(*q);
    struct series_cursor *c = (*q)->ops->select(*q, &m, 1, &h, &budget, &e);
    assert_non_null(c);
    return c;
}

static void close_all(struct storage_querier *q, struct series_cursor *c, struct arena *a)
{
    struct error e = {0};
    struct storage_warnings w = {0};
    ASSERT_OK(c->ops->close(c, &w, &e), e);
    storage_querier_close(q);
    arena_free(a);
}

void rig_print(struct rig *r, const char *name, struct buf *out)
{
    struct arena *a = arena_new(16 << 20);
    struct storage_querier *q;
    struct series_cursor *c = select_name(r, name, a, &q);
    struct series_run run;
    while (c->ops->next(c)) {
        labels_print(out, c->ops->labels(c));
        while (c->ops->run(c, &run)) {
            for (u32 i = 0; i < run.n; i++) {
                char value[64] = "stale";
                if (!is_stale_nan(run.values[i])) {
                    (void)snprintf(value, sizeof(value), "%g", run.values[i]);
                }
                buf_printf(out, " %lld=%s", (long long)(run.t_ms[i] - RIG_START_MS) / 1000, value);
            }
        }
        buf_byte(out, '\n');
    }
    close_all(q, c, a);
}

void rig_expect(struct rig *r, const char *name, const char *want)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    buf_c(&out, "");
    rig_print(r, name, &out);
    ASSERT_STR_EQ(buf_get(&out), str_c(want));
    buf_fini(&out);
}

u32 rig_series(struct rig *r, const char *name)
{
    struct arena *a = arena_new(16 << 20);
    struct storage_querier *q;
    struct series_cursor *c = select_name(r, name, a, &q);
    u32 count = 0;
    while (c->ops->next(c)) {
        count++;
    }
    close_all(q, c, a);
    return count;
}

f64 rig_last(struct rig *r, const char *name)
{
    struct arena *a = arena_new(16 << 20);
    struct storage_querier *q;
    struct series_cursor *c = select_name(r, name, a, &q);
    f64 last = NAN;
    u32 count = 0;
    struct series_run run;
    for (; c->ops->next(c); count++) {
        while (c->ops->run(c, &run)) {
            last = run.values[run.n - 1];
        }
    }
    assert_int_equal(count, 1);
    close_all(q, c, a);
    return last;
}

static bool text_write(void *ctx, const char *bytes, size_t n)
{
    buf_add(ctx, bytes, n);
    return true;
}

u64 rig_metric(struct rig *r, const char *line_start)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    (void)tmk_expose(r->registry, TMK_TEXT, text_write, &out);
    buf_byte(&out, '\0');
    const char *at = strstr(out.bytes, line_start);
    u64 v = 0;
    if (at) {
        v = (u64)strtoull(strchr(at + strlen(line_start), ' ') + 1, NULL, 10);
    }
    buf_fini(&out);
    return v;
}
