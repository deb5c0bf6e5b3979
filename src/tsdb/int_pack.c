#include "tsdb/int_pack.h"

#include "base/bits.h"
#include "base/buf.h"

enum { GROUP = 8, WIDTH_DIRECT_MAX = 57, NIBBLE_MAX = 15 };
#define PACKER_ZIGZAG 0x80U

// Residuals of one plan, mapped to unsigned by zigzag or by subtracting base.
struct residuals {
    u64 values[INT_PACK_MAX];
    u32 count;
    bool zigzag;
    i64 base;
};

// How residuals will be packed, and what that costs.
struct layout {
    bool mb;
    u32 width_min; // PF: the width.
    u32 step;      // MB only.
    size_t bytes;
};

struct column {
    u64 x0;
    u64 gcd; // 1 = not written.
    i64 d1;  // INT_D2's first delta and INT_LIN's step.
};

// A width above 57 bits cannot be read by one unaligned 8-byte load: it is stored as 64.
static u32 width_stored(u32 width)
{
    return width > WIDTH_DIRECT_MAX ? 64 : width;
}

static u32 width_of_group(const u64 *values, u32 from, u32 count)
{
    u64 all = 0;
    for (u32 i = from; i < count && i < from + GROUP; i++) {
        all |= values[i];
    }
    return bits_width(all);
}

static u32 group_count(u32 values)
{
    return (values + GROUP - 1) / GROUP;
}

static size_t varint_bytes(u64 v)
{
    return v ? (bits_width(v) + 6) / 7 : 1;
}

// ---- choosing ----

static u32 nibble_of(u32 width, u32 width_min, u32 step)
{
    return width <= width_min ? 0 : (width - width_min + step - 1) / step;
}

static u32 width_of_nibble(u32 nibble, u32 width_min, u32 step)
{
    const u32 width = width_min + nibble * step;
    return width_stored(width);
}

static struct layout layout_choose(const struct residuals *r)
{
    const u32 groups = group_count(r->count);
    u32 widths[INT_PACK_MAX / GROUP];
    u32 low = 64;
    u32 high = 0;
    for (u32 g = 0; g < groups; g++) {
        widths[g] = width_of_group(r->values, g * GROUP, r->count);
        low = MIN(low, widths[g]);
        high = MAX(high, widths[g]);
    }
    if (groups == 0) {
        low = 0;
    }
    const size_t base_bytes = r->zigzag ? 0 : varint_bytes(bits_zigzag(r->base));
    const u32 pf_width = width_stored(high);
    struct layout best = {.mb = false,
                          .width_min = pf_width,
                          .bytes = 1 + base_bytes + ((size_t)r->count * pf_width + 7) / 8};
    const u32 step = MAX(1, (high - low + NIBBLE_MAX - 1) / NIBBLE_MAX);
    size_t mb_bytes = 2 + base_bytes + (groups + 1) / 2;
    for (u32 g = 0; g < groups; g++) {
        mb_bytes += width_of_nibble(nibble_of(widths[g], low, step), low, step);
    }
    if (mb_bytes < best.bytes) {
        best = (struct layout){.mb = true, .width_min = low, .step = step, .bytes = mb_bytes};
    }
    return best;
}

// Maps signed residuals both ways and keeps the cheaper in r.
static struct layout residuals_map(const i64 *signed_values, u32 count, struct residuals *r)
{
    static const u64 sign = 1ULL << 63;
    i64 low = count ? INT64_MAX : 0;
    for (u32 i = 0; i < count; i++) {
        low = MIN(low, signed_values[i]);
    }
    struct residuals based = {.count = count, .zigzag = false, .base = low};
    r->count = count;
    r->zigzag = true;
    r->base = 0;
    for (u32 i = 0; i < count; i++) {
        based.values[i] = ((u64)signed_values[i] ^ sign) - ((u64)low ^ sign);
        r->values[i] = bits_zigzag(signed_values[i]);
    }
    const struct layout zigzag = layout_choose(r);
    const struct layout base = layout_choose(&based);
    if (base.bytes < zigzag.bytes) {
        *r = based;
        return base;
    }
    return zigzag;
}

// ---- writing ----

