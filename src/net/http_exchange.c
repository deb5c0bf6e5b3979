// http_exchange.c: one request from its head to its answer; the drawing stands in http_inner.h.
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "net/http_lane_gauge.h"
#include "net/http_pack.h"
#include "net/http_queue.h"
#include "os/clk.h"
#include "text/re.h"

#define REQUEST_ARENA_BYTES_MAX ((size_t)512 << 20)
#define BODY_ROOM_MAX           ((u64)256 << 10) // Of a body that is only announced.

static const struct http_response_ops exchange_ops;

static void state_set(struct http_exchange *x, enum exchange_state state)
{
    __atomic_store_n(&x->state, (int)state, __ATOMIC_SEQ_CST);
}

struct http_exchange *exchange_new(struct http_server *s, u32 slot, str target)
{
    struct http_exchange *x = MEM_NEW(struct http_exchange);
    x->server = s;
    x->slot = slot;
    x->refs = 1;
    x->refusal = REFUSED_COUNT;
    x->rq.arena = arena_new(REQUEST_ARENA_BYTES_MAX);
    x->rq.target = arena_str(x->rq.arena, target);
    x->rq.start_mono_ns = clk_mono_ns(s->opts.clk);
    http_response_init(&x->rs, &x->rq, &exchange_ops);
    return x;
}

static void budget_return(struct http_exchange *x)
{
    if (x->body_charged > 0) {
        __atomic_sub_fetch(&x->server->body_bytes, x->body_charged, __ATOMIC_SEQ_CST);
        x->body_charged = 0;
    }
}

