#include "tsdb/int_pack_layout.h"

#include "base/bits.h"
#include "base/buf.h"
#include "tsdb/chunk_form.h"
#include "tsdb/int_pack.h"

enum { GROUPS_MAX = (INT_PACK_MAX + GROUP - 1) / GROUP, STARTS = 4 };

// The widths of the full groups, and of the last one where it is not full: that one takes only the
// bytes its values need.
struct width_histogram {
    u16 groups[WIDTH_MAX + 1];
    u32 full;
    u32 least; // Bytes of all groups if each had its own width: no codes give fewer.
    u32 low;
    u32 high;
    u32 last_count; // 0 = all groups are full.
    u32 last_width;
};

static size_t varint_bytes(u64 v)
{
    return v ? (bits_width(v) + 6) / 7 : 1;
}

static void histogram_make(struct width_histogram *h, const u64 *ors, u32 count)
{
    const u32 groups = group_count(count);
    *h = (struct width_histogram){.full = count / GROUP, .low = WIDTH_MAX};
    for (u32 g = 0; g < groups; g++) {
        const u32 width = bits_width(ors[g]);
        h->low = MIN(h->low, width);
        h->high = MAX(h->high, width);
        if (g < h->full) {
            h->groups[width]++;
            h->least += width_stored(width);
        } else {
            h->last_count = count % GROUP;
            h->last_width = width;
            h->least += (h->last_count * width_stored(width) + 7) / 8;
        }
    }
    h->low = MIN(h->low, h->high);
}

static u32 width_code(u32 width, u32 width_min, u32 step)
{
    return width <= width_min ? 0 : (width - width_min + step - 1) / step;
}

static size_t last_bytes(const struct width_histogram *h, u32 width)
{
    return ((size_t)h->last_count * width + 7) / 8;
}

// Bytes of all groups under these codes, without the codes. Widths rise, so the width that a code
// stands for is found by going on from the one before, and not by dividing.
static size_t groups_bytes(const struct width_histogram *h, u32 width_min, u32 step)
{
    size_t bytes = 0;
    u32 rounded = width_min;
    for (u32 w = h->low; w <= h->high; w++) {
        rounded += rounded < w ? step : 0;
        bytes += (size_t)h->groups[w] * width_stored(rounded);
    }
    const u32 last = width_min + width_code(h->last_width, width_min, step) * step;
    return bytes + last_bytes(h, width_stored(last));
}

// Bytes of what stands before the groups: two, and their codes.
static size_t codes_bytes(const struct width_histogram *h, u32 code_log)
{
    const u32 groups = h->full + (h->last_count > 0);
    return 2 + (((size_t)groups << code_log) + 7) / 8;
}

// below: what the layout has to undercut, beside the best one so far.
static void layout_keep(struct residual_layout *best, const struct width_histogram *h,
                        u32 width_min, u32 code_log, size_t below)
{
    const size_t before = codes_bytes(h, code_log);
    const size_t limit = MIN(best->bytes, below);
    if (before + h->least >= limit) {
        return; // Most layouts are none, and looking at each costs the most of all packing.
    }
    const u32 codes = (1U << (1U << code_log)) - 1;
    const u32 step = (h->high - width_min + codes - 1) / codes;
    const size_t bytes = before + groups_bytes(h, width_min, step);
    if (bytes < limit) {
        best->bytes = bytes;
        best->mb = true;
        best->width_min = width_min;
        best->step = step;
        best->code_log = code_log;
    }
}

// Two widths only: every threshold is looked at, each in O(1).
static u32 threshold_best(const struct width_histogram *h)
{
    size_t best_bytes = SIZE_MAX;
    u32 best = h->low;
    u32 below = 0;
    for (u32 t = h->low; t < h->high; t++) {
        below += h->groups[t];
        const size_t bytes =
            (size_t)below * width_stored(t) + (size_t)(h->full - below) * width_stored(h->high);
        if (bytes < best_bytes) {
            best_bytes = bytes;
            best = t;
        }
    }
    return best;
}

// The smallest one, if it is smaller than `below`; else any.
static struct residual_layout layout_choose(const u64 *ors, u32 count, size_t below)
{
    struct width_histogram h;
    histogram_make(&h, ors, count);
    const u32 width = width_stored(h.high);
    struct residual_layout best = {.width_min = width,
                                   .bytes = 1 + (size_t)h.full * width + last_bytes(&h, width)};
    if (h.low == h.high || codes_bytes(&h, 0) + h.least >= MIN(best.bytes, below)) {
        return best;
    }
    layout_keep(&best, &h, threshold_best(&h), 0, below);
    const u32 starts = MIN(h.high, h.low + STARTS);
    for (u32 start = h.low; start < starts; start++) {
        layout_keep(&best, &h, start, 1, below);
        layout_keep(&best, &h, start, 2, below);
    }
    return best;
}

