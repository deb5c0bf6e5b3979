// tmpl_funcs.c: the table of functions, upstream's names and meanings.
//
// Text functions work on ASCII case for bytes below 128 and leave the rest as it is. Regular
// expressions are compiled for each call (RE2, bounded). Nothing here does I/O but `query`, which
// is the caller's callback.
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/num.h"
#include "base/str.h"
#include "model/duration.h"
#include "text/re.h"
#include "tmpl/tmpl_inner.h"

#include <math.h>
#include <stdlib.h>

static bool want_string(const struct value *v, str *out, struct error *e)
{
    if (v->kind != VALUE_STRING) {
        return err_set(e, ERR_INVALID, "wrong type for value; expected string");
    }
    *out = v->string;
    return true;
}

static bool want_number(const struct value *v, f64 *out, struct error *e)
{
    if (!value_number(v, out)) {
        return err_set(e, ERR_INVALID, "can't convert the value to a number");
    }
    return true;
}

// Runs fill into a fresh buffer and gives its text as a value.
static void take_text(struct run *r, struct buf *b, struct value *out)
{
    *out = value_of_str(arena_str(r->arena, buf_get(b)));
    buf_fini(b);
}

// ---- samples ----

static bool fn_query(struct run *r, const struct value *args, UNUSED u32 n, struct value *out,
                     struct error *e)
{
    str expr = STR_EMPTY;
    if (!want_string(&args[0], &expr, e)) {
        return false;
    }
    if (!r->data->query) {
        return err_set(e, ERR_UNSUPPORTED, "query is not available here");
    }
    struct tmpl_query_sample *samples = NULL;
    u32 count = 0;
    if (!r->data->query(r->data->query_ctx, expr, r->arena, &samples, &count, e)) {
        return false;
    }
    *out = (struct value){.kind = VALUE_SAMPLES, .samples = samples, .count = count};
    return true;
}

static bool fn_first(UNUSED struct run *r, const struct value *args, UNUSED u32 n,
                     struct value *out, struct error *e)
{
    if (args[0].kind != VALUE_SAMPLES || args[0].count == 0) {
        return err_set(e, ERR_NOT_FOUND, "first() called on vector with no elements");
    }
    *out = (struct value){.kind = VALUE_SAMPLE, .samples = args[0].samples};
    return true;
}

static bool fn_label(UNUSED struct run *r, const struct value *args, UNUSED u32 n,
                     struct value *out, struct error *e)
{
    str name = STR_EMPTY;
    if (!want_string(&args[0], &name, e)) {
        return false;
    }
    if (args[1].kind != VALUE_SAMPLE) {
        return err_set(e, ERR_INVALID, "wrong type for value; expected a sample");
    }
    *out = value_of_str(labels_get(args[1].samples->labels, name));
    return true;
}

static bool fn_value(UNUSED struct run *r, const struct value *args, UNUSED u32 n,
                     struct value *out, struct error *e)
{
    if (args[0].kind != VALUE_SAMPLE) {
        return err_set(e, ERR_INVALID, "wrong type for value; expected a sample");
    }
    *out = value_of_f64(args[0].samples->value);
    return true;
}

static bool fn_strvalue(UNUSED struct run *r, const struct value *args, UNUSED u32 n,
                        struct value *out, struct error *e)
{
    if (args[0].kind != VALUE_SAMPLE) {
        return err_set(e, ERR_INVALID, "wrong type for value; expected a sample");
    }
    *out = value_of_str(labels_get(args[0].samples->labels, STR("__value__")));
    return true;
}

struct keyed {
    str key;
    struct tmpl_query_sample sample;
};

static int keyed_order(const void *a, const void *b)
{
    return str_cmp(((const struct keyed *)a)->key, ((const struct keyed *)b)->key);
}

