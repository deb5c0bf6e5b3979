#include "ingest/expo_labels.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/utf8.h"

#include <stdlib.h>

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}

static bool is_name_byte(char c)
{
    return is_name_start(c) || (c >= '0' && c <= '9');
}

static size_t skip_blanks(str s, size_t at)
{
    while (at < s.len && (s.ptr[at] == ' ' || s.ptr[at] == '\t')) {
        at++;
    }
    return at;
}

static size_t skip_name(str s, size_t at)
{
    if (at < s.len && is_name_start(s.ptr[at])) {
        do {
            at++;
        } while (at < s.len && is_name_byte(s.ptr[at]));
    }
    return at;
}

// Past the closing quote of the string that starts at s[at] == '"', or 0 if it does not end on
// this line. *escaped tells whether it has a backslash.
static size_t skip_quoted(str s, size_t at, bool *escaped)
{
    *escaped = false;
    for (at++; at < s.len; at++) {
        const char c = s.ptr[at];
        if (c == '"') {
            return at + 1;
        }
        if (c == '\n') {
            return 0;
        }
        if (c == '\\') {
            *escaped = true;
            at++;
        }
    }
    return 0;
}

size_t series_scan(str s, const char **reason)
{
    size_t at = skip_name(s, 0);
    const size_t name_end = at;
    const size_t brace = skip_blanks(s, at);
    if (brace >= s.len || s.ptr[brace] != '{') {
        *reason = "expected a metric name";
        return name_end;
    }
    for (at = brace + 1; at < s.len;) {
        const char c = s.ptr[at];
        if (c == '}') {
            return at + 1;
        }
        if (c == '\n') {
            break;
        }
        if (c != '"') {
            at++;
            continue;
        }
        bool escaped;
        at = skip_quoted(s, at, &escaped);
        if (at == 0) {
            *reason = "the string of a label has no closing quote";
            return 0;
        }
    }
    *reason = "the labels have no closing brace";
    return 0;
}

str series_name(str series)
{
    const size_t end = skip_name(series, 0);
    if (end > 0) {
        return str_sub(series, 0, end);
    }
    const size_t at = skip_blanks(series, series.len ? 1 : 0);
    bool escaped;
    if (at >= series.len || series.ptr[at] != '"') {
        return STR_EMPTY;
    }
    const size_t close = skip_quoted(series, at, &escaped);
    return close && !escaped ? str_sub(series, at + 1, close - 1) : STR_EMPTY;
}

bool labels_full_tell(struct error *e)
{
    return err_set(e, ERR_LIMIT, "the labels of one series need more memory than is left");
}

// The text between the quotes, escapes undone: \\ \" \n; any other escape stands as it is. A line
// may be of any length, so that the arena may have no room for it.
static bool unescape(str quoted, struct arena *a, str *text, struct error *e)
{
    char *out = arena_try(a, quoted.len + 1, 1);
    size_t len = 0;
    if (!out) {
        return labels_full_tell(e);
    }
    for (size_t i = 0; i < quoted.len; i++) {
        char c = quoted.ptr[i];
        if (c == '\\' && i + 1 < quoted.len) {
            const char next = quoted.ptr[i + 1];
            if (next == 'n' || next == '\\' || next == '"') {
                c = next == 'n' ? '\n' : next;
                i++;
            }
        }
        out[len++] = c;
    }
    *text = str_make(out, len);
    return true;
}

struct pair_list {
    struct label *items;
    u32 count;
    u32 cap;
    struct label *blanks; // Those with an empty value: as stored they are absent.
    u32 blank_count;
    u32 blank_cap;
};

// The place of one more of count; NULL: there is no room.
static struct label *pair_place(struct label **items, u32 count, u32 *cap, struct arena *a)
{
    if (count < *cap) {
        return *items + count;
    }
    const u32 more = MAX(8, *cap * 2);
    struct label *grown = arena_try(a, more, sizeof(*grown));
    if (!grown) {
        return NULL;
    }
    if (count > 0) {
        memcpy(grown, *items, count * sizeof(*grown));
    }
    *items = grown;
    *cap = more;
    return grown + count;
}

static bool pair_add(struct pair_list *l, struct arena *a, struct label pair, struct error *e)
{
    if (l->count + l->blank_count == EXPO_LABELS_MAX) {
        return err_set(e, ERR_LIMIT, "more than %d labels in one series", EXPO_LABELS_MAX);
    }
    const bool blank = pair.value.len == 0;
    struct label *place = blank ? pair_place(&l->blanks, l->blank_count, &l->blank_cap, a)
                                : pair_place(&l->items, l->count, &l->cap, a);
    if (!place) {
        return labels_full_tell(e);
    }
    *place = pair;
    l->blank_count += blank;
    l->count += !blank;
    return true;
}

