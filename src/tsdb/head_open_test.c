// head_open_test.c: open chunks give back what went in; so do sealed ones, from memory and files.
#include "base/bits.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "os/fs.h"
#include "os/rng.h"
#include "tsdb/chunk_pack.h"
#include "tsdb/head_open.h"
#include "tsdb/head_pack.h"
#include "tsdb/head_sealed.h"

// A value of one of the shapes that metrics have, or any 64 bits.
static f64 value_next(struct rng *r, u32 shape, f64 before)
{
    static const u64 odd[] = {0x7ff0000000000002, 0x7ff8000000000001, 0x8000000000000000,
                              0x7ff0000000000000, 0xfff0000000000000, 1};
    u64 any = rng_u64(r);
    if (rng_below(r, 40) == 0) {
        return f64_of_bits(odd[rng_below(r, ARRAY_LEN(odd))]);
    }
    switch (shape) {
    case 0:
        return before;
    case 1:
        return before + (f64)rng_below(r, 50);
    case 2:
        return (f64)(any >> (any & 63));
    case 3:
        return (f64)rng_below(r, 100000) / 100;
    case 4:
        return (f64)(rng_below(r, 1000) * 4096);
    case 5:
        return before + rng_unit(r);
    case 6:
        return (f64)(i64)(any >> 11) - (f64)((u64)1 << 52);
    case 7:
        return (f64)rng_below(r, 1000000) / 1e9;
    default:
        return f64_of_bits(any);
    }
}

static void chunk_fill(struct open_cells *c, struct open_chunk *o, struct rng *r, f64 *values,
                       u8 *present, u32 *n)
{
    f64 before = 0;
    u32 shape = (u32)rng_below(r, 9);
    bool gaps = rng_below(r, 3) == 0;
    *n = 0;
    for (u32 row = (u32)rng_below(r, ROWS_MAX); row < ROWS_MAX; row++) {
        if (gaps && rng_below(r, 4) == 0) {
            continue;
        }
        shape = rng_below(r, 30) == 0 ? (u32)rng_below(r, 9) : shape;
        f64 value = rng_below(r, 3) == 0 ? before : value_next(r, shape, before);
        open_chunk_add(c, o, row, before, value);
        present[row / 8] |= (u8)(1U << (row % 8));
        values[(*n)++] = value;
        before = value;
    }
}

// What a chunk is packed to from its tokens is what it is packed to from its values; packed
// quickly, it is read back as they are. Returns how many integers it had.
static u32 expect_same_packed(const struct open_chunk *o, str tokens, const f64 *values,
                              const u8 *present)
{
    const u32 n = o->n;
    const bool gaps = open_chunk_gaps(o);
    i64 ints[ROWS_MAX];
    f64 back[ROWS_MAX];
    u8 rows[2][PRESENCE_BYTES] = {0};
    u32 exponent;
    struct buf packed;
    struct buf plain;
    const u32 count = open_tokens_whole(tokens, n, ints, &exponent);
    assert_true(count == 0 || (!gaps && (count == 1 || count == n)));
    buf_init(&packed, OPEN_PACKED_MAX);
    buf_init(&plain, OPEN_PACKED_MAX);
    chunk_pack_encode(values, n, &plain);
    open_tokens_pack(PACK_TIGHT, tokens, n, gaps ? rows[0] : NULL, o->first, &packed);
    assert_int_equal(packed.len, plain.len);
    assert_memory_equal(packed.bytes, plain.bytes, plain.len);
    buf_clear(&packed);
    open_tokens_pack(PACK_QUICK, tokens, n, gaps ? rows[1] : NULL, o->first, &packed);
    assert_true(buf_ok(&packed) && chunk_pack_decode(buf_get(&packed), n, back, NULL));
    assert_memory_equal(back, values, n * sizeof(f64));
    for (u32 i = 0; gaps && i < 2; i++) {
        assert_memory_equal(rows[i], present, PRESENCE_BYTES);
    }
    buf_fini(&packed);
    buf_fini(&plain);
    return count;
}

