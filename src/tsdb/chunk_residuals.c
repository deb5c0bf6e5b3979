// chunk_residuals.c: the residuals of a column on any machine.
//
//   bits ─► unfolded ─► · gcd ─► summed, as 64 bits at out ─► doubles ─► ÷ a power of ten, in place
//
// The second half goes by pairs where the integers are known to be small enough: each was summed as
// the low bits of a double from the start, which is taken away again.
//
// (I1) No load passes the end of the input (groups_walk).
// (I2) No branch depends on a value or on a group's width; those left depend on the column.
#include "base/bits.h"
#include "tsdb/chunk_groups.h"

#define OFFSET 0x1.8p52 // Its low 51 bits take an integer, of either sign.

enum {
    LOOK_AHEAD = sizeof(u64), // Behind a group's bytes a load may reach so far.
    QUAD_WIDTH_MAX = 15,      // Four values and a shift of 4 bits fit one load.
    PAIR_WIDTH_MAX = 28,      // Two values and a shift of 6 bits do.
    PAIRS_MIN = 64, // Two stores on their way forward to no load of both: so far they are behind.
};

// Two at a time where the machine has such registers, as any of today has.
typedef f64 f64x2 __attribute__((vector_size(16)));

// How the bytes of a group are read; by the column's widest one.
enum load { LOAD_QUADS, LOAD_PAIRS, LOAD_SINGLES };

// Constants wherever the code below is expanded.
struct mode {
    enum steps steps;
    enum load load;
    bool based;
};

// Threads: owned by the call.
struct residual_run {
    u64 x;
    u64 delta;
    u64 gcd;
    u64 base;
    struct mode mode;
};

static ALWAYS_INLINE void value_run(u64 v, struct residual_run *s, struct mode m, u8 *out)
{
    if (m.steps != STEPS_NONE) {
        v = m.based ? v + s->base : (v >> 1) ^ (0 - (v & 1));
    }
    v *= s->gcd;
    if (m.steps == STEPS_NONE) {
        v += s->x;
    }
    if (m.steps == STEPS_SUM2) {
        v = s->delta += v;
    }
    if (m.steps == STEPS_SUM || m.steps == STEPS_SUM2) {
        v = s->x += v;
    }
    memcpy(out, &v, sizeof(v));
}

// Two and four values of one load.
static ALWAYS_INLINE void pair_run(u64 word, u32 width, struct residual_run *s, struct mode m,
                                   u8 *out)
{
    const u64 mask = (1ULL << width) - 1;
    value_run(word & mask, s, m, out);
    value_run(word >> width & mask, s, m, out + 8);
}

static ALWAYS_INLINE void quad_run(u64 word, u32 width, struct residual_run *s, struct mode m,
                                   u8 *out)
{
    pair_run(word, width, s, m, out);
    pair_run(word >> width >> width, width, s, m, out + 16);
}

// Eight values from the width bytes at p; what lies up to 8 bytes behind those may be read.
static ALWAYS_INLINE void group_run(const u8 *p, u32 width, struct residual_run *s, struct mode m,
                                    u8 *out)
{
    switch (m.load) {
    case LOAD_QUADS:
        quad_run(load_le64(p), width, s, m, out);
        quad_run(load_le64(p + width / 2) >> (width % 2 * 4), width, s, m, out + 32);
        break;
    case LOAD_PAIRS:
        pair_run(load_le64(p), width, s, m, out);
        pair_run(load_le64(p + width / 4) >> (width * 2 % 8), width, s, m, out + 16);
        pair_run(load_le64(p + width / 2) >> (width * 4 % 8), width, s, m, out + 32);
        pair_run(load_le64(p + width * 3 / 4) >> (width * 6 % 8), width, s, m, out + 48);
        break;
    case LOAD_SINGLES: {
        const u64 mask = width < WIDTH_MAX ? (1ULL << width) - 1 : UINT64_MAX;
        for (u32 k = 0; k < GROUP; k++) {
            const u32 bit = k * width;
            value_run(load_le64(p + bit / 8) >> (bit % 8) & mask, s, m, out + (size_t)k * 8);
        }
        break;
    }
    }
}

static ALWAYS_INLINE void span_run(struct group_span *span, struct residual_run *run, struct mode m)
{
    struct group_span p = *span; // The stores to out might alias what is behind a pointer.
    struct residual_run s = *run;
    for (; p.widths < p.to && p.at <= p.limit; p.widths++, p.out += (size_t)GROUP * 8) {
        const u32 width = *p.widths;
        group_run(p.at, width, &s, m, p.out);
        p.at += width;
    }
    *span = p;
    run->x = s.x;
    run->delta = s.delta;
}

