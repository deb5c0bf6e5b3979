// conf_print_test.c: what is printed, and that it decodes to the same again.
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "model/conf.h"
#include "model/conf_print.h"
#include "model/labels.h"
#include "model/relabel.h"
#include "wire/yaml.h"

struct part {
    str name;
    i64 wait_ms;
};
struct whole {
    str text;
    struct secret password;
    bool flag;
    bool other;
    u64 size;
    i64 offset;
    f64 ratio;
    i64 interval_ms;
    u64 bytes;
    int color;
    str *list;
    u32 list_count;
    struct labels map;
    struct part embedded;
    struct part *pointer;
    struct part *items;
    u32 item_count;
    struct conf_strings *params;
    u32 param_count;
    const struct yaml_node *node;
    const struct yaml_node **parts;
    u32 part_count;
    struct relabel *relabels;
    u32 relabel_count;
};

static const char *const colors[] = {"", "red", "on", NULL};

static const struct conf_field part_fields[] = {
    CONF_FIELD(part, "name", CONF_STR, name),
    CONF_FIELD(part, "wait", CONF_DURATION, wait_ms),
};
static const struct conf_struct part_conf = CONF_TABLE(part, "part", part_fields);

static const struct conf_field named_fields[] = {
    CONF_FIELD(part, "name", CONF_STR, name, .required = true),
    CONF_FIELD(part, "wait", CONF_DURATION, wait_ms, .fallback = "30s"),
};
static const struct conf_struct named_conf = CONF_TABLE(part, "named", named_fields);

static const struct conf_field whole_fields[] = {
    CONF_FIELD(whole, "text", CONF_STR, text),
    CONF_FIELD(whole, "password", CONF_SECRET, password),
    CONF_FIELD(whole, "flag", CONF_BOOL, flag, .fallback = "true"),
    CONF_FIELD(whole, "other", CONF_BOOL, other),
    CONF_FIELD(whole, "size", CONF_U64, size),
    CONF_FIELD(whole, "offset", CONF_I64, offset),
    CONF_FIELD(whole, "ratio", CONF_F64, ratio),
    CONF_FIELD(whole, "interval", CONF_DURATION, interval_ms, .fallback = "1m"),
    CONF_FIELD(whole, "bytes", CONF_BYTES, bytes),
    CONF_FIELD(whole, "color", CONF_ENUM, color, .names = colors),
    CONF_LIST(whole, "list", CONF_STR_LIST, list, list_count),
    CONF_FIELD(whole, "map", CONF_STR_MAP, map),
    CONF_FIELD(whole, "embedded", CONF_STRUCT, embedded, .sub = &part_conf),
    CONF_FIELD(whole, "pointer", CONF_STRUCT_PTR, pointer, .sub = &named_conf),
    CONF_LIST(whole, "items", CONF_STRUCT_LIST, items, item_count, .sub = &named_conf),
    CONF_LIST(whole, "params", CONF_STR_LISTS, params, param_count),
    CONF_FIELD(whole, "node", CONF_NODE, node),
    CONF_LIST(whole, "parts", CONF_NODE_LIST, parts, part_count, .sub = &part_conf),
    CONF_LIST(whole, "relabels", CONF_STRUCT_LIST, relabels, relabel_count, .sub = &relabel_conf),
    CONF_REFUSED("gone"),
};
static const struct conf_struct whole_conf = CONF_TABLE(whole, "whole", whole_fields);

// What an entry of `parts` takes from elsewhere: a second.
static void wait_inherit(void *ctx, const struct conf_struct *t, void *value)
{
    struct part *p = value;
    assert_ptr_equal(t, &part_conf);
    p->wait_ms = p->wait_ms ? p->wait_ms : *(const i64 *)ctx;
}

static bool print(struct arena *a, str text, struct buf *out, struct error *e)
{
    i64 second = 1000;
    struct whole w = {0};
    const struct yaml_doc *doc = yaml_parse(a, STR("t.yml"), text, e);
    if (!doc || !conf_decode(&whole_conf, doc->root, &w, a, e)) {
        fail_msg("%s", e->text);
    }
    const struct conf_print_opts opts = {.memory = a, .inherit = wait_inherit, .ctx = &second};
    return conf_print(out, &whole_conf, &w, &opts, e);
}

static void expect(const char *text, const char *want)
{
    struct arena *a = arena_new(1 << 22);
    struct buf once;
    struct buf twice;
    struct error e = {0};
    buf_init(&once, 1 << 16);
    buf_init(&twice, 1 << 16);
    ASSERT_OK(print(a, str_c(text), &once, &e), e);
    ASSERT_STR_EQ(buf_get(&once), str_c(want));
    ASSERT_OK(print(a, buf_get(&once), &twice, &e), e);
    ASSERT_STR_EQ(buf_get(&twice), buf_get(&once));
    buf_fini(&once);
    buf_fini(&twice);
    arena_free(a);
}

TEST(conf_print_fills_defaults_and_leaves_out_what_says_nothing)
{
    expect("", "flag: true\ninterval: 1m\n");
    expect("flag: false\nother: false\nsize: 0\ntext: ''\nlist: []\nmap: {a: ''}\nembedded: {}\n"
           "color: ''\nrelabels: []\npassword:\n",
           "flag: false\ninterval: 1m\n");
    expect("parts: [{name: a, wait: 2s}, {}]\npointer: {name: ''}\nitems: [{name: x, wait: 0s}]\n"
           "params: {none: []}\n",
           "flag: true\ninterval: 1m\npointer:\n  name: \"\"\n  wait: 30s\n"
           "items:\n- name: x\n  wait: 0s\nparams:\n  none: []\n"
           "parts:\n- name: a\n  wait: 2s\n- wait: 1s\n");
}

