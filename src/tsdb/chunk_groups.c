#include "tsdb/chunk_groups.h"

#include "base/dec.h"

#include <math.h>

#define EXACT_LIMIT 0x1p51

enum {
    CODE_BYTES_MAX = INT_PACK_MAX / GROUP * 4 / 8,
    WIDTH_EASY = 15, // Up to here all are read the same way.
};

// How eight codes of 1, 2 or 4 bits become the low bits of eight bytes: the upper half of what is
// left moves up, three times. Threads: constants.
static const struct spread {
    u64 all;
    u32 shift[3];
    u64 mask[3];
} spreads[CODE_LOG_MAX + 1] = {
    {0xFF, {28, 14, 7}, {0x0000000F0000000F, 0x0003000300030003, 0x0101010101010101}},
    {0xFFFF, {24, 12, 6}, {0x000000FF000000FF, 0x000F000F000F000F, 0x0303030303030303}},
    {0xFFFFFFFF, {16, 8, 4}, {0x0000FFFF0000FFFF, 0x00FF00FF00FF00FF, 0x0F0F0F0F0F0F0F0F}},
};

static ALWAYS_INLINE u64 codes_spread(u64 v, const struct spread *s)
{
    v &= s->all;
    v = (v | v << s->shift[0]) & s->mask[0];
    v = (v | v << s->shift[1]) & s->mask[1];
    return (v | v << s->shift[2]) & s->mask[2];
}

// Eight widths at a time, as bytes of one word: none carries into the next, since no width is
// above WIDTH_DIRECT_MAX. Up to 4 bytes at codes may be read for each eight.
static ALWAYS_INLINE void widths_spread(struct groups *r, const u8 *codes, u32 code_log,
                                        u32 width_min, u32 step)
{
    const u64 low = 0x0101010101010101ULL * width_min;
    const u32 count = group_count(r->count);
    for (u32 g = 0; g < count; g += 8, codes += 1ULL << code_log) {
        const u64 widths = codes_spread(load_le32(codes), &spreads[code_log]) * step + low;
        memcpy(r->widths + g, &widths, sizeof(widths));
    }
}

static void widths_narrow(struct groups *r, const u8 *codes, u32 code_log, u32 width_min, u32 step)
{
    switch (code_log) { // A constant in each.
    case 0:
        widths_spread(r, codes, 0, width_min, step);
        break;
    case 1:
        widths_spread(r, codes, 1, width_min, step);
        break;
    default:
        widths_spread(r, codes, 2, width_min, step);
        break;
    }
}

static void widths_wide(struct groups *r, const u8 *codes, u32 code_log, u32 width_min, u32 step)
{
    for (u32 g = 0; g < group_count(r->count); g++) {
        const u32 bit = g << code_log;
        const u32 code = (u32)codes[bit / 8] >> (bit % 8) & ((1U << (1U << code_log)) - 1);
        r->widths[g] = (u8)width_stored(width_min + code * step);
    }
}

// Codes could tell of more than there are: what a way is chosen by is what they do tell.
static u32 widths_max(struct groups *r)
{
    u8 most[WIDTHS_BEYOND] = {0};
    u8 max = 0;
    memset(r->widths + group_count(r->count), 0, WIDTHS_BEYOND);
    for (u32 g = 0; g < group_count(r->count); g += WIDTHS_BEYOND) {
        for (u32 i = 0; i < WIDTHS_BEYOND; i++) { // One instruction.
            most[i] = MAX(most[i], r->widths[g + i]);
        }
    }
    for (u32 i = 0; i < WIDTHS_BEYOND; i++) {
        max = MAX(max, most[i]);
    }
    return max;
}

static bool widths_read(struct groups *r, struct dec *d, u32 width_min, u8 second)
{
    UNINIT u8 copy[CODE_BYTES_MAX + sizeof(u32)];
    const u32 step = 1 + (second & ((1U << STEP_BITS) - 1));
    const u32 code_log = (u32)second >> STEP_BITS;
    if (code_log > CODE_LOG_MAX) {
        return false;
    }
    const str codes = dec_bytes(d, (((u64)group_count(r->count) << code_log) + 7) / 8);
    const u8 *from = (const u8 *)codes.ptr;
    if (!dec_ok(d)) {
        return false;
    }
    if (dec_left(d) < sizeof(u32)) {
        CHECK(codes.len <= CODE_BYTES_MAX);
        memcpy(copy, from, codes.len);
        memset(copy + codes.len, 0, sizeof(u32));
        from = copy;
    }
    r->width_max = width_min + ((1U << (1U << code_log)) - 1) * step;
    if (r->width_max <= WIDTH_DIRECT_MAX) {
        widths_narrow(r, from, code_log, width_min, step);
    } else {
        widths_wide(r, from, code_log, width_min, step);
    }
    if (r->width_max > WIDTH_EASY) {
        r->width_max = widths_max(r);
    }
    return true;
}

