// rules_file.c: a rule file into groups: tables for the keys, expressions and templates checked
// with the place where they stand.
#include "base/arena.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/duration.h"
#include "os/fs.h"
#include "rules/rules_inner.h"
#include "wire/yaml.h"

#define RULE_FILE_BYTES_MAX ((size_t)16 << 20)

// As decoded.
struct rule_section {
    str record;
    str alert;
    const struct yaml_node *expr;
    i64 for_ms;
    i64 keep_firing_for_ms;
    const struct yaml_node *labels;
    const struct yaml_node *annotations;
    struct conf_place place;
};
struct group_section {
    str name;
    i64 interval_ms;
    const struct yaml_node *query_offset; // Absent is not zero: then the global one holds.
    u64 limit;
    const struct yaml_node *labels;
    const struct yaml_node **rules;
    u32 rule_count;
};
struct file_section {
    const struct yaml_node **groups;
    u32 group_count;
};

static const struct conf_field rule_fields[] = {
    CONF_FIELD(rule_section, "record", CONF_STR, record),
    CONF_FIELD(rule_section, "alert", CONF_STR, alert),
    CONF_FIELD(rule_section, "expr", CONF_NODE, expr, .required = true),
    CONF_FIELD(rule_section, "for", CONF_DURATION, for_ms),
    CONF_FIELD(rule_section, "keep_firing_for", CONF_DURATION, keep_firing_for_ms),
    CONF_FIELD(rule_section, "labels", CONF_NODE, labels),
    CONF_FIELD(rule_section, "annotations", CONF_NODE, annotations),
};
static const struct conf_struct rule_conf = {.name = "rule",
                                             .bytes = sizeof(struct rule_section),
                                             .fields = rule_fields,
                                             .field_count = ARRAY_LEN(rule_fields),
                                             .place_offset = offsetof(struct rule_section, place)};

static const struct conf_field group_fields[] = {
    CONF_FIELD(group_section, "name", CONF_STR, name, .required = true),
    CONF_FIELD(group_section, "interval", CONF_DURATION, interval_ms),
    CONF_FIELD(group_section, "query_offset", CONF_NODE, query_offset),
    CONF_FIELD(group_section, "limit", CONF_U64, limit),
    CONF_FIELD(group_section, "labels", CONF_NODE, labels),
    CONF_FIELD(group_section, "rules", CONF_NODE_LIST, rules,
               .count_offset = offsetof(struct group_section, rule_count)),
};
static const struct conf_struct group_conf = {.name = "group",
                                              .bytes = sizeof(struct group_section),
                                              .fields = group_fields,
                                              .field_count = ARRAY_LEN(group_fields),
                                              .place_offset = SIZE_MAX};

static const struct conf_field file_fields[] = {
    CONF_FIELD(file_section, "groups", CONF_NODE_LIST, groups,
               .count_offset = offsetof(struct file_section, group_count)),
};
static const struct conf_struct file_conf = {.name = "rule file",
                                             .bytes = sizeof(struct file_section),
                                             .fields = file_fields,
                                             .field_count = ARRAY_LEN(file_fields),
                                             .place_offset = SIZE_MAX};

// ---- texts ----

// The mapping's pairs as templates, into *texts. is_label: names must be label names.
static bool texts_load(struct rule_group *g, const struct yaml_node *map, bool is_label,
                       struct rule_text **texts, u32 *count, struct error *e)
{
    if (!map || yaml_is_null(map)) {
        return true;
    }
    if (map->kind != YAML_MAP) {
        return yaml_error(e, map, "expected a mapping of names to texts");
    }
    struct rule_text *found = ARENA_NEW_N(g->memory, struct rule_text, map->count + 1U);
    for (u32 i = 0; i < map->count; i++) {
        const struct yaml_node *value = &map->items[i];
        const str name = map->keys[i].scalar;
        if (value->kind != YAML_SCALAR) {
            return yaml_error(e, value, "expected a text");
        }
        if (!label_name_valid(name) || (is_label && str_eq(name, LABEL_NAME))) {
            return yaml_error(e, &map->keys[i], "invalid label name \"%.*s\"", STR_ARG(name));
        }
        struct error why = {0};
        found[i] = (struct rule_text){.name = arena_str(g->memory, name),
                                      .source = arena_str(g->memory, value->scalar)};
        found[i].tmpl = tmpl_compile(g->memory, found[i].source, &why);
        if (!found[i].tmpl) {
            return yaml_error(e, value, "%s \"%.*s\": %s", is_label ? "label" : "annotation",
                              STR_ARG(name), why.text);
        }
    }
    *texts = found;
    *count = map->count;
    return true;
}

