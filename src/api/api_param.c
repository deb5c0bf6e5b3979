// api_param.c: the parameters that many endpoints take, with upstream's error texts.
#include "api/api_inner.h"
#include "base/arena.h"
#include "base/num.h"
#include "base/str.h"
#include "base/utf8.h"
#include "model/duration.h"
#include "os/clk.h"
#include "promql/promql.h"

#include <math.h>

#define API_TIME_MIN INT64_MIN
#define API_TIME_MAX INT64_MAX

static bool time_of(str text, i64 *t_ms)
{
    // What upstream's own clients send for "since ever" and "for ever".
    if (str_eq_c(text, "-292273086-05-16T16:47:06Z")) {
        *t_ms = API_TIME_MIN;
        return true;
    }
    if (str_eq_c(text, "292277025-08-18T07:12:54.999999999Z")) {
        *t_ms = API_TIME_MAX;
        return true;
    }
    return time_parse(text, t_ms, NULL);
}

static bool time_take(struct http_request *rq, struct http_response *rs, const char *name, str text,
                      i64 *t_ms)
{
    (void)rq;
    if (!time_of(text, t_ms)) {
        api_error(rs, API_BAD_DATA,
                  "invalid parameter \"%s\": cannot parse \"%.*s\" to a valid timestamp", name,
                  (int)MIN(text.len, 200), text.ptr ? text.ptr : "");
        return false;
    }
    return true;
}

bool api_param_time(struct http_request *rq, struct http_response *rs, const char *name,
                    i64 fallback_ms, i64 *t_ms)
{
    const str text = http_param_get(rq, str_c(name));
    *t_ms = fallback_ms;
    return text.len == 0 || time_take(rq, rs, name, text, t_ms);
}

bool api_param_must_time(struct http_request *rq, struct http_response *rs, const char *name,
                         i64 *t_ms)
{
    return time_take(rq, rs, name, http_param_get(rq, str_c(name)), t_ms);
}

bool api_duration_parse(str text, i64 *ms, struct error *e)
{
    f64 seconds;
    if (num_parse(text, &seconds)) {
        const f64 value = seconds * 1000;
        if (!isfinite(value) || value > 9.2e15 || value < -9.2e15) {
            return err_set(e, ERR_INVALID,
                           "cannot parse \"%.*s\" to a valid duration. It overflows",
                           (int)MIN(text.len, 200), text.ptr);
        }
        *ms = (i64)value;
        return true;
    }
    if (!duration_parse(text, ms, NULL)) {
        return err_set(e, ERR_INVALID, "cannot parse \"%.*s\" to a valid duration",
                       (int)MIN(text.len, 200), text.ptr ? text.ptr : "");
    }
    return true;
}

bool api_param_duration(struct http_request *rq, struct http_response *rs, const char *name,
                        i64 fallback_ms, i64 *ms)
{
    const str text = http_param_get(rq, str_c(name));
    struct error e;
    *ms = fallback_ms;
    if (text.len == 0 || api_duration_parse(text, ms, &e)) {
        return true;
    }
    api_error(rs, API_BAD_DATA, "invalid parameter \"%s\": %s", name, e.text);
    return false;
}

bool api_param_u32(struct http_request *rq, struct http_response *rs, const char *name,
                   u32 fallback, u32 *value)
{
    const str text = http_param_get(rq, str_c(name));
    i64 number;
    *value = fallback;
    if (text.len == 0) {
        return true;
    }
    if (!parse_i64(text, &number)) {
        api_error(rs, API_BAD_DATA, "invalid parameter \"%s\": cannot parse \"%.*s\" to a number",
                  name, (int)MIN(text.len, 200), text.ptr);
        return false;
    }
    if (number < 0) {
        api_error(rs, API_BAD_DATA, "invalid parameter \"%s\": limit must be non-negative", name);
        return false;
    }
    *value = (u32)MIN(number, (i64)UINT32_MAX);
    return true;
}

