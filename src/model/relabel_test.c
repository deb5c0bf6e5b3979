// relabel_test.c: upstream's documented semantics, action by action; refusals; hostile templates.

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "model/conf.h"
#include "model/relabel.h"
#include "wire/yaml.h"

#define RULES_MAX 8

struct rule_list {
    struct relabel *rules;
    u32 count;
};
static const struct conf_field list_fields[] = {
    {.name = "rules",
     .type = CONF_STRUCT_LIST,
     .offset = offsetof(struct rule_list, rules),
     .count_offset = offsetof(struct rule_list, count),
     .sub = &relabel_conf},
};
static const struct conf_struct list_conf = {
    .name = "rules", .bytes = sizeof(struct rule_list), .fields = list_fields, .field_count = 1};

static bool compile(struct arena *a, const char *yaml, struct rule_list *out, struct error *e)
{
    const str text = arena_printf(a, "rules:\n%s", yaml);
    const struct yaml_doc *doc = yaml_parse(a, STR("r.yml"), text, e);
    *out = (struct rule_list){0};
    return doc && conf_decode(&list_conf, doc->root, out, a, e);
}

static void set_labels(struct labels_builder *b, const char *const *pairs)
{
    for (; *pairs; pairs += 2) {
        labels_builder_set(b, str_c(pairs[0]), str_c(pairs[1]));
    }
}

// pairs: name, value, …, NULL. want NULL: dropped.
static void expect(const char *yaml, const char *const *pairs, const char *want)
{
    struct arena *a = arena_new(8 << 20);
    struct error e;
    struct rule_list list;
    if (!compile(a, yaml, &list, &e)) {
        fail_msg("%s\n%s", yaml, e.text);
    }
    struct labels_builder b;
    labels_builder_init(&b, a, (struct labels){NULL, 0});
    set_labels(&b, pairs);
    const bool kept = relabel_apply(list.rules, list.count, &b, NULL);
    if (kept != (want != NULL)) {
        fail_msg("%s: kept %d", yaml, kept);
    }
    if (kept) {
        struct buf out;
        buf_init(&out, 1 << 16);
        labels_print(&out, labels_builder_take(&b));
        if (!str_eq_c(buf_get(&out), want)) {
            fail_msg("%s: got %s, want %s", yaml, out.bytes, want);
        }
        buf_fini(&out);
    }
    arena_free(a);
}

#define PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL})

TEST(relabel_replace)
{
    expect(
        "- {source_labels: [a], regex: 'f(.*)', target_label: d, replacement: 'ch${1}-ch${1}'}\n",
        PAIRS("a", "foo", "b", "bar", "c", "baz"),
        "{a=\"foo\", b=\"bar\", c=\"baz\", d=\"choo-choo\"}");
    expect("- {source_labels: [a, b], regex: 'f(.*);(.*)r', target_label: a, replacement: "
           "'b${1}${2}m'}\n"
           "- {source_labels: [c, a], regex: '(b).*b(.*)ba(.*)', target_label: d, replacement: "
           "'$1$2$2$3'}\n",
           PAIRS("a", "foo", "b", "bar", "c", "baz"),
           "{a=\"boobam\", b=\"bar\", c=\"baz\", d=\"boooom\"}");
    // No match, no change.
    expect("- {source_labels: [a], regex: 'f', target_label: b, replacement: bar}\n",
           PAIRS("a", "boo"), "{a=\"boo\"}");
    // Anchored on both sides.
    expect("- {source_labels: [a], regex: 'o', target_label: b, replacement: x}\n",
           PAIRS("a", "foo"), "{a=\"foo\"}");
    // Defaults: the joined value itself.
    expect("- {source_labels: [a, b], target_label: c}\n", PAIRS("a", "1", "b", "2"),
           "{a=\"1\", b=\"2\", c=\"1;2\"}");
    expect("- {source_labels: [a, x, b], separator: '', target_label: c}\n",
           PAIRS("a", "1", "b", "2"), "{a=\"1\", b=\"2\", c=\"12\"}");
    // No source labels: a constant.
    expect("- {target_label: t, replacement: v}\n", PAIRS("a", "1"), "{a=\"1\", t=\"v\"}");
    // A missing label is empty, and an empty result deletes.
    expect("- {source_labels: [nope], target_label: a}\n", PAIRS("a", "1"), "{}");
    expect("- {source_labels: [a], target_label: a, replacement: ''}\n", PAIRS("a", "1", "b", "2"),
           "{b=\"2\"}");
    expect("- {source_labels: [a], regex: '(x)?1', target_label: b}\n", PAIRS("a", "1", "b", "2"),
           "{a=\"1\"}");
}

