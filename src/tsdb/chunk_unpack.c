// chunk_unpack.c: see chunk_unpack.h.
//
// Which plan a column has, and what is not residuals: constants, lines, places of sparse ones.
#include "tsdb/chunk_unpack.h"

#include "base/bits.h"
#include "tsdb/chunk_form.h"
#include "tsdb/chunk_groups.h"
#include "tsdb/int_pack.h"

#include <stdatomic.h>

#define LINE_LIMIT ((i64)1 << 51)

enum {
    LOOK_AHEAD = sizeof(u64), // Behind a bitmap's bytes a load may reach so far.
    BITMAP_BYTES = INT_PACK_MAX / 8,
    POSITION_BYTES = INT_PACK_MAX * 10 / 8, // 10 bits: any position.
};

// One register of any machine of today.
typedef u64 u64x2 __attribute__((vector_size(16)));

static ALWAYS_INLINE u64 value_bits(u64 v, enum unpack_as as, f64 divisor)
{
    switch (as) {
    case UNPACK_RAW:
        break;
    case UNPACK_INT:
        return bits_of_f64((f64)(i64)v);
    case UNPACK_DEC:
        return bits_of_f64((f64)(i64)v / divisor);
    }
    return v;
}

static ALWAYS_INLINE void value_store(u64 v, enum unpack_as as, f64 divisor, u8 *out)
{
    const u64 bits = value_bits(v, as, divisor);
    memcpy(out, &bits, sizeof(bits));
}

// Whether eight go at a time. Threads: atomic.
enum lanes { LANES_UNKNOWN, LANES_NONE, LANES_USED };
static _Atomic u8 lanes;

void column_unpack_portable(bool only)
{
    atomic_store(&lanes, (u8)(avx2_here() && !only ? LANES_USED : LANES_NONE));
}

static bool lanes_find(void)
{
    u8 found = LANES_UNKNOWN; // Still, or what a test has said meanwhile.
    const u8 here = avx2_here() ? LANES_USED : LANES_NONE;
    return atomic_compare_exchange_strong(&lanes, &found, here) ? here == LANES_USED
                                                                : found == LANES_USED;
}

// Relaxed: nothing else is told by it.
static inline bool lanes_used(void)
{
    const u8 known = atomic_load_explicit(&lanes, memory_order_relaxed);
    return known == LANES_UNKNOWN ? lanes_find() : known == LANES_USED;
}

// Counters are a first integer and steps: where the smallest of those is not negative, and no sum
// passes what a double counts exactly, doubles keep the order of the integers, also divided.
static bool steps_rise(const struct groups *r, const struct sums *s, bool exact)
{
    return r->based && (i64)r->base >= 0 && s->as != UNPACK_RAW && (exact || sums_exact(r, s));
}

static inline void rises_tell(const struct unpack_sink *sink, bool rises)
{
    if (sink->rises) {
        *sink->rises = rises;
    }
}

// Reads count residuals and puts as many values at out; room: for whole groups.
static bool residuals_unpack(struct dec *d, bool mb, u32 count, struct sums *s, bool room, u8 *out)
{
    UNINIT struct groups r;
    if (!groups_open(&r, d, mb, count)) {
        return false;
    }
    r.room = room;
    const bool fast = lanes_used() && avx2_reads(&r, s); // Only what is exact.
    const bool right = fast ? residuals_run_avx2(&r, s, out) : residuals_run(&r, s, out);
    s->rises = s->steps == STEPS_SUM && steps_rise(&r, s, fast);
    d->at = r.at;
    return right;
}

static void constant_store(u64 word, u32 n, u8 *out)
{
    const u64x2 pair = {word, word};
    if (n >= CONSTANTS_MIN && lanes_used()) {
        constant_store_avx2(word, n, out);
        return;
    }
    if (word == 0) { // The usual constant.
        memset(out, 0, (size_t)n * sizeof(word));
        return;
    }
    for (; n >= GROUP; n -= GROUP, out += GROUP * sizeof(word)) {
        memcpy(out, &pair, sizeof(pair));
        memcpy(out + 16, &pair, sizeof(pair));
        memcpy(out + 32, &pair, sizeof(pair));
        memcpy(out + 48, &pair, sizeof(pair));
    }
    for (; n > 0; n--, out += sizeof(word)) {
        memcpy(out, &word, sizeof(word));
    }
}

// From x0 on n steps: all integers on the way are exact as doubles.
static bool line_rises(i64 x0, i64 step, u32 n)
{
    return step >= 0 && step < LINE_LIMIT / INT_PACK_MAX && x0 > -LINE_LIMIT && x0 < LINE_LIMIT &&
           n <= INT_PACK_MAX;
}

