#include "tsdb/chunk_pack.h"

#include "base/bits.h"
#include "base/buf.h"
#include "base/error.h"
#include "tsdb/chunk_form.h"
#include "tsdb/chunk_unpack.h"
#include "tsdb/int_pack.h"

enum { EXPONENT_TRIES = 6, ULP_SAMPLE = 64 };
#define DEC_LIMIT      9007199254740992.0 // 2^53: beyond it an integer is not one double.
#define DEC_HALF_LIMIT 4503599627370496.0 // 2^52: from here on a double has no fraction.
#define ULP_FAR        ((u64)1 << 40)     // A last-place correction beyond it is an exception.
#define PACKED_MAX     ((size_t)1 << 14)  // Any chunk is smaller.

static_assert((int)CHUNK_VALUES_MAX <= (int)INT_PACK_MAX, "a chunk is one int_pack column");

// The integers of one transform with the positions that do not fit it.
struct attempt {
    enum transform transform;
    u32 exponent;
    u32 exception_count;
    i64 ints[CHUNK_VALUES_MAX];
    i64 ulps[CHUNK_VALUES_MAX]; // TRANSFORM_ULP only.
    u16 exceptions[CHUNK_VALUES_MAX];
};

static bool int_of(f64 v, i64 *out)
{
    // The upper bound is exclusive: 2^63 itself does not fit.
    if (!(v >= -9223372036854775808.0 && v < 9223372036854775808.0)) {
        return false;
    }
    const i64 i = (i64)v;
    if (bits_of_f64((f64)i) != bits_of_f64(v)) {
        return false; // A fraction, or -0.
    }
    *out = i;
    return true;
}

// The nearest integer to v · 10^exponent if it is below 2^53, else false.
static bool scale(f64 v, u32 exponent, i64 *out)
{
    const f64 scaled = v * chunk_pow10[exponent];
    if (!(scaled > -DEC_LIMIT && scaled < DEC_LIMIT)) {
        return false;
    }
    // Any rounding would do, since whoever asks verifies; a call of nearbyint costs more.
    const bool whole = scaled >= DEC_HALF_LIMIT || scaled <= -DEC_HALF_LIMIT;
    *out = (i64)(whole ? scaled : scaled + (scaled < 0 ? -0.5 : 0.5));
    return true;
}

static bool dec_of_value(f64 v, u32 exponent, i64 *out)
{
    i64 i;
    if (exponent == 0) {
        return int_of(v, out);
    }
    if (!scale(v, exponent, &i) || bits_of_f64((f64)i / chunk_pow10[exponent]) != bits_of_f64(v)) {
        return false;
    }
    *out = i;
    return true;
}

// A decimal and how many last places v is beyond it.
static bool ulp_of_value(f64 v, u32 exponent, i64 *out, i64 *ulps)
{
    i64 i;
    if (!scale(v, exponent, &i)) {
        return false;
    }
    const i64 u = (i64)(bits_of_f64(v) - bits_of_f64((f64)i / chunk_pow10[exponent]));
    if (bits_zigzag(u) > ULP_FAR) {
        return false;
    }
    *out = i;
    *ulps = u;
    return true;
}

static bool value_fits(struct attempt *a, f64 v, u32 at)
{
    if (a->transform == TRANSFORM_ULP) {
        return ulp_of_value(v, a->exponent, &a->ints[at], &a->ulps[at]);
    }
    return dec_of_value(v, a->exponent, &a->ints[at]);
}

// Holes repeat the integers before them, so that they cost nothing.
static void hole_fill(struct attempt *a, u32 at, u32 from)
{
    a->ints[at] = a->ints[from];
    if (a->transform == TRANSFORM_ULP) {
        a->ulps[at] = a->ulps[from];
    }
}

