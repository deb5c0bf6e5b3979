// conf_print.c: walks a table over its values and builds the tree that wire prints.

#include "model/conf_print.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/num.h"
#include "base/str.h"
#include "model/conf.h"
#include "model/duration.h"
#include "model/labels.h"
#include "wire/yaml.h"

#include <math.h>

// Threads: owned. What every printer of a value needs.
struct conf_show {
    const struct conf_print_opts *opts;
    struct error *e;
};

static const void *slot(const struct conf_field *f, const void *target)
{
    return (const char *)target + f->offset;
}

static u32 count_of(const struct conf_field *f, const void *target)
{
    u32 n;
    memcpy(&n, (const char *)target + f->count_offset, sizeof(n));
    return n;
}

// Whatever the field points to.
static const void *pointer_of(const struct conf_field *f, const void *target)
{
    const void *p;
    memcpy(&p, slot(f, target), sizeof(p)); // NOLINT
    return p;
}

static bool room(const struct conf_show *s, size_t count, size_t size, void **out)
{
    *out = arena_try(s->opts->memory, MAX(count, 1), size);
    return *out != NULL || err_set(s->e, ERR_LIMIT,
                                   "the configuration needs more memory to print than it may have");
}

// ---- scalars -----------------------------------------------------------------------------------

// Whether these bytes without quotes are this string and nothing else, to any reader of YAML.
static bool is_plain(str s)
{
    const struct yaml_node n = {.scalar = s};
    bool flag;
    f64 number;
    i64 whole;
    if (s.len == 0 || strchr("-?:,[]{}#&*!|>'\"%@`<=~. ", s.ptr[0]) || s.ptr[s.len - 1] == ' ' ||
        s.ptr[s.len - 1] == ':' || str_contains(s, STR(": ")) || str_contains(s, STR(" #"))) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if ((u8)s.ptr[i] < 0x20 || (u8)s.ptr[i] >= 0x7f) {
            return false;
        }
    }
    return !yaml_is_null(&n) && !yaml_bool(&n, &flag) && !yaml_f64(&n, &number) &&
           !yaml_i64(&n, &whole);
}

static struct yaml_node text_node(str s)
{
    return (struct yaml_node){.kind = YAML_SCALAR, .scalar = s, .quoted = !is_plain(s)};
}

// What is no string, from a few bytes.
static bool word_node(const struct conf_show *s, str word, struct yaml_node *out)
{
    void *copy;
    if (!room(s, word.len, 1, &copy)) {
        return false;
    }
    memcpy(copy, word.ptr, word.len);
    *out = (struct yaml_node){.kind = YAML_SCALAR, .scalar = str_make(copy, word.len)};
    return true;
}

void conf_print_bytes(struct buf *b, u64 v)
{
    static const char units[] = "KMGTPE";
    u32 unit = 0;
    while (v > 0 && v % 1024 == 0 && unit < sizeof(units) - 1) {
        v /= 1024;
        unit++;
    }
    buf_u64(b, v);
    if (unit > 0) {
        buf_byte(b, (u8)units[unit - 1]);
    }
    buf_c(b, unit > 0 ? "iB" : "B");
}

static bool number_node(const struct conf_show *s, const struct conf_field *f, const void *value,
                        struct yaml_node *out)
{
    struct buf b;
    char text[NUM_TEXT_MAX];
    buf_init(&b, 256);
    if (f->type == CONF_BOOL) {
        buf_c(&b, *(const bool *)value ? "true" : "false");
    } else if (f->type == CONF_U64) {
        buf_u64(&b, *(const u64 *)value);
    } else if (f->type == CONF_I64) {
        buf_i64(&b, *(const i64 *)value);
    } else if (f->type == CONF_F64) {
        const f64 v = *(const f64 *)value;
        const char *special = isnan(v) ? ".nan" : v > 0 ? ".inf" : "-.inf";
        buf_str(&b, isfinite(v) ? str_make(text, num_go(text, v)) : str_c(special));
    } else if (f->type == CONF_DURATION) {
        duration_print(&b, *(const i64 *)value);
    } else {
        conf_print_bytes(&b, *(const u64 *)value);
    }
    const bool ok = word_node(s, buf_get(&b), out);
    buf_fini(&b);
    return ok;
}

