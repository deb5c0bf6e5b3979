// relabel.c: the eleven actions, exactly as upstream's model/relabel does them.

#include "model/relabel.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "model/conf.h"
#include "text/fold.h"
#include "text/quote.h"
#include "text/re.h"
#include "wire/md5.h"
#include "wire/yaml.h"

// A rule's template can multiply what it is given; a value longer than this drops the label set,
// since no store would take it.
#define RELABEL_VALUE_BYTES_MAX (1 << 20)
#define RELABEL_GROUPS          16 // On the stack.

#define DEFAULT_SEPARATOR   ";"
#define DEFAULT_REGEX       "(.*)"
#define DEFAULT_REPLACEMENT "$1"

// ---- the table ---------------------------------------------------------------------------------

static const char *const action_names[RELABEL_ACTION_COUNT + 1] = {
    [RELABEL_REPLACE] = "replace",     [RELABEL_LOWERCASE] = "lowercase",
    [RELABEL_UPPERCASE] = "uppercase", [RELABEL_KEEP] = "keep",
    [RELABEL_DROP] = "drop",           [RELABEL_KEEPEQUAL] = "keepequal",
    [RELABEL_DROPEQUAL] = "dropequal", [RELABEL_HASHMOD] = "hashmod",
    [RELABEL_LABELMAP] = "labelmap",   [RELABEL_LABELDROP] = "labeldrop",
    [RELABEL_LABELKEEP] = "labelkeep",
};

static bool relabel_check(void *target, const struct yaml_node *node, struct arena *a,
                          struct error *e);

static const struct conf_field relabel_fields[] = {
    {.name = "source_labels",
     .type = CONF_STR_LIST,
     .offset = offsetof(struct relabel, source_labels),
     .count_offset = offsetof(struct relabel, source_label_count),
     .help = "The labels whose values are joined."},
    {.name = "separator",
     .type = CONF_STR,
     .offset = offsetof(struct relabel, separator),
     .fallback = DEFAULT_SEPARATOR,
     .help = "What stands between the joined values."},
    {.name = "regex",
     .type = CONF_STR,
     .offset = offsetof(struct relabel, regex),
     .fallback = DEFAULT_REGEX,
     .help = "What the joined value must match, whole."},
    {.name = "modulus",
     .type = CONF_U64,
     .offset = offsetof(struct relabel, modulus),
     .help = "What hashmod divides by."},
    {.name = "target_label",
     .type = CONF_STR,
     .offset = offsetof(struct relabel, target_label),
     .help = "The label that is written."},
    {.name = "replacement",
     .type = CONF_STR,
     .offset = offsetof(struct relabel, replacement),
     .fallback = DEFAULT_REPLACEMENT,
     .help = "Its value; $1 is the first group."},
    {.name = "action",
     .type = CONF_ENUM,
     .offset = offsetof(struct relabel, action),
     .names = action_names,
     .fallback = "replace",
     .help = "What to do on a match."},
};

const struct conf_struct relabel_conf = {
    .name = "relabel_config",
    .bytes = sizeof(struct relabel),
    .fields = relabel_fields,
    .field_count = ARRAY_LEN(relabel_fields),
    .check = relabel_check,
};

// ---- checking ----------------------------------------------------------------------------------

static bool refuse(struct error *e, const struct relabel *r, str value, const char *field)
{
    struct buf quoted;
    buf_init(&quoted, 1024);
    quote_go(&quoted, str_sub(value, 0, 128));
    (void)err_set(e, ERR_INVALID, "%.*s is invalid '%s' for %s action", STR_ARG(buf_get(&quoted)),
                  field, action_names[r->action]);
    buf_fini(&quoted);
    return false;
}

static bool is_default(str value, const char *fallback)
{
    return str_eq_c(value, fallback);
}

static bool writes_target(enum relabel_action action)
{
    switch (action) {
    case RELABEL_REPLACE:
    case RELABEL_LOWERCASE:
    case RELABEL_UPPERCASE:
    case RELABEL_KEEPEQUAL:
    case RELABEL_DROPEQUAL:
    case RELABEL_HASHMOD:
        return true;
    case RELABEL_KEEP:
    case RELABEL_DROP:
    case RELABEL_LABELMAP:
    case RELABEL_LABELDROP:
    case RELABEL_LABELKEEP:
    case RELABEL_ACTION_COUNT:
        return false;
    }
    return false;
}

static bool check_target(const struct relabel *r, struct error *e)
{
    if (!writes_target(r->action)) {
        return true;
    }
    if (r->target_label.len == 0) {
        return err_set(e, ERR_INVALID,
                       "relabel configuration for %s action requires 'target_label' value",
                       action_names[r->action]);
    }
    // Any UTF-8 is a name, so a template ($1) is checked when it is filled in.
    return label_name_valid(r->target_label) || refuse(e, r, r->target_label, "target_label");
}

