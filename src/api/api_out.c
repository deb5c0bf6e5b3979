// api_out.c: the envelope of every answer, written as a stream.
#include "api/api_inner.h"
#include "base/arena.h"
#include "base/str.h"
#include "model/duration.h"
#include "promql/promql.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define FLUSH_BYTES     ((size_t)32 << 10)
#define VALUE_BYTES_MAX ((size_t)64 << 20) // Between two flushes: one label set, one histogram.

static const struct {
    const char *type;
    u32 status;
} error_table[API_ERROR_COUNT] = {
    [API_BAD_DATA] = {"bad_data", 400},
    [API_EXECUTION] = {"execution", 422},
    [API_TOO_MANY] = {"too_many_requests", 429},
    [API_CANCELED] = {"canceled", 499},
    [API_TIMEOUT] = {"timeout", 503},
    [API_NOT_FOUND] = {"not_found", 404},
    [API_INTERNAL] = {"internal", 500},
    [API_UNAVAILABLE] = {"unavailable", 500},
};

const struct api_services *api_ready(struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    const bool stopping = __atomic_load_n(&api->stopping, __ATOMIC_ACQUIRE);
    // Partner: the release store of api_attach.
    if (__atomic_load_n(&api->ready, __ATOMIC_ACQUIRE) && !stopping) {
        return &api->services;
    }
    (void)http_header_set(rs, STR("X-Prometheus-Stopping"), stopping ? STR("true") : STR("false"));
    (void)http_header_set(rs, STR("Retry-After"), STR("5"));
    http_text(rs, 503, "Service Unavailable");
    return NULL;
}

static void json_headers(struct http_response *rs)
{
    (void)http_header_set(rs, STR("Content-Type"), STR("application/json"));
    (void)http_header_set(rs, STR("X-Content-Type-Options"), STR("nosniff"));
}

void api_out_begin(struct api_out *o, struct http_response *rs)
{
    *o = (struct api_out){.rs = rs};
    json_headers(rs);
    buf_init(&o->buf, VALUE_BYTES_MAX);
    jsonw_init(&o->w, &o->buf);
    jsonw_object(&o->w);
    jsonw_pair_str(&o->w, STR("status"), STR("success"));
    jsonw_key(&o->w, STR("data"));
}

bool api_out_flush(struct api_out *o)
{
    if (o->buf.len < FLUSH_BYTES && buf_ok(&o->buf)) {
        return true;
    }
    if (!buf_ok(&o->buf)) {
        return false;
    }
    const bool ok = http_write(o->rs, buf_get(&o->buf));
    buf_clear(&o->buf);
    return ok;
}

static void note_add(str *texts, u32 *count, u32 *more, str text)
{
    for (u32 i = 0; i < *count; i++) {
        if (str_eq(texts[i], text)) {
            return;
        }
    }
    if (*count < API_WARNINGS_MAX) {
        texts[(*count)++] = text;
    } else {
        (*more)++;
    }
}

void api_out_warn(struct api_out *o, str text)
{
    note_add(o->warnings, &o->warning_count, &o->warnings_more, text);
}

void api_out_info(struct api_out *o, str text)
{
    note_add(o->infos, &o->info_count, &o->infos_more, text);
}

static void notes_write(struct jsonw *w, str key, const str *texts, u32 count, u32 more,
                        const char *kind)
{
    char line[64];
    if (count == 0) {
        return;
    }
    jsonw_key(w, key);
    jsonw_array(w);
    for (u32 i = 0; i < count; i++) {
        jsonw_str(w, texts[i]);
    }
    if (more > 0) {
        (void)snprintf(line, sizeof(line), "%u more %s annotations omitted", more, kind);
        jsonw_str(w, str_c(line));
    }
    jsonw_array_end(w);
}

void api_out_end(struct api_out *o)
{
    notes_write(&o->w, STR("warnings"), o->warnings, o->warning_count, o->warnings_more, "warning");
    notes_write(&o->w, STR("infos"), o->infos, o->info_count, o->infos_more, "info");
    jsonw_object_end(&o->w);
    if (!buf_ok(&o->buf)) {
        api_out_abort(o, "one value of the answer is too large");
        return;
    }
    (void)http_write(o->rs, buf_get(&o->buf));
    buf_fini(&o->buf);
}