static void pack_bits(const u64 *values, u32 count, u32 width, struct buf *out)
{
    u64 acc = 0;
    u32 filled = 0;
    for (u32 i = 0; i < count; i++) {
        const u64 v = values[i];
        acc |= filled < 64 ? v << filled : 0;
        u32 room = 64 - filled;
        if (width >= room) {
            buf_le64(out, acc);
            acc = room < 64 ? v >> room : 0;
            filled = width - room;
        } else {
            filled += width;
        }
    }
    for (; filled > 0; filled -= MIN(8, filled)) {
        buf_byte(out, (u8)acc);
        acc >>= 8;
    }
}

static void pack_mb(const struct residuals *r, const struct layout *l, struct buf *out)
{
    const u32 groups = group_count(r->count);
    u8 nibbles[INT_PACK_MAX / GROUP + 1] = {0};
    for (u32 g = 0; g < groups; g++) {
        const u32 width = width_of_group(r->values, g * GROUP, r->count);
        nibbles[g] = (u8)nibble_of(width, l->width_min, l->step);
    }
    for (u32 g = 0; g < groups; g += 2) {
        buf_byte(out, (u8)(nibbles[g] | (nibbles[g + 1] << 4)));
    }
    for (u32 g = 0; g < groups; g++) {
        u64 group[GROUP] = {0};
        const u32 from = g * GROUP;
        memcpy(group, r->values + from, MIN(GROUP, r->count - from) * sizeof(u64));
        pack_bits(group, GROUP, width_of_nibble(nibbles[g], l->width_min, l->step), out);
    }
}

static void residuals_write(const struct residuals *r, const struct layout *l, struct buf *out)
{
    buf_byte(out, (u8)(l->width_min | (r->zigzag ? PACKER_ZIGZAG : 0)));
    if (l->mb) {
        buf_byte(out, (u8)l->step);
    }
    if (!r->zigzag) {
        buf_varsint(out, r->base);
    }
    if (l->mb) {
        pack_mb(r, l, out);
    } else {
        pack_bits(r->values, r->count, l->width_min, out);
    }
}

// ---- plans ----

// Deltas, wrapped to i64, and their common divisor (0 when all are 0).
static u64 deltas_of(const i64 *ints, u32 n, i64 *deltas)
{
    u64 gcd = 0;
    for (u32 i = 1; i < n; i++) {
        const i64 d = (i64)((u64)ints[i] - (u64)ints[i - 1]);
        deltas[i - 1] = d;
        if (gcd != 1) {
            gcd = bits_gcd(gcd, d < 0 ? 0 - (u64)d : (u64)d);
        }
    }
    return gcd;
}

static bool all_equal(const i64 *v, u32 n)
{
    for (u32 i = 1; i < n; i++) {
        if (v[i] != v[0]) {
            return false;
        }
    }
    return true;
}

static i64 divide_exact(i64 v, u64 gcd)
{
    // gcd may be 2^63 (a lone INT64_MIN); the quotient still fits.
    return v < 0 ? (i64)(0 - ((0 - (u64)v) / gcd)) : (i64)((u64)v / gcd);
}

static struct layout plan_for(const i64 *ints, u32 n, u64 gcd, struct residuals *r, u64 *x0)
{
    i64 low = ints[0];
    for (u32 i = 1; i < n; i++) {
        low = MIN(low, ints[i]);
    }
    *x0 = (u64)low;
    r->count = n;
    r->zigzag = true; // Spares the base: the residuals are unsigned as they stand.
    r->base = 0;
    for (u32 i = 0; i < n; i++) {
        const u64 offset = (u64)ints[i] - (u64)low;
        if (offset % gcd != 0) {
            // The deltas wrapped around 2^64, so their divisor does not divide the offsets.
            return (struct layout){.bytes = SIZE_MAX};
        }
        r->values[i] = offset / gcd;
    }
    return layout_choose(r);
}

static void column_write(enum int_plan plan, const struct column *c, const struct residuals *r,
                         const struct layout *l, struct buf *out)
{
    buf_varsint(out, (i64)c->x0);
    if (c->gcd != 1) {
        buf_varint(out, c->gcd);
    }
    if (plan == INT_D2) {
        buf_varsint(out, c->d1);
    }
    residuals_write(r, l, out);
}