// Fills a for its transform and exponent; stops early once there are more than exceptions_max.
// *first_bad is the first position that did not fit.
static bool attempt_fill(struct attempt *a, const f64 *values, u32 n, u32 exceptions_max,
                         u32 *first_bad)
{
    u32 leading = 0; // Holes before the first integer.
    a->exception_count = 0;
    for (u32 i = 0; i < n; i++) {
        if (value_fits(a, values[i], i)) {
            continue;
        }
        if (a->exception_count == 0) {
            *first_bad = i;
        }
        if (a->exception_count == exceptions_max) {
            return false;
        }
        a->exceptions[a->exception_count++] = (u16)i;
        if (leading == i) {
            leading++;
        } else {
            hole_fill(a, i, i - 1);
        }
    }
    if (leading == n) {
        a->ints[0] = 0;
        a->ulps[0] = 0;
        leading = 0;
        for (u32 i = 1; i < n; i++) {
            hole_fill(a, i, 0);
        }
    }
    for (u32 i = 0; i < leading; i++) {
        hole_fill(a, i, leading);
    }
    return true;
}

static u32 exponent_smallest(f64 v, u32 from)
{
    i64 ignored;
    for (u32 e = from; e <= EXPONENT_MAX; e++) {
        if (dec_of_value(v, e, &ignored)) {
            return e;
        }
    }
    return EXPONENT_MAX + 1;
}

static u32 exceptions_allowed(u32 n)
{
    return MAX(1, n / 20);
}

// The smallest exponent above a's under which one of the values that do not fit now does. None once
// more values than may be exceptions fit no exponent: most that are no decimals are told by few.
static u32 exponent_raised(const struct attempt *a, const f64 *values, u32 first_bad, u32 n)
{
    u32 hopeless = 0;
    for (u32 i = first_bad; i < n && hopeless <= exceptions_allowed(n); i++) {
        i64 ignored;
        if (!dec_of_value(values[i], a->exponent, &ignored)) {
            const u32 raised = exponent_smallest(values[i], a->exponent + 1);
            if (raised <= EXPONENT_MAX) {
                return raised;
            }
            hopeless++;
        }
    }
    return EXPONENT_MAX + 1;
}

// Looks for the exponent under which all but one in 20 values are decimals. An exponent that fits
// with exceptions is kept in mind while larger ones are tried.
static bool attempt_decimal(struct attempt *a, const f64 *values, u32 n)
{
    const u32 exceptions_max = exceptions_allowed(n);
    u32 fallback = EXPONENT_MAX + 1;
    a->transform = TRANSFORM_DEC;
    a->exponent = 0;
    for (u32 tries = 0; tries < EXPONENT_TRIES && a->exponent <= EXPONENT_MAX; tries++) {
        u32 bad = n;
        if (attempt_fill(a, values, n, exceptions_max, &bad)) {
            if (a->exception_count == 0) {
                return true;
            }
            fallback = a->exponent;
        }
        a->exponent = exponent_raised(a, values, bad, n);
    }
    if (fallback > EXPONENT_MAX) {
        return false;
    }
    u32 ignored;
    a->exponent = fallback;
    return attempt_fill(a, values, n, exceptions_max, &ignored);
}

static void exceptions_write(const struct attempt *a, const f64 *values, u32 n, struct buf *out)
{
    buf_varint(out, a->exception_count);
    for (u32 i = 0; i < a->exception_count; i++) {
        if (n <= 256) {
            buf_byte(out, (u8)a->exceptions[i]);
        } else {
            buf_le16(out, a->exceptions[i]);
        }
    }
    for (u32 i = 0; i < a->exception_count; i++) {
        buf_f64(out, values[a->exceptions[i]]);
    }
}

// Bits of the integers and corrections of a few values under this exponent, or some that are more
// than `most`.
static u64 ulp_cost(const f64 *values, u32 n, u32 exponent, u64 most)
{
    u64 bits = 0;
    i64 before = 0;
    for (u32 i = 0; i < n && bits <= most; i++) {
        i64 decimal;
        i64 ulps;
        if (!ulp_of_value(values[i], exponent, &decimal, &ulps)) {
            bits += 2ULL * WIDTH_MAX;
            continue;
        }
        bits += bits_width(bits_zigzag(ulps));
        bits += i > 0 ? bits_width(bits_zigzag(decimal - before)) : 0;
        before = decimal;
    }
    return bits;
}

