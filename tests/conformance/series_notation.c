// series_notation.c: see series_notation.h.
#include "series_notation.h"

#include "base/arena.h"
#include "base/num.h"
#include "base/str.h"
#include "model/duration.h"
#include "model/hist_bucket.h"
#include "model/hist_reset.h"
#include "model/hist_sum.h"
#include "model/sample.h"

#include <float.h>
#include <math.h>

#define BUCKETS_MAX 256

bool noted_init(struct noted_series *s, struct arena *a)
{
    *s = (struct noted_series){.values = ARENA_NEW_N(a, struct noted_value, NOTED_VALUES_MAX)};
    return true;
}

static const char *add_value(struct noted_series *s, struct noted_value v)
{
    if (s->count == NOTED_VALUES_MAX) {
        return "too many values";
    }
    v.has_start = s->values[s->count].has_start; // May have come first.
    v.start_ms = s->values[s->count].start_ms;
    s->values[s->count++] = v;
    return NULL;
}

static bool number_of(str text, f64 *v)
{
    if (str_eq_c(text, "stale")) {
        *v = stale_nan();
        return true;
    }
    if (!num_parse(text, v)) {
        return false;
    }
    *v = isnan(*v) ? normal_nan() : *v;
    return true;
}

// Cuts "…xN" off; false if there is none.
static bool cut_times(str word, str *left, u64 *times)
{
    size_t x = str_find_last(word, 'x');
    if (x == STR_NONE || x == 0) {
        return false;
    }
    *left = str_sub(word, 0, x);
    return parse_u64(str_sub(word, x + 1, word.len), times);
}

// ---- histograms --------------------------------------------------------------------------------

// Threads: owned.
struct hist_fields {
    struct hist hist;
    f64 *positive;
    f64 *negative;
    f64 *bounds;
    i32 offset;
    i32 n_offset;
    bool has_hint;
};

static bool list_of(struct arena *a, str text, const f64 **out, u32 *count)
{
    f64 *list = ARENA_NEW_N(a, f64, BUCKETS_MAX);
    u32 n = 0;
    text = str_trim(str_sub(text, 1, text.len - 1));
    while (text.len > 0) {
        size_t end = str_find(text, ' ');
        end = end == STR_NONE ? text.len : end;
        if (n == BUCKETS_MAX || !num_parse(str_sub(text, 0, end), &list[n++])) {
            return false;
        }
        text = str_trim(str_sub(text, end, text.len));
    }
    *out = list;
    *count = n;
    return true;
}

static bool hint_of(str text, enum hist_reset *out)
{
    static const char *const names[] = {"unknown", "reset", "not_reset", "gauge"};
    for (u32 i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq_c(text, names[i])) {
            *out = (enum hist_reset)i;
            return true;
        }
    }
    return false;
}

static bool set_field(struct hist_fields *x, struct arena *a, str key, str value)
{
    struct hist *h = &x->hist;
    f64 v = 0;
    if (str_eq_c(key, "buckets")) {
        return list_of(a, value, &h->positive.buckets, &h->positive.bucket_count);
    }
    if (str_eq_c(key, "n_buckets")) {
        return list_of(a, value, &h->negative.buckets, &h->negative.bucket_count);
    }
    if (str_eq_c(key, "custom_values")) {
        return list_of(a, value, &h->custom_bounds, &h->custom_bound_count);
    }
    if (str_eq_c(key, "counter_reset_hint")) {
        x->has_hint = true;
        return hint_of(value, &h->reset);
    }
    if (!num_parse(value, &v)) {
        return false;
    }
    const struct {
        const char *name;
        f64 *number;
        i32 *integer;
    } fields[] = {{"schema", NULL, &h->schema},
                  {"sum", &h->sum, NULL},
                  {"count", &h->count, NULL},
                  {"z_bucket", &h->zero_count, NULL},
                  {"z_bucket_w", &h->zero_threshold, NULL},
                  {"offset", NULL, &x->offset},
                  {"n_offset", NULL, &x->n_offset}};
    for (u32 i = 0; i < ARRAY_LEN(fields); i++) {
        if (!str_eq_c(key, fields[i].name)) {
            continue;
        }
        if (fields[i].number) {
            *fields[i].number = isnan(v) ? normal_nan() : v;
        } else {
            *fields[i].integer = (i32)v;
        }
        return true;
    }
    return false;
}

static void set_span(struct hist_side *side, i32 offset, struct arena *a)
{
    if (side->bucket_count > 0) {
        struct hist_span *span = ARENA_NEW(a, struct hist_span);
        *span = (struct hist_span){offset, side->bucket_count};
        side->spans = span;
        side->span_count = 1;
    }
}

