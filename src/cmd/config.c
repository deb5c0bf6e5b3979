// config.c: upstream's prometheus.yml: the parts that this release builds, the others by name.
#include "cmd/config.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "cmd/mixins.h"
#include "model/conf.h"
#include "model/conf_print.h"
#include "os/fs.h"
#include "promql/promql.h"
#include "tsdb/tsdb_admin.h"
#include "wire/yaml.h"

#define CONFIG_BYTES_MAX    ((size_t)16 << 20)
#define CONFIG_MEMORY_MAX   ((size_t)1 << 30)
#define FILES_MAX           10000U
#define CONFIG_WARNINGS_MAX 100U

// ---- tables ----

struct tsdb_section {
    i64 ooo_window_ms;
    struct retention_section *retention;
};
struct class_section {
    str match;
    i64 keep_ms;
    struct tsdb_class made;
};
struct retention_section {
    i64 time_ms;
    u64 size;
    u64 percentage;
    struct class_section *classes;
    u32 class_count;
};
struct storage_section {
    struct tsdb_section tsdb;
};
struct global_section {
    i64 scrape_interval_ms;
    i64 scrape_timeout_ms;
    i64 evaluation_interval_ms;
    i64 rule_query_offset_ms;
    struct labels external_labels;
    struct scrape_limits limits;
};
struct top_section {
    struct global_section global;
    str *rule_files;
    u32 rule_file_count;
    str *scrape_config_files;
    u32 scrape_config_file_count;
    const struct yaml_node **scrape_configs;
    u32 scrape_config_count;
    struct storage_section storage;
};

static bool class_check(void *target, const struct yaml_node *node, struct arena *a,
                        struct error *e)
{
    struct class_section *c = target;
    struct error why = {0};
    c->made = (struct tsdb_class){.tenant = TENANT_DEFAULT, .keep_ms = c->keep_ms};
    return promql_selector(a, c->match, false, &c->made.ms, &c->made.count, &why) ||
           conf_error(e, node, "match: %s", why.text);
}

static const struct conf_field class_fields[] = {
    CONF_FIELD(class_section, "match", CONF_STR, match, .required = true),
    CONF_FIELD(class_section, "keep", CONF_DURATION, keep_ms, .required = true),
};
static const struct conf_struct class_conf = {.name = "class",
                                              .bytes = sizeof(struct class_section),
                                              .fields = class_fields,
                                              .field_count = ARRAY_LEN(class_fields),
                                              .check = class_check,
                                              .place_offset = SIZE_MAX};

static const struct conf_field retention_fields[] = {
    CONF_FIELD(retention_section, "time", CONF_DURATION, time_ms),
    CONF_FIELD(retention_section, "size", CONF_BYTES, size),
    CONF_FIELD(retention_section, "percentage", CONF_U64, percentage),
    CONF_LIST(retention_section, "classes", CONF_STRUCT_LIST, classes, class_count,
              .sub = &class_conf),
};

static bool retention_check(void *target, const struct yaml_node *node, UNUSED struct arena *a,
                            struct error *e)
{
    const struct retention_section *r = target;
    if (r->percentage > 100) {
        return conf_error(e, node, "percentage: %llu is more than 100",
                          (unsigned long long)r->percentage);
    }
    return r->class_count <= TSDB_CLASSES_MAX ||
           conf_error(e, node, "%u classes; at most %u", r->class_count, TSDB_CLASSES_MAX);
}

static const struct conf_struct retention_conf = {.name = "retention",
                                                  .bytes = sizeof(struct retention_section),
                                                  .fields = retention_fields,
                                                  .field_count = ARRAY_LEN(retention_fields),
                                                  .check = retention_check,
                                                  .place_offset = SIZE_MAX};

static const struct conf_field tsdb_fields[] = {
    CONF_FIELD(tsdb_section, "out_of_order_time_window", CONF_DURATION, ooo_window_ms),
    CONF_FIELD(tsdb_section, "retention", CONF_STRUCT_PTR, retention, .sub = &retention_conf),
    CONF_REFUSED("stale_series_compaction_threshold"),
    CONF_REFUSED("chunk_encoding"),
};
static const struct conf_struct tsdb_conf = CONF_TABLE(tsdb_section, "tsdb", tsdb_fields);

static const struct conf_field storage_fields[] = {
    CONF_FIELD(storage_section, "tsdb", CONF_STRUCT, tsdb, .sub = &tsdb_conf),
    CONF_REFUSED("exemplars"),
};
static const struct conf_struct storage_conf =
    CONF_TABLE(storage_section, "storage", storage_fields);

