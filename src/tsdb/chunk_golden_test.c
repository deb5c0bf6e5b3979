// The bytes of chunks of every kind stand in tests/golden/chunk.txt: a line is the case's name, n
// and the chunk. Each is read by both decoders, and written again to the same bytes: a file of
// yesterday must be read tomorrow. TIDEMARK_GOLDEN=write writes the file anew.
#include "base/bits.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/test.h"
#include "model/sample.h"
#include "tsdb/chunk_form.h"
#include "tsdb/chunk_pack.h"
#include "tsdb/chunk_plain.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define GOLDEN_FILE      GOLDEN_DIR "/chunk.txt"
#define GOLDEN_BYTES_MAX ((size_t)64 << 10)

// A value from its place, and chance from a row that never changes.
struct golden_row {
    u64 chance;
    f64 value;
};

static u64 chance_below(struct golden_row *r, u64 limit)
{
    r->chance = r->chance * 6364136223846793005ULL + 1442695040888963407ULL;
    return (r->chance >> 33) % limit;
}

static f64 constant_int(UNUSED struct golden_row *r, UNUSED u32 i)
{
    return 4242;
}

static f64 constant_dec(UNUSED struct golden_row *r, UNUSED u32 i)
{
    return 0.25;
}

static f64 constant_stale(UNUSED struct golden_row *r, UNUSED u32 i)
{
    return stale_nan();
}

static f64 constant_third(UNUSED struct golden_row *r, UNUSED u32 i)
{
    return 1.0 / 3;
}

static f64 line_int(UNUSED struct golden_row *r, u32 i)
{
    return 1e6 + 15.0 * i;
}

static f64 line_dec(UNUSED struct golden_row *r, u32 i)
{
    return (f64)(700 - 3 * (i64)i) / 100;
}

static f64 noise_int(struct golden_row *r, UNUSED u32 i)
{
    return (f64)chance_below(r, 1000) - 300;
}

static f64 noise_pages(struct golden_row *r, UNUSED u32 i)
{
    return (f64)chance_below(r, 1000) * 4096;
}

static f64 noise_dec(struct golden_row *r, UNUSED u32 i)
{
    return (f64)chance_below(r, 100000) / 1000;
}

static f64 counter(struct golden_row *r, UNUSED u32 i)
{
    return r->value + 50 + (f64)chance_below(r, 10);
}

static f64 counter_bursts(struct golden_row *r, u32 i)
{
    return r->value + (f64)chance_below(r, i / 8 % 3 == 0 ? 5000 : 3);
}

static f64 counter_ragged(struct golden_row *r, u32 i)
{
    return r->value + (f64)chance_below(r, 2ULL << (i / 8 * 5 % 27));
}

static f64 counter_reset(struct golden_row *r, u32 i)
{
    return i == 20 ? 0 : r->value + (f64)chance_below(r, 7);
}

static f64 counter_dec(struct golden_row *r, UNUSED u32 i)
{
    return (f64)(i64)(r->value * 100 + 0.5 + (f64)chance_below(r, 40)) / 100;
}

static f64 parabola(struct golden_row *r, u32 i)
{
    return (f64)((u64)i * i * 1000 + chance_below(r, 3));
}

static f64 few_steps(struct golden_row *r, u32 i)
{
    return i % 37 == 5 ? r->value + 3 + (f64)chance_below(r, 90) : r->value;
}

static f64 many_steps(struct golden_row *r, UNUSED u32 i)
{
    return chance_below(r, 3) ? r->value : r->value + 300 + (f64)chance_below(r, 90);
}

static f64 slopes(UNUSED struct golden_row *r, u32 i)
{
    const u64 slope = 1000 + (u64)i / 29 * 77;
    return r->value + (f64)slope;
}

static f64 float_sum(struct golden_row *r, UNUSED u32 i)
{
    return r->value + (f64)chance_below(r, 1000000) / 1e9;
}

static f64 float_sum_steps(struct golden_row *r, u32 i)
{
    return i % 9 ? r->value : r->value + (f64)chance_below(r, 1000000) / 1e9;
}

static f64 gaps(struct golden_row *r, u32 i)
{
    static const u64 specials[] = {STALE_NAN_BITS, 0x7ff8dead0000beefULL, 1ULL << 63, 1,
                                   0xfff0000000000000ULL};
    return i % 31 == 7 ? f64_of_bits(specials[i / 31 % ARRAY_LEN(specials)])
                       : (f64)chance_below(r, 20);
}

static f64 any_bits(struct golden_row *r, UNUSED u32 i)
{
    const u64 high = chance_below(r, 1ULL << 31);
    return f64_of_bits(high << 33 ^ chance_below(r, 1ULL << 31) << 13 ^ chance_below(r, 8192));
}

static f64 powers_of_two(UNUSED struct golden_row *r, u32 i)
{
    return ldexp(1, (int)(i * 7 % 50) - 200);
}

