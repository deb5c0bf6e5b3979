// labels.c: label sets: lookup, order, hashes, copies, printing, checks.

#include "model/labels.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/utf8.h"
#include "text/quote.h"

#include <stdio.h>
#include <stdlib.h>

// ---- asking ------------------------------------------------------------------------------------

static const struct label *label_find(struct labels ls, str name)
{
    for (u32 i = 0; i < ls.count; i++) {
        if (str_eq(ls.items[i].name, name)) {
            return &ls.items[i];
        }
    }
    return NULL;
}

str labels_get(struct labels ls, str name)
{
    const struct label *l = label_find(ls, name);
    return l ? l->value : STR_EMPTY;
}

bool labels_has(struct labels ls, str name)
{
    return label_find(ls, name) != NULL;
}

bool labels_eq(struct labels a, struct labels b)
{
    if (a.count != b.count) {
        return false;
    }
    for (u32 i = 0; i < a.count; i++) {
        if (!str_eq(a.items[i].name, b.items[i].name) ||
            !str_eq(a.items[i].value, b.items[i].value)) {
            return false;
        }
    }
    return true;
}

// Who sorts has mostly texts that are equal, and where they are interned the same text.
static int text_cmp(str a, str b)
{
    return a.ptr == b.ptr && a.len == b.len ? 0 : str_cmp(a, b);
}

int labels_cmp(struct labels a, struct labels b)
{
    return labels_cmp_from(a, b, 0);
}

int labels_cmp_from(struct labels a, struct labels b, u32 from)
{
    const u32 both = MIN(a.count, b.count);
    for (u32 i = from; i < both; i++) {
        const int names = text_cmp(a.items[i].name, b.items[i].name);
        if (names != 0) {
            return names;
        }
        const int values = text_cmp(a.items[i].value, b.items[i].value);
        if (values != 0) {
            return values;
        }
    }
    return (a.count > b.count) - (a.count < b.count);
}

// ---- hashes ------------------------------------------------------------------------------------

static u64 hash_label(u64 hash, const struct label *l)
{
    return hash_mix(hash_mix(hash, hash_str(l->name)), hash_str(l->value));
}

u64 labels_hash(struct labels ls)
{
    u64 hash = 0;
    for (u32 i = 0; i < ls.count; i++) {
        hash = hash_label(hash, &ls.items[i]);
    }
    return hash;
}

// Both sides are sorted, so one walk over both decides every membership.
static bool names_hold(const str *names, u32 count, u32 *at, str name)
{
    while (*at < count) {
        const int order = str_cmp(names[*at], name);
        if (order >= 0) {
            return order == 0;
        }
        DCHECK(*at + 1 == count || str_cmp(names[*at], names[*at + 1]) <= 0);
        ++*at;
    }
    return false;
}

u64 labels_hash_with(struct labels ls, const str *names, u32 count)
{
    u64 hash = 0;
    u32 at = 0;
    for (u32 i = 0; i < ls.count; i++) {
        if (names_hold(names, count, &at, ls.items[i].name)) {
            hash = hash_label(hash, &ls.items[i]);
        }
    }
    return hash;
}

u64 labels_hash_without(struct labels ls, const str *names, u32 count)
{
    u64 hash = 0;
    u32 at = 0;
    for (u32 i = 0; i < ls.count; i++) {
        const str name = ls.items[i].name;
        if (!names_hold(names, count, &at, name) && !str_eq(name, LABEL_NAME)) {
            hash = hash_label(hash, &ls.items[i]);
        }
    }
    return hash;
}

u64 labels_fingerprint(struct labels ls)
{
    static const u8 separator = 0xff;
    u64 hash = HASH_FNV64A_INIT;
    for (u32 i = 0; i < ls.count; i++) {
        const struct label *l = &ls.items[i];
        hash = hash_fnv64a(hash, l->name.ptr, l->name.len);
        hash = hash_fnv64a(hash, &separator, 1);
        hash = hash_fnv64a(hash, l->value.ptr, l->value.len);
        hash = hash_fnv64a(hash, &separator, 1);
    }
    return hash;
}