TEST(head_open_chunks_are_packed_alike_from_integers_and_values)
{
    struct rng r;
    struct open_cells c;
    u32 counts[3] = {0};
    rng_init(&r, 43);
    open_cells_init(&c);
    for (u32 round = 0; round < 40000; round++) {
        struct open_chunk o = {0};
        f64 in[ROWS_MAX];
        u8 present[PRESENCE_BYTES] = {0};
        u8 tokens[OPEN_BYTES_MAX];
        u32 n;
        chunk_fill(&c, &o, &r, in, present, &n);
        if (n > 0) {
            const str bytes = {(const char *)tokens, o.bytes};
            open_chunk_copy(&c, &o, tokens);
            const u32 whole = expect_same_packed(&o, bytes, in, present);
            counts[MIN(2, whole)] += !open_chunk_gaps(&o);
        }
        open_chunk_reset(&c, &o);
    }
    assert_true(counts[0] > 500 && counts[1] > 500 && counts[2] > 500);
    open_cells_fini(&c);
}

TEST(head_open_chunks_give_back_what_went_in)
{
    struct rng r;
    struct open_cells c;
    u32 cells = 0;
    rng_init(&r, 41);
    open_cells_init(&c);
    for (u32 round = 0; round < 20000; round++) {
        struct open_chunk o = {.flags = 2};
        f64 in[ROWS_MAX];
        f64 out[ROWS_MAX];
        u8 present[PRESENCE_BYTES] = {0};
        u8 seen[PRESENCE_BYTES] = {0};
        u8 tokens[OPEN_BYTES_MAX];
        u32 n;
        chunk_fill(&c, &o, &r, in, present, &n);
        assert_int_equal(o.n, n);
        if (n > 0) {
            open_chunk_copy(&c, &o, tokens);
            open_tokens_decode((str){(const char *)tokens, o.bytes}, n, out, seen, o.first);
            assert_memory_equal(in, out, n * sizeof(f64));
            assert_memory_equal(present, seen, sizeof(seen));
            memset(out, 0, sizeof(out));
            open_tokens_decode((str){(const char *)tokens, o.bytes}, n, out, NULL, o.first);
            assert_memory_equal(in, out, n * sizeof(f64));
        }
        open_chunk_reset(&c, &o);
        assert_int_equal(o.flags, 2);
        cells = round == 1000 ? c.used : cells;
    }
    assert_true(c.used <= cells + OPEN_BYTES_MAX / CELL_BYTES + 1); // All were given back.
    open_cells_fini(&c);
}

// Rows of differences of up to 14 bits, from integers of any size on, shifted and divided.
TEST(head_open_differences_give_back_what_went_in)
{
    struct rng r;
    struct open_cells c;
    u32 wide = 0;
    rng_init(&r, 43);
    open_cells_init(&c);
    for (u32 round = 0; round < 20000; round++) {
        struct open_chunk o = {.n = 0};
        const f64 power = rng_below(&r, 2) == 0 ? 1 : rng_below(&r, 2) == 0 ? 100 : 1e6;
        const u32 shift = rng_below(&r, 2) == 0 ? 0 : 8 + (u32)rng_below(&r, 32);
        const u32 few = (u32)rng_below(&r, 3) * 7; // One in so many is of one byte.
        f64 in[ROWS_MAX];
        f64 out[ROWS_MAX];
        u8 tokens[OPEN_BYTES_MAX];
        i64 whole = (i64)rng_below(&r, (u64)1 << rng_below(&r, 53)) >> shift << shift;
        whole = rng_below(&r, 4) == 0 ? -whole : whole;
        for (u32 row = 0; row < ROWS_MAX; row++) {
            in[row] = (f64)whole / power;
            open_chunk_add(&c, &o, row, row > 0 ? in[row - 1] : 0, in[row]);
            const i64 by = few > 0 && rng_below(&r, few) == 0 ? 3 : 100 + (i64)rng_below(&r, 8000);
            whole += (i64)((u64)(rng_below(&r, 5) == 0 ? -by : by) << shift);
        }
        open_chunk_copy(&c, &o, tokens);
        wide += o.bytes > ROWS_MAX && o.bytes < 3 * ROWS_MAX;
        open_tokens_decode((str){(const char *)tokens, o.bytes}, ROWS_MAX, out, NULL, 0);
        assert_memory_equal(in, out, sizeof(in));
        open_chunk_reset(&c, &o);
    }
    assert_true(wide > 10000);
    open_cells_fini(&c);
}