// The group's labels under the rule's own: a rule's label wins.
static bool group_labels_add(struct rule_group *g, struct rule *rule,
                             const struct yaml_node *labels, struct error *e)
{
    struct rule_text *common = NULL;
    u32 count = 0;
    if (!texts_load(g, labels, true, &common, &count, e)) {
        return false;
    }
    if (count == 0) {
        return true;
    }
    struct rule_text *all =
        ARENA_NEW_N(g->memory, struct rule_text, rule->label_count + (size_t)count);
    u32 n = 0;
    for (u32 i = 0; i < count; i++) {
        bool own = false;
        for (u32 k = 0; k < rule->label_count; k++) {
            own = own || str_eq(rule->labels[k].name, common[i].name);
        }
        if (!own) {
            all[n++] = common[i];
        }
    }
    if (rule->label_count > 0) {
        memcpy(all + n, rule->labels, rule->label_count * sizeof(*all));
    }
    rule->labels = all;
    rule->label_count += n;
    return true;
}

// ---- rules ----

static bool rule_kind_set(struct rule_group *g, const struct rule_section *s,
                          const struct yaml_node *node, struct rule *rule, struct error *e)
{
    if ((s->record.len > 0) == (s->alert.len > 0)) {
        return yaml_error(e, node, "a rule wants exactly one of record and alert");
    }
    rule->kind = s->record.len > 0 ? RULE_RECORDING : RULE_ALERTING;
    rule->name = arena_str(g->memory, s->record.len > 0 ? s->record : s->alert);
    if (rule->kind == RULE_RECORDING) {
        if (s->annotations || s->for_ms != 0 || s->keep_firing_for_ms != 0) {
            return yaml_error(e, node,
                              "a recording rule has no for, keep_firing_for or annotations");
        }
        if (!label_name_valid(rule->name)) {
            return yaml_error(e, node, "invalid recording rule name \"%.*s\"", STR_ARG(rule->name));
        }
    }
    return true;
}

static bool rule_expr_set(struct rule_group *g, const struct yaml_node *expr, struct rule *rule,
                          struct error *e)
{
    if (expr->kind != YAML_SCALAR || expr->scalar.len == 0) {
        return yaml_error(e, expr, "expr is empty");
    }
    struct promql_place at = {0};
    struct error why = {0};
    rule->expr = arena_str(g->memory, expr->scalar);
    rule->query = promql_query_new(g->owner->deps.engine, rule->expr, &at, &why);
    if (!rule->query) {
        return yaml_error_within(e, expr, at.start, "could not parse expression: %s", why.text);
    }
    const enum promql_type type = promql_query_type(rule->query);
    if (type != PROMQL_VECTOR && type != PROMQL_SCALAR) {
        return yaml_error(e, expr, "expr is a %s; a rule wants a vector or a scalar",
                          promql_type_text(type));
    }
    struct buf b;
    buf_init(&b, RULES_TEXT_BYTES_MAX * 4);
    promql_query_print(&b, rule->query);
    rule->canonical = arena_str(g->memory, buf_get(&b));
    buf_fini(&b);
    return true;
}

static u64 texts_hash(u64 h, const struct rule_text *texts, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        h = hash_mix(hash_mix(h, hash_str(texts[i].name)), hash_str(texts[i].source));
    }
    return h;
}

static u64 rule_identity(const struct rule *r)
{
    u64 h = hash_mix(hash_str(r->name), hash_str(r->canonical));
    h = hash_mix(hash_mix(h, (u64)r->kind), (u64)r->for_ms);
    h = hash_mix(h, (u64)r->keep_firing_for_ms);
    h = texts_hash(h, r->labels, r->label_count);
    return texts_hash(hash_mix(h, r->label_count), r->annotations, r->annotation_count);
}

static bool rule_load(struct rule_group *g, const struct group_section *group,
                      const struct yaml_node *node, struct rule *rule, struct error *e)
{
    struct rule_section s = {0};
    buf_init(&rule->error, RULES_TEXT_BYTES_MAX);
    if (!conf_decode(&rule_conf, node, &s, g->memory, e) || !rule_kind_set(g, &s, node, rule, e) ||
        !rule_expr_set(g, s.expr, rule, e) ||
        !texts_load(g, s.labels, true, &rule->labels, &rule->label_count, e) ||
        !texts_load(g, s.annotations, false, &rule->annotations, &rule->annotation_count, e) ||
        !group_labels_add(g, rule, group->labels, e)) {
        return false;
    }
    rule->for_ms = s.for_ms;
    rule->keep_firing_for_ms = s.keep_firing_for_ms;
    rule->line = node->line;
    rule->identity = rule_identity(rule);
    return true;
}