static u8 encode_varying(const i64 *ints, u32 n, i64 *deltas, u64 gcd, struct buf *out)
{
    for (u32 i = 0; i + 1 < n; i++) {
        deltas[i] = divide_exact(deltas[i], gcd);
    }
    i64 second[INT_PACK_MAX];
    for (u32 i = 0; i + 2 < n; i++) {
        second[i] = (i64)((u64)deltas[i + 1] - (u64)deltas[i]);
    }
    struct residuals best_r;
    u64 for_x0;
    struct layout best = plan_for(ints, n, gcd, &best_r, &for_x0);
    enum int_plan plan = INT_FOR;
    struct residuals r;
    struct layout l = residuals_map(deltas, n - 1, &r);
    if (l.bytes < best.bytes) {
        best = l;
        best_r = r;
        plan = INT_D1;
    }
    l = residuals_map(second, n - 2, &r);
    l.bytes += varint_bytes(bits_zigzag(deltas[0]));
    if (l.bytes < best.bytes) {
        best = l;
        best_r = r;
        plan = INT_D2;
    }
    const struct column c = {
        .x0 = plan == INT_FOR ? for_x0 : (u64)ints[0], .gcd = gcd, .d1 = deltas[0]};
    column_write(plan, &c, &best_r, &best, out);
    return (u8)(plan | (gcd != 1 ? INT_PACK_GCD : 0) | (best.mb ? INT_PACK_MB : 0));
}

u8 int_pack_encode(const i64 *ints, u32 n, struct buf *out)
{
    CHECK(n >= 1);
    CHECK(n <= INT_PACK_MAX);
    i64 deltas[INT_PACK_MAX];
    const u64 gcd = deltas_of(ints, n, deltas);
    if (gcd == 0) {
        buf_varsint(out, ints[0]);
        return INT_CONST;
    }
    if (all_equal(deltas, n - 1)) {
        buf_varsint(out, ints[0]);
        buf_varsint(out, deltas[0]);
        return INT_LIN;
    }
    return encode_varying(ints, n, deltas, gcd, out);
}

// ---- reading ----

static void unpack_group(const u8 *p, u32 width, u64 *out)
{
    if (width == 64) {
        memcpy(out, p, GROUP * sizeof(u64));
        return;
    }
    const u64 mask = (1ULL << width) - 1;
    for (u32 k = 0; k < GROUP; k++) {
        const u32 bit = k * width;
        out[k] = (load_le64(p + bit / 8) >> (bit % 8)) & mask;
    }
}

// Unpacks bytes of LSB-first values. A group is loaded in place where 8 bytes more can be read
// before the end of the whole input, else through a padded copy.
static bool unpack_run(struct dec *d, u32 width, u32 count, u64 *out)
{
    const size_t bytes = ((size_t)count * width + 7) / 8;
    const str s = dec_bytes(d, bytes);
    if (!dec_ok(d)) {
        return false;
    }
    if (width == 0) {
        memset(out, 0, count * sizeof(u64));
        return true;
    }
    const u8 *p = (const u8 *)s.ptr;
    const size_t readable = (size_t)(d->end - p);
    u32 i = 0;
    for (; i + GROUP <= count && (size_t)(i / GROUP + 1) * width + 8 <= readable; i += GROUP) {
        unpack_group(p + (size_t)(i / GROUP) * width, width, out + i);
    }
    for (; i < count; i += GROUP) {
        u8 padded[GROUP * sizeof(u64) + 8] = {0};
        const size_t from = (size_t)(i / GROUP) * width;
        memcpy(padded, p + from, MIN((size_t)width, bytes - from));
        u64 group[GROUP];
        unpack_group(padded, width, group);
        memcpy(out + i, group, MIN(GROUP, count - i) * sizeof(u64));
    }
    return true;
}

