// chunk_unpack.c: see chunk_unpack.h.
//
// A value goes from its bits to the double in registers: an array between two steps would cost more
// than the steps, since stores of 8 bytes do not forward to wider loads.
//
// (I1) No load passes the end of the input: a group is read in place only where 8 bytes more than
// it takes are left, the last ones from a copy with room behind it.
// (I2) No branch depends on a value; those left depend on the column or on a group's width.
#include "tsdb/chunk_unpack.h"

#include "base/bits.h"
#include "tsdb/chunk_form.h"
#include "tsdb/chunk_groups.h"
#include "tsdb/int_pack.h"

#include <stdatomic.h>

enum {
    LOOK_AHEAD = sizeof(u64),          // Behind a group's bytes a load may reach so far.
    TAIL_MAX = WIDTH_MAX + LOOK_AHEAD, // Left, at most, where a group cannot be read in place.
    BITMAP_BYTES = INT_PACK_MAX / 8,
    POSITION_BYTES = INT_PACK_MAX * 10 / 8, // 10 bits: any position.
    QUAD_WIDTH_MAX = 15,                    // Four values and a shift of 4 bits fit one load.
    PAIR_WIDTH_MAX = 28,                    // Two values and a shift of 6 bits do.
};

// Constants wherever the code below is expanded.
struct mode {
    enum steps steps;
    enum unpack_as as;
    bool based;
};

static bool groups_open(struct groups *r, struct dec *d, bool mb, u32 count)
{
    const u8 first = dec_u8(d);
    const u8 second = mb ? dec_u8(d) : 0;
    *r = (struct groups){.count = count,
                         .width_min = first & (RESIDUAL_BASED - 1U),
                         .step = 1 + (second & ((1U << STEP_BITS) - 1)),
                         .code_log = (u32)second >> STEP_BITS,
                         .mb = mb,
                         .based = (first & RESIDUAL_BASED) != 0};
    if (r->based) {
        r->base = (u64)dec_varsint(d);
    }
    r->width_max = r->width_min;
    if (mb) {
        r->width_max += ((1U << (1U << (r->code_log & 3))) - 1) * r->step;
    }
    if (r->width_min > WIDTH_MAX || r->code_log > CODE_LOG_MAX ||
        (!mb && r->width_min != width_stored(r->width_min))) {
        return false;
    }
    if (mb) {
        const str codes = dec_bytes(d, (((u64)group_count(count) << r->code_log) + 7) / 8);
        r->codes = (const u8 *)codes.ptr;
    }
    r->at = d->at;
    r->end = d->end;
    return dec_ok(d);
}

static ALWAYS_INLINE void value_store(u64 v, enum unpack_as as, f64 divisor, u8 *out)
{
    f64 value = 0;
    switch (as) {
    case UNPACK_RAW:
        memcpy(out, &v, sizeof(v));
        return;
    case UNPACK_INT:
        value = (f64)(i64)v;
        break;
    case UNPACK_DEC:
        value = (f64)(i64)v / divisor;
        break;
    }
    memcpy(out, &value, sizeof(value));
}

static ALWAYS_INLINE void value_run(u64 v, struct sums *s, struct mode m, u8 *out)
{
    if (m.steps != STEPS_NONE) {
        v = m.based ? v + s->base : (v >> 1) ^ (0 - (v & 1));
    }
    if (m.steps != STEPS_UNFOLD) {
        v *= s->gcd;
    }
    if (m.steps == STEPS_NONE) {
        v += s->x;
    }
    if (m.steps == STEPS_SUM2) {
        v = s->delta += v;
    }
    if (m.steps == STEPS_SUM || m.steps == STEPS_SUM2) {
        v = s->x += v;
    }
    value_store(v, m.as, s->divisor, out);
}

// Two and four values of one load.
static ALWAYS_INLINE void pair_run(u64 word, u32 width, struct sums *s, struct mode m, u8 *out)
{
    const u64 mask = (1ULL << width) - 1;
    value_run(word & mask, s, m, out);
    value_run(word >> width & mask, s, m, out + 8);
}