static bool fn_sort_by_label(struct run *r, const struct value *args, UNUSED u32 n,
                             struct value *out, struct error *e)
{
    str name = STR_EMPTY;
    if (!want_string(&args[0], &name, e)) {
        return false;
    }
    if (args[1].kind != VALUE_SAMPLES) {
        return err_set(e, ERR_INVALID, "wrong type for value; expected samples");
    }
    const u32 count = args[1].count;
    struct keyed *keyed = ARENA_NEW_N(r->arena, struct keyed, count + 1);
    struct tmpl_query_sample *sorted = ARENA_NEW_N(r->arena, struct tmpl_query_sample, count + 1);
    for (u32 i = 0; i < count; i++) {
        keyed[i] = (struct keyed){labels_get(args[1].samples[i].labels, name), args[1].samples[i]};
    }
    qsort(keyed, count, sizeof(*keyed), keyed_order);
    for (u32 i = 0; i < count; i++) {
        sorted[i] = keyed[i].sample;
    }
    *out = (struct value){.kind = VALUE_SAMPLES, .samples = sorted, .count = count};
    return true;
}

static bool fn_args(struct run *r, const struct value *args, u32 n, struct value *out,
                    UNUSED struct error *e)
{
    struct value *copy = ARENA_NEW_N(r->arena, struct value, n + 1);
    memcpy(copy, args, n * sizeof(*copy));
    *out = (struct value){.kind = VALUE_ARGS, .args = copy, .count = n};
    return true;
}

// ---- text ----

static bool fn_re_replace_all(struct run *r, const struct value *args, UNUSED u32 n,
                              struct value *out, struct error *e)
{
    str pattern = STR_EMPTY;
    str replacement = STR_EMPTY;
    str text = STR_EMPTY;
    if (!want_string(&args[0], &pattern, e) || !want_string(&args[1], &replacement, e) ||
        !want_string(&args[2], &text, e)) {
        return false;
    }
    struct re *re = re_new_partial(pattern, e);
    if (!re) {
        return false;
    }
    struct buf b;
    buf_init(&b, TMPL_STRING_MAX);
    re_replace_all(re, text, replacement, &b);
    re_free(re);
    take_text(r, &b, out);
    return true;
}

static bool fn_match(UNUSED struct run *r, const struct value *args, UNUSED u32 n,
                     struct value *out, struct error *e)
{
    str pattern = STR_EMPTY;
    str text = STR_EMPTY;
    if (!want_string(&args[0], &pattern, e) || !want_string(&args[1], &text, e)) {
        return false;
    }
    struct re *re = re_new_partial(pattern, e);
    if (!re) {
        return false;
    }
    *out = value_of_bool(re_match(re, text));
    re_free(re);
    return true;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

// mode: 'u' all upper, 'l' all lower, 't' the first letter of each word upper.
static bool map_case(struct run *r, const struct value *arg, char mode, struct value *out,
                     struct error *e)
{
    str text = STR_EMPTY;
    if (!want_string(arg, &text, e)) {
        return false;
    }
    char *copy = ARENA_NEW_N(r->arena, char, text.len + 1);
    bool word_start = true;
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        copy[i] = mode == 'l' ? lower(c) : mode == 'u' || word_start ? upper(c) : c;
        word_start = c == ' ' || c == '\t' || c == '\n' || c == '-' || c == '/';
    }
    *out = value_of_str(str_make(copy, text.len));
    return true;
}

static bool fn_to_upper(struct run *r, const struct value *args, UNUSED u32 n, struct value *out,
                        struct error *e)
{
    return map_case(r, &args[0], 'u', out, e);
}

static bool fn_to_lower(struct run *r, const struct value *args, UNUSED u32 n, struct value *out,
                        struct error *e)
{
    return map_case(r, &args[0], 'l', out, e);
}

static bool fn_title(struct run *r, const struct value *args, UNUSED u32 n, struct value *out,
                     struct error *e)
{
    return map_case(r, &args[0], 't', out, e);
}

// As Go's url.QueryEscape has it.
static void query_escape(struct buf *b, str text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        const u8 c = (u8)text.ptr[i];
        const bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                           c == '-' || c == '_' || c == '.' || c == '~';
        if (plain) {
            buf_byte(b, c);
        } else if (c == ' ') {
            buf_byte(b, '+');
        } else {
            buf_byte(b, '%');
            buf_byte(b, (u8)hex[c >> 4]);
            buf_byte(b, (u8)hex[c & 15]);
        }
    }
}