static ALWAYS_INLINE void load_run(struct group_span *p, struct residual_run *s, enum steps steps,
                                   bool based)
{
    switch (s->mode.load) {
    case LOAD_QUADS:
        span_run(p, s, (struct mode){steps, LOAD_QUADS, based});
        break;
    case LOAD_PAIRS:
        span_run(p, s, (struct mode){steps, LOAD_PAIRS, based});
        break;
    case LOAD_SINGLES:
        span_run(p, s, (struct mode){steps, LOAD_SINGLES, based});
        break;
    }
}

static ALWAYS_INLINE void steps_run(struct group_span *p, struct residual_run *s, enum steps steps)
{
    if (s->mode.based) {
        load_run(p, s, steps, true);
    } else {
        load_run(p, s, steps, false);
    }
}

static void groups_run(struct group_span *p, void *state)
{
    struct residual_run *s = state;
    switch (s->mode.steps) {
    case STEPS_NONE:
        load_run(p, s, STEPS_NONE, false);
        break;
    case STEPS_UNFOLD:
        steps_run(p, s, STEPS_UNFOLD);
        break;
    case STEPS_SUM:
        steps_run(p, s, STEPS_SUM);
        break;
    case STEPS_SUM2:
        steps_run(p, s, STEPS_SUM2);
        break;
    }
}

static ALWAYS_INLINE void pair_convert(u8 *at, f64x2 divisor, bool divided)
{
    f64x2 v;
    memcpy(&v, at, sizeof(v));
    v -= (f64x2){OFFSET, OFFSET};
    v = divided ? v / divisor : v;
    memcpy(at, &v, sizeof(v));
}

static ALWAYS_INLINE void one_convert(u8 *at, f64 divisor, bool divided)
{
    f64 v = f64_of_bits(load_le64(at)) - OFFSET;
    v = divided ? v / divisor : v;
    memcpy(at, &v, sizeof(v));
}

// Those with an offset become what they are.
static ALWAYS_INLINE void pairs_convert(u8 *out, u32 count, f64 divisor, bool divided)
{
    const f64x2 divisors = {divisor, divisor};
    u32 i = 0;
    if ((uintptr_t)out % sizeof(f64x2) != 0) {
        one_convert(out, divisor, divided);
        out += sizeof(f64);
        i = 1;
    }
    for (; i + GROUP <= count; i += GROUP, out += sizeof(f64) * GROUP) {
        pair_convert(out, divisors, divided);
        pair_convert(out + 16, divisors, divided);
        pair_convert(out + 32, divisors, divided);
        pair_convert(out + 48, divisors, divided);
    }
    for (; i < count; i++, out += sizeof(f64)) {
        one_convert(out, divisor, divided);
    }
}

static void singles_convert(u8 *out, u32 count, enum unpack_as as, f64 divisor)
{
    for (u32 i = 0; i < count; i++, out += sizeof(f64)) {
        f64 v = (f64)(i64)load_le64(out);
        v = as == UNPACK_DEC ? v / divisor : v;
        memcpy(out, &v, sizeof(v));
    }
}

bool residuals_run(struct groups *r, const struct sums *s, u8 *out)
{
    const enum unpack_as as = s->as;
    const enum load load = r->width_max <= QUAD_WIDTH_MAX   ? LOAD_QUADS
                           : r->width_max <= PAIR_WIDTH_MAX ? LOAD_PAIRS
                                                            : LOAD_SINGLES;
    const bool pairs = as != UNPACK_RAW && r->count >= PAIRS_MIN && sums_exact(r, s);
    struct residual_run run = {.x = s->x + (pairs ? bits_of_f64(OFFSET) : 0),
                               .delta = s->delta,
                               .gcd = s->gcd,
                               .base = r->base,
                               .mode = {s->steps, load, r->based}};
    if ((s->steps == STEPS_NONE && r->based) ||
        !groups_walk(r, groups_run, &run, MIN(r->width_max, (u32)WIDTH_MAX) + LOOK_AHEAD, out)) {
        return false;
    }
    if (pairs && as == UNPACK_DEC) {
        pairs_convert(out, r->count, s->divisor, true);
    } else if (pairs) {
        pairs_convert(out, r->count, 1, false);
    } else if (as != UNPACK_RAW) {
        singles_convert(out, r->count, as, s->divisor);
    }
    return true;
}