// ---- groups ----

static bool group_load(struct rule_group *g, const struct rules_opts *opts,
                       const struct yaml_node *node, struct error *e)
{
    struct group_section s = {0};
    if (!conf_decode(&group_conf, node, &s, g->memory, e)) {
        return false;
    }
    if (s.name.len == 0) {
        return yaml_error(e, node, "the group has no name");
    }
    g->name = s.name;
    g->interval_ms = s.interval_ms > 0 ? s.interval_ms : opts->evaluation_interval_ms;
    g->query_offset_ms = opts->query_offset_ms;
    struct error why = {0};
    if (s.query_offset && !duration_parse(s.query_offset->scalar, &g->query_offset_ms, &why)) {
        return yaml_error(e, s.query_offset, "query_offset: %s", why.text);
    }
    g->limit = s.limit;
    g->rules = ARENA_NEW_N(g->memory, struct rule, s.rule_count + 1U);
    g->identity = hash_mix(hash_str(g->file), hash_str(g->name));
    for (u32 i = 0; i < s.rule_count; i++) {
        g->rule_count++;
        if (!rule_load(g, &s, s.rules[i], &g->rules[i], e)) {
            return false;
        }
    }
    return true;
}

void rule_group_free(struct rule_group *g)
{
    if (!g) {
        return;
    }
    for (u32 i = 0; i < g->rule_count; i++) {
        struct rule *rule = &g->rules[i];
        promql_query_free(rule->query);
        buf_fini(&rule->error);
        rule_alerts_clear(rule);
        mem_free(rule->alerts);
        arena_free(rule->outputs.memory);
    }
    lock_fini(&g->lock);
    arena_free(g->memory);
    mem_free(g);
}

static bool plan_add(struct rules_plan *plan, struct rule_group *g, const struct yaml_node *node,
                     struct error *e)
{
    for (u32 i = 0; i < plan->count; i++) {
        if (plan->groups[i]->identity == g->identity && str_eq(plan->groups[i]->name, g->name) &&
            str_eq(plan->groups[i]->file, g->file)) {
            return yaml_error(e, node, "groupname: \"%.*s\" is repeated in the same file",
                              STR_ARG(g->name));
        }
    }
    if (plan->count == RULES_GROUPS_MAX) {
        return yaml_error(e, node, "more than %d rule groups", RULES_GROUPS_MAX);
    }
    if (plan->count == plan->cap) {
        plan->cap = MAX(16, plan->cap * 2);
        plan->groups = MEM_GROW(plan->groups, plan->cap, struct rule_group *);
    }
    plan->groups[plan->count++] = g;
    return true;
}

static bool groups_load(struct rules *r, struct rules_plan *plan, const struct yaml_doc *doc,
                        struct arena *a, struct error *e)
{
    struct file_section s = {0};
    if (yaml_is_null(doc->root)) {
        return true;
    }
    if (!conf_decode(&file_conf, doc->root, &s, a, e)) {
        return false;
    }
    for (u32 i = 0; i < s.group_count; i++) {
        struct rule_group *g = MEM_NEW(struct rule_group);
        g->owner = r;
        g->memory = arena_new(RULES_GROUP_BYTES_MAX);
        g->file = arena_str(g->memory, doc->file);
        g->opts = plan->opts;
        g->opts.external_labels = labels_copy(g->memory, plan->opts.external_labels);
        g->opts.external_url = arena_str(g->memory, plan->opts.external_url);
        lock_init(&g->lock, LOCK_LEAF, "rule group");
        if (!group_load(g, &plan->opts, s.groups[i], e) || !plan_add(plan, g, s.groups[i], e)) {
            rule_group_free(g);
            return false;
        }
    }
    return true;
}

bool rules_file_load(struct rules *r, struct rules_plan *plan, const struct rules_file *file,
                     struct error *e)
{
    struct arena *a = arena_new(RULES_GROUP_BYTES_MAX);
    str text = file->text;
    bool ok = true;
    if (!text.ptr) {
        ok = fs_read_file(r->deps.fs, arena_cstr(a, file->path), RULE_FILE_BYTES_MAX, a, &text, e);
    }
    const struct yaml_doc *doc = ok ? yaml_parse(a, file->path, text, e) : NULL;
    ok = doc && groups_load(r, plan, doc, a, e);
    arena_free(a);
    return ok;
}
