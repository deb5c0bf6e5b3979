// http_curl_handle.c: what a handle of libcurl is told of its target and of one request.
#include "base/str.h"
#include "net/http_curl_inner.h"

#define DNS_SECONDS 30L
#define READ_BYTES  ((long)256 << 10) // Held while a transfer runs; a page mostly fits.

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
static void options_set(struct curl_target *t)
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

struct arena *http_run_arena(struct curl_target *t)
{
    if (!t->run) {
        t->run = arena_new((size_t)1 << 20);
    }
    return t->run;
}

static void header_add(struct curl_target *t, str name, str value)
{
    // "Name;" is how the library spells a header without a value.
    const str line =
        value.len > 0 ? arena_printf(http_run_arena(t), "%.*s: %.*s", STR_ARG(name), STR_ARG(value))
                      : arena_printf(http_run_arena(t), "%.*s;", STR_ARG(name));
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
                   arena_printf(http_run_arena(t), "Bearer %.*s", STR_ARG(t->opts.bearer)));
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

void http_handle_init(struct curl_target *t)
{
    t->easy = curl_easy_init();
    CHECK(t->easy != NULL);
    options_set(t);
    server_name_set(t);
}

static void url_set(struct curl_target *t)
{
    struct buf b;
    struct url u = t->url;
    const bool renamed = t->connect_to != NULL && !t->foreign;
    u.fragment = STR_EMPTY;
    if (renamed) {
        header_add(t, STR("Host"), url_host_port(&u, http_run_arena(t)));
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

bool http_fetch_is_plain(const struct http_fetch *f)
{
    return f->method == HTTP_GET && f->path_query.len == 0 && f->header_count == 0;
}

void http_hop_start(struct curl_target *t)
{
    const bool plain = t->redirects == 0 && t->own_url_good && http_fetch_is_plain(&t->fetch);
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