enum { TRIM_CHUNKS = (int)CELLS_BLOCK * 3 };

// Eight raw bytes, so that each of them takes a cell.
static void trim_fill(struct open_cells *c, struct open_chunk *o, u32 i)
{
    const f64 value = 1.0 / (i + 3);
    open_chunk_reset(c, o);
    open_chunk_add(c, o, 0, 0, value);
}

static void trim_check(const struct open_cells *c, const struct open_chunk *o, u32 i)
{
    u8 tokens[OPEN_BYTES_MAX];
    u8 present[PRESENCE_BYTES] = {0};
    f64 value;
    open_chunk_copy(c, o, tokens);
    open_tokens_decode((str){(const char *)tokens, o->bytes}, 1, &value, present, 0);
    assert_true(value == 1.0 / (i + 3));
}

// taken: chunks that are begun anew while others move. Returns how many blocks were left.
static u32 trim_run(u32 taken)
{
    struct open_cells c;
    struct open_chunk *o = MEM_NEW_N(struct open_chunk, TRIM_CHUNKS);
    open_cells_init(&c);
    for (u32 i = 0; i < TRIM_CHUNKS; i++) {
        trim_fill(&c, &o[i], i);
    }
    assert_false(open_cells_trim_begin(&c));
    for (u32 i = 0; i < TRIM_CHUNKS; i += i % 4 == 2 ? 2 : 1) {
        open_chunk_reset(&c, &o[i]); // A quarter stays.
    }
    assert_true(open_cells_trim_begin(&c));
    for (u32 i = 0; i < taken; i++) {
        trim_fill(&c, &o[i / 3 * 4 + i % 3], i / 3 * 4 + i % 3);
    }
    for (u32 i = 0; i < TRIM_CHUNKS; i++) {
        open_chunk_move(&c, &o[i]);
    }
    open_cells_trim_end(&c);
    const u32 blocks = c.block_count;
    for (u32 i = 0; i < TRIM_CHUNKS; i++) {
        if (o[i].n == 0) { // Every cell is free or in use, none is both.
            trim_fill(&c, &o[i], i);
        }
    }
    for (u32 i = 0; i < TRIM_CHUNKS; i++) {
        trim_check(&c, &o[i], i);
    }
    assert_int_equal(c.free_count, 0);
    assert_int_equal(c.used, TRIM_CHUNKS);
    for (u32 i = 0; i < TRIM_CHUNKS; i++) {
        open_chunk_reset(&c, &o[i]);
    }
    assert_int_equal(c.free_count, TRIM_CHUNKS);
    open_cells_fini(&c);
    mem_free(o);
    return blocks;
}

TEST(head_open_cells_are_given_back_and_taken_again)
{
    assert_int_equal(trim_run(0), 1);
    assert_int_equal(trim_run(100), 1);
    assert_int_equal(trim_run(CELLS_BLOCK + 100), 3); // More than what was to stay.
}

TEST(head_open_chunks_of_usual_values_are_small)
{
    struct open_cells c;
    struct open_chunk still = {0};
    struct open_chunk counter = {0};
    struct open_chunk seconds = {0};
    open_cells_init(&c);
    for (u32 row = 0; row < ROWS_MAX; row++) {
        f64 at = row;
        open_chunk_add(&c, &still, row, 12.5, 12.5);
        open_chunk_add(&c, &counter, row, 1e6 + (at - 1) * 7, 1e6 + at * 7);
        open_chunk_add(&c, &seconds, row, (1e6 + (at - 1) * 1500) / 100, (1e6 + at * 1500) / 100);
    }
    assert_true(still.bytes <= 6);
    assert_true(counter.bytes <= ROWS_MAX + 6);
    assert_true(seconds.bytes <= 2 * ROWS_MAX + 6);
    open_cells_fini(&c);
}

// Enough chunks for a few files; the i-th has i % 200 + 1 bytes of i, every third one gaps.
#define CHUNKS (EXTENT_BYTES * SPILL_MIN / 48)

