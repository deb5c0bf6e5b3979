#include "tsdb/chunk_plain.h"

#include "base/bits.h"
#include "base/dec.h"
#include "tsdb/chunk_pack.h"
#include "tsdb/int_pack.h"

// The numbers of the format are spelt out here once more, so that a slip in chunk_form.h shows.

static u64 bits_take(const u8 *bytes, u64 at, u32 width)
{
    u64 v = 0;
    for (u32 k = 0; k < width; k++) {
        v |= (u64)(bytes[(at + k) / 8] >> ((at + k) % 8) & 1) << k;
    }
    return v;
}

static u64 residual_plain(u64 packed, bool based, u64 base, bool unsigned_too)
{
    if (based) {
        return packed + base;
    }
    return unsigned_too ? packed : (u64)bits_unzigzag(packed);
}

// Residuals as signed integers; unsigned_too: FOR, which has neither zigzag nor base.
static bool residuals_plain(struct dec *d, bool mb, bool unsigned_too, u32 count, u64 *out)
{
    const u8 first = dec_u8(d);
    const u8 second = mb ? dec_u8(d) : 0;
    const bool based = first >> 7;
    const u32 smallest = first & 0x7F;
    const u32 step = (second & 0x3FU) + 1;
    const u32 code_bits = 1U << (second >> 6);
    const u64 base = based ? (u64)dec_varsint(d) : 0;
    const u32 groups = (count + 7) / 8;
    if (smallest > 64 || code_bits > 4 || (!mb && smallest > 57 && smallest < 64) ||
        (based && unsigned_too)) {
        return false;
    }
    const str codes = dec_bytes(d, mb ? ((u64)groups * code_bits + 7) / 8 : 0);
    for (u32 g = 0; g < groups && dec_ok(d); g++) {
        u32 width = smallest;
        if (mb) {
            width += step * (u32)bits_take((const u8 *)codes.ptr, (u64)g * code_bits, code_bits);
            width = width > 57 ? 64 : width;
        }
        const u32 here = MIN(8, count - 8 * g);
        const str packed = dec_bytes(d, ((u64)here * width + 7) / 8);
        for (u32 k = 0; k < here && dec_ok(d); k++) {
            const u64 v = bits_take((const u8 *)packed.ptr, (u64)k * width, width);
            out[8 * g + k] = residual_plain(v, based, base, unsigned_too);
        }
    }
    return dec_ok(d);
}

static bool sparse_plain(struct dec *d, bool mb, u32 count, u64 *out)
{
    const u64 head = dec_varint(d);
    const u64 set = head / 2;
    u32 width = 0;
    while ((count - 1) >> width) {
        width++;
    }
    if (!dec_ok(d) || set == 0 || set > count) {
        return false;
    }
    const str places = dec_bytes(d, head % 2 ? (count + 7) / 8 : (set * width + 7) / 8);
    bool there[INT_PACK_MAX + 8] = {false};
    u64 found = 0;
    for (u32 i = 0; head % 2 && dec_ok(d) && i < (count + 7) / 8 * 8; i++) {
        there[i] = bits_take((const u8 *)places.ptr, i, 1);
        found += there[i];
        if (there[i] && i >= count) {
            return false;
        }
    }
    u64 before = 0;
    for (u32 i = 0; head % 2 == 0 && dec_ok(d) && i < set; i++, found++) {
        const u64 at = bits_take((const u8 *)places.ptr, (u64)i * width, width);
        if (at >= count || (i > 0 && at <= before)) {
            return false;
        }
        there[at] = true;
        before = at;
    }
    u64 values[INT_PACK_MAX] = {0};
    if (found != set || !residuals_plain(d, mb, false, (u32)set, values)) {
        return false;
    }
    u32 next = 0;
    for (u32 i = 0; i < count; i++) {
        out[i] = there[i] ? values[next++] : 0;
    }
    return true;
}

static bool line_plain(struct dec *d, u8 header, u64 x0, u32 n, i64 *ints)
{
    const u64 step = (header & 7) == 1 ? (u64)dec_varsint(d) : 0;
    for (u32 i = 0; i < n; i++) {
        ints[i] = (i64)(x0 + i * step);
    }
    return dec_ok(d) && header <= 1;
}

