// tool_print.c: see tool_print.h.
#include "cmd/tool_print.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/num.h"
#include "base/str.h"
#include "model/labels.h"
#include "text/quote.h"
#include "wire/json.h"

#include <math.h>
#include <stdlib.h>

// ---- JSON again ----

static void json_write(struct jsonw *w, const struct json_value *v)
{
    const bool is_object = v->kind == JSONV_OBJECT;
    switch (v->kind) {
    case JSONV_NULL:
        jsonw_null(w);
        return;
    case JSONV_BOOL:
        jsonw_bool(w, v->boolean);
        return;
    case JSONV_NUMBER:
        if (v->is_integer) {
            jsonw_i64(w, v->integer);
        } else {
            jsonw_f64(w, v->number);
        }
        return;
    case JSONV_STR:
        jsonw_str(w, v->text);
        return;
    case JSONV_ARRAY:
    case JSONV_OBJECT:
        break;
    }
    is_object ? jsonw_object(w) : jsonw_array(w);
    for (u32 i = 0; i < v->count; i++) { // The parser bounds the depth.
        if (is_object) {
            jsonw_key(w, v->keys[i]);
        }
        json_write(w, &v->items[i]);
    }
    is_object ? jsonw_object_end(w) : jsonw_array_end(w);
}

void tool_print_json(struct buf *out, const struct json_value *v)
{
    struct jsonw w;
    jsonw_init(&w, out);
    json_write(&w, v);
}

// ---- labels ----

// Threads: owned.
struct pair {
    str name;
    str value;
};

static int pair_order(const void *a, const void *b)
{
    const struct pair *x = a;
    const struct pair *y = b;
    return str_cmp(x->name, y->name);
}

// Sorted by name; NULL of none.
static struct pair *pairs_of(const struct json_value *labels, struct arena *a)
{
    const u32 count = labels->kind == JSONV_OBJECT ? labels->count : 0;
    struct pair *pairs = ARENA_NEW_N(a, struct pair, count + 1);
    for (u32 i = 0; i < count; i++) {
        pairs[i] = (struct pair){labels->keys[i], labels->items[i].text};
    }
    qsort(pairs, count, sizeof(*pairs), pair_order);
    return pairs;
}

static void name_print(struct buf *out, str name)
{
    if (label_name_valid_legacy(name)) {
        buf_str(out, name);
    } else {
        quote_go(out, name);
    }
}

static void pair_print(struct buf *out, struct pair p, bool *first)
{
    buf_c(out, *first ? "{" : ", ");
    *first = false;
    name_print(out, p.name);
    buf_byte(out, '=');
    quote_go(out, p.value);
}

void tool_print_labels(struct buf *out, const struct json_value *labels, struct arena *a)
{
    const struct pair *pairs = pairs_of(labels, a);
    bool first = true;
    for (u32 i = 0; i < labels->count; i++) {
        pair_print(out, pairs[i], &first);
    }
    buf_c(out, first ? "{}" : "}");
}

// up{job="a"}; {} without a name and labels.
static void metric_print(struct buf *out, const struct json_value *metric, struct arena *a)
{
    const struct pair *pairs = pairs_of(metric, a);
    const str name = json_get_str(metric, LABEL_NAME);
    bool first = true;
    if (metric_name_valid_legacy(name)) {
        buf_str(out, name);
    } else if (name.len > 0) {
        buf_byte(out, '{');
        quote_go(out, name);
        first = false;
    }
    for (u32 i = 0; i < metric->count; i++) {
        if (!str_eq(pairs[i].name, LABEL_NAME)) {
            pair_print(out, pairs[i], &first);
        }
    }
    if (!first) {
        buf_byte(out, '}');
    } else if (name.len == 0) {
        buf_c(out, "{}");
    }
}

// ---- values ----

static void plain_print(struct buf *out, f64 v)
{
    char text[NUM_TEXT_MAX];
    buf_add(out, text, num_plain(text, v));
}

// A number, or the text of one.
static f64 number_of(const struct json_value *v)
{
    f64 number = NAN;
    if (v->kind == JSONV_STR) {
        return num_parse(v->text, &number) ? number : (f64)NAN;
    }
    return v->is_integer ? (f64)v->integer : v->number;
}

static void bucket_print(struct buf *out, const struct json_value *b)
{
    char text[NUM_TEXT_MAX];
    const i64 bounds = b->items[0].integer;
    buf_c(out, bounds == 1 || bounds == 3 ? "[" : "(");
    buf_add(out, text, num_go(text, number_of(&b->items[1])));
    buf_byte(out, ',');
    buf_add(out, text, num_go(text, number_of(&b->items[2])));
    buf_c(out, bounds == 0 || bounds == 3 ? "]" : ")");
    buf_byte(out, ':');
    plain_print(out, number_of(&b->items[3]));
}

