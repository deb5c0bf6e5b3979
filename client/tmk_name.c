// tmk_name.c: which names, texts and descriptions may be registered.
//
// Names are the classic ones ([a-zA-Z_:][a-zA-Z0-9_:]*), so that every reader understands the page.
#include "client/tmk_inner.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool tmk_error_set(struct tmk_error *e, const char *format, ...)
{
    if (e) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(e->text, sizeof(e->text), format, args);
        va_end(args);
    }
    return false;
}

// The bytes of the character at s, 0 if it is not UTF-8 (overlong, surrogate, beyond U+10FFFF).
static size_t utf8_step(const unsigned char *s, size_t n)
{
    if (s[0] < 0x80) {
        return 1;
    }
    size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || len > n) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool bad = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
               (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f);
    return bad ? 0 : len;
}

bool tmk_utf8_valid(const char *s, size_t n)
{
    const unsigned char *u = (const unsigned char *)s;
    for (size_t i = 0; i < n;) {
        size_t step = utf8_step(u + i, n - i);
        if (!step) {
            return false;
        }
        i += step;
    }
    return true;
}

static bool name_char(char c, bool first, bool colon)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':') ||
           (!first && c >= '0' && c <= '9');
}

static bool name_valid(const char *s, bool colon)
{
    size_t n = s ? strnlen(s, TMK_NAME_BYTES_MAX + 1) : 0;
    for (size_t i = 0; i < n; i++) {
        if (!name_char(s[i], i == 0, colon)) {
            return false;
        }
    }
    return n > 0 && n <= TMK_NAME_BYTES_MAX;
}

static bool ends_in(const char *s, size_t n, const char *end)
{
    size_t m = strlen(end);
    return n >= m && memcmp(s + n - m, end, m) == 0;
}

size_t tmk_name_base(const char *name, enum tmk_kind kind)
{
    size_t n = strlen(name);
    return kind == TMK_COUNTER && ends_in(name, n, "_total") ? n - strlen("_total") : n;
}

// Whether a is b's base name with one of the suffixes that b's samples carry.
static bool suffix_clash(const char *a, const char *b, enum tmk_kind b_kind)
{
    static const char *const suffixes[] = {"_created", "_count", "_sum", "_bucket"};
    size_t known = b_kind == TMK_HISTOGRAM ? 4 : b_kind == TMK_COUNTER ? 1 : 0;
    size_t base = tmk_name_base(b, b_kind);
    for (size_t i = 0; i < known; i++) {
        if (strncmp(a, b, base) == 0 && strcmp(a + base, suffixes[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool tmk_name_clash(const char *a, enum tmk_kind a_kind, const char *b, enum tmk_kind b_kind)
{
    size_t an = tmk_name_base(a, a_kind);
    size_t bn = tmk_name_base(b, b_kind);
    if (an == bn && memcmp(a, b, an) == 0) {
        return true;
    }
    return suffix_clash(a, b, b_kind) || suffix_clash(b, a, a_kind);
}

static bool labels_check(const struct tmk_desc *d, struct tmk_error *e)
{
    if (d->label_count > TMK_LABELS_MAX) {
        return tmk_error_set(e, "%.80s: %zu label names, at most %d", d->name, d->label_count,
                             TMK_LABELS_MAX);
    }
    for (size_t i = 0; i < d->label_count; i++) {
        const char *l = d->labels ? d->labels[i] : NULL;
        if (!l || !name_valid(l, false) || strncmp(l, "__", 2) == 0) {
            return tmk_error_set(e, "%.80s: \"%.60s\" is not a label name", d->name, l ? l : "");
        }
        if (d->kind == TMK_HISTOGRAM && strcmp(l, "le") == 0) {
            return tmk_error_set(e, "%.80s: a histogram sets the label \"le\" itself", d->name);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(l, d->labels[j]) == 0) {
                return tmk_error_set(e, "%.80s: label \"%.60s\" twice", d->name, l);
            }
        }
    }
    if (d->children_max > TMK_CHILDREN_MAX) {
        return tmk_error_set(e, "%.80s: children_max %zu, at most %d", d->name, d->children_max,
                             TMK_CHILDREN_MAX);
    }
    return true;
}

static bool bounds_check(const struct tmk_desc *d, struct tmk_error *e)
{
    if (d->kind != TMK_HISTOGRAM) {
        return d->bound_count == 0 ||
               tmk_error_set(e, "%.80s: only a histogram has bounds", d->name);
    }
    if (d->bound_count == 0 || d->bound_count > TMK_BOUNDS_MAX || !d->bounds) {
        return tmk_error_set(e, "%.80s: %zu bounds, 1 to %d allowed", d->name, d->bound_count,
                             TMK_BOUNDS_MAX);
    }
    for (size_t i = 0; i < d->bound_count; i++) {
        if (!isfinite(d->bounds[i]) || (i && d->bounds[i] <= d->bounds[i - 1])) {
            return tmk_error_set(e, "%.80s: bound %zu is not finite or does not rise", d->name, i);
        }
    }
    return true;
}

static bool unit_check(const struct tmk_desc *d, struct tmk_error *e)
{
    if (!d->unit) {
        return true;
    }
    size_t unit = strlen(d->unit);
    size_t base = tmk_name_base(d->name, d->kind);
    if (!name_valid(d->unit, false) || base <= unit || d->name[base - unit - 1] != '_' ||
        !ends_in(d->name, base, d->unit)) {
        return tmk_error_set(e, "%.80s: the name must end in its unit \"_%.40s\"", d->name,
                             d->unit);
    }
    return true;
}

bool tmk_desc_check(const struct tmk_desc *d, struct tmk_error *e)
{
    if (!name_valid(d->name, true)) {
        return tmk_error_set(e, "\"%.100s\" is not a metric name", d->name ? d->name : "");
    }
    bool total = ends_in(d->name, strlen(d->name), "_total");
    if (total != (d->kind == TMK_COUNTER) || strcmp(d->name, "_total") == 0) {
        return tmk_error_set(e, "%.100s: counters, and only they, end in _total", d->name);
    }
    size_t help = d->help ? strnlen(d->help, TMK_HELP_BYTES_MAX + 1) : 0;
    if (help == 0 || help > TMK_HELP_BYTES_MAX || !tmk_utf8_valid(d->help, help)) {
        return tmk_error_set(e, "%.100s: help must be 1 to %d bytes of UTF-8", d->name,
                             TMK_HELP_BYTES_MAX);
    }
    return unit_check(d, e) && labels_check(d, e) && bounds_check(d, e);
}