static const struct conf_field global_fields[] = {
    CONF_FIELD(global_section, "scrape_interval", CONF_DURATION, scrape_interval_ms,
               .fallback = "1m"),
    CONF_FIELD(global_section, "scrape_timeout", CONF_DURATION, scrape_timeout_ms,
               .fallback = "10s"),
    CONF_FIELD(global_section, "evaluation_interval", CONF_DURATION, evaluation_interval_ms,
               .fallback = "1m"),
    CONF_FIELD(global_section, "rule_query_offset", CONF_DURATION, rule_query_offset_ms),
    CONF_FIELD(global_section, "external_labels", CONF_STR_MAP, external_labels),
    SCRAPE_LIMIT_FIELDS(global_section),
    CONF_REFUSED("scrape_protocols"),
    CONF_REFUSED("query_log_file"),
    CONF_REFUSED("scrape_failure_log_file"),
    CONF_REFUSED("metric_name_validation_scheme"),
    CONF_REFUSED("metric_name_escaping_scheme"),
    CONF_REFUSED("scrape_native_histograms"),
    CONF_REFUSED("convert_classic_histograms_to_nhcb"),
    CONF_REFUSED("always_scrape_classic_histograms"),
    CONF_REFUSED("extra_scrape_metrics"),
};
static const struct conf_struct global_conf = CONF_TABLE(global_section, "global", global_fields);

static const struct conf_field top_fields[] = {
    CONF_FIELD(top_section, "global", CONF_STRUCT, global, .sub = &global_conf),
    CONF_LIST(top_section, "rule_files", CONF_STR_LIST, rule_files, rule_file_count),
    CONF_LIST(top_section, "scrape_config_files", CONF_STR_LIST, scrape_config_files,
              scrape_config_file_count),
    CONF_LIST(top_section, "scrape_configs", CONF_NODE_LIST, scrape_configs, scrape_config_count,
              .sub = &scrape_config_conf),
    CONF_FIELD(top_section, "storage", CONF_STRUCT, storage, .sub = &storage_conf),
    CONF_REFUSED("runtime"),
    CONF_REFUSED_FOR("alerting", "give an alertmanager.yml to --alertmanager.config"),
    CONF_REFUSED("remote_write"),
    CONF_REFUSED("remote_read"),
    CONF_REFUSED("otlp"),
    CONF_REFUSED("tracing"),
};
static const struct conf_struct top_conf = CONF_TABLE(top_section, "configuration", top_fields);

static const struct conf_field scrape_file_fields[] = {
    CONF_LIST(top_section, "scrape_configs", CONF_NODE_LIST, scrape_configs, scrape_config_count,
              .sub = &scrape_config_conf),
};
static const struct conf_struct scrape_file_conf =
    CONF_TABLE(top_section, "scrape_config_file", scrape_file_fields);

// ---- environment in external labels ----

static bool is_env_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// What could be a slip and is none that keeps the server from starting.
static void warning_add(struct config *c, str text)
{
    if (c->warning_count < CONFIG_WARNINGS_MAX) {
        c->warnings[c->warning_count++] = text;
    }
}

// The value of one external label. Threads: owned.
struct env_text {
    struct config *config;
    str label;
    const struct yaml_node *node; // Of its value.
    const char *(*env)(const char *name);
};

static const char *env_value(const struct env_text *x, str name)
{
    struct config *c = x->config;
    const char *value = x->env(arena_cstr(c->memory, name));
    if (!value) {
        warning_add(c, arena_printf(c->memory,
                                    "%.*s:%u:%u: external label %.*s: the environment has no %.*s, "
                                    "nothing stands in its place",
                                    STR_ARG(c->path), x->node->line, x->node->column,
                                    STR_ARG(x->label), STR_ARG(name)));
    }
    return value ? value : "";
}

// $NAME and ${NAME}; $$ is a dollar. Unset names give nothing, as upstream, and a warning.
static str env_expand(const struct env_text *x)
{
    const str text = x->node->scalar;
    struct buf out;
    buf_init(&out, CONFIG_BYTES_MAX);
    buf_c(&out, "");
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '$' || i + 1 == text.len) {
            buf_byte(&out, (u8)text.ptr[i]);
            continue;
        }
        if (text.ptr[i + 1] == '$') {
            buf_byte(&out, '$');
            i++;
            continue;
        }
        const bool braces = text.ptr[i + 1] == '{';
        const size_t from = i + 1 + braces;
        size_t to = from;
        while (to < text.len && is_env_byte(text.ptr[to])) {
            to++;
        }
        buf_c(&out, env_value(x, str_sub(text, from, to)));
        i = braces && to < text.len && text.ptr[to] == '}' ? to : to - 1;
    }
    const str expanded = arena_str(x->config->memory, buf_get(&out));
    buf_fini(&out);
    return expanded;
}