static const struct golden_case {
    const char *name;
    f64 (*value)(struct golden_row *r, u32 i);
    u32 n;
} cases[] = {
    {"one", constant_int, 1},
    {"two", noise_int, 2},
    {"three", noise_int, 3},
    {"constant_int", constant_int, 480},
    {"constant_dec", constant_dec, 480},
    {"constant_stale", constant_stale, 480},
    {"constant_third", constant_third, 480},
    {"line_int", line_int, 480},
    {"line_dec", line_dec, 100},
    {"noise_int", noise_int, 50},
    {"noise_pages", noise_pages, 50},
    {"noise_dec", noise_dec, 50},
    {"counter", counter, 60},
    {"counter_bursts", counter_bursts, 120},
    {"counter_ragged", counter_ragged, 240},
    {"counter_reset", counter_reset, 60},
    {"counter_dec", counter_dec, 60},
    {"parabola", parabola, 60},
    {"few_steps", few_steps, 480},
    {"many_steps", many_steps, 120},
    {"slopes", slopes, 300},
    {"float_sum", float_sum, 60},
    {"float_sum_steps", float_sum_steps, 120},
    {"gaps_short", gaps, 100},
    {"gaps_long", gaps, 300},
    {"any_bits", any_bits, 12},
    {"powers_of_two", powers_of_two, 60},
};

static void case_values(const struct golden_case *g, f64 *values)
{
    struct golden_row r = {.chance = g->n};
    for (u32 i = 0; i < g->n; i++) {
        r.value = g->value(&r, i);
        values[i] = r.value;
    }
}

static void case_line(const struct golden_case *g, struct buf *out)
{
    f64 values[CHUNK_VALUES_MAX];
    struct buf packed;
    buf_init(&packed, 1 << 16);
    case_values(g, values);
    chunk_pack_encode(values, g->n, &packed);
    buf_printf(out, "%s %u ", g->name, g->n);
    for (size_t i = 0; i < packed.len; i++) {
        buf_printf(out, "%02x", (u8)packed.bytes[i]);
    }
    buf_byte(out, '\n');
    buf_fini(&packed);
}

static void golden_file(struct buf *out, const char *mode)
{
    FILE *f = fopen(GOLDEN_FILE, mode);
    assert_non_null(f);
    if (mode[0] == 'w') {
        assert_int_equal(fwrite(out->bytes, 1, out->len, f), out->len);
    } else {
        char *room = buf_room(out, GOLDEN_BYTES_MAX);
        assert_non_null(room);
        buf_commit(out, fread(room, 1, GOLDEN_BYTES_MAX, f));
    }
    assert_int_equal(fclose(f), 0);
}

TEST(chunk_golden_bytes_are_written_again)
{
    struct buf got;
    struct buf want;
    buf_init(&got, GOLDEN_BYTES_MAX);
    buf_init(&want, GOLDEN_BYTES_MAX);
    for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
        case_line(&cases[i], &got);
    }
    const char *ask = getenv("TIDEMARK_GOLDEN");
    if (ask && strcmp(ask, "write") == 0) {
        golden_file(&got, "w");
    }
    golden_file(&want, "r");
    ASSERT_STR_EQ(buf_get(&got), buf_get(&want));
    buf_fini(&got);
    buf_fini(&want);
}

static u8 nibble_of(char c)
{
    return (u8)(c >= 'a' ? c - 'a' + 10 : c - '0');
}

// What a chunk's first byte shows of it, gathered.
struct golden_seen {
    u32 transforms;
    u32 plans;
    u32 flags;
};

static void line_read(const struct golden_case *g, str line, struct golden_seen *seen)
{
    str name;
    str count;
    u8 chunk[GOLDEN_BYTES_MAX / 16];
    f64 values[CHUNK_VALUES_MAX];
    f64 back[CHUNK_VALUES_MAX];
    assert_true(str_split_next(&line, ' ', &name) && str_split_next(&line, ' ', &count));
    ASSERT_STR_EQ(name, str_c(g->name));
    assert_true(line.len % 2 == 0 && line.len / 2 <= sizeof(chunk));
    const str bytes = {(const char *)chunk, line.len / 2};
    for (size_t i = 0; i < bytes.len; i++) {
        chunk[i] = (u8)(nibble_of(line.ptr[2 * i]) << 4 | nibble_of(line.ptr[2 * i + 1]));
    }
    case_values(g, values);
    assert_true(chunk_pack_decode(bytes, g->n, back, NULL));
    assert_memory_equal(values, back, g->n * sizeof(f64));
    assert_true(chunk_plain_decode(bytes, g->n, back));
    assert_memory_equal(values, back, g->n * sizeof(f64));
    seen->transforms |= 1U << (chunk[0] >> TRANSFORM_SHIFT);
    seen->plans |= 1U << (chunk[0] & INT_PACK_PLAN);
    seen->flags |= chunk[0] & (CHUNK_EXCEPTIONS | INT_PACK_MB | INT_PACK_GCD);
}

TEST(chunk_golden_bytes_are_read)
{
    struct buf file;
    struct golden_seen seen = {0};
    buf_init(&file, GOLDEN_BYTES_MAX);
    golden_file(&file, "r");
    str rest = buf_get(&file);
    str line;
    for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(str_split_next(&rest, '\n', &line));
        line_read(&cases[i], line, &seen);
    }
    assert_int_equal(rest.len, 0);
    // Every transform, every plan, exceptions, codes and divisors.
    assert_int_equal(seen.transforms, 0xF);
    assert_int_equal(seen.plans, (2U << INT_S2) - 1);
    assert_int_equal(seen.flags, CHUNK_EXCEPTIONS | INT_PACK_MB | INT_PACK_GCD);
    buf_fini(&file);
}
