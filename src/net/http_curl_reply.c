// http_curl_reply.c: what libcurl says of a transfer that has ended, in our words.
#include "base/str.h"
#include "net/http_curl_inner.h"

#include <string.h>

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

void http_reply_fill(struct curl_target *t, CURLcode code, struct http_reply *reply)
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
