// conf.c: walks a mapping along its table.

#include "model/conf.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "model/duration.h"
#include "model/labels.h"
#include "wire/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

// Threads: owned. What every decoder of a value needs.
struct conf_at {
    const struct conf_field *field;
    const struct yaml_node *node;
    void *target; // The struct that holds the field.
    struct arena *arena;
    struct error *e;
};

static void *slot(const struct conf_at *at)
{
    return (char *)at->target + at->field->offset;
}

static u32 *count_slot(const struct conf_at *at)
{
    return (u32 *)(void *)((char *)at->target + at->field->count_offset);
}

bool conf_error(struct error *e, const struct yaml_node *node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)yaml_verror(e, node, 0, format, args);
    va_end(args);
    return false;
}

static bool wrong_kind(const struct conf_at *at, const struct yaml_node *n, const char *wanted)
{
    return conf_error(at->e, n, "%s: expected %s, got %s", at->field->name, wanted,
                      yaml_kind_text(n));
}

// The value is quoted back, unless the field holds a secret (those have no wrong values).
static bool wrong_value(const struct conf_at *at, const char *wanted)
{
    if (at->node->kind != YAML_SCALAR) {
        return wrong_kind(at, at->node, wanted);
    }
    return conf_error(at->e, at->node, "%s: expected %s, got \"%.*s\"", at->field->name, wanted,
                      STR_ARG(str_sub(at->node->scalar, 0, 60)));
}

static bool room(const struct conf_at *at, size_t count, size_t size, void **out)
{
    *out = NULL;
    if (count == 0) {
        return true;
    }
    *out = arena_try(at->arena, count, size);
    return *out != NULL ||
           err_set(at->e, ERR_LIMIT, "%s: the configuration needs more memory than it may have",
                   at->field->name);
}

static bool text_copy(const struct conf_at *at, str s, str *out)
{
    void *copy;
    if (!room(at, s.len, 1, &copy)) {
        return false;
    }
    if (s.len > 0) {
        memcpy(copy, s.ptr, s.len);
    }
    *out = (str){s.len > 0 ? copy : "", s.len};
    return true;
}

// ---- scalars -----------------------------------------------------------------------------------

static bool decode_str(const struct conf_at *at, const struct yaml_node *n, str *out)
{
    if (n->kind != YAML_SCALAR) {
        return wrong_kind(at, n, "a string");
    }
    return text_copy(at, n->scalar, out);
}

static bool decode_duration(const struct conf_at *at)
{
    if (at->node->kind != YAML_SCALAR) {
        return wrong_kind(at, at->node, "a duration");
    }
    struct error why;
    if (!duration_parse(at->node->scalar, slot(at), &why)) {
        return conf_error(at->e, at->node, "%s: %s", at->field->name, why.text);
    }
    return true;
}

static bool unit_of(str unit, u64 *factor)
{
    static const char letters[] = "KMGTPE";
    *factor = 1;
    if (str_eq(unit, STR("")) || str_eq(unit, STR("B"))) {
        return true;
    }
    for (u32 i = 0; i < sizeof(letters) - 1; i++) {
        const char name[] = {letters[i], 'i', 'B'};
        const char brief[] = {letters[i], 'B'};
        if (str_eq(unit, (str){name, 3}) || str_eq(unit, (str){brief, 2}) ||
            str_eq(unit, (str){name, 1})) {
            *factor = 1ULL << (10 * (i + 1));
            return true;
        }
    }
    return false;
}

static bool decode_bytes(const struct conf_at *at)
{
    static const char wanted[] = "a size such as 512KB, 16MB or 1GiB";
    const str s = at->node->scalar;
    size_t digits = 0;
    while (digits < s.len && s.ptr[digits] >= '0' && s.ptr[digits] <= '9') {
        digits++;
    }
    u64 v;
    u64 factor;
    u64 *out = slot(at);
    if (at->node->kind != YAML_SCALAR || !parse_u64(str_sub(s, 0, digits), &v) ||
        !unit_of(str_sub(s, digits, s.len), &factor) || __builtin_mul_overflow(v, factor, &v)) {
        return wrong_value(at, wanted);
    }
    *out = v;
    return true;
}

static bool decode_enum(const struct conf_at *at)
{
    const struct yaml_node *n = at->node;
    char list[200] = "one of";
    size_t len = strlen(list);
    u32 count = 0;
    for (const char *const *name = at->field->names; *name; name++, count++) {
        if (n->kind == YAML_SCALAR && str_eq_nocase(n->scalar, str_c(*name))) {
            int *out = slot(at);
            *out = (int)count;
            return true;
        }
        if (**name && len < sizeof(list)) {
            len +=
                (size_t)snprintf(list + len, sizeof(list) - len, "%s %s", count ? "," : "", *name);
        }
    }
    return wrong_value(at, list);
}

