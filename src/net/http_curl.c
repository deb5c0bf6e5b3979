// http_curl.c: the only file that knows libcurl: targets are easy, shards are multi handles.
//
//   target: IDLE ─start─► QUEUED ─shard─► RUNNING ─► IDLE, then done
//                            └──────cancel──┴──────► IDLE, then done
// All calls into a multi handle, and into the easy handles that it holds, come from the shard's
// thread; others put their wish under the shard's lock and wake it. The library says which sockets
// and which time it waits for, and looks at no others: a wake costs what is ready.
// A target asks for the same again and again: what its handle was told is told once.
// Redirects are followed here, not by the library: it would take our headers to other hosts.
// The DNS cache never ages for literal addresses and 30 s for names: the library walks the whole
// cache after every transfer unless told never to (-1), and names do move.
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "net/fd_watch.h"
#include "net/http_client.h"
#include "net/http_client_inner.h"
#include "net/url.h"
#include "os/clk.h"
#include "os/thr.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SHARDS_DEFAULT   64U
#define SPARES_MAX       8U
#define SPARE_BYTES_MAX  ((size_t)2 << 20) // A page larger than that is rare; its memory goes back.
#define DNS_SECONDS      30L
#define POLL_MS          1000
#define READ_BYTES       ((long)256 << 10) // Held while a transfer runs; a page mostly fits.
#define EVENTS_MAX       64U
#define CONNECTIONS_KEPT (4L * HTTP_SHARD_TARGETS)

enum target_state { TARGET_IDLE, TARGET_QUEUED, TARGET_RUNNING };

// Threads: state, in_done, cancel, queued and next guarded by shard->lock; the rest is the owner's
// while IDLE, the shard thread's else.
struct curl_target {
    struct http_target base;
    struct shard *shard;
    enum target_state state;
    bool in_done; // The callback runs.
    bool cancel;
    bool queued;              // In the shard's queue.
    struct curl_target *next; // There.

    struct arena *arena; // Of the options.
    struct http_target_opts opts;
    struct url own_url; // Of the options, in `arena`.
    bool own_url_good;
    bool is_plain; // The handle was told of its own URL by GET with its own headers, and no more.
    CURL *easy;
    char reason[CURL_ERROR_SIZE];

    struct http_fetch fetch;
    struct arena *run;             // Of one request: URL, headers; NULL until it is needed.
    struct curl_slist *connect_to; // With tls.server_name.
    struct curl_slist *headers;    // That the handle was told of.
    struct url url;                // Of this hop.
    u32 redirects;
    bool foreign; // Redirected to another origin.
    struct buf body;
    u64 bytes_body;
    bool too_big;
    bool sink_refused;
    bool is_unwatched; // Its socket; then it is in the shard's list.
    struct curl_target *next_unwatched;
};

// Threads: lock guards queue, targets and stopping; watch takes wakes from all; the rest is the
// shard thread's.
struct shard {
    struct lock lock;
    struct cond changed;
    struct curl_target *queue;
    u32 targets;
    bool stopping;
    CURLM *multi;
    struct fd_watch *watch;
    i64 timer_ms;                  // When the library wants to be called, by the monotonic clock.
    struct curl_target *unwatched; // Running, and to be ended.
    struct error unwatched_why;    // Of the newest of them.
    struct thr *thr;
    struct buf spares[SPARES_MAX];
    u32 spare_count;
};

// Threads: lock guards shards.
struct curl_client {
    struct http_client base;
    struct lock lock;
    struct shard **shards;
    u32 shard_count;
    u32 shards_max;
};

static pthread_once_t global_once = PTHREAD_ONCE_INIT;

static void global_init(void)
{
    CHECK(curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK);
}

// The library's setters are variadic and fail only when memory is out or the option is unknown.
#define SET(t, option, value) CHECK(curl_easy_setopt((t)->easy, option, value) == CURLE_OK)

static size_t on_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
    struct curl_target *t = ctx;
    const size_t n = size * count;
    if (t->bytes_body + n > t->opts.bytes_max) {
        t->too_big = true;
        return 0;
    }
    t->bytes_body += n;
    if (t->fetch.sink == NULL) {
        buf_add(&t->body, bytes, n);
        return n;
    }
    t->sink_refused = n > 0 && !t->fetch.sink(t->fetch.ctx, (str){bytes, n});
    return t->sink_refused ? 0 : n;
}