// Takes "{{…}}" off the front.
static bool take_hist(struct arena *a, str *rest, struct noted_value *out)
{
    struct hist_fields x = {.hist = {.is_float = true}};
    size_t end = 2;
    while (end + 1 < rest->len && !(rest->ptr[end] == '}' && rest->ptr[end + 1] == '}')) {
        end++;
    }
    if (!str_starts(*rest, STR("{{")) || end + 1 >= rest->len) {
        return false;
    }
    str body = str_trim(str_sub(*rest, 2, end));
    while (body.len > 0) {
        size_t colon = str_find(body, ':');
        if (colon == STR_NONE) {
            return false;
        }
        str value = str_sub(body, colon + 1, body.len);
        bool is_list = value.len > 0 && value.ptr[0] == '[';
        size_t stop = str_find(value, is_list ? ']' : ' ');
        stop = stop == STR_NONE ? value.len : stop + is_list;
        if (!set_field(&x, a, str_sub(body, 0, colon), str_sub(value, 0, stop))) {
            return false;
        }
        body = str_trim(str_sub(value, stop, value.len));
    }
    set_span(&x.hist.positive, x.offset, a);
    set_span(&x.hist.negative, x.n_offset, a);
    *out = (struct noted_value){.has = true, .hist = hist_copy(a, &x.hist), .has_hint = x.has_hint};
    *rest = str_sub(*rest, end + 2, rest->len);
    return true;
}

static const struct hist *next_hist(struct arena *a, const struct hist *h, const struct hist *step,
                                    f64 factor)
{
    struct hist_spare spare = {.positive = {.n = 0}};
    struct hist_remarks remarks = {.resets_collide = false};
    struct hist_sum s;
    hist_sum_start(&s, a, &spare, false, h);
    return hist_sum_add(&s, step, factor, &remarks) ? hist_sum_take(&s, a) : NULL;
}

static const char *add_hists(struct noted_series *s, struct arena *a, str word)
{
    struct noted_value v;
    struct noted_value step = {.hist = NULL};
    u64 times = 0;
    if (!take_hist(a, &word, &v)) {
        return "no histogram";
    }
    f64 factor = word.len > 0 && word.ptr[0] == '-' ? -1 : 1;
    if (word.len > 0 && word.ptr[0] != 'x') {
        word = str_sub(word, 1, word.len);
        if (!take_hist(a, &word, &step)) {
            return "no histogram to add";
        }
    }
    if (word.len > 0 && (word.ptr[0] != 'x' || !parse_u64(str_sub(word, 1, word.len), &times))) {
        return "no number of times";
    }
    for (u64 i = 0; i <= times; i++) {
        const char *why = add_value(s, v);
        if (why) {
            return why;
        }
        v.hist = step.hist ? next_hist(a, v.hist, step.hist, factor) : v.hist;
        if (!v.hist) {
            return "histograms that do not mix";
        }
    }
    return NULL;
}

// ---- numbers -----------------------------------------------------------------------------------

// The place of the sign between a and b, after a's own sign and exponent.
static size_t find_sign(str s)
{
    for (size_t i = 1; i < s.len; i++) {
        bool in_exponent = s.ptr[i - 1] == 'e' || s.ptr[i - 1] == 'E';
        if ((s.ptr[i] == '+' || s.ptr[i] == '-') && !in_exponent) {
            return i;
        }
    }
    return STR_NONE;
}

// a+bxN: a, a+b, … N + 1 of them; axN; _xN: N gaps.
const char *noted_add(struct noted_series *s, struct arena *a, str word)
{
    struct noted_value v = {.has = true};
    u64 times = 0;
    str left = word;
    f64 step = 0;
    const char *why = NULL;
    if (str_starts(word, STR("{{"))) {
        return add_hists(s, a, word);
    }
    bool repeats = cut_times(word, &left, &times);
    if (str_eq_c(left, "_")) {
        for (u64 i = 0; !why && i < (repeats ? times : 1); i++) {
            why = add_value(s, (struct noted_value){.has = false});
        }
        return why;
    }
    size_t sign = repeats ? find_sign(left) : STR_NONE;
    if (!number_of(sign == STR_NONE ? left : str_sub(left, 0, sign), &v.value) ||
        (sign != STR_NONE && !number_of(str_sub(left, sign + 1, left.len), &step))) {
        return "no number";
    }
    step = sign != STR_NONE && left.ptr[sign] == '-' ? -step : step;
    for (u64 i = 0; !why && i <= times; i++) {
        why = add_value(s, v);
        v.value += step;
    }
    return why;
}

// ---- start times -------------------------------------------------------------------------------