// ---- lists and maps ----------------------------------------------------------------------------

static bool decode_strs(const struct conf_at *at, const struct yaml_node *n, str **out, u32 *count)
{
    if (n->kind != YAML_SEQ) {
        return wrong_kind(at, n, "a list of strings");
    }
    void *items;
    if (!room(at, n->count, sizeof(str), &items)) {
        return false;
    }
    str *strs = items;
    for (u32 i = 0; i < n->count; i++) {
        if (!decode_str(at, &n->items[i], &strs[i])) {
            return false;
        }
    }
    *out = strs;
    *count = n->count;
    return true;
}

static bool decode_str_lists(const struct conf_at *at)
{
    const struct yaml_node *n = at->node;
    if (n->kind != YAML_MAP) {
        return wrong_kind(at, n, "a mapping of names to lists of strings");
    }
    void *items;
    if (!room(at, n->count, sizeof(struct conf_strings), &items)) {
        return false;
    }
    struct conf_strings *lists = items;
    for (u32 i = 0; i < n->count; i++) {
        if (!decode_str(at, &n->keys[i], &lists[i].name) ||
            !decode_strs(at, &n->items[i], &lists[i].values, &lists[i].value_count)) {
            return false;
        }
    }
    struct conf_strings **out = slot(at);
    *out = lists;
    *count_slot(at) = n->count;
    return true;
}