static void tls_set(struct curl_target *t)
{
    static const struct {
        u32 version;
        long value;
    } versions[] = {
        {10, CURL_SSLVERSION_TLSv1_0},
        {11, CURL_SSLVERSION_TLSv1_1},
        {12, CURL_SSLVERSION_TLSv1_2},
        {13, CURL_SSLVERSION_TLSv1_3},
    };
    const struct http_tls_opts *tls = &t->opts.tls;
    const struct {
        CURLoption option;
        str pem;
    } blobs[] = {
        {CURLOPT_CAINFO_BLOB, tls->ca_pem},
        {CURLOPT_SSLCERT_BLOB, tls->cert_pem},
        {CURLOPT_SSLKEY_BLOB, tls->key_pem},
    };
    for (size_t i = 0; i < ARRAY_LEN(blobs); i++) {
        // The library copies; only its type is not const.
        struct curl_blob blob = {
            (void *)(uintptr_t)blobs[i].pem.ptr, // NOLINT(performance-no-int-to-ptr)
            blobs[i].pem.len, CURL_BLOB_COPY};
        if (blobs[i].pem.len > 0) {
            SET(t, blobs[i].option, &blob);
        }
    }
    long version = CURL_SSLVERSION_TLSv1_2;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        version = versions[i].version == tls->min_version ? versions[i].value : version;
    }
    SET(t, CURLOPT_SSLVERSION, version);
    SET(t, CURLOPT_SSL_VERIFYPEER, tls->insecure ? 0L : 1L);
    SET(t, CURLOPT_SSL_VERIFYHOST, tls->insecure ? 0L : 2L);
}

static bool is_address(const struct url *u)
{
    bool digits = true;
    for (size_t i = 0; i < u->host.len; i++) {
        const char c = u->host.ptr[i];
        digits = digits && ((c >= '0' && c <= '9') || c == '.');
    }
    return u->is_ipv6 || digits;
}

