// yaml_test.c: trees, places, Go's typing, refusals, bombs, printing.

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "wire/yaml.h"

#include <math.h>

static const struct yaml_doc *parse(struct arena *a, const char *text)
{
    struct error e;
    const struct yaml_doc *doc = yaml_parse(a, STR("t.yml"), str_c(text), &e);
    if (!doc) {
        fail_msg("%s", e.text);
    }
    return doc;
}

static void expect_scalar(const struct yaml_node *n, const char *want, u32 line, u32 column)
{
    assert_non_null(n);
    assert_int_equal(n->kind, YAML_SCALAR);
    ASSERT_STR_EQ(n->scalar, str_c(want));
    assert_int_equal(n->line, line);
    assert_int_equal(n->column, column);
}

TEST(yaml_parse_gives_the_tree_with_places)
{
    struct arena *a = arena_new(1 << 22);
    const struct yaml_node *root = parse(a, "a: 1\n"
                                            "list:\n"
                                            "  - x: 'q''s'\n"
                                            "    y: \"é\\n\"\n"
                                            "  - [b, {c: d}]\n"
                                            "  - # nothing\n"
                                            "é: {ü: z}\n")
                                       ->root;
    assert_int_equal(root->kind, YAML_MAP);
    assert_int_equal(root->count, 3);
    expect_scalar(yaml_get(root, STR("a")), "1", 1, 4);
    const struct yaml_node *list = yaml_get(root, STR("list"));
    assert_int_equal(list->kind, YAML_SEQ);
    assert_int_equal(list->count, 3);
    expect_scalar(yaml_get(&list->items[0], STR("x")), "q's", 3, 8);
    expect_scalar(yaml_get(&list->items[0], STR("y")), "é\n", 4, 8);
    assert_true(yaml_get(&list->items[0], STR("y"))->quoted);
    assert_int_equal(list->items[1].line, 5);
    assert_int_equal(list->items[1].column, 5);
    expect_scalar(&list->items[1].items[0], "b", 5, 6);
    expect_scalar(yaml_get(&list->items[1].items[1], STR("c")), "d", 5, 13);
    assert_true(yaml_is_null(&list->items[2]));
    expect_scalar(yaml_get(yaml_get(root, STR("é")), STR("ü")), "z", 7, 8);
    assert_null(yaml_get(root, STR("nope")));
    assert_null(yaml_get(list, STR("a")));
    assert_int_equal(root->weight, 20);
    assert_int_equal(root->height, 5);
    arena_free(a);
}

TEST(yaml_of_nothing_is_null)
{
    static const char *const texts[] = {"", "\n\n", "# only this\n", "---\n", "~"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct arena *a = arena_new(1 << 20);
        assert_true(yaml_is_null(parse(a, texts[i])->root));
        arena_free(a);
    }
}

TEST(yaml_follows_aliases_and_merge_keys)
{
    struct arena *a = arena_new(1 << 22);
    const struct yaml_node *root = parse(a, "base: &b {x: 1, y: 2}\n"
                                            "other: &o {y: 3, z: 4}\n"
                                            "one: *b\n"
                                            "two:\n"
                                            "  <<: [*b, *o]\n"
                                            "  x: 9\n"
                                            "three:\n"
                                            "  w: 0\n"
                                            "  <<: *o\n"
                                            "s: &s text\n"
                                            "t: *s\n"
                                            "s2: &s newer\n"
                                            "t2: *s\n"
                                            "quoted: {'<<': 1}\n")
                                       ->root;
    assert_int_equal(yaml_get(root, STR("one"))->count, 2);
    const struct yaml_node *two = yaml_get(root, STR("two"));
    assert_int_equal(two->count, 3);
    ASSERT_STR_EQ(yaml_get(two, STR("x"))->scalar, STR("9"));
    ASSERT_STR_EQ(yaml_get(two, STR("y"))->scalar, STR("2"));
    ASSERT_STR_EQ(yaml_get(two, STR("z"))->scalar, STR("4"));
    const struct yaml_node *three = yaml_get(root, STR("three"));
    assert_int_equal(three->count, 3);
    ASSERT_STR_EQ(three->keys[0].scalar, STR("w"));
    ASSERT_STR_EQ(yaml_get(root, STR("t"))->scalar, STR("text"));
    ASSERT_STR_EQ(yaml_get(root, STR("t2"))->scalar, STR("newer"));
    assert_non_null(yaml_get(yaml_get(root, STR("quoted")), STR("<<")));
    arena_free(a);
}

