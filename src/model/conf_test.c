// conf_test.c: every type, defaults, refusals with place, hint and no secret.

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "model/conf.h"
#include "model/labels.h"
#include "wire/yaml.h"

enum color { RED, GREEN };

struct inner {
    str name;
    i64 wait_ms;
};

struct outer {
    str text;
    struct secret password;
    bool flag;
    u64 size;
    i64 offset;
    f64 ratio;
    i64 interval_ms;
    u64 bytes;
    enum color color;
    str *list;
    u32 list_count;
    struct labels map;
    struct inner embedded;
    struct inner *pointer;
    struct inner *items;
    u32 item_count;
    struct conf_strings *params;
    u32 param_count;
    const struct yaml_node *node;
    const struct yaml_node **nodes;
    u32 node_count;
    struct conf_place place;
};

static const char *const colors[] = {"red", "green", NULL};

static const struct conf_field inner_fields[] = {
    {.name = "name", .type = CONF_STR, .offset = offsetof(struct inner, name), .required = true},
    {.name = "wait",
     .type = CONF_DURATION,
     .offset = offsetof(struct inner, wait_ms),
     .fallback = "30s"},
};
static const struct conf_struct inner_conf = {
    .name = "inner", .bytes = sizeof(struct inner), .fields = inner_fields, .field_count = 2};

static const struct conf_field soft_fields[] = {
    {.name = "name", .type = CONF_STR, .offset = offsetof(struct inner, name), .fallback = "none"},
    {.name = "wait", .type = CONF_DURATION, .offset = offsetof(struct inner, wait_ms)},
};
static const struct conf_struct soft_conf = {
    .name = "soft", .bytes = sizeof(struct inner), .fields = soft_fields, .field_count = 2};

#define AT(member) .offset = offsetof(struct outer, member)
static const struct conf_field outer_fields[] = {
    {.name = "text", .type = CONF_STR, AT(text), .fallback = "default"},
    {.name = "password", .type = CONF_SECRET, AT(password)},
    {.name = "flag", .type = CONF_BOOL, AT(flag), .fallback = "true"},
    {.name = "size", .type = CONF_U64, AT(size), .fallback = "7"},
    {.name = "offset", .type = CONF_I64, AT(offset), .fallback = "-7"},
    {.name = "ratio", .type = CONF_F64, AT(ratio), .fallback = "0.5"},
    {.name = "interval", .type = CONF_DURATION, AT(interval_ms), .fallback = "1m"},
    {.name = "bytes", .type = CONF_BYTES, AT(bytes), .fallback = "4KiB"},
    {.name = "color", .type = CONF_ENUM, AT(color), .names = colors, .fallback = "green"},
    {.name = "list",
     .type = CONF_STR_LIST,
     AT(list),
     .count_offset = offsetof(struct outer, list_count)},
    {.name = "map", .type = CONF_STR_MAP, AT(map)},
    {.name = "embedded", .type = CONF_STRUCT, AT(embedded), .sub = &soft_conf},
    {.name = "pointer", .type = CONF_STRUCT_PTR, AT(pointer), .sub = &inner_conf},
    {.name = "items",
     .type = CONF_STRUCT_LIST,
     AT(items),
     .count_offset = offsetof(struct outer, item_count),
     .sub = &inner_conf},
    {.name = "params",
     .type = CONF_STR_LISTS,
     AT(params),
     .count_offset = offsetof(struct outer, param_count)},
    {.name = "node", .type = CONF_NODE, AT(node)},
    {.name = "nodes",
     .type = CONF_NODE_LIST,
     AT(nodes),
     .count_offset = offsetof(struct outer, node_count)},
    {.name = "remote_read", .type = CONF_UNBUILT},
};

static bool outer_check(void *target, const struct yaml_node *node, UNUSED struct arena *a,
                        struct error *e)
{
    const struct outer *o = target;
    return o->size <= 100 ||
           conf_error(e, node, "size %llu is more than 100", (unsigned long long)o->size);
}

static const struct conf_struct outer_conf = {.name = "outer",
                                              .bytes = sizeof(struct outer),
                                              .fields = outer_fields,
                                              .field_count = ARRAY_LEN(outer_fields),
                                              .check = outer_check,
                                              .place_offset = offsetof(struct outer, place)};

