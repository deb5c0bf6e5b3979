#include "tsdb/int_pack.h"

#include "base/bits.h"
#include "base/buf.h"
#include "tsdb/chunk_form.h"
#include "tsdb/int_pack_layout.h"

// Division without dividing: for what is a multiple, an odd divisor is multiplied by its inverse
// modulo 2^64, and multiples are told from others by the size of the product.
struct divisor {
    u64 value; // 0 = nothing seen yet, which everything fits.
    u64 inverse;
    u64 quotient_max; // Of a multiple of the odd part.
    u32 shift;
};

static void divisor_set(struct divisor *g, u64 value)
{
    g->value = value;
    g->shift = (u32)__builtin_ctzll(value);
    const u64 odd = value >> g->shift;
    u64 inverse = odd; // Right in 3 bits; each step doubles them.
    for (u32 i = 0; i < 5; i++) {
        inverse *= 2 - odd * inverse;
    }
    g->inverse = inverse;
    g->quotient_max = UINT64_MAX / odd;
}

static bool divisor_divides(const struct divisor *g, u64 v)
{
    return (v & ((1ULL << g->shift) - 1)) == 0 && (v >> g->shift) * g->inverse <= g->quotient_max;
}

static i64 divide_exact(const struct divisor *g, i64 v)
{
    return (i64)((u64)(v >> g->shift) * g->inverse);
}

// The work of one column. d1[i] = ints[i + 1] - ints[i] and d2 of d1 likewise, divided by the gcd.
struct columns {
    i64 d1[INT_PACK_MAX];
    i64 d2[INT_PACK_MAX];
    i64 offsets[INT_PACK_MAX]; // Unsigned: from low.
    i64 sparse[INT_PACK_MAX];
    struct divisor gcd;
    i64 low;
    i64 high;
};

// A plan with what it would cost.
struct candidate {
    enum int_plan plan;
    size_t bytes; // Without x0 and gcd, which all have.
    struct residual_layout layout;
    const i64 *residuals; // Sparse: dense still, zeroes and all.
    u32 count;            // Of residuals; sparse: of those that are not zero.
    u32 count_dense;      // Sparse: of all.
    bool bitmap;
};

static size_t varint_bytes(u64 v)
{
    return v ? (bits_width(v) + 6) / 7 : 1;
}

// Deltas, wrapped to i64, and their common divisor; true if all are equal.
static bool deltas_make(struct columns *c, const i64 *ints, u32 n)
{
    u64 differ = 0;
    c->low = MIN(ints[0], ints[n - 1]);
    c->high = MAX(ints[0], ints[n - 1]);
    for (u32 i = 0; i + 1 < n; i++) {
        const i64 d = (i64)((u64)ints[i + 1] - (u64)ints[i]);
        c->d1[i] = d;
        differ |= (u64)d ^ (u64)c->d1[0];
        c->low = MIN(c->low, ints[i]);
        c->high = MAX(c->high, ints[i]);
    }
    return differ == 0;
}

static void gcd_find(struct columns *c, u32 n)
{
    struct divisor *g = &c->gcd;
    g->value = 0;
    for (u32 i = 0; i + 1 < n && g->value != 1; i++) {
        const i64 d = c->d1[i];
        const u64 size = d < 0 ? 0 - (u64)d : (u64)d;
        if (size != 0 && (g->value == 0 || !divisor_divides(g, size))) {
            divisor_set(g, bits_gcd(g->value, size));
        }
    }
    for (u32 i = 0; i + 1 < n && g->value != 1; i++) {
        c->d1[i] = divide_exact(g, c->d1[i]);
    }
}

static i64 lowest(const i64 *values, u32 count)
{
    i64 low = values[0];
    for (u32 i = 1; i < count; i++) {
        low = MIN(low, values[i]);
    }
    return low;
}

// Offsets win against deltas of as many bytes, whichever is looked at first.
static void candidate_for(struct columns *c, const i64 *ints, u32 n, struct candidate *best)
{
    const size_t below = best->bytes + 1;
    const u64 range = (u64)c->high - (u64)c->low;
    if (range > INT64_MAX) {
        return; // The deltas wrapped, so their divisor need not divide the offsets.
    }
    for (u32 i = 0; i < n; i++) {
        const i64 offset = (i64)((u64)ints[i] - (u64)c->low);
        c->offsets[i] = c->gcd.value == 1 ? offset : divide_exact(&c->gcd, offset);
    }
    const struct residual_layout l = residual_layout_plain((const u64 *)c->offsets, n, below);
    if (l.bytes < below) {
        *best = (struct candidate){
            .plan = INT_FOR, .bytes = l.bytes, .layout = l, .residuals = c->offsets, .count = n};
    }
}

static u32 nonzero_count(const i64 *values, u32 count)
{
    u32 n = 0;
    for (u32 i = 0; i < count; i++) {
        n += values[i] != 0;
    }
    return n;
}

static u32 sparse_make(const i64 *dense, u32 count, i64 *sparse)
{
    u32 n = 0;
    for (u32 i = 0; i < count; i++) {
        sparse[n] = dense[i];
        n += dense[i] != 0;
    }
    return n;
}

// Positions of a sparse column: width bits each.
static size_t position_bytes(u32 count, u32 count_dense)
{
    return ((size_t)count * bits_width(count_dense - 1) + 7) / 8;
}

// How many bytes a layout must undercut, behind some others, to be of use.
static size_t bytes_left(const struct candidate *best, size_t before)
{
    return best->bytes - MIN(best->bytes, before);
}