TEST(conf_print_knows_every_type)
{
    expect("text: some words\npassword: hunter2\nother: yes\nsize: 1_000\noffset: -0x10\n"
           "ratio: .5\ninterval: 90m\nbytes: 1536KB\ncolor: RED\nlist: [a, b c]\n"
           "map: {b: 2, a: x}\nembedded: {wait: 500ms}\nparams: {module: [x, y]}\n"
           "node: {any: [thing, 'on']}\n"
           "relabels: [{action: Drop, source_labels: [a], regex: 'x|y'}]\n",
           "text: some words\npassword: <secret>\nflag: true\nother: true\nsize: 1000\n"
           "offset: -16\nratio: 0.5\ninterval: 1h30m\nbytes: 1536KiB\ncolor: red\n"
           "list:\n- a\n- b c\nmap:\n  a: x\n  b: \"2\"\nembedded:\n  wait: 500ms\n"
           "params:\n  module:\n  - x\n  - \"y\"\nnode:\n  any:\n  - thing\n  - \"on\"\n"
           "relabels:\n- source_labels:\n  - a\n  separator: ;\n  regex: x|y\n  replacement: $1\n"
           "  action: drop\n");
    expect("ratio: -.inf\nbytes: 1025\n", "flag: true\nratio: -.inf\ninterval: 1m\nbytes: 1025B\n");
    expect("ratio: 1e300\nbytes: 2EB\n", "flag: true\nratio: 1e+300\ninterval: 1m\nbytes: 2EiB\n");
    expect("color: 'on'\n", "flag: true\ninterval: 1m\ncolor: \"on\"\n");
}

// Strings that a reader of YAML would take for something else, or could not read at all.
TEST(conf_print_quotes_what_is_no_plain_string)
{
    static const char *const texts[] = {
        "~",
        "null",
        "yes",
        "n",
        "off",
        "1",
        "0x1f",
        "1e3",
        "1_0",
        ".inf",
        ".5",
        "-",
        "- a",
        "-a",
        "?",
        "? a",
        ":",
        ":a",
        "a:",
        "a: b",
        "a #b",
        "#",
        "a\tb",
        " a",
        "a ",
        "{a}",
        "[a]",
        "*a",
        "&a",
        "!a",
        "|",
        ">",
        "%a",
        "@a",
        "`a",
        "'a'",
        "\"a\"",
        "é",
        "a\nb",
        "<<",
        "=",
        ",",
        "---",
        "...",
        "",
        "a\\b",
        "a\"b'",
        "(.*);x",
        "$1-a",
        "a,b",
        "a[0]",
        "a{b}c",
        "<b: x",
        "/m/*",
        "\x7f",
        "a\xc2\x85\x62",
        "\xe2\x80\xa8",
        "\xef\xbb\xbfx",
        "a\r\nb\n",
        "'",
        "\"",
        "\\",
        "_",
        "+1",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct arena *a = arena_new(1 << 22);
        struct buf b;
        struct error e = {0};
        str values[] = {str_c(texts[i])};
        struct label pair = {values[0].len > 0 ? values[0] : STR("k"), STR("x")};
        struct whole w = {.list = values, .list_count = 1, .map = {&pair, 1}};
        const struct conf_print_opts opts = {.memory = a};
        buf_init(&b, 1 << 16);
        ASSERT_OK(conf_print(&b, &whole_conf, &w, &opts, &e), e);
        const struct yaml_doc *doc = yaml_parse(a, STR("t.yml"), buf_get(&b), &e);
        struct whole again = {0};
        const bool ok = doc && conf_decode(&whole_conf, doc->root, &again, a, &e);
        if (!ok || !again.list || again.list_count != 1) {
            fail_msg("\"%s\": %s", texts[i], ok ? "no list of one" : e.text);
            return;
        }
        ASSERT_STR_EQ(again.list[0], values[0]);
        assert_int_equal(again.map.count, 1);
        ASSERT_STR_EQ(again.map.items[0].name, pair.name);
        // Nor does another reader take a word in plain letters for a value that is no string.
        const struct yaml_node *item = &yaml_get(doc->root, STR("list"))->items[0];
        bool flag;
        f64 number;
        assert_false(yaml_is_null(item) || yaml_bool(item, &flag) || yaml_f64(item, &number));
        buf_fini(&b);
        arena_free(a);
    }
}

TEST(conf_print_meets_maxima_with_an_error)
{
    struct arena *a = arena_new(1 << 22);
    struct buf b;
    struct error e = {0};
    buf_init(&b, 16);
    assert_false(print(a, STR("text: more than that\n"), &b, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    buf_fini(&b);
    struct whole w = {0};
    struct arena *small = arena_new(1024);
    const struct conf_print_opts opts = {.memory = small};
    buf_init(&b, 1 << 16);
    e = (struct error){0};
    assert_false(conf_print(&b, &whole_conf, &w, &opts, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    buf_fini(&b);
    arena_free(small);
    arena_free(a);
}
