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
#include <stdio.h>

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

static bool time_refuse(struct http_response *rs, const char *name, const char *of, str text)
{
    api_error(rs, API_BAD_DATA,
              "invalid parameter \"%s\": %scannot parse \"%.*s\" to a valid timestamp", name, of,
              (int)MIN(text.len, 200), text.ptr ? text.ptr : "");
    return false;
}

bool api_param_time(struct http_request *rq, struct http_response *rs, const char *name,
                    i64 fallback_ms, i64 *t_ms)
{
    const str text = http_param_get(rq, str_c(name));
    *t_ms = fallback_ms;
    if (text.len == 0 || time_of(text, t_ms)) {
        return true;
    }
    char of[64];
    (void)snprintf(of, sizeof(of), "invalid time value for '%s': ", name); // As upstream: twice.
    return time_refuse(rs, name, of, text);
}

bool api_param_must_time(struct http_request *rq, struct http_response *rs, const char *name,
                         i64 *t_ms)
{
    const str text = http_param_get(rq, str_c(name));
    return time_of(text, t_ms) || time_refuse(rs, name, "", text);
}

bool api_duration_parse(str text, i64 *ms, struct error *e)
{
    f64 seconds;
    if (num_parse(text, &seconds)) {
        if (!(fabs(seconds) * 1e9 <= (f64)INT64_MAX)) { // NaN, too.
            return err_set(e, ERR_INVALID,
                           "cannot parse \"%.*s\" to a valid duration. It overflows int64",
                           (int)MIN(text.len, 200), text.ptr);
        }
        *ms = (i64)(seconds * 1000);
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

// As strconv.Atoi says it, to whom upstream leaves the text.
static const char *number_trouble(str text)
{
    const size_t sign = text.len > 1 && (text.ptr[0] == '-' || text.ptr[0] == '+');
    for (size_t i = sign; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return "invalid syntax";
        }
    }
    return text.len > 0 ? "value out of range" : "invalid syntax";
}

// One sign may be a plus, as for strconv.Atoi.
static bool number_parse(str text, i64 *number)
{
    const bool plus =
        text.len > 1 && text.ptr[0] == '+' && text.ptr[1] >= '0' && text.ptr[1] <= '9';
    return parse_i64(plus ? str_sub(text, 1, text.len) : text, number);
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
    if (!number_parse(text, &number)) {
        api_error(rs, API_BAD_DATA, "invalid parameter \"%s\": strconv.Atoi: parsing \"%.*s\": %s",
                  name, (int)MIN(text.len, 200), text.ptr, number_trouble(text));
        return false;
    }
    if (number < 0) {
        api_error(rs, API_BAD_DATA, "invalid parameter \"%s\": limit must be non-negative", name);
        return false;
    }
    *value = (u32)MIN(number, (i64)UINT32_MAX);
    return true;
}

bool api_param_count(struct http_request *rq, struct http_response *rs, const char *name,
                     u64 *value)
{
    const str text = http_param_get(rq, str_c(name));
    i64 number = -1;
    if (text.len > 0 && !number_parse(text, &number)) {
        api_error(rs, API_BAD_DATA, "%s must be a number", name);
        return false;
    }
    *value = number < 0 ? UINT64_MAX : (u64)number;
    return true;
}

// What makes regular expressions long to compile and to match. At least as many as there are.
static bool check_alternatives(const struct http_request *rq, struct error *e)
{
    u32 at = 0;
    u64 alternatives = 0;
    str text;
    while (form_next(&rq->params, STR("match[]"), &at, &text)) {
        for (size_t i = 0; i < text.len; i++) {
            alternatives += text.ptr[i] == '|';
        }
    }
    return alternatives <= API_ALTERNATIVES_MAX ||
           err_set(e, ERR_INVALID, "more than %u alternatives (\"|\") in all match[] together",
                   API_ALTERNATIVES_MAX);
}

bool api_wanted(const struct http_request *rq, struct error *e)
{
    const struct api *api = rq->ctx;
    if (http_is_cancelled(rq)) {
        return err_set(e, ERR_CANCELLED, "the request was canceled");
    }
    if (rq->deadline_mono_ns != 0 && clk_mono_ns(api->opts.clk) > rq->deadline_mono_ns) {
        return err_set(e, ERR_TIMEOUT, "the request timed out");
    }
    return true;
}

bool api_matchers_read(struct http_request *rq, struct api_matchers **sets, u32 *count,
                       struct error *e)
{
    const u32 given = form_count(&rq->params, STR("match[]"));
    u32 at = 0;
    str text;
    if (given > API_MATCHERS_MAX) {
        return err_set(e, ERR_INVALID, "more than %u match[] parameters", API_MATCHERS_MAX);
    }
    if (!check_alternatives(rq, e)) {
        return false;
    }
    *count = 0;
    *sets = ARENA_NEW_N(rq->arena, struct api_matchers, MAX(given, 1));
    while (form_next(&rq->params, STR("match[]"), &at, &text)) {
        struct api_matchers *set = &(*sets)[(*count)++];
        if (!api_wanted(rq, e)) {
            return false;
        }
        if (!promql_selector(rq->arena, text, false, &set->ms, &set->count, e)) {
            e->code = ERR_INVALID;
            return false;
        }
    }
    return true;
}

bool api_param_matchers_bare(struct http_request *rq, struct http_response *rs,
                             struct api_matchers **sets, u32 *count)
{
    struct error e;
    if (api_matchers_read(rq, sets, count, &e)) {
        return true;
    }
    api_error_of(rs, &e);
    return false;
}

bool api_param_matchers(struct http_request *rq, struct http_response *rs,
                        struct api_matchers **sets, u32 *count)
{
    struct error e;
    if (api_matchers_read(rq, sets, count, &e)) {
        return true;
    }
    if (e.code == ERR_INVALID) {
        (void)err_in(&e, "invalid parameter \"match[]\"");
    }
    api_error_of(rs, &e);
    return false;
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
    const i64 asked_ms = MIN(timeout_ms, api->opts.query_timeout_ms);
    const i64 limit_ms = asked_ms > 0 ? asked_ms : -1;
    return (struct query_budget){
        .bytes_max = api->opts.query_bytes_max,
        .deadline_mono_ns = rq->start_mono_ns + limit_ms * 1000000,
        .cancel = http_cancel_flag(rq),
    };
}