static int pair_order(const void *a, const void *b)
{
    return str_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

// The tree has each key once, so sorting is all that a label set wants; empty values vanish.
static bool decode_str_map(const struct conf_at *at)
{
    const struct yaml_node *n = at->node;
    if (n->kind != YAML_MAP) {
        return wrong_kind(at, n, "a mapping of names to strings");
    }
    void *items;
    if (!room(at, n->count, sizeof(struct label), &items)) {
        return false;
    }
    struct label *pairs = items;
    u32 kept = 0;
    for (u32 i = 0; i < n->count; i++) {
        const struct yaml_node *value = &n->items[i];
        if (n->keys[i].scalar.len == 0) {
            return conf_error(at->e, &n->keys[i], "%s: an empty name", at->field->name);
        }
        if (value->kind == YAML_SCALAR && (value->scalar.len == 0 || yaml_is_null(value))) {
            continue;
        }
        if (!decode_str(at, &n->keys[i], &pairs[kept].name) ||
            !decode_str(at, value, &pairs[kept].value)) {
            return false;
        }
        kept++;
    }
    if (kept > 1) {
        qsort(pairs, kept, sizeof(pairs[0]), pair_order);
    }
    struct labels *out = slot(at);
    *out = (struct labels){pairs, kept};
    return true;
}

static bool decode_node_list(const struct conf_at *at)
{
    const struct yaml_node *n = at->node;
    if (n->kind != YAML_SEQ) {
        return wrong_kind(at, n, "a list");
    }
    void *items;
    if (!room(at, n->count, sizeof(struct yaml_node *), &items)) {
        return false;
    }
    const struct yaml_node **nodes = items;
    for (u32 i = 0; i < n->count; i++) {
        nodes[i] = &n->items[i];
    }
    const struct yaml_node ***out = slot(at);
    *out = nodes;
    *count_slot(at) = n->count;
    return true;
}

// ---- structs -----------------------------------------------------------------------------------

static bool decode_struct_ptr(const struct conf_at *at)
{
    void *made;
    if (!room(at, 1, at->field->sub->bytes, &made) ||
        !conf_decode(at->field->sub, at->node, made, at->arena, at->e)) {
        return false;
    }
    memcpy(slot(at), &made, sizeof(void *)); // Whatever struct the field points to.
    return true;
}

static bool decode_struct_list(const struct conf_at *at)
{
    const struct yaml_node *n = at->node;
    if (n->kind != YAML_SEQ) {
        return wrong_kind(at, n, "a list");
    }
    const size_t bytes = at->field->sub->bytes;
    void *items;
    if (!room(at, n->count, bytes, &items)) {
        return false;
    }
    for (u32 i = 0; i < n->count; i++) {
        if (yaml_is_null(&n->items[i])) {
            return conf_error(at->e, &n->items[i], "%s: an empty entry", at->field->name);
        }
        if (!conf_decode(at->field->sub, &n->items[i], (char *)items + i * bytes, at->arena,
                         at->e)) {
            return false;
        }
    }
    memcpy(slot(at), &items, sizeof(void *)); // Whatever struct the field points to.
    *count_slot(at) = n->count;
    return true;
}

static bool unbuilt_error(struct error *e, const struct yaml_node *key, const struct conf_field *f)
{
    return conf_error(e, key, "key '%s' is known to Prometheus but not built in this release%s%s",
                      f->name, f->help ? ": " : "", f->help ? f->help : "");
}

// NOLINTNEXTLINE(readability-function-size): one case a type.
static bool decode_field(const struct conf_at *at)
{
    const struct yaml_node *n = at->node;
    void *out = slot(at);
    switch (at->field->type) {
    case CONF_STR:
        return decode_str(at, n, out);
    case CONF_SECRET:
        return decode_str(at, n, &((struct secret *)out)->hidden);
    case CONF_BOOL:
        return yaml_bool(n, out) || wrong_value(at, "true or false");
    case CONF_U64:
        return yaml_u64(n, out) || wrong_value(at, "a whole number from 0");
    case CONF_I64:
        return yaml_i64(n, out) || wrong_value(at, "a whole number");
    case CONF_F64:
        return yaml_f64(n, out) || wrong_value(at, "a number");
    case CONF_DURATION:
        return decode_duration(at);
    case CONF_BYTES:
        return decode_bytes(at);
    case CONF_ENUM:
        return decode_enum(at);
    case CONF_STR_LIST:
    case CONF_MATCHERS:
        return decode_strs(at, n, out, count_slot(at));
    case CONF_STR_MAP:
        return decode_str_map(at);
    case CONF_STRUCT:
        return conf_decode(at->field->sub, n, out, at->arena, at->e);
    case CONF_STRUCT_PTR:
        return decode_struct_ptr(at);
    case CONF_STRUCT_LIST:
        return decode_struct_list(at);
    case CONF_STR_LISTS:
        return decode_str_lists(at);
    case CONF_NODE:
        *(const struct yaml_node **)out = n;
        return true;
    case CONF_NODE_LIST:
        return decode_node_list(at);
    case CONF_UNBUILT:
        return unbuilt_error(at->e, n, at->field);
    }
    return err_set(at->e, ERR_INTERNAL, "field %s has no known type", at->field->name);
}

// ---- tables ------------------------------------------------------------------------------------

static const struct conf_field *field_find(const struct conf_struct *t, str name)
{
    for (u32 i = 0; i < t->field_count; i++) {
        if (str_eq_c(name, t->fields[i].name)) {
            return &t->fields[i];
        }
    }
    return NULL;
}

static bool unknown_key(const struct conf_struct *t, const struct yaml_node *key, struct error *e)
{
    str *names = MEM_NEW_N(str, t->field_count);
    u32 count = 0;
    for (u32 i = 0; i < t->field_count; i++) {
        if (t->fields[i].type != CONF_UNBUILT) {
            names[count++] = str_c(t->fields[i].name);
        }
    }
    const str near = str_nearest(key->scalar, names, count);
    const str wanted = str_sub(key->scalar, 0, 80);
    if (near.len > 0) {
        (void)conf_error(e, key, "unknown key '%.*s' in %s; did you mean '%.*s'?", STR_ARG(wanted),
                         t->name, STR_ARG(near));
    } else {
        (void)conf_error(e, key, "unknown key '%.*s' in %s", STR_ARG(wanted), t->name);
    }
    mem_free(names);
    return false;
}

static bool default_set(const struct conf_field *f, void *target, struct arena *a, struct error *e)
{
    if (f->type == CONF_STRUCT) {
        return conf_defaults(f->sub, (char *)target + f->offset, a, e);
    }
    if (!f->fallback) {
        return true;
    }
    const struct yaml_node node = {.scalar = str_c(f->fallback)};
    struct conf_at at = {.field = f, .node = &node, .target = target, .arena = a, .e = e};
    // Only these have a text that stands for them; a table with another is a bug.
    CHECK(f->type <= CONF_ENUM);
    return decode_field(&at);
}

bool conf_defaults(const struct conf_struct *t, void *target, struct arena *a, struct error *e)
{
    for (u32 i = 0; i < t->field_count; i++) {
        if (!default_set(&t->fields[i], target, a, e)) {
            return false;
        }
    }
    return true;
}

static void place_keep(const struct conf_struct *t, const struct yaml_node *node, void *target)
{
    if (t->place_offset == 0 || t->place_offset == SIZE_MAX) {
        return;
    }
    const struct conf_place place = {node->line, node->column};
    memcpy((char *)target + t->place_offset, &place, sizeof(place));
}

static bool decode_present(const struct conf_struct *t, const struct yaml_node *node, void *target,
                           struct arena *a, struct error *e)
{
    for (u32 i = 0; i < node->count; i++) {
        const struct conf_field *f = field_find(t, node->keys[i].scalar);
        if (!f) {
            return unknown_key(t, &node->keys[i], e);
        }
        const struct yaml_node *value = &node->items[i];
        if (f->type == CONF_UNBUILT) { // Also where it says nothing; the place is the key's.
            value = &node->keys[i];
        } else if (yaml_is_null(value)) {
            continue;
        }
        const struct conf_at at = {.field = f, .node = value, .target = target, .arena = a, .e = e};
        if (!decode_field(&at)) {
            return false;
        }
    }
    return true;
}

static bool check_required(const struct conf_struct *t, const struct yaml_node *node,
                           struct error *e)
{
    for (u32 i = 0; i < t->field_count; i++) {
        if (!t->fields[i].required) {
            continue;
        }
        const struct yaml_node *value = yaml_get(node, str_c(t->fields[i].name));
        if (!value || yaml_is_null(value)) {
            return conf_error(e, node, "%s lacks '%s'", t->name, t->fields[i].name);
        }
    }
    return true;
}

// ---- all that is not built, at once ----

// Keys of a file that are known but not built, in its order. Threads: owned.
struct unbuilt {
    const struct yaml_node *keys[CONF_UNBUILT_TOLD];
    const struct conf_field *fields[CONF_UNBUILT_TOLD];
    u32 count; // Of those kept.
    u32 all;
};

static void unbuilt_note(struct unbuilt *u, const struct yaml_node *key, const struct conf_field *f)
{
    for (u32 i = 0; i < u->count; i++) {
        if (u->keys[i]->line == key->line && u->keys[i]->column == key->column) {
            return; // Met again through an alias.
        }
    }
    u->all++;
    if (u->count < CONF_UNBUILT_TOLD) {
        u->keys[u->count] = key;
        u->fields[u->count++] = f;
    }
}

// Recursion: as conf_decode.
static void unbuilt_find(const struct conf_struct *t, const struct yaml_node *node,
                         struct unbuilt *u)
{
    if (node->kind == YAML_SEQ) {
        for (u32 i = 0; i < node->count; i++) {
            unbuilt_find(t, &node->items[i], u);
        }
    }
    for (u32 i = 0; node->kind == YAML_MAP && i < node->count; i++) {
        const struct conf_field *f = field_find(t, node->keys[i].scalar);
        if (f && f->type == CONF_UNBUILT) {
            unbuilt_note(u, &node->keys[i], f);
        } else if (f && f->sub) {
            unbuilt_find(f->sub, &node->items[i], u);
        }
    }
}

// The first with its line and what to do instead, the others by name and place.
static bool unbuilt_check(const struct conf_struct *t, const struct yaml_node *root,
                          struct error *e)
{
    struct unbuilt u = {.count = 0};
    unbuilt_find(t, root, &u);
    if (u.count == 0) {
        return true;
    }
    struct error first = {0};
    (void)unbuilt_error(&first, u.keys[0], u.fields[0]);
    struct buf more;
    buf_init(&more, sizeof(first.text));
    for (u32 i = 1; i < u.count; i++) {
        buf_printf(&more, "%s '%s' (%u:%u)",
                   i > 1 ? "," : "\n  not built either:", u.fields[i]->name, u.keys[i]->line,
                   u.keys[i]->column);
    }
    if (u.all > u.count) {
        buf_printf(&more, " and %u more", u.all - u.count);
    }
    const bool fits = buf_ok(&more) && strlen(first.text) + more.len < sizeof(first.text);
    const size_t line_end = str_find(str_c(first.text), '\n');
    const str head = str_sub(str_c(first.text), 0, fits ? STR_NONE : line_end);
    (void)err_set(e, first.code, "%.*s%s", STR_ARG(head), more.len > 0 ? more.bytes : "");
    buf_fini(&more);
    return false;
}

const struct yaml_node *conf_value(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *value = map->kind == YAML_MAP ? yaml_get(map, str_c(key)) : NULL;
    return value ? value : map;
}

bool conf_not_both(const struct yaml_node *map, const char *section, const char *one,
                   const char *other, struct error *e)
{
    const struct yaml_node *a = yaml_get(map, str_c(one));
    const struct yaml_node *b = yaml_get(map, str_c(other));
    if (!a || !b || yaml_is_null(a) || yaml_is_null(b)) {
        return true;
    }
    const bool b_last = b->line > a->line || (b->line == a->line && b->column > a->column);
    return conf_error(e, b_last ? b : a, "%s: at most one of %s and %s may be set", section, one,
                      other);
}

// Recursion: as deep as tables nest, and never deeper than the tree (YAML_DEPTH_MAX).
bool conf_decode(const struct conf_struct *t, const struct yaml_node *node, void *target,
                 struct arena *a, struct error *e)
{
    if (node->kind != YAML_MAP && !yaml_is_null(node)) {
        return conf_error(e, node, "%s: expected a mapping, got %s", t->name, yaml_kind_text(node));
    }
    if (node == node->doc->root && !unbuilt_check(t, node, e)) {
        return false;
    }
    if (!conf_defaults(t, target, a, e) || !decode_present(t, node, target, a, e) ||
        !check_required(t, node, e)) {
        return false;
    }
    place_keep(t, node, target);
    return !t->check || t->check(target, node, a, e);
}