static bool check_equal(const struct relabel *r, struct error *e)
{
    if (!is_default(r->regex, DEFAULT_REGEX) || r->modulus != 0 ||
        !is_default(r->separator, DEFAULT_SEPARATOR) ||
        !is_default(r->replacement, DEFAULT_REPLACEMENT)) {
        return err_set(e, ERR_INVALID,
                       "%s action requires only 'source_labels' and 'target_label', and no other "
                       "fields",
                       action_names[r->action]);
    }
    return true;
}

static bool check_names_only(const struct relabel *r, struct error *e)
{
    if (r->source_label_count > 0 || r->target_label.len > 0 || r->modulus != 0 ||
        !is_default(r->separator, DEFAULT_SEPARATOR) ||
        !is_default(r->replacement, DEFAULT_REPLACEMENT)) {
        return err_set(e, ERR_INVALID, "%s action requires only 'regex', and no other fields",
                       action_names[r->action]);
    }
    return true;
}

static bool check_fields(const struct relabel *r, struct error *e)
{
    switch (r->action) {
    case RELABEL_REPLACE:
    case RELABEL_KEEP:
    case RELABEL_DROP:
        return true;
    case RELABEL_LOWERCASE:
    case RELABEL_UPPERCASE:
        return is_default(r->replacement, DEFAULT_REPLACEMENT) ||
               err_set(e, ERR_INVALID, "'replacement' can not be set for %s action",
                       action_names[r->action]);
    case RELABEL_KEEPEQUAL:
    case RELABEL_DROPEQUAL:
        return check_equal(r, e);
    case RELABEL_HASHMOD:
        return r->modulus != 0 ||
               err_set(e, ERR_INVALID,
                       "relabel configuration for hashmod requires non-zero modulus");
    case RELABEL_LABELMAP:
        return label_name_valid(r->replacement) || refuse(e, r, r->replacement, "replacement");
    case RELABEL_LABELDROP:
    case RELABEL_LABELKEEP:
        return check_names_only(r, e);
    case RELABEL_ACTION_COUNT:
        break;
    }
    return err_set(e, ERR_INVALID, "unknown relabel action %d", (int)r->action);
}

static void free_re(void *arg)
{
    re_free(arg);
}

bool relabel_compile(struct relabel *r, struct arena *a, struct error *e)
{
    if (r->re) {
        return true; // Compiled when its section was decoded.
    }
    if (!check_fields(r, e) || !check_target(r, e)) {
        return false;
    }
    struct re *re = re_new(r->regex, e);
    if (!re) {
        return false;
    }
    arena_on_free(a, free_re, re);
    r->re = re;
    return true;
}

static bool relabel_check(void *target, const struct yaml_node *node, struct arena *a,
                          struct error *e)
{
    struct relabel *r = target;
    struct error why;
    if (relabel_compile(r, a, &why)) {
        return true;
    }
    const struct yaml_node *regex = yaml_get(node, STR("regex"));
    const bool of_regex = regex && str_starts(str_c(why.text), STR("error parsing regexp"));
    return conf_error(e, of_regex ? regex : node, "%s", why.text);
}

// ---- applying ----------------------------------------------------------------------------------

// The source labels' values, joined. A single one is borrowed as it is.
static str source_value(const struct relabel *r, const struct labels_builder *b)
{
    if (r->source_label_count == 0) {
        return STR("");
    }
    if (r->source_label_count == 1) {
        return labels_builder_get(b, r->source_labels[0]);
    }
    size_t len = r->separator.len * (r->source_label_count - 1);
    for (u32 i = 0; i < r->source_label_count; i++) {
        len += labels_builder_get(b, r->source_labels[i]).len;
    }
    if (len == 0) {
        return STR("");
    }
    char *joined = arena_alloc(b->arena, len, 1);
    char *to = joined;
    for (u32 i = 0; i < r->source_label_count; i++) {
        const str value = labels_builder_get(b, r->source_labels[i]);
        if (i > 0 && r->separator.len > 0) {
            memcpy(to, r->separator.ptr, r->separator.len);
            to += r->separator.len;
        }
        if (value.len > 0) {
            memcpy(to, value.ptr, value.len);
            to += value.len;
        }
    }
    return (str){joined, len};
}

// Takes what was written into the arena; false if it was too long.
static bool take_text(struct arena *a, struct buf *b, str *out)
{
    const bool ok = buf_ok(b);
    *out = ok ? arena_str(a, buf_get(b)) : STR_EMPTY;
    buf_fini(b);
    return ok;
}