// Decimals with last-place corrections: sums and quotients of decimals, which are off by a little.
static bool attempt_ulp(struct attempt *a, const f64 *values, u32 n)
{
    u64 best = UINT64_MAX;
    u32 ignored;
    a->transform = TRANSFORM_ULP;
    // From the largest down, under which corrections are mostly small: the others cost more soon.
    for (u32 e = EXPONENT_MAX + 1; e-- > 0;) {
        const u64 cost = ulp_cost(values, MIN(n, ULP_SAMPLE), e, best);
        if (cost <= best) { // The smallest of several.
            best = cost;
            a->exponent = e;
        }
    }
    return attempt_fill(a, values, n, exceptions_allowed(n), &ignored);
}

static void first_byte_put(struct buf *out, size_t at, enum transform t, u32 low_bits)
{
    if (buf_ok(out)) {
        out->bytes[at] = (char)((u32)t << TRANSFORM_SHIFT | low_bits);
    }
}

static void bits_write(const f64 *values, u32 n, struct buf *out)
{
    UNINIT i64 raw[CHUNK_VALUES_MAX];
    memcpy(raw, values, n * sizeof(f64));
    const size_t at = out->len;
    buf_byte(out, 0);
    first_byte_put(out, at, TRANSFORM_BITS, int_pack_encode(raw, n, out));
}

static void attempt_write(const struct attempt *a, const f64 *values, u32 n, struct buf *out)
{
    const size_t at = out->len;
    const u32 flag = a->exception_count > 0 ? CHUNK_EXCEPTIONS : 0;
    enum transform t = a->transform;
    if (t == TRANSFORM_DEC && a->exponent == 0) {
        t = TRANSFORM_INT;
    }
    buf_byte(out, 0);
    if (t != TRANSFORM_INT) {
        buf_byte(out, (u8)a->exponent);
    }
    if (a->exception_count > 0) {
        exceptions_write(a, values, n, out);
    }
    first_byte_put(out, at, t, flag | int_pack_encode(a->ints, n, out));
    if (t == TRANSFORM_ULP) {
        const size_t second = out->len;
        buf_byte(out, 0);
        first_byte_put(out, second, TRANSFORM_INT, int_pack_encode(a->ulps, n, out));
    }
}

// All values have the same bits: one of them tells everything.
static void constant_write(f64 value, struct buf *out)
{
    i64 i = (i64)bits_of_f64(value);
    const u32 exponent = exponent_smallest(value, 0);
    const enum transform t = exponent > EXPONENT_MAX ? TRANSFORM_BITS
                             : exponent > 0          ? TRANSFORM_DEC
                                                     : TRANSFORM_INT;
    buf_byte(out, (u8)((u32)t << TRANSFORM_SHIFT | INT_CONST));
    if (t == TRANSFORM_DEC) {
        buf_byte(out, (u8)exponent);
    }
    if (t != TRANSFORM_BITS) {
        CHECK(dec_of_value(value, exponent, &i));
    }
    buf_varsint(out, i);
}

// Puts the smallest of: decimals with exceptions (if a holds them), decimals with corrections, the
// raw bits. Only here is anything encoded on trial.
static void smallest_write(struct attempt *a, bool decimal, const f64 *values, u32 n,
                           struct buf *out)
{
    struct buf best;
    struct buf next;
    buf_init(&best, PACKED_MAX);
    buf_init(&next, PACKED_MAX);
    bits_write(values, n, &best);
    for (u32 round = 0; round < 2; round++) {
        const bool fits = round == 0 ? decimal : attempt_ulp(a, values, n);
        buf_clear(&next);
        if (fits) {
            attempt_write(a, values, n, &next);
        }
        if (fits && next.len < best.len) {
            const struct buf swap = best;
            best = next;
            next = swap;
        }
    }
    CHECK(buf_ok(&best) && buf_ok(&next));
    buf_add(out, best.bytes, best.len);
    buf_fini(&best);
    buf_fini(&next);
}