static const struct conf_field many_fields[] = {
    {.name = "a", .type = CONF_UNBUILT, .help = "use b"},
    {.name = "more", .type = CONF_STRUCT, AT(embedded), .sub = &soft_conf},
    {.name = "items",
     .type = CONF_STRUCT_LIST,
     AT(items),
     .count_offset = offsetof(struct outer, item_count),
     .sub = &outer_conf},
};
static const struct conf_struct many_conf = {.name = "many",
                                             .bytes = sizeof(struct outer),
                                             .fields = many_fields,
                                             .field_count = ARRAY_LEN(many_fields)};

static bool decode(struct arena *a, const char *text, struct outer *o, struct error *e)
{
    const struct yaml_doc *doc = yaml_parse(a, STR("t.yml"), str_c(text), e);
    if (!doc) {
        fail_msg("%s", e->text);
    }
    *o = (struct outer){0};
    return conf_decode(&outer_conf, doc->root, o, a, e);
}

TEST(conf_decode_takes_every_type)
{
    struct arena *a = arena_new(1 << 22);
    struct outer o;
    struct error e;
    ASSERT_OK(decode(a,
                     "# comment\n"
                     "text: 123\n"
                     "password: hunter2\n"
                     "flag: no\n"
                     "size: 1_00\n"
                     "offset: -0x10\n"
                     "ratio: .5\n"
                     "interval: 1h30m\n"
                     "bytes: 16MB\n"
                     "color: RED\n"
                     "list: [a, 1, 'true']\n"
                     "map: {b: 2, a: x, gone: '', null_too: }\n"
                     "embedded: {wait: 5s}\n"
                     "pointer: {name: p}\n"
                     "items:\n"
                     "- name: one\n"
                     "- {name: two, wait: 1s}\n"
                     "params: {module: [x, y], empty: []}\n"
                     "node: {any: [thing]}\n"
                     "nodes: [1, {a: b}]\n",
                     &o, &e),
              e);
    ASSERT_STR_EQ(o.text, STR("123"));
    ASSERT_STR_EQ(secret_reveal(o.password), STR("hunter2"));
    assert_false(o.flag);
    assert_int_equal(o.size, 100);
    assert_int_equal(o.offset, -16);
    assert_true(o.ratio == 0.5);
    assert_int_equal(o.interval_ms, 5400000);
    assert_int_equal(o.bytes, 16 << 20);
    assert_int_equal(o.color, RED);
    assert_int_equal(o.list_count, 3);
    ASSERT_STR_EQ(o.list[2], STR("true"));
    struct buf b;
    buf_init(&b, 1000);
    labels_print(&b, o.map);
    ASSERT_STR_EQ(buf_get(&b), STR("{a=\"x\", b=\"2\"}"));
    buf_fini(&b);
    ASSERT_STR_EQ(o.embedded.name, STR("none"));
    assert_int_equal(o.embedded.wait_ms, 5000);
    ASSERT_STR_EQ(o.pointer->name, STR("p"));
    assert_int_equal(o.pointer->wait_ms, 30000);
    assert_int_equal(o.item_count, 2);
    assert_int_equal(o.items[0].wait_ms, 30000);
    assert_int_equal(o.items[1].wait_ms, 1000);
    assert_int_equal(o.param_count, 2);
    ASSERT_STR_EQ(o.params[0].name, STR("module"));
    ASSERT_STR_EQ(o.params[0].values[1], STR("y"));
    assert_int_equal(o.params[1].value_count, 0);
    assert_int_equal(o.node->kind, YAML_MAP);
    assert_int_equal(o.node_count, 2);
    ASSERT_STR_EQ(o.nodes[0]->scalar, STR("1"));
    assert_int_equal(o.place.line, 2);
    assert_int_equal(o.place.column, 1);
    arena_free(a);
}

static void expect_defaults(const struct outer *o)
{
    ASSERT_STR_EQ(o->text, STR("default"));
    ASSERT_STR_EQ(secret_reveal(o->password), STR_EMPTY);
    assert_true(o->flag);
    assert_int_equal(o->size, 7);
    assert_int_equal(o->offset, -7);
    assert_true(o->ratio == 0.5);
    assert_int_equal(o->interval_ms, 60000);
    assert_int_equal(o->bytes, 4096);
    assert_int_equal(o->color, GREEN);
    assert_int_equal(o->list_count, 0);
    assert_int_equal(o->map.count, 0);
    ASSERT_STR_EQ(o->embedded.name, STR("none"));
    assert_null(o->pointer);
    assert_null(o->node);
}