static bool column_plain(struct dec *d, u8 header, u32 n, i64 *ints)
{
    const u32 plan = header & 7;
    const u64 x0 = (u64)dec_varsint(d);
    if (plan <= 1) {
        return line_plain(d, header, x0, n, ints);
    }
    const u64 gcd = header & 8 ? dec_varint(d) : 1;
    const bool twice = plan == 4 || plan == 6;
    u64 delta = twice ? (u64)dec_varsint(d) : 0;
    const u32 skipped = plan == 2 ? 0 : twice ? 2 : 1;
    u64 r[INT_PACK_MAX] = {0};
    if (plan == 7 || n < 3 || gcd == 0) {
        return false;
    }
    if (!(plan >= 5 ? sparse_plain(d, header & 16, n - skipped, r)
                    : residuals_plain(d, header & 16, plan == 2, n - skipped, r))) {
        return false;
    }
    u64 x = x0;
    for (u32 i = 0; i < n; i++) {
        if (plan == 2) {
            ints[i] = (i64)(x0 + gcd * r[i]);
            continue;
        }
        if (i >= skipped) {
            delta = twice ? delta + r[i - skipped] : r[i - skipped];
        }
        x += i > 0 ? gcd * delta : 0;
        ints[i] = (i64)x;
    }
    return dec_ok(d);
}

static bool exceptions_plain(struct dec *d, u32 n, u16 *places, f64 *values, u64 *count)
{
    *count = dec_varint(d);
    if (!dec_ok(d) || *count == 0 || *count > n) {
        return false;
    }
    for (u64 i = 0; i < *count; i++) {
        places[i] = n <= 256 ? dec_u8(d) : dec_le16(d);
        if (places[i] >= n) {
            return false;
        }
    }
    for (u64 i = 0; i < *count; i++) {
        values[i] = dec_f64(d);
    }
    return dec_ok(d);
}

bool chunk_plain_decode(str bytes, u32 n, f64 *values)
{
    static const f64 powers[] = {1e0, 1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,
                                 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17};
    struct dec d = dec_of(bytes);
    const u8 first = dec_u8(&d);
    const u32 transform = first >> 6; // 0 INT, 1 DEC, 2 ULP, 3 BITS
    const u32 exponent = transform == 1 || transform == 2 ? dec_u8(&d) : 0;
    u16 places[CHUNK_VALUES_MAX];
    f64 exceptions[CHUNK_VALUES_MAX];
    u64 count = 0;
    i64 ints[INT_PACK_MAX];
    i64 ulps[INT_PACK_MAX];
    if (n < 1 || n > CHUNK_VALUES_MAX || !dec_ok(&d) || exponent > 17 ||
        (transform == 1 && exponent == 0) ||
        ((first & 32) && !exceptions_plain(&d, n, places, exceptions, &count)) ||
        !column_plain(&d, first & 31, n, ints)) {
        return false;
    }
    if (transform == 2) {
        const u8 header = dec_u8(&d);
        if (header > 31 || !column_plain(&d, header, n, ulps)) {
            return false;
        }
    }
    for (u32 i = 0; i < n; i++) {
        const f64 v = (f64)ints[i] / powers[exponent];
        values[i] = transform == 3   ? f64_of_bits((u64)ints[i])
                    : transform == 2 ? f64_of_bits(bits_of_f64(v) + (u64)ulps[i])
                                     : v;
    }
    for (u64 i = 0; i < count; i++) {
        values[places[i]] = exceptions[i];
    }
    return dec_left(&d) == 0 && dec_ok(&d);
}

bool ts_plain_decode(str bytes, u32 n, i64 *t_ms)
{
    struct dec d = dec_of(bytes);
    const u8 header = dec_u8(&d);
    return n >= 1 && n <= INT_PACK_MAX && dec_ok(&d) && header <= 31 &&
           column_plain(&d, header, n, t_ms) && dec_left(&d) == 0 && dec_ok(&d);
}
