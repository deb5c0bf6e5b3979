// hist.c: native histograms: what makes one valid, copies, equality.

#include "model/hist.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "model/sample.h"

#include <math.h>
#include <stdalign.h>

#define SCHEMA_MIN (-4)
#define SCHEMA_MAX 8

static bool count_sane(const struct hist *h, f64 v)
{
    return h->is_float || (isfinite(v) && v == trunc(v)); // Integers stay integers.
}

static bool check_spans(const struct hist_side *s, const char *side, bool first_negative,
                        i64 *length, struct error *e)
{
    u64 buckets = 0;
    i64 at = 0;
    for (u32 i = 0; i < s->span_count; i++) {
        const struct hist_span *span = &s->spans[i];
        if (span->offset < 0 && (i > 0 || !first_negative)) {
            return err_set(e, ERR_INVALID,
                           "%s side: span number %u with offset %d: histogram has a span whose "
                           "offset is negative",
                           side, i + 1, span->offset);
        }
        buckets += span->length;
        at += (i64)span->offset + (i64)span->length;
        if (buckets > s->bucket_count || at > INT32_MAX) {
            break;
        }
    }
    if (at > INT32_MAX) {
        return err_set(e, ERR_INVALID, "%s side: spans reach beyond bucket %d", side, INT32_MAX);
    }
    if (buckets != s->bucket_count) {
        return err_set(e, ERR_INVALID,
                       "%s side: spans need %s%llu buckets, have %u buckets: histogram spans "
                       "specify different number of buckets than provided",
                       side, buckets > s->bucket_count ? "at least " : "",
                       (unsigned long long)buckets, s->bucket_count);
    }
    *length = at;
    return true;
}

static bool check_buckets(const struct hist *h, const struct hist_side *s, const char *side,
                          f64 *sum, struct error *e)
{
    for (u32 i = 0; i < s->bucket_count; i++) {
        const f64 v = s->buckets[i];
        if (v < 0) {
            return err_set(e, ERR_INVALID,
                           "%s side: bucket number %u has observation count of %g: histogram has "
                           "a bucket whose observation count is negative",
                           side, i + 1, v);
        }
        if (!count_sane(h, v)) {
            return err_set(e, ERR_INVALID, "%s side: bucket number %u is not a whole count", side,
                           i + 1);
        }
        *sum += v;
    }
    return true;
}

static bool check_side(const struct hist *h, const struct hist_side *s, const char *side,
                       i64 *length, f64 *sum, struct error *e)
{
    if (s->bucket_count > HIST_BUCKETS_MAX || s->span_count > HIST_BUCKETS_MAX) {
        return err_set(e, ERR_LIMIT, "%s side: %u buckets in %u spans are more than %d", side,
                       s->bucket_count, s->span_count, HIST_BUCKETS_MAX);
    }
    return check_spans(s, side, h->schema != HIST_SCHEMA_CUSTOM, length, e) &&
           check_buckets(h, s, side, sum, e);
}

static bool check_bounds(const struct hist *h, i64 length, struct error *e)
{
    if (h->custom_bound_count > HIST_BUCKETS_MAX) {
        return err_set(e, ERR_LIMIT, "%u custom bounds are more than %d", h->custom_bound_count,
                       HIST_BUCKETS_MAX);
    }
    f64 before = -INFINITY;
    for (u32 i = 0; i < h->custom_bound_count; i++) {
        const f64 bound = h->custom_bounds[i];
        if (!(bound > before)) { // NaN too.
            return err_set(e, ERR_INVALID,
                           "previous bound is %f and current is %f: histogram custom bounds must "
                           "be in strictly increasing order",
                           before, bound);
        }
        before = bound;
    }
    if (before == (f64)INFINITY) {
        return err_set(e, ERR_INVALID,
                       "last +Inf bound must not be explicitly defined: histogram custom bounds "
                       "must be finite");
    }
    if (length > (i64)h->custom_bound_count + 1) {
        return err_set(e, ERR_INVALID,
                       "only %u custom bounds defined which is insufficient to cover total span "
                       "length of %lld: histogram custom bounds are too few",
                       h->custom_bound_count, (long long)length);
    }
    return true;
}

static bool check_schema(const struct hist *h, i64 positive_length, struct error *e)
{
    if (h->schema == HIST_SCHEMA_CUSTOM) {
        if (h->zero_count != 0) {
            return err_set(e, ERR_INVALID, "custom buckets: must have zero count of 0");
        }
        if (h->zero_threshold != 0) {
            return err_set(e, ERR_INVALID, "custom buckets: must have zero threshold of 0");
        }
        if (h->negative.span_count > 0 || h->negative.bucket_count > 0) {
            return err_set(e, ERR_INVALID,
                           "custom buckets: must not have negative spans or buckets");
        }
        return check_bounds(h, positive_length, e);
    }
    if (h->schema < SCHEMA_MIN || h->schema > SCHEMA_MAX) {
        return err_set(e, ERR_INVALID, "histogram has an invalid schema %d, must be %d..%d or %d",
                       h->schema, SCHEMA_MIN, SCHEMA_MAX, HIST_SCHEMA_CUSTOM);
    }
    if (h->custom_bound_count > 0) {
        return err_set(e, ERR_INVALID,
                       "histogram with exponential schema must not have custom bounds");
    }
    if (!(h->zero_threshold >= 0)) {
        return err_set(e, ERR_INVALID, "histogram has a zero threshold of %g", h->zero_threshold);
    }
    return true;
}