static void error_body(struct http_response *rs, enum api_error kind, str text)
{
    struct buf b;
    struct jsonw w;
    json_headers(rs);
    buf_init(&b, (size_t)64 << 10);
    jsonw_init(&w, &b);
    jsonw_object(&w);
    jsonw_pair_str(&w, STR("status"), STR("error"));
    jsonw_pair_str(&w, STR("errorType"), str_c(error_table[kind].type));
    jsonw_pair_str(&w, STR("error"), text);
    jsonw_object_end(&w);
    (void)http_write(rs, buf_get(&b));
    buf_fini(&b);
}

static void error_write(struct http_response *rs, enum api_error kind, str text)
{
    http_status_set(rs, error_table[kind].status);
    error_body(rs, kind, text);
}

void api_tell(struct http_response *rs, const char *text)
{
    error_body(rs, rs->status == 429 ? API_TOO_MANY : API_UNAVAILABLE, str_c(text));
}

void api_out_abort(struct api_out *o, const char *text)
{
    buf_fini(&o->buf);
    if (o->rs->streaming) {
        http_fail(o->rs, text);
        return;
    }
    buf_clear(&o->rs->body);
    error_write(o->rs, API_INTERNAL, str_c(text));
}

void api_error(struct http_response *rs, enum api_error kind, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    const int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    error_write(rs, kind, (str){text, len < 0 ? 0 : MIN((size_t)len, sizeof(text) - 1)});
}

static enum api_error kind_of(const struct error *e)
{
    static const enum api_error kinds[ERR_COUNT] = {
        [ERR_NONE] = API_INTERNAL,         [ERR_INVALID] = API_BAD_DATA,
        [ERR_NOT_FOUND] = API_NOT_FOUND,   [ERR_EXISTS] = API_BAD_DATA,
        [ERR_OUT_OF_ORDER] = API_INTERNAL, [ERR_LIMIT] = API_EXECUTION,
        [ERR_CORRUPT] = API_INTERNAL,      [ERR_IO] = API_INTERNAL,
        [ERR_NO_SPACE] = API_INTERNAL,     [ERR_TIMEOUT] = API_TIMEOUT,
        [ERR_CANCELLED] = API_CANCELED,    [ERR_UNAVAILABLE] = API_UNAVAILABLE,
        [ERR_UNAUTHORISED] = API_INTERNAL, [ERR_UNSUPPORTED] = API_BAD_DATA,
        [ERR_INTERNAL] = API_INTERNAL,
    };
    return kinds[e->code];
}

void api_error_of(struct http_response *rs, const struct error *e)
{
    error_write(rs, kind_of(e), str_c(e->text));
}

u32 api_status_of(const struct error *e)
{
    return error_table[kind_of(e)].status;
}

void api_empty(struct http_response *rs)
{
    http_status_set(rs, 204);
}

void api_write_labels(struct jsonw *w, struct labels ls)
{
    jsonw_object(w);
    for (u32 i = 0; i < ls.count; i++) {
        jsonw_pair_str(w, ls.items[i].name, ls.items[i].value);
    }
    jsonw_object_end(w);
}

void api_write_point(struct jsonw *w, const struct promql_point *p)
{
    jsonw_array(w);
    jsonw_seconds(w, p->t_ms);
    if (p->hist != NULL) {
        api_write_hist(w, p->hist);
    } else {
        jsonw_f64_text(w, p->value);
    }
    jsonw_array_end(w);
}

void api_write_time(struct jsonw *w, i64 t_ms)
{
    char text[40];
    if (t_ms == 0) {
        jsonw_str(w, STR("0001-01-01T00:00:00Z"));
        return;
    }
    jsonw_str(w, (str){text, time_print_rfc3339(text, t_ms)});
}

void api_write_duration(struct jsonw *w, i64 ms)
{
    struct buf b;
    buf_init(&b, 128);
    duration_print(&b, ms);
    jsonw_str(w, buf_get(&b));
    buf_fini(&b);
}