static bool fn_url_query_escape(struct run *r, const struct value *args, UNUSED u32 n,
                                struct value *out, struct error *e)
{
    str text = STR_EMPTY;
    if (!want_string(&args[0], &text, e)) {
        return false;
    }
    struct buf b;
    buf_init(&b, TMPL_STRING_MAX);
    query_escape(&b, text);
    take_text(r, &b, out);
    return true;
}

// A link to the expression's graph or table page.
static bool link_to(struct run *r, const struct value *arg, u32 tab, struct value *out,
                    struct error *e)
{
    str expr = STR_EMPTY;
    if (!want_string(arg, &expr, e)) {
        return false;
    }
    struct buf b;
    buf_init(&b, TMPL_STRING_MAX);
    buf_c(&b, "/graph?g0.expr=");
    query_escape(&b, expr);
    buf_printf(&b, "&g0.tab=%u", tab);
    take_text(r, &b, out);
    return true;
}

static bool fn_graph_link(struct run *r, const struct value *args, UNUSED u32 n, struct value *out,
                          struct error *e)
{
    return link_to(r, &args[0], 0, out, e);
}

static bool fn_table_link(struct run *r, const struct value *args, UNUSED u32 n, struct value *out,
                          struct error *e)
{
    return link_to(r, &args[0], 1, out, e);
}

static str without_port(str host_port)
{
    const size_t colon = str_find_last(host_port, ':');
    if (colon == STR_NONE || !host_port.ptr) {
        return host_port;
    }
    if (host_port.ptr[0] == '[') {
        const size_t close = str_find(host_port, ']');
        return close == STR_NONE ? host_port : str_sub(host_port, 1, close);
    }
    const bool bare_ipv6 = str_find(host_port, ':') != colon;
    return bare_ipv6 ? host_port : str_sub(host_port, 0, colon);
}

static bool fn_strip_port(UNUSED struct run *r, const struct value *args, UNUSED u32 n,
                          struct value *out, struct error *e)
{
    str s = STR_EMPTY;
    if (!want_string(&args[0], &s, e)) {
        return false;
    }
    *out = value_of_str(without_port(s));
    return true;
}

static bool is_ip(str host)
{
    bool digits = true;
    for (size_t i = 0; i < host.len; i++) {
        digits = digits && ((host.ptr[i] >= '0' && host.ptr[i] <= '9') || host.ptr[i] == '.');
    }
    return digits || str_find(host, ':') != STR_NONE;
}

static bool fn_strip_domain(struct run *r, const struct value *args, UNUSED u32 n,
                            struct value *out, struct error *e)
{
    str s = STR_EMPTY;
    if (!want_string(&args[0], &s, e)) {
        return false;
    }
    const str host = without_port(s);
    const str port =
        host.len < s.len && host.ptr == s.ptr ? str_sub(s, host.len, s.len) : STR_EMPTY;
    const size_t dot = str_find(host, '.');
    if (is_ip(host) || dot == STR_NONE) {
        *out = value_of_str(s);
        return true;
    }
    *out = value_of_str(
        arena_printf(r->arena, "%.*s%.*s", STR_ARG(str_sub(host, 0, dot)), STR_ARG(port)));
    return true;
}

static bool fn_safe_html(UNUSED struct run *r, const struct value *args, UNUSED u32 n,
                         struct value *out, UNUSED struct error *e)
{
    *out = args[0]; // Annotations are text; whoever shows them escapes.
    return true;
}

static bool fn_external_url(struct run *r, UNUSED const struct value *args, UNUSED u32 n,
                            struct value *out, UNUSED struct error *e)
{
    *out = value_of_str(r->data->external_url);
    return true;
}

