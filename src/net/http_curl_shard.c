// http_curl_shard.c: one thread of the client: what it is asked to do, and the sockets it waits for.
#include "net/fd_watch.h"
#include "net/http_curl_inner.h"
#include "os/clk.h"

#define POLL_MS    1000
#define EVENTS_MAX 64U

// What the shard shall do with a target. Threads: owned.
struct wish {
    struct curl_target *target;
    enum target_state state; // As it was when the wish was taken.
    bool cancel;
};

// Takes the oldest wish. Unless the target was idle, it stays alive until its request has ended.
static bool wish_next(struct http_shard *s, struct wish *w, bool *stop)
{
    lock_take(&s->lock);
    struct curl_target *t = s->queue;
    *stop = s->stopping;
    if (t != NULL) {
        s->queue = t->next;
        t->next = NULL;
        t->queued = false;
        *w = (struct wish){t, t->state, t->cancel};
        t->cancel = false;
        if (t->state == TARGET_QUEUED && !w->cancel) {
            t->state = TARGET_RUNNING;
        }
        cond_broadcast(&s->changed);
    }
    lock_drop(&s->lock);
    return t != NULL;
}

static void wish_grant(const struct wish *w)
{
    if (w->state == TARGET_IDLE) {
        return; // A cancel that came too late; the target may be gone.
    }
    if (w->cancel) {
        http_transfer_cancel(w->target, w->state == TARGET_RUNNING);
    } else if (w->state == TARGET_QUEUED) {
        http_transfer_start(w->target);
    }
}

// What the library waits for. It says so while it runs, on the shard's thread, and must not be told
// of a failure then: it would give up every transfer.
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    struct http_shard *s = ctx;
    struct error why = {0};
    const u32 wanted =
        (what & CURL_POLL_IN ? FD_READ : 0U) | (what & CURL_POLL_OUT ? FD_WRITE : 0U);
    if (what == CURL_POLL_REMOVE) {
        (void)fd_watch_set(s->watch, fd, true, 0, NULL);
    } else if (fd_watch_set(s->watch, fd, known != NULL, wanted, &why)) {
        (void)curl_multi_assign(s->multi, fd, s); // Not NULL from now on.
    } else {
        http_unwatched_add(s, easy, &why);
    }
    return 0;
}

static int on_timer(UNUSED CURLM *multi, long wait_ms, void *ctx)
{
    struct http_shard *s = ctx;
    s->timer_ms = wait_ms < 0 ? INT64_MAX : clk_mono_ms(clk_real()) + wait_ms;
    return 0;
}

static void shard_act(struct http_shard *s, curl_socket_t fd, int bits)
{
    int running;
    CHECK(curl_multi_socket_action(s->multi, fd, bits, &running) == CURLM_OK);
}

static void transfers_end(struct http_shard *s)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(s->multi, &left)) != NULL) {
        char *private = NULL;
        const CURLcode code = m->data.result;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
        http_transfer_end((struct curl_target *)(void *)private, code);
    }
}

// Lets the library do what is due by now, or waits until something is.
static void shard_wait(struct http_shard *s)
{
    struct fd_event events[EVENTS_MAX];
    const i64 wait_ms = s->timer_ms - clk_mono_ms(clk_real());
    if (wait_ms <= 0) {
        s->timer_ms = INT64_MAX; // It says so if there is more to wait for.
        shard_act(s, CURL_SOCKET_TIMEOUT, 0);
        return;
    }
    const u32 n = fd_watch_wait(s->watch, MIN(wait_ms, POLL_MS), events, EVENTS_MAX);
    for (u32 i = 0; i < n; i++) {
        const u32 what = events[i].what;
        shard_act(s, events[i].fd,
                  (what & FD_READ ? CURL_CSELECT_IN : 0) |
                      (what & FD_WRITE ? CURL_CSELECT_OUT : 0) |
                      (what & FD_BROKEN ? CURL_CSELECT_ERR : 0));
    }
}

static void shard_run(void *arg)
{
    struct http_shard *s = arg;
    bool stop = false;
    while (!stop) {
        struct wish w;
        while (wish_next(s, &w, &stop)) {
            wish_grant(&w);
        }
        if (!stop) {
            shard_wait(s);
            transfers_end(s);
            http_unwatched_end(s);
        }
    }
}

void http_wish_put(struct curl_target *t)
{
    struct http_shard *s = t->shard;
    if (!t->queued) {
        struct curl_target **at = &s->queue;
        if (s->queue == NULL) { // Else it was woken, and has not looked yet.
            fd_watch_wake(s->watch);
        }
        while (*at != NULL) {
            at = &(*at)->next;
        }
        *at = t;
        t->queued = true;
    }
}

void http_shard_free(struct http_shard *s)
{
    if (s->thr != NULL) {
        lock_take(&s->lock);
        s->stopping = true;
        lock_drop(&s->lock);
        fd_watch_wake(s->watch);
        thr_join(s->thr);
    }
    for (u32 i = 0; i < s->spare_count; i++) {
        buf_fini(&s->spares[i]);
    }
    (void)curl_multi_cleanup(s->multi);
    fd_watch_free(s->watch);
    cond_fini(&s->changed);
    lock_fini(&s->lock);
    mem_free(s);
}

struct http_shard *http_shard_new(struct error *e)
{
    struct http_shard *s = MEM_NEW(struct http_shard);
    lock_init(&s->lock, LOCK_HTTP_SHARD, "http_shard");
    cond_init(&s->changed);
    s->timer_ms = INT64_MAX;
    s->multi = curl_multi_init();
    CHECK(s->multi != NULL);
    (void)curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT);
    (void)curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
    (void)curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    (void)curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
    s->watch = fd_watch_new(e);
    if (s->watch == NULL) {
        http_shard_free(s);
        return NULL;
    }
    s->thr = thr_start("http-client", shard_run, s, e);
    if (s->thr == NULL) {
        http_shard_free(s);
        return NULL;
    }
    return s;
}
