// labels_test.c: sets, order, hashes, printing, checks; the builder.

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/test.h"
#include "model/labels.h"

#include <stdio.h>

#define L(n, v) ((struct label){STR(n), STR(v)})
#define SET(...)                                                                                   \
    labels_from(arena, (const struct label[]){__VA_ARGS__},                                        \
                sizeof((const struct label[]){__VA_ARGS__}) / sizeof(struct label))

static void expect_print(struct labels ls, const char *want)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    labels_print(&b, ls);
    ASSERT_STR_EQ(buf_get(&b), str_c(want));
    buf_fini(&b);
}

TEST(labels_from_sorts_and_lets_the_last_win)
{
    struct arena *arena = arena_new(1 << 20);
    expect_print(SET(L("b", "2"), L("a", "1"), L("__name__", "x"), L("a", "3"), L("c", "")),
                 "x{a=\"3\", b=\"2\"}");
    // A later empty value deletes the earlier one.
    expect_print(SET(L("a", "1"), L("a", "")), "{}");
    assert_int_equal(labels_from(arena, NULL, 0).count, 0);
    arena_free(arena);
}

TEST(labels_from_takes_hundreds_in_any_order)
{
    struct arena *arena = arena_new(1 << 22);
    enum { MANY = 500 };
    struct label pairs[2 * MANY];
    for (u32 i = 0; i < 2 * MANY; i++) { // Falling, each name twice; the second time is newer.
        const u32 name = MANY - 1 - i % MANY;
        pairs[i].name = arena_printf(arena, "n%03u", name);
        pairs[i].value = arena_printf(arena, "%s", i < MANY ? "old" : "new");
    }
    const struct labels ls = labels_from(arena, pairs, 2 * MANY);
    assert_int_equal(ls.count, MANY);
    struct error e;
    ASSERT_OK(labels_check(ls, &(struct labels_limits){0}, &e), e);
    for (u32 i = 0; i < ls.count; i++) {
        ASSERT_STR_EQ(ls.items[i].value, STR("new"));
    }
    arena_free(arena);
}

TEST(labels_get_and_has)
{
    struct arena *arena = arena_new(1 << 20);
    const struct labels ls = SET(L("a", "1"), L("job", "node"));
    ASSERT_STR_EQ(labels_get(ls, LABEL_JOB), STR("node"));
    ASSERT_STR_EQ(labels_get(ls, STR("nope")), STR_EMPTY);
    assert_true(labels_has(ls, STR("a")));
    assert_false(labels_has(ls, STR("aa")));
    assert_false(labels_has((struct labels){NULL, 0}, STR("a")));
    arena_free(arena);
}

