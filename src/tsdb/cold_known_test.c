// cold_known_test.c: the list of cold blocks as bytes.
#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "os/fs.h"
#include "tsdb/cold_known.h"
#include "tsdb/tsdb_fixture.h"

static struct cold_known known_sample(void)
{
    struct cold_known k = {0};
    struct error e = {0};
    struct block_meta m = {.min_ms = 1699999920000, .max_ms = 1700000000001};
    memcpy(m.id, "01HF7YAT00ABCDEFGHJKMNPQRS", sizeof(m.id));
    ASSERT_OK(cold_known_add(&k, &m, &e), e);
    ASSERT_OK(cold_known_add(&k, &m, &e), e); // Once.
    memcpy(m.id, "01HF7YAT01ABCDEFGHJKMNPQRS", sizeof(m.id));
    m.max_ms++;
    ASSERT_OK(cold_known_add(&k, &m, &e), e);
    cold_known_lose(&k, cold_known_find(&k, m.id));
    assert_true(k.changed && k.n == 2);
    return k;
}

// The bytes that docs/format/head.md shows.
static const u8 known_bytes[] = {
    0x54, 0x4d, 0x43, 0x4f, 0x4c, 0x44, 0x42, 0x31, 0x01, 0x00, 0x00, 0x00, 0x00, 0x80, 0x2f,
    0xe4, 0xcf, 0x8b, 0x01, 0x00, 0x00, 0x01, 0x68, 0xe5, 0xcf, 0x8b, 0x01, 0x00, 0x00, 0x30,
    0x31, 0x48, 0x46, 0x37, 0x59, 0x41, 0x54, 0x30, 0x30, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46,
    0x47, 0x48, 0x4a, 0x4b, 0x4d, 0x4e, 0x50, 0x51, 0x52, 0x53, 0x01, 0x80, 0x2f, 0xe4, 0xcf,
    0x8b, 0x01, 0x00, 0x00, 0x02, 0x68, 0xe5, 0xcf, 0x8b, 0x01, 0x00, 0x00, 0x30, 0x31, 0x48,
    0x46, 0x37, 0x59, 0x41, 0x54, 0x30, 0x31, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
    0x4a, 0x4b, 0x4d, 0x4e, 0x50, 0x51, 0x52, 0x53, 0x8d, 0x9d, 0x9f, 0xcb};

TEST(cold_known_is_read_as_it_was_written)
{
    struct fixture f;
    struct error e = {0};
    struct cold_known got = {0};
    fixture_init(&f, 998);
    struct arena *a = arena_new((size_t)1 << 16);
    struct cold_known k = known_sample();
    str file;
    ASSERT_OK(cold_known_write(f.fs, "/cold", &k, &e), e);
    assert_false(k.changed);
    ASSERT_OK(fs_read_file(f.fs, "/cold", 1000, a, &file, &e), e);
    assert_int_equal(file.len, sizeof(known_bytes));
    assert_memory_equal(file.ptr, known_bytes, sizeof(known_bytes));
    ASSERT_OK(cold_known_read(f.fs, "/cold", &got, &e), e);
    assert_int_equal(got.n, 2);
    assert_true(!got.items[0].lost && got.items[1].lost && cold_known_any_lost(&got));
    assert_string_equal(got.items[0].id, "01HF7YAT00ABCDEFGHJKMNPQRS");
    assert_true(got.items[1].min_ms == 1699999920000 && got.items[1].max_ms == 1700000000002);
    cold_known_prune(&got, 1700000000001);
    assert_true(got.n == 1 && got.changed);
    cold_known_fini(&got);
    ASSERT_OK(cold_known_read(f.fs, "/nowhere", &got, &e), e); // None is an empty one.
    assert_int_equal(got.n, 0);
    // No bit of it may be another.
    u8 *bytes = MEM_NEW_N(u8, file.len);
    for (size_t bit = 0; bit < file.len * 8; bit++) {
        memcpy(bytes, file.ptr, file.len);
        bytes[bit / 8] ^= (u8)(1U << bit % 8);
        assert_false(cold_known_check((str){(const char *)bytes, file.len}, &e));
        assert_int_equal(e.code, ERR_CORRUPT);
    }
    for (size_t len = 0; len < file.len; len++) {
        assert_false(cold_known_check((str){file.ptr, len}, &e));
    }
    mem_free(bytes);
    cold_known_fini(&k);
    arena_free(a);
    fixture_fini(&f);
}

// Under a right checksum: what no release has written.
TEST(cold_known_refuses_impossible_and_later_lists)
{
    static const struct {
        u32 at;
        u8 byte;
        enum err code;
    } tries[] = {
        {8, 2, ERR_UNSUPPORTED}, // The version.
        {12, 2, ERR_CORRUPT},    // A state.
        {20, 1, ERR_CORRUPT},    // It begins behind its end.
        {29, 0, ERR_CORRUPT},    // An id with an end in it.
        {29, '/', ERR_CORRUPT},  // One that leads elsewhere.
        {54, '.', ERR_CORRUPT},
    };
    struct error e = {0};
    for (u32 i = 0; i < ARRAY_LEN(tries); i++) {
        u8 bytes[sizeof(known_bytes)];
        memcpy(bytes, known_bytes, sizeof(bytes));
        bytes[tries[i].at] = tries[i].byte;
        const u32 sum = crc32c(0, bytes, sizeof(bytes) - 4);
        memcpy(bytes + sizeof(bytes) - 4, &sum, sizeof(sum));
        assert_false(cold_known_check((str){(const char *)bytes, sizeof(bytes)}, &e));
        assert_int_equal(e.code, tries[i].code);
    }
}
