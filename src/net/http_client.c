// http_client.c: what every client does alike, the waiting form, and the fake; see http_client.h.
#include "net/http_client.h"

#include "base/arena.h"
#include "base/str.h"
#include "net/http_client_inner.h"
#include "net/url.h"
#include "os/thr.h"

#include <string.h>

const char *http_failure_text(enum http_failure f)
{
    static const char *const texts[HTTP_FAIL_COUNT] = {
        [HTTP_FAIL_NONE] = "none",         [HTTP_FAIL_URL] = "url",
        [HTTP_FAIL_RESOLVE] = "resolve",   [HTTP_FAIL_CONNECT] = "connect",
        [HTTP_FAIL_TLS] = "tls",           [HTTP_FAIL_TIMEOUT] = "timeout",
        [HTTP_FAIL_RESET] = "reset",       [HTTP_FAIL_TOO_BIG] = "too_big",
        [HTTP_FAIL_ENCODING] = "encoding", [HTTP_FAIL_REDIRECT] = "redirect",
        [HTTP_FAIL_SINK] = "sink",         [HTTP_FAIL_CANCELLED] = "cancelled",
        [HTTP_FAIL_INTERNAL] = "internal",
    };
    return texts[f];
}

static bool has_byte(str s, const char *bytes, size_t count)
{
    for (size_t i = 0; i < s.len; i++) {
        if (memchr(bytes, s.ptr[i], count) != NULL) {
            return true;
        }
    }
    return false;
}

// A header that would end early, or hide another one.
static bool pairs_check(const struct http_pair *pairs, u32 count, struct error *e)
{
    for (u32 i = 0; i < count; i++) {
        if (pairs[i].name.len == 0) {
            return err_set(e, ERR_INVALID, "a header has no name");
        }
        if (has_byte(pairs[i].name, "\r\n:", 4) || has_byte(pairs[i].value, "\r\n", 3)) {
            return err_set(e, ERR_INVALID, "header %.*s holds a byte that may not be there",
                           STR_ARG(pairs[i].name));
        }
    }
    return true;
}

struct http_pair *http_pairs_copy(struct arena *a, const struct http_pair *pairs, u32 count)
{
    struct http_pair *copy = ARENA_NEW_N(a, struct http_pair, MAX(count, 1));
    for (u32 i = 0; i < count; i++) {
        copy[i] = (struct http_pair){arena_str(a, pairs[i].name), arena_str(a, pairs[i].value)};
    }
    return copy;
}

struct http_target_opts http_target_opts_copy(struct arena *a, const struct http_target_opts *o)
{
    struct http_target_opts c = *o;
    str *const texts[] = {&c.url,          &c.user,        &c.password,
                          &c.bearer,       &c.proxy,       &c.tls.ca_pem,
                          &c.tls.cert_pem, &c.tls.key_pem, &c.tls.server_name};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        *texts[i] = texts[i]->len > 0 ? arena_str(a, *texts[i]) : STR_EMPTY;
    }
    c.headers = http_pairs_copy(a, o->headers, o->header_count);
    c.bytes_max = o->bytes_max ? o->bytes_max : (u64)16 << 20;
    return c;
}

static void wipe(str secret)
{
    if (secret.len > 0) {
        // The target's own copy: only str says const.
        explicit_bzero((void *)(uintptr_t)secret.ptr, // NOLINT(performance-no-int-to-ptr)
                       secret.len);
    }
}

void http_target_opts_wipe(const struct http_target_opts *o)
{
    wipe(o->password);
    wipe(o->bearer);
    wipe(o->tls.key_pem);
    for (u32 i = 0; i < o->header_count; i++) {
        wipe(o->headers[i].value);
    }
}

struct http_target *http_target_new(struct http_client *c, const struct http_target_opts *opts,
                                    struct error *e)
{
    struct arena *a = arena_new((size_t)1 << 20);
    struct url u;
    bool ok = url_parse(opts->url, a, &u, e);
    if (ok && !str_eq_c(u.scheme, "http") && !str_eq_c(u.scheme, "https")) {
        ok =
            err_set(e, ERR_INVALID, "scheme \"%.*s\" is neither http nor https", STR_ARG(u.scheme));
    }
    arena_free(a);
    if (!ok || !pairs_check(opts->headers, opts->header_count, e)) {
        return NULL;
    }
    return c->ops->target_new(c, opts, e);
}

void http_target_free(struct http_target *t)
{
    if (t != NULL) {
        t->client->ops->target_free(t);
    }
}