static bool take_offset(str *rest, i64 *ms)
{
    bool negative = rest->len > 0 && rest->ptr[0] == '-';
    size_t from = rest->len > 0 && (negative || rest->ptr[0] == '+');
    size_t end = from;
    while (end < rest->len && rest->ptr[end] != '-' && rest->ptr[end] != '+' &&
           rest->ptr[end] != 'x') {
        end++;
    }
    str text = str_sub(*rest, from, end);
    *ms = 0;
    if (!str_eq_c(text, "0") && !str_eq_c(text, "0ms") && !duration_parse(text, ms, NULL)) {
        return false;
    }
    *ms = negative ? -*ms : *ms;
    *rest = str_sub(*rest, end, rest->len);
    return true;
}

const char *noted_add_start(struct noted_series *s, str word)
{
    i64 ms = 0;
    i64 step = 0;
    u64 times = 0;
    bool has = !str_eq_c(word, "_");
    if (has && !take_offset(&word, &ms)) {
        return "no start time";
    }
    if (has && word.len > 0 && word.ptr[0] != 'x' && !take_offset(&word, &step)) {
        return "no step of start times";
    }
    if (has && word.len > 0 && !parse_u64(str_sub(word, 1, word.len), &times)) {
        return "no number of times";
    }
    for (u64 i = 0; i <= times; i++) {
        if (s->start_count == NOTED_VALUES_MAX) {
            return "too many start times";
        }
        struct noted_value *v = &s->values[s->start_count++];
        v->has_start = has;
        v->start_ms = ms + (i64)i * step;
    }
    return NULL;
}

// ---- what storage does -------------------------------------------------------------------------

enum hist_reset noted_hint(const struct hist *before, const struct hist *h)
{
    struct hist unknown = *h;
    if (h->reset == HIST_RESET_GAUGE) {
        return HIST_RESET_GAUGE;
    }
    if (!before || before->reset == HIST_RESET_GAUGE || h->reset == HIST_RESET_YES ||
        h->schema != before->schema || h->zero_threshold != before->zero_threshold ||
        h->custom_bound_count != before->custom_bound_count) {
        return HIST_RESET_UNKNOWN;
    }
    for (u32 i = 0; i < h->custom_bound_count; i++) {
        if (h->custom_bounds[i] != before->custom_bounds[i]) {
            return HIST_RESET_UNKNOWN;
        }
    }
    unknown.reset = HIST_RESET_UNKNOWN;
    return hist_is_reset(before, &unknown) ? HIST_RESET_UNKNOWN : HIST_RESET_NO;
}

// A classic histogram's buckets at a time. Threads: owned.
struct classic {
    f64 upper[BUCKETS_MAX];
    f64 count[BUCKETS_MAX]; // Of all up to the bound.
    u32 n;
};

// Of bounds that are written in several ways the first counts.
static void put_bucket(struct classic *c, f64 upper, f64 count)
{
    u32 at = 0;
    while (at < c->n && c->upper[at] < upper) {
        at++;
    }
    if ((at < c->n && c->upper[at] == upper) || c->n == BUCKETS_MAX) {
        return;
    }
    for (u32 i = c->n; i > at; i--) {
        c->upper[i] = c->upper[i - 1];
        c->count[i] = c->count[i - 1];
    }
    c->upper[at] = upper;
    c->count[at] = count;
    c->n++;
}

// The labels of the histogram that a series with this ending is part of; false if it is of none.
static bool whole_labels(const struct noted_series *s, str ending, struct arena *a,
                         struct labels *out)
{
    str name = labels_get(s->labels, LABEL_NAME);
    struct labels_builder b;
    if (!str_ends(name, ending)) {
        return false;
    }
    labels_builder_init(&b, a, s->labels);
    labels_builder_set(&b, LABEL_NAME, str_sub(name, 0, name.len - ending.len));
    labels_builder_del(&b, LABEL_LE);
    *out = labels_builder_take(&b);
    return true;
}

static bool is_part(const struct noted_series *s, str ending, struct labels whole, struct arena *a)
{
    struct labels ls;
    return whole_labels(s, ending, a, &ls) && labels_eq(ls, whole);
}