// What holds for all requests of the target.
static void easy_set(struct curl_target *t)
{
    SET(t, CURLOPT_NOSIGNAL, 1L);
    SET(t, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(t, CURLOPT_FOLLOWLOCATION, 0L);
    SET(t, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(t, CURLOPT_TCP_KEEPALIVE, 1L);
    SET(t, CURLOPT_PROXY, t->opts.proxy.len > 0 ? t->opts.proxy.ptr : "");
    SET(t, CURLOPT_ERRORBUFFER, t->reason);
    SET(t, CURLOPT_PRIVATE, t);
    SET(t, CURLOPT_WRITEFUNCTION, on_bytes);
    SET(t, CURLOPT_WRITEDATA, t);
    SET(t, CURLOPT_BUFFERSIZE, READ_BYTES);
    SET(t, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)t->opts.bytes_max);
    SET(t, CURLOPT_MAXCONNECTS, CONNECTIONS_KEPT);
    if (t->opts.gzip) {
        SET(t, CURLOPT_ACCEPT_ENCODING, "gzip");
    }
    tls_set(t);
}

static struct arena *run_arena(struct curl_target *t)
{
    if (!t->run) {
        t->run = arena_new((size_t)1 << 20);
    }
    return t->run;
}

static void header_add(struct curl_target *t, str name, str value)
{
    // "Name;" is how the library spells a header without a value.
    const str line = value.len > 0
                         ? arena_printf(run_arena(t), "%.*s: %.*s", STR_ARG(name), STR_ARG(value))
                         : arena_printf(run_arena(t), "%.*s;", STR_ARG(name));
    t->headers = curl_slist_append(t->headers, line.ptr);
    CHECK(t->headers != NULL);
}

// To another origin go only headers that say what we understand.
static bool header_may_go(const struct curl_target *t, str name)
{
    return !t->foreign || str_eq_nocase(name, STR("Accept")) ||
           str_eq_nocase(name, STR("User-Agent"));
}

static bool headers_add(struct curl_target *t, const struct http_pair *pairs, u32 count)
{
    bool has_type = false;
    for (u32 i = 0; i < count; i++) {
        if (header_may_go(t, pairs[i].name)) {
            header_add(t, pairs[i].name, pairs[i].value);
            has_type = has_type || str_eq_nocase(pairs[i].name, STR("Content-Type"));
        }
    }
    return has_type;
}

static void headers_set(struct curl_target *t)
{
    curl_slist_free_all(t->headers);
    t->headers = NULL;
    bool has_type = headers_add(t, t->opts.headers, t->opts.header_count);
    has_type = headers_add(t, t->fetch.headers, t->fetch.header_count) || has_type;
    if (!has_type) {
        t->headers = curl_slist_append(t->headers, "Content-Type:");
    }
    t->headers = curl_slist_append(t->headers, "Expect:");
    if (t->opts.bearer.len > 0 && !t->foreign) {
        header_add(t, STR("Authorization"),
                   arena_printf(run_arena(t), "Bearer %.*s", STR_ARG(t->opts.bearer)));
    }
    const bool basic = t->opts.user.len > 0 && !t->foreign;
    SET(t, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    SET(t, CURLOPT_USERNAME, basic ? t->opts.user.ptr : NULL);
    SET(t, CURLOPT_PASSWORD, basic && t->opts.password.len > 0 ? t->opts.password.ptr : NULL);
}

static void method_set(struct curl_target *t)
{
    const enum http_method m = t->fetch.method;
    SET(t, CURLOPT_CUSTOMREQUEST, NULL);
    SET(t, CURLOPT_NOBODY, 0L);
    SET(t, CURLOPT_HTTPGET, 1L);
    if (m == HTTP_POST || m == HTTP_PUT || (m == HTTP_DELETE && t->fetch.body.len > 0)) {
        SET(t, CURLOPT_POST, 1L);
        SET(t, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->fetch.body.len);
        SET(t, CURLOPT_POSTFIELDS, t->fetch.body.len > 0 ? t->fetch.body.ptr : "");
    }
    if (m == HTTP_HEAD) {
        SET(t, CURLOPT_NOBODY, 1L);
    } else if (m == HTTP_PUT || m == HTTP_DELETE) {
        SET(t, CURLOPT_CUSTOMREQUEST, http_method_text(m));
    }
}

// With tls.server_name the library is told that it goes to that name, and connects to the host.
static void server_name_set(struct curl_target *t)
{
    struct url u;
    if (t->opts.tls.server_name.len == 0 || !url_parse(t->opts.url, t->arena, &u, NULL) ||
        !str_eq_c(u.scheme, "https")) {
        return;
    }
    const str host = arena_printf(t->arena, u.is_ipv6 ? "[%.*s]" : "%.*s", STR_ARG(u.host));
    const str rule = arena_printf(t->arena, "%.*s:%u:%.*s:%u", STR_ARG(t->opts.tls.server_name),
                                  url_port(&u), STR_ARG(host), url_port(&u));
    t->connect_to = curl_slist_append(NULL, rule.ptr);
    CHECK(t->connect_to != NULL);
}

static void url_set(struct curl_target *t)
{
    struct buf b;
    struct url u = t->url;
    const bool renamed = t->connect_to != NULL && !t->foreign;
    u.fragment = STR_EMPTY;
    if (renamed) {
        header_add(t, STR("Host"), url_host_port(&u, run_arena(t)));
        u.host = t->opts.tls.server_name;
        u.is_ipv6 = false;
    }
    buf_init(&b, (size_t)2 * URL_BYTES_MAX);
    url_print(&b, &u);
    SET(t, CURLOPT_URL, b.bytes);
    buf_fini(&b);
    SET(t, CURLOPT_CONNECT_TO, renamed ? t->connect_to : NULL);
    SET(t, CURLOPT_DNS_CACHE_TIMEOUT, is_address(&t->url) ? -1L : DNS_SECONDS);
}

// What every scrape is: the target's own URL by GET, with its own headers.
static bool fetch_is_plain(const struct http_fetch *f)
{
    return f->method == HTTP_GET && f->path_query.len == 0 && f->header_count == 0;
}

// Puts the hop that t->url names under way. Shard thread.
static void hop_start(struct curl_target *t)
{
    const bool plain = t->redirects == 0 && t->own_url_good && fetch_is_plain(&t->fetch);
    t->reason[0] = '\0';
    if (!plain || !t->is_plain) {
        headers_set(t);
        url_set(t);
        method_set(t);
        SET(t, CURLOPT_HTTPHEADER, t->headers);
        t->is_plain = plain;
    }
    CHECK(curl_multi_add_handle(t->shard->multi, t->easy) == CURLM_OK);
}

static const struct {
    CURLcode code;
    enum http_failure failure;
    enum err err;
} failures[] = {
    {CURLE_UNSUPPORTED_PROTOCOL, HTTP_FAIL_RESET, ERR_CORRUPT}, // "HTTP/0.9 when not allowed"
    {CURLE_URL_MALFORMAT, HTTP_FAIL_URL, ERR_INVALID},
    {CURLE_COULDNT_RESOLVE_PROXY, HTTP_FAIL_RESOLVE, ERR_UNAVAILABLE},
    {CURLE_COULDNT_RESOLVE_HOST, HTTP_FAIL_RESOLVE, ERR_UNAVAILABLE},
    {CURLE_COULDNT_CONNECT, HTTP_FAIL_CONNECT, ERR_UNAVAILABLE},
    {CURLE_PROXY, HTTP_FAIL_CONNECT, ERR_UNAVAILABLE},
    {CURLE_SSL_CONNECT_ERROR, HTTP_FAIL_TLS, ERR_UNAVAILABLE},
    {CURLE_PEER_FAILED_VERIFICATION, HTTP_FAIL_TLS, ERR_UNAUTHORISED},
    {CURLE_SSL_CERTPROBLEM, HTTP_FAIL_TLS, ERR_INVALID},
    {CURLE_SSL_CACERT_BADFILE, HTTP_FAIL_TLS, ERR_INVALID},
    {CURLE_SSL_CIPHER, HTTP_FAIL_TLS, ERR_INVALID},
    {CURLE_SSL_ISSUER_ERROR, HTTP_FAIL_TLS, ERR_UNAUTHORISED},
    {CURLE_OPERATION_TIMEDOUT, HTTP_FAIL_TIMEOUT, ERR_TIMEOUT},
    {CURLE_WEIRD_SERVER_REPLY, HTTP_FAIL_RESET, ERR_CORRUPT},
    {CURLE_GOT_NOTHING, HTTP_FAIL_RESET, ERR_UNAVAILABLE},
    {CURLE_PARTIAL_FILE, HTTP_FAIL_RESET, ERR_UNAVAILABLE},
    {CURLE_SEND_ERROR, HTTP_FAIL_RESET, ERR_UNAVAILABLE},
    {CURLE_RECV_ERROR, HTTP_FAIL_RESET, ERR_UNAVAILABLE},
    {CURLE_FILESIZE_EXCEEDED, HTTP_FAIL_TOO_BIG, ERR_LIMIT},
    {CURLE_BAD_CONTENT_ENCODING, HTTP_FAIL_ENCODING, ERR_CORRUPT},
};

static void failure_set(struct curl_target *t, CURLcode code, struct http_reply *reply)
{
    const char *reason = t->reason[0] ? t->reason : curl_easy_strerror(code);
    long os_error = 0;
    enum err err = ERR_INTERNAL;
    reply->failure = HTTP_FAIL_INTERNAL;
    if (t->too_big || code == CURLE_FILESIZE_EXCEEDED) {
        reply->failure = HTTP_FAIL_TOO_BIG;
        (void)err_set(&reply->error, ERR_LIMIT, "the body exceeds %llu bytes",
                      (unsigned long long)t->opts.bytes_max);
        return;
    }
    if (t->sink_refused) {
        reply->failure = HTTP_FAIL_SINK;
        (void)err_set(&reply->error, ERR_CANCELLED, "the body was not wanted any more");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        if (failures[i].code == code) {
            reply->failure = failures[i].failure;
            err = failures[i].err;
            break;
        }
    }
    (void)curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_error);
    if (code == CURLE_COULDNT_CONNECT && os_error != 0) {
        (void)err_set(&reply->error, err, "%s: %s", reason, strerrordesc_np((int)os_error));
    } else {
        (void)err_set(&reply->error, err, "%s", reason);
    }
}

static u64 time_get(const struct curl_target *t, CURLINFO what)
{
    curl_off_t us = 0;
    (void)curl_easy_getinfo(t->easy, what, &us);
    return us > 0 ? (u64)us * 1000 : 0;
}

static u64 span(u64 from, u64 to)
{
    return to > from ? to - from : 0;
}

static void phases_get(const struct curl_target *t, struct http_phases *p)
{
    const u64 resolved = time_get(t, CURLINFO_NAMELOOKUP_TIME_T);
    const u64 connected = time_get(t, CURLINFO_CONNECT_TIME_T);
    const u64 secured = time_get(t, CURLINFO_APPCONNECT_TIME_T);
    const u64 asked = time_get(t, CURLINFO_PRETRANSFER_TIME_T);
    const u64 answered = time_get(t, CURLINFO_STARTTRANSFER_TIME_T);
    long connects = 0;
    p->total = time_get(t, CURLINFO_TOTAL_TIME_T);
    (void)curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
    if (connects > 0 || answered == 0) { // Else the connection was kept.
        p->resolve = resolved;
        p->connect = span(resolved, connected);
        p->tls = secured > 0 ? span(connected, secured) : 0;
    }
    if (answered > 0) {
        p->first_byte = span(asked, answered);
        p->transfer = span(answered, p->total);
    }
}

static str header_of(const struct curl_target *t, const char *name)
{
    struct curl_header *h = NULL;
    const bool found = curl_easy_header(t->easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK;
    return found ? str_c(h->value) : STR_EMPTY;
}

static void reply_fill(struct curl_target *t, CURLcode code, struct http_reply *reply)
{
    long status = 0;
    curl_off_t wire = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &wire);
    reply->status = (u32)status;
    reply->bytes_wire = (u64)wire;
    reply->bytes_body = t->bytes_body;
    reply->body = buf_get(&t->body);
    reply->content_type = header_of(t, "Content-Type");
    reply->content_encoding = header_of(t, "Content-Encoding");
    reply->retry_after = header_of(t, "Retry-After");
    reply->location = header_of(t, "Location");
    phases_get(t, &reply->phases);
    if (code != CURLE_OK) {
        failure_set(t, code, reply);
    }
}

// (I1) The one place that calls done.
static void target_end(struct curl_target *t, const struct http_reply *reply)
{
    struct shard *s = t->shard;
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
    const str location = arena_str(run_arena(t), reply->location);
    if (!url_join(&t->url, location, run_arena(t), &next, &e) ||
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
    hop_start(t);
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

static void transfer_end(struct curl_target *t, CURLcode code)
{
    struct http_reply reply = {0};
    unwatched_drop(t);
    reply_fill(t, code, &reply);
    CHECK(curl_multi_remove_handle(t->shard->multi, t->easy) == CURLM_OK);
    if (code != CURLE_OK || !redirect_follow(t, &reply)) {
        target_end(t, &reply);
    }
}

static void transfer_cancel(struct curl_target *t, bool running)
{
    struct http_reply reply = {.failure = HTTP_FAIL_CANCELLED};
    (void)err_set(&reply.error, ERR_CANCELLED, "cancelled");
    unwatched_drop(t);
    if (running) {
        CHECK(curl_multi_remove_handle(t->shard->multi, t->easy) == CURLM_OK);
    }
    target_end(t, &reply);
}

// Ends those whose sockets would never get ready, instead of letting their time pass.
static void unwatched_end(struct shard *s)
{
    while (s->unwatched != NULL) {
        struct curl_target *t = s->unwatched;
        struct http_reply reply = {.failure = HTTP_FAIL_INTERNAL, .error = s->unwatched_why};
        unwatched_drop(t);
        CHECK(curl_multi_remove_handle(s->multi, t->easy) == CURLM_OK);
        target_end(t, &reply);
    }
}

static void transfer_start(struct curl_target *t)
{
    struct shard *s = t->shard;
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
    hop_start(t);
}

// What the shard shall do with a target. Threads: owned.
struct wish {
    struct curl_target *target;
    enum target_state state; // As it was when the wish was taken.
    bool cancel;
};

// Takes the oldest wish. Unless the target was idle, it stays alive until its request has ended.
static bool wish_next(struct shard *s, struct wish *w, bool *stop)
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
        transfer_cancel(w->target, w->state == TARGET_RUNNING);
    } else if (w->state == TARGET_QUEUED) {
        transfer_start(w->target);
    }
}

// The transfer of a handle cannot go on. A handle of the library's own has no target.
static void unwatched_add(struct shard *s, CURL *easy, const struct error *why)
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

// What the library waits for. It says so while it runs, on the shard's thread, and must not be told
// of a failure then: it would give up every transfer.
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    struct shard *s = ctx;
    struct error why = {0};
    const u32 wanted =
        (what & CURL_POLL_IN ? FD_READ : 0U) | (what & CURL_POLL_OUT ? FD_WRITE : 0U);
    if (what == CURL_POLL_REMOVE) {
        (void)fd_watch_set(s->watch, fd, true, 0, NULL);
    } else if (fd_watch_set(s->watch, fd, known != NULL, wanted, &why)) {
        (void)curl_multi_assign(s->multi, fd, s); // Not NULL from now on.
    } else {
        unwatched_add(s, easy, &why);
    }
    return 0;
}