static ALWAYS_INLINE void quad_run(u64 word, u32 width, struct sums *s, struct mode m, u8 *out)
{
    pair_run(word, width, s, m, out);
    pair_run(word >> width >> width, width, s, m, out + 16);
}

// Eight values from the width bytes at p; what lies up to 8 bytes behind those may be read. The
// way is chosen by the column's widest group, so that the choice is foreseen.
static ALWAYS_INLINE void group_run(const u8 *p, u32 width, u32 width_max, struct sums *s,
                                    struct mode m, u8 *out)
{
    if (width_max <= QUAD_WIDTH_MAX) {
        quad_run(load_le64(p), width, s, m, out);
        quad_run(load_le64(p + width / 2) >> (width % 2 * 4), width, s, m, out + 32);
    } else if (width_max <= PAIR_WIDTH_MAX) {
        pair_run(load_le64(p), width, s, m, out);
        pair_run(load_le64(p + width / 4) >> (width * 2 % 8), width, s, m, out + 16);
        pair_run(load_le64(p + width / 2) >> (width * 4 % 8), width, s, m, out + 32);
        pair_run(load_le64(p + width * 3 / 4) >> (width * 6 % 8), width, s, m, out + 48);
    } else if (width <= WIDTH_DIRECT_MAX) {
        const u64 mask = (1ULL << width) - 1;
        u32 bit = 0;
        for (u32 k = 0; k < GROUP; k++, bit += width) {
            value_run(load_le64(p + bit / 8) >> (bit % 8) & mask, s, m, out + (size_t)k * 8);
        }
    } else {
        for (size_t k = 0; k < GROUP; k++) {
            value_run(load_le64(p + k * 8), s, m, out + k * 8);
        }
    }
}

static void tail_copy(u8 copy[2 * TAIL_MAX], const u8 *from, size_t len)
{
    CHECK(len < TAIL_MAX);
    memcpy(copy, from, len);
    memset(copy + len, 0, 2 * (size_t)TAIL_MAX - len);
}

static ALWAYS_INLINE u32 group_width(const struct groups *r, u32 g)
{
    if (!r->mb) {
        return r->width_min;
    }
    const u32 bit = g << r->code_log;
    const u32 code = (u32)r->codes[bit / 8] >> (bit % 8) & ((1U << (1U << r->code_log)) - 1);
    return width_stored(r->width_min + code * r->step);
}

// All groups, in place as far as that goes, the rest from a copy with zeroes behind it. Moves at
// behind the last of them.
static ALWAYS_INLINE bool groups_run(struct groups *r, struct sums *start, struct mode m, u8 *out)
{
    const struct groups g = *r; // The stores to out might alias what is behind a pointer.
    struct sums s = *start;
    UNINIT u8 copy[2 * TAIL_MAX];
    UNINIT u8 last[GROUP * 8];
    const u8 *at = g.at;
    const u8 *end = g.end;
    size_t left = 0;
    bool copied = false;
    for (u32 i = 0; i < g.count; i += GROUP) {
        const u32 width = group_width(&g, i / GROUP);
        if (UNLIKELY((size_t)(end - at) < width + LOOK_AHEAD)) {
            if (copied) {
                return false; // The groups before took more than there was.
            }
            left = (size_t)(end - at);
            tail_copy(copy, at, left);
            r->at = at;
            at = copy;
            end = copy + left + TAIL_MAX;
            copied = true;
        }
        const u32 here = MIN(GROUP, g.count - i);
        const bool whole = here == GROUP;
        group_run(at, width, g.width_max, &s, m, whole ? out + (size_t)i * 8 : last);
        at += whole ? width : (width * here + 7) / 8;
        if (UNLIKELY(!whole)) {
            memcpy(out + (size_t)i * 8, last, (size_t)here * 8);
        }
    }
    const size_t used = copied ? (size_t)(at - copy) : 0;
    r->at = copied ? r->at + used : at;
    return !copied || used <= left;
}