static bool expand(const struct relabel *r, str template, const str *groups, u32 n, struct arena *a,
                   str *out)
{
    if (str_find(template, '$') == STR_NONE) {
        *out = template;
        return true;
    }
    if (n > 1 && str_eq(template, STR("$1"))) { // By far the most frequent: nothing to copy.
        *out = groups[1];
        return true;
    }
    struct buf b;
    buf_init(&b, RELABEL_VALUE_BYTES_MAX);
    re_expand(r->re, template, groups, n, &b);
    return take_text(a, &b, out);
}

static bool apply_replace(const struct relabel *r, struct labels_builder *b, str value)
{
    str few[RELABEL_GROUPS];
    const u32 count = re_group_count(r->re);
    str *groups = count > RELABEL_GROUPS ? ARENA_NEW_N(b->arena, str, count) : few;
    u32 n;
    if (!re_match_groups(r->re, value, groups, count, &n)) {
        return true;
    }
    str target;
    str result;
    if (!expand(r, r->target_label, groups, n, b->arena, &target) ||
        !expand(r, r->replacement, groups, n, b->arena, &result)) {
        return false;
    }
    if (label_name_valid(target)) {
        labels_builder_set(b, target, result);
    }
    return true;
}

static bool apply_fold(const struct relabel *r, struct labels_builder *b, str value)
{
    struct buf text;
    buf_init(&text, RELABEL_VALUE_BYTES_MAX);
    if (r->action == RELABEL_LOWERCASE) {
        fold_lower(&text, value);
    } else {
        fold_upper(&text, value);
    }
    str folded;
    if (!take_text(b->arena, &text, &folded)) {
        return false;
    }
    labels_builder_set(b, r->target_label, folded);
    return true;
}

static void apply_hashmod(const struct relabel *r, struct labels_builder *b, str value)
{
    u8 digest[16];
    md5_of(value, digest);
    u64 tail = 0;
    for (size_t i = 8; i < sizeof(digest); i++) {
        tail = tail << 8 | digest[i];
    }
    const str text = arena_printf(b->arena, "%llu", (unsigned long long)(tail % r->modulus));
    labels_builder_set(b, r->target_label, text);
}

// Names are taken from the set as it was: what a rule adds it does not map again.
static bool apply_labelmap(const struct relabel *r, struct labels_builder *b)
{
    const u32 count = b->count;
    if (count == 0) {
        return true;
    }
    struct label *before = ARENA_NEW_N(b->arena, struct label, count);
    memcpy(before, b->items, count * sizeof(before[0]));
    for (u32 i = 0; i < count; i++) {
        if (!re_match(r->re, before[i].name)) {
            continue;
        }
        struct buf text;
        buf_init(&text, RELABEL_VALUE_BYTES_MAX);
        re_replace_all(r->re, before[i].name, r->replacement, &text);
        str name;
        if (!take_text(b->arena, &text, &name)) {
            return false;
        }
        if (label_name_valid(name)) {
            labels_builder_set(b, name, before[i].value);
        }
    }
    return true;
}

static void apply_name_filter(const struct relabel *r, struct labels_builder *b)
{
    const bool keeps = r->action == RELABEL_LABELKEEP;
    u32 kept = 0;
    for (u32 i = 0; i < b->count; i++) {
        if (re_match(r->re, b->items[i].name) == keeps) {
            b->items[kept++] = b->items[i];
        }
    }
    b->count = kept;
}

// false: drop.
static bool apply(const struct relabel *r, struct labels_builder *b)
{
    const str value = source_value(r, b);
    switch (r->action) {
    case RELABEL_REPLACE:
        return apply_replace(r, b, value);
    case RELABEL_LOWERCASE:
    case RELABEL_UPPERCASE:
        return apply_fold(r, b, value);
    case RELABEL_KEEP:
        return re_match(r->re, value);
    case RELABEL_DROP:
        return !re_match(r->re, value);
    case RELABEL_KEEPEQUAL:
        return str_eq(labels_builder_get(b, r->target_label), value);
    case RELABEL_DROPEQUAL:
        return !str_eq(labels_builder_get(b, r->target_label), value);
    case RELABEL_HASHMOD:
        apply_hashmod(r, b, value);
        return true;
    case RELABEL_LABELMAP:
        return apply_labelmap(r, b);
    case RELABEL_LABELDROP:
    case RELABEL_LABELKEEP:
        apply_name_filter(r, b);
        return true;
    case RELABEL_ACTION_COUNT:
        break;
    }
    CHECK(!"relabel_compile lets known actions through only");
}

bool relabel_apply(const struct relabel *rules, u32 count, struct labels_builder *b,
                   u32 *dropped_by)
{
    for (u32 i = 0; i < count; i++) {
        DCHECK(rules[i].re != NULL);
        if (!apply(&rules[i], b)) {
            if (dropped_by) {
                *dropped_by = i;
            }
            return false;
        }
    }
    return true;
}
