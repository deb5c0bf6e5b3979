// api_write.c: the door of pushes: remote write 1.0. Decoding and appending are ingest's; here an
// outcome becomes an answer, given only after the log holds it (I3 of api.h).
//
//   what happened                              answer
//   stored, too old, out of order, duplicate,  204, X-Prometheus-Remote-Write-Samples-Written
//   conflict (the first value stays)
//   exemplars: not promised                    the same; their header says 0, counted
//   some refused: too new, limit, invalid      400 with the first reason; the good ones are stored
//   not snappy, not protobuf                   400
//   too large                                  413
//   disk full, log broken, too many wait       503 with Retry-After: send it again
#include "api/api_inner.h"
#include "base/arena.h"
#include "base/str.h"
#include "client/tidemark.h"
#include "ingest/ingest.h"

#define WRITE_ARENA_BYTES_MAX ((size_t)256 << 20) // One request that needs more is refused: 413.

// What waits for the log. In the request's arena. Threads: owned by whoever completes.
struct pending {
    struct http_response *rs;
    struct push_result result;
};

static void count_outcomes(const struct api *api, const struct push_result *r)
{
    for (u32 i = 0; i < APPEND_OUTCOME_COUNT; i++) {
        tmk_counter_add(api->write_outcomes[i], r->outcomes[i]);
    }
    tmk_counter_add(api->write_exemplars, r->exemplars);
}

static bool number_header(struct http_request *rq, struct http_response *rs, str name, u64 value)
{
    return http_header_set(rs, name, arena_printf(rq->arena, "%llu", (unsigned long long)value));
}

static void answer_stored(struct http_response *rs, const struct push_result *r)
{
    const u64 stored = r->outcomes[APPEND_STORED] + r->outcomes[APPEND_STORED_OOO];
    const u64 hists = r->histograms_stored;
    (void)number_header(rs->rq, rs, STR("X-Prometheus-Remote-Write-Samples-Written"),
                        stored - hists);
    (void)number_header(rs->rq, rs, STR("X-Prometheus-Remote-Write-Histograms-Written"), hists);
    (void)number_header(rs->rq, rs, STR("X-Prometheus-Remote-Write-Exemplars-Written"), 0);
    const u64 too_new = r->outcomes[APPEND_TOO_NEW];
    enum append_outcome most;
    const u64 refused =
        append_limited_count(r->outcomes, &most) + r->outcomes[APPEND_INVALID] + too_new;
    if (refused > 0 && r->first_error.code == ERR_NONE) {
        http_text(rs, 400,
                  "%llu samples were refused, %llu were stored: they are more than 5 minutes ahead "
                  "of this server's clock",
                  (unsigned long long)refused, (unsigned long long)stored);
    } else if (refused > 0) {
        http_text(rs, 400, "%llu samples were refused, %llu were stored: %s",
                  (unsigned long long)refused, (unsigned long long)stored, r->first_error.text);
    } else {
        api_empty(rs);
    }
}

static void answer_failed(struct http_response *rs, const struct error *e)
{
    switch (e->code) {
    case ERR_INVALID:
    case ERR_CORRUPT:
    case ERR_UNSUPPORTED:
        http_text(rs, 400, "%s", e->text);
        return;
    case ERR_LIMIT:
        http_text(rs, 413, "%s", e->text);
        return;
    case ERR_NO_SPACE:
    case ERR_UNAVAILABLE:
    case ERR_IO:
    case ERR_TIMEOUT:
    case ERR_CANCELLED:
        (void)http_header_set(rs, STR("Retry-After"), STR("10"));
        http_text(rs, 503, "%s", e->text);
        return;
    case ERR_NONE:
    case ERR_NOT_FOUND:
    case ERR_EXISTS:
    case ERR_OUT_OF_ORDER:
    case ERR_UNAUTHORISED:
    case ERR_INTERNAL:
    case ERR_COUNT:
        break;
    }
    http_text(rs, 500, "%s", e->text);
}

// On the log's thread: only answers, which wakes an I/O thread.
static void on_durable(void *arg, const struct error *e)
{
    struct pending *p = arg;
    if (e != NULL && e->code != ERR_NONE) {
        answer_failed(p->rs, e);
    } else {
        answer_stored(p->rs, &p->result);
    }
    http_complete(p->rs);
}

static bool head_check(const struct http_request *rq, struct http_response *rs)
{
    const str type = http_header_get(rq, STR("Content-Type"));
    const str coding = http_header_get(rq, STR("Content-Encoding"));
    const size_t semicolon = str_find(type, ';');
    const str media = str_trim(semicolon == STR_NONE ? type : str_sub(type, 0, semicolon));
    const str param = semicolon == STR_NONE ? STR_EMPTY : str_sub(type, semicolon + 1, type.len);
    if (media.len > 0 && !str_eq_nocase(media, STR("application/x-protobuf"))) {
        http_text(rs, 415, "Content-Type is not application/x-protobuf");
        return false;
    }
    if (str_contains(param, STR("proto=")) &&
        !str_contains(param, STR("prometheus.WriteRequest"))) {
        http_text(rs, 415, "only proto=prometheus.WriteRequest (remote write 1.0) is accepted");
        return false;
    }
    if (coding.len > 0 && !str_eq_nocase(coding, STR("snappy"))) {
        http_text(rs, 415, "Content-Encoding is not snappy");
        return false;
    }
    return true;
}

void api_write(struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    const struct api_services *svc = api_ready(rq, rs);
    struct error e = {0};
    if (svc == NULL) {
        return;
    }
    if (!api->opts.remote_write) {
        http_text(rs, 404,
                  "remote write receiver needs to be enabled with "
                  "--web.enable-remote-write-receiver");
        return;
    }
    if (!head_check(rq, rs)) {
        tmk_counter_inc(api->write_requests_bad);
        return;
    }
    const struct push_opts opts = {.storage = svc->storage,
                                   .cache = api->write_cache,
                                   .tenant = TENANT_DEFAULT,
                                   .limits = api->opts.push_limits,
                                   .decoded_bytes_max = api->opts.write_bytes_max};
    struct pending *p = ARENA_NEW(rq->arena, struct pending);
    struct arena *scratch = arena_new(WRITE_ARENA_BYTES_MAX);
    const bool ok = push_remote_write_1(&opts, rq->body, scratch, &p->result, &e);
    arena_free(scratch);
    count_outcomes(api, &p->result);
    if (!ok) {
        tmk_counter_inc(api->write_requests_bad);
        answer_failed(rs, &e);
        return;
    }
    p->rs = rs;
    http_defer(rs);
    svc->storage->ops->when_durable(svc->storage, p->result.wal_position, on_durable, p);
}