struct residual_layout residual_layout_signed(const i64 *values, u32 count, i64 base, size_t below)
{
    UNINIT u64 zigzag[GROUPS_MAX];
    UNINIT u64 based[GROUPS_MAX];
    for (u32 g = 0; g < group_count(count); g++) {
        const u32 end = MIN(count, (g + 1) * GROUP);
        u64 z = 0;
        u64 b = 0;
        for (u32 i = g * GROUP; i < end; i++) {
            z |= bits_zigzag(values[i]);
            b |= (u64)values[i] - (u64)base;
        }
        zigzag[g] = z;
        based[g] = b;
    }
    const size_t base_bytes = varint_bytes(bits_zigzag(base));
    struct residual_layout z;
    struct residual_layout b;
    if (base >= 0) { // Then the second is not looked at for long.
        b = layout_choose(based, count, below - MIN(below, base_bytes));
        z = layout_choose(zigzag, count, MIN(below, b.bytes + base_bytes + 1));
    } else {
        z = layout_choose(zigzag, count, below);
        const size_t left = MIN(below, z.bytes);
        b = layout_choose(based, count, left - MIN(left, base_bytes));
    }
    b.bytes += base_bytes;
    if (b.bytes < z.bytes) {
        b.map = RESIDUAL_LESS_BASE;
        b.base = base;
        return b;
    }
    z.map = RESIDUAL_ZIGZAG;
    return z;
}

struct residual_layout residual_layout_plain(const u64 *values, u32 count, size_t below)
{
    UNINIT u64 ors[GROUPS_MAX];
    for (u32 g = 0; g < group_count(count); g++) {
        const u32 end = MIN(count, (g + 1) * GROUP);
        u64 all = 0;
        for (u32 i = g * GROUP; i < end; i++) {
            all |= values[i];
        }
        ors[g] = all;
    }
    return layout_choose(ors, count, below);
}

struct residual_layout residual_layout_quick(const i64 *values, u32 count)
{
    UNINIT u64 ors[GROUPS_MAX];
    for (u32 g = 0; g < group_count(count); g++) {
        const u32 end = MIN(count, (g + 1) * GROUP);
        u64 all = 0;
        for (u32 i = g * GROUP; i < end; i++) {
            all |= bits_zigzag(values[i]);
        }
        ors[g] = all;
    }
    struct residual_layout l = layout_choose(ors, count, SIZE_MAX);
    l.map = RESIDUAL_ZIGZAG;
    return l;
}

// ---- writing ----

static void lanes_map(const struct residual_layout *l, const i64 *values, u32 count, u64 *lanes)
{
    for (u32 k = 0; k < count; k++) {
        lanes[k] =
            l->map == RESIDUAL_ZIGZAG ? bits_zigzag(values[k]) : (u64)values[k] - (u64)l->base;
    }
    for (u32 k = count; k < GROUP; k++) {
        lanes[k] = 0;
    }
}

static u32 lanes_width(const u64 *lanes)
{
    u64 all = 0;
    for (u32 k = 0; k < GROUP; k++) {
        all |= lanes[k];
    }
    return bits_width(all);
}

// Writes width bytes, and may scribble on up to 8 behind them.
#define SCRIBBLE (WIDTH_MAX + sizeof(u64)) // Behind a short last group.
static void lanes_pack(const u64 *lanes, u32 width, char *out)
{
    u64 acc = 0;
    u32 filled = 0;
    for (u32 k = 0; k < GROUP; k++) {
        acc |= lanes[k] << filled;
        filled += width;
        if (filled >= 64) {
            memcpy(out, &acc, sizeof(acc));
            out += sizeof(acc);
            filled -= 64;
            acc = filled > 0 ? lanes[k] >> (width - filled) : 0;
        }
    }
    memcpy(out, &acc, sizeof(acc));
}

static void groups_write(const struct residual_layout *l, const i64 *values, u32 count, char *out)
{
    char *at = out;
    if (l->mb) {
        const size_t codes = (((size_t)group_count(count) << l->code_log) + 7) / 8;
        memset(out, 0, codes);
        at += codes;
    }
    for (u32 g = 0; g < group_count(count); g++) {
        UNINIT u64 lanes[GROUP];
        const u32 here = MIN(GROUP, count - g * GROUP);
        lanes_map(l, values + (size_t)g * GROUP, here, lanes);
        u32 width = l->width_min;
        if (l->mb) {
            const u32 code = width_code(lanes_width(lanes), l->width_min, l->step);
            const u32 bit = g << l->code_log;
            out[bit / 8] = (char)((u8)out[bit / 8] | code << (bit % 8));
            width = width_stored(l->width_min + code * l->step);
        }
        lanes_pack(lanes, width, at);
        at += (here * width + 7) / 8;
    }
}

void residual_write(const struct residual_layout *l, const i64 *values, u32 count, struct buf *out)
{
    const bool based = l->map == RESIDUAL_LESS_BASE;
    const size_t start = out->len;
    buf_byte(out, (u8)(l->width_min | (based ? RESIDUAL_BASED : 0)));
    if (l->mb) {
        buf_byte(out, (u8)((l->step - 1) | l->code_log << STEP_BITS));
    }
    if (based) {
        buf_varsint(out, l->base);
    }
    const size_t bytes = l->bytes - (out->len - start);
    char *room = buf_room(out, bytes + SCRIBBLE);
    if (room) {
        groups_write(l, values, count, room);
        buf_commit(out, bytes);
    }
}
