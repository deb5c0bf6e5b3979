// sd_file.c: file_sd: target groups in JSON or YAML files, read again when one changes.
//
// Every poll at least CHECK_EVERY_MS apart lists the folders and compares size, time and inode of
// each file; only what changed is read. A file that cannot be read or understood keeps its last
// good groups, is counted and told once per change. Globs are allowed in the last path part.
// Memory: an arena per file, at most FILE_BYTES_MAX of text each, FILES_MAX files.
#include "base/arena.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "client/tidemark.h"
#include "model/conf.h"
#include "os/fs.h"
#include "sd/sd_inner.h"
#include "wire/json.h"
#include "wire/yaml.h"

enum { CHECK_EVERY_MS = 1000, FILES_MAX = 10000, PATTERNS_MAX = 1000, FILE_TARGETS_MAX = 200000 };
#define FILE_BYTES_MAX   ((size_t)16 << 20)
#define FILE_MEMORY_MAX  ((size_t)1 << 30)
#define GROUPS_BYTES_MAX ((size_t)256 << 20)

static const struct conf_field fields[] = {
    {.name = "files",
     .type = CONF_STR_LIST,
     .offset = offsetof(struct sd_file_config, files),
     .count_offset = offsetof(struct sd_file_config, file_count),
     .required = true},
    {.name = "refresh_interval",
     .type = CONF_DURATION,
     .offset = offsetof(struct sd_file_config, refresh_interval_ms),
     .fallback = "5m"},
};

static bool files_check(void *target, const struct yaml_node *node, UNUSED struct arena *a,
                        struct error *e)
{
    const struct sd_file_config *c = target;
    if (c->file_count == 0 || c->file_count > PATTERNS_MAX) {
        return conf_error(e, node, "file_sd_configs wants 1 to %d files", PATTERNS_MAX);
    }
    for (u32 i = 0; i < c->file_count; i++) {
        const str f = c->files[i];
        const size_t slash = str_find_last(f, '/');
        const str dir = slash == STR_NONE ? STR_EMPTY : str_sub(f, 0, slash);
        if (!str_ends(f, STR(".json")) && !str_ends(f, STR(".yml")) && !str_ends(f, STR(".yaml"))) {
            return conf_error(e, node, "path name \"%.*s\" must end in .json, .yml or .yaml",
                              STR_ARG(f));
        }
        if (str_find(dir, '*') != STR_NONE || str_find(dir, '?') != STR_NONE) {
            return conf_error(e, node, "path \"%.*s\": * is allowed in the last part only",
                              STR_ARG(f));
        }
    }
    return true;
}

const struct conf_struct sd_file_conf = {.name = "file_sd_config",
                                         .bytes = sizeof(struct sd_file_config),
                                         .fields = fields,
                                         .field_count = ARRAY_LEN(fields),
                                         .check = files_check,
                                         .place_offset = SIZE_MAX};

// One file that a pattern matched.
struct sd_source {
    char *path;
    struct fs_info seen; // As it was when read last.
    bool found;          // By the scan under way.
    bool failed;
    bool unread; // Failed by reading: tried again, since a right or a descriptor may come back.
    struct arena *memory;
    struct sd_group *groups;
    u32 group_count;
    u32 target_count;
};

// Threads: as sd.h says.
struct sd_file {
    struct sd_provider provider;
    struct sd_deps deps;
    struct arena *memory;
    str *patterns;
    u32 pattern_count;
    struct sd_source *sources;
    u32 source_count;
    u32 source_cap;
    struct arena *groups_memory;
    struct sd_group *groups;
    u32 group_count;
    i64 next_check_ms;
    bool told;
    struct tmk_counter *errors;
};

// ---- one file ----

static bool target_string(struct arena *a, str text, struct labels *out, struct error *e)
{
    if (text.len == 0) {
        return err_set(e, ERR_INVALID, "an empty target");
    }
    const struct label pair = {STR("__address__"), text};
    *out = labels_copy(a, (struct labels){&pair, 1});
    return true;
}