// ---- copies ------------------------------------------------------------------------------------

static str bytes_put(char **to, str s)
{
    const str copy = {*to, s.len};
    if (s.len > 0) {
        memcpy(*to, s.ptr, s.len);
        *to += s.len;
    }
    return copy;
}

struct labels labels_copy(struct arena *a, struct labels ls)
{
    if (ls.count == 0) {
        return (struct labels){NULL, 0};
    }
    const size_t head = ls.count * sizeof(struct label);
    size_t total = head;
    for (u32 i = 0; i < ls.count; i++) {
        total += ls.items[i].name.len + ls.items[i].value.len;
    }
    struct label *items = arena_alloc(a, 1, total);
    char *bytes = (char *)items + head;
    for (u32 i = 0; i < ls.count; i++) {
        items[i].name = bytes_put(&bytes, ls.items[i].name);
        items[i].value = bytes_put(&bytes, ls.items[i].value);
    }
    return (struct labels){items, ls.count};
}

static struct labels labels_pick(struct arena *a, struct labels ls, const str *names, u32 count,
                                 bool wanted)
{
    if (ls.count == 0) {
        return ls;
    }
    struct label *items = ARENA_NEW_N(a, struct label, ls.count);
    u32 kept = 0;
    u32 at = 0;
    for (u32 i = 0; i < ls.count; i++) {
        if (names_hold(names, count, &at, ls.items[i].name) == wanted) {
            items[kept++] = ls.items[i];
        }
    }
    return (struct labels){items, kept};
}

struct labels labels_keep(struct arena *a, struct labels ls, const str *names, u32 count)
{
    return labels_pick(a, ls, names, count, true);
}

struct labels labels_drop(struct arena *a, struct labels ls, const str *names, u32 count)
{
    return labels_pick(a, ls, names, count, false);
}

// ---- sorting -----------------------------------------------------------------------------------

// qsort is not stable, and of equal names the last must win.
struct label_at {
    struct label label;
    u32 index;
};

static int label_at_order(const void *left, const void *right)
{
    const struct label_at *a = left;
    const struct label_at *b = right;
    const int names = str_cmp(a->label.name, b->label.name);
    return names != 0 ? names : (a->index > b->index) - (a->index < b->index);
}

static void sort_large(struct label *items, u32 count)
{
    struct label_at *at = MEM_NEW_N(struct label_at, count);
    for (u32 i = 0; i < count; i++) {
        at[i] = (struct label_at){items[i], i};
    }
    qsort(at, count, sizeof(at[0]), label_at_order);
    for (u32 i = 0; i < count; i++) {
        items[i] = at[i].label;
    }
    mem_free(at);
}

// Stable; linear for what comes sorted, which most label sets do.
static void sort_small(struct label *items, u32 count)
{
    for (u32 i = 1; i < count; i++) {
        const struct label l = items[i];
        u32 to = i;
        while (to > 0 && str_cmp(items[to - 1].name, l.name) > 0) {
            items[to] = items[to - 1];
            to--;
        }
        items[to] = l;
    }
}

struct labels labels_from(struct arena *a, const struct label *pairs, u32 count)
{
    if (count == 0) {
        return (struct labels){NULL, 0};
    }
    struct label *items = ARENA_NEW_N(a, struct label, count);
    memcpy(items, pairs, count * sizeof(pairs[0]));
    if (count <= 64) {
        sort_small(items, count);
    } else {
        sort_large(items, count);
    }
    u32 kept = 0;
    for (u32 i = 0; i < count; i++) {
        const bool superseded = i + 1 < count && str_eq(items[i].name, items[i + 1].name);
        if (!superseded && items[i].value.len > 0) {
            items[kept++] = items[i];
        }
    }
    return labels_copy(a, (struct labels){items, kept});
}

// ---- printing ----------------------------------------------------------------------------------

static void print_pair(struct buf *out, const struct label *l)
{
    if (label_name_valid_legacy(l->name)) {
        buf_str(out, l->name);
    } else {
        quote_go(out, l->name);
    }
    buf_byte(out, '=');
    quote_go(out, l->value);
}

