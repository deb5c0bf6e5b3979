// http_curl.c: the client over libcurl: its threads, and the targets among them.
#include "base/str.h"
#include "net/http_client_inner.h"
#include "net/http_curl_inner.h"

#include <pthread.h>

#define SHARDS_DEFAULT 64U

// Threads: lock guards shards.
struct curl_client {
    struct http_client base;
    struct lock lock;
    struct http_shard **shards;
    u32 shard_count;
    u32 shards_max;
};

static pthread_once_t global_once = PTHREAD_ONCE_INIT;

static void global_init(void)
{
    CHECK(curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK);
}

// The first shard with room, perhaps a new one. Under the client's lock.
static struct http_shard *shard_pick(struct curl_client *c, struct error *e)
{
    for (u32 i = 0; i < c->shard_count; i++) {
        struct http_shard *s = c->shards[i];
        lock_take(&s->lock);
        const bool room = s->targets < HTTP_SHARD_TARGETS;
        s->targets += room;
        lock_drop(&s->lock);
        if (room) {
            return s;
        }
    }
    if (c->shard_count == c->shards_max) {
        return err_null(e, ERR_LIMIT, "all %u client threads have their %u targets", c->shards_max,
                        HTTP_SHARD_TARGETS);
    }
    struct http_shard *s = http_shard_new(e);
    if (s != NULL) {
        s->targets = 1;
        c->shards[c->shard_count++] = s;
    }
    return s;
}

static struct http_target *curl_target_new(struct http_client *base,
                                           const struct http_target_opts *opts, struct error *e)
{
    struct curl_client *c = CONTAINER_OF(base, struct curl_client, base);
    lock_take(&c->lock);
    struct http_shard *s = shard_pick(c, e);
    lock_drop(&c->lock);
    if (s == NULL) {
        return NULL;
    }
    struct curl_target *t = MEM_NEW(struct curl_target);
    t->base.client = base;
    t->shard = s;
    t->arena = arena_new((size_t)16 << 20);
    t->opts = http_target_opts_copy(t->arena, opts);
    http_handle_init(t);
    t->own_url_good = url_parse(t->opts.url, t->arena, &t->own_url, NULL);
    return &t->base;
}

static void curl_target_free(struct http_target *base)
{
    struct curl_target *t = CONTAINER_OF(base, struct curl_target, base);
    struct http_shard *s = t->shard;
    lock_take(&s->lock);
    // (I3)
    while (t->state != TARGET_IDLE || t->in_done || t->queued) {
        if (t->state != TARGET_IDLE && !t->cancel) {
            t->cancel = true;
            http_wish_put(t);
        }
        (void)cond_wait_ms(&s->changed, &s->lock, 10);
    }
    s->targets--;
    lock_drop(&s->lock);
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->connect_to);
    http_target_opts_wipe(&t->opts);
    arena_free(t->arena);
    mem_free(t);
}

static bool fetch_copy(struct curl_target *t, const struct http_fetch *f, struct error *e)
{
    if (t->own_url_good && http_fetch_is_plain(f)) {
        t->url = t->own_url;
        t->fetch = *f;
        return true;
    }
    struct buf b;
    struct arena *run = arena_new((size_t)1 << 20);
    buf_init(&b, (size_t)2 * URL_BYTES_MAX);
    buf_str(&b, t->opts.url);
    buf_str(&b, f->path_query);
    struct url u;
    const bool ok = buf_ok(&b) && url_parse(arena_str(run, buf_get(&b)), run, &u, e);
    buf_fini(&b);
    if (!ok) {
        arena_free(run);
        return false;
    }
    t->url = u;
    t->run = run;
    t->fetch = *f;
    t->fetch.headers = http_pairs_copy(run, f->headers, f->header_count);
    return true;
}

static bool curl_start(struct http_target *base, const struct http_fetch *f, struct error *e)
{
    struct curl_target *t = CONTAINER_OF(base, struct curl_target, base);
    struct http_shard *s = t->shard;
    lock_take(&s->lock);
    const bool idle = t->state == TARGET_IDLE;
    lock_drop(&s->lock);
    if (!idle) {
        return err_set(e, ERR_OUT_OF_ORDER, "the target's request before is still running");
    }
    if (!fetch_copy(t, f, e)) {
        return false;
    }
    lock_take(&s->lock);
    t->state = TARGET_QUEUED;
    t->cancel = false;
    http_wish_put(t);
    lock_drop(&s->lock);
    return true;
}

static void curl_cancel(struct http_target *base)
{
    struct curl_target *t = CONTAINER_OF(base, struct curl_target, base);
    struct http_shard *s = t->shard;
    lock_take(&s->lock);
    if (t->state != TARGET_IDLE) {
        t->cancel = true;
        http_wish_put(t);
    }
    lock_drop(&s->lock);
}

static const struct http_client_ops curl_ops = {curl_target_new, curl_target_free, curl_start,
                                                curl_cancel};

struct http_client *http_client_new(u32 shards_max, UNUSED struct error *e)
{
    struct curl_client *c = MEM_NEW(struct curl_client);
    CHECK(pthread_once(&global_once, global_init) == 0);
    c->base.ops = &curl_ops;
    c->shards_max = shards_max ? shards_max : SHARDS_DEFAULT;
    c->shards = MEM_NEW_N(struct http_shard *, c->shards_max);
    lock_init(&c->lock, LOCK_HTTP_CLIENT, "http_client");
    return &c->base;
}

void http_client_free(struct http_client *c)
{
    if (c == NULL) {
        return;
    }
    struct curl_client *own = CONTAINER_OF(c, struct curl_client, base);
    for (u32 i = 0; i < own->shard_count; i++) {
        CHECK(own->shards[i]->targets == 0);
        http_shard_free(own->shards[i]);
    }
    lock_fini(&own->lock);
    mem_free(own->shards);
    mem_free(own);
}