static bool json_group(struct sd_source *s, const struct json_value *v, struct sd_group *g,
                       struct error *e)
{
    if (v->kind != JSONV_OBJECT) {
        return err_set(e, ERR_INVALID, "expected an object with targets and labels");
    }
    const struct json_value *targets = json_get(v, STR("targets"));
    const struct json_value *labels = json_get(v, STR("labels"));
    for (u32 i = 0; i < v->count; i++) {
        if (!str_eq(v->keys[i], STR("targets")) && !str_eq(v->keys[i], STR("labels"))) {
            return err_set(e, ERR_INVALID, "unknown key \"%.*s\": targets and labels are known",
                           STR_ARG(v->keys[i]));
        }
    }
    if ((targets && targets->kind != JSONV_ARRAY) || (labels && labels->kind != JSONV_OBJECT)) {
        return err_set(e, ERR_INVALID, "targets must be a list and labels an object");
    }
    const u32 n = targets ? targets->count : 0;
    struct labels *found = ARENA_NEW_N(s->memory, struct labels, n + 1U);
    for (u32 i = 0; i < n; i++) {
        if (targets->items[i].kind != JSONV_STR) {
            return err_set(e, ERR_INVALID, "a target is not a string");
        }
        if (!target_string(s->memory, targets->items[i].text, &found[i], e)) {
            return false;
        }
    }
    struct labels_builder b;
    labels_builder_init(&b, s->memory, (struct labels){0});
    for (u32 i = 0; labels && i < labels->count; i++) {
        if (labels->items[i].kind != JSONV_STR) {
            return err_set(e, ERR_INVALID, "label \"%.*s\" is not a string",
                           STR_ARG(labels->keys[i]));
        }
        labels_builder_set(&b, labels->keys[i], labels->items[i].text);
    }
    g->targets = found;
    g->target_count = n;
    g->labels = labels_builder_take(&b);
    return true;
}

// 16 MiB of text can name more targets than memory should hold.
static bool targets_count(struct sd_source *s, u32 more, struct error *e)
{
    s->target_count += more;
    return s->target_count <= FILE_TARGETS_MAX ||
           err_set(e, ERR_LIMIT, "the file names more than %d targets", FILE_TARGETS_MAX);
}

static bool json_groups(struct sd_source *s, str text, struct error *e)
{
    const struct json_value *root = json_parse(s->memory, text, FILE_BYTES_MAX, e);
    if (!root) {
        return false;
    }
    if (root->kind != JSONV_ARRAY) {
        return err_set(e, ERR_INVALID, "expected a list of target groups");
    }
    s->groups = ARENA_NEW_N(s->memory, struct sd_group, root->count + 1U);
    for (u32 i = 0; i < root->count; i++) {
        const struct json_value *targets =
            root->items[i].kind == JSONV_OBJECT ? json_get(&root->items[i], STR("targets")) : NULL;
        if (!targets_count(s, targets ? targets->count : 0, e) ||
            !json_group(s, &root->items[i], &s->groups[i], e)) {
            return err_in(e, "group %u", i + 1);
        }
        s->group_count++;
    }
    return true;
}

static bool yaml_groups(struct sd_source *s, str text, struct error *e)
{
    const struct yaml_doc *doc = yaml_parse(s->memory, str_c(s->path), text, e);
    if (!doc) {
        return false;
    }
    if (yaml_is_null(doc->root)) {
        return true;
    }
    if (doc->root->kind != YAML_SEQ) {
        return yaml_error(e, doc->root, "expected a list of target groups");
    }
    s->groups = ARENA_NEW_N(s->memory, struct sd_group, doc->root->count + 1U);
    for (u32 i = 0; i < doc->root->count; i++) {
        struct sd_static_config c = {0};
        if (!conf_decode(&sd_static_conf, &doc->root->items[i], &c, s->memory, e)) {
            return false;
        }
        if (!targets_count(s, c.target_count, e)) {
            return err_in(e, "group %u", i + 1);
        }
        struct labels *found = ARENA_NEW_N(s->memory, struct labels, c.target_count + 1U);
        for (u32 k = 0; k < c.target_count; k++) {
            if (!target_string(s->memory, c.targets[k], &found[k], e)) {
                return err_in(e, "group %u", i + 1);
            }
        }
        s->groups[i] =
            (struct sd_group){.labels = c.labels, .targets = found, .target_count = c.target_count};
        s->group_count++;
    }
    return true;
}