static bool check_count(const struct hist *h, f64 in_buckets, struct error *e)
{
    if (h->count < 0 || h->zero_count < 0) {
        return err_set(e, ERR_INVALID, "histogram has a negative count");
    }
    if (!count_sane(h, h->count) || !count_sane(h, h->zero_count)) {
        return err_set(e, ERR_INVALID, "integer histogram has a count that is not whole");
    }
    // Rounding makes the comparison unfair to float histograms, so upstream does without as well.
    if (h->is_float) {
        return true;
    }
    const f64 sum = in_buckets + h->zero_count;
    if (isnan(h->sum) ? sum > h->count : sum != h->count) {
        return err_set(e, ERR_INVALID,
                       "%.0f observations found in buckets, but the Count field is %.0f: "
                       "histogram's observation count should %s the number of observations found "
                       "in the buckets%s",
                       sum, h->count, isnan(h->sum) ? "be at least" : "equal",
                       isnan(h->sum) ? "" : " (in absence of NaN)");
    }
    return true;
}

bool hist_check(const struct hist *h, struct error *e)
{
    f64 in_buckets = 0;
    i64 length = 0;
    i64 positive_length = 0;
    if (!check_side(h, &h->negative, "negative", &length, &in_buckets, e) ||
        !check_side(h, &h->positive, "positive", &positive_length, &in_buckets, e)) {
        return false;
    }
    return check_schema(h, positive_length, e) && check_count(h, in_buckets, e);
}

static const void *block_put(char **to, const void *from, size_t bytes)
{
    if (bytes == 0) {
        return NULL;
    }
    memcpy(*to, from, bytes);
    const void *copy = *to;
    *to += bytes;
    return copy;
}

static size_t side_bytes(const struct hist_side *s)
{
    return s->bucket_count * sizeof(s->buckets[0]) + s->span_count * sizeof(s->spans[0]);
}

static void side_copy(struct hist_side *to, const struct hist_side *from, char **bytes)
{
    *to = *from;
    to->buckets = block_put(bytes, from->buckets, from->bucket_count * sizeof(from->buckets[0]));
    to->spans = block_put(bytes, from->spans, from->span_count * sizeof(from->spans[0]));
}

size_t hist_bytes(const struct hist *h)
{
    return sizeof(*h) + side_bytes(&h->positive) + side_bytes(&h->negative) +
           h->custom_bound_count * sizeof(f64);
}

struct hist *hist_copy(struct arena *a, const struct hist *h)
{
    static_assert(sizeof(struct hist) % alignof(f64) == 0, "columns follow the head aligned");
    static_assert(sizeof(struct hist_span) % alignof(f64) == 0, "and follow each other so");
    struct hist *copy = arena_raw(a, 1, hist_bytes(h));
    char *rest = (char *)(copy + 1);
    *copy = *h;
    side_copy(&copy->positive, &h->positive, &rest);
    side_copy(&copy->negative, &h->negative, &rest);
    copy->custom_bounds = block_put(&rest, h->custom_bounds, h->custom_bound_count * sizeof(f64));
    return copy;
}

static bool same(const void *a, const void *b, size_t bytes)
{
    return bytes == 0 || memcmp(a, b, bytes) == 0;
}

static bool side_eq(const struct hist_side *a, const struct hist_side *b)
{
    return a->span_count == b->span_count && a->bucket_count == b->bucket_count &&
           same(a->spans, b->spans, a->span_count * sizeof(a->spans[0])) &&
           same(a->buckets, b->buckets, a->bucket_count * sizeof(a->buckets[0]));
}

bool hist_eq(const struct hist *a, const struct hist *b)
{
    return a->schema == b->schema && a->reset == b->reset && a->is_float == b->is_float &&
           bits_of_f64(a->zero_threshold) == bits_of_f64(b->zero_threshold) &&
           bits_of_f64(a->zero_count) == bits_of_f64(b->zero_count) &&
           bits_of_f64(a->count) == bits_of_f64(b->count) &&
           bits_of_f64(a->sum) == bits_of_f64(b->sum) && side_eq(&a->positive, &b->positive) &&
           side_eq(&a->negative, &b->negative) && a->custom_bound_count == b->custom_bound_count &&
           same(a->custom_bounds, b->custom_bounds, a->custom_bound_count * sizeof(f64));
}

bool hist_is_stale(const struct hist *h)
{
    return is_stale_nan(h->sum);
}