void exchange_unref(struct http_exchange *x)
{
    if (__atomic_sub_fetch(&x->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    stream_free(x->stream);
    buf_fini(&x->packed);
    buf_fini(&x->body_buf);
    http_response_fini(&x->rs);
    arena_free(x->rq.arena);
    mem_free(x);
}

static bool budget_charge(struct http_exchange *x, u64 bytes)
{
    struct http_server *s = x->server;
    const u64 now = __atomic_add_fetch(&s->body_bytes, bytes, __ATOMIC_SEQ_CST);
    if (now > s->opts.body_budget_bytes) {
        __atomic_sub_fetch(&s->body_bytes, bytes, __ATOMIC_SEQ_CST);
        return false;
    }
    x->body_charged += bytes;
    return true;
}

static void refusal_write(struct http_exchange *x, enum http_refusal why, u32 status,
                          const char *text)
{
    const struct http_route *route = x->rq.route;
    const struct http_lane *lane = route != NULL && route->lane != HTTP_LANE_INLINE
                                       ? &x->server->opts.lanes[route->lane]
                                       : NULL;
    const bool is_shed = status == 503 || status == 429;
    buf_clear(&x->rs.body);
    if (is_shed && lane != NULL && lane->tell != NULL) {
        http_status_set(&x->rs, status);
        lane->tell(&x->rs, text);
    } else {
        http_text(&x->rs, status, "%s", text);
    }
    if (is_shed) {
        const bool slow = route != NULL && (route->flags & HTTP_RETRY_SLOW) != 0;
        (void)http_header_set(&x->rs, STR("Retry-After"), slow ? STR("10") : STR("1"));
    }
    x->refusal = why;
}

void exchange_refuse(struct http_exchange *x, enum http_refusal why, u32 status, const char *text)
{
    refusal_write(x, why, status, text);
    // An unread body would be taken for the next request.
    x->close_after = x->close_after || x->body_declared > 0 || why == REFUSED_MALFORMED ||
                     why == REFUSED_STOPPING;
    gauge_refused(x->server, why);
    state_set(x, X_ANSWER);
}

// A page of another origin may read what CORS lets it, but never change anything.
static bool origin_may_change(const struct http_request *rq)
{
    const str origin = http_header_get(rq, STR("Origin"));
    const str host = http_header_get(rq, STR("Host"));
    const size_t slashes = str_find_str(origin, STR("://"));
    if (origin.len == 0) {
        return true;
    }
    return slashes != STR_NONE && str_eq_nocase(str_sub(origin, slashes + 3, origin.len), host);
}

static bool route_find(struct http_exchange *x)
{
    u32 allowed = 0;
    switch (http_route_match(&x->server->router, &x->rq, &allowed)) {
    case HTTP_MATCH_FOUND:
        return true;
    case HTTP_MATCH_MALFORMED:
        exchange_refuse(x, REFUSED_MALFORMED, 400, "the request's path is malformed");
        return false;
    case HTTP_MATCH_NONE:
        exchange_refuse(x, REFUSED_NOT_FOUND, 404, "404 page not found");
        return false;
    case HTTP_MATCH_OUTSIDE:
        if (str_eq_c(x->rq.target, "/")) {
            const str home = arena_printf(x->rq.arena, "%.*s/", STR_ARG(x->server->opts.prefix));
            (void)http_header_set(&x->rs, STR("Location"), home);
            http_text(&x->rs, 302, "Found");
            state_set(x, X_ANSWER);
            return false;
        }
        exchange_refuse(x, REFUSED_NOT_FOUND, 404, "404 page not found");
        return false;
    case HTTP_MATCH_METHOD:
        (void)http_header_set(&x->rs, STR("Allow"), http_allow_text(allowed, x->rq.arena));
        exchange_refuse(x, REFUSED_METHOD, 405, "Method Not Allowed");
        return false;
    }
    return false;
}

static void cors_headers(struct http_exchange *x)
{
    const struct re *allowed = x->server->opts.cors_origin;
    const str origin = http_header_get(&x->rq, STR("Origin"));
    if ((x->rq.route->flags & HTTP_CORS) == 0 || origin.len == 0 || allowed == NULL) {
        return;
    }
    (void)http_header_set(&x->rs, STR("Access-Control-Allow-Headers"),
                          STR("Accept, Authorization, Content-Type, Origin"));
    (void)http_header_set(&x->rs, STR("Access-Control-Allow-Methods"), STR("GET, POST, OPTIONS"));
    (void)http_header_set(&x->rs, STR("Access-Control-Expose-Headers"), STR("Date"));
    (void)http_header_set(&x->rs, STR("Vary"), STR("Origin"));
    if (re_matches_all(allowed)) {
        (void)http_header_set(&x->rs, STR("Access-Control-Allow-Origin"), STR("*"));
    } else if (re_match(allowed, origin)) {
        (void)http_header_set(&x->rs, STR("Access-Control-Allow-Origin"), origin);
    }
}

bool exchange_head(struct http_exchange *x)
{
    struct http_server *s = x->server;
    if (__atomic_load_n(&s->stopping, __ATOMIC_SEQ_CST)) {
        exchange_refuse(x, REFUSED_STOPPING, 503, "the server is stopping");
        return false;
    }
    if (!route_find(x)) {
        return false;
    }
    const struct http_route *route = x->rq.route;
    const bool declared = x->body_declared != UINT64_MAX;
    const i64 deadline_ms = route->deadline_ms ? route->deadline_ms : s->opts.deadline_ms;
    cors_headers(x);
    x->rq.deadline_mono_ns = x->rq.start_mono_ns + deadline_ms * 1000000;
    if (route->permission >= HTTP_WRITE && !origin_may_change(&x->rq)) {
        exchange_refuse(x, REFUSED_ORIGIN, 403, "a page of another origin may not do this");
        return false;
    }
    if (declared && x->body_declared > route->body_bytes_max) {
        exchange_refuse(x, REFUSED_BODY_TOO_LARGE, 413, "the request's body is too large");
        return false;
    }
    if (declared && x->body_declared > 0 && !budget_charge(x, x->body_declared)) {
        exchange_refuse(x, REFUSED_BODY_BUDGET, 503, "too many request bodies are in flight");
        return false;
    }
    buf_init(&x->body_buf, (size_t)route->body_bytes_max + 1);
    // Room for the usual body at once, so that it is not moved while it grows.
    if (declared && x->body_declared > 0) {
        (void)buf_room(&x->body_buf, (size_t)MIN(x->body_declared, BODY_ROOM_MAX));
    }
    state_set(x, X_BODY);
    return true;
}

// A chunked body is charged as it comes.
static bool body_room(struct http_exchange *x, size_t len)
{
    return x->body_buf.len + len <= x->rq.route->body_bytes_max &&
           (x->body_declared != UINT64_MAX || budget_charge(x, len));
}

bool exchange_body(struct http_exchange *x, str bytes)
{
    const struct http_server_opts *opts = &x->server->opts;
    x->body_seen += bytes.len;
    if (!x->body_overrun && body_room(x, bytes.len)) {
        buf_str(&x->body_buf, bytes);
    } else {
        // The library takes no answer before the body's end: swallow a little more, then hang up.
        x->body_overrun = true;
        if (x->body_seen > 2 * x->rq.route->body_bytes_max + 65536) {
            gauge_refused(x->server, REFUSED_BODY_TOO_LARGE);
            return false;
        }
    }
    const i64 earned_ns = (i64)(x->body_seen * 1000000000 / opts->body_bytes_per_s);
    const i64 deadline_ns = x->rq.start_mono_ns + (i64)opts->header_ms * 1000000 + earned_ns;
    door_phase(x->server, x->slot, PHASE_BODY, deadline_ns, NULL);
    return true;
}

// In the lane's thread, or inline on the I/O thread.
static void exchange_run(struct http_exchange *x)
{
    struct error e;
    if (http_is_cancelled(&x->rq)) { // While it waited for a thread.
        const bool late = clk_mono_ns(x->server->opts.clk) >= x->rq.deadline_mono_ns;
        http_text(&x->rs, late ? 503 : 499,
                  late ? "no thread was free in time" : "the client has left");
    } else if (!http_params_decode(&x->rq, &e)) {
        http_text(&x->rs, 400, "%s", e.text);
    } else {
        x->rq.route->handler(&x->rq, &x->rs);
    }
    if (!x->rs.deferred) {
        http_complete(&x->rs);
    }
    exchange_unref(x); // A deferred one may long be complete: this reference kept it readable.
}

// A job of a lane's pool: runs whatever is next, until nothing may run. So a request that waits
// always has a thread that will come back for it: one of those that are busy.
static void lane_run(void *arg)
{
    struct http_queue *q = arg;
    struct http_place place;
    struct http_exchange *x;
    while ((x = http_queue_pop(q, &place)) != NULL) {
        exchange_run(x);
        http_queue_done(q, place);
    }
}

static struct http_full lane_enter(struct http_exchange *x)
{
    struct http_server *s = x->server;
    const u32 i = x->rq.route->lane;
    const struct http_lane *lane = &s->opts.lanes[i];
    const struct http_queued w = {.item = x,
                                  .cancelled = http_cancel_flag(&x->rq),
                                  .place = lane->place != NULL ? lane->place(&x->rq)
                                                               : (struct http_place){0},
                                  .since_mono_ns = clk_mono_ns(s->opts.clk)};
    const struct http_full full = http_queue_push(s->queues[i], &w);
    if (full.of == NULL) {
        // If as many jobs wait as there may, each of them runs all that it finds.
        (void)!pool_submit(s->pools[i], lane_run, s->queues[i]);
    }
    return full;
}

// What sets the limit that a text has just named.
static const char *set_by(struct arena *a, const char *option)
{
    return option != NULL ? arena_printf(a, " (%s)", option).ptr : "";
}

// A tenant has as many as he may: his own requests are in the way, so it is he who is told to wait.
// Where no bound is set of what runs of one tenant, he may run what his class may.
static void tenant_refuse(struct http_exchange *x, const struct http_class *full)
{
    const struct http_lane *lane = &x->server->opts.lanes[x->rq.route->lane];
    struct arena *a = x->rq.arena;
    const bool own = full->tenant_running_max > 0;
    const u32 running = own ? full->tenant_running_max : full->running_max;
    const char *running_option = own ? lane->tenant_threads_option : lane->threads_option;
    const str text = arena_printf(
        a,
        "this tenant has too many requests: of \"%s\" at most %u of one tenant run at once%s and "
        "at most %u wait%s; %u at a time would fit",
        full->name, running, set_by(a, running_option), full->tenant_waiting_max,
        set_by(a, lane->tenant_queue_option), running + full->tenant_waiting_max);
    lane_gauge_refused(x, full, REFUSED_LANE_TENANT);
    exchange_refuse(x, REFUSED_LANE_TENANT, 429, text.ptr);
}

static void full_refuse(struct http_exchange *x, struct http_full full)
{
    const struct http_lane *lane = &x->server->opts.lanes[x->rq.route->lane];
    const bool writer = (x->rq.route->flags & HTTP_SHED_429) != 0;
    if (full.of_tenant) {
        tenant_refuse(x, full.of);
        return;
    }
    const str text = arena_printf(x->rq.arena,
                                  "too many requests are waiting, try again later: of \"%s\" "
                                  "at most %u may wait, of all kinds %u%s",
                                  full.of->name, full.of->waiting_max, lane->queue_max,
                                  set_by(x->rq.arena, lane->queue_option));
    lane_gauge_refused(x, full.of, REFUSED_LANE_FULL);
    exchange_refuse(x, REFUSED_LANE_FULL, writer ? 429 : 503, text.ptr);
}

// Of one who has waited too long.
static str late_text(struct http_exchange *x, struct http_full of)
{
    const struct http_lane *lane = &x->server->opts.lanes[x->rq.route->lane];
    struct arena *a = x->rq.arena;
    const u32 seconds = lane->wait_ms_max / 1000;
    if (of.of_tenant) {
        return arena_printf(a,
                            "none of this tenant's requests ended within %u s%s, try again later: "
                            "of \"%s\" at most %u of one tenant run at once%s",
                            seconds, set_by(a, lane->wait_option), of.of->name,
                            of.of->tenant_running_max, set_by(a, lane->tenant_threads_option));
    }
    return arena_printf(a,
                        "no thread was free within %u s%s, try again later: of \"%s\" at most %u "
                        "run at once, of all kinds %u%s",
                        seconds, set_by(a, lane->wait_option), of.of->name, of.of->running_max,
                        lane->threads, set_by(a, lane->threads_option));
}

// Nobody runs x, and nobody will.
static void wait_end(struct http_exchange *x, struct http_full of)
{
    if (http_is_cancelled(&x->rq)) {
        exchange_run(x); // Which only says so.
        return;
    }
    const enum http_refusal why = of.of_tenant ? REFUSED_LANE_TENANT : REFUSED_LANE_WAIT;
    const str text = late_text(x, of);
    lane_gauge_refused(x, of.of, why);
    refusal_write(x, why, of.of_tenant ? 429 : 503, text.ptr);
    gauge_refused(x->server, why);
    http_complete(&x->rs);
    exchange_unref(x);
}

void exchange_sweep(struct http_server *s)
{
    const i64 now_ns = clk_mono_ns(s->opts.clk);
    struct http_full of = {.of = NULL};
    for (u32 i = 0; i < s->opts.lane_count; i++) {
        struct http_exchange *x;
        while ((x = http_queue_take(s->queues[i], now_ns, &of)) != NULL) {
            wait_end(x, of);
        }
    }
}

bool exchange_ready(struct http_exchange *x)
{
    struct http_server *s = x->server;
    const struct http_route *route = x->rq.route;
    if (x->body_overrun) {
        exchange_refuse(x, REFUSED_BODY_TOO_LARGE, 413, "the request's body is too large");
        return false;
    }
    x->rq.body = buf_get(&x->body_buf);
    if (x->rq.method == HTTP_OPTIONS && (route->methods & HTTP_OPTIONS) == 0) {
        http_status_set(&x->rs, 204);
        state_set(x, X_ANSWER);
        return false;
    }
    x->is_inline = route->lane == HTTP_LANE_INLINE;
    x->refs += 2; // The handler's run and its completion; nobody else knows x yet.
    __atomic_add_fetch(&s->running, 1, __ATOMIC_SEQ_CST);
    state_set(x, X_RUNNING);
    if (x->is_inline) {
        exchange_run(x);
        return false;
    }
    door_phase(s, x->slot, PHASE_HANDLER, x->rq.deadline_mono_ns, x);
    engine_suspend(x);
    const struct http_full full = lane_enter(x);
    if (full.of != NULL) {
        full_refuse(x, full);
        __atomic_sub_fetch(&s->running, 1, __ATOMIC_SEQ_CST);
        x->refs -= 2;
        engine_resume(x);
    }
    return true;
}

static bool ops_stream_begin(struct http_response *rs)
{
    struct http_exchange *x = CONTAINER_OF(rs, struct http_exchange, rs);
    if (x->is_inline) {
        return false; // An inline answer that large is a bug of its route; it is not sent.
    }
    if (x->rq.method == HTTP_HEAD) {
        return true;
    }
    int running = X_RUNNING;
    if (!__atomic_compare_exchange_n(&x->state, &running, X_STREAM, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST)) {
        return false; // Abandoned: the server may be gone.
    }
    x->stream = stream_new(x->server->opts.stream_window_bytes);
    x->is_packed = http_pack_wanted(rs);
    if (x->is_packed) {
        http_pack_headers(rs);
        x->pack = http_pack_new(&x->rq);
    }
    engine_resume(x);
    return true;
}

static bool pack_out(void *ctx, str bytes)
{
    struct http_exchange *x = ctx;
    return stream_put(x->stream, x, bytes, x->server->opts.stall_ms);
}

static bool ops_stream_write(struct http_response *rs, str bytes)
{
    struct http_exchange *x = CONTAINER_OF(rs, struct http_exchange, rs);
    if (x->stream == NULL) { // HEAD: nobody reads.
        return true;
    }
    if (x->pack != NULL) {
        return http_pack_write(x->pack, bytes, false, pack_out, x);
    }
    return pack_out(x, bytes);
}

static void whole_complete(struct http_exchange *x)
{
    struct http_server *s = x->server;
    if (x->rs.broken) {
        x->rs.broken = false;
        x->rs.streaming = false;
        http_fail(&x->rs, "the answer could not be built");
    }
    if (!x->rs.has_fixed_body && http_pack_wanted(&x->rs)) {
        x->is_packed = http_pack_whole(&x->rs, &x->packed);
    }
    int running = X_RUNNING;
    const bool ours = __atomic_compare_exchange_n(&x->state, &running, X_ANSWER, false,
                                                  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    if (ours && !x->is_inline) {
        engine_resume(x);
    }
    if (ours) {
        __atomic_sub_fetch(&s->running, 1, __ATOMIC_SEQ_CST);
    }
}

static void ops_complete(struct http_response *rs)
{
    struct http_exchange *x = CONTAINER_OF(rs, struct http_exchange, rs);
    if (x->stream == NULL) {
        whole_complete(x);
    } else {
        if (x->pack != NULL && !rs->broken) {
            rs->broken = !http_pack_write(x->pack, STR_EMPTY, true, pack_out, x);
        }
        http_pack_free(x->pack);
        x->pack = NULL;
        stream_end(x->stream, x, rs->broken || rs->truncated);
        __atomic_sub_fetch(&x->server->running, 1, __ATOMIC_SEQ_CST);
    }
    exchange_unref(x);
}

static const struct http_response_ops exchange_ops = {ops_stream_begin, ops_stream_write,
                                                      ops_complete};

str exchange_answer(struct http_exchange *x)
{
    if (x->is_packed) {
        return buf_get(&x->packed);
    }
    return x->rs.has_fixed_body ? x->rs.fixed_body : buf_get(&x->rs.body);
}

void exchange_done(struct http_exchange *x)
{
    if (x->stream != NULL) {
        stream_abort(x->stream);
    }
    // An abandoned answer still belongs to whoever may complete it.
    const int state = __atomic_load_n(&x->state, __ATOMIC_SEQ_CST);
    if (state == X_ANSWER || state == X_STREAM || state == X_ABANDONED) {
        gauge_request(x->server, x, state == X_ABANDONED ? 503 : x->rs.status);
    }
    budget_return(x);
}

bool exchange_abandon(struct http_exchange *x)
{
    struct http_server *s = x->server;
    int running = X_RUNNING;
    if (!x->rs.deferred || !__atomic_compare_exchange_n(&x->state, &running, X_ABANDONED, false,
                                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        return false;
    }
    __atomic_sub_fetch(&s->running, 1, __ATOMIC_SEQ_CST);
    engine_resume(x);
    return true;
}