static void chunk_put(struct sealed_store *s, u32 i, u32 *position)
{
    char bytes[200];
    u8 present[PRESENCE_BYTES] = {5};
    memset(bytes, (int)i, sizeof(bytes));
    struct sealed_new v = {.packed = {bytes, i % 200 + 1},
                           .present = i % 3 == 0 ? present : NULL,
                           .older = *position,
                           .n = i % 3 == 0 ? 2 : 3,
                           .first = 0,
                           .last = 2};
    *position = sealed_add(s, &v);
}

// Walks the chain back; how many chunks were right before the end or damage.
static u32 chain_count(const struct sealed_store *s, u32 position, u32 i, bool *damaged)
{
    u32 right = 0;
    *damaged = false;
    for (const struct sealed *c; position != SEALED_NONE; position = c->older, i--) {
        c = sealed_at(s, position);
        if (!c) {
            *damaged = true;
            break;
        }
        str bytes = sealed_bytes(c);
        assert_int_equal(bytes.len, i % 200 + 1);
        assert_int_equal((u8)bytes.ptr[0], (u8)i);
        assert_int_equal(sealed_presence(c) != NULL, i % 3 == 0);
        right++;
    }
    return right;
}

TEST(head_sealed_chunks_move_to_files_while_they_are_read)
{
    struct error e = {0};
    struct fs *fs = fs_mem_new((u64)1 << 28);
    struct sealed_store s;
    u32 position = SEALED_NONE;
    u32 spills = 0;
    bool did;
    bool damaged;
    sealed_store_init(&s);
    for (u32 i = 0; i < CHUNKS; i++) {
        const struct sealed *before = i > 0 ? sealed_at(&s, position) : NULL;
        chunk_put(&s, i, &position);
        ASSERT_OK(sealed_spill(&s, sealed_full(&s), fs, "x", &did, &e), e);
        if (did) {
            assert_int_equal((u8)sealed_bytes(before).ptr[0], (u8)(i - 1)); // Still in memory.
            sealed_reap(&s);
            spills++;
        }
    }
    assert_true(spills >= 1);
    assert_int_equal(chain_count(&s, position, CHUNKS - 1, &damaged), CHUNKS);
    assert_false(damaged);
    assert_true(sealed_store_bytes(&s) < (u64)EXTENT_BYTES * (SPILL_MIN + 1) + 8192);
    ASSERT_OK(sealed_check(&s, &e), e);
    struct sealed_part parts[64];
    assert_int_equal(sealed_parts(&s, parts, 64), spills);
    assert_true(sealed_uses(&s, STR("x-0.chunks")));
    assert_false(sealed_uses(&s, STR("x-0.chunk")));
    u8 *byte = (u8 *)(uintptr_t)atomic_load(&s.pages[0][0].bytes) + EXTENT_BYTES / 2;
    *byte ^= 4;
    assert_false(sealed_check(&s, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
    assert_true(chain_count(&s, position, CHUNKS - 1, &damaged) < CHUNKS);
    assert_true(damaged);
    *byte ^= 4;
    struct fs_info info;
    ASSERT_OK(fs_stat(fs, "x-0.chunks", &info, &e), e); // An image may name it.
    sealed_store_remove(&s);
    assert_false(fs_stat(fs, "x-0.chunks", &info, &e));
    fs_mem_free(fs);
}

TEST(head_sealed_chunks_stay_in_memory_where_no_file_can_be_written)
{
    struct error e = {0};
    struct fs *inner = fs_mem_new((u64)1 << 28);
    struct fs *fs = fs_faulty_new(inner);
    struct sealed_store s;
    u32 position = SEALED_NONE;
    bool did = false;
    bool damaged;
    sealed_store_init(&s);
    for (u32 i = 0; i < CHUNKS; i++) {
        chunk_put(&s, i, &position);
    }
    u32 failed = 0;
    for (u64 nth = 1; !did; nth++) {
        fs_faulty_arm(fs, nth, nth % 2 ? FS_FAULT_ENOSPC : FS_FAULT_EIO, false);
        failed += !sealed_spill(&s, sealed_full(&s), fs, "x", &did, &e);
        assert_int_equal(chain_count(&s, position, CHUNKS - 1, &damaged), CHUNKS);
    }
    assert_true(failed > SPILL_MIN);
    ASSERT_OK(sealed_check(&s, &e), e);
    sealed_store_fini(&s);
    fs_faulty_free(fs);
    fs_mem_free(inner);
}
