// api_query.c: query, query_range, query_exemplars, format_query, parse_query.
#include "api/api_ask.h"
#include "api/query_share.h"
#include "api/query_watch.h"
#include "base/arena.h"
#include "base/num.h"
#include "base/str.h"
#include "client/tidemark.h"
#include "model/duration.h"
#include "os/clk.h"
#include "promql/promql.h"

// The result is a copy outside of the run's arena, never larger than it, plus small change.
#define RESULT_SLACK_BYTES  ((u64)16 << 20)
#define CANONICAL_BYTES_MAX ((size_t)16 << 20)

// Nothing for a result without steps, such as a string.
static void steps_write(struct jsonw *w, const struct ask *ask, str key, const u64 *steps,
                        u32 count)
{
    if (!ask->all_stats || count == 0) {
        return;
    }
    jsonw_key(w, key);
    jsonw_array(w);
    for (u32 i = 0; i < count; i++) {
        jsonw_array(w);
        jsonw_seconds(w, ask->request.start_ms + (i64)i * ask->request.step_ms);
        jsonw_u64(w, steps[i]);
        jsonw_array_end(w);
    }
    jsonw_array_end(w);
}

static void stats_write(struct jsonw *w, const struct ask *ask, const struct promql_stats *st)
{
    jsonw_key(w, STR("stats"));
    jsonw_object(w);
    jsonw_key(w, STR("timings"));
    jsonw_object(w);
    for (int p = 0; p < PROMQL_PHASE_COUNT; p++) {
        const f64 queue_s = (f64)ask->queue_ns / 1e9;
        jsonw_key(w, str_c(promql_phase_text((enum promql_phase)p)));
        jsonw_f64(w, st->seconds[p] +
                         (p == PROMQL_EXEC_QUEUE || p == PROMQL_EXEC_TOTAL ? queue_s : 0));
    }
    jsonw_object_end(w);
    jsonw_key(w, STR("samples"));
    jsonw_object(w);
    steps_write(w, ask, STR("totalQueryableSamplesPerStep"), st->samples_per_step, st->step_count);
    jsonw_key(w, STR("totalQueryableSamples"));
    jsonw_u64(w, st->samples_total);
    steps_write(w, ask, STR("samplesReadPerStep"), st->read_per_step, st->step_count);
    jsonw_key(w, STR("samplesRead"));
    jsonw_u64(w, st->samples_read);
    jsonw_key(w, STR("peakSamples"));
    jsonw_u64(w, st->samples_peak);
    jsonw_object_end(w);
    jsonw_object_end(w);
}

static void vector_item(struct jsonw *w, const struct promql_series *s)
{
    jsonw_object(w);
    jsonw_key(w, STR("metric"));
    api_write_labels(w, s->labels);
    jsonw_key(w, s->points[0].hist != NULL ? STR("histogram") : STR("value"));
    api_write_point(w, &s->points[0]);
    jsonw_object_end(w);
}

// The floats, or the histograms, of one series under key; nothing if it has none.
static bool matrix_points(struct api_out *o, const struct promql_series *s, str key, bool hists)
{
    bool begun = false;
    for (u32 i = 0; i < s->count; i++) {
        if ((s->points[i].hist != NULL) != hists) {
            continue;
        }
        if (!begun) {
            jsonw_key(&o->w, key);
            jsonw_array(&o->w);
            begun = true;
        }
        api_write_point(&o->w, &s->points[i]);
        if (!api_out_flush(o)) {
            return false;
        }
    }
    if (begun) {
        jsonw_array_end(&o->w);
    }
    return true;
}

static bool matrix_item(struct api_out *o, const struct promql_series *s)
{
    jsonw_object(&o->w);
    jsonw_key(&o->w, STR("metric"));
    api_write_labels(&o->w, s->labels);
    if (!matrix_points(o, s, STR("values"), false) ||
        !matrix_points(o, s, STR("histograms"), true)) {
        return false;
    }
    jsonw_object_end(&o->w);
    return true;
}

static bool series_write(struct api_out *o, const struct promql_result *r, u32 count)
{
    jsonw_array(&o->w);
    for (u32 i = 0; i < count; i++) {
        if (r->type == PROMQL_VECTOR) {
            vector_item(&o->w, &r->series[i]);
        } else if (!matrix_item(o, &r->series[i])) {
            return false;
        }
        if (!api_out_flush(o)) {
            return false;
        }
    }
    jsonw_array_end(&o->w);
    return true;
}