bool groups_open(struct groups *r, struct dec *d, bool mb, u32 count)
{
    const u8 first = dec_u8(d);
    const u8 second = mb ? dec_u8(d) : 0;
    const u32 width_min = first & (RESIDUAL_BASED - 1U);
    r->count = count;
    r->room = false;
    r->based = (first & RESIDUAL_BASED) != 0;
    r->base = r->based ? (u64)dec_varsint_short(d) : 0;
    if (width_min > WIDTH_MAX) {
        return false;
    }
    if (!mb) {
        r->width_max = width_min;
        memset(r->widths, (int)width_min, sizeof(r->widths));
        if (width_min != width_stored(width_min)) {
            return false;
        }
    } else if (!widths_read(r, d, width_min, second)) {
        return false;
    }
    r->at = d->at;
    r->end = d->end;
    return dec_ok(d);
}

static void rest_copy(struct group_walk *w)
{
    struct group_span *p = &w->span;
    w->copied = true;
    w->left = (size_t)(w->groups->end - p->at);
    DCHECK(w->left + w->reach <= 2 * (size_t)REACH_MAX);
    memcpy(w->copy, p->at, w->left);
    memset(w->copy + w->left, 0, w->reach);
    p->at = w->copy;
    p->limit = w->copy + w->left; // One may begin where nothing is left: of no bytes.
}

void group_walk_init(struct group_walk *w, struct groups *r, u32 reach, u8 *out)
{
    const u32 groups = r->room ? group_count(r->count) : r->count / GROUP;
    DCHECK(reach <= REACH_MAX && reach >= MIN(r->width_max, (u32)WIDTH_MAX));
    w->span =
        (struct group_span){.at = r->at, .widths = r->widths, .to = r->widths + groups, .out = out};
    w->groups = r;
    w->reach = reach;
    w->copied = false;
    w->out = out;
    if ((size_t)(r->end - r->at) < reach) {
        rest_copy(w);
    } else {
        w->span.limit = r->end - reach;
    }
}

bool group_walk_next(struct group_walk *w)
{
    struct group_span *p = &w->span;
    const u8 *end = w->groups->widths + group_count(w->groups->count);
    if (p->widths == end) {
        return false;
    }
    if (p->at > p->limit) {
        if (w->copied) {
            return false;
        }
        rest_copy(w);
    }
    if (p->widths == p->to) { // Of fewer values than a group has, to where only those have room.
        p->to = end;
        p->out = w->last;
    }
    return true;
}

bool group_walk_end(struct group_walk *w)
{
    struct groups *r = w->groups;
    const struct group_span *p = &w->span;
    const u32 rest = r->count % GROUP;
    const u8 *end = r->widths + group_count(r->count);
    if (p->widths < end) {
        return false;
    }
    // The last one takes only what its values do.
    const size_t beyond = rest > 0 ? end[-1] - (end[-1] * rest + 7) / 8 : 0;
    const size_t used = (size_t)(p->at - (w->copied ? w->copy : r->at));
    if (w->copied ? used > w->left + beyond : used > (size_t)(r->end - r->at) + beyond) {
        return false;
    }
    if (rest > 0 && !r->room) {
        memcpy(w->out + (size_t)(r->count - rest) * 8, w->last, (size_t)rest * 8);
    }
    r->at = (w->copied ? r->end - w->left : r->at) + used - beyond;
    return true;
}

bool sums_exact(const struct groups *r, const struct sums *s)
{
    if (r->width_max > WIDTH_DIRECT_MAX) {
        return false;
    }
    const f64 n = r->count + (f64)GROUP; // The last group has lanes that nobody asked for.
    const f64 step = ((f64)(1ULL << r->width_max) + fabs((f64)(i64)r->base)) * (f64)s->gcd;
    const f64 x = fabs((f64)(i64)s->x);
    const f64 delta = fabs((f64)(i64)s->delta);
    switch (s->steps) {
    case STEPS_NONE:
        return x + step < EXACT_LIMIT;
    case STEPS_SUM:
        return x + n * step < EXACT_LIMIT;
    case STEPS_SUM2:
        return x + n * (delta + n * step) < EXACT_LIMIT;
    case STEPS_UNFOLD:
        break;
    }
    return false;
}
