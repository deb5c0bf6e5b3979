// http_curl_transfer.c: one request from its start over its redirects to its end.
#include "base/str.h"
#include "net/http_client_inner.h"
#include "net/http_curl_inner.h"

#define SPARE_BYTES_MAX ((size_t)2 << 20) // A page larger than that is rare; its memory goes back.

// (I1) The one place that calls done.
static void target_end(struct curl_target *t, const struct http_reply *reply)
{
    struct http_shard *s = t->shard;
    const struct http_fetch fetch = t->fetch;
    struct buf body = t->body;
    struct arena *run = t->run;
    t->run = NULL;
    t->body = (struct buf){0};
    lock_take(&s->lock);
    t->state = TARGET_IDLE; // The callback may start the next one.
    t->in_done = true;
    lock_drop(&s->lock);
    fetch.done(fetch.ctx, reply);
    arena_free(run);
    if (s->spare_count < SPARES_MAX && body.cap > 0 && body.cap <= SPARE_BYTES_MAX) {
        buf_clear(&body);
        s->spares[s->spare_count++] = body;
    } else {
        buf_fini(&body);
    }
    lock_take(&s->lock);
    t->in_done = false;
    cond_broadcast(&s->changed);
    lock_drop(&s->lock);
}

static bool is_redirect(u32 status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Follows one redirect; false: reply is the end (perhaps with a failure).
static bool redirect_follow(struct curl_target *t, struct http_reply *reply)
{
    struct url next;
    struct error e;
    if (t->opts.redirects_max == 0 || !is_redirect(reply->status) || reply->location.len == 0) {
        return false;
    }
    if (t->redirects == t->opts.redirects_max) {
        reply->failure = HTTP_FAIL_REDIRECT;
        (void)err_set(&reply->error, ERR_LIMIT, "more than %u redirects", t->redirects);
        return false;
    }
    const str location = arena_str(http_run_arena(t), reply->location);
    if (!url_join(&t->url, location, http_run_arena(t), &next, &e) ||
        (!str_eq_c(next.scheme, "http") && !str_eq_c(next.scheme, "https"))) {
        reply->failure = HTTP_FAIL_REDIRECT;
        (void)err_set(&reply->error, ERR_INVALID, "redirected to what is no http URL");
        return false;
    }
    t->redirects++;
    t->foreign = t->foreign || !url_same_origin(&t->url, &next);
    t->url = next;
    if (reply->status == 303 || (reply->status < 303 && t->fetch.method == HTTP_POST)) {
        t->fetch.method = t->fetch.method == HTTP_HEAD ? HTTP_HEAD : HTTP_GET;
        t->fetch.body = STR_EMPTY;
    }
    buf_clear(&t->body);
    t->bytes_body = 0;
    http_hop_start(t);
    return true;
}

static void unwatched_drop(struct curl_target *t)
{
    struct curl_target **at = &t->shard->unwatched;
    while (t->is_unwatched && *at != t) {
        at = &(*at)->next_unwatched;
    }
    if (t->is_unwatched) {
        *at = t->next_unwatched;
        t->is_unwatched = false;
    }
}

void http_transfer_end(struct curl_target *t, CURLcode code)
{
    struct http_reply reply = {0};
    unwatched_drop(t);
    http_reply_fill(t, code, &reply);
    CHECK(curl_multi_remove_handle(t->shard->multi, t->easy) == CURLM_OK);
    if (code != CURLE_OK || !redirect_follow(t, &reply)) {
        target_end(t, &reply);
    }
}

void http_transfer_cancel(struct curl_target *t, bool running)
{
    struct http_reply reply = {.failure = HTTP_FAIL_CANCELLED};
    (void)err_set(&reply.error, ERR_CANCELLED, "cancelled");
    unwatched_drop(t);
    if (running) {
        CHECK(curl_multi_remove_handle(t->shard->multi, t->easy) == CURLM_OK);
    }
    target_end(t, &reply);
}

void http_unwatched_end(struct http_shard *s)
{
    while (s->unwatched != NULL) {
        struct curl_target *t = s->unwatched;
        struct http_reply reply = {.failure = HTTP_FAIL_INTERNAL, .error = s->unwatched_why};
        unwatched_drop(t);
        CHECK(curl_multi_remove_handle(s->multi, t->easy) == CURLM_OK);
        target_end(t, &reply);
    }
}

void http_transfer_start(struct curl_target *t)
{
    struct http_shard *s = t->shard;
    if (s->spare_count > 0) {
        t->body = s->spares[--s->spare_count];
        t->body.max = (size_t)t->opts.bytes_max;
    } else {
        buf_init(&t->body, (size_t)t->opts.bytes_max);
    }
    t->bytes_body = 0;
    t->redirects = 0;
    t->foreign = false;
    t->too_big = false;
    t->sink_refused = false;
    SET(t, CURLOPT_TIMEOUT_MS, (long)(t->fetch.timeout_ms ? t->fetch.timeout_ms : 30000));
    http_hop_start(t);
}

void http_unwatched_add(struct http_shard *s, CURL *easy, const struct error *why)
{
    char *private = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    struct curl_target *t = (struct curl_target *)(void *)private;
    if (t != NULL && !t->is_unwatched) {
        t->is_unwatched = true;
        t->next_unwatched = s->unwatched;
        s->unwatched = t;
        s->unwatched_why = *why;
    }
}