static const struct hist *custom_of(const struct classic *c, f64 sum, const f64 *total,
                                    struct arena *a)
{
    u32 bounds = c->n > 0 && isinf(c->upper[c->n - 1]) ? c->n - 1 : c->n;
    f64 *counts = ARENA_NEW_N(a, f64, (size_t)c->n + 1);
    f64 *uppers = ARENA_NEW_N(a, f64, (size_t)c->n + 1);
    struct hist *h = ARENA_NEW(a, struct hist);
    f64 before = 0;
    *h = (struct hist){.schema = HIST_SCHEMA_CUSTOM, .is_float = true, .sum = sum};
    h->count = total ? *total : c->count[c->n - 1];
    for (u32 i = 0; i <= bounds; i++) {
        f64 count = i < c->n ? c->count[i] : h->count;
        uppers[i] = i < bounds ? c->upper[i] : 0;
        counts[i] = count - before;
        before = count;
    }
    h->custom_bounds = uppers;
    h->custom_bound_count = bounds;
    h->positive.buckets = counts;
    h->positive.bucket_count = bounds + 1;
    set_span(&h->positive, 0, a);
    return h;
}

static bool value_at(const struct noted_series *s, u32 i, f64 *v)
{
    if (i >= s->count || !s->values[i].has || s->values[i].hist) {
        return false;
    }
    *v = s->values[i].value;
    return true;
}

static void convert(const struct noted_series *all, u32 count, struct noted_series *out,
                    struct arena *a)
{
    u32 length = 0;
    for (u32 k = 0; k < count; k++) {
        length = MAX(length, all[k].count);
    }
    for (u32 i = 0; i < length; i++) {
        struct classic c = {.n = 0};
        f64 sum = 0;
        f64 total = 0;
        bool has_total = false;
        for (u32 k = 0; k < count; k++) {
            f64 v;
            f64 upper;
            if (!value_at(&all[k], i, &v)) {
                continue;
            }
            if (is_part(&all[k], STR("_bucket"), out->labels, a) &&
                num_parse(labels_get(all[k].labels, LABEL_LE), &upper)) {
                put_bucket(&c, upper, v);
            } else if (is_part(&all[k], STR("_sum"), out->labels, a)) {
                sum = v;
            } else if (is_part(&all[k], STR("_count"), out->labels, a)) {
                total = v;
                has_total = true;
            }
        }
        struct noted_value v = {.has = c.n > 0};
        if (c.n > 0) {
            v.hist = custom_of(&c, sum, has_total ? &total : NULL, a);
        }
        (void)add_value(out, v);
    }
}

u32 noted_from_classic(const struct noted_series *all, u32 count, struct noted_series *out,
                       u32 out_max, struct arena *a)
{
    u32 n = 0;
    for (u32 k = 0; k < count && n < out_max; k++) {
        struct labels ls;
        bool known = false;
        if (!labels_has(all[k].labels, LABEL_LE) ||
            !whole_labels(&all[k], STR("_bucket"), a, &ls)) {
            continue;
        }
        for (u32 i = 0; i < n; i++) {
            known = known || labels_eq(out[i].labels, ls);
        }
        if (!known) {
            (void)noted_init(&out[n], a);
            out[n].labels = ls;
            convert(all, count, &out[n++], a);
        }
    }
    return n;
}

// ---- comparing ---------------------------------------------------------------------------------

bool noted_almost(f64 a, f64 b)
{
    if (a == b || (isnan(a) && isnan(b))) {
        return true;
    }
    f64 sum = fabs(a) + fabs(b);
    f64 diff = fabs(a - b);
    if (a == 0 || b == 0 || sum < DBL_MIN) {
        return diff < 1e-6 * DBL_MIN;
    }
    return diff / fmin(sum, DBL_MAX) < 1e-6;
}

static bool next_populated(struct hist_walk *w)
{
    while (hist_walk_next(w)) {
        if (w->count != 0) {
            return true;
        }
    }
    return false;
}

static bool same_side(const struct hist_side *a, const struct hist_side *b)
{
    struct hist_walk x;
    struct hist_walk y;
    hist_walk_begin(&x, a);
    hist_walk_begin(&y, b);
    while (next_populated(&x)) {
        if (!next_populated(&y) || x.index != y.index || !noted_almost(x.count, y.count)) {
            return false;
        }
    }
    return !next_populated(&y);
}

bool noted_same_hist(const struct noted_value *want, const struct hist *got)
{
    const struct hist *h = want->hist;
    if (!h != !got || (h && want->has_hint && h->reset != got->reset)) {
        return false;
    }
    if (!h) {
        return true;
    }
    for (u32 i = 0; i < h->custom_bound_count && i < got->custom_bound_count; i++) {
        if (h->custom_bounds[i] != got->custom_bounds[i]) {
            return false;
        }
    }
    return h->schema == got->schema && h->custom_bound_count == got->custom_bound_count &&
           h->zero_threshold == got->zero_threshold && noted_almost(h->count, got->count) &&
           noted_almost(h->sum, got->sum) && noted_almost(h->zero_count, got->zero_count) &&
           same_side(&h->positive, &got->positive) && same_side(&h->negative, &got->negative);
}