static bool fn_path_prefix(struct run *r, UNUSED const struct value *args, UNUSED u32 n,
                           struct value *out, UNUSED struct error *e)
{
    const str url = r->data->external_url;
    const size_t scheme = str_find_str(url, STR("://"));
    const str rest = scheme == STR_NONE ? url : str_sub(url, scheme + 3, url.len);
    const size_t slash = str_find(rest, '/');
    *out = value_of_str(slash == STR_NONE ? STR_EMPTY : str_sub(rest, slash, rest.len));
    return true;
}

// ---- numbers and times ----

#define HUMANIZER(name, call)                                                                      \
    static bool name(struct run *r, const struct value *args, UNUSED u32 n, struct value *out,     \
                     struct error *e)                                                              \
    {                                                                                              \
        f64 v;                                                                                     \
        if (!want_number(&args[0], &v, e)) {                                                       \
            return false;                                                                          \
        }                                                                                          \
        struct buf b;                                                                              \
        buf_init(&b, TMPL_STRING_MAX);                                                             \
        call(&b, v);                                                                               \
        take_text(r, &b, out);                                                                     \
        return true;                                                                               \
    }

static void humanize_timestamp(struct buf *out, f64 v)
{
    char text[NUM_TEXT_MAX];
    if (!isfinite(v) || fabs(v) > 1e11) {
        buf_add(out, text, num_fixed(text, v, 'g', 4));
        return;
    }
    // 2006-01-02T15:04:05.999Z → 2006-01-02 15:04:05.999 +0000 UTC
    const size_t len = time_print_rfc3339(text, (i64)(v * 1000));
    buf_add(out, text, 10);
    buf_byte(out, ' ');
    buf_add(out, text + 11, len - 12);
    buf_c(out, " +0000 UTC");
}

HUMANIZER(fn_humanize, tmpl_humanize)
HUMANIZER(fn_humanize_1024, tmpl_humanize_1024)
HUMANIZER(fn_humanize_duration, tmpl_humanize_duration)
HUMANIZER(fn_humanize_percentage, tmpl_humanize_percentage)
HUMANIZER(fn_humanize_timestamp, humanize_timestamp)

static bool fn_to_time(UNUSED struct run *r, const struct value *args, UNUSED u32 n,
                       struct value *out, struct error *e)
{
    f64 v;
    if (!want_number(&args[0], &v, e)) {
        return false;
    }
    if (!(fabs(v) < 1e11)) {
        return err_set(e, ERR_INVALID, "not a time");
    }
    *out = (struct value){.kind = VALUE_TIME, .integer = (i64)(v * 1000)};
    return true;
}

static bool fn_now(struct run *r, UNUSED const struct value *args, UNUSED u32 n, struct value *out,
                   UNUSED struct error *e)
{
    *out = value_of_f64((f64)r->data->now_ms / 1000);
    return true;
}

static bool fn_parse_duration(UNUSED struct run *r, const struct value *args, UNUSED u32 n,
                              struct value *out, struct error *e)
{
    str s = STR_EMPTY;
    i64 ms;
    if (!want_string(&args[0], &s, e) || !duration_parse(s, &ms, e)) {
        return false;
    }
    *out = value_of_f64((f64)ms / 1000);
    return true;
}

static bool fn_to_duration(struct run *r, const struct value *args, UNUSED u32 n, struct value *out,
                           struct error *e)
{
    f64 v;
    if (!want_number(&args[0], &v, e)) {
        return false;
    }
    struct buf b;
    buf_init(&b, TMPL_STRING_MAX);
    tmpl_humanize_duration(&b, v);
    take_text(r, &b, out);
    return true;
}

// ---- the language's own ----

static bool fn_and(UNUSED struct run *r, const struct value *args, u32 n, struct value *out,
                   UNUSED struct error *e)
{
    u32 i = 0;
    while (i + 1 < n && value_truth(&args[i])) {
        i++;
    }
    *out = args[i];
    return true;
}

static bool fn_or(UNUSED struct run *r, const struct value *args, u32 n, struct value *out,
                  UNUSED struct error *e)
{
    u32 i = 0;
    while (i + 1 < n && !value_truth(&args[i])) {
        i++;
    }
    *out = args[i];
    return true;
}

