// http_fake.c: the shortest way through a route table; see http_fake.h.
#include "net/http_fake.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "os/clk.h"
#include "os/thr.h"

// Threads: guarded by lock once the handler has deferred; else owned.
struct http_fake {
    struct http_request rq;
    struct http_response rs;
    struct buf whole;
    struct lock lock;
    struct cond ended;
    bool is_complete;
};

static bool fake_begin(UNUSED struct http_response *rs)
{
    return true;
}

static bool fake_write(struct http_response *rs, str bytes)
{
    struct http_fake *f = CONTAINER_OF(rs, struct http_fake, rs);
    buf_str(&f->whole, bytes);
    return buf_ok(&f->whole);
}

static void fake_complete(struct http_response *rs)
{
    struct http_fake *f = CONTAINER_OF(rs, struct http_fake, rs);
    lock_take(&f->lock);
    f->is_complete = true;
    cond_broadcast(&f->ended);
    lock_drop(&f->lock);
}

static const struct http_response_ops fake_ops = {fake_begin, fake_write, fake_complete};

static void fake_dispatch(struct http_fake *f, const struct http_router *r)
{
    u32 allowed = 0;
    struct error e;
    switch (http_route_match(r, &f->rq, &allowed)) {
    case HTTP_MATCH_FOUND:
        if (!http_params_decode(&f->rq, &e)) {
            http_text(&f->rs, 400, "%s", e.text);
            return;
        }
        f->rq.route->handler(&f->rq, &f->rs);
        return;
    case HTTP_MATCH_NONE:
    case HTTP_MATCH_OUTSIDE:
        http_text(&f->rs, 404, "404 page not found");
        return;
    case HTTP_MATCH_METHOD:
        (void)http_header_set(&f->rs, STR("Allow"), http_allow_text(allowed, f->rq.arena));
        http_text(&f->rs, 405, "Method Not Allowed");
        return;
    case HTTP_MATCH_MALFORMED:
        http_text(&f->rs, 400, "malformed path");
        return;
    }
}

struct http_fake *http_fake_run(const struct http_router *r, const struct http_fake_opts *opts)
{
    struct http_fake *f = MEM_NEW(struct http_fake);
    f->rq.arena = arena_new((size_t)1 << 30);
    f->rq.method = http_method_parse(str_c(opts->method));
    f->rq.target = arena_str(f->rq.arena, str_c(opts->target));
    f->rq.headers = opts->headers;
    f->rq.header_count = opts->header_count;
    f->rq.body = opts->body;
    f->rq.peer = STR("127.0.0.1");
    f->rq.start_mono_ns = opts->clk ? clk_mono_ns(opts->clk) : 0;
    f->rq.deadline_mono_ns = opts->deadline_mono_ns;
    f->rq.cancelled = opts->is_cancelled;
    http_response_init(&f->rs, &f->rq, &fake_ops);
    buf_init(&f->whole, (size_t)1 << 30);
    lock_init(&f->lock, LOCK_LEAF, "http_fake");
    cond_init(&f->ended);
    fake_dispatch(f, r);
    if (!f->rs.deferred) {
        http_complete(&f->rs);
    }
    lock_take(&f->lock);
    while (!f->is_complete) {
        cond_wait(&f->ended, &f->lock);
    }
    lock_drop(&f->lock);
    return f;
}

void http_fake_free(struct http_fake *f)
{
    if (f == NULL) {
        return;
    }
    http_response_fini(&f->rs);
    buf_fini(&f->whole);
    cond_fini(&f->ended);
    lock_fini(&f->lock);
    arena_free(f->rq.arena);
    mem_free(f);
}

u32 http_fake_status(const struct http_fake *f)
{
    return f->rs.status;
}

str http_fake_header(const struct http_fake *f, str name)
{
    return http_response_header(&f->rs, name);
}

str http_fake_body(const struct http_fake *f)
{
    if (f->rs.has_fixed_body) {
        return f->rs.fixed_body;
    }
    return f->rs.streaming ? buf_get(&f->whole) : buf_get(&f->rs.body);
}

bool http_fake_was_cut(const struct http_fake *f)
{
    return f->rs.truncated;
}
