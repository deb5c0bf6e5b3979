// api_explain.c: how a query would be run, or was: its plan as text and as a tree.
#include "api/api_ask.h"
#include "api/query_watch.h"
#include "base/arena.h"
#include "base/str.h"

#define PLAN_SLACK_BYTES ((u64)16 << 20) // Beside the answer: the plan and small change.
#define PLAN_BYTES_MAX   ((size_t)64 << 20)

static void text_write(struct buf *out, const char *key, str text)
{
    struct jsonw w;
    buf_printf(out, "\"%s\":", key);
    jsonw_init(&w, out);
    jsonw_str(&w, text);
}

static void cost_write(struct buf *out, const struct promql_cost *c)
{
    buf_printf(out, ",\"series\":%llu,\"samples\":%llu,\"samplesRead\":%llu,\"bytes\":%llu",
               (unsigned long long)c->series, (unsigned long long)c->samples,
               (unsigned long long)c->samples_read, (unsigned long long)c->bytes);
    buf_printf(out, ",\"seconds\":%.9f", c->seconds);
}

// By hand, since a plan may be deeper than jsonw writes.
static void plan_write(struct buf *out, const struct promql_plan *p, bool analyzed)
{
    buf_byte(out, '{');
    text_write(out, "op", p->op);
    buf_byte(out, ',');
    text_write(out, "detail", p->detail);
    if (analyzed) {
        cost_write(out, &p->cost);
    }
    buf_c(out, ",\"children\":[");
    for (u32 i = 0; i < p->child_count; i++) { // No deeper than a query may be.
        buf_c(out, i > 0 ? "," : "");
        plan_write(out, &p->children[i], analyzed);
    }
    buf_c(out, "]}");
}

static void explain_write(struct http_response *rs, const struct promql_plan *p,
                          const struct promql_result *answer, bool analyzed)
{
    struct api_out o;
    struct buf text;
    struct buf tree;
    buf_init(&text, PLAN_BYTES_MAX);
    buf_init(&tree, PLAN_BYTES_MAX);
    promql_plan_print(&text, p, analyzed);
    plan_write(&tree, p, analyzed);
    if (!buf_ok(&text) || !buf_ok(&tree)) {
        api_error(rs, API_EXECUTION, "the plan has more than %zu bytes", PLAN_BYTES_MAX);
    } else {
        api_out_begin(&o, rs);
        for (u32 i = 0; i < answer->warning_count; i++) {
            api_out_warn(&o, answer->warnings[i]);
        }
        jsonw_object(&o.w);
        jsonw_pair_str(&o.w, STR("text"), buf_get(&text));
        jsonw_key(&o.w, STR("analyzed"));
        jsonw_bool(&o.w, analyzed);
        jsonw_key(&o.w, STR("tree"));
        jsonw_raw(&o.w, buf_get(&tree));
        jsonw_object_end(&o.w);
        api_out_end(&o);
    }
    buf_fini(&text);
    buf_fini(&tree);
}

static void ask_explain(struct http_response *rs, const struct api_services *svc,
                        const struct ask *ask, bool analyze)
{
    const struct api *api = rs->rq->ctx;
    struct watched_query seen = {.text = promql_query_text(ask->query),
                                 .start_ms = ask->request.start_ms,
                                 .end_ms = ask->request.end_ms,
                                 .step_ms = ask->request.step_ms};
    const struct watch_ticket ticket =
        query_watch_begin(api->watch, rs->rq, &seen, ask->request.budget);
    struct arena *a = arena_new((size_t)(ask->budget.bytes_max + PLAN_SLACK_BYTES));
    struct promql_result answer = {0};
    struct promql_plan *plan;
    struct error e;
    const bool ok = analyze ? promql_analyze(svc->engine, &ask->request, a, &plan, &answer, &e)
                            : promql_explain(svc->engine, &ask->request, a, &plan, &e);
    if (ok) {
        explain_write(rs, plan, &answer, analyze);
    } else {
        ask_fail(rs, &e);
    }
    query_watch_end(ticket, ok ? &answer.stats : NULL, ok ? NULL : e.text);
    arena_free(a);
}

void api_explain(struct http_request *rq, struct http_response *rs)
{
    const struct api_services *svc = api_ready(rq, rs);
    const str analyze = http_param_get(rq, STR("analyze"));
    const bool is_range = http_param_get(rq, STR("start")).len > 0 ||
                          http_param_get(rq, STR("end")).len > 0 ||
                          http_param_get(rq, STR("step")).len > 0;
    struct ask ask = {0};
    if (svc == NULL) {
        return;
    }
    if (analyze.len > 0 && !str_eq_c(analyze, "true") && !str_eq_c(analyze, "false")) {
        api_error(rs, API_BAD_DATA, "invalid parameter \"analyze\": true or false is wanted");
        return;
    }
    if (is_range ? ask_range_take(rq, rs, svc, &ask) : ask_instant_take(rq, rs, svc, &ask)) {
        ask_explain(rs, svc, &ask, str_eq_c(analyze, "true"));
        promql_query_free(ask.query);
    }
}
