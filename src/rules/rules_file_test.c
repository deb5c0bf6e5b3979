#include "base/arena.h"
#include "base/str.h"
#include "rules/rules_rig.h"

static void refuse(const char *yaml, const char *place, const char *why)
{
    struct rules_rig r;
    struct error e = {0};
    rules_rig_init(&r, 0);
    assert_false(rules_rig_load(&r, yaml, &e));
    if (!str_starts(str_c(e.text), str_c(place)) ||
        str_find_str(str_c(e.text), str_c(why)) == STR_NONE) {
        fail_msg("want %s … %s, got %s", place, why, e.text);
    }
    rules_rig_fini(&r);
}

#define G "groups:\n- name: g\n  rules:\n"

TEST(rules_file_errors_name_their_place)
{
    refuse(G "  - record: x\n    expr: |\n      sum(\n        rate(a[5m)\n      )\n",
           "r.yml:7:", "could not parse expression");
    refuse(G "  - record: x\n    exprr: a\n", "r.yml:5:5", "expr");
    refuse(G "  - {record: x, alert: y, expr: a}\n", "r.yml:4:", "exactly one of record and alert");
    refuse(G "  - {expr: a}\n", "r.yml:4:", "exactly one of record and alert");
    refuse(G "  - {alert: x, expr: a, annotations: {s: '{{ .Foo'}}\n",
           "r.yml:4:", "annotation \"s\"");
    refuse(G "  - {alert: x, expr: a, labels: {__name__: y}}\n", "r.yml:4:", "__name__");
    refuse(G "  - {record: x, expr: a, for: 1m}\n", "r.yml:4:", "recording rule has no for");
    refuse(G "  - {record: x, expr: 'a[5m]'}\n", "r.yml:4:", "matrix");
    refuse("groups:\n- name: g\n- name: g\n", "r.yml:3:", "repeated in the same file");
    refuse("groups:\n- name: ''\n", "r.yml:2:", "no name");
    refuse("groups:\n- {name: g, interval: 1x}\n", "r.yml:2:", "1x");
}

TEST(rules_shipped_mixins_load)
{
    static const char *const files[] = {MIXINS_DIR "/host/alerts.yml",
                                        MIXINS_DIR "/tidemark/alerts.yml"};
    static const u32 least[] = {20, 10};
    for (u32 i = 0; i < ARRAY_LEN(files); i++) {
        struct rules_rig r;
        struct error e = {0};
        str text;
        struct arena *a = arena_new(16 << 20);
        rules_rig_init(&r, 0);
        ASSERT_OK(fs_read_file(fs_real(), files[i], 1 << 20, a, &text, &e), e);
        ASSERT_OK(rules_rig_load(&r, text.ptr, &e), e);
        rules_rig_run(&r, 60000);
        struct rules_group_info *groups;
        u32 count;
        u32 rules = 0;
        assert_int_equal(rules_snapshot_take(r.rules, a, &groups, &count), 0);
        for (u32 g = 0; g < count; g++) {
            for (u32 k = 0; k < groups[g].rule_count; k++, rules++) {
                const struct rules_rule_info *rule = &groups[g].rules[k];
                ASSERT_STR_EQ(rule->last_error, STR_EMPTY);
                assert_int_equal(rule->health, RULE_OK);
                assert_true(labels_has(rule->labels, STR("severity")));
                assert_true(labels_has(rule->annotations, STR("summary")));
                assert_true(labels_has(rule->annotations, STR("description")));
                assert_true(labels_has(rule->annotations, STR("runbook")));
            }
        }
        assert_true(rules >= least[i]);
        rules_rig_fini(&r);
        arena_free(a);
    }
}