static void hist_print(struct buf *out, const struct json_value *h)
{
    static const struct json_value none = {.kind = JSONV_STR};
    const struct json_value *count = json_get(h, STR("count"));
    const struct json_value *sum = json_get(h, STR("sum"));
    const struct json_value *buckets = json_get(h, STR("buckets"));
    char text[NUM_TEXT_MAX];
    buf_c(out, "Count: ");
    buf_add(out, text, num_fixed(text, number_of(count ? count : &none), 'f', 6));
    buf_c(out, ", Sum: ");
    buf_add(out, text, num_fixed(text, number_of(sum ? sum : &none), 'f', 6));
    buf_c(out, ", Buckets: [");
    for (u32 i = 0; buckets != NULL && i < buckets->count; i++) {
        const struct json_value *b = &buckets->items[i];
        if (b->kind == JSONV_ARRAY && b->count == 4) {
            buf_c(out, i > 0 ? " " : "");
            bucket_print(out, b);
        }
    }
    buf_byte(out, ']');
}

// [time, value] as "value @[time]".
static bool point_print(struct buf *out, const struct json_value *p)
{
    if (p->kind != JSONV_ARRAY || p->count != 2) {
        return false;
    }
    if (p->items[1].kind == JSONV_OBJECT) {
        hist_print(out, &p->items[1]);
    } else {
        plain_print(out, number_of(&p->items[1]));
    }
    buf_c(out, " @[");
    plain_print(out, number_of(&p->items[0]));
    buf_byte(out, ']');
    return true;
}

static bool points_print(struct buf *out, const struct json_value *points)
{
    bool ok = points == NULL || points->kind == JSONV_ARRAY;
    for (u32 i = 0; ok && points != NULL && i < points->count; i++) {
        ok = point_print(out, &points->items[i]);
        buf_byte(out, '\n');
    }
    return ok;
}

// Threads: owned.
struct row {
    const struct json_value *series;
    const struct pair *pairs;
    u32 pair_count;
};

// Fewer labels first, then by names and values, as promtool sorts.
static int row_order(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;
    int order = (x->pair_count > y->pair_count) - (x->pair_count < y->pair_count);
    for (u32 i = 0; order == 0 && i < x->pair_count; i++) {
        order = str_cmp(x->pairs[i].name, y->pairs[i].name);
        order = order != 0 ? order : str_cmp(x->pairs[i].value, y->pairs[i].value);
    }
    return order;
}

static bool vector_print(struct buf *out, const struct json_value *result, struct arena *a)
{
    for (u32 i = 0; i < result->count; i++) {
        const struct json_value *s = &result->items[i];
        const struct json_value *metric = json_get(s, STR("metric"));
        const struct json_value *value = json_get(s, STR("value"));
        value = value != NULL ? value : json_get(s, STR("histogram"));
        if (metric == NULL || value == NULL) {
            return false;
        }
        metric_print(out, metric, a);
        buf_c(out, " => ");
        if (!point_print(out, value)) {
            return false;
        }
        buf_byte(out, '\n');
    }
    return true;
}

static bool matrix_print(struct buf *out, const struct json_value *result, struct arena *a)
{
    struct row *rows = ARENA_NEW_N(a, struct row, (size_t)result->count + 1);
    for (u32 i = 0; i < result->count; i++) {
        const struct json_value *metric = json_get(&result->items[i], STR("metric"));
        if (metric == NULL) {
            return false;
        }
        rows[i] = (struct row){&result->items[i], pairs_of(metric, a), metric->count};
    }
    qsort(rows, result->count, sizeof(*rows), row_order);
    for (u32 i = 0; i < result->count; i++) {
        metric_print(out, json_get(rows[i].series, STR("metric")), a);
        buf_c(out, " =>\n");
        if (!points_print(out, json_get(rows[i].series, STR("values"))) ||
            !points_print(out, json_get(rows[i].series, STR("histograms")))) {
            return false;
        }
    }
    return true;
}

bool tool_print_result(struct buf *out, const struct json_value *data, struct arena *a)
{
    const str type = json_get_str(data, STR("resultType"));
    const struct json_value *result = json_get(data, STR("result"));
    if (result == NULL || result->kind != JSONV_ARRAY) {
        return false;
    }
    if (result->count == 0) { // As promtool says that there is nothing.
        buf_byte(out, '\n');
        return true;
    }
    if (str_eq_c(type, "vector")) {
        return vector_print(out, result, a);
    }
    if (str_eq_c(type, "matrix")) {
        return matrix_print(out, result, a);
    }
    if (str_eq_c(type, "string") && result->count == 2) {
        buf_str(out, result->items[1].text);
        buf_byte(out, '\n');
        return true;
    }
    buf_c(out, "scalar: ");
    const bool ok = str_eq_c(type, "scalar") && point_print(out, result);
    buf_byte(out, '\n');
    return ok;
}