// What makes regular expressions long to compile and to match. At least as many as there are.
static bool check_alternatives(struct http_request *rq, struct http_response *rs)
{
    u32 at = 0;
    u64 alternatives = 0;
    str text;
    while (form_next(&rq->params, STR("match[]"), &at, &text)) {
        for (size_t i = 0; i < text.len; i++) {
            alternatives += text.ptr[i] == '|';
        }
    }
    if (alternatives > API_ALTERNATIVES_MAX) {
        api_error(rs, API_BAD_DATA, "more than %u alternatives (\"|\") in all match[] together",
                  API_ALTERNATIVES_MAX);
        return false;
    }
    return true;
}

// Has somebody still use for an answer? Asked between pieces of work that each may take long.
static bool check_wanted(const struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    if (http_is_cancelled(rq)) {
        api_error(rs, API_CANCELED, "the request was canceled while its matchers were read");
        return false;
    }
    if (rq->deadline_mono_ns != 0 && clk_mono_ns(api->opts.clk) > rq->deadline_mono_ns) {
        api_error(rs, API_TIMEOUT, "the request timed out while its matchers were read");
        return false;
    }
    return true;
}

bool api_param_matchers(struct http_request *rq, struct http_response *rs,
                        struct api_matchers **sets, u32 *count)
{
    const u32 given = form_count(&rq->params, STR("match[]"));
    u32 at = 0;
    str text;
    struct error e;
    if (given > API_MATCHERS_MAX) {
        api_error(rs, API_BAD_DATA, "more than %u match[] parameters", API_MATCHERS_MAX);
        return false;
    }
    if (!check_alternatives(rq, rs)) {
        return false;
    }
    *count = 0;
    *sets = ARENA_NEW_N(rq->arena, struct api_matchers, MAX(given, 1));
    while (form_next(&rq->params, STR("match[]"), &at, &text)) {
        struct api_matchers *set = &(*sets)[(*count)++];
        if (!check_wanted(rq, rs)) {
            return false;
        }
        if (!promql_selector(rq->arena, text, false, &set->ms, &set->count, &e)) {
            api_error(rs, API_BAD_DATA, "invalid parameter \"match[]\": %s", e.text);
            return false;
        }
    }
    return true;
}

bool api_name_listed(const struct form *params, const char *name, str value)
{
    u32 at = 0;
    str text;
    bool any = false;
    while (form_next(params, str_c(name), &at, &text)) {
        any = true;
        if (str_eq(text, value)) {
            return true;
        }
    }
    return !any;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// "_20_" at at: the code point, and at behind it. false: malformed.
static bool escape_take(str s, size_t *at, u32 *code_point)
{
    size_t i = *at + 1;
    *code_point = 0;
    while (i < s.len && s.ptr[i] != '_') {
        const int digit = hex_digit(s.ptr[i]);
        if (digit < 0 || i - *at > 6) {
            return false;
        }
        *code_point = *code_point * 16 + (u32)digit;
        i++;
    }
    if (i >= s.len || i == *at + 1) {
        return false;
    }
    *at = i + 1;
    return true;
}

str api_label_unescape(struct arena *a, str name)
{
    if (!str_starts(name, STR("U__"))) {
        return name;
    }
    const str s = str_sub(name, 3, name.len);
    char *out = ARENA_NEW_N(a, char, s.len + 4);
    size_t len = 0;
    size_t at = 0;
    while (at < s.len) {
        u32 code_point;
        if (s.ptr[at] != '_') {
            out[len++] = s.ptr[at++];
        } else if (at + 1 < s.len && s.ptr[at + 1] == '_') {
            out[len++] = '_';
            at += 2;
        } else if (escape_take(s, &at, &code_point)) {
            const size_t n = utf8_put(out + len, code_point);
            if (n == 0) {
                return name;
            }
            len += n;
        } else {
            return name;
        }
    }
    return (str){out, len};
}

struct query_budget api_budget(const struct api *api, const struct http_request *rq, i64 timeout_ms)
{
    const i64 limit_ms =
        timeout_ms > 0 ? MIN(timeout_ms, api->opts.query_timeout_ms) : api->opts.query_timeout_ms;
    return (struct query_budget){
        .bytes_max = api->opts.query_bytes_max,
        .deadline_mono_ns = rq->start_mono_ns + limit_ms * 1000000,
        .cancel = http_cancel_flag(rq),
    };
}