static bool unpack_mb(struct dec *d, u32 width_min, u32 step, u32 count, u64 *out)
{
    const u32 groups = group_count(count);
    const str nibbles = dec_bytes(d, (groups + 1) / 2);
    if (!dec_ok(d)) {
        return false;
    }
    for (u32 g = 0; g < groups; g++) {
        const u32 nibble = ((u32)(u8)nibbles.ptr[g / 2] >> (g % 2 * 4)) & 0xFU;
        const u32 width = width_of_nibble(nibble, width_min, step);
        u64 group[GROUP];
        if (!unpack_run(d, width, GROUP, group)) {
            return false;
        }
        memcpy(out + (size_t)g * GROUP, group, MIN(GROUP, count - g * GROUP) * sizeof(u64));
    }
    return true;
}

static bool residuals_read(struct dec *d, bool mb, u32 count, u64 *out)
{
    const u8 first = dec_u8(d);
    const u32 width = first & ~PACKER_ZIGZAG;
    const u32 step = mb ? dec_u8(d) : 0;
    const u64 base = first & PACKER_ZIGZAG ? 0 : (u64)dec_varsint(d);
    if (!dec_ok(d) || width > 64 || (!mb && width != width_stored(width))) {
        return false;
    }
    if (mb ? !unpack_mb(d, width, step, count, out) : !unpack_run(d, width, count, out)) {
        return false;
    }
    if (first & PACKER_ZIGZAG) {
        return true; // The caller unfolds: FOR's residuals are unsigned, the deltas' are zigzag.
    }
    for (u32 i = 0; i < count; i++) {
        // One form for the callers; the unpackers filled all of out.
        // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult)
        out[i] = bits_zigzag((i64)(out[i] + base));
    }
    return true;
}

static bool decode_varying(struct dec *d, u8 header, u64 x, u32 n, i64 *ints)
{
    const enum int_plan plan = header & INT_PACK_PLAN;
    const u64 gcd = header & INT_PACK_GCD ? dec_varint(d) : 1;
    u64 delta = plan == INT_D2 ? (u64)dec_varsint(d) : 0;
    const u32 skipped = plan == INT_FOR ? 0 : plan == INT_D1 ? 1 : 2;
    u64 r[INT_PACK_MAX];
    // residuals_read fills n - skipped of r, and no more is read below.
    if (n < skipped || !residuals_read(d, header & INT_PACK_MB, n - skipped, r)) {
        return false;
    }
    if (plan == INT_FOR) {
        for (u32 i = 0; i < n; i++) {
            // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): filled above
            ints[i] = (i64)(x + r[i] * gcd);
        }
        return true;
    }
    ints[0] = (i64)x;
    if (plan == INT_D2) {
        x += delta * gcd;
        ints[1] = (i64)x;
    }
    for (u32 i = skipped; i < n; i++) {
        const u64 step = (u64)bits_unzigzag(r[i - skipped]);
        delta = plan == INT_D2 ? delta + step : step;
        x += delta * gcd;
        ints[i] = (i64)x;
    }
    return true;
}

bool int_pack_decode(struct dec *d, u8 header, u32 n, i64 *ints)
{
    if (n < 1 || n > INT_PACK_MAX) {
        return false;
    }
    const u64 x0 = (u64)dec_varsint(d);
    switch ((enum int_plan)(header & INT_PACK_PLAN)) {
    case INT_CONST:
        for (u32 i = 0; i < n; i++) {
            ints[i] = (i64)x0;
        }
        return dec_ok(d);
    case INT_LIN: {
        const u64 step = (u64)dec_varsint(d);
        for (u32 i = 0; i < n; i++) {
            ints[i] = (i64)(x0 + i * step);
        }
        return dec_ok(d);
    }
    case INT_FOR:
    case INT_D1:
    case INT_D2:
        return decode_varying(d, header, x0, n, ints) && dec_ok(d);
    case INT_S1:
    case INT_S2:
        break;
    }
    return false;
}

void ts_pack_encode(const i64 *t_ms, u32 n, struct buf *out)
{
    const size_t at = out->len;
    buf_byte(out, 0);
    const u8 header = int_pack_encode(t_ms, n, out);
    if (buf_ok(out)) {
        out->bytes[at] = (char)header;
    }
}

bool ts_pack_decode(struct dec *d, u32 n, i64 *t_ms)
{
    const u8 header = dec_u8(d);
    return dec_ok(d) && (header & ~INT_PACK_HEADER) == 0 && int_pack_decode(d, header, n, t_ms);
}