TEST(relabel_replace_into_a_template_of_a_name)
{
    expect("- {source_labels: [a], regex: 'some-([^-]+)-([^,]+)', target_label: '${1}', "
           "replacement: '${2}'}\n",
           PAIRS("a", "some-name-value"), "{a=\"some-name-value\", name=\"value\"}");
    // Any UTF-8 is a name today; an empty one is none and nothing happens.
    expect("- {source_labels: [a], regex: '(.*)-(.*)', target_label: '$1', replacement: '$2'}\n",
           PAIRS("a", "x.y-v"), "{a=\"x.y-v\", \"x.y\"=\"v\"}");
    expect("- {source_labels: [a], regex: '(.*)-(.*)', target_label: '$1', replacement: '$2'}\n",
           PAIRS("a", "-v"), "{a=\"-v\"}");
    expect("- {source_labels: [__meta_x], regex: '(.+)', target_label: '__param_${1}', "
           "replacement: '$$1'}\n",
           PAIRS("__meta_x", "q"), "{__meta_x=\"q\", __param_q=\"$1\"}");
    expect("- {source_labels: [a], regex: '(?P<host>[^:]+):(?<port>\\d+)', target_label: b, "
           "replacement: '${port}/$host'}\n",
           PAIRS("a", "h:9100"), "{a=\"h:9100\", b=\"9100/h\"}");
}

TEST(relabel_keep_and_drop)
{
    expect("- {source_labels: [a], regex: '.*o.*', action: drop}\n", PAIRS("a", "foo"), NULL);
    expect("- {source_labels: [a], regex: 'f', action: drop}\n", PAIRS("a", "foo"), "{a=\"foo\"}");
    expect("- {source_labels: [a], regex: 'no-match', action: keep}\n", PAIRS("a", "foo"), NULL);
    expect("- {source_labels: [a], regex: 'f.*', action: Keep}\n", PAIRS("a", "foo"),
           "{a=\"foo\"}");
    expect("- {source_labels: [nope], regex: '', action: keep}\n", PAIRS("a", "1"), "{a=\"1\"}");
    expect("- {source_labels: [a, b], regex: '1;2', action: drop}\n", PAIRS("a", "1", "b", "2"),
           NULL);
}

TEST(relabel_tells_which_rule_dropped)
{
    struct arena *a = arena_new(1 << 20);
    struct error e;
    struct rule_list list;
    ASSERT_OK(compile(a,
                      "- {source_labels: [a], regex: '1', action: keep}\n"
                      "- {source_labels: [a], target_label: b}\n"
                      "- {source_labels: [b], regex: '1', action: drop}\n",
                      &list, &e),
              e);
    struct labels_builder b;
    labels_builder_init(&b, a, (struct labels){NULL, 0});
    labels_builder_set(&b, STR("a"), STR("1"));
    u32 by = 99;
    assert_false(relabel_apply(list.rules, list.count, &b, &by));
    assert_int_equal(by, 2);
    labels_builder_set(&b, STR("a"), STR("2"));
    assert_false(relabel_apply(list.rules, list.count, &b, &by));
    assert_int_equal(by, 0);
    assert_true(relabel_apply(NULL, 0, &b, &by));
    arena_free(a);
}

TEST(relabel_keepequal_and_dropequal)
{
    const char *const *pairs = PAIRS("__tmp_port", "1234", "__port1", "1234", "__port2", "5678");
    expect("- {source_labels: [__tmp_port], action: keepequal, target_label: __port1}\n", pairs,
           "{__port1=\"1234\", __port2=\"5678\", __tmp_port=\"1234\"}");
    expect("- {source_labels: [__tmp_port], action: keepequal, target_label: __port2}\n", pairs,
           NULL);
    expect("- {source_labels: [__tmp_port], action: dropequal, target_label: __port1}\n", pairs,
           NULL);
    expect("- {source_labels: [__tmp_port], action: dropequal, target_label: __port2}\n", pairs,
           "{__port1=\"1234\", __port2=\"5678\", __tmp_port=\"1234\"}");
}

TEST(relabel_hashmod_is_upstreams)
{
    expect("- {source_labels: [c], target_label: d, action: hashmod, modulus: 1000}\n",
           PAIRS("a", "foo", "b", "bar", "c", "baz"),
           "{a=\"foo\", b=\"bar\", c=\"baz\", d=\"976\"}");
    expect("- {source_labels: [a], target_label: d, action: hashmod, modulus: 1000}\n",
           PAIRS("a", "foo\nbar"), "{a=\"foo\\nbar\", d=\"734\"}");
}

TEST(relabel_case)
{
    expect("- {source_labels: [foo], action: uppercase, target_label: up}\n"
           "- {source_labels: [foo], action: lowercase, target_label: low}\n",
           PAIRS("foo", "bAr123Fooß É"),
           "{foo=\"bAr123Fooß É\", low=\"bar123fooß é\", up=\"BAR123FOOß É\"}");
    expect("- {source_labels: [nope], action: lowercase, target_label: low}\n", PAIRS("low", "x"),
           "{}");
}

