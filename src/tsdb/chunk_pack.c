#include "tsdb/chunk_pack.h"

#include "base/bits.h"
#include "base/buf.h"
#include "base/error.h"
#include "tsdb/int_pack.h"

#include <math.h>

// First byte: transform in the two high bits, then the exception flag, then int_pack's five.
enum transform { TRANSFORM_INT, TRANSFORM_DEC, TRANSFORM_ULP, TRANSFORM_BITS };
#define TRANSFORM_SHIFT  6
#define CHUNK_EXCEPTIONS 0x20U

enum { EXPONENT_MAX = 17, EXPONENT_TRIES = 6 };
#define DEC_LIMIT 9007199254740992.0 // 2^53: beyond it an integer is not one double.

static_assert((int)CHUNK_VALUES_MAX <= (int)INT_PACK_MAX, "a chunk is one int_pack column");

static const f64 pow10_table[EXPONENT_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,
                                                  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17};

// The integers of one transform with the positions that do not fit it.
struct attempt {
    i64 ints[CHUNK_VALUES_MAX];
    u16 exceptions[CHUNK_VALUES_MAX];
    u32 exception_count;
    u32 exponent;
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

static bool dec_of_value(f64 v, u32 exponent, i64 *out)
{
    if (exponent == 0) {
        return int_of(v, out);
    }
    const f64 scaled = v * pow10_table[exponent];
    if (!(scaled > -DEC_LIMIT && scaled < DEC_LIMIT)) {
        return false;
    }
    const i64 i = (i64)nearbyint(scaled);
    if (bits_of_f64((f64)i / pow10_table[exponent]) != bits_of_f64(v)) {
        return false;
    }
    *out = i;
    return true;
}

// Fills a for this exponent; stops early once there are more than exceptions_max.
// *first_bad is the first position that did not fit.
static bool attempt_fill(struct attempt *a, const f64 *values, u32 n, u32 exceptions_max,
                         u32 *first_bad)
{
    i64 previous = 0;
    u32 leading = 0; // Holes before the first integer.
    a->exception_count = 0;
    for (u32 i = 0; i < n; i++) {
        if (dec_of_value(values[i], a->exponent, &a->ints[i])) {
            previous = a->ints[i];
            continue;
        }
        leading += leading == i;
        if (a->exception_count == 0) {
            *first_bad = i;
        }
        if (a->exception_count == exceptions_max) {
            return false;
        }
        a->exceptions[a->exception_count++] = (u16)i;
        a->ints[i] = previous;
    }
    for (u32 i = 0; i < leading && leading < n; i++) {
        a->ints[i] = a->ints[leading]; // They repeat the first integer.
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

// The smallest exponent above a's under which one of the values that do not fit now does.
static u32 exponent_raised(const struct attempt *a, const f64 *values, u32 first_bad, u32 n)
{
    for (u32 i = first_bad; i < n; i++) {
        i64 ignored;
        if (!dec_of_value(values[i], a->exponent, &ignored)) {
            const u32 raised = exponent_smallest(values[i], a->exponent + 1);
            if (raised <= EXPONENT_MAX) {
                return raised;
            }
        }
    }
    return EXPONENT_MAX + 1;
}

// Looks for the exponent under which all but one in 20 values are decimals. An exponent that fits
// with exceptions is kept in mind while larger ones are tried.
static bool attempt_decimal(struct attempt *a, const f64 *values, u32 n)
{
    const u32 exceptions_max = MAX(1, n / 20);
    u32 fallback = EXPONENT_MAX + 1;
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

static void bits_write(const f64 *values, u32 n, struct buf *out)
{
    i64 raw[CHUNK_VALUES_MAX];
    memcpy(raw, values, n * sizeof(f64));
    const size_t at = out->len;
    buf_byte(out, 0);
    const u8 header = int_pack_encode(raw, n, out);
    if (buf_ok(out)) {
        out->bytes[at] = (char)(TRANSFORM_BITS << TRANSFORM_SHIFT | header);
    }
}

static void attempt_write(const struct attempt *a, const f64 *values, u32 n, struct buf *out)
{
    const size_t at = out->len;
    buf_byte(out, 0);
    if (a->exponent > 0) {
        buf_byte(out, (u8)a->exponent);
    }
    if (a->exception_count > 0) {
        exceptions_write(a, values, n, out);
    }
    const u8 header = int_pack_encode(a->ints, n, out);
    const u32 transform = a->exponent > 0 ? TRANSFORM_DEC : TRANSFORM_INT;
    if (buf_ok(out)) {
        out->bytes[at] = (char)(transform << TRANSFORM_SHIFT |
                                (a->exception_count > 0 ? CHUNK_EXCEPTIONS : 0) | header);
    }
}

void chunk_pack_encode(const f64 *values, u32 n, struct buf *out)
{
    CHECK(n >= 1);
    CHECK(n <= CHUNK_VALUES_MAX);
    struct attempt a;
    if (!attempt_decimal(&a, values, n)) {
        bits_write(values, n, out);
        return;
    }
    const size_t at = out->len;
    attempt_write(&a, values, n, out);
    if (a.exception_count == 0 || !buf_ok(out)) {
        return;
    }
    // With exceptions the raw bits may still be smaller (a constant NaN): the one trial encoding.
    struct buf raw;
    buf_init(&raw, out->max);
    bits_write(values, n, &raw);
    if (buf_ok(&raw) && raw.len < out->len - at) {
        out->len = at;
        buf_add(out, raw.bytes, raw.len);
    }
    buf_fini(&raw);
}

// ---- reading ----

struct chunk_exceptions {
    u16 positions[CHUNK_VALUES_MAX];
    f64 values[CHUNK_VALUES_MAX];
    u32 count;
};

static bool exceptions_read(struct dec *d, u32 n, struct chunk_exceptions *x)
{
    const u64 count = dec_varint(d);
    if (!dec_ok(d) || count == 0 || count > n) {
        return false;
    }
    x->count = (u32)count;
    for (u32 i = 0; i < x->count; i++) {
        x->positions[i] = n <= 256 ? dec_u8(d) : dec_le16(d);
        if (x->positions[i] >= n) {
            return false;
        }
    }
    for (u32 i = 0; i < x->count; i++) {
        x->values[i] = dec_f64(d);
    }
    return dec_ok(d);
}

static bool chunk_read(struct dec *d, u32 n, f64 *values)
{
    const u8 first = dec_u8(d);
    const u32 transform = first >> TRANSFORM_SHIFT;
    const u32 exponent = transform == TRANSFORM_DEC ? dec_u8(d) : 0;
    if (!dec_ok(d) || transform == TRANSFORM_ULP || exponent > EXPONENT_MAX ||
        (transform == TRANSFORM_DEC && exponent == 0)) {
        return false;
    }
    struct chunk_exceptions x;
    x.count = 0;
    if ((first & CHUNK_EXCEPTIONS) && !exceptions_read(d, n, &x)) {
        return false;
    }
    i64 ints[INT_PACK_MAX];
    if (!int_pack_decode(d, first & INT_PACK_HEADER, n, ints) || dec_left(d) != 0) {
        return false;
    }
    if (transform == TRANSFORM_BITS) {
        memcpy(values, ints, n * sizeof(f64));
    } else if (exponent == 0) {
        for (u32 i = 0; i < n; i++) {
            values[i] = (f64)ints[i];
        }
    } else {
        const f64 divisor = pow10_table[exponent];
        for (u32 i = 0; i < n; i++) {
            values[i] = (f64)ints[i] / divisor;
        }
    }
    for (u32 i = 0; i < x.count; i++) {
        values[x.positions[i]] = x.values[i];
    }
    return true;
}

bool chunk_pack_decode(str bytes, u32 n, f64 *values, struct error *e)
{
    struct dec d = dec_of(bytes);
    if (n < 1 || n > CHUNK_VALUES_MAX || !chunk_read(&d, n, values)) {
        return err_set(e, ERR_CORRUPT, "chunk of %u values, %zu bytes: contradiction at byte %zu",
                       n, bytes.len, dec_offset(&d));
    }
    return true;
}