static bool fn_not(UNUSED struct run *r, const struct value *args, UNUSED u32 n, struct value *out,
                   UNUSED struct error *e)
{
    *out = value_of_bool(!value_truth(&args[0]));
    return true;
}

// -1, 0, 1; 2 if not ordered (NaN); false if the kinds do not compare.
static bool compare(const struct value *a, const struct value *b, int *out, struct error *e)
{
    const bool numbers = (a->kind == VALUE_INT || a->kind == VALUE_FLOAT) &&
                         (b->kind == VALUE_INT || b->kind == VALUE_FLOAT);
    if (numbers) {
        f64 x = 0;
        f64 y = 0;
        (void)value_number(a, &x);
        (void)value_number(b, &y);
        *out = x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
        return true;
    }
    if (a->kind == VALUE_STRING && b->kind == VALUE_STRING) {
        const int order = str_cmp(a->string, b->string);
        *out = order < 0 ? -1 : order > 0;
        return true;
    }
    if (a->kind == VALUE_BOOL && b->kind == VALUE_BOOL) {
        *out = (int)a->boolean - (int)b->boolean;
        return true;
    }
    return err_set(e, ERR_INVALID, "incompatible types for comparison");
}

static bool fn_eq(UNUSED struct run *r, const struct value *args, u32 n, struct value *out,
                  struct error *e)
{
    bool equal = false;
    for (u32 i = 1; i < n && !equal; i++) {
        int order = 0;
        if (!compare(&args[0], &args[i], &order, e)) {
            return false;
        }
        equal = order == 0;
    }
    *out = value_of_bool(equal);
    return true;
}

#define COMPARISON(name, test)                                                                     \
    static bool name(UNUSED struct run *r, const struct value *args, UNUSED u32 n,                 \
                     struct value *out, struct error *e)                                           \
    {                                                                                              \
        int order = 0;                                                                             \
        if (!compare(&args[0], &args[1], &order, e)) {                                             \
            return false;                                                                          \
        }                                                                                          \
        *out = value_of_bool(test);                                                                \
        return true;                                                                               \
    }
COMPARISON(fn_ne, order != 0)
COMPARISON(fn_lt, order == -1)
COMPARISON(fn_le, order == -1 || order == 0)
COMPARISON(fn_gt, order == 1)
COMPARISON(fn_ge, order == 1 || order == 0)

static bool fn_len(UNUSED struct run *r, const struct value *args, UNUSED u32 n, struct value *out,
                   struct error *e)
{
    *out = (struct value){.kind = VALUE_INT};
    if (args[0].kind == VALUE_STRING) {
        out->integer = (i64)args[0].string.len;
    } else if (args[0].kind == VALUE_LABELS) {
        out->integer = args[0].labels.count;
    } else if (args[0].kind == VALUE_SAMPLES || args[0].kind == VALUE_ARGS) {
        out->integer = args[0].count;
    } else {
        return err_set(e, ERR_INVALID, "len of a value that has none");
    }
    return true;
}

static bool fn_index(UNUSED struct run *r, const struct value *args, UNUSED u32 n,
                     struct value *out, struct error *e)
{
    if (args[0].kind == VALUE_LABELS && args[1].kind == VALUE_STRING) {
        *out = value_of_str(labels_get(args[0].labels, args[1].string));
        return true;
    }
    const bool list = args[0].kind == VALUE_SAMPLES || args[0].kind == VALUE_ARGS;
    if (!list || args[1].kind != VALUE_INT) {
        return err_set(e, ERR_INVALID, "can't index this value");
    }
    if (args[1].integer < 0 || args[1].integer >= (i64)args[0].count) {
        return err_set(e, ERR_INVALID, "index out of range: %lld", (long long)args[1].integer);
    }
    *out = args[0].kind == VALUE_ARGS
               ? args[0].args[args[1].integer]
               : (struct value){.kind = VALUE_SAMPLE, .samples = &args[0].samples[args[1].integer]};
    return true;
}