static int on_timer(UNUSED CURLM *multi, long wait_ms, void *ctx)
{
    struct shard *s = ctx;
    s->timer_ms = wait_ms < 0 ? INT64_MAX : clk_mono_ms(clk_real()) + wait_ms;
    return 0;
}

static void shard_act(struct shard *s, curl_socket_t fd, int bits)
{
    int running;
    CHECK(curl_multi_socket_action(s->multi, fd, bits, &running) == CURLM_OK);
}

static void transfers_end(struct shard *s)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(s->multi, &left)) != NULL) {
        char *private = NULL;
        const CURLcode code = m->data.result;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
        transfer_end((struct curl_target *)(void *)private, code);
    }
}

// Lets the library do what is due by now, or waits until something is.
static void shard_wait(struct shard *s)
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
    struct shard *s = arg;
    bool stop = false;
    while (!stop) {
        struct wish w;
        while (wish_next(s, &w, &stop)) {
            wish_grant(&w);
        }
        if (!stop) {
            shard_wait(s);
            transfers_end(s);
            unwatched_end(s);
        }
    }
}

// Under the lock: puts t into the queue, once.
static void wish_put(struct curl_target *t)
{
    struct shard *s = t->shard;
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

static void shard_free(struct shard *s)
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

static struct shard *shard_new(struct error *e)
{
    struct shard *s = MEM_NEW(struct shard);
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
        shard_free(s);
        return NULL;
    }
    s->thr = thr_start("http-client", shard_run, s, e);
    if (s->thr == NULL) {
        shard_free(s);
        return NULL;
    }
    return s;
}