static void refused(const char *text, const char *want)
{
    struct arena *a = arena_new(1 << 22);
    struct error e;
    if (yaml_parse(a, STR("t.yml"), str_c(text), &e)) {
        fail_msg("accepted: %s", text);
    }
    if (!str_starts(str_c(e.text), str_c(want))) {
        fail_msg("%s\n  does not begin with\n%s", e.text, want);
    }
    arena_free(a);
}

TEST(yaml_errors_show_the_place)
{
    refused("a: 1\nb: 2\na: 3\n", "t.yml:3:1: key \"a\" is given twice\n    a: 3\n    ^");
    refused("ok: 1\nx: {b: 1, é: 2, b: 3}\n",
            "t.yml:2:17: key \"b\" is given twice\n    x: {b: 1, é: 2, b: 3}\n"
            "                    ^");
    refused("a: b: c\n", "t.yml:1:5: invalid nested block mapping on the same line\n");
    refused("a: [1\n", "t.yml:2:1: flow sequence without a closing bracket");
    refused("a:\n\tb: 1\n", "t.yml:2:1: tab character may not be used as indentation");
    refused("a: \"x\n", "t.yml:1:5: double-quoted scalar without closing quote");
    refused("a: *x\n", "t.yml:1:4: alias of an anchor that is not known here\n    a: *x\n       ^");
    refused("a: &a [*a]\n", "t.yml:1:8: alias of an anchor");
    refused("a: 1\n---\nb: 1\n", "t.yml:2:1: a second document");
    refused("[a]: 1\n", "t.yml:1:1: a key must be a scalar");
    refused("a: 1\nb: \xff\n", "t.yml:2:4: not UTF-8");
    refused("a: \x01\n", "t.yml:1:4: a control character");
    refused("<<: 1\n", "t.yml:1:1: << takes a mapping");
    refused("a: &a {x: 1}\n<<: [*a, b]\n", "t.yml:2:1: << takes a mapping");
}

TEST(yaml_errors_mask_what_sounds_secret)
{
    refused("password: hunter2\npassword: hunter3\n",
            "t.yml:2:1: key \"password\" is given twice\n    password: <secret>\n    ^");
    refused("a: {API_Key: hunter2, b: 1, b: 2}\n",
            "t.yml:1:29: key \"b\" is given twice\n    a: {API_Key: <secret>\n");
    refused("a: {pasword: hunter2, b: 1, b: 2}\n", // Spelt wrong, it is as secret.
            "t.yml:1:29: key \"b\" is given twice\n    a: {pasword: <secret>\n");
    refused("- url: http://h/hunter2\n  url: x\n",
            "t.yml:2:3: key \"url\" is given twice\n      url: <secret>\n");
}

TEST(yaml_errors_mask_a_secret_that_goes_on_below_its_key)
{
    static const char *const texts[] = {
        "auth:\n  password:\n    hunter2\n    \x01hunter3\n",
        "key: |\n  -----BEGIN\n\n  hunter2\x01\n",
        "- credentials: >-\n    hunter2\x01\n",
        "password: 'hunter1\n  hunter2\x01'\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct error e = {0};
        struct arena *a = arena_new(1 << 22);
        assert_null(yaml_parse(a, STR("t.yml"), str_c(texts[i]), &e));
        assert_non_null(strstr(e.text, "<secret>"));
        assert_null(strstr(e.text, "hunter"));
        arena_free(a);
    }
    refused("expr: |\n  public\x01\n", "t.yml:2:9: a control character\n      public");
}

TEST(yaml_error_cuts_a_long_line_around_the_caret)
{
    char text[700];
    memset(text, 'x', sizeof(text));
    memcpy(text, "a: [", 4);
    memcpy(text + 500, ", *k]\n", 7);
    refused(text, "t.yml:1:503: alias of an anchor that is not known here\n    xxxx");
}

