// api_admin.c: /-/…: is it alive, is it ready, reload, quit; what changes the store by hand.
#include "api/api_inner.h"
#include "base/arena.h"
#include "base/str.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_status.h"

void api_healthy(struct http_request *rq, struct http_response *rs)
{
    (void)rq;
    http_text(rs, 200, "Tidemark Server is Healthy.");
}

// Who asks for JSON while it is not ready learns how far the replay is.
static void replay_write(struct http_response *rs, const struct tsdb_replay_progress *p)
{
    struct buf b;
    struct jsonw w;
    buf_init(&b, 4096);
    jsonw_init(&w, &b);
    jsonw_object(&w);
    jsonw_key(&w, STR("ready"));
    jsonw_bool(&w, false);
    jsonw_key(&w, STR("replay"));
    jsonw_object(&w);
    jsonw_key(&w, STR("min"));
    jsonw_i64(&w, p ? atomic_load(&p->segment_min) : 0);
    jsonw_key(&w, STR("max"));
    jsonw_i64(&w, p ? atomic_load(&p->segment_max) : 0);
    jsonw_key(&w, STR("current"));
    jsonw_i64(&w, p ? atomic_load(&p->segment_now) : 0);
    jsonw_object_end(&w);
    jsonw_object_end(&w);
    buf_clear(&rs->body);
    (void)http_header_set(rs, STR("Content-Type"), STR("application/json"));
    (void)http_write(rs, buf_get(&b));
    buf_fini(&b);
}

void api_readiness(struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    const struct api_services *services = api_ready(rq, rs);
    if (services != NULL) {
        http_text(rs, 200, "Tidemark Server is Ready.%s",
                  services->tsdb && tsdb_restrained(services->tsdb)
                      ? " New series are refused for 10 minutes: starts before this one crashed."
                      : "");
    } else if (str_contains(http_header_get(rq, STR("Accept")), STR("application/json"))) {
        replay_write(rs, api->opts.replay);
    }
}

static bool lifecycle_is_on(const struct api *api, struct http_response *rs)
{
    if (!api->opts.lifecycle) {
        http_text(rs, 403, "Lifecycle API is not enabled.");
    }
    return api->opts.lifecycle;
}

void api_reload(struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    const struct api_control *control = &api->opts.control;
    struct error e = {0};
    if (!lifecycle_is_on(api, rs) || api_ready(rq, rs) == NULL) {
        return;
    }
    if (control->reload != NULL && !control->reload(control->ctx, &e)) {
        http_text(rs, 500, "failed to reload config: %s", e.text);
        return;
    }
    http_status_set(rs, 200);
}

void api_quit(struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    const struct api_control *control = &api->opts.control;
    if (!lifecycle_is_on(api, rs)) {
        return;
    }
    if (control->quit != NULL) {
        control->quit(control->ctx);
    }
    http_text(rs, 200, "Requesting termination... Goodbye!");
}

static struct tsdb *admin_store(struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    if (!api->opts.admin) {
        api_error(rs, API_UNAVAILABLE, "admin APIs disabled");
        return NULL;
    }
    const struct api_services *svc = api_ready(rq, rs);
    if (svc != NULL && svc->tsdb == NULL) {
        api_error(rs, API_UNAVAILABLE, "there is no storage to be administered");
    }
    return svc != NULL ? svc->tsdb : NULL;
}

// The header, beyond upstream's answer, names what undelete_series takes back.
void api_delete_series(struct http_request *rq, struct http_response *rs)
{
    struct tsdb *db = admin_store(rq, rs);
    struct tsdb_deletion d = {.tenant = TENANT_DEFAULT};
    struct api_matchers *sets;
    struct error e = {0};
    str ids = STR_EMPTY;
    u32 count;
    if (db == NULL) {
        return;
    }
    if (!form_has(&rq->params, STR("match[]"))) {
        api_error(rs, API_BAD_DATA, "no match[] parameter provided");
        return;
    }
    if (!api_param_time(rq, rs, "start", INT64_MIN, &d.min_ms) ||
        !api_param_time(rq, rs, "end", INT64_MAX, &d.max_ms) ||
        !api_param_matchers(rq, rs, &sets, &count)) {
        return;
    }
    for (u32 i = 0; i < count; i++) {
        u64 id;
        d.ms = sets[i].ms;
        d.count = sets[i].count;
        if (!tsdb_delete(db, &d, &id, &e)) {
            api_error_of(rs, &e);
            return;
        }
        ids = arena_printf(rq->arena, "%.*s%s%llu", STR_ARG(ids), i > 0 ? ", " : "",
                           (unsigned long long)id);
    }
    (void)http_header_set(rs, STR("X-Tidemark-Deletion-Ids"), ids);
    api_empty(rs);
}

void api_undelete_series(struct http_request *rq, struct http_response *rs)
{
    struct tsdb *db = admin_store(rq, rs);
    struct error e = {0};
    u64 id;
    if (db == NULL) {
        return;
    }
    if (!parse_u64(form_get(&rq->params, STR("id")), &id)) {
        api_error(rs, API_BAD_DATA, "invalid parameter \"id\": the number of a deletion is needed");
    } else if (!tsdb_undelete(db, id, &e)) {
        api_error_of(rs, &e);
    } else {
        api_empty(rs);
    }
}

void api_clean_tombstones(struct http_request *rq, struct http_response *rs)
{
    struct tsdb *db = admin_store(rq, rs);
    struct error e = {0};
    u32 blocks;
    if (db == NULL) {
        return;
    }
    if (tsdb_clean(db, &blocks, &e)) {
        api_empty(rs);
    } else {
        api_error_of(rs, &e);
    }
}

void api_snapshot(struct http_request *rq, struct http_response *rs)
{
    struct tsdb *db = admin_store(rq, rs);
    char name[TSDB_SNAPSHOT_NAME];
    struct error e = {0};
    struct api_out o;
    if (db == NULL) {
        return;
    }
    const str skip = form_get(&rq->params, STR("skip_head"));
    if (skip.len > 0 && !str_eq(skip, STR("true")) && !str_eq(skip, STR("false"))) {
        api_error(rs, API_BAD_DATA, "invalid parameter \"skip_head\": it is not true or false");
        return;
    }
    if (!tsdb_snapshot(db, str_eq(skip, STR("true")), name, &e)) {
        api_error_of(rs, &e);
        return;
    }
    api_out_begin(&o, rs);
    jsonw_object(&o.w);
    jsonw_pair_str(&o.w, STR("name"), str_c(name));
    jsonw_object_end(&o.w);
    api_out_end(&o);
}

// promtool debug asks here; a profile of Go's kind there is none.
void api_debug(struct http_request *rq, struct http_response *rs)
{
    (void)rq;
    http_text(rs, 404, "this server has no Go profiles; see /metrics");
}