static bool fn_print(struct run *r, const struct value *args, u32 n, struct value *out,
                     UNUSED struct error *e)
{
    struct buf b;
    buf_init(&b, TMPL_STRING_MAX);
    for (u32 i = 0; i < n; i++) {
        const bool texts =
            i > 0 && args[i - 1].kind != VALUE_STRING && args[i].kind != VALUE_STRING;
        buf_c(&b, texts ? " " : ""); // Sprint: a space between two that are no strings.
        value_print(&b, &args[i]);
    }
    take_text(r, &b, out);
    return true;
}

static bool fn_println(struct run *r, const struct value *args, u32 n, struct value *out,
                       UNUSED struct error *e)
{
    struct buf b;
    buf_init(&b, TMPL_STRING_MAX);
    for (u32 i = 0; i < n; i++) {
        buf_c(&b, i ? " " : "");
        value_print(&b, &args[i]);
    }
    buf_byte(&b, '\n');
    take_text(r, &b, out);
    return true;
}

static bool fn_printf(struct run *r, const struct value *args, u32 n, struct value *out,
                      struct error *e)
{
    str format = STR_EMPTY;
    if (!want_string(&args[0], &format, e)) {
        return false;
    }
    struct buf b;
    buf_init(&b, TMPL_STRING_MAX);
    value_printf(&b, format, args + 1, n - 1);
    take_text(r, &b, out);
    return true;
}

static const struct tmpl_function functions[] = {
    {"and", 1, TMPL_ARGS_MAX, fn_and},
    {"args", 0, TMPL_ARGS_MAX, fn_args},
    {"eq", 2, TMPL_ARGS_MAX, fn_eq},
    {"externalURL", 0, 0, fn_external_url},
    {"first", 1, 1, fn_first},
    {"ge", 2, 2, fn_ge},
    {"graphLink", 1, 1, fn_graph_link},
    {"gt", 2, 2, fn_gt},
    {"humanize", 1, 1, fn_humanize},
    {"humanize1024", 1, 1, fn_humanize_1024},
    {"humanizeDuration", 1, 1, fn_humanize_duration},
    {"humanizePercentage", 1, 1, fn_humanize_percentage},
    {"humanizeTimestamp", 1, 1, fn_humanize_timestamp},
    {"index", 2, 2, fn_index},
    {"label", 2, 2, fn_label},
    {"le", 2, 2, fn_le},
    {"len", 1, 1, fn_len},
    {"lt", 2, 2, fn_lt},
    {"match", 2, 2, fn_match},
    {"ne", 2, 2, fn_ne},
    {"not", 1, 1, fn_not},
    {"now", 0, 0, fn_now},
    {"or", 1, TMPL_ARGS_MAX, fn_or},
    {"parseDuration", 1, 1, fn_parse_duration},
    {"pathPrefix", 0, 0, fn_path_prefix},
    {"print", 0, TMPL_ARGS_MAX, fn_print},
    {"printf", 1, TMPL_ARGS_MAX, fn_printf},
    {"println", 0, TMPL_ARGS_MAX, fn_println},
    {"query", 1, 1, fn_query},
    {"reReplaceAll", 3, 3, fn_re_replace_all},
    {"safeHtml", 1, 1, fn_safe_html},
    {"sortByLabel", 2, 2, fn_sort_by_label},
    {"stripDomain", 1, 1, fn_strip_domain},
    {"stripPort", 1, 1, fn_strip_port},
    {"strvalue", 1, 1, fn_strvalue},
    {"tableLink", 1, 1, fn_table_link},
    {"title", 1, 1, fn_title},
    {"toDuration", 1, 1, fn_to_duration},
    {"toLower", 1, 1, fn_to_lower},
    {"toTime", 1, 1, fn_to_time},
    {"toUpper", 1, 1, fn_to_upper},
    {"urlQueryEscape", 1, 1, fn_url_query_escape},
    {"value", 1, 1, fn_value},
};

const char *tmpl_function_name(u32 index)
{
    return index < ARRAY_LEN(functions) ? functions[index].name : NULL;
}

const struct tmpl_function *tmpl_function_find(str name)
{
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        if (str_eq_c(name, functions[i].name)) {
            return &functions[i];
        }
    }
    return NULL;
}
