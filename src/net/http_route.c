// http_route.c: splits the raw path at its slashes first and decodes each segment after, so that an
// escaped slash stays inside its segment; see http_route.h.
#include "net/http_route.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "net/url.h"

enum fit { FIT_NONE, FIT_REST, FIT_PARAM, FIT_EXACT };

// Compares one row's pattern with the decoded segments; fills params of rq.
static enum fit pattern_fit(const char *pattern, const str *segments, u32 count, str raw_rest,
                            struct http_request *rq)
{
    enum fit fit = FIT_EXACT;
    str rest = str_c(pattern);
    str want;
    u32 i = 0;
    rq->route_param_count = 0;
    for (; url_segment_next(&rest, &want); i++) {
        const bool is_param = want.len > 0 && want.ptr[0] == ':';
        const bool is_rest = want.len > 0 && want.ptr[0] == '*';
        if (is_rest) {
            rq->route_params[rq->route_param_count++] =
                (struct http_pair){str_sub(want, 1, want.len), raw_rest};
            return i <= count ? FIT_REST : FIT_NONE;
        }
        if (i >= count || (!is_param && !str_eq(want, segments[i]))) {
            return FIT_NONE;
        }
        if (is_param) {
            rq->route_params[rq->route_param_count++] =
                (struct http_pair){str_sub(want, 1, want.len), segments[i]};
            fit = FIT_PARAM;
        }
    }
    return i == count ? fit : FIT_NONE;
}

static bool is_clean(str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((u8)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

#define SEGMENTS_MAX 16

// Decodes the path's segments. false: a broken escape or a control byte.
static bool path_decode(struct http_request *rq, str path, str *segments, u32 *count)
{
    str segment;
    *count = 0;
    if (!url_decode(path, false, rq->arena, &rq->path, NULL) || !is_clean(rq->path)) {
        return false;
    }
    while (url_segment_next(&path, &segment)) {
        str decoded;
        if (!url_decode(segment, false, rq->arena, &decoded, NULL)) {
            return false;
        }
        if (*count < SEGMENTS_MAX) {
            segments[(*count)++] = decoded;
        }
    }
    return true;
}

// The decoded text behind the folders of pattern's last segment: what "*rest" takes.
static str rest_of(const char *pattern, str path)
{
    const size_t star = str_find(str_c(pattern), '*');
    return star == STR_NONE ? STR_EMPTY : str_sub(path, star, path.len);
}

static bool prefix_cut(str prefix, str *path)
{
    if (prefix.len == 0) {
        return true;
    }
    if (!str_starts(*path, prefix) || (path->len > prefix.len && path->ptr[prefix.len] != '/')) {
        return false;
    }
    *path = path->len > prefix.len ? str_sub(*path, prefix.len, path->len) : STR("/");
    return true;
}

enum http_match http_route_match(const struct http_router *r, struct http_request *rq, u32 *allowed)
{
    const size_t mark = str_find(rq->target, '?');
    str path = mark == STR_NONE ? rq->target : str_sub(rq->target, 0, mark);
    str segments[SEGMENTS_MAX];
    u32 count;
    enum fit best = FIT_NONE;
    struct http_request found = *rq;
    *allowed = 0;
    if (path.len == 0 || path.ptr[0] != '/') {
        return HTTP_MATCH_MALFORMED;
    }
    if (!prefix_cut(r->prefix, &path)) {
        return HTTP_MATCH_OUTSIDE;
    }
    if (!path_decode(rq, path, segments, &count)) {
        return HTTP_MATCH_MALFORMED;
    }
    for (u32 i = 0; i < r->count; i++) {
        const struct http_route *route = &r->routes[i];
        const enum fit fit =
            pattern_fit(route->pattern, segments, count, rest_of(route->pattern, rq->path), rq);
        if (fit == FIT_NONE || fit < best) {
            continue;
        }
        if (fit > best) {
            *allowed = 0;
            found.route = NULL;
        }
        best = fit;
        u32 methods = route->methods;
        methods |= methods & HTTP_GET ? HTTP_HEAD : 0;
        methods |= route->flags & HTTP_CORS ? HTTP_OPTIONS : 0;
        *allowed |= methods;
        if (methods & rq->method) {
            found = *rq;
            found.route = route;
            found.ctx = route->ctx;
        }
    }
    if (best == FIT_NONE) {
        return HTTP_MATCH_NONE;
    }
    if (found.route == NULL) {
        return HTTP_MATCH_METHOD;
    }
    *rq = found;
    return HTTP_MATCH_FOUND;
}

str http_allow_text(u32 methods, struct arena *a)
{
    static const enum http_method all[] = {HTTP_GET, HTTP_HEAD,   HTTP_POST,
                                           HTTP_PUT, HTTP_DELETE, HTTP_OPTIONS};
    str text = STR_EMPTY;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (methods & all[i]) {
            text = arena_printf(a, "%.*s%s%s", STR_ARG(text), text.len > 0 ? ", " : "",
                                http_method_text(all[i]));
        }
    }
    return text;
}

static bool has_form_body(const struct http_request *rq)
{
    const str type = http_header_get(rq, STR("Content-Type"));
    const size_t semicolon = str_find(type, ';');
    const str media = str_trim(semicolon == STR_NONE ? type : str_sub(type, 0, semicolon));
    return (rq->route->flags & HTTP_FORM) != 0 && rq->body.len > 0 &&
           str_eq_nocase(media, STR("application/x-www-form-urlencoded"));
}

bool http_params_decode(struct http_request *rq, struct error *e)
{
    const size_t mark = str_find(rq->target, '?');
    const str query = mark == STR_NONE ? STR_EMPTY : str_sub(rq->target, mark + 1, rq->target.len);
    if (has_form_body(rq) && !form_decode(rq->body, FORM_FIELDS_MAX, rq->arena, &rq->params, e)) {
        return false;
    }
    return form_decode(query, FORM_FIELDS_MAX, rq->arena, &rq->params, e);
}

static bool pattern_check(const char *pattern, struct error *e)
{
    str rest = str_c(pattern);
    str segment;
    u32 params = 0;
    bool ended = false;
    while (url_segment_next(&rest, &segment)) {
        if (ended) {
            return err_set(e, ERR_INVALID, "route %s goes on behind its '*'", pattern);
        }
        params += segment.len > 0 && (segment.ptr[0] == ':' || segment.ptr[0] == '*');
        ended = segment.len > 0 && segment.ptr[0] == '*';
    }
    if (pattern[0] != '/' || params > HTTP_ROUTE_PARAMS_MAX) {
        return err_set(e, ERR_INVALID, "route %s is malformed", pattern);
    }
    return true;
}

bool http_routes_check(const struct http_router *r, u32 lane_count, struct error *e)
{
    for (u32 i = 0; i < r->count; i++) {
        const struct http_route *a = &r->routes[i];
        if (!pattern_check(a->pattern, e)) {
            return false;
        }
        if (a->lane != HTTP_LANE_INLINE && a->lane >= lane_count) {
            return err_set(e, ERR_INVALID, "route %s names lane %u of %u", a->pattern, a->lane,
                           lane_count);
        }
        for (u32 j = 0; j < i; j++) {
            const struct http_route *b = &r->routes[j];
            if (strcmp(a->pattern, b->pattern) == 0 && (a->methods & b->methods) != 0) {
                return err_set(e, ERR_EXISTS, "route %s stands twice in the table", a->pattern);
            }
        }
    }
    return true;
}