TEST(relabel_labelmap)
{
    expect("- {regex: '(b.*)', replacement: 'bar_${1}', action: labelmap}\n",
           PAIRS("a", "foo", "b1", "bar", "b2", "baz"),
           "{a=\"foo\", b1=\"bar\", b2=\"baz\", bar_b1=\"bar\", bar_b2=\"baz\"}");
    expect("- {regex: '__meta_(my.*)', replacement: '${1}', action: labelmap}\n",
           PAIRS("__meta_my_bar", "aaa", "__meta_my_baz", "bbb", "__meta_other", "ccc"),
           "{__meta_my_bar=\"aaa\", __meta_my_baz=\"bbb\", __meta_other=\"ccc\", my_bar=\"aaa\", "
           "my_baz=\"bbb\"}");
    // What it adds is not mapped again.
    expect("- {regex: '(.+)', replacement: 'x${1}', action: labelmap}\n", PAIRS("a", "1"),
           "{a=\"1\", xa=\"1\"}");
    expect("- {regex: '(.+)', action: labelmap}\n", PAIRS("a", "1"), "{a=\"1\"}");
}

TEST(relabel_labeldrop_and_labelkeep)
{
    expect("- {regex: '(b.*)', action: labelkeep}\n", PAIRS("a", "foo", "b1", "bar", "b2", "baz"),
           "{b1=\"bar\", b2=\"baz\"}");
    expect("- {regex: '(b.*)', action: labeldrop}\n", PAIRS("a", "foo", "b1", "bar", "b2", "baz"),
           "{a=\"foo\"}");
    expect("- {regex: '.*', action: labeldrop}\n", PAIRS("a", "foo"), "{}");
}

static void refused(const char *yaml, const char *want)
{
    struct arena *a = arena_new(1 << 20);
    struct error e;
    struct rule_list list;
    if (compile(a, yaml, &list, &e)) {
        fail_msg("accepted: %s", yaml);
    }
    if (!strstr(e.text, want)) {
        fail_msg("\"%s\" lacks \"%s\"", e.text, want);
    }
    arena_free(a);
}

TEST(relabel_refuses_as_upstream)
{
    refused("- {action: hashmod, target_label: a}\n",
            "r.yml:2:3: relabel configuration for hashmod requires non-zero modulus");
    refused("- {source_labels: [a]}\n",
            "relabel configuration for replace action requires 'target_label' value");
    refused("- {source_labels: [a], action: lowercase}\n",
            "relabel configuration for lowercase action requires 'target_label' value");
    refused("- {action: hashmod, modulus: 8}\n", "requires 'target_label' value");
    refused("- {action: lowercase, target_label: a, replacement: b}\n",
            "'replacement' can not be set for lowercase action");
    refused("- {action: keepequal, target_label: a, regex: b}\n",
            "keepequal action requires only 'source_labels' and 'target_label', and no other");
    refused("- {action: dropequal, target_label: a, separator: b}\n", "dropequal action requires");
    refused("- {action: labeldrop, source_labels: [a]}\n",
            "labeldrop action requires only 'regex', and no other fields");
    refused("- {action: labelkeep, replacement: a}\n", "labelkeep action requires only 'regex'");
    refused("- {action: labelmap, replacement: ''}\n", "\"\" is invalid 'replacement'");
    refused("- {action: explode}\n", "action: expected one of replace, lowercase");
    refused("- {target_label: a, regex: 'x('}\n",
            "r.yml:2:28: error parsing regexp: missing closing )");
    refused("- {target_lable: a}\n", "did you mean 'target_label'?");
    refused("- {modulus: -1, action: hashmod, target_label: a}\n", "modulus: expected a whole");
}

TEST(relabel_by_hand_and_twice)
{
    struct arena *a = arena_new(1 << 20);
    struct error e;
    struct relabel r = {0};
    ASSERT_OK(conf_defaults(&relabel_conf, &r, a, &e), e);
    assert_false(relabel_compile(&r, a, &e)); // No target yet.
    assert_null(r.re);
    r.target_label = STR("t");
    ASSERT_OK(relabel_compile(&r, a, &e), e);
    const struct re *first = r.re;
    ASSERT_OK(relabel_compile(&r, a, &e), e);
    assert_ptr_equal(first, r.re);
    r.action = RELABEL_ACTION_COUNT;
    r.re = NULL;
    assert_false(relabel_compile(&r, a, &e));
    arena_free(a);
}

TEST(relabel_drops_what_a_template_blows_up)
{
    struct arena *a = arena_new(64 << 20);
    struct error e;
    struct rule_list list;
    ASSERT_OK(compile(a,
                      "- {source_labels: [a], target_label: a, replacement: '$1$1$1$1$1$1$1$1'}\n",
                      &list, &e),
              e);
    struct labels_builder b;
    labels_builder_init(&b, a, (struct labels){NULL, 0});
    labels_builder_set(&b, STR("a"), STR("xxxxxxxx"));
    u32 times = 0;
    while (relabel_apply(list.rules, list.count, &b, NULL)) {
        times++;
    }
    assert_int_equal(times, 5); // 8 × 8^5 = 256 KiB; the next would be 2 MiB.
    arena_free(a);
}

TEST(relabel_takes_more_groups_than_the_stack_holds)
{
    expect(
        "- {source_labels: [a], regex: '(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)', "
        "target_label: b, replacement: '$18$17'}\n",
        PAIRS("a", "abcdefghijklmnopqr"), "{a=\"abcdefghijklmnopqr\", b=\"rq\"}");
}
