// hist_bucket.c: see hist_bucket.h.
#include "model/hist_bucket.h"

#include "base/buf.h"
#include "base/num.h"
#include "base/str.h"

#include <float.h>
#include <math.h>

#define SCHEMA_MAX   8
#define EXPONENT_END 1024 // 2^1024 is beyond the largest number.

// 2^(1/2^i): by how much bounds grow that i halvings of an octave put in.
static const f64 growth[SCHEMA_MAX + 1] = {
    2,
    0x1.6a09e667f3bcdp+0,
    0x1.306fe0a31b715p+0,
    0x1.172b83c7d517bp+0,
    0x1.0b5586cf9890fp+0,
    0x1.059b0d3158574p+0,
    0x1.02c9a3e778061p+0,
    0x1.0163da9fb3335p+0,
    0x1.00b1afa5abcbfp+0,
};
#define HALF_OCTAVE 0x1.6a09e667f3bccp-1 // The one bound that the tables have rounded down.

// The tables were made octave by octave: each halving puts one bound behind every bound there is.
static f64 octave_bound(i32 schema, u32 part)
{
    f64 bound = 0.5;
    for (i32 level = 1; level <= schema; level++) {
        if ((part >> (schema - level)) & 1) {
            bound = level == 1 ? HALF_OCTAVE : bound * growth[level];
        }
    }
    return bound;
}

static f64 scaled(f64 fraction, i64 exponent)
{
    return ldexp(fraction, (int)MAX(MIN(exponent, 2000), -2000));
}

f64 hist_exponential_bound(i32 schema, i64 index)
{
    DCHECK(schema >= -4 && schema <= SCHEMA_MAX);
    if (schema <= 0) {
        i64 exponent = index * ((i64)1 << -schema);
        return exponent == EXPONENT_END ? DBL_MAX : scaled(1, exponent);
    }
    u32 part = (u32)(index & (((i64)1 << schema) - 1));
    i64 exponent = (index >> schema) + 1;
    if (part == 0 && exponent == EXPONENT_END + 1) {
        return DBL_MAX; // The last finite bucket ends there.
    }
    return scaled(octave_bound(schema, part), exponent);
}

f64 hist_bound(const struct hist *h, i64 index)
{
    if (!hist_is_custom(h)) {
        return hist_exponential_bound(h->schema, index);
    }
    if (index < 0) {
        return -INFINITY;
    }
    return index < (i64)h->custom_bound_count ? h->custom_bounds[index] : INFINITY;
}

// ---- one side ----------------------------------------------------------------------------------

void hist_walk_begin(struct hist_walk *w, const struct hist_side *side)
{
    *w = (struct hist_walk){.side = side, .index = -1};
    if (side->span_count > 0) {
        w->index = (i64)side->spans[0].offset - 1;
    }
}

bool hist_walk_next(struct hist_walk *w)
{
    const struct hist_side *s = w->side;
    while (w->span < s->span_count && w->in_span == s->spans[w->span].length) {
        w->span++;
        w->in_span = 0;
        if (w->span < s->span_count) {
            w->index += s->spans[w->span].offset;
        }
    }
    if (w->span >= s->span_count || w->at >= s->bucket_count) {
        return false;
    }
    w->index++;
    w->in_span++;
    w->count = s->buckets[w->at++];
    return true;
}

void hist_walk_end(struct hist_walk *w, const struct hist_side *side)
{
    *w = (struct hist_walk){.side = side, .span = side->span_count};
    for (u32 i = 0; i < side->span_count; i++) {
        w->index += (i64)side->spans[i].offset + (i64)side->spans[i].length;
    }
    w->at = side->bucket_count;
}

// Here in_span counts what is left of the span, index is that of the bucket given last.
bool hist_walk_back(struct hist_walk *w)
{
    const struct hist_side *s = w->side;
    while (w->in_span == 0) {
        if (w->span == 0) {
            return false;
        }
        if (w->span < s->span_count) {
            w->index -= s->spans[w->span].offset;
        }
        w->span--;
        w->in_span = s->spans[w->span].length;
    }
    if (w->at == 0) {
        return false;
    }
    w->index--;
    w->in_span--;
    w->count = s->buckets[--w->at];
    return true;
}