static void groups_name(struct sd_source *s)
{
    for (u32 i = 0; i < s->group_count; i++) {
        struct labels_builder b;
        labels_builder_init(&b, s->memory, s->groups[i].labels);
        labels_builder_set(&b, STR("__meta_filepath"), str_c(s->path));
        s->groups[i].labels = labels_builder_take(&b);
        s->groups[i].source = arena_printf(s->memory, "%s:%u", s->path, i);
    }
}

static void source_clear(struct sd_source *s)
{
    arena_free(s->memory);
    s->memory = NULL;
    s->groups = NULL;
    s->group_count = 0;
}

// Reads into a fresh source; the old groups stay on failure.
static void source_read(struct sd_file *f, struct sd_source *s)
{
    struct sd_source fresh = {.path = s->path, .memory = arena_new(FILE_MEMORY_MAX)};
    struct error e = {0};
    str text;
    bool ok = fs_read_file(f->deps.fs, s->path, FILE_BYTES_MAX, fresh.memory, &text, &e);
    const bool unread = !ok;
    if (ok) {
        ok = str_ends(str_c(s->path), STR(".json")) ? json_groups(&fresh, text, &e)
                                                    : yaml_groups(&fresh, text, &e);
    }
    const bool told = s->unread && unread;
    s->failed = !ok;
    s->unread = unread;
    if (told) {
        source_clear(&fresh);
        return;
    }
    if (!ok) {
        LOGF(f->deps.log, LOG_ERROR, "file_sd: %s is not usable, its last good targets stay: %s",
             s->path, e.text);
        tmk_counter_inc(f->errors);
        source_clear(&fresh);
        return;
    }
    groups_name(&fresh);
    source_clear(s);
    s->memory = fresh.memory;
    s->groups = fresh.groups;
    s->group_count = fresh.group_count;
}

// ---- the scan ----

static struct sd_source *source_of(struct sd_file *f, const char *path)
{
    for (u32 i = 0; i < f->source_count; i++) {
        if (strcmp(f->sources[i].path, path) == 0) {
            return &f->sources[i];
        }
    }
    if (f->source_count == FILES_MAX) {
        return NULL;
    }
    if (f->source_count == f->source_cap) {
        f->source_cap = MAX(8, f->source_cap * 2);
        f->sources = MEM_GROW(f->sources, f->source_cap, struct sd_source);
    }
    const size_t len = strlen(path) + 1;
    struct sd_source *s = &f->sources[f->source_count++];
    *s = (struct sd_source){.path = MEM_NEW_N(char, len)};
    memcpy(s->path, path, len);
    return s;
}

// Looks at one file; true if its groups may have changed.
static bool source_check(struct sd_file *f, const char *path, const struct fs_info *info)
{
    struct sd_source *s = source_of(f, path);
    if (!s) {
        tmk_counter_inc(f->errors); // More than FILES_MAX files.
        return false;
    }
    s->found = true;
    if (s->memory && !s->failed && s->seen.bytes == info->bytes &&
        s->seen.mtime_ms == info->mtime_ms && s->seen.inode == info->inode) {
        return false;
    }
    if (s->failed && !s->unread && s->seen.bytes == info->bytes &&
        s->seen.mtime_ms == info->mtime_ms && s->seen.inode == info->inode) {
        return false; // Told already; wait until it changes.
    }
    s->seen = *info;
    source_read(f, s);
    return !s->failed;
}

// A folder that cannot be listed now says nothing about its files: what was found there stays.
static void dir_unreadable(struct sd_file *f, str dir, const struct error *e)
{
    LOGF(f->deps.log, LOG_ERROR, "file_sd: its targets stay as they were: %s", e->text);
    tmk_counter_inc(f->errors);
    for (u32 i = 0; i < f->source_count; i++) {
        const str path = str_c(f->sources[i].path);
        const size_t slash = str_find_last(path, '/');
        const str own = slash == 0 ? STR("/") : str_sub(path, 0, slash);
        f->sources[i].found = f->sources[i].found || str_eq(own, dir);
    }
}