static int label_order(const void *a, const void *b)
{
    return str_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static bool pairs_finish(struct pair_list *l, struct labels *out, struct error *e)
{
    if (l->count > 1) {
        qsort(l->items, l->count, sizeof(struct label), label_order);
    }
    for (u32 i = 1; i < l->count; i++) {
        if (str_eq(l->items[i - 1].name, l->items[i].name)) {
            return err_set(e, ERR_INVALID, "label name \"%.*s\" is not unique",
                           STR_ARG(l->items[i].name));
        }
    }
    *out = (struct labels){l->items, l->count};
    return true;
}

// Reads a quoted string at s[*at] and moves behind it.
static bool quoted_read(str s, size_t *at, struct arena *a, str *out, struct error *e)
{
    bool escaped;
    const size_t end = skip_quoted(s, *at, &escaped);
    if (end == 0) {
        return err_set(e, ERR_INVALID, "the string of a label has no closing quote");
    }
    const str inner = str_sub(s, *at + 1, end - 1);
    if (!utf8_valid(inner)) {
        return err_set(e, ERR_INVALID, "invalid UTF-8 label value");
    }
    *at = end;
    *out = inner;
    return !escaped || unescape(inner, a, out, e);
}

// name = "value", or "quoted.name" = "value", or the metric name alone in quotes.
static bool pair_read(str s, size_t *at, struct arena *a, struct label *out, struct error *e)
{
    bool quoted = false;
    if (s.ptr[*at] == '"') {
        quoted = true;
        if (!quoted_read(s, at, a, &out->name, e)) {
            return false;
        }
    } else {
        const size_t end = skip_name(s, *at);
        out->name = str_sub(s, *at, end);
        *at = end;
    }
    if (out->name.len == 0) {
        return err_set(e, ERR_INVALID, "expected a label name");
    }
    *at = skip_blanks(s, *at);
    if (*at < s.len && s.ptr[*at] == '=') {
        *at = skip_blanks(s, *at + 1);
        if (*at >= s.len || s.ptr[*at] != '"') {
            return err_set(e, ERR_INVALID, "expected a quoted value for label \"%.*s\"",
                           STR_ARG(out->name));
        }
        return quoted_read(s, at, a, &out->value, e);
    }
    if (!quoted) {
        return err_set(e, ERR_INVALID, "expected = after label name \"%.*s\"", STR_ARG(out->name));
    }
    *out = (struct label){LABEL_NAME, out->name};
    return true;
}

// Reads {…} at s[at]; returns the position behind the brace, 0 on error.
static size_t block_read(str s, size_t at, struct arena *a, struct pair_list *l, struct error *e)
{
    at = skip_blanks(s, at + 1);
    while (at < s.len && s.ptr[at] != '}') {
        struct label pair = {0};
        if (!pair_read(s, &at, a, &pair, e) || !pair_add(l, a, pair, e)) {
            return 0;
        }
        at = skip_blanks(s, at);
        if (at < s.len && s.ptr[at] == ',') {
            at = skip_blanks(s, at + 1);
        } else if (at >= s.len || s.ptr[at] != '}') {
            (void)err_set(e, ERR_INVALID, "expected , or } after label \"%.*s\"",
                          STR_ARG(pair.name));
            return 0;
        }
    }
    if (at >= s.len) {
        (void)err_set(e, ERR_INVALID, "the labels have no closing brace");
        return 0;
    }
    return at + 1;
}

bool series_parse(str series, struct arena *a, struct labels *out, struct labels *blank,
                  struct error *e)
{
    struct pair_list l = {0};
    const size_t name_end = skip_name(series, 0);
    if (name_end > 0 &&
        !pair_add(&l, a, (struct label){LABEL_NAME, str_sub(series, 0, name_end)}, e)) {
        return false;
    }
    const size_t brace = skip_blanks(series, name_end);
    if (brace < series.len && block_read(series, brace, a, &l, e) == 0) {
        return false;
    }
    struct labels found = {0};
    if (!pairs_finish(&l, &found, e)) {
        return false;
    }
    if (labels_get(found, LABEL_NAME).len == 0) {
        return err_set(e, ERR_INVALID, "the series has no metric name");
    }
    *out = found;
    if (blank) {
        *blank = (struct labels){l.blanks, l.blank_count};
    }
    return true;
}

size_t label_block_parse(str s, struct arena *a, struct labels *out, struct error *e)
{
    struct pair_list l = {0};
    const size_t end = s.len && s.ptr[0] == '{' ? block_read(s, 0, a, &l, e) : 0;
    return end && pairs_finish(&l, out, e) ? end : 0;
}
