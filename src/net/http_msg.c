// http_msg.c: the parts of requests and answers that no library and no socket is needed for.
#include "net/http_msg.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/num.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *text;
    enum http_method method;
} methods[] = {
    {"GET", HTTP_GET}, {"HEAD", HTTP_HEAD},     {"POST", HTTP_POST},
    {"PUT", HTTP_PUT}, {"DELETE", HTTP_DELETE}, {"OPTIONS", HTTP_OPTIONS},
};

enum http_method http_method_parse(str s)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (str_eq_c(s, methods[i].text)) {
            return methods[i].method;
        }
    }
    return HTTP_OTHER;
}

const char *http_method_text(enum http_method m)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (methods[i].method == m) {
            return methods[i].text;
        }
    }
    return "other";
}

static const struct {
    u32 status;
    const char *text;
} statuses[] = {
    {200, "OK"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
};

const char *http_status_text(u32 status)
{
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        if (statuses[i].status == status) {
            return statuses[i].text;
        }
    }
    return "";
}

str http_header_get(const struct http_request *rq, str name)
{
    for (u32 i = 0; i < rq->header_count; i++) {
        if (str_eq_nocase(rq->headers[i].name, name)) {
            return rq->headers[i].value;
        }
    }
    return STR_EMPTY;
}

str http_param_get(const struct http_request *rq, str name)
{
    return form_get(&rq->params, name);
}

str http_route_param(const struct http_request *rq, str name)
{
    for (u32 i = 0; i < rq->route_param_count; i++) {
        if (str_eq(rq->route_params[i].name, name)) {
            return rq->route_params[i].value;
        }
    }
    return STR_EMPTY;
}

const int *http_cancel_flag(const struct http_request *rq)
{
    return &rq->cancelled;
}

bool http_is_cancelled(const struct http_request *rq)
{
    return __atomic_load_n(&rq->cancelled, __ATOMIC_RELAXED) != 0;
}

// q of "q=0.5" in thousandths; what cannot be read is taken for 1.
static u32 weight_of(str text)
{
    f64 q;
    if (!str_starts(text, STR("q=")) || !num_parse(str_sub(text, 2, text.len), &q) ||
        !(q >= 0 && q <= 1)) {
        return 1000;
    }
    return (u32)(q * 1000 + 0.5);
}

u32 http_accept_weight(const struct http_request *rq, str coding)
{
    str rest = http_header_get(rq, STR("Accept-Encoding"));
    str member;
    u32 best = 0;
    if (rest.len == 0) {
        return 0;
    }
    while (str_split_next(&rest, ',', &member)) { // "gzip;q=0.5"
        const size_t semicolon = MIN(str_find(member, ';'), member.len);
        const str weight = str_trim(str_sub(member, semicolon + 1, member.len));
        if (str_eq_nocase(str_trim(str_sub(member, 0, semicolon)), coding)) {
            best = MAX(best, weight.len > 0 ? weight_of(weight) : 1000);
        }
    }
    return best;
}

bool http_accepts(const struct http_request *rq, str coding)
{
    return http_accept_weight(rq, coding) > 0;
}

void http_response_init(struct http_response *rs, struct http_request *rq,
                        const struct http_response_ops *ops)
{
    *rs = (struct http_response){.ops = ops, .rq = rq, .status = 200};
    // A little more than the window, so that one write may overshoot it before it streams.
    buf_init(&rs->body, HTTP_WHOLE_BYTES_MAX);
}

void http_response_fini(struct http_response *rs)
{
    buf_fini(&rs->body);
}

void http_status_set(struct http_response *rs, u32 status)
{
    CHECK(status >= 100 && status <= 999);
    DCHECK(!rs->streaming); // (I2)
    rs->status = status;
}

static bool field_is_clean(str s) // (I1)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\r' || s.ptr[i] == '\n' || s.ptr[i] == '\0') {
            return false;
        }
    }
    return true;
}

bool http_header_set(struct http_response *rs, str name, str value)
{
    u32 i = 0;
    if (name.len == 0 || !field_is_clean(name) || !field_is_clean(value) || rs->streaming) {
        return false;
    }
    while (i < rs->header_count && !str_eq_nocase(rs->headers[i].name, name)) {
        i++;
    }
    if (i == HTTP_RESPONSE_HEADERS_MAX) {
        return false;
    }
    rs->headers[i].name = arena_str(rs->rq->arena, name);
    rs->headers[i].value = arena_str(rs->rq->arena, value);
    rs->header_count = MAX(rs->header_count, i + 1);
    return true;
}

str http_response_header(const struct http_response *rs, str name)
{
    for (u32 i = 0; i < rs->header_count; i++) {
        if (str_eq_nocase(rs->headers[i].name, name)) {
            return rs->headers[i].value;
        }
    }
    return STR_EMPTY;
}

// Hands what has gathered to the stream.
static bool stream_push(struct http_response *rs, str bytes)
{
    if (rs->broken || !rs->ops->stream_write(rs, bytes)) {
        rs->broken = true;
        return false;
    }
    return true;
}

bool http_write(struct http_response *rs, str bytes)
{
    CHECK(!rs->has_fixed_body);
    rs->bytes_written += bytes.len;
    if (rs->broken) {
        return false;
    }
    if (bytes.len <= HTTP_WHOLE_BYTES_MAX - rs->body.len) {
        buf_str(&rs->body, bytes);
        return true;
    }
    if (!rs->streaming) {
        const bool begun = rs->ops->stream_begin(rs); // May still set headers.
        rs->streaming = true;
        if (!begun) {
            rs->broken = true;
            return false;
        }
    }
    if (!stream_push(rs, buf_get(&rs->body))) {
        return false;
    }
    buf_clear(&rs->body);
    if (bytes.len > HTTP_WHOLE_BYTES_MAX / 2) {
        return stream_push(rs, bytes);
    }
    buf_str(&rs->body, bytes);
    return true;
}

bool http_write_c(struct http_response *rs, const char *text)
{
    return http_write(rs, str_c(text));
}

void http_text(struct http_response *rs, u32 status, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    const int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    http_status_set(rs, status);
    (void)http_header_set(rs, STR("Content-Type"), STR("text/plain; charset=utf-8"));
    (void)http_header_set(rs, STR("X-Content-Type-Options"), STR("nosniff"));
    if (len > 0) {
        (void)http_write(rs, (str){text, MIN((size_t)len, sizeof(text) - 1)});
    }
    (void)http_write(rs, STR("\n"));
}

void http_body_fixed(struct http_response *rs, str bytes, bool is_encoded)
{
    CHECK(!rs->streaming && rs->body.len == 0);
    rs->fixed_body = bytes;
    rs->has_fixed_body = true;
    rs->plain = rs->plain || is_encoded;
    rs->bytes_written = bytes.len;
}

void http_fail(struct http_response *rs, const char *text)
{
    if (rs->streaming) {
        rs->truncated = true;
        rs->broken = true;
        return;
    }
    buf_clear(&rs->body);
    rs->has_fixed_body = false;
    http_text(rs, 500, "%s", text);
}

void http_defer(struct http_response *rs)
{
    CHECK(!rs->deferred);
    __atomic_store_n(&rs->deferred, true, __ATOMIC_RELEASE); // For who stops the server.
}

void http_complete(struct http_response *rs)
{
    if (rs->streaming && !rs->broken && rs->body.len > 0) {
        (void)stream_push(rs, buf_get(&rs->body));
    }
    rs->ops->complete(rs);
}