static ALWAYS_INLINE bool steps_run(struct groups *r, struct sums *s, enum steps steps,
                                    enum unpack_as as, u8 *out)
{
    if (steps != STEPS_NONE && r->based) {
        return groups_run(r, s, (struct mode){steps, as, true}, out);
    }
    return groups_run(r, s, (struct mode){steps, as, false}, out);
}

static ALWAYS_INLINE bool as_run(struct groups *r, struct sums *s, enum steps steps,
                                 enum unpack_as as, u8 *out)
{
    switch (as) {
    case UNPACK_RAW:
        return steps_run(r, s, steps, UNPACK_RAW, out);
    case UNPACK_INT:
        return steps_run(r, s, steps, UNPACK_INT, out);
    case UNPACK_DEC:
        return steps_run(r, s, steps, UNPACK_DEC, out);
    }
    return false;
}

static _Atomic bool portable_only;

void column_unpack_portable(bool only)
{
    atomic_store(&portable_only, only);
}

// Relaxed: nothing else is told by it.
static inline bool lanes_used(void)
{
    return avx2_here() && !atomic_load_explicit(&portable_only, memory_order_relaxed);
}

// Reads the residuals and puts r->count values at out.
static bool residuals_run(struct dec *d, struct groups *r, struct sums *s, enum steps steps,
                          enum unpack_as as, u8 *out)
{
    bool right = false;
    s->base = r->base;
    if (avx2_reads(r, s, steps, as) && lanes_used()) {
        right = residuals_run_avx2(r, s, steps, as, out);
        d->at = r->at;
        return right;
    }
    switch (steps) {
    case STEPS_NONE:
        right = !r->based && as_run(r, s, STEPS_NONE, as, out);
        break;
    case STEPS_UNFOLD:
        right = steps_run(r, s, STEPS_UNFOLD, UNPACK_RAW, out);
        break;
    case STEPS_SUM:
        right = as_run(r, s, STEPS_SUM, as, out);
        break;
    case STEPS_SUM2:
        right = as_run(r, s, STEPS_SUM2, as, out);
        break;
    }
    d->at = r->at;
    return right;
}

// x0 + i·step: CONST has step 0.
static void line_store(const struct unpack_sink *sink, u64 x0, u64 step, u32 n)
{
    u8 *out = sink->out;
    for (u32 i = 0; step != 0 && i < n; i++) {
        value_store(x0 + i * step, sink->as, sink->divisor, out + (size_t)i * 8);
    }
    if (step != 0) {
        return;
    }
    // Zero is the usual constant. Others go by groups, which compilers make wide stores of.
    u64 word;
    value_store(x0, sink->as, sink->divisor, (u8 *)&word);
    u32 i = lanes_used() ? constant_store_avx2(word, n, out) : 0;
    if (i == 0 && word == 0) {
        memset(out, 0, (size_t)n * 8);
        return;
    }
    const u64 group[GROUP] = {word, word, word, word, word, word, word, word};
    for (; i + GROUP <= n; i += GROUP) {
        memcpy(out + (size_t)i * 8, group, sizeof(group));
    }
    for (; i < n; i++) {
        memcpy(out + (size_t)i * 8, &word, sizeof(word));
    }
}

// ---- sparse columns ----

// Positions, bit-packed and rising, as a bitmap.
static bool positions_read(struct dec *d, u32 count, u32 dense, u8 *bitmap)
{
    UNINIT u8 copy[POSITION_BYTES + LOOK_AHEAD];
    const u32 width = bits_width(dense - 1);
    const str packed = dec_bytes(d, ((u64)count * width + 7) / 8);
    u32 next = 0; // The smallest that may follow.
    if (!dec_ok(d)) {
        return false;
    }
    CHECK(packed.len <= POSITION_BYTES);
    memcpy(copy, packed.ptr, packed.len);
    memset(copy + packed.len, 0, LOOK_AHEAD);
    memset(bitmap, 0, BITMAP_BYTES);
    for (u32 i = 0; i < count; i++) {
        const u32 bit = i * width;
        const u32 at = load_le32(copy + bit / 8) >> (bit % 8) & ((1U << width) - 1);
        if (at < next || at >= dense) {
            return false;
        }
        bitmap[at / 8] |= (u8)(1U << (at % 8));
        next = at + 1;
    }
    return true;
}