static bool value_write(struct api_out *o, const struct promql_result *r, const struct ask *ask,
                        u32 count)
{
    switch (r->type) {
    case PROMQL_SCALAR:
        api_write_point(&o->w, &r->series[0].points[0]);
        return true;
    case PROMQL_STRING:
        jsonw_array(&o->w);
        jsonw_seconds(&o->w, ask->request.start_ms);
        jsonw_str(&o->w, r->string);
        jsonw_array_end(&o->w);
        return true;
    case PROMQL_VECTOR:
    case PROMQL_MATRIX:
        return series_write(o, r, count);
    }
    return false;
}

static void result_write(struct http_response *rs, const struct promql_result *r,
                         const struct ask *ask)
{
    struct api_out o;
    const bool cut = ask->limit > 0 && r->series_count > ask->limit && r->type != PROMQL_SCALAR;
    api_out_begin(&o, rs);
    for (u32 i = 0; i < r->warning_count; i++) {
        api_out_warn(&o, r->warnings[i]);
    }
    for (u32 i = 0; i < r->info_count; i++) {
        api_out_info(&o, r->infos[i]);
    }
    if (cut) {
        api_out_warn(&o, STR("results truncated due to limit"));
    }
    if (ask->stats.len > 0 && !ask->all_stats && !str_eq_c(ask->stats, "true")) {
        api_out_warn(&o,
                     arena_printf(rs->rq->arena,
                                  "value \"%.*s\" for parameter \"stats\" is deprecated and will "
                                  "be rejected in the next major release, use \"true\" or "
                                  "\"all\"",
                                  (int)MIN(ask->stats.len, 200), ask->stats.ptr));
    }
    if (r->partial && r->warning_count == 0) { // (I2)
        api_out_warn(&o, STR("the answer is partial: some stored data could not be read"));
    }
    jsonw_object(&o.w);
    jsonw_pair_str(&o.w, STR("resultType"), str_c(promql_type_text(r->type)));
    jsonw_key(&o.w, STR("result"));
    if (!value_write(&o, r, ask, cut ? ask->limit : r->series_count)) {
        api_out_abort(&o, "the answer could not be sent");
        return;
    }
    if (ask->stats.len > 0) {
        stats_write(&o.w, ask, &r->stats);
    }
    jsonw_object_end(&o.w);
    api_out_end(&o);
}

// ---- runs, for one or for several who ask the same ---------------------------------------------

static void count(struct tmk_counter *c)
{
    if (c != NULL) {
        tmk_counter_inc(c);
    }
}

static void run_lead(const struct api *api, const struct api_services *svc, struct ask *ask,
                     struct share_run *run)
{
    count(api->query_evaluations);
    run->arena = arena_new((size_t)(ask->budget.bytes_max + RESULT_SLACK_BYTES));
    run->text = arena_str(run->arena, promql_query_text(ask->query));
    ask->budget.wanted = &run->waiting;
    run->ok =
        ask->request.step_ms > 0
            ? promql_range(svc->engine, &ask->request, run->arena, &run->result, &run->error)
            : promql_instant(svc->engine, &ask->request, run->arena, &run->result, &run->error);
    if (run->ok) {
        query_metrics_evaluated(&api->query_metrics, &run->result.stats, (f64)ask->queue_ns / 1e9);
    }
    query_share_done(api->shares, run);
}

// Places in notes and errors are those of the text that was evaluated.
static bool fits_text(const struct share_run *run, str text)
{
    const bool tells = !run->ok || run->result.warning_count > 0 || run->result.info_count > 0;
    return !tells || str_eq(run->text, text);
}

// A run with the answer to this query, by whomever; NULL for one who may not wait for it any more.
static struct share_run *run_find(const struct api *api, const struct api_services *svc,
                                  struct ask *ask, struct share_key *key, struct error *e)
{
    for (;;) {
        bool leads;
        struct share_run *run = query_share_join(api->shares, key, &leads);
        if (leads) {
            run_lead(api, svc, ask, run);
            return run;
        }
        count(api->query_joins);
        const enum share_end end = query_share_wait(api->shares, run, &ask->budget, api->opts.clk);
        if (end == SHARE_ANSWERED && fits_text(run, promql_query_text(ask->query))) {
            return run;
        }
        query_share_leave(api->shares, run);
        switch (end) {
        case SHARE_CANCELLED:
            return err_null(e, ERR_CANCELLED, "query was canceled in expression evaluation");
        case SHARE_TIMED_OUT:
            return err_null(e, ERR_TIMEOUT, "query timed out in expression evaluation");
        case SHARE_ANSWERED:
            key->canonical = promql_query_text(ask->query);
            key->is_as_given = true;
            break;
        case SHARE_ENDED:
            break;
        }
    }
}