// x0 + i·step
static void line_store(const struct unpack_sink *sink, u64 x0, u64 step, u32 n)
{
    u8 *out = sink->out;
    for (u32 i = 0; i < n; i++) {
        value_store(x0 + i * step, sink->as, sink->divisor, out + (size_t)i * 8);
    }
}

// ---- sparse columns ----

// Which of the dense residuals there are. Threads: owned.
struct places {
    const u8 *bitmap; // Of the column itself, or made.
    u32 count;        // At most dense: that many exist.
    u8 made[BITMAP_BYTES];
};

// Positions, bit-packed and rising, as a bitmap.
static bool positions_read(struct dec *d, struct places *p, u32 dense)
{
    UNINIT u8 copy[POSITION_BYTES + LOOK_AHEAD];
    const u32 width = bits_width(dense - 1);
    const str packed = dec_bytes(d, ((u64)p->count * width + 7) / 8);
    u32 next = 0; // The smallest that may follow.
    if (!dec_ok(d)) {
        return false;
    }
    CHECK(packed.len <= POSITION_BYTES);
    memcpy(copy, packed.ptr, packed.len);
    memset(copy + packed.len, 0, LOOK_AHEAD);
    memset(p->made, 0, BITMAP_BYTES);
    for (u32 i = 0; i < p->count; i++) {
        const u32 bit = i * width;
        const u32 at = load_le32(copy + bit / 8) >> (bit % 8) & ((1U << width) - 1);
        if (at < next || at >= dense) {
            return false;
        }
        p->made[at / 8] |= (u8)(1U << (at % 8));
        next = at + 1;
    }
    p->bitmap = p->made;
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

static bool bitmap_read(struct dec *d, struct places *p, u32 dense)
{
    const u32 bytes = (dense + 7) / 8;
    const u8 *bitmap = (const u8 *)dec_bytes(d, bytes).ptr;
    u32 set = 0;
    u32 i = 0;
    u64 last = 0;
    if (!dec_ok(d)) {
        return false;
    }
    for (; i + sizeof(u64) <= bytes; i += sizeof(u64)) {
        set += ones(load_le64(bitmap + i));
    }
    memcpy(&last, bitmap + i, bytes - i);
    p->bitmap = bitmap;
    return set + ones(last) == p->count &&
           (dense % 8 == 0 || bitmap[bytes - 1] >> (dense % 8) == 0);
}

static bool places_read(struct dec *d, u32 dense, struct places *p)
{
    const u64 head = dec_varint_short(d);
    p->count = (u32)(head >> 1);
    if (!dec_ok(d) || head >> 1 == 0 || head >> 1 > dense) {
        return false;
    }
    return head & 1 ? bitmap_read(d, p, dense) : positions_read(d, p, dense);
}

// How many of the lowest 1 to 4 bits of a number are set.
static const u8 ranks[16][4] = {
    {0, 0, 0, 0}, {1, 1, 1, 1}, {0, 1, 1, 1}, {1, 2, 2, 2}, {0, 0, 1, 1}, {1, 1, 2, 2},
    {0, 1, 2, 2}, {1, 2, 3, 3}, {0, 0, 0, 1}, {1, 1, 1, 2}, {0, 1, 1, 2}, {1, 2, 2, 3},
    {0, 0, 1, 2}, {1, 1, 2, 3}, {0, 1, 2, 3}, {1, 2, 3, 4},
};

static ALWAYS_INLINE const u64 *ranks_quad(const u64 *values, u32 bits, u8 *out)
{
    const u8 *rank = ranks[bits];
    memcpy(out, values + rank[0], sizeof(u64));
    memcpy(out + 8, values + rank[1], sizeof(u64));
    memcpy(out + 16, values + rank[2], sizeof(u64));
    memcpy(out + 24, values + rank[3], sizeof(u64));
    return values + rank[3];
}

// out[i] = values[how many bits are set up to i]
static void ranks_store(const u8 *bitmap, const u64 *values, u32 count, u8 *out)
{
    const u32 whole = count / GROUP;
    if (lanes_used()) {
        values = ranks_store_avx2(bitmap, values, count, out);
        out += (size_t)whole * GROUP * sizeof(u64);
    } else {
        for (u32 i = 0; i < whole; i++, out += sizeof(u64) * GROUP) {
            values = ranks_quad(values, bitmap[i] & 15U, out);
            values = ranks_quad(values, bitmap[i] >> 4U, out + 32);
        }
    }
    for (u32 i = 0; i < count % GROUP; i++, out += sizeof(u64)) {
        values += bitmap[whole] >> i & 1;
        memcpy(out, values, sizeof(u64));
    }
}

// S1: the values after each change, as from a dense column, then each for as long as it stays.
static bool sparse1_unpack(struct dec *d, bool mb, struct sums *s, u32 n,
                           const struct unpack_sink *sink)
{
    UNINIT struct places p;
    UNINIT u64 values[INT_PACK_MAX + 2 * GROUP]; // Whole groups behind the first.
    u8 *out = sink->out;
    value_store(s->x, sink->as, sink->divisor, (u8 *)values);
    value_store(s->x, sink->as, sink->divisor, out);
    if (!places_read(d, n - 1, &p) ||
        !residuals_unpack(d, mb, p.count, s, true, (u8 *)(values + 1))) {
        return false;
    }
    ranks_store(p.bitmap, values, n - 1, out + 8);
    return true;
}

// S2: rare, and without a run to copy: the residuals are spread, then summed twice.
static bool sparse2_unpack(struct dec *d, bool mb, struct sums *s, u32 n,
                           const struct unpack_sink *sink)
{
    UNINIT struct places p;
    UNINIT u64 values[INT_PACK_MAX + 2 * GROUP]; // Whole groups behind the first.
    u8 *out = (u8 *)sink->out + 16;
    if (!places_read(d, n - 2, &p) || !residuals_unpack(d, mb, p.count, s, true, (u8 *)values)) {
        return false;
    }
    const u64 *next = values;
    values[p.count] = 0; // Looked at, not used, once all are taken.
    for (u32 i = 0; i < n - 2; i++, out += 8) {
        const u64 there = p.bitmap[i / 8] >> (i % 8) & 1;
        s->delta += *next & (0 - there);
        next += there;
        s->x += s->delta;
        value_store(s->x, sink->as, sink->divisor, out);
    }
    return true;
}

// ---- columns ----

static __attribute__((noinline)) bool varying_unpack(struct dec *d, u8 header, u64 x0, u32 n,
                                                     const struct unpack_sink *sink)
{
    const enum int_plan plan = header & INT_PACK_PLAN;
    const bool mb = (header & INT_PACK_MB) != 0;
    const bool second = plan == INT_D2 || plan == INT_S2;
    u8 *out = sink->out;
    static const enum steps steps[] = {[INT_FOR] = STEPS_NONE,
                                       [INT_D1] = STEPS_SUM,
                                       [INT_D2] = STEPS_SUM2,
                                       [INT_S1] = STEPS_SUM,
                                       [INT_S2] = STEPS_UNFOLD};
    struct sums s = {.x = x0,
                     .gcd = 1,
                     .divisor = sink->divisor,
                     .steps = steps[plan],
                     .as = plan == INT_S2 ? UNPACK_RAW : sink->as};
    if (header & INT_PACK_GCD) {
        s.gcd = dec_varint_short(d);
    }
    if (n < 3 || s.gcd == 0) {
        return false;
    }
    if (second) {
        s.delta = (u64)dec_varsint_short(d) * s.gcd;
        s.x += s.delta;
        value_store(x0, sink->as, sink->divisor, out);
        value_store(s.x, sink->as, sink->divisor, out + 8);
    }
    bool right = false;
    switch (plan) {
    case INT_FOR:
        right = residuals_unpack(d, mb, n, &s, false, out);
        break;
    case INT_D1:
        value_store(x0, sink->as, sink->divisor, out);
        right = residuals_unpack(d, mb, n - 1, &s, false, out + 8);
        break;
    case INT_D2:
        right = residuals_unpack(d, mb, n - 2, &s, false, out + 16);
        break;
    case INT_S1:
        right = sparse1_unpack(d, mb, &s, n, sink);
        break;
    case INT_S2:
        right = sparse2_unpack(d, mb, &s, n, sink);
        break;
    case INT_CONST:
    case INT_LIN:
        break;
    }
    rises_tell(sink, s.rises);
    return right;
}

bool column_unpack(struct dec *d, u8 header, u32 n, const struct unpack_sink *sink)
{
    if (n < 1 || n > INT_PACK_MAX) {
        return false;
    }
    const u64 x0 = (u64)dec_varsint_short(d);
    const enum int_plan plan = header & INT_PACK_PLAN;
    if (plan > INT_LIN) {
        return plan <= INT_S2 && varying_unpack(d, header, x0, n, sink) && dec_ok(d);
    }
    const u64 step = plan == INT_LIN ? (u64)dec_varsint_short(d) : 0;
    rises_tell(sink,
               sink->as != UNPACK_RAW && (plan == INT_CONST || line_rises((i64)x0, (i64)step, n)));
    if (step == 0) {
        constant_store(value_bits(x0, sink->as, sink->divisor), n, sink->out);
    } else {
        line_store(sink, x0, step, n);
    }
    return dec_ok(d) && (header & (INT_PACK_GCD | INT_PACK_MB)) == 0;
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