TEST(labels_cmp_goes_pair_by_pair_then_count)
{
    struct arena *arena = arena_new(1 << 20);
    const struct labels rising[] = {
        {NULL, 0},
        SET(L("a", "1")),
        SET(L("a", "1"), L("b", "1")),
        SET(L("a", "1"), L("b", "2")),
        SET(L("a", "1"), L("c", "0")),
        SET(L("a", "10")),
        SET(L("a", "2")),
        SET(L("aa", "0")),
        SET(L("b", "0")),
    };
    for (size_t i = 0; i < ARRAY_LEN(rising); i++) {
        for (size_t j = 0; j < ARRAY_LEN(rising); j++) {
            const int order = labels_cmp(rising[i], rising[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
            assert_int_equal(labels_eq(rising[i], rising[j]), i == j);
        }
    }
    arena_free(arena);
}

TEST(labels_hash_tells_boundaries_apart)
{
    struct arena *arena = arena_new(1 << 20);
    const u64 h = labels_hash(SET(L("a", "bc")));
    assert_true(h != labels_hash(SET(L("ab", "c"))));
    assert_true(h != labels_hash(SET(L("a", "b"), L("c", "d"))));
    assert_true(h == labels_hash(SET(L("a", "bc"))));
    assert_true(labels_hash(SET(L("a", "b"))) != labels_hash(SET(L("b", "a"))));
    arena_free(arena);
}

TEST(labels_hash_of_a_part_is_the_hash_of_that_part)
{
    struct arena *arena = arena_new(1 << 20);
    const struct labels ls = SET(L("__name__", "up"), L("a", "1"), L("b", "2"), L("d", "4"));
    const str names[] = {STR("a"), STR("c"), STR("d"), STR("e")};
    const struct labels kept = labels_keep(arena, ls, names, ARRAY_LEN(names));
    expect_print(kept, "{a=\"1\", d=\"4\"}");
    assert_true(labels_hash_with(ls, names, ARRAY_LEN(names)) == labels_hash(kept));
    const struct labels rest = labels_drop(arena, ls, names, ARRAY_LEN(names));
    expect_print(rest, "up{b=\"2\"}");
    const struct labels nameless = SET(L("b", "2"));
    assert_true(labels_hash_without(ls, names, ARRAY_LEN(names)) == labels_hash(nameless));
    assert_true(labels_hash_with(ls, NULL, 0) == labels_hash((struct labels){NULL, 0}));
    arena_free(arena);
}

TEST(labels_fingerprint_is_alertmanagers)
{
    struct arena *arena = arena_new(1 << 20);
    assert_true(labels_fingerprint((struct labels){NULL, 0}) == 14695981039346656037ULL);
    const struct labels ls = SET(L("name", "garland, briggs"), L("fear", "love is not enough"));
    assert_true(labels_fingerprint(ls) == 5799056148416392346ULL);
    arena_free(arena);
}

TEST(labels_copy_outlives_its_source)
{
    struct arena *arena = arena_new(1 << 20);
    char name[] = "zone";
    char value[] = "eu-1";
    const struct label one = {{name, 4}, {value, 4}};
    const struct labels copy = labels_copy(arena, (struct labels){&one, 1});
    memset(name, 'x', 4);
    memset(value, 'y', 4);
    expect_print(copy, "{zone=\"eu-1\"}");
    assert_int_equal(labels_copy(arena, (struct labels){NULL, 0}).count, 0);
    arena_free(arena);
}

TEST(labels_print_as_upstream)
{
    struct arena *arena = arena_new(1 << 20);
    expect_print((struct labels){NULL, 0}, "{}");
    expect_print(SET(L("__name__", "up")), "up");
    expect_print(SET(L("__name__", "job:up:sum"), L("a", "x\ny\"\\")),
                 "job:up:sum{a=\"x\\ny\\\"\\\\\"}");
    expect_print(SET(L("__name__", "http.requests"), L("a", "b")), "{\"http.requests\", a=\"b\"}");
    expect_print(SET(L("__name__", "http.requests")), "{\"http.requests\"}");
    expect_print(SET(L("ünit", "é"), L("a:b", "c")), "{\"a:b\"=\"c\", \"ünit\"=\"é\"}");
    expect_print(SET(L("A", "b"), L("__name__", "x")), "x{A=\"b\"}");
    arena_free(arena);
}

static void expect_refusal(struct labels ls, struct labels_limits limits, enum err code,
                           const char *text)
{
    struct error e = {.code = ERR_NONE};
    assert_false(labels_check(ls, &limits, &e));
    assert_int_equal(e.code, code);
    if (!strstr(e.text, text)) {
        fail_msg("\"%s\" lacks \"%s\"", e.text, text);
    }
}

#define RAW(...)                                                                                   \
    ((struct labels){(const struct label[]){__VA_ARGS__},                                          \
                     sizeof((const struct label[]){__VA_ARGS__}) / sizeof(struct label)})

TEST(labels_check_names_the_offender)
{
    const struct labels_limits none = {0};
    struct error e;
    ASSERT_OK(labels_check(RAW(L("a", "1"), L("ü.x", "2")), &none, &e), e);
    ASSERT_OK(labels_check((struct labels){NULL, 0}, &none, &e), e);
    expect_refusal(RAW(L("", "1")), none, ERR_INVALID, "empty name");
    expect_refusal(RAW(L("a", "")), none, ERR_INVALID, "label \"a\": value is empty");
    expect_refusal(RAW(L("a", "1"), L("a", "2")), none, ERR_INVALID, "label \"a\": name is given");
    expect_refusal(RAW(L("b", "1"), L("a", "2")), none, ERR_INVALID, "label \"a\": names are not");
    expect_refusal(RAW(L("a\xff", "1")), none, ERR_INVALID, "label \"a\\xff\": name is not UTF-8");
    expect_refusal(RAW(L("a", "\xc3")), none, ERR_INVALID, "value is not UTF-8");
    expect_refusal(RAW(L("a", "1"), L("b", "1")), (struct labels_limits){.labels_max = 1},
                   ERR_LIMIT, "label_limit 1");
    expect_refusal(RAW(L("abc", "1")), (struct labels_limits){.name_bytes_max = 2}, ERR_LIMIT,
                   "label \"abc\": name of 3 bytes is longer than label_name_length_limit 2");
    expect_refusal(RAW(L("abc", "123")), (struct labels_limits){.value_bytes_max = 2}, ERR_LIMIT,
                   "label \"abc\": value of 3 bytes is longer than label_value_length_limit 2");
    ASSERT_OK(labels_check(RAW(L("ab", "12")),
                           &(struct labels_limits){.name_bytes_max = 2, .value_bytes_max = 2}, &e),
              e);
}

TEST(labels_check_cuts_a_long_hostile_name)
{
    char name[4096];
    memset(name, '\xff', sizeof(name));
    const struct label one = {{name, sizeof(name)}, STR("1")};
    expect_refusal((struct labels){&one, 1}, (struct labels_limits){0}, ERR_INVALID,
                   "label \"\\xff");
}

TEST(label_names_valid)
{
    assert_true(label_name_valid_legacy(STR("_a9")));
    assert_false(label_name_valid_legacy(STR("9a")));
    assert_false(label_name_valid_legacy(STR("a:b")));
    assert_false(label_name_valid_legacy(STR_EMPTY));
    assert_true(metric_name_valid_legacy(STR(":a:b")));
    assert_false(metric_name_valid_legacy(STR("a.b")));
    assert_true(label_name_valid(STR("a b.ü")));
    assert_false(label_name_valid(STR("\xff")));
    assert_false(label_name_valid(STR_EMPTY));
}

TEST(labels_builder_sets_and_deletes)
{
    struct arena *arena = arena_new(1 << 20);
    const struct labels base = SET(L("b", "2"), L("d", "4"));
    struct labels_builder b;
    labels_builder_init(&b, arena, base);
    labels_builder_set(&b, STR("c"), STR("3"));
    labels_builder_set(&b, STR("a"), STR("1"));
    labels_builder_set(&b, STR("e"), STR("5"));
    labels_builder_set(&b, STR("d"), STR("44"));
    labels_builder_set(&b, STR("b"), STR_EMPTY);
    labels_builder_del(&b, STR("zz"));
    ASSERT_STR_EQ(labels_builder_get(&b, STR("d")), STR("44"));
    ASSERT_STR_EQ(labels_builder_get(&b, STR("b")), STR_EMPTY);
    expect_print(labels_builder_take(&b), "{a=\"1\", c=\"3\", d=\"44\", e=\"5\"}");
    expect_print(base, "{b=\"2\", d=\"4\"}"); // Untouched.
    arena_free(arena);
}

TEST(labels_builder_grows)
{
    struct arena *arena = arena_new(1 << 22);
    struct labels_builder b;
    labels_builder_init(&b, arena, (struct labels){NULL, 0});
    for (u32 i = 0; i < 300; i++) {
        labels_builder_set(&b, arena_printf(arena, "n%u", (i * 7) % 300), STR("v"));
    }
    const struct labels ls = labels_builder_take(&b);
    assert_int_equal(ls.count, 300);
    struct error e;
    ASSERT_OK(labels_check(ls, &(struct labels_limits){0}, &e), e);
    arena_free(arena);
}
