// int_pack_layout_test.c: the layouts that are chosen against all that there are, each counted.
#include "base/bits.h"
#include "base/test.h"
#include "os/rng.h"
#include "tsdb/chunk_form.h"
#include "tsdb/int_pack_layout.h"

enum { VALUES_MAX = 200, GROUPS_MAX = VALUES_MAX / GROUP, STARTS = 4 };

// Bytes of a number as a varint.
static size_t varint_bytes(u64 v)
{
    return v ? (bits_width(v) + 6) / 7 : 1;
}

static u32 values_in(u32 count, u32 group)
{
    return MIN((u32)GROUP, count - group * GROUP);
}

// Bytes of all groups with codes of so many bits.
static size_t coded_bytes(const u32 *widths, u32 count, u32 width_min, u32 code_log)
{
    const u32 groups = group_count(count);
    const u32 codes = (1U << (1U << code_log)) - 1;
    u32 high = 0;
    for (u32 g = 0; g < groups; g++) {
        high = MAX(high, widths[g]);
    }
    const u32 step = (high - width_min + codes - 1) / codes;
    size_t bytes = 2 + (((size_t)groups << code_log) + 7) / 8;
    for (u32 g = 0; g < groups; g++) {
        const u32 over = widths[g] > width_min ? widths[g] - width_min : 0;
        const u32 width = width_stored(width_min + (over + step - 1) / step * step);
        bytes += (values_in(count, g) * width + 7) / 8;
    }
    return bytes;
}

// Two widths: the lower one that suits the full groups best, the first of several.
static u32 threshold(const u32 *widths, u32 count, u32 low, u32 high)
{
    size_t best_bytes = SIZE_MAX;
    u32 best = low;
    for (u32 t = low; t < high; t++) {
        size_t bytes = 0;
        for (u32 g = 0; g < count / GROUP; g++) {
            bytes += width_stored(widths[g] <= t ? t : high);
        }
        best = bytes < best_bytes ? t : best;
        best_bytes = MIN(best_bytes, bytes);
    }
    return best;
}

// The smallest of all layouts of unsigned values.
static size_t plain_bytes(const u64 *values, u32 count)
{
    u32 widths[GROUPS_MAX] = {0};
    u32 low = WIDTH_MAX;
    u32 high = 0;
    for (u32 g = 0; g < group_count(count); g++) {
        for (u32 i = 0; i < values_in(count, g); i++) {
            widths[g] = MAX(widths[g], bits_width(values[g * GROUP + i]));
        }
        low = MIN(low, widths[g]);
        high = MAX(high, widths[g]);
    }
    size_t best = 1;
    for (u32 g = 0; g < group_count(count); g++) {
        best += (values_in(count, g) * width_stored(high) + 7) / 8;
    }
    if (low == high) {
        return best;
    }
    best = MIN(best, coded_bytes(widths, count, threshold(widths, count, low, high), 0));
    for (u32 start = low; start < MIN(high, low + STARTS); start++) {
        best = MIN(best, coded_bytes(widths, count, start, 1));
        best = MIN(best, coded_bytes(widths, count, start, 2));
    }
    return best;
}

// Of signed values, whichever way they are mapped.
static size_t plain_bytes_signed(const i64 *values, u32 count, i64 base, bool *based)
{
    u64 zigzag[VALUES_MAX];
    u64 less[VALUES_MAX];
    for (u32 i = 0; i < count; i++) {
        zigzag[i] = bits_zigzag(values[i]);
        less[i] = (u64)values[i] - (u64)base;
    }
    const size_t z = plain_bytes(zigzag, count);
    const size_t b = plain_bytes(less, count) + varint_bytes(bits_zigzag(base));
    *based = b < z;
    return MIN(b, z);
}

// Mostly narrow values, with bursts, of one sign or both.
static void values_fill(struct rng *r, i64 *values, u32 count)
{
    const u32 usual = 1 + (u32)rng_below(r, 63);
    const u32 wide = 1 + (u32)rng_below(r, 63);
    const u64 burst_one_in = 2 + rng_below(r, 60);
    const bool is_signed = rng_below(r, 2) == 0;
    const i64 shift = is_signed ? 0 : (i64)(rng_u64(r) >> (2 + rng_below(r, 62)));
    for (u32 i = 0; i < count; i++) {
        const u32 width = rng_below(r, burst_one_in) == 0 ? wide : usual;
        const i64 v = (i64)(rng_u64(r) >> (64 - width));
        values[i] = is_signed && rng_below(r, 2) ? -v : (i64)((u64)v + (u64)shift);
    }
}

TEST(int_pack_layouts_are_the_smallest_there_are)
{
    struct rng r;
    rng_init(&r, 4711);
    u32 kinds[2][2] = {{0}};
    for (u32 round = 0; round < 20000; round++) {
        i64 values[VALUES_MAX];
        const u32 count = 1 + (u32)rng_below(&r, VALUES_MAX);
        values_fill(&r, values, count);
        i64 base = values[0];
        for (u32 i = 0; i < count; i++) {
            base = MIN(base, values[i]);
        }
        bool based;
        const size_t want = plain_bytes_signed(values, count, base, &based);
        const struct residual_layout l = residual_layout_signed(values, count, base, SIZE_MAX);
        assert_int_equal(l.bytes, want);
        assert_int_equal(l.map, based ? RESIDUAL_LESS_BASE : RESIDUAL_ZIGZAG);
        kinds[l.mb][based]++;
        const u64 *as = (const u64 *)values;
        assert_int_equal(residual_layout_plain(as, count, SIZE_MAX).bytes, plain_bytes(as, count));
        // One that must undercut others is the same, or none that does.
        const size_t below = want + rng_below(&r, 5) - 2;
        const struct residual_layout cut = residual_layout_signed(values, count, base, below);
        if (want < below) {
            assert_true(cut.bytes == l.bytes && cut.base == l.base && cut.map == l.map);
            assert_true(cut.mb == l.mb && cut.width_min == l.width_min && cut.step == l.step &&
                        cut.code_log == l.code_log);
        } else {
            assert_true(cut.bytes >= below);
        }
    }
    for (u32 i = 0; i < 4; i++) {
        assert_true(kinds[i / 2][i % 2] > 500);
    }
}