static void external_labels_set(struct config *c, const struct labels *from,
                                const char *(*env)(const char *name))
{
    const struct yaml_node *map = conf_value(conf_value(c->doc->root, "global"), "external_labels");
    struct labels_builder b;
    labels_builder_init(&b, c->memory, (struct labels){0});
    for (u32 i = 0; i < from->count; i++) {
        const str name = from->items[i].name;
        const struct env_text x = {c, name, yaml_get(map, name), env};
        labels_builder_set(&b, name, env_expand(&x));
    }
    c->scrape.external_labels = labels_builder_take(&b);
}

// ---- files named by globs ----

struct path_list {
    str *items;
    u32 count;
    u32 cap;
};

static bool path_add(struct config *c, struct path_list *l, str path, struct error *e)
{
    for (u32 i = 0; i < l->count; i++) {
        if (str_eq(l->items[i], path)) {
            return true;
        }
    }
    if (l->count == FILES_MAX) {
        return err_set(e, ERR_LIMIT, "%.*s names more than %u files", STR_ARG(c->path), FILES_MAX);
    }
    if (l->count == l->cap) {
        const u32 cap = MAX(8, l->cap * 2);
        l->items = arena_grow(c->memory, l->items, l->cap, cap, sizeof(str));
        l->cap = cap;
    }
    l->items[l->count++] = path;
    return true;
}

static str path_join(struct config *c, str path)
{
    if ((path.len > 0 && path.ptr[0] == '/') || c->dir.len == 0) {
        return path;
    }
    return arena_printf(c->memory, "%.*s/%.*s", STR_ARG(c->dir), STR_ARG(path));
}

static bool has_glob(str s)
{
    return str_find(s, '*') != STR_NONE || str_find(s, '?') != STR_NONE ||
           str_find(s, '[') != STR_NONE;
}

// A name without a glob, which must exist.
static bool name_add(struct config *c, struct fs *fs, const struct yaml_node *node, str path,
                     struct path_list *l, struct error *e)
{
    struct fs_info info;
    struct error why = {0};
    if (!fs_stat(fs, arena_cstr(c->memory, path), &info, &why)) {
        return conf_error(e, node, "%s", why.text);
    }
    if (info.is_dir) {
        return conf_error(e, node, "%.*s is a folder", STR_ARG(path));
    }
    return path_add(c, l, path, e);
}

// A pattern's files, sorted by name. A name without a glob must exist; a glob may match nothing.
static bool glob_add(struct config *c, struct fs *fs, const struct yaml_node *node,
                     struct path_list *l, struct error *e)
{
    const str path = path_join(c, node->scalar);
    if (!has_glob(path)) {
        return name_add(c, fs, node, path, l, e);
    }
    const size_t slash = str_find_last(path, '/');
    const str dir = slash == STR_NONE ? STR(".") : str_sub(path, 0, MAX(slash, 1));
    const str last = slash == STR_NONE ? path : str_sub(path, slash + 1, path.len);
    if (has_glob(dir)) {
        return conf_error(e, node, "\"%.*s\": globs are built for the last part of a path only",
                          STR_ARG(node->scalar));
    }
    struct fs_info *infos = NULL;
    size_t count = 0;
    struct error why = {0};
    if (!fs_list(fs, arena_cstr(c->memory, dir), c->memory, &infos, &count, &why)) {
        if (why.code == ERR_NOT_FOUND) { // Else it may have files that nobody may leave out.
            return true;
        }
        (void)conf_error(e, node, "%s", why.text);
        if (e) {
            e->code = why.code;
        }
        return false;
    }
    const char *glob = arena_cstr(c->memory, last);
    for (size_t i = 0; i < count; i++) {
        if (infos[i].is_dir || !fs_name_matches(glob, arena_cstr(c->memory, infos[i].name))) {
            continue;
        }
        const str found =
            arena_printf(c->memory, "%.*s/%.*s", STR_ARG(dir), STR_ARG(infos[i].name));
        if (!path_add(c, l, found, e)) {
            return false;
        }
    }
    return true;
}

// The patterns that stand under a key at the top.
static bool globs_add(struct config *c, struct fs *fs, const char *key, u32 count,
                      struct path_list *l, struct error *e)
{
    for (u32 i = 0; i < count; i++) {
        if (!glob_add(c, fs, &conf_value(c->doc->root, key)->items[i], l, e)) {
            return false;
        }
    }
    return true;
}

