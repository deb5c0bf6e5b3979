// api_admin.c: /-/…: is it alive, is it ready, reload, quit.
#include "api/api_inner.h"
#include "base/str.h"
#include "tsdb/tsdb.h"

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
    if (api_ready(rq, rs) != NULL) {
        http_text(rs, 200, "Tidemark Server is Ready.");
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

// promtool debug asks here; a profile of Go's kind there is none.
void api_debug(struct http_request *rq, struct http_response *rs)
{
    (void)rq;
    http_text(rs, 404, "this server has no Go profiles; see /metrics");
}