// ---- lists and maps ----------------------------------------------------------------------------

static bool nodes_make(const struct conf_show *s, enum yaml_kind kind, u32 count,
                       struct yaml_node **keys, struct yaml_node **items, struct yaml_node *out)
{
    void *k = NULL;
    void *i;
    if ((kind == YAML_MAP && !room(s, count, sizeof(struct yaml_node), &k)) ||
        !room(s, count, sizeof(struct yaml_node), &i)) {
        return false;
    }
    *out = (struct yaml_node){.kind = kind, .count = count, .keys = k, .items = i};
    *keys = k;
    *items = i;
    return true;
}

static bool strs_node(const struct conf_show *s, const str *values, u32 count,
                      struct yaml_node *out)
{
    struct yaml_node *keys;
    struct yaml_node *items;
    if (!nodes_make(s, YAML_SEQ, count, &keys, &items, out)) {
        return false;
    }
    for (u32 i = 0; i < count; i++) {
        items[i] = text_node(values[i]);
    }
    return true;
}

static bool str_map_node(const struct conf_show *s, const struct labels *ls, struct yaml_node *out)
{
    struct yaml_node *keys;
    struct yaml_node *items;
    if (!nodes_make(s, YAML_MAP, ls->count, &keys, &items, out)) {
        return false;
    }
    for (u32 i = 0; i < ls->count; i++) {
        keys[i] = text_node(ls->items[i].name);
        items[i] = text_node(ls->items[i].value);
    }
    return true;
}

static bool str_lists_node(const struct conf_show *s, const struct conf_strings *lists, u32 count,
                           struct yaml_node *out)
{
    struct yaml_node *keys;
    struct yaml_node *items;
    if (!nodes_make(s, YAML_MAP, count, &keys, &items, out)) {
        return false;
    }
    for (u32 i = 0; i < count; i++) {
        keys[i] = text_node(lists[i].name);
        if (!strs_node(s, lists[i].values, lists[i].value_count, &items[i])) {
            return false;
        }
    }
    return true;
}

// ---- structs -----------------------------------------------------------------------------------

static bool struct_node(const struct conf_show *s, const struct conf_struct *t, const void *value,
                        struct yaml_node *out);

static bool struct_list_node(const struct conf_show *s, const struct conf_field *f,
                             const void *target, struct yaml_node *out)
{
    const char *values = pointer_of(f, target);
    const u32 count = count_of(f, target);
    struct yaml_node *keys;
    struct yaml_node *items;
    if (!nodes_make(s, YAML_SEQ, count, &keys, &items, out)) {
        return false;
    }
    for (u32 i = 0; i < count; i++) {
        if (!struct_node(s, f->sub, values + i * f->sub->bytes, &items[i])) {
            return false;
        }
    }
    return true;
}

// An entry that was left for another table to decode: `t`.
static bool entry_node(const struct conf_show *s, const struct conf_struct *t,
                       const struct yaml_node *node, struct yaml_node *out)
{
    void *value;
    if (!room(s, 1, t->bytes, &value) || !conf_decode(t, node, value, s->opts->memory, s->e)) {
        return false;
    }
    if (s->opts->inherit) {
        s->opts->inherit(s->opts->ctx, t, value);
    }
    return struct_node(s, t, value, out);
}

static bool node_list_node(const struct conf_show *s, const struct conf_field *f,
                           const void *target, struct yaml_node *out)
{
    const struct yaml_node *const *nodes = pointer_of(f, target);
    const u32 count = count_of(f, target);
    struct yaml_node *keys;
    struct yaml_node *items;
    if (!nodes_make(s, YAML_SEQ, count, &keys, &items, out)) {
        return false;
    }
    for (u32 i = 0; i < count; i++) {
        if (!f->sub) {
            items[i] = *nodes[i];
        } else if (!entry_node(s, f->sub, nodes[i], &items[i])) {
            return false;
        }
    }
    return true;
}