// D1 or D2, dense and sparse. extra: bytes before the residuals.
static void candidate_delta(struct columns *c, enum int_plan plan, u32 count, size_t extra,
                            struct candidate *best)
{
    const i64 *dense = plan == INT_D1 ? c->d1 : c->d2;
    struct residual_layout l =
        residual_layout_signed(dense, count, lowest(dense, count), bytes_left(best, extra));
    if (l.bytes + extra < best->bytes) {
        *best = (struct candidate){.plan = plan,
                                   .bytes = l.bytes + extra,
                                   .layout = l,
                                   .residuals = dense,
                                   .count = count};
    }
    const u32 n = nonzero_count(dense, count);
    if (n == 0 || n > count - count / 8) {
        return; // No zeroes to speak of.
    }
    const size_t bitmap = (count + 7) / 8;
    const size_t positions = position_bytes(n, count);
    const size_t before = extra + varint_bytes((u64)n << 1) + MIN(bitmap, positions);
    (void)sparse_make(dense, count, c->sparse);
    l = residual_layout_signed(c->sparse, n, lowest(c->sparse, n), bytes_left(best, before));
    if (before + l.bytes < best->bytes) {
        *best = (struct candidate){.plan = plan == INT_D1 ? INT_S1 : INT_S2,
                                   .bytes = before + l.bytes,
                                   .layout = l,
                                   .residuals = dense,
                                   .count = n,
                                   .count_dense = count,
                                   .bitmap = bitmap <= positions};
    }
}

static void places_write(const struct candidate *p, struct buf *out)
{
    UNINIT u8 bytes[INT_PACK_MAX * 2];
    const u32 width = bits_width(p->count_dense - 1);
    const size_t len =
        p->bitmap ? (p->count_dense + 7) / 8 : position_bytes(p->count, p->count_dense);
    memset(bytes, 0, len);
    u32 bit = 0;
    for (u32 i = 0; i < p->count_dense; i++) {
        if (p->residuals[i] == 0) {
            continue;
        }
        if (p->bitmap) {
            bytes[i / 8] |= (u8)(1U << (i % 8));
            continue;
        }
        for (u32 k = 0; k < width; k++, bit++) {
            bytes[bit / 8] |= (u8)((i >> k & 1) << (bit % 8));
        }
    }
    buf_varint(out, (u64)p->count << 1 | p->bitmap);
    buf_add(out, bytes, len);
}

static u8 candidate_write(struct columns *c, const struct candidate *p, const i64 *ints,
                          struct buf *out)
{
    const bool sparse = p->plan == INT_S1 || p->plan == INT_S2;
    const u64 gcd = c->gcd.value;
    buf_varsint(out, p->plan == INT_FOR ? c->low : ints[0]);
    if (gcd != 1) {
        buf_varint(out, gcd);
    }
    if (p->plan == INT_D2 || p->plan == INT_S2) {
        buf_varsint(out, c->d1[0]);
    }
    const i64 *residuals = p->residuals;
    if (sparse) {
        places_write(p, out);
        (void)sparse_make(p->residuals, p->count_dense, c->sparse);
        residuals = c->sparse;
    }
    residual_write(&p->layout, residuals, p->count, out);
    return (u8)(p->plan | (gcd != 1 ? INT_PACK_GCD : 0) | (p->layout.mb ? INT_PACK_MB : 0));
}

// Whether all deltas are equal, and then writes the column: *header.
static bool straight_write(struct columns *c, const i64 *ints, u32 n, struct buf *out, u8 *header)
{
    CHECK(n >= 1);
    CHECK(n <= INT_PACK_MAX);
    if (!deltas_make(c, ints, n)) {
        return false;
    }
    const bool constant = n == 1 || c->d1[0] == 0;
    buf_varsint(out, ints[0]);
    if (!constant) {
        buf_varsint(out, c->d1[0]);
    }
    *header = constant ? INT_CONST : INT_LIN;
    return true;
}

u8 int_pack_encode(const i64 *ints, u32 n, struct buf *out)
{
    UNINIT struct columns c;
    u8 header;
    if (straight_write(&c, ints, n, out, &header)) {
        return header;
    }
    gcd_find(&c, n); // n ≥ 3 from here on.
    for (u32 i = 0; i + 2 < n; i++) {
        c.d2[i] = (i64)((u64)c.d1[i + 1] - (u64)c.d1[i]);
    }
    // What is likely to win comes first, so that little is looked at of the others.
    const bool monotone = c.low == MIN(ints[0], ints[n - 1]) && c.high == MAX(ints[0], ints[n - 1]);
    struct candidate best = {.bytes = SIZE_MAX - 1};
    if (!monotone) {
        candidate_for(&c, ints, n, &best);
    }
    candidate_delta(&c, INT_D1, n - 1, 0, &best);
    candidate_delta(&c, INT_D2, n - 2, varint_bytes(bits_zigzag(c.d1[0])), &best);
    if (monotone) {
        candidate_for(&c, ints, n, &best);
    }
    return candidate_write(&c, &best, ints, out);
}

u8 int_pack_encode_quick(const i64 *ints, u32 n, struct buf *out)
{
    UNINIT struct columns c;
    u8 header;
    if (straight_write(&c, ints, n, out, &header)) {
        return header;
    }
    gcd_find(&c, n);
    const struct candidate d1 = {.plan = INT_D1,
                                 .layout = residual_layout_quick(c.d1, n - 1),
                                 .residuals = c.d1,
                                 .count = n - 1};
    return candidate_write(&c, &d1, ints, out);
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