// The plain machine has no instruction for it, and a call for each byte would show.
static u32 ones(u64 v)
{
    v -= v >> 1 & 0x5555555555555555ULL;
    v = (v & 0x3333333333333333ULL) + (v >> 2 & 0x3333333333333333ULL);
    v = (v + (v >> 4)) & 0x0F0F0F0F0F0F0F0FULL;
    return (u32)(v * 0x0101010101010101ULL >> 56);
}

static bool bitmap_read(struct dec *d, u32 count, u32 dense, u8 *bitmap)
{
    const u32 bytes = (dense + 7) / 8;
    const str packed = dec_bytes(d, bytes);
    u32 set = 0;
    if (!dec_ok(d)) {
        return false;
    }
    memset(bitmap, 0, BITMAP_BYTES);
    memcpy(bitmap, packed.ptr, bytes);
    for (u32 i = 0; i < bytes; i += sizeof(u64)) {
        set += ones(load_le64(bitmap + i));
    }
    return set == count && (dense % 8 == 0 || bitmap[bytes - 1] >> (dense % 8) == 0);
}

// Which of the dense residuals there are, then those. *count of them at most: that many exist.
static bool places_read(struct dec *d, u32 dense, u8 *bitmap, u32 *count)
{
    const u64 head = dec_varint(d);
    *count = (u32)(head >> 1);
    if (!dec_ok(d) || head >> 1 == 0 || head >> 1 > dense) {
        return false;
    }
    return head & 1 ? bitmap_read(d, *count, dense, bitmap)
                    : positions_read(d, *count, dense, bitmap);
}

static ALWAYS_INLINE const u64 *rank_store(const u64 *values, u32 bit, u8 *out)
{
    values += bit & 1;
    memcpy(out, values, sizeof(u64));
    return values;
}

// out[i] = values[how many bits are set up to i]
static void ranks_store(const u8 *bitmap, const u64 *values, u32 count, u8 *out)
{
    u32 i = 0;
    if (lanes_used()) {
        values = ranks_store_avx2(bitmap, values, count, out);
        i = count / GROUP * GROUP;
        out += (size_t)i * sizeof(u64);
    }
    for (; i + GROUP <= count; i += GROUP, out += sizeof(u64) * GROUP) {
        const u32 bits = bitmap[i / GROUP];
        values = rank_store(values, bits, out);
        values = rank_store(values, bits >> 1, out + 8);
        values = rank_store(values, bits >> 2, out + 16);
        values = rank_store(values, bits >> 3, out + 24);
        values = rank_store(values, bits >> 4, out + 32);
        values = rank_store(values, bits >> 5, out + 40);
        values = rank_store(values, bits >> 6, out + 48);
        values = rank_store(values, bits >> 7, out + 56);
    }
    for (u32 bits = bitmap[i / GROUP]; i < count; i++, bits >>= 1, out += 8) {
        values = rank_store(values, bits, out);
    }
}

// S1: the values after each change, as from a dense column, then each for as long as it stays.
static bool sparse1_unpack(struct dec *d, bool mb, struct sums *s, u32 n,
                           const struct unpack_sink *sink)
{
    UNINIT u8 bitmap[BITMAP_BYTES + 1];
    UNINIT u64 values[INT_PACK_MAX + GROUP];
    UNINIT struct groups r;
    u8 *out = sink->out;
    u32 count;
    value_store(s->x, sink->as, sink->divisor, (u8 *)values);
    value_store(s->x, sink->as, sink->divisor, out);
    if (!places_read(d, n - 1, bitmap, &count) || !groups_open(&r, d, mb, count) ||
        !residuals_run(d, &r, s, STEPS_SUM, sink->as, (u8 *)(values + 1))) {
        return false;
    }
    ranks_store(bitmap, values, n - 1, out + 8);
    return true;
}