// NOLINTNEXTLINE(readability-function-size): one case a type.
static bool field_node(const struct conf_show *s, const struct conf_field *f, const void *target,
                       struct yaml_node *out)
{
    const void *value = slot(f, target);
    switch (f->type) {
    case CONF_STR:
        *out = text_node(*(const str *)value);
        return true;
    case CONF_SECRET:
        *out = (struct yaml_node){.kind = YAML_SCALAR, .scalar = STR("<secret>")};
        return true;
    case CONF_BOOL:
    case CONF_U64:
    case CONF_I64:
    case CONF_F64:
    case CONF_DURATION:
    case CONF_BYTES:
        return number_node(s, f, value, out);
    case CONF_ENUM:
        *out = text_node(str_c(f->names[*(const int *)value]));
        return true;
    case CONF_STR_LIST:
    case CONF_MATCHERS:
        return strs_node(s, pointer_of(f, target), count_of(f, target), out);
    case CONF_STR_MAP:
        return str_map_node(s, value, out);
    case CONF_STRUCT:
        return struct_node(s, f->sub, value, out);
    case CONF_STRUCT_PTR:
        return struct_node(s, f->sub, pointer_of(f, target), out);
    case CONF_STRUCT_LIST:
        return struct_list_node(s, f, target, out);
    case CONF_STR_LISTS:
        return str_lists_node(s, pointer_of(f, target), count_of(f, target), out);
    case CONF_NODE:
        *out = *(const struct yaml_node *)pointer_of(f, target);
        return true;
    case CONF_NODE_LIST:
        return node_list_node(s, f, target, out);
    case CONF_UNBUILT:
        break;
    }
    return err_set(s->e, ERR_INTERNAL, "field %s has no printed form", f->name);
}

// Whether it is anything else than what an absent key gives, where its table has no default.
static bool field_holds(const struct conf_field *f, const void *target)
{
    const void *value = slot(f, target);
    switch (f->type) {
    case CONF_STR:
        return ((const str *)value)->len > 0;
    case CONF_SECRET:
        return secret_reveal(*(const struct secret *)value).len > 0;
    case CONF_BOOL:
        return *(const bool *)value;
    case CONF_U64:
    case CONF_BYTES:
        return *(const u64 *)value != 0;
    case CONF_I64:
    case CONF_DURATION:
        return *(const i64 *)value != 0;
    case CONF_F64:
        return *(const f64 *)value != 0;
    case CONF_ENUM:
        return *(const int *)value != 0;
    case CONF_STR_MAP:
        return ((const struct labels *)value)->count > 0;
    case CONF_STR_LIST:
    case CONF_MATCHERS:
    case CONF_STRUCT_LIST:
    case CONF_STR_LISTS:
    case CONF_NODE_LIST:
        return count_of(f, target) > 0;
    case CONF_STRUCT_PTR:
    case CONF_NODE:
        return pointer_of(f, target) != NULL;
    case CONF_STRUCT:
        return true; // Unless nothing in it is printed.
    case CONF_UNBUILT:
        return false;
    }
    return false;
}

// Recursion: as deep as tables nest.
static bool struct_node(const struct conf_show *s, const struct conf_struct *t, const void *value,
                        struct yaml_node *out)
{
    struct yaml_node *keys;
    struct yaml_node *items;
    if (!nodes_make(s, YAML_MAP, t->field_count, &keys, &items, out)) {
        return false;
    }
    out->count = 0;
    for (u32 i = 0; i < t->field_count; i++) {
        const struct conf_field *f = &t->fields[i];
        struct yaml_node *item = &items[out->count];
        if (!f->required && !f->fallback && !field_holds(f, value)) {
            continue;
        }
        if (!field_node(s, f, value, item)) {
            return false;
        }
        if (f->type != CONF_STRUCT || item->count > 0 || f->required) {
            keys[out->count++] = text_node(str_c(f->name));
        }
    }
    return true;
}

bool conf_print(struct buf *out, const struct conf_struct *t, const void *value,
                const struct conf_print_opts *opts, struct error *e)
{
    const struct conf_show s = {opts, e};
    struct yaml_node root;
    if (!struct_node(&s, t, value, &root)) {
        return false;
    }
    yaml_print(out, &root);
    return buf_ok(out) ||
           err_set(e, ERR_LIMIT, "the configuration is longer than %zu bytes when printed",
                   out->max);
}