void chunk_pack_encode(const f64 *values, u32 n, struct buf *out)
{
    CHECK(n >= 1);
    CHECK(n <= CHUNK_VALUES_MAX);
    UNINIT struct attempt a;
    if (memcmp(values, values + 1, (n - 1) * sizeof(f64)) == 0) {
        constant_write(values[0], out);
        return;
    }
    const bool decimal = attempt_decimal(&a, values, n);
    if (decimal && a.exception_count == 0) {
        attempt_write(&a, values, n, out);
    } else {
        smallest_write(&a, decimal, values, n, out);
    }
}

// The bytes before the column of whole numbers over a power of ten, of which it is the first that
// is still to be written.
static void whole_end(struct buf *out, size_t at, u32 exponent, u32 header)
{
    first_byte_put(out, at, exponent > 0 ? TRANSFORM_DEC : TRANSFORM_INT, header);
}

static size_t whole_begin(u32 n, u32 exponent, struct buf *out)
{
    const size_t at = out->len;
    CHECK(n >= 1 && n <= CHUNK_VALUES_MAX && exponent <= EXPONENT_MAX);
    buf_byte(out, 0);
    if (exponent > 0) {
        buf_byte(out, (u8)exponent);
    }
    return at;
}

void chunk_pack_whole(const i64 *ints, u32 n, u32 exponent, struct buf *out)
{
    const size_t at = whole_begin(n, exponent, out);
    whole_end(out, at, exponent, int_pack_encode(ints, n, out));
}

void chunk_pack_whole_quick(const i64 *ints, u32 n, u32 exponent, struct buf *out)
{
    const size_t at = whole_begin(n, exponent, out);
    whole_end(out, at, exponent, int_pack_encode_quick(ints, n, out));
}

// Whether all values are decimals of one exponent that few tries find.
static bool attempt_quick(struct attempt *a, const f64 *values, u32 n)
{
    a->transform = TRANSFORM_DEC;
    a->exponent = 0;
    for (u32 tries = 0; tries < EXPONENT_TRIES && a->exponent <= EXPONENT_MAX; tries++) {
        u32 bad = n;
        if (attempt_fill(a, values, n, 0, &bad)) {
            return true;
        }
        a->exponent = exponent_smallest(values[bad], a->exponent + 1);
    }
    return false;
}

void chunk_pack_quick(const f64 *values, u32 n, struct buf *out)
{
    UNINIT struct attempt a;
    CHECK(n >= 1 && n <= CHUNK_VALUES_MAX);
    if (attempt_quick(&a, values, n)) {
        chunk_pack_whole_quick(a.ints, n, a.exponent, out);
        return;
    }
    const size_t at = out->len;
    memcpy(a.ints, values, n * sizeof(f64));
    buf_byte(out, 0);
    first_byte_put(out, at, TRANSFORM_BITS, int_pack_encode_quick(a.ints, n, out));
}

// ---- reading ----

// Borrowed from the chunk. Threads: owned.
struct chunk_exceptions {
    const u8 *positions;
    const u8 *values;
    u32 count;
};

static bool exceptions_read(struct dec *d, u32 n, struct chunk_exceptions *x)
{
    const u64 count = dec_varint(d);
    if (!dec_ok(d) || count == 0 || count > n) {
        return false;
    }
    x->count = (u32)count;
    x->positions = (const u8 *)dec_bytes(d, n <= 256 ? count : 2 * count).ptr;
    x->values = (const u8 *)dec_bytes(d, count * sizeof(f64)).ptr;
    return dec_ok(d);
}

static bool exceptions_apply(const struct chunk_exceptions *x, u32 n, f64 *values)
{
    for (u32 i = 0; i < x->count; i++) {
        const u8 *p = x->positions + (n <= 256 ? i : (size_t)2 * i);
        const u32 at = n <= 256 ? p[0] : (u32)p[0] | (u32)p[1] << 8;
        if (at >= n) {
            return false;
        }
        memcpy(&values[at], x->values + (size_t)i * sizeof(f64), sizeof(f64));
    }
    return true;
}