// The first shard with room, perhaps a new one. Under the client's lock.
static struct shard *shard_pick(struct curl_client *c, struct error *e)
{
    for (u32 i = 0; i < c->shard_count; i++) {
        struct shard *s = c->shards[i];
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
    struct shard *s = shard_new(e);
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
    struct shard *s = shard_pick(c, e);
    lock_drop(&c->lock);
    if (s == NULL) {
        return NULL;
    }
    struct curl_target *t = MEM_NEW(struct curl_target);
    t->base.client = base;
    t->shard = s;
    t->arena = arena_new((size_t)16 << 20);
    t->opts = http_target_opts_copy(t->arena, opts);
    t->easy = curl_easy_init();
    CHECK(t->easy != NULL);
    easy_set(t);
    server_name_set(t);
    t->own_url_good = url_parse(t->opts.url, t->arena, &t->own_url, NULL);
    return &t->base;
}

static void curl_target_free(struct http_target *base)
{
    struct curl_target *t = CONTAINER_OF(base, struct curl_target, base);
    struct shard *s = t->shard;
    lock_take(&s->lock);
    // (I3)
    while (t->state != TARGET_IDLE || t->in_done || t->queued) {
        if (t->state != TARGET_IDLE && !t->cancel) {
            t->cancel = true;
            wish_put(t);
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
    if (t->own_url_good && fetch_is_plain(f)) {
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
    struct shard *s = t->shard;
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
    wish_put(t);
    lock_drop(&s->lock);
    return true;
}

static void curl_cancel(struct http_target *base)
{
    struct curl_target *t = CONTAINER_OF(base, struct curl_target, base);
    struct shard *s = t->shard;
    lock_take(&s->lock);
    if (t->state != TARGET_IDLE) {
        t->cancel = true;
        wish_put(t);
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
    c->shards = MEM_NEW_N(struct shard *, c->shards_max);
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
        shard_free(own->shards[i]);
    }
    lock_fini(&own->lock);
    mem_free(own->shards);
    mem_free(own);
}