TEST(yaml_bounds_aliases_that_multiply)
{
    // Nine levels of nine: 9^9 nodes if it were unfolded.
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_c(&b, "a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (char c = 'b'; c <= 'i'; c++) {
        buf_printf(&b, "%c: &%c [", c, c);
        for (int i = 0; i < 9; i++) {
            buf_printf(&b, "*%c,", c - 1);
        }
        buf_c(&b, "]\n");
    }
    refused(b.bytes, "t.yml:6:");
    buf_fini(&b);
}

TEST(yaml_bounds_depth_also_through_aliases)
{
    char deep[2 * YAML_DEPTH_MAX + 8] = "";
    memset(deep, '[', YAML_DEPTH_MAX);
    refused(deep, "t.yml:2:1: flow sequence without");
    memset(deep, '[', YAML_DEPTH_MAX + 1);
    refused(deep, "t.yml:1:65: nested deeper than 64");
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_c(&b, "a: &a [[[[[[[[[[x]]]]]]]]]]\n"); // Eleven levels, each alias adds ten.
    for (char c = 'b'; c <= 'i'; c++) {
        buf_printf(&b, "%c: &%c [[[[[[[[[[*%c]]]]]]]]]]\n", c, c, c - 1);
    }
    refused(b.bytes, "t.yml:7:");
    buf_fini(&b);
}