static bool pattern_scan(struct sd_file *f, str pattern, struct arena *a)
{
    const size_t slash = str_find_last(pattern, '/');
    const str dir = slash == STR_NONE ? STR(".")
                    : slash == 0      ? STR("/")
                                      : str_sub(pattern, 0, slash);
    const char *glob =
        arena_cstr(a, slash == STR_NONE ? pattern : str_sub(pattern, slash + 1, pattern.len));
    struct fs_info *infos = NULL;
    size_t count = 0;
    struct error e = {0};
    if (!fs_list(f->deps.fs, arena_cstr(a, dir), a, &infos, &count, &e)) {
        if (e.code != ERR_NOT_FOUND) { // No such folder (yet): as upstream, no targets.
            dir_unreadable(f, dir, &e);
        }
        return false;
    }
    bool changed = false;
    for (size_t i = 0; i < count; i++) {
        const char *name = arena_cstr(a, infos[i].name);
        if (!infos[i].is_dir && fs_name_matches(glob, name)) {
            const str path = arena_printf(a, "%.*s/%s", STR_ARG(dir), name);
            changed = source_check(f, arena_cstr(a, path), &infos[i]) || changed;
        }
    }
    return changed;
}

static bool sources_forget(struct sd_file *f)
{
    bool changed = false;
    u32 kept = 0;
    for (u32 i = 0; i < f->source_count; i++) {
        if (f->sources[i].found) {
            f->sources[kept++] = f->sources[i];
            continue;
        }
        changed = true;
        source_clear(&f->sources[i]);
        mem_free(f->sources[i].path);
    }
    f->source_count = kept;
    return changed;
}

static void groups_join(struct sd_file *f)
{
    u32 total = 0;
    for (u32 i = 0; i < f->source_count; i++) {
        total += f->sources[i].group_count;
    }
    arena_reset(f->groups_memory);
    f->groups = ARENA_NEW_N(f->groups_memory, struct sd_group, total + 1U);
    f->group_count = 0;
    for (u32 i = 0; i < f->source_count; i++) {
        for (u32 g = 0; g < f->sources[i].group_count; g++) {
            f->groups[f->group_count++] = f->sources[i].groups[g];
        }
    }
}

static void file_poll(struct sd_provider *p, i64 mono_ms, bool *changed,
                      const struct sd_group **groups, u32 *count)
{
    struct sd_file *f = CONTAINER_OF(p, struct sd_file, provider);
    bool any = !f->told;
    if (any || mono_ms >= f->next_check_ms) {
        f->next_check_ms = mono_ms + CHECK_EVERY_MS;
        struct arena *a = arena_new(GROUPS_BYTES_MAX);
        for (u32 i = 0; i < f->source_count; i++) {
            f->sources[i].found = false;
        }
        for (u32 i = 0; i < f->pattern_count; i++) {
            any = pattern_scan(f, f->patterns[i], a) || any;
        }
        any = sources_forget(f) || any;
        arena_free(a);
        if (any) {
            groups_join(f);
        }
    }
    f->told = true;
    *changed = any;
    *groups = f->groups;
    *count = f->group_count;
}

// ---- life ----

static void file_free(struct sd_provider *p)
{
    struct sd_file *f = CONTAINER_OF(p, struct sd_file, provider);
    for (u32 i = 0; i < f->source_count; i++) {
        source_clear(&f->sources[i]);
        mem_free(f->sources[i].path);
    }
    mem_free(f->sources);
    arena_free(f->groups_memory);
    arena_free(f->memory);
    mem_free(f);
}

static const struct sd_provider_ops file_ops = {file_poll, file_free};

struct sd_provider *sd_file_new(const struct sd_file_config *config, const struct sd_deps *deps,
                                UNUSED struct error *e)
{
    struct sd_file *f = MEM_NEW(struct sd_file);
    f->provider.ops = &file_ops;
    f->deps = *deps;
    f->memory = arena_new(FILE_MEMORY_MAX);
    f->groups_memory = arena_new(GROUPS_BYTES_MAX);
    f->patterns = ARENA_NEW_N(f->memory, str, config->file_count + 1U);
    f->pattern_count = config->file_count;
    for (u32 i = 0; i < config->file_count; i++) {
        const str path = config->files[i];
        const bool absolute = path.len > 0 && path.ptr[0] == '/';
        f->patterns[i] =
            absolute || deps->dir.len == 0
                ? arena_str(f->memory, path)
                : arena_printf(f->memory, "%.*s/%.*s", STR_ARG(deps->dir), STR_ARG(path));
    }
    if (deps->registry) {
        f->errors = tmk_counter_register(
            deps->registry, "prometheus_sd_file_read_errors_total",
            "File discovery files that could not be read or understood.", NULL);
    }
    return &f->provider;
}
