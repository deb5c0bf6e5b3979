// http_gauge.c: what the server counts: requests and times under upstream's names, refusals and
// evictions by reason under ours. Counters of a route and status are resolved once.
#include "base/error.h"
#include "base/str.h"
#include "client/tidemark.h"
#include "net/http_inner.h"
#include "os/clk.h"

#include <stdio.h>

static const char *const refusal_texts[REFUSED_COUNT] = {
    [REFUSED_MALFORMED] = "malformed",
    [REFUSED_HEAD_TOO_LARGE] = "head_too_large",
    [REFUSED_NOT_FOUND] = "not_found",
    [REFUSED_METHOD] = "method",
    [REFUSED_ORIGIN] = "origin",
    [REFUSED_BODY_TOO_LARGE] = "body_too_large",
    [REFUSED_BODY_BUDGET] = "body_budget",
    [REFUSED_LANE_FULL] = "lane_full",
    [REFUSED_LANE_WAIT] = "lane_wait",
    [REFUSED_LANE_TENANT] = "lane_tenant",
    [REFUSED_STOPPING] = "stopping",
    [REFUSED_CONNECTIONS] = "connections",
    [REFUSED_FILES] = "files",
    [REFUSED_LIBRARY] = "unparsable",
};

static const char *const phase_texts[PHASE_COUNT] = {
    [PHASE_HEAD] = "head", [PHASE_BODY] = "body", [PHASE_HANDLER] = "handler",
    [PHASE_SEND] = "send", [PHASE_IDLE] = "idle",
};

static const u32 statuses[] = {200, 204, 301, 302, 304, 400, 401, 403, 404, 405, 406,
                               413, 415, 422, 429, 431, 499, 500, 501, 502, 503, 504};
static_assert(ARRAY_LEN(statuses) < HTTP_STATUSES_COUNTED, "the last column is for all others");

static double connections_value(void *ctx)
{
    struct http_server *s = ctx;
    lock_take(&s->door.lock);
    const u32 count = s->door.conn_count;
    lock_drop(&s->door.lock);
    return count;
}

static double running_value(void *ctx)
{
    struct http_server *s = ctx;
    return __atomic_load_n(&s->running, __ATOMIC_RELAXED);
}

static double body_value(void *ctx)
{
    struct http_server *s = ctx;
    return (double)__atomic_load_n(&s->body_bytes, __ATOMIC_RELAXED);
}

static void family_reasons(struct tmk_family *f, const char *const *texts, u32 count,
                           struct tmk_counter **out)
{
    for (u32 i = 0; i < count; i++) {
        out[i] = tmk_counter_with(f, &texts[i], 1);
    }
}

static bool families_init(struct http_server *s, struct tmk_error *te)
{
    static const char *const handler_code[] = {"handler", "code"};
    static const char *const handler[] = {"handler"};
    static const char *const reason[] = {"reason"};
    static const char *const phase[] = {"phase"};
    static const double bounds[] = {0.005, 0.025, 0.1, 0.2, 0.4, 1, 3, 8, 20, 60, 120};
    struct tmk_registry *r = s->opts.registry;
    struct http_gauge *g = &s->gauge;
    const struct tmk_desc requests = {.kind = TMK_COUNTER,
                                      .name = "prometheus_http_requests_total",
                                      .help = "HTTP requests answered, by route and status.",
                                      .labels = handler_code,
                                      .label_count = 2,
                                      .children_max = 2000};
    const struct tmk_desc durations = {.kind = TMK_HISTOGRAM,
                                       .name = "prometheus_http_request_duration_seconds",
                                       .help = "From the request line to the last byte sent.",
                                       .labels = handler,
                                       .label_count = 1,
                                       .bounds = bounds,
                                       .bound_count = ARRAY_LEN(bounds)};
    const struct tmk_desc refused = {.kind = TMK_COUNTER,
                                     .name = "tidemark_http_refused_total",
                                     .help = "Requests and connections refused, by reason.",
                                     .labels = reason,
                                     .label_count = 1};
    const struct tmk_desc evicted = {.kind = TMK_COUNTER,
                                     .name = "tidemark_http_evicted_total",
                                     .help = "Connections ended because a phase took too long.",
                                     .labels = phase,
                                     .label_count = 1};
    struct tmk_family *refused_family = tmk_family_register(r, &refused, te);
    struct tmk_family *evicted_family = tmk_family_register(r, &evicted, te);
    g->requests = tmk_family_register(r, &requests, te);
    g->durations = tmk_family_register(r, &durations, te);
    g->left = tmk_counter_register(r, "tidemark_http_clients_left_total",
                                   "Clients that left while their request was being handled.", te);
    if (!refused_family || !evicted_family || !g->requests || !g->durations || !g->left) {
        return false;
    }
    family_reasons(refused_family, refusal_texts, REFUSED_COUNT, g->refused);
    family_reasons(evicted_family, phase_texts, PHASE_COUNT, g->evicted);
    return tmk_gauge_fn(r, "tidemark_http_connections", "Open connections.", connections_value, s,
                        te) &&
           tmk_gauge_fn(r, "tidemark_http_requests_running", "Requests in a lane or deferred.",
                        running_value, s, te) &&
           tmk_gauge_fn(r, "tidemark_http_body_bytes", "Request bodies held in memory.", body_value,
                        s, te);
}