static void scrape_nodes_add(struct config *c, const struct yaml_node **nodes, u32 count)
{
    const struct yaml_node **all = ARENA_NEW_N(c->memory, const struct yaml_node *,
                                               c->scrape_config_count + (size_t)count + 1);
    if (c->scrape_config_count > 0) {
        memcpy(all, c->scrape_configs, c->scrape_config_count * sizeof(*all)); // NOLINT
    }
    for (u32 i = 0; i < count; i++) {
        all[c->scrape_config_count++] = nodes[i];
    }
    c->scrape_configs = all;
}

static bool scrape_files_load(struct config *c, struct fs *fs, const struct path_list *l,
                              struct error *e)
{
    for (u32 i = 0; i < l->count; i++) {
        str text;
        if (!fs_read_file(fs, arena_cstr(c->memory, l->items[i]), CONFIG_BYTES_MAX, c->memory,
                          &text, e)) {
            return false;
        }
        const struct yaml_doc *doc = yaml_parse(c->memory, l->items[i], text, e);
        struct top_section s = {0};
        if (!doc || !conf_decode(&scrape_file_conf, doc->root, &s, c->memory, e)) {
            return false;
        }
        scrape_nodes_add(c, s.scrape_configs, s.scrape_config_count);
    }
    return true;
}

// ---- from tables to the parts ----

static void retention_set(struct config *c, const struct retention_section *r)
{
    if (!r) {
        return;
    }
    struct tsdb_class *classes = ARENA_NEW_N(c->memory, struct tsdb_class, r->class_count + 1U);
    for (u32 i = 0; i < r->class_count; i++) {
        classes[i] = r->classes[i].made;
    }
    c->retention = (struct tsdb_retention){.ms = r->time_ms,
                                           .bytes = r->size,
                                           .disk_percent = (u32)r->percentage,
                                           .classes = classes,
                                           .class_count = r->class_count};
}

static bool globals_set(struct config *c, struct global_section *g, struct error *e)
{
    const struct yaml_node *node = yaml_get(c->doc->root, STR("global"));
    node = node ? node : c->doc->root;
    const char *zero = g->scrape_interval_ms <= 0       ? "scrape_interval"
                       : g->scrape_timeout_ms <= 0      ? "scrape_timeout"
                       : g->evaluation_interval_ms <= 0 ? "evaluation_interval"
                                                        : NULL;
    if (zero) {
        return conf_error(e, conf_value(node, zero), "%s must be greater than 0", zero);
    }
    if (g->scrape_timeout_ms > g->scrape_interval_ms && yaml_get(node, STR("scrape_timeout"))) {
        return conf_error(e, conf_value(node, "scrape_timeout"),
                          "global scrape timeout greater than scrape interval");
    }
    c->scrape.interval_ms = g->scrape_interval_ms;
    g->scrape_timeout_ms = MIN(g->scrape_timeout_ms, g->scrape_interval_ms);
    c->scrape.timeout_ms = g->scrape_timeout_ms;
    c->scrape.limits = g->limits;
    c->evaluation_interval_ms = g->evaluation_interval_ms;
    c->query_offset_ms = g->rule_query_offset_ms;
    return true;
}

static void mixins_add(struct config *c)
{
    c->rule_files = ARENA_NEW_N(c->memory, struct rules_file, mixins_count + 1U);
    for (u32 i = 0; i < mixins_count; i++) {
        c->rule_files[c->rule_file_count++] =
            (struct rules_file){str_c(mixins[i].name), str_c(mixins[i].text)};
    }
}

static bool files_resolve(struct config *c, struct fs *fs, const struct top_section *s,
                          struct error *e)
{
    struct path_list rules = {0};
    struct path_list scrapes = {0};
    if (!globs_add(c, fs, "rule_files", s->rule_file_count, &rules, e) ||
        !globs_add(c, fs, "scrape_config_files", s->scrape_config_file_count, &scrapes, e) ||
        !scrape_files_load(c, fs, &scrapes, e)) {
        return false;
    }
    if (c->is_builtin) {
        mixins_add(c);
        return true;
    }
    c->rule_files = ARENA_NEW_N(c->memory, struct rules_file, rules.count + 1U);
    for (u32 i = 0; i < rules.count; i++) {
        c->rule_files[c->rule_file_count++] = (struct rules_file){.path = rules.items[i]};
    }
    return true;
}