void labels_print(struct buf *out, struct labels ls)
{
    const str metric = labels_get(ls, LABEL_NAME);
    const bool bare = metric_name_valid_legacy(metric);
    if (bare) {
        buf_str(out, metric);
        if (ls.count == 1) {
            return;
        }
    }
    bool first = true;
    buf_byte(out, '{');
    if (metric.len > 0 && !bare) {
        quote_go(out, metric);
        first = false;
    }
    for (u32 i = 0; i < ls.count; i++) {
        if (str_eq(ls.items[i].name, LABEL_NAME)) {
            continue;
        }
        if (!first) {
            buf_c(out, ", ");
        }
        print_pair(out, &ls.items[i]);
        first = false;
    }
    buf_byte(out, '}');
}

// ---- checks ------------------------------------------------------------------------------------

static bool is_letter(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool name_valid(str name, bool colons)
{
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        const bool digit = i > 0 && c >= '0' && c <= '9';
        if (!is_letter(c) && !digit && !(colons && c == ':')) {
            return false;
        }
    }
    return name.len > 0;
}

bool label_name_valid_legacy(str name)
{
    return name_valid(name, false);
}

bool metric_name_valid_legacy(str name)
{
    return name_valid(name, true);
}

bool label_name_valid(str name)
{
    return name.len > 0 && utf8_valid(name);
}

// Foreign text inside an error: quoted, and not longer than a line.
static bool label_error(struct error *e, enum err code, str name, const char *what)
{
    struct buf quoted;
    buf_init(&quoted, 1024);
    quote_go(&quoted, str_sub(name, 0, 128));
    const bool cut = name.len > 128;
    (void)err_set(e, code, "label %.*s%s: %s", STR_ARG(buf_get(&quoted)), cut ? "…" : "", what);
    buf_fini(&quoted);
    return false;
}

static bool length_error(struct error *e, const struct label *l, bool is_name, u32 max)
{
    char what[128];
    (void)snprintf(what, sizeof(what), "%s of %zu bytes is longer than label_%s_length_limit %u",
                   is_name ? "name" : "value", is_name ? l->name.len : l->value.len,
                   is_name ? "name" : "value", max);
    return label_error(e, ERR_LIMIT, l->name, what);
}

static bool label_check(const struct label *l, const struct labels_limits *limits, struct error *e)
{
    if (l->name.len == 0) {
        return err_set(e, ERR_INVALID, "a label has an empty name");
    }
    if (limits->name_bytes_max && l->name.len > limits->name_bytes_max) {
        return length_error(e, l, true, limits->name_bytes_max);
    }
    if (limits->value_bytes_max && l->value.len > limits->value_bytes_max) {
        return length_error(e, l, false, limits->value_bytes_max);
    }
    if (!utf8_valid(l->name)) {
        return label_error(e, ERR_INVALID, l->name, "name is not UTF-8");
    }
    if (l->value.len == 0) {
        return label_error(e, ERR_INVALID, l->name, "value is empty");
    }
    if (!utf8_valid(l->value)) {
        return label_error(e, ERR_INVALID, l->name, "value is not UTF-8");
    }
    return true;
}

bool labels_check(struct labels ls, const struct labels_limits *limits, struct error *e)
{
    if (limits->labels_max && ls.count > limits->labels_max) {
        return err_set(e, ERR_LIMIT, "%u labels are more than label_limit %u", ls.count,
                       limits->labels_max);
    }
    for (u32 i = 0; i < ls.count; i++) {
        const struct label *l = &ls.items[i];
        if (!label_check(l, limits, e)) {
            return false;
        }
        if (i == 0) {
            continue;
        }
        const int order = str_cmp(ls.items[i - 1].name, l->name);
        if (order == 0) {
            return label_error(e, ERR_INVALID, l->name, "name is given twice");
        }
        if (order > 0) {
            return label_error(e, ERR_INVALID, l->name, "names are not in order");
        }
    }
    return true;
}
