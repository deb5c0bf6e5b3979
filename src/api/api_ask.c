// api_ask.c: see api_ask.h.
#include "api/api_ask.h"

#include "base/buf.h"
#include "base/str.h"
#include "model/duration.h"
#include "os/clk.h"

#define POINTS_MAX      11000
#define QUERY_BYTES_MAX ((size_t)64 << 10)

bool ask_query_read(struct http_request *rq, const struct api_services *svc,
                    struct promql_query **query, struct error *e)
{
    const str text = http_param_get(rq, STR("query"));
    if (text.len > QUERY_BYTES_MAX) {
        return err_set(e, ERR_INVALID, "%zu bytes, more than %zu", text.len, QUERY_BYTES_MAX);
    }
    *query = promql_query_new(svc->engine, text, NULL, e);
    return *query != NULL;
}

bool ask_query_parse(struct http_request *rq, struct http_response *rs,
                     const struct api_services *svc, struct promql_query **query)
{
    struct error e;
    if (!ask_query_read(rq, svc, query, &e)) {
        api_error(rs, API_BAD_DATA, "invalid parameter \"query\": %s", e.text);
        return false;
    }
    return true;
}

static bool lookback_take(struct http_request *rq, struct http_response *rs, i64 *ms)
{
    const str text = http_param_get(rq, STR("lookback_delta"));
    struct error e;
    if (text.len == 0 || api_duration_parse(text, ms, &e)) {
        return true;
    }
    api_error(rs, API_BAD_DATA, "error parsing lookback delta duration: %s", e.text);
    return false;
}

// timeout, lookback_delta, stats and the query itself; limit and the times were before them.
static bool ask_take(struct http_request *rq, struct http_response *rs,
                     const struct api_services *svc, struct ask *ask)
{
    const struct api *api = rq->ctx;
    i64 timeout_ms;
    if (!api_param_duration(rq, rs, "timeout", API_NO_TIMEOUT, &timeout_ms) ||
        !lookback_take(rq, rs, &ask->request.lookback_ms) ||
        !ask_query_parse(rq, rs, svc, &ask->query)) {
        return false;
    }
    ask->budget = api_budget(api, rq, timeout_ms);
    ask->stats = http_param_get(rq, STR("stats"));
    ask->all_stats = str_eq_c(ask->stats, "all");
    ask->queue_ns = clk_mono_ns(api->opts.clk) - rq->start_mono_ns;
    ask->request.storage = svc->storage;
    ask->request.tenant = TENANT_DEFAULT;
    ask->request.query = ask->query;
    ask->request.budget = &ask->budget;
    ask->request.wants_stats = ask->stats.len > 0;
    return true;
}

bool ask_instant_take(struct http_request *rq, struct http_response *rs,
                      const struct api_services *svc, struct ask *ask)
{
    const struct api *api = rq->ctx;
    if (!api_param_u32(rq, rs, "limit", 0, &ask->limit) ||
        !api_param_time(rq, rs, "time", clk_wall_ms(api->opts.clk), &ask->request.start_ms)) {
        return false;
    }
    ask->request.end_ms = ask->request.start_ms;
    return ask_take(rq, rs, svc, ask);
}

// The smallest round step that stays within the limit, for the error's text.
static i64 step_that_fits(i64 span_ms)
{
    return duration_round_up(span_ms / POINTS_MAX + 1);
}

static bool range_take(struct http_request *rq, struct http_response *rs,
                       struct promql_request *request)
{
    struct error e;
    if (!api_param_must_time(rq, rs, "start", &request->start_ms) ||
        !api_param_must_time(rq, rs, "end", &request->end_ms)) {
        return false;
    }
    if (request->end_ms < request->start_ms) {
        api_error(rs, API_BAD_DATA,
                  "invalid parameter \"end\": end timestamp must not be before start time");
        return false;
    }
    if (!api_duration_parse(http_param_get(rq, STR("step")), &request->step_ms, &e)) {
        api_error(rs, API_BAD_DATA, "invalid parameter \"step\": %s", e.text);
        return false;
    }
    if (request->step_ms <= 0) {
        api_error(rs, API_BAD_DATA,
                  "invalid parameter \"step\": zero or negative query resolution step widths are "
                  "not accepted. Try a positive integer");
        return false;
    }
    const u64 span_ms = (u64)request->end_ms - (u64)request->start_ms;
    if (span_ms / (u64)request->step_ms > POINTS_MAX) {
        struct buf step;
        buf_init(&step, 64);
        duration_print(&step, step_that_fits((i64)MIN(span_ms, (u64)INT64_MAX / 2)));
        api_error(rs, API_BAD_DATA,
                  "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the "
                  "query resolution (?step=XX); step=%.*s would fit",
                  STR_ARG(buf_get(&step)));
        buf_fini(&step);
        return false;
    }
    return true;
}

bool ask_range_take(struct http_request *rq, struct http_response *rs,
                    const struct api_services *svc, struct ask *ask)
{
    if (!api_param_u32(rq, rs, "limit", 0, &ask->limit) || !range_take(rq, rs, &ask->request) ||
        !ask_take(rq, rs, svc, ask)) {
        return false;
    }
    const enum promql_type type = promql_query_type(ask->query);
    if (type == PROMQL_SCALAR || type == PROMQL_VECTOR) {
        return true;
    }
    api_error(rs, API_BAD_DATA,
              "invalid parameter \"query\": invalid expression type \"%s\" for range query, "
              "must be Scalar or instant Vector",
              type == PROMQL_STRING ? "string" : "range vector");
    promql_query_free(ask->query);
    return false;
}

// The limit that was shorter: what the request asks for, or the flag.
static void timeout_fail(struct http_response *rs, const struct error *e)
{
    const struct api *api = rs->rq->ctx;
    struct error ignored;
    struct buf b;
    i64 ms;
    const bool own = api_duration_parse(http_param_get(rs->rq, STR("timeout")), &ms, &ignored) &&
                     ms < api->opts.query_timeout_ms;
    buf_init(&b, 64);
    duration_print(&b, MAX(own ? ms : api->opts.query_timeout_ms, 0));
    api_error(rs, API_TIMEOUT, "%s; %s allows %.*s", e->text,
              own ? "the timeout of the request" : "--query.timeout", STR_ARG(buf_get(&b)));
    buf_fini(&b);
}

void ask_fail(struct http_response *rs, const struct error *e)
{
    static const struct {
        const char *type;
        enum api_error kind;
    } table[] = {{"timeout", API_TIMEOUT},
                 {"canceled", API_CANCELED},
                 {"execution", API_EXECUTION},
                 {"internal", API_INTERNAL},
                 {"bad_data", API_BAD_DATA}};
    const char *type = promql_error_type(e->code);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (strcmp(table[i].type, type) == 0 && table[i].kind == API_TIMEOUT) {
            timeout_fail(rs, e);
            return;
        }
        if (strcmp(table[i].type, type) == 0) {
            api_error(rs, table[i].kind, "%s", e->text);
            return;
        }
    }
    api_error(rs, API_INTERNAL, "%s", e->text);
}