// S2: rare, and without a run to copy: the residuals are spread, then summed twice.
static bool sparse2_unpack(struct dec *d, bool mb, struct sums *s, u32 n,
                           const struct unpack_sink *sink)
{
    UNINIT u8 bitmap[BITMAP_BYTES + 1];
    UNINIT u64 values[INT_PACK_MAX + GROUP];
    UNINIT struct groups r;
    u8 *out = (u8 *)sink->out + 16;
    u32 count;
    if (!places_read(d, n - 2, bitmap, &count) || !groups_open(&r, d, mb, count) ||
        !residuals_run(d, &r, s, STEPS_UNFOLD, UNPACK_RAW, (u8 *)values)) {
        return false;
    }
    const u64 *next = values;
    values[count] = 0; // Looked at, not used, once all are taken.
    for (u32 i = 0; i < n - 2; i++, out += 8) {
        const u64 there = bitmap[i / 8] >> (i % 8) & 1;
        s->delta += (*next & (0 - there)) * s->gcd;
        next += there;
        s->x += s->delta;
        value_store(s->x, sink->as, sink->divisor, out);
    }
    return true;
}

// ---- columns ----

static bool varying_unpack(struct dec *d, u8 header, u64 x0, u32 n, const struct unpack_sink *sink)
{
    const enum int_plan plan = header & INT_PACK_PLAN;
    const bool mb = (header & INT_PACK_MB) != 0;
    const bool second = plan == INT_D2 || plan == INT_S2;
    u8 *out = sink->out;
    struct sums s = {.x = x0, .gcd = 1, .divisor = sink->divisor};
    UNINIT struct groups r;
    if (header & INT_PACK_GCD) {
        s.gcd = dec_varint(d);
    }
    if (n < 3 || s.gcd == 0) {
        return false;
    }
    if (second) {
        s.delta = (u64)dec_varsint(d) * s.gcd;
        s.x += s.delta;
        value_store(x0, sink->as, sink->divisor, out);
        value_store(s.x, sink->as, sink->divisor, out + 8);
    }
    switch (plan) {
    case INT_FOR:
        return groups_open(&r, d, mb, n) && residuals_run(d, &r, &s, STEPS_NONE, sink->as, out);
    case INT_D1:
        value_store(x0, sink->as, sink->divisor, out);
        return groups_open(&r, d, mb, n - 1) &&
               residuals_run(d, &r, &s, STEPS_SUM, sink->as, out + 8);
    case INT_D2:
        return groups_open(&r, d, mb, n - 2) &&
               residuals_run(d, &r, &s, STEPS_SUM2, sink->as, out + 16);
    case INT_S1:
        return sparse1_unpack(d, mb, &s, n, sink);
    case INT_S2:
        return sparse2_unpack(d, mb, &s, n, sink);
    case INT_CONST:
    case INT_LIN:
        break;
    }
    return false;
}

bool column_unpack(struct dec *d, u8 header, u32 n, const struct unpack_sink *sink)
{
    if (n < 1 || n > INT_PACK_MAX) {
        return false;
    }
    const u64 x0 = (u64)dec_varsint(d);
    const enum int_plan plan = header & INT_PACK_PLAN;
    if (plan <= INT_LIN) {
        const u64 step = plan == INT_LIN ? (u64)dec_varsint(d) : 0;
        line_store(sink, x0, step, n);
        return dec_ok(d) && (header & (INT_PACK_GCD | INT_PACK_MB)) == 0;
    }
    return plan <= INT_S2 && varying_unpack(d, header, x0, n, sink) && dec_ok(d);
}

// NOLINTNEXTLINE(readability-non-const-parameter): written through the sink
bool int_pack_decode(struct dec *d, u8 header, u32 n, i64 *ints)
{
    const struct unpack_sink sink = {.out = ints, .as = UNPACK_RAW};
    return column_unpack(d, header, n, &sink);
}

bool ts_pack_decode(struct dec *d, u32 n, i64 *t_ms)
{
    const u8 header = dec_u8(d);
    return dec_ok(d) && (header & ~INT_PACK_HEADER) == 0 && int_pack_decode(d, header, n, t_ms);
}
