// url.c: cutting a URL at its delimiters, as RFC 3986 says; see url.h.
#include "net/url.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

static bool is_unreserved(char c)
{
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

// What may stand in any part of a URL; '%' must begin an escape, which url_bytes_check sees to.
// Bytes above 0x7f are refused: they belong escaped.
static bool is_url_byte(char c)
{
    return c > 0x20 && c < 0x7f && c != '"' && c != '<' && c != '>' && c != '\\' && c != '^' &&
           c != '`' && c != '{' && c != '|' && c != '}';
}

static bool url_bytes_check(str text, struct error *e)
{
    if (text.len == 0) {
        return err_set(e, ERR_INVALID, "the URL is empty");
    }
    if (text.len > URL_BYTES_MAX) {
        return err_set(e, ERR_LIMIT, "the URL has %zu bytes, more than %d", text.len,
                       URL_BYTES_MAX);
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!is_url_byte(text.ptr[i])) {
            return err_set(e, ERR_INVALID, "byte 0x%02x at %zu may not stand in a URL",
                           (unsigned)(u8)text.ptr[i], i);
        }
        if (text.ptr[i] == '%' && (i + 2 >= text.len || hex_value(text.ptr[i + 1]) < 0 ||
                                   hex_value(text.ptr[i + 2]) < 0)) {
            return err_set(e, ERR_INVALID, "broken %%-escape at %zu of the URL", i);
        }
    }
    return true;
}

