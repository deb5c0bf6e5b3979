// chunk_residuals.c: the residuals of a column on any machine.
//
//   bits ─► unfolded ─► · gcd ─► summed ─► doubles ─► ÷ a power of ten ─► stored
//
// Behind the sum two values go together where the integers are known to be small enough: each was
// summed as the low bits of a double from the start, which is taken away again. Divisions then are
// under way while the next bits are looked at. Others are converted in place, once all are summed.
//
// (I1) No load passes the end of the input (group_walk).
// (I2) No branch depends on a value or on a group's width; those left depend on the column.
#include "base/bits.h"
#include "tsdb/chunk_groups.h"

#define OFFSET 0x1.8p52 // Its low 51 bits take an integer, of either sign.

enum {
    LOOK_AHEAD = sizeof(u64), // Behind a group's bytes a load may reach so far.
    QUAD_WIDTH_MAX = 15,      // Four values and a shift of 4 bits fit one load.
    PAIR_WIDTH_MAX = 28,      // Two values and a shift of 6 bits do.
};
static_assert(WIDTH_MAX + LOOK_AHEAD <= REACH_MAX, "a walk's copy has room for it twice");

// Two at a time where the machine has such registers, as any of today has.
typedef u64 u64x2 __attribute__((vector_size(16)));
typedef f64 f64x2 __attribute__((vector_size(16)));

// How the bytes of a group are read; by the column's widest one.
enum load { LOAD_QUADS, LOAD_PAIRS, LOAD_SINGLES };

// Constants wherever the code below is expanded.
struct mode {
    enum steps steps;
    enum unpack_as as; // But for UNPACK_RAW sums begin at the offset.
    bool based;
    bool scaled; // By the gcd; where there are sums, a factor of 1 costs next to nothing.
    enum load load;
};

// Threads: owned by the call.
struct residual_run {
    u64 x;
    u64 delta;
    u64 gcd;
    u64 base;
    f64x2 divisor; // UNPACK_DEC only.
    struct mode mode;
};

static ALWAYS_INLINE u64 value_next(u64 v, struct residual_run *s, struct mode m)
{
    if (m.steps != STEPS_NONE) {
        v = m.based ? v + s->base : (v >> 1) ^ (0 - (v & 1));
    }
    v = m.scaled ? v * s->gcd : v;
    if (m.steps == STEPS_NONE) {
        v += s->x;
    }
    if (m.steps == STEPS_SUM2) {
        v = s->delta += v;
    }
    if (m.steps == STEPS_SUM || m.steps == STEPS_SUM2) {
        v = s->x += v;
    }
    return v;
}

static ALWAYS_INLINE void values_store(u64 a, u64 b, const struct residual_run *s, struct mode m,
                                       u8 *out)
{
    const u64x2 bits = {a, b};
    f64x2 v;
    if (m.as == UNPACK_RAW) {
        memcpy(out, &a, sizeof(a));
        memcpy(out + 8, &b, sizeof(b));
        return;
    }
    memcpy(&v, &bits, sizeof(v));
    v -= (f64x2){OFFSET, OFFSET};
    v = m.as == UNPACK_DEC ? v / s->divisor : v;
    memcpy(out, &v, sizeof(v));
}

static ALWAYS_INLINE void values_run(u64 a, u64 b, struct residual_run *s, struct mode m, u8 *out)
{
    a = value_next(a, s, m);
    b = value_next(b, s, m);
    values_store(a, b, s, m, out);
}

// Two and four values of one load.
static ALWAYS_INLINE void pair_run(u64 word, u32 width, struct residual_run *s, struct mode m,
                                   u8 *out)
{
    const u64 mask = (1ULL << width) - 1;
    values_run(word & mask, word >> width & mask, s, m, out);
}

static ALWAYS_INLINE void quad_run(u64 word, u32 width, struct residual_run *s, struct mode m,
                                   u8 *out)
{
    pair_run(word, width, s, m, out);
    pair_run(word >> width >> width, width, s, m, out + 16);
}

static ALWAYS_INLINE u64 single_load(const u8 *p, u32 bit, u64 mask)
{
    return load_le64(p + bit / 8) >> (bit % 8) & mask;
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
        for (u32 k = 0; k < GROUP; k += 2) {
            values_run(single_load(p, k * width, mask), single_load(p, (k + 1) * width, mask), s, m,
                       out + (size_t)k * 8);
        }
        break;
    }
    }
}