TEST(yaml_bounds_nodes_bytes_anchors_and_memory)
{
    struct buf b;
    buf_init(&b, 32 << 20);
    buf_byte(&b, '[');
    for (u32 i = 0; i < YAML_NODES_MAX; i++) {
        buf_c(&b, "a,");
    }
    buf_byte(&b, ']');
    struct arena *a = arena_new(256 << 20);
    struct error e;
    assert_null(yaml_parse(a, STR("f"), buf_get(&b), &e));
    assert_int_equal(e.code, ERR_LIMIT);
    struct arena *small = arena_new(1 << 20);
    b.len = 100000;
    b.bytes[b.len - 1] = ']';
    assert_null(yaml_parse(small, STR("f"), buf_get(&b), &e));
    assert_int_equal(e.code, ERR_LIMIT);
    arena_free(small);

    buf_clear(&b);
    buf_byte(&b, '[');
    for (u32 i = 0; i <= YAML_ANCHORS_MAX; i++) {
        buf_printf(&b, "&a%u a,", i);
    }
    buf_byte(&b, ']');
    assert_null(yaml_parse(a, STR("f"), buf_get(&b), &e));
    assert_non_null(strstr(e.text, "more than 1000 anchors"));

    char *room = buf_room(&b, YAML_BYTES_MAX + 1);
    memset(room, ' ', YAML_BYTES_MAX + 1);
    assert_null(yaml_parse(a, STR("f"), (str){room, YAML_BYTES_MAX + 1}, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    arena_free(a);
    buf_fini(&b);
}

TEST(yaml_typing_is_gos)
{
    static const struct {
        const char *text;
        int as_bool; // -1: no boolean.
        bool null;
    } words[] = {
        {"true", 1, false},      {"True", 1, false},  {"TRUE", 1, false},        {"yes", 1, false},
        {"on", 1, false},        {"y", 1, false},     {"false", 0, false},       {"no", 0, false},
        {"Off", 0, false},       {"N", 0, false},     {"tRue", -1, false},       {"1", -1, false},
        {"\"true\"", -1, false}, {"'no'", -1, false}, {"!!str true", -1, false}, {"~", -1, true},
        {"null", -1, true},      {"Null", -1, true},  {"NULL", -1, true},        {"", -1, true},
        {"nULL", -1, false},     {"''", -1, false},   {"'~'", -1, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct arena *a = arena_new(1 << 20);
        const struct yaml_node *n = parse(a, words[i].text)->root;
        bool v = false;
        const bool is = yaml_bool(n, &v);
        if ((words[i].as_bool < 0 ? is : !is || v != (words[i].as_bool == 1)) ||
            yaml_is_null(n) != words[i].null) {
            fail_msg("%s", words[i].text);
        }
        arena_free(a);
    }
}

TEST(yaml_numbers_are_gos)
{
    static const struct {
        const char *text;
        bool integer;
        i64 i;
        bool number;
        f64 f;
    } cases[] = {
        {"0", true, 0, true, 0},
        {"12", true, 12, true, 12},
        {"-12", true, -12, true, -12},
        {"+5", true, 5, true, 5},
        {"1_000", true, 1000, true, 1000},
        {"0x1F", true, 31, true, 31},
        {"0b101", true, 5, true, 5},
        {"0o17", true, 15, true, 15},
        {"017", true, 15, true, 15},
        {"-017", true, -15, true, -15},
        {"08", true, 8, true, 8}, // No octal, so a float that is whole.
        {"3.0", true, 3, true, 3},
        {"1e+3", true, 1000, true, 1000},
        {"3.5", false, 0, true, 3.5},
        {".5", false, 0, true, 0.5},
        {"9223372036854775807", true, INT64_MAX, true, 0x1p63},
        {"-9223372036854775808", true, INT64_MIN, true, -0x1p63},
        {"9223372036854775808", false, 0, true, 0x1p63},
        {".inf", false, 0, true, (f64)INFINITY},
        {"-.Inf", false, 0, true, -(f64)INFINITY},
        {"inf", false, 0, false, 0},
        {"nan", false, 0, false, 0},
        {"0x1p3", false, 0, false, 0},
        {"_1", false, 0, false, 0},
        {"0x", false, 0, false, 0},
        {"'12'", false, 0, false, 0},
        {"12a", false, 0, false, 0},
        {"", false, 0, false, 0},
        {"[1]", false, 0, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena *a = arena_new(1 << 20);
        const struct yaml_node *n = parse(a, cases[i].text)->root;
        i64 whole = 0;
        f64 f = 0;
        if (yaml_i64(n, &whole) != cases[i].integer || whole != cases[i].i ||
            yaml_f64(n, &f) != cases[i].number || f != cases[i].f) {
            fail_msg("%s: %lld %g", cases[i].text, (long long)whole, f);
        }
        arena_free(a);
    }
    struct arena *a = arena_new(1 << 20);
    u64 u = 0;
    assert_true(yaml_u64(parse(a, "18446744073709551615")->root, &u));
    assert_true(u == UINT64_MAX);
    assert_false(yaml_u64(parse(a, "-1")->root, &u));
    assert_false(yaml_u64(parse(a, "18446744073709551616")->root, &u));
    f64 f;
    assert_true(yaml_f64(parse(a, ".NaN")->root, &f));
    assert_true(isnan(f));
    arena_free(a);
}

static void expect_place(const struct yaml_node *n, size_t offset, u32 line, u32 column)
{
    u32 got_line;
    u32 got_column;
    yaml_place(n, offset, &got_line, &got_column);
    if (got_line != line || got_column != column) {
        fail_msg("offset %zu: %u:%u, want %u:%u", offset, got_line, got_column, line, column);
    }
}

TEST(yaml_place_inside_scalars)
{
    struct arena *a = arena_new(1 << 20);
    const struct yaml_node *root = parse(a, "rules:\n"
                                            "  - expr: |\n"
                                            "      sum(x)\n"
                                            "        + bad(\n"
                                            "\n"
                                            "      - é y\n"
                                            "    plain: sum(y)\n"
                                            "    quoted: 'sum(z)'\n"
                                            "    folded: >\n"
                                            "      a\n"
                                            "      b\n"
                                            "    late: |-\n"
                                            "\n"
                                            "        text\n"
                                            "    shifted: |2\n"
                                            "        text\n")
                                       ->root;
    const struct yaml_node *rule = &yaml_get(root, STR("rules"))->items[0];
    const struct yaml_node *expr = yaml_get(rule, STR("expr"));
    ASSERT_STR_EQ(expr->scalar, STR("sum(x)\n  + bad(\n\n- é y\n"));
    expect_place(expr, 0, 3, 7);
    expect_place(expr, 4, 3, 11);
    expect_place(expr, 7, 4, 7);
    expect_place(expr, 11, 4, 11);
    expect_place(expr, 21, 6, 10); // Behind the two bytes of é: characters count.
    expect_place(yaml_get(rule, STR("plain")), 4, 7, 16);
    expect_place(yaml_get(rule, STR("quoted")), 4, 8, 18);
    const struct yaml_node *folded = yaml_get(rule, STR("folded"));
    expect_place(folded, 2, folded->line, folded->column);
    const struct yaml_node *late = yaml_get(rule, STR("late"));
    ASSERT_STR_EQ(late->scalar, STR("\ntext"));
    expect_place(late, 2, 14, 10);
    const struct yaml_node *shifted = yaml_get(rule, STR("shifted"));
    ASSERT_STR_EQ(shifted->scalar, STR("  text\n"));
    expect_place(shifted, 2, 16, 9);
    struct error e;
    assert_false(yaml_error_within(&e, expr, 9, "unexpected %s", "thing"));
    assert_string_equal(e.text, "t.yml:4:9: unexpected thing\n"
                                "            + bad(\n"
                                "            ^");
    arena_free(a);
}

static void expect_print(const char *text, const char *want)
{
    struct arena *a = arena_new(1 << 22);
    struct buf b;
    buf_init(&b, 1 << 16);
    yaml_print(&b, parse(a, text)->root);
    ASSERT_STR_EQ(buf_get(&b), str_c(want));
    // What was printed reads and prints the same again.
    struct buf again;
    buf_init(&again, 1 << 16);
    yaml_print(&again, parse(a, b.bytes)->root);
    ASSERT_STR_EQ(buf_get(&again), buf_get(&b));
    buf_fini(&again);
    buf_fini(&b);
    arena_free(a);
}

TEST(yaml_print_drops_comments_and_follows_aliases)
{
    expect_print("a: 1 # said by the way\n"
                 "auth: &who {user: me, role: ops}\n"
                 "list:\n"
                 "- url: plain\n"
                 "  as: *who\n"
                 "- - nested\n"
                 "  - deep: x\n"
                 "none:\n",
                 "a: 1\n"
                 "auth:\n"
                 "  user: me\n"
                 "  role: ops\n"
                 "list:\n"
                 "- url: plain\n"
                 "  as:\n"
                 "    user: me\n"
                 "    role: ops\n"
                 "- - nested\n"
                 "  - deep: x\n"
                 "none:\n");
}

TEST(yaml_print_keeps_meaning)
{
    expect_print("a: 'true'\nb: \"x\\ny\\\"\\u00e9\"\nc: |\n  one\n    two\n\n  three\nd: |-\n  x\n"
                 "e: []\nf: {}\ng: ~\n'h: i': \"\"\nj: |2\n    lead\nk: >\n  fold\n  ed\n",
                 "a: \"true\"\nb: \"x\\ny\\\"é\"\nc: |\n  one\n    two\n\n  three\nd: |-\n  x\n"
                 "e: []\nf: {}\ng: ~\n\"h: i\": \"\"\nj: \"  lead\\n\"\nk: \"fold ed\\n\"\n");
    expect_print("a: \"x\\x7f\"\n\"\\x7f\": 1\n", "a: \"x\\x7f\"\n\"\\x7f\": 1\n");
    expect_print("\t---", "\"---\"\n"); // At the start of a line they would end the document.
    expect_print("\t...", "\"...\"\n");
    expect_print("", "\n");
    expect_print("[]", "[]\n");
    expect_print("- a\n-\n- |\n  b\n  c\n", "- a\n-\n- |\n  b\n  c\n");
}

TEST(yaml_error_on_a_blank_line_shows_the_end_of_what_stands_above)
{
    struct arena *a = arena_new(1 << 20);
    struct error e = {0};
    const struct yaml_doc *doc = yaml_parse(a, STR("t.yml"), STR("\n  \n"), &e);
    assert_non_null(doc);
    assert_false(yaml_error(&e, doc->root, "nothing stands here"));
    assert_null(strchr(e.text, '\n'));
    assert_true(str_ends(str_c(e.text), STR("nothing stands here")));
    assert_null(yaml_parse(a, STR("t.yml"), STR("a:\n  ä: [2\n\n"), &e));
    if (!strstr(e.text, "t.yml:4:1: ") ||
        !str_ends(str_c(e.text), STR("\n      ä: [2\n           ^"))) {
        fail_msg("%s", e.text);
    }
    arena_free(a);
}