static bool corrections_apply(struct dec *d, u32 n, f64 *values)
{
    UNINIT i64 ulps[CHUNK_VALUES_MAX];
    const u8 header = dec_u8(d);
    if ((header & ~INT_PACK_HEADER) != 0 || !int_pack_decode(d, header, n, ulps)) {
        return false;
    }
    for (u32 i = 0; i < n; i++) {
        values[i] = f64_of_bits(bits_of_f64(values[i]) + (u64)ulps[i]);
    }
    return true;
}

// With exceptions, corrections or both, which few chunks have. Apart, so that the others need none
// of its room.
static __attribute__((noinline)) bool patched_read(struct dec *d, u8 first, u32 n,
                                                   const struct unpack_sink *sink)
{
    struct chunk_exceptions x = {0};
    return (!(first & CHUNK_EXCEPTIONS) || exceptions_read(d, n, &x)) &&
           column_unpack(d, first & INT_PACK_HEADER, n, sink) &&
           (first >> TRANSFORM_SHIFT != TRANSFORM_ULP || corrections_apply(d, n, sink->out)) &&
           exceptions_apply(&x, n, sink->out);
}

// NOLINTNEXTLINE(readability-non-const-parameter): written through the sink
static bool chunk_read(struct dec *d, u32 n, f64 *values, bool *rises)
{
    const u8 first = dec_u8(d);
    const enum transform transform = first >> TRANSFORM_SHIFT;
    const bool scaled = transform == TRANSFORM_DEC || transform == TRANSFORM_ULP;
    const u32 exponent = scaled ? dec_u8(d) : 0;
    if (!dec_ok(d) || exponent > EXPONENT_MAX || (transform == TRANSFORM_DEC && exponent == 0)) {
        return false;
    }
    const bool patched = transform == TRANSFORM_ULP || (first & CHUNK_EXCEPTIONS) != 0;
    const struct unpack_sink sink = {.out = values,
                                     .rises = patched ? NULL : rises,
                                     .as = transform == TRANSFORM_BITS ? UNPACK_RAW
                                           : exponent > 0              ? UNPACK_DEC
                                                                       : UNPACK_INT,
                                     .divisor = chunk_pow10[exponent]};
    const bool right = patched ? patched_read(d, first, n, &sink)
                               : column_unpack(d, first & INT_PACK_HEADER, n, &sink);
    return right && dec_left(d) == 0;
}

bool chunk_pack_decode(str bytes, u32 n, f64 *values, struct error *e)
{
    bool rises;
    return chunk_pack_decode_rise(bytes, n, values, &rises, e);
}

bool chunk_pack_decode_rise(str bytes, u32 n, f64 *values, bool *rises, struct error *e)
{
    struct dec d = dec_of(bytes);
    *rises = false;
    if (n < 1 || n > CHUNK_VALUES_MAX || !chunk_read(&d, n, values, rises)) {
        return err_set(e, ERR_CORRUPT, "chunk of %u values, %zu bytes: contradiction at byte %zu",
                       n, bytes.len, dec_offset(&d));
    }
    return true;
}

u32 chunk_pack_kind(str bytes)
{
    CHECK(bytes.len > 0);
    const u8 first = (u8)bytes.ptr[0];
    return (u32)(first >> TRANSFORM_SHIFT) * 8 + (first & INT_PACK_PLAN);
}

const char *chunk_kind_name(u32 kind)
{
    static const char *const names[CHUNK_KINDS] = {
        "int const",  "int lin",  "int for",  "int d1",  "int d2",  "int s1",  "int s2",  "int ?",
        "dec const",  "dec lin",  "dec for",  "dec d1",  "dec d2",  "dec s1",  "dec s2",  "dec ?",
        "ulp const",  "ulp lin",  "ulp for",  "ulp d1",  "ulp d2",  "ulp s1",  "ulp s2",  "ulp ?",
        "bits const", "bits lin", "bits for", "bits d1", "bits d2", "bits s1", "bits s2", "bits ?"};
    CHECK(kind < CHUNK_KINDS);
    return names[kind];
}