static struct share_run *run_get(const struct api *api, const struct api_services *svc,
                                 struct ask *ask, struct error *e)
{
    struct buf text;
    buf_init(&text, CANONICAL_BYTES_MAX);
    promql_query_print(&text, ask->query);
    struct share_key key = {.tenant = ask->request.tenant,
                            .canonical = buf_get(&text),
                            .start_ms = ask->request.start_ms,
                            .end_ms = ask->request.end_ms,
                            .step_ms = ask->request.step_ms,
                            .lookback_ms = ask->request.lookback_ms,
                            .wants_stats = ask->request.wants_stats};
    if (!buf_ok(&text)) {
        key.canonical = promql_query_text(ask->query);
        key.is_as_given = true;
    }
    struct share_run *run = run_find(api, svc, ask, &key, e);
    buf_fini(&text);
    return run;
}

static void ask_run(struct http_response *rs, const struct api_services *svc, struct ask *ask)
{
    const struct api *api = rs->rq->ctx;
    struct watched_query seen = {.text = promql_query_text(ask->query),
                                 .start_ms = ask->request.start_ms,
                                 .end_ms = ask->request.end_ms,
                                 .step_ms = ask->request.step_ms};
    struct error e = {.code = ERR_NONE};
    query_metrics_begin(&api->query_metrics); // What is listed is counted, too.
    const struct watch_ticket ticket = query_watch_begin(api->watch, rs->rq, &seen, &ask->budget);
    struct share_run *run = run_get(api, svc, ask, &e);
    bool ok = run != NULL && run->ok;
    if (run != NULL && !run->ok) {
        e = run->error;
    } else if (ok && http_is_cancelled(rs->rq)) { // It went on for others.
        ok = err_set(&e, ERR_CANCELLED, "query was canceled in expression evaluation");
    }
    if (ok) {
        result_write(rs, &run->result, ask);
    } else {
        ask_fail(rs, &e);
    }
    query_watch_end(ticket, ok ? &run->result.stats : NULL, ok ? NULL : e.text);
    if (run != NULL) {
        query_share_leave(api->shares, run);
    }
    query_metrics_end(&api->query_metrics);
}

void api_query(struct http_request *rq, struct http_response *rs)
{
    const struct api_services *svc = api_ready(rq, rs);
    struct ask ask = {0};
    if (svc != NULL && ask_instant_take(rq, rs, svc, &ask)) {
        ask_run(rs, svc, &ask);
        promql_query_free(ask.query);
    }
}

void api_query_range(struct http_request *rq, struct http_response *rs)
{
    const struct api_services *svc = api_ready(rq, rs);
    struct ask ask = {0};
    if (svc != NULL && ask_range_take(rq, rs, svc, &ask)) {
        ask_run(rs, svc, &ask);
        promql_query_free(ask.query);
    }
}

void api_format_query(struct http_request *rq, struct http_response *rs)
{
    const struct api_services *svc = api_ready(rq, rs);
    struct promql_query *query;
    struct api_out o;
    struct buf text;
    if (svc == NULL || !ask_query_parse(rq, rs, svc, &query)) {
        return;
    }
    buf_init(&text, (size_t)16 << 20);
    promql_query_print_pretty(&text, query);
    api_out_begin(&o, rs);
    jsonw_str(&o.w, buf_get(&text));
    api_out_end(&o);
    buf_fini(&text);
    promql_query_free(query);
}

void api_parse_query(struct http_request *rq, struct http_response *rs)
{
    const struct api_services *svc = api_ready(rq, rs);
    struct promql_query *query;
    struct api_out o;
    struct buf tree;
    if (svc == NULL || !ask_query_parse(rq, rs, svc, &query)) {
        return;
    }
    buf_init(&tree, (size_t)16 << 20);
    promql_query_print_json(&tree, query);
    api_out_begin(&o, rs);
    jsonw_raw(&o.w, buf_get(&tree));
    api_out_end(&o);
    buf_fini(&tree);
    promql_query_free(query);
}