f64 hist_bucket_share(const struct hist_bucket *b, f64 v)
{
    f64 low = log2(fabs(b->lower));
    f64 high = log2(fabs(b->upper));
    f64 at = log2(fabs(v));
    return v > 0 ? (at - low) / (high - low) : 1 - (at - high) / (low - high);
}

// ---- all of them -------------------------------------------------------------------------------

enum { PART_FIRST, PART_ZERO, PART_LAST, PART_COUNT };

static void begin_part(struct hist_scan *s)
{
    // The negative side's indexes rise away from zero.
    bool negative = s->back == (s->part == PART_LAST);
    const struct hist_side *side = negative ? &s->h->negative : &s->h->positive;
    if (s->part == PART_FIRST) {
        hist_walk_end(&s->walk, side);
    } else if (s->part == PART_LAST) {
        hist_walk_begin(&s->walk, side);
    }
}

void hist_scan_begin(struct hist_scan *s, const struct hist *h, bool back)
{
    *s = (struct hist_scan){.h = h, .back = back};
    begin_part(s);
}

static bool scan_side(struct hist_scan *s, struct hist_bucket *out)
{
    bool first = s->part == PART_FIRST;
    if (!(first ? hist_walk_back(&s->walk) : hist_walk_next(&s->walk))) {
        return false;
    }
    f64 outer = hist_bound(s->h, s->walk.index);
    f64 inner = hist_bound(s->h, s->walk.index - 1);
    bool negative = s->back != first;
    *out = (struct hist_bucket){.lower = negative ? -outer : inner,
                                .upper = negative ? -inner : outer,
                                .count = s->walk.count};
    return true;
}

bool hist_scan_next(struct hist_scan *s, struct hist_bucket *out)
{
    while (s->part < PART_COUNT) {
        if (s->part != PART_ZERO && scan_side(s, out)) {
            return true;
        }
        bool gives_zero = s->part == PART_ZERO && s->h->zero_count > 0;
        s->part++;
        begin_part(s);
        if (gives_zero) {
            *out =
                (struct hist_bucket){-s->h->zero_threshold, s->h->zero_threshold, s->h->zero_count};
            return true;
        }
    }
    return false;
}

// ---- text --------------------------------------------------------------------------------------

static void print_number(struct buf *out, f64 v)
{
    char text[NUM_TEXT_MAX];
    buf_str(out, str_make(text, num_go(text, v)));
}

static void print_bucket(struct buf *out, const struct hist_bucket *b, bool is_zero)
{
    buf_c(out, is_zero || b->lower < 0 ? ", [" : ", (");
    print_number(out, b->lower);
    buf_byte(out, ',');
    print_number(out, b->upper);
    buf_c(out, is_zero || b->upper > 0 ? "]:" : "):");
    print_number(out, b->count);
}

void hist_print(struct buf *out, const struct hist *h)
{
    struct hist_scan s;
    struct hist_bucket b;
    // A scan leaves the zero bucket out when arithmetic has made it negative or NaN.
    bool has_zero = h->zero_count == 0;
    const struct hist_bucket zero = {-h->zero_threshold, h->zero_threshold, h->zero_count};
    buf_c(out, "{count:");
    print_number(out, h->count);
    buf_c(out, ", sum:");
    print_number(out, h->sum);
    hist_scan_begin(&s, h, false);
    while (hist_scan_next(&s, &b)) {
        bool is_zero = !has_zero && b.lower == zero.lower && b.upper == zero.upper;
        if (!has_zero && !is_zero && b.lower >= 0) {
            print_bucket(out, &zero, true);
            has_zero = true;
        }
        if (b.count != 0) {
            print_bucket(out, &b, is_zero);
        }
        has_zero = has_zero || is_zero;
    }
    if (!has_zero) {
        print_bucket(out, &zero, true);
    }
    buf_byte(out, '}');
}