static ALWAYS_INLINE void walk_run(struct group_walk *w, const struct residual_run *run,
                                   struct mode m)
{
    struct residual_run s = *run; // The stores to out might alias what is behind a pointer.
    do {
        struct group_span p = w->span;
        for (; p.widths < p.to && p.at <= p.limit; p.widths++, p.out += (size_t)GROUP * 8) {
            const u32 width = *p.widths;
            group_run(p.at, width, &s, m, p.out);
            p.at += width;
        }
        w->span = p;
    } while (group_walk_next(w));
}

static ALWAYS_INLINE void load_run(struct group_walk *w, const struct residual_run *s,
                                   struct mode m)
{
    switch (s->mode.load) {
    case LOAD_QUADS:
        m.load = LOAD_QUADS;
        walk_run(w, s, m);
        break;
    case LOAD_PAIRS:
        m.load = LOAD_PAIRS;
        walk_run(w, s, m);
        break;
    case LOAD_SINGLES:
        m.load = LOAD_SINGLES;
        walk_run(w, s, m);
        break;
    }
}

static ALWAYS_INLINE void base_run(struct group_walk *w, const struct residual_run *s,
                                   enum steps steps, enum unpack_as as)
{
    if (steps != STEPS_NONE && s->mode.based) {
        load_run(w, s, (struct mode){.steps = steps, .as = as, .based = true, .scaled = true});
    } else if (steps != STEPS_NONE || s->mode.scaled) {
        load_run(w, s, (struct mode){.steps = steps, .as = as, .scaled = true});
    } else {
        load_run(w, s, (struct mode){.steps = steps, .as = as});
    }
}

static ALWAYS_INLINE void as_run(struct group_walk *w, const struct residual_run *s,
                                 enum steps steps)
{
    switch (s->mode.as) {
    case UNPACK_RAW:
        base_run(w, s, steps, UNPACK_RAW);
        break;
    case UNPACK_INT:
        base_run(w, s, steps, UNPACK_INT);
        break;
    case UNPACK_DEC:
        base_run(w, s, steps, UNPACK_DEC);
        break;
    }
}

static void groups_run(struct group_walk *w, const struct residual_run *s)
{
    switch (s->mode.steps) {
    case STEPS_NONE:
        as_run(w, s, STEPS_NONE);
        break;
    case STEPS_UNFOLD:
        base_run(w, s, STEPS_UNFOLD, UNPACK_RAW);
        break;
    case STEPS_SUM:
        as_run(w, s, STEPS_SUM);
        break;
    case STEPS_SUM2:
        as_run(w, s, STEPS_SUM2);
        break;
    }
}

// Of integers that a double may not hold.
static void integers_convert(u8 *out, u32 count, enum unpack_as as, f64 divisor)
{
    for (u32 i = 0; i < count; i++, out += sizeof(f64)) {
        f64 v = (f64)(i64)load_le64(out);
        v = as == UNPACK_DEC ? v / divisor : v;
        memcpy(out, &v, sizeof(v));
    }
}

static enum load load_of(u32 width_max)
{
    return width_max <= QUAD_WIDTH_MAX   ? LOAD_QUADS
           : width_max <= PAIR_WIDTH_MAX ? LOAD_PAIRS
                                         : LOAD_SINGLES;
}

bool residuals_run(struct groups *r, const struct sums *s, u8 *out)
{
    const bool doubles = s->as != UNPACK_RAW && sums_exact(r, s);
    struct residual_run run = {.x = s->x + (doubles ? bits_of_f64(OFFSET) : 0),
                               .delta = s->delta,
                               .gcd = s->gcd,
                               .base = r->base,
                               .divisor = {s->divisor, s->divisor},
                               .mode = {.steps = s->steps,
                                        .as = doubles ? s->as : UNPACK_RAW,
                                        .based = r->based,
                                        .scaled = s->gcd != 1,
                                        .load = load_of(r->width_max)}};
    UNINIT struct group_walk w;
    group_walk_init(&w, r, MIN(r->width_max, (u32)WIDTH_MAX) + LOOK_AHEAD, out);
    groups_run(&w, &run);
    if ((s->steps == STEPS_NONE && r->based) || !group_walk_end(&w)) {
        return false;
    }
    if (s->as != run.mode.as) {
        integers_convert(out, r->count, s->as, s->divisor);
    }
    return true;
}
