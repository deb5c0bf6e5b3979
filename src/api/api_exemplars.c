// api_exemplars.c: query_exemplars: the exemplars of the series that a query reads.
#include "api/api_ask.h"
#include "base/arena.h"
#include "base/str.h"
#include "promql/promql.h"

#include <stdlib.h>

// What the selectors of a query find, one after another. Threads: owned.
struct exemplar_walk {
    struct http_request *rq;
    struct storage_querier *querier;
    struct exemplar_series *all; // A series stands here once for each selector that finds it.
    u32 count;
    u32 cap;
    u32 selectors;
    bool failed;
    struct error error;
};

static bool series_keep(struct exemplar_walk *x, const struct exemplar_series *some, u32 n)
{
    const u64 wanted = (u64)x->count + n;
    if (wanted > x->cap) {
        const u64 cap = MAX(wanted, (u64)x->cap * 2);
        struct exemplar_series *wider =
            cap <= UINT32_MAX ? arena_try(x->rq->arena, cap, sizeof(*wider)) : NULL;
        if (wider == NULL) {
            return err_set(&x->error, ERR_LIMIT,
                           "the exemplars found need more memory than one request has: ask for a "
                           "shorter range or with fewer selectors");
        }
        if (x->count > 0) {
            memcpy(wider, x->all, x->count * sizeof(*wider));
        }
        x->all = wider;
        x->cap = (u32)cap;
    }
    if (n > 0) {
        memcpy(x->all + x->count, some, n * sizeof(*some));
    }
    x->count = (u32)wanted;
    return true;
}

static void exemplars_of(void *arg, const struct matcher *ms, u32 count)
{
    struct exemplar_walk *x = arg;
    struct exemplar_series *some = NULL;
    u32 n = 0;
    x->selectors++;
    if (!x->failed) {
        x->failed = !api_wanted(x->rq, &x->error) ||
                    !x->querier->ops->exemplars(x->querier, ms, count, x->rq->arena, &some, &n,
                                                &x->error) ||
                    !series_keep(x, some, n);
    }
}

static int series_order(const void *a, const void *b)
{
    return labels_cmp(((const struct exemplar_series *)a)->labels,
                      ((const struct exemplar_series *)b)->labels);
}

static void exemplars_write(struct jsonw *w, const struct exemplar_series *s)
{
    jsonw_object(w);
    jsonw_key(w, STR("seriesLabels"));
    api_write_labels(w, s->labels);
    jsonw_key(w, STR("exemplars"));
    jsonw_array(w);
    for (u32 i = 0; i < s->count; i++) {
        const struct exemplar *x = &s->exemplars[i];
        jsonw_object(w);
        jsonw_key(w, STR("labels"));
        api_write_labels(w, x->labels);
        jsonw_key(w, STR("value"));
        jsonw_f64_text(w, x->value);
        jsonw_key(w, STR("timestamp"));
        jsonw_seconds(w, x->t_ms);
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
    jsonw_object_end(w);
}

static void walk_write(struct http_response *rs, struct exemplar_walk *x)
{
    const struct storage_warnings *warnings = x->querier->warnings;
    struct api_out o;
    if (x->count > 1) {
        qsort(x->all, x->count, sizeof(*x->all), series_order);
    }
    api_out_begin(&o, rs);
    for (u32 i = 0; i < warnings->count; i++) {
        api_out_warn(&o, warnings->texts[i]);
    }
    jsonw_array(&o.w);
    for (u32 i = 0; i < x->count; i++) {
        const bool again = i > 0 && labels_eq(x->all[i - 1].labels, x->all[i].labels);
        if (!again && x->all[i].count > 0) {
            exemplars_write(&o.w, &x->all[i]);
        }
        if (!api_out_flush(&o)) {
            api_out_abort(&o, "the answer could not be sent");
            return;
        }
    }
    jsonw_array_end(&o.w);
    api_out_end(&o);
}

void api_query_exemplars(struct http_request *rq, struct http_response *rs)
{
    const struct api_services *svc = api_ready(rq, rs);
    struct exemplar_walk x = {.rq = rq};
    struct storage_warnings warnings = {0};
    struct promql_query *query;
    i64 start_ms;
    i64 end_ms;
    if (svc == NULL || !api_param_time(rq, rs, "start", INT64_MIN, &start_ms) ||
        !api_param_time(rq, rs, "end", INT64_MAX, &end_ms)) {
        return;
    }
    if (end_ms < start_ms) {
        api_error(rs, API_BAD_DATA, "end timestamp must not be before start timestamp");
        return;
    }
    if (!ask_query_read(rq, svc, &query, &x.error)) {
        api_error(rs, API_BAD_DATA, "%s", x.error.text);
        return;
    }
    x.querier = storage_querier_open(svc->storage, TENANT_DEFAULT, start_ms, end_ms, &x.error);
    if (x.querier != NULL) {
        x.querier->warnings = &warnings;
        promql_query_selectors(query, exemplars_of, &x);
    }
    if (x.querier == NULL || x.failed) {
        api_error_of(rs, &x.error);
    } else if (x.selectors == 0) {
        api_empty(rs); // As upstream, whose answer has no data then.
    } else {
        walk_write(rs, &x);
    }
    storage_querier_close(x.querier);
    promql_query_free(query);
}