TEST(conf_absent_and_null_take_the_default)
{
    struct arena *a = arena_new(1 << 22);
    struct outer o;
    struct error e;
    ASSERT_OK(decode(a, "", &o, &e), e);
    expect_defaults(&o);
    ASSERT_OK(decode(a,
                     "text:\nflag: ~\nsize: null\noffset:\nratio:\ninterval:\nbytes:\ncolor:\n"
                     "list:\nmap:\nembedded:\npointer:\nitems:\nnode:\n",
                     &o, &e),
              e);
    expect_defaults(&o);
    o = (struct outer){0};
    ASSERT_OK(conf_defaults(&outer_conf, &o, a, &e), e);
    expect_defaults(&o);
    arena_free(a);
}

TEST(conf_errors_say_where_and_what)
{
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"txt: a\n",
         "t.yml:1:1: unknown key 'txt' in outer; did you mean 'text'?\n    txt: a\n    ^"},
        {"zzzzzzzz: 1\n", "t.yml:1:1: unknown key 'zzzzzzzz' in outer\n"},
        {"flag: maybe\n", "t.yml:1:7: flag: expected true or false, got \"maybe\"\n"
                          "    flag: maybe\n          ^"},
        {"flag: 'true'\n", "t.yml:1:7: flag: expected true or false, got \"true\""},
        {"size: -1\n", "t.yml:1:7: size: expected a whole number from 0, got \"-1\""},
        {"size: 1.5\n", "t.yml:1:7: size: expected a whole number"},
        {"size: 101\n", "t.yml:1:1: size 101 is more than 100"},
        {"offset: []\n", "t.yml:1:9: offset: expected a whole number, got a list"},
        {"ratio: x\n", "t.yml:1:8: ratio: expected a number, got \"x\""},
        {"interval: 5\n", "t.yml:1:11: interval: not a valid duration string: \"5\""},
        {"interval: {}\n", "t.yml:1:11: interval: expected a duration, got a mapping"},
        {"bytes: 5XB\n", "t.yml:1:8: bytes: expected a size such as 512KB, 16MB or 1GiB, got"},
        {"bytes: 17EB\n", "t.yml:1:8: bytes: expected a size"},
        {"bytes: MB\n", "t.yml:1:8: bytes: expected a size"},
        {"color: blue\n", "t.yml:1:8: color: expected one of red, green, got \"blue\""},
        {"text: [a]\n", "t.yml:1:7: text: expected a string, got a list"},
        {"list: a\n", "t.yml:1:7: list: expected a list of strings, got a scalar"},
        {"list: [a, {b: c}]\n", "t.yml:1:11: list: expected a string, got a mapping"},
        {"map: [a]\n", "t.yml:1:6: map: expected a mapping of names to strings, got a list"},
        {"map: {a: [b]}\n", "t.yml:1:10: map: expected a string, got a list"},
        {"map: {'': b}\n", "t.yml:1:7: map: an empty name"},
        {"params: {a: b}\n", "t.yml:1:13: params: expected a list of strings, got a scalar"},
        {"pointer: {}\n", "t.yml:1:10: inner lacks 'name'"},
        {"pointer: {name: }\n", "t.yml:1:10: inner lacks 'name'"},
        {"pointer: 5\n", "t.yml:1:10: inner: expected a mapping, got a scalar"},
        {"items: [{name: a},]\nembedded: {nme: x}\n",
         "t.yml:2:12: unknown key 'nme' in soft; did you mean 'name'?"},
        {"items:\n  -\n  - name: a\n", "t.yml:2:3: items: an empty entry"},
        {"items: {name: a}\n", "t.yml:1:8: items: expected a list, got a mapping"},
        {"nodes: 1\n", "t.yml:1:8: nodes: expected a list, got a scalar"},
        {"remote_read: []\n", "t.yml:1:1: key 'remote_read' is known to Prometheus but not built "
                              "in this release"},
        {"remote_read:\n", "t.yml:1:1: key 'remote_read' is known"},
        {"- a\n", "t.yml:1:1: outer: expected a mapping, got a list"},
        {"just text\n", "t.yml:1:1: outer: expected a mapping, got a scalar"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena *a = arena_new(1 << 22);
        struct outer o;
        struct error e;
        if (decode(a, cases[i].text, &o, &e)) {
            fail_msg("accepted: %s", cases[i].text);
        }
        if (!str_starts(str_c(e.text), str_c(cases[i].want))) {
            fail_msg("%s\n  does not begin with\n%s", e.text, cases[i].want);
        }
        arena_free(a);
    }
}