static str lower_copy(struct arena *a, str s)
{
    char *copy = ARENA_NEW_N(a, char, s.len + 1);
    for (size_t i = 0; i < s.len; i++) {
        const char c = s.ptr[i];
        copy[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    return (str){copy, s.len};
}

static bool scheme_cut(str text, str *scheme, str *rest)
{
    const size_t colon = str_find(text, ':');
    if (colon == STR_NONE || colon == 0 || !is_alpha(text.ptr[0])) {
        return false;
    }
    for (size_t i = 0; i < colon; i++) {
        const char c = text.ptr[i];
        if (!is_alpha(c) && !is_digit(c) && c != '+' && c != '-' && c != '.') {
            return false;
        }
    }
    *scheme = str_sub(text, 0, colon);
    *rest = str_sub(text, colon + 1, text.len);
    return true;
}

static bool ipv6_check(str host)
{
    bool colon = false;
    for (size_t i = 0; i < host.len; i++) {
        const char c = host.ptr[i];
        if (c == '%') { // A zone, as fe80::1%25eth0.
            return colon && i > 0;
        }
        if (hex_value(c) < 0 && c != ':' && c != '.') {
            return false;
        }
        colon = colon || c == ':';
    }
    return colon;
}

static bool port_parse(str text, u16 *port, struct error *e)
{
    u64 value = 0;
    if (text.len == 0) {
        *port = 0;
        return true;
    }
    if (!parse_u64(text, &value) || value == 0 || value > UINT16_MAX) {
        return err_set(e, ERR_INVALID, "the URL's port \"%.*s\" is not a number from 1 to 65535",
                       STR_ARG(text));
    }
    *port = (u16)value;
    return true;
}

static bool host_check(str host, struct error *e)
{
    if (host.len == 0) {
        return err_set(e, ERR_INVALID, "the URL names no host");
    }
    for (size_t i = 0; i < host.len; i++) {
        const char c = host.ptr[i];
        if (!is_unreserved(c) && str_find(STR("%!$&'()*+,;="), c) == STR_NONE) {
            return err_set(e, ERR_INVALID, "'%c' may not stand in the URL's host", c);
        }
    }
    return true;
}

// userinfo@host:port, [ipv6]:port
static bool authority_parse(str text, struct arena *a, struct url *u, struct error *e)
{
    const size_t at = str_find_last(text, '@');
    if (at != STR_NONE) {
        u->userinfo = str_sub(text, 0, at);
        text = str_sub(text, at + 1, text.len);
        if (str_find(u->userinfo, '@') != STR_NONE) {
            return err_set(e, ERR_INVALID, "two '@' stand in front of the URL's host");
        }
    }
    if (text.len > 0 && text.ptr[0] == '[') {
        const size_t close = str_find(text, ']');
        const str after = close == STR_NONE ? STR_EMPTY : str_sub(text, close + 1, text.len);
        if (close == STR_NONE || !ipv6_check(str_sub(text, 1, close)) ||
            (after.len > 0 && after.ptr[0] != ':')) {
            return err_set(e, ERR_INVALID, "the URL's bracketed host is not an IPv6 address");
        }
        u->is_ipv6 = true;
        u->host = lower_copy(a, str_sub(text, 1, close));
        return port_parse(str_sub(after, 1, after.len), &u->port, e);
    }
    const size_t colon = str_find(text, ':');
    const str host = colon == STR_NONE ? text : str_sub(text, 0, colon);
    if (!host_check(host, e)) {
        return false;
    }
    u->host = lower_copy(a, host);
    return colon == STR_NONE || port_parse(str_sub(text, colon + 1, text.len), &u->port, e);
}

// path?query#fragment
static void tail_parse(str text, struct url *u)
{
    const size_t hash = str_find(text, '#');
    if (hash != STR_NONE) {
        u->fragment = str_sub(text, hash + 1, text.len);
        text = str_sub(text, 0, hash);
    }
    const size_t mark = str_find(text, '?');
    u->has_query = mark != STR_NONE;
    if (u->has_query) {
        u->query = str_sub(text, mark + 1, text.len);
        text = str_sub(text, 0, mark);
    }
    u->path = text;
}

static size_t authority_end(str text)
{
    size_t i = 0;
    while (i < text.len && text.ptr[i] != '/' && text.ptr[i] != '?' && text.ptr[i] != '#') {
        i++;
    }
    return i;
}

bool url_parse(str text, struct arena *a, struct url *out, struct error *e)
{
    struct url u = {0};
    str scheme;
    str rest;
    if (!url_bytes_check(text, e)) {
        return false;
    }
    if (!scheme_cut(text, &scheme, &rest) || !str_starts(rest, STR("//"))) {
        return err_set(e, ERR_INVALID, "\"%.*s\" is not an absolute URL (scheme://host/…)",
                       (int)MIN(text.len, 200), text.ptr);
    }
    rest = str_sub(rest, 2, rest.len);
    const size_t end = authority_end(rest);
    u.scheme = lower_copy(a, scheme);
    if (!authority_parse(str_sub(rest, 0, end), a, &u, e)) {
        return false;
    }
    tail_parse(str_sub(rest, end, rest.len), &u);
    *out = u;
    return true;
}

static void authority_print(struct buf *out, const struct url *u)
{
    if (u->is_ipv6) {
        buf_byte(out, '[');
    }
    buf_str(out, u->host);
    if (u->is_ipv6) {
        buf_byte(out, ']');
    }
    if (u->port != 0) {
        buf_byte(out, ':');
        buf_u64(out, u->port);
    }
}

void url_print(struct buf *out, const struct url *u)
{
    buf_str(out, u->scheme);
    buf_c(out, "://");
    if (u->userinfo.len > 0) {
        buf_str(out, u->userinfo);
        buf_byte(out, '@');
    }
    authority_print(out, u);
    buf_str(out, u->path);
    if (u->has_query) {
        buf_byte(out, '?');
        buf_str(out, u->query);
    }
    if (u->fragment.len > 0) {
        buf_byte(out, '#');
        buf_str(out, u->fragment);
    }
}

// Removes "." and ".." segments from an absolute path (RFC 3986, 5.2.4).
static str dots_remove(struct arena *a, str path)
{
    char *out = ARENA_NEW_N(a, char, path.len + 2);
    size_t len = 0;
    str rest = path;
    str segment;
    bool is_folder = false;
    while (url_segment_next(&rest, &segment)) {
        is_folder = str_eq_c(segment, ".") || str_eq_c(segment, "..");
        if (str_eq_c(segment, "..")) {
            while (len > 0 && out[--len] != '/') {
            }
        }
        if (!is_folder) {
            out[len++] = '/';
            memcpy(out + len, segment.ptr, segment.len);
            len += segment.len;
        }
    }
    if (is_folder || len == 0) {
        out[len++] = '/';
    }
    return (str){out, len};
}

static str path_merge(const struct url *base, str path, struct arena *a)
{
    const size_t slash = str_find_last(base->path, '/');
    const str folder = slash == STR_NONE ? STR("/") : str_sub(base->path, 0, slash + 1);
    return arena_printf(a, "%.*s%.*s", STR_ARG(folder), STR_ARG(path));
}

bool url_join(const struct url *base, str ref, struct arena *a, struct url *out, struct error *e)
{
    struct url u = *base;
    struct url tail = {0};
    str scheme;
    str rest;
    if (ref.len > 0 && !url_bytes_check(ref, e)) {
        return false;
    }
    if (scheme_cut(ref, &scheme, &rest)) {
        return url_parse(ref, a, out, e);
    }
    if (str_starts(ref, STR("//"))) {
        const str whole = arena_printf(a, "%.*s:%.*s", STR_ARG(base->scheme), STR_ARG(ref));
        return url_parse(whole, a, out, e);
    }
    tail_parse(ref, &tail);
    u.fragment = tail.fragment;
    if (tail.path.len > 0 || tail.has_query) {
        u.query = tail.query;
        u.has_query = tail.has_query;
    }
    if (tail.path.len > 0) {
        u.path =
            dots_remove(a, tail.path.ptr[0] == '/' ? tail.path : path_merge(base, tail.path, a));
    }
    const size_t bytes = u.scheme.len + u.userinfo.len + u.host.len + u.path.len + u.query.len +
                         u.fragment.len + sizeof("://@[]:65535?#");
    if (bytes > URL_BYTES_MAX) {
        return err_set(e, ERR_LIMIT, "the joined URL has more than %d bytes", URL_BYTES_MAX);
    }
    *out = u;
    return true;
}

u16 url_port(const struct url *u)
{
    if (u->port != 0) {
        return u->port;
    }
    if (str_eq_c(u->scheme, "https")) {
        return 443;
    }
    return str_eq_c(u->scheme, "http") ? 80 : 0;
}

bool url_same_origin(const struct url *a, const struct url *b)
{
    return str_eq(a->scheme, b->scheme) && str_eq(a->host, b->host) && url_port(a) == url_port(b);
}

str url_host_port(const struct url *u, struct arena *a)
{
    struct buf b;
    buf_init(&b, URL_BYTES_MAX);
    authority_print(&b, u);
    const str copy = arena_str(a, buf_get(&b));
    buf_fini(&b);
    return copy;
}

bool url_decode(str text, bool plus, struct arena *a, str *out, struct error *e)
{
    char *bytes = ARENA_NEW_N(a, char, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            const int high = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
            const int low = high >= 0 ? hex_value(text.ptr[i + 2]) : -1;
            if (low < 0) {
                return err_set(e, ERR_INVALID, "invalid URL escape \"%.*s\"",
                               (int)MIN(text.len - i, 3), text.ptr + i);
            }
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == '\0') {
            return err_set(e, ERR_INVALID, "a NUL byte (%%00) is not allowed");
        }
        bytes[len++] = c;
    }
    *out = (str){bytes, len};
    return true;
}

void url_encode(struct buf *out, str text, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (is_unreserved(c) || (c == '/' && keep_slash)) {
            buf_byte(out, (u8)c);
            continue;
        }
        buf_byte(out, '%');
        buf_byte(out, (u8)digits[(u8)c >> 4]);
        buf_byte(out, (u8)digits[(u8)c & 15]);
    }
}

bool url_segment_next(str *rest, str *segment)
{
    if (rest->len == 0 || rest->ptr[0] != '/') {
        return false;
    }
    size_t end = 1;
    while (end < rest->len && rest->ptr[end] != '/') {
        end++;
    }
    *segment = str_sub(*rest, 1, end);
    *rest = str_sub(*rest, end, rest->len);
    return true;
}