bool gauge_init(struct http_server *s, struct error *e)
{
    struct http_gauge *g = &s->gauge;
    struct tmk_error te = {{0}};
    if (s->opts.registry == NULL) {
        return true;
    }
    if (!families_init(s, &te)) {
        return err_set(e, ERR_INTERNAL, "the server's own metrics: %s", te.text);
    }
    const u32 rows = s->router.count + 1; // The last is for requests without a route.
    g->by_status = MEM_NEW_N(struct tmk_counter *, (size_t)rows * HTTP_STATUSES_COUNTED);
    g->by_route = MEM_NEW_N(struct tmk_histogram *, rows);
    for (u32 i = 0; i < rows; i++) {
        const char *name = i < s->router.count ? s->router.routes[i].pattern : "other";
        g->by_route[i] = tmk_histogram_with(g->durations, &name, 1);
    }
    return true;
}

void gauge_fini(struct http_server *s)
{
    if (s->opts.registry != NULL) {
        tmk_fn_remove(s->opts.registry, s);
    }
    mem_free(s->gauge.by_status);
    mem_free(s->gauge.by_route);
}

static struct tmk_counter *status_counter(struct http_server *s, u32 row, u32 status)
{
    size_t column = 0;
    while (column < ARRAY_LEN(statuses) && statuses[column] != status) {
        column++;
    }
    struct tmk_counter **cell = &s->gauge.by_status[(size_t)row * HTTP_STATUSES_COUNTED + column];
    struct tmk_counter *c = __atomic_load_n(cell, __ATOMIC_ACQUIRE);
    if (c == NULL) {
        char code[12] = "other";
        if (column < ARRAY_LEN(statuses)) {
            (void)snprintf(code, sizeof(code), "%u", status);
        }
        const char *name = row < s->router.count ? s->router.routes[row].pattern : "other";
        const char *const values[] = {name, code};
        c = tmk_counter_with(s->gauge.requests, values, 2);
        __atomic_store_n(cell, c, __ATOMIC_RELEASE); // Partner: the acquire above.
    }
    return c;
}

void gauge_request(struct http_server *s, const struct http_exchange *x, u32 status)
{
    if (s->opts.registry == NULL) {
        return;
    }
    const u32 row = x->rq.route ? (u32)(x->rq.route - s->router.routes) : s->router.count;
    const i64 ns = clk_mono_ns(s->opts.clk) - x->rq.start_mono_ns;
    tmk_counter_inc(status_counter(s, row, status));
    tmk_histogram_observe(s->gauge.by_route[row], (double)ns / 1e9);
}

void gauge_refused(struct http_server *s, enum http_refusal why)
{
    tmk_counter_inc(s->gauge.refused[why]);
}

void gauge_evicted(struct http_server *s, enum http_phase phase)
{
    tmk_counter_inc(s->gauge.evicted[phase]);
}
