// api_active.c: which queries run now, what each has cost so far, and the end of one by its id.
#include "api/api_inner.h"
#include "api/query_watch.h"
#include "base/num.h"
#include "base/str.h"

static void watched_write(struct jsonw *w, const struct watched_query *q)
{
    jsonw_object(w);
    jsonw_key(w, STR("id"));
    jsonw_u64(w, q->id);
    jsonw_pair_str(w, STR("query"), q->text);
    jsonw_key(w, STR("start"));
    jsonw_seconds(w, q->start_ms);
    jsonw_key(w, STR("end"));
    jsonw_seconds(w, q->end_ms);
    jsonw_key(w, STR("step"));
    jsonw_f64(w, (f64)q->step_ms / 1000);
    jsonw_key(w, STR("began"));
    api_write_time(w, q->began_wall_ms);
    jsonw_key(w, STR("runningSeconds"));
    jsonw_f64(w, (f64)q->running_ms / 1000);
    jsonw_pair_str(w, STR("peer"), q->peer);
    jsonw_pair_str(w, STR("origin"), q->origin);
    jsonw_pair_str(w, STR("class"), str_c(query_class_text(q->of_class)));
    jsonw_key(w, STR("tenant"));
    jsonw_u64(w, q->tenant.v);
    jsonw_key(w, STR("series"));
    jsonw_u64(w, q->progress.series);
    jsonw_key(w, STR("samples"));
    jsonw_u64(w, q->progress.samples);
    jsonw_key(w, STR("bytes"));
    jsonw_u64(w, q->progress.bytes);
    jsonw_key(w, STR("cancelled"));
    jsonw_bool(w, q->is_cancelled);
    jsonw_object_end(w);
}

void api_active_queries(struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    struct watched_query *list;
    struct api_out o;
    if (api_ready(rq, rs) == NULL) {
        return;
    }
    const u32 count = query_watch_list(api->watch, rq->arena, &list);
    api_out_begin(&o, rs);
    jsonw_array(&o.w);
    for (u32 i = 0; i < count; i++) {
        watched_write(&o.w, &list[i]);
    }
    jsonw_array_end(&o.w);
    api_out_end(&o);
}

void api_active_query_cancel(struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    u64 id;
    if (api_ready(rq, rs) == NULL) {
        return;
    }
    const str given = http_route_param(rq, STR("id"));
    if (!parse_u64(given, &id)) {
        api_error(rs, API_BAD_DATA, "invalid id \"%.*s\": a number is wanted", STR_ARG(given));
    } else if (!query_watch_cancel(api->watch, id)) {
        api_error(rs, API_NOT_FOUND, "no query of id %llu is running", (unsigned long long)id);
    } else {
        api_empty(rs);
    }
}
