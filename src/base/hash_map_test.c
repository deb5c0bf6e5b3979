#include "base/bits.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/map_group.h"
#include "base/str.h"
#include "base/test.h"

#include <stdlib.h>

TEST(hash_xxh64_and_fnv_match_their_published_values)
{
    assert_true(hash_xxh64("", 0) == 0xef46db3751d8e999ULL);
    assert_true(hash_xxh64("a", 1) == 0xd24ec4f1a98c6e5bULL);
    assert_true(hash_xxh64("abc", 3) == 0x44bc2cf5ad770999ULL);
    assert_true(hash_fnv64a(HASH_FNV64A_INIT, "", 0) == 0xcbf29ce484222325ULL);
    assert_true(hash_fnv64a(HASH_FNV64A_INIT, "a", 1) == 0xaf63dc4c8601ec8cULL);
    u64 state = hash_fnv64a(HASH_FNV64A_INIT, "foo", 3);
    assert_true(hash_fnv64a(state, "bar", 3) == 0x85944171f73967e8ULL);
}

TEST(hash_mix_minds_the_order)
{
    assert_true(hash_mix(1, 2) != hash_mix(2, 1));
    assert_true(hash_mix(0x9E3779B97F4A7C15ULL, 1) != hash_mix(0x9E3779B97F4A7C15ULL, 2));
    assert_true(hash_mix(1, 0xC2B2AE3D27D4EB4FULL) != hash_mix(2, 0xC2B2AE3D27D4EB4FULL));
    assert_true(hash_str(STR("a")) == hash_bytes("a", 1));
}

TEST(crc32c_matches_rfc_3720)
{
    u8 bytes[32];
    memset(bytes, 0, sizeof(bytes));
    assert_true(crc32c(0, bytes, 32) == 0x8A9136AAU);
    memset(bytes, 0xFF, sizeof(bytes));
    assert_true(crc32c(0, bytes, 32) == 0x62A8AB43U);
    for (u8 i = 0; i < 32; i++) {
        bytes[i] = i;
    }
    assert_true(crc32c(0, bytes, 32) == 0x46DD794EU);
    assert_true(crc32c_portable(0, bytes, 32) == 0x46DD794EU);
    assert_true(crc32c(0, "123456789", 9) == 0xE3069283U);
    assert_true(crc32c(0, NULL, 0) == 0);
}

TEST(crc32c_continues_and_both_forms_agree)
{
    u8 bytes[300];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (u8)(i * 131 + 7);
    }
    for (size_t from = 0; from < 9; from++) {
        for (size_t len = 0; len + from <= sizeof(bytes); len++) {
            u32 whole = crc32c(0, bytes + from, len);
            assert_true(whole == crc32c_portable(0, bytes + from, len));
            size_t cut = len / 3;
            assert_true(whole ==
                        crc32c(crc32c(0, bytes + from, cut), bytes + from + cut, len - cut));
        }
    }
}

TEST(crc32c_of_long_inputs_agrees_with_its_portable_form)
{
    static u8 bytes[8000];
    u64 state = 3;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        bytes[i] = (u8)(state >> 56);
    }
    for (size_t len = 1; len < sizeof(bytes) - 8; len += 61) { // All rests of a word, too.
        const size_t from = len % 9;
        const u32 begun = (u32)len * 0x9E3779B9U;
        assert_true(crc32c(0, bytes + from, len) == crc32c_portable(0, bytes + from, len));
        assert_true(crc32c(begun, bytes + from, len) == crc32c_portable(begun, bytes + from, len));
    }
}

TEST(map_group_masks_agree_with_a_plain_loop)
{
    u64 state = 5;
    for (int round = 0; round < 20000; round++) {
        u8 ctrl[MAP_GROUP];
        for (size_t i = 0; i < MAP_GROUP; i++) {
            state = state * 6364136223846793005ULL + 1442695040888963407ULL;
            u8 kind = (u8)(state >> 56);
            ctrl[i] = kind < 60 ? MAP_EMPTY : kind < 100 ? MAP_DELETED : (u8)((state >> 40) & 0x7F);
        }
        u8 wanted = round % 3 == 0 ? MAP_EMPTY : ctrl[(u32)round % MAP_GROUP];
        u32 match = 0;
        u32 open = 0;
        for (u32 i = 0; i < MAP_GROUP; i++) {
            match |= (u32)(ctrl[i] == wanted) << i;
            open |= (u32)(ctrl[i] >= 0x80) << i;
        }
        assert_int_equal(map_group_match(ctrl, wanted), match);
        assert_int_equal(map_group_match_words(ctrl, wanted), match);
        assert_int_equal(map_group_free(ctrl), open);
        assert_int_equal(map_group_free_words(ctrl), open);
    }
}

// The things themselves: index → key. The hash is spoilt on purpose to force collisions.
struct things {
    u32 keys[4096];
    u64 hash_mask;
};

static bool thing_eq(const void *ctx, u32 index, const void *key)
{
    const struct things *t = ctx;
    u32 wanted;
    memcpy(&wanted, key, sizeof(wanted));
    return t->keys[index] == wanted;
}

static u64 key_hash(const struct things *t, u32 key)
{
    return hash_bytes(&key, sizeof(key)) & t->hash_mask;
}

static u64 thing_hash(const void *ctx, u32 index)
{
    const struct things *t = ctx;
    return key_hash(t, t->keys[index]);
}

static const struct map_ops thing_ops = {thing_eq, thing_hash};