TEST(conf_errors_never_show_a_secret)
{
    static const char *const texts[] = {
        "password: [hunter2]\n",
        "password: {x: hunter2}\n",
        "password: hunter2\nflag: maybe\n",
        "flag: maybe\npassword: hunter2\n",
        "{password: hunter2, flag: maybe}\n",
        "{flag: maybe, password: hunter2}\n",
        "{Password: hunter2}\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct arena *a = arena_new(1 << 22);
        struct outer o;
        struct error e;
        assert_false(decode(a, texts[i], &o, &e));
        if (strstr(e.text, "hunter2")) {
            fail_msg("%s", e.text);
        }
        arena_free(a);
    }
}

TEST(conf_decode_meets_the_arenas_maximum_with_an_error)
{
    struct buf b;
    buf_init(&b, 1 << 22);
    buf_c(&b, "items: [");
    for (u32 i = 0; i < 20000; i++) {
        buf_c(&b, "{name: a},");
    }
    buf_c(&b, "]\nlist: [");
    for (u32 i = 0; i < 20000; i++) {
        buf_c(&b, "a,");
    }
    buf_c(&b, "]\n");
    struct arena *docs = arena_new(64 << 20);
    struct error e;
    const struct yaml_doc *doc = yaml_parse(docs, STR("t.yml"), buf_get(&b), &e);
    assert_non_null(doc);
    for (size_t max = 4096; max < (1 << 20); max *= 2) {
        struct arena *small = arena_new(max);
        struct outer o = {0};
        e.code = ERR_NONE;
        if (!conf_decode(&outer_conf, doc->root, &o, small, &e)) {
            assert_int_equal(e.code, ERR_LIMIT);
        }
        arena_free(small);
    }
    arena_free(docs);
    buf_fini(&b);
}

TEST(conf_names_all_unbuilt_keys_of_a_file_at_once)
{
    struct arena *a = arena_new(1 << 22);
    struct outer o = {0};
    struct error e = {0};
    // In the order of the file, each place once, before anything else that is wrong with it.
    static const char few[] = "more: {unknown: 1}\nitems:\n- remote_read:\n- &x\n  remote_read: 1\n"
                              "- *x\na: 2\n";
    const struct yaml_doc *doc = yaml_parse(a, STR("t.yml"), str_c(few), &e);
    assert_non_null(doc);
    assert_false(conf_decode(&many_conf, doc->root, &o, a, &e));
    assert_string_equal(e.text,
                        "t.yml:3:3: key 'remote_read' is known to Prometheus but not built in this "
                        "release\n    - remote_read:\n      ^\n"
                        "  not built either: 'remote_read' (5:3), 'a' (7:1)");
    // Twelve: ten are named, the others are counted.
    struct buf text;
    buf_init(&text, 4096);
    buf_c(&text, "a:\nitems:\n");
    for (int i = 0; i < 11; i++) {
        buf_c(&text, "- remote_read:\n");
    }
    doc = yaml_parse(a, STR("t.yml"), buf_get(&text), &e);
    assert_non_null(doc);
    assert_false(conf_decode(&many_conf, doc->root, &o, a, &e));
    assert_true(str_starts(str_c(e.text), STR("t.yml:1:1: key 'a' is known to Prometheus but not "
                                              "built in this release: use b\n")));
    assert_true(str_ends(str_c(e.text), STR("'remote_read' (11:3) and 2 more")));
    buf_fini(&text);
    arena_free(a);
}

TEST(conf_keys_that_exclude_each_other_are_told_at_the_later_one)
{
    struct arena *a = arena_new(1 << 22);
    struct error e = {0};
    const struct yaml_doc *doc = yaml_parse(a, STR("t.yml"), STR("b: 1\na: 2\nc:\n"), &e);
    assert_non_null(doc);
    assert_false(conf_not_both(doc->root, "part", "a", "b", &e));
    assert_true(str_starts(str_c(e.text), STR("t.yml:2:4: part: at most one of a and b")));
    ASSERT_OK(conf_not_both(doc->root, "part", "a", "c", &e), e); // Null is not given.
    ASSERT_OK(conf_not_both(doc->root, "part", "x", "a", &e), e);
    assert_ptr_equal(conf_value(doc->root, "a"), yaml_get(doc->root, STR("a")));
    assert_ptr_equal(conf_value(doc->root, "x"), doc->root);
    arena_free(a);
}