bool http_fetch_start(struct http_target *t, const struct http_fetch *f, struct error *e)
{
    const u32 known = HTTP_GET | HTTP_HEAD | HTTP_POST | HTTP_PUT | HTTP_DELETE;
    if ((f->method & known) == 0 || f->done == NULL) {
        return err_set(e, ERR_INVALID, "a fetch needs a method and a callback");
    }
    return pairs_check(f->headers, f->header_count, e) && t->client->ops->start(t, f, e);
}

void http_fetch_cancel(struct http_target *t)
{
    t->client->ops->cancel(t);
}

// Threads: lock guards is_done; reply and arena are the shard's until then.
struct waiter {
    struct lock lock;
    struct cond ended;
    bool is_done;
    struct arena *arena;
    struct http_reply *reply;
};

static void waiter_done(void *ctx, const struct http_reply *reply)
{
    struct waiter *w = ctx;
    *w->reply = *reply;
    str *const texts[] = {&w->reply->body, &w->reply->content_type, &w->reply->content_encoding,
                          &w->reply->retry_after, &w->reply->location};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        *texts[i] = arena_str(w->arena, *texts[i]);
    }
    lock_take(&w->lock);
    w->is_done = true;
    cond_broadcast(&w->ended);
    lock_drop(&w->lock);
}

bool http_fetch_wait(struct http_target *t, const struct http_fetch *f, struct arena *a,
                     struct http_reply *reply, struct error *e)
{
    struct waiter w = {.arena = a, .reply = reply};
    struct http_fetch mine = *f;
    mine.done = waiter_done;
    mine.ctx = &w;
    CHECK(f->sink == NULL); // Its ctx would be the waiter's.
    lock_init(&w.lock, LOCK_LEAF, "http_waiter");
    cond_init(&w.ended);
    const bool started = http_fetch_start(t, &mine, e);
    lock_take(&w.lock);
    while (started && !w.is_done) {
        cond_wait(&w.ended, &w.lock);
    }
    lock_drop(&w.lock);
    cond_fini(&w.ended);
    lock_fini(&w.lock);
    if (started && reply->failure != HTTP_FAIL_NONE) {
        return err_set(e, reply->error.code, "%s", reply->error.text);
    }
    return started;
}

// Threads: frozen.
struct fake_client {
    struct http_client base;
    http_answer_fn *answer;
    void *ctx;
};

// Threads: owned.
struct fake_target {
    struct http_target base;
    struct http_target_opts opts;
    struct arena *arena;
};

static struct http_target *
fake_target_new(struct http_client *c, const struct http_target_opts *opts, UNUSED struct error *e)
{
    struct fake_target *t = MEM_NEW(struct fake_target);
    t->base.client = c;
    t->arena = arena_new((size_t)16 << 20);
    t->opts = http_target_opts_copy(t->arena, opts);
    return &t->base;
}

static void fake_target_free(struct http_target *base)
{
    struct fake_target *t = CONTAINER_OF(base, struct fake_target, base);
    http_target_opts_wipe(&t->opts);
    arena_free(t->arena);
    mem_free(t);
}

static bool fake_start(struct http_target *base, const struct http_fetch *f, UNUSED struct error *e)
{
    struct fake_target *t = CONTAINER_OF(base, struct fake_target, base);
    struct fake_client *c = CONTAINER_OF(base->client, struct fake_client, base);
    struct http_reply reply = {0};
    c->answer(c->ctx, &t->opts, f, &reply);
    reply.bytes_body = reply.body.len;
    reply.bytes_wire = reply.bytes_wire ? reply.bytes_wire : reply.body.len;
    if (f->sink != NULL && reply.failure == HTTP_FAIL_NONE && reply.body.len > 0) {
        if (!f->sink(f->ctx, reply.body)) {
            reply.failure = HTTP_FAIL_SINK;
            (void)err_set(&reply.error, ERR_CANCELLED, "the body was not wanted any more");
        }
        reply.body = STR_EMPTY;
    }
    f->done(f->ctx, &reply);
    return true;
}

static void fake_cancel(UNUSED struct http_target *base)
{
    // Every request has ended before start returned.
}

static const struct http_client_ops fake_ops = {fake_target_new, fake_target_free, fake_start,
                                                fake_cancel};

struct http_client *http_client_fake_new(http_answer_fn *answer, void *ctx)
{
    struct fake_client *c = MEM_NEW(struct fake_client);
    *c = (struct fake_client){{&fake_ops}, answer, ctx};
    return &c->base;
}

void http_client_fake_free(struct http_client *c)
{
    if (c != NULL) {
        mem_free(CONTAINER_OF(c, struct fake_client, base));
    }
}