// Random puts, gets and deletes against a plain table key → index.
static void compare_with_model(u64 hash_mask, u32 key_space, u32 rounds)
{
    struct things *t = MEM_NEW(struct things);
    t->hash_mask = hash_mask;
    u32 *model = MEM_NEW_N(u32, key_space); // index + 1, 0 if absent.
    struct map m;
    map_init(&m, &thing_ops, t);
    u32 live = 0;
    u64 state = hash_mask + key_space;
    for (u32 i = 0; i < rounds; i++) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        u32 key = (u32)(state >> 33) % key_space;
        u64 hash = key_hash(t, key);
        u32 got = map_get(&m, hash, &key);
        assert_int_equal(got, model[key] ? model[key] - 1 : MAP_NONE);
        if (got == MAP_NONE && ((state >> 20) & 3) != 0) {
            u32 index = key; // Its place in the array of things.
            t->keys[index] = key;
            map_put(&m, hash, index);
            model[key] = index + 1;
            live++;
        } else if (got != MAP_NONE && ((state >> 22) & 1) != 0) {
            assert_true(map_del(&m, hash, &key));
            assert_false(map_del(&m, hash, &key));
            model[key] = 0;
            live--;
        }
        assert_int_equal(m.count, live);
    }
    for (u32 key = 0; key < key_space; key++) {
        map_prefetch(&m, key_hash(t, key));
        u32 got = map_get(&m, key_hash(t, key), &key);
        assert_int_equal(got, model[key] ? model[key] - 1 : MAP_NONE);
    }
    assert_true(map_bytes(&m) >= (size_t)live * 5);
    map_fini(&m);
    assert_int_equal(map_bytes(&m), 0);
    mem_free(model);
    mem_free(t);
}

TEST(map_behaves_as_a_plain_table)
{
    compare_with_model(UINT64_MAX, 4000, 60000);
    compare_with_model(UINT64_MAX, 14, 5000);              // Never grows past one group.
    compare_with_model(0xFE00000000000000ULL, 300, 20000); // All begin in the same group.
    compare_with_model(0x000000000000003FULL, 300, 20000); // All tags equal.
    compare_with_model(0, 100, 5000);                      // All hashes equal.
}

TEST(map_churn_does_not_grow_it)
{
    struct things *t = MEM_NEW(struct things);
    t->hash_mask = UINT64_MAX;
    struct map m;
    map_init(&m, &thing_ops, t);
    for (u32 i = 0; i < 100000; i++) {
        u32 index = i % 10;
        if (i >= 10) {
            u32 old = t->keys[index];
            assert_true(map_del(&m, key_hash(t, old), &old));
        }
        t->keys[index] = i;
        map_put(&m, key_hash(t, i), index);
    }
    assert_int_equal(m.count, 10);
    assert_true(map_bytes(&m) <= (size_t)64 * 5);
    map_fini(&m);
    mem_free(t);
}

TEST(map_that_was_reserved_does_not_grow)
{
    for (u32 count = 1; count < 4000; count = count * 3 + 1) {
        struct things *t = MEM_NEW(struct things);
        t->hash_mask = UINT64_MAX;
        struct map m;
        map_init(&m, &thing_ops, t);
        t->keys[0] = 0;
        map_put(&m, key_hash(t, 0), 0);
        map_reserve(&m, count + 1);
        const size_t bytes = map_bytes(&m);
        for (u32 i = 1; i <= count; i++) {
            t->keys[i] = i;
            map_put(&m, key_hash(t, i), i);
        }
        map_reserve(&m, 1); // Never smaller.
        assert_int_equal(map_bytes(&m), bytes);
        for (u32 i = 0; i <= count; i++) {
            assert_int_equal(map_get(&m, key_hash(t, i), &i), i);
        }
        map_fini(&m);
        mem_free(t);
    }
}

TEST(map_forgets_a_lone_entry_without_a_trace)
{
    struct things *t = MEM_NEW(struct things);
    t->hash_mask = UINT64_MAX;
    struct map m;
    map_init(&m, &thing_ops, t);
    u32 key = 5;
    t->keys[0] = key;
    map_put(&m, key_hash(t, key), 0);
    assert_true(map_del(&m, key_hash(t, key), &key));
    assert_int_equal(m.used, 0);
    map_fini(&m);
    mem_free(t);
}

TEST(map_deleted_marks_are_swept_not_grown_over)
{
    // All begin in one group, so deletions in full groups must leave marks.
    struct things *t = MEM_NEW(struct things);
    t->hash_mask = 0xFE00000000000000ULL;
    struct map m;
    map_init(&m, &thing_ops, t);
    for (u32 i = 0; i < 20000; i++) {
        u32 index = i % 40;
        if (i >= 40) {
            u32 old = t->keys[index];
            assert_true(map_del(&m, key_hash(t, old), &old));
        }
        t->keys[index] = i;
        map_put(&m, key_hash(t, i), index);
    }
    assert_int_equal(m.count, 40);
    assert_true(map_bytes(&m) <= (size_t)256 * 5);
    map_fini(&m);
    mem_free(t);
}

TEST(map_empty_and_zeroed)
{
    struct map m;
    map_init(&m, &thing_ops, NULL);
    u32 key = 1;
    assert_int_equal(map_get(&m, 1, &key), MAP_NONE);
    assert_false(map_del(&m, 1, &key));
    map_prefetch(&m, 1);
    map_fini(&m);
    map_fini(&m);
}