// Scrapes itself; the host is collected natively beside it.
static str builtin_text(str listen_address, struct arena *a)
{
    const bool any = listen_address.len > 0 && listen_address.ptr[0] == ':';
    return arena_printf(a,
                        "# No --config.file was given: this is the built-in configuration.\n"
                        "global:\n"
                        "  scrape_interval: 5s\n"
                        "  scrape_timeout: 4s\n"
                        "  evaluation_interval: 15s\n"
                        "scrape_configs:\n"
                        "  - job_name: tidemark\n"
                        "    static_configs:\n"
                        "      - targets: [\"%s%.*s\"]\n",
                        any ? "127.0.0.1" : "", STR_ARG(listen_address));
}

static bool text_read(struct config *c, struct fs *fs, str path, str listen_address, str *text,
                      struct error *e)
{
    if (path.len == 0) {
        c->is_builtin = true;
        c->path = STR("built-in");
        *text = builtin_text(listen_address, c->memory);
        return true;
    }
    const size_t slash = str_find_last(path, '/');
    c->path = arena_str(c->memory, path);
    c->dir = slash == STR_NONE ? STR_EMPTY : arena_str(c->memory, str_sub(path, 0, MAX(slash, 1)));
    return fs_read_file(fs, arena_cstr(c->memory, path), CONFIG_BYTES_MAX, c->memory, text, e);
}

struct config *config_load(struct fs *fs, str path, str listen_address,
                           const char *(*env)(const char *name), struct error *e)
{
    struct config *c = MEM_NEW(struct config);
    c->memory = arena_new(CONFIG_MEMORY_MAX);
    c->warnings = ARENA_NEW_N(c->memory, str, CONFIG_WARNINGS_MAX);
    str text;
    struct top_section *s = ARENA_NEW(c->memory, struct top_section);
    c->top = s;
    bool ok = text_read(c, fs, path, listen_address, &text, e);
    c->doc = ok ? yaml_parse(c->memory, c->path, text, e) : NULL;
    if (c->doc && yaml_is_null(c->doc->root)) {
        ok = conf_defaults(&top_conf, s, c->memory, e); // An empty file is upstream's defaults.
    } else {
        ok = c->doc && conf_decode(&top_conf, c->doc->root, s, c->memory, e);
    }
    if (ok) {
        external_labels_set(c, &s->global.external_labels, env);
        scrape_nodes_add(c, s->scrape_configs, s->scrape_config_count);
        c->ooo_window_ms = s->storage.tsdb.ooo_window_ms;
        retention_set(c, s->storage.tsdb.retention);
    }
    ok = ok && globals_set(c, &s->global, e) && files_resolve(c, fs, s, e);
    if (!ok) {
        config_free(c);
        return NULL;
    }
    return c;
}

void config_free(struct config *c)
{
    if (c) {
        arena_free(c->memory);
        mem_free(c);
    }
}

// ---- the page ----

// The page reads as a file, in which a dollar is two.
static struct labels labels_escaped(struct labels from, struct arena *a)
{
    struct labels_builder b;
    struct buf value;
    labels_builder_init(&b, a, (struct labels){0});
    buf_init(&value, 2 * CONFIG_BYTES_MAX);
    for (u32 i = 0; i < from.count; i++) {
        const str text = from.items[i].value;
        buf_clear(&value);
        for (size_t k = 0; k < text.len; k++) {
            buf_c(&value, text.ptr[k] == '$' ? "$" : "");
            buf_byte(&value, (u8)text.ptr[k]);
        }
        labels_builder_set(&b, from.items[i].name, arena_str(a, buf_get(&value)));
    }
    buf_fini(&value);
    return labels_builder_take(&b);
}

static void entry_inherit(void *ctx, const struct conf_struct *t, void *value)
{
    const struct scrape_globals *globals = ctx;
    CHECK(t == &scrape_config_conf);
    scrape_config_inherit(value, globals);
}

str config_page(const struct config *c, struct arena *a)
{
    struct buf out;
    struct error e = {0};
    struct arena *memory = arena_new(CONFIG_MEMORY_MAX);
    struct scrape_globals globals = c->scrape;
    struct top_section top = *c->top;
    top.global.external_labels = labels_escaped(c->scrape.external_labels, memory);
    buf_init(&out, CONFIG_BYTES_MAX);
    const struct conf_print_opts opts = {
        .memory = memory, .inherit = entry_inherit, .ctx = &globals};
    const bool ok = conf_print(&out, &top_conf, &top, &opts, &e);
    const str why = str_c(e.text);
    const str line = str_sub(why, 0, str_find(why, '\n'));
    const str text = ok ? arena_str(a, buf_get(&out)) : arena_printf(a, "# %.*s\n", STR_ARG(line));
    buf_fini(&out);
    arena_free(memory);
    return text;
}
