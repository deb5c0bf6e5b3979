// re.c: shortcuts before RE2, facts for the index, and templates over groups.

#include "text/re.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/utf8.h"
#include "text/re_prog.h"
#include "text/re_scan.h"

#include <stdlib.h>

enum re_kind {
    RE_KIND_PROG,  // Only RE2 knows.
    RE_KIND_ALTS,  // One of alts, nothing else.
    RE_KIND_INFIX, // front literal back, where front and back are nothing, .* or .+
};

enum re_gap { RE_GAP_NONE, RE_GAP_ANY, RE_GAP_SOME }; // (nothing), .*, .+

// Threads: frozen once made.
struct re {
    enum re_kind kind;
    bool partial;
    bool outer_group; // The pattern is one capturing group around a shortcut: $1 is the whole.
    enum re_gap front;
    enum re_gap back;
    str pattern;
    str literal; // RE_KIND_INFIX.
    str prefix;
    str *alts; // Sorted, without doubles.
    u32 alt_count;
    struct re_prog *prog; // NULL unless RE_KIND_PROG.
    char *bytes;          // All that the strs above point into.
};

// ---- shape: what the shortcuts can know --------------------------------------------------------

static bool ends_unescaped(str s, char c)
{
    if (s.len == 0 || s.ptr[s.len - 1] != c) {
        return false;
    }
    size_t slashes = 0;
    while (slashes + 1 < s.len && s.ptr[s.len - 2 - slashes] == '\\') {
        slashes++;
    }
    return slashes % 2 == 0;
}

// Takes ^ and $ (the expression is anchored anyway) and one pair of plain parentheses off.
static str shape_body(str pattern, bool *outer_group)
{
    str body = pattern;
    *outer_group = false;
    if (body.len > 0 && body.ptr[0] == '^') {
        body = str_sub(body, 1, body.len);
    }
    if (ends_unescaped(body, '$')) {
        body = str_sub(body, 0, body.len - 1);
    }
    if (body.len >= 2 && body.ptr[0] == '(' && ends_unescaped(body, ')')) {
        if (str_starts(body, STR("(?:"))) {
            body = str_sub(body, 3, body.len - 1);
        } else if (body.ptr[1] != '?') {
            *outer_group = true;
            body = str_sub(body, 1, body.len - 1);
        }
    }
    return body;
}

static int str_order(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

static void alts_sort(struct re *re)
{
    qsort(re->alts, re->alt_count, sizeof(re->alts[0]), str_order);
    u32 kept = 0;
    for (u32 i = 0; i < re->alt_count; i++) {
        if (kept == 0 || !str_eq(re->alts[kept - 1], re->alts[i])) {
            re->alts[kept++] = re->alts[i];
        }
    }
    re->alt_count = kept;
}

// a|b|c of literals. The unescaped bytes go to `bytes`, which has room for the whole body.
static bool shape_alts(struct re *re, str body, char *bytes)
{
    u32 count = 1;
    for (size_t i = 0; i < body.len; i++) {
        count += body.ptr[i] == '|';
    }
    str *alts = MEM_NEW_N(str, count);
    u32 n = 0;
    char *to = bytes;
    char *from = bytes;
    size_t at = 0;
    str piece;
    for (;;) {
        if (re_scan_literal(body, &at, &piece)) {
            memcpy(to, piece.ptr, piece.len);
            to += piece.len;
            continue;
        }
        if (at < body.len && body.ptr[at] != '|') {
            mem_free(alts);
            return false;
        }
        alts[n++] = (str){from, (size_t)(to - from)};
        from = to;
        if (at >= body.len) {
            break;
        }
        at++;
    }
    re->kind = RE_KIND_ALTS;
    re->alts = alts;
    re->alt_count = n;
    alts_sort(re);
    if (re->alt_count == 1) {
        re->prefix = re->alts[0];
    }
    return true;
}

static enum re_gap gap_take(str body, size_t *at)
{
    const str rest = str_sub(body, *at, body.len);
    if (str_starts(rest, STR(".*"))) {
        *at += 2;
        return RE_GAP_ANY;
    }
    if (str_starts(rest, STR(".+"))) {
        *at += 2;
        return RE_GAP_SOME;
    }
    return RE_GAP_NONE;
}

// foo.*, .*foo, .*foo.+, .* and the like.
static bool shape_infix(struct re *re, str body, char *bytes)
{
    size_t at = 0;
    const enum re_gap front = gap_take(body, &at);
    char *to = bytes;
    str piece;
    while (re_scan_literal(body, &at, &piece)) {
        memcpy(to, piece.ptr, piece.len);
        to += piece.len;
    }
    const enum re_gap back = gap_take(body, &at);
    const bool empty = to == bytes;
    // .+.+ counts characters, which bytes cannot.
    if (at != body.len || (empty && front == RE_GAP_SOME && back == RE_GAP_SOME)) {
        return false;
    }
    // A quantifier after a quantifier (a.*+) never gets here: '+' is no literal.
    re->kind = RE_KIND_INFIX;
    re->front = front;
    re->back = back;
    re->literal = (str){bytes, (size_t)(to - bytes)};
    if (front == RE_GAP_NONE) {
        re->prefix = re->literal;
    }
    return true;
}

// bytes has room for twice the pattern: one copy of it, one of the literals in it.
static void shape_find(struct re *re)
{
    char *literals = re->bytes + re->pattern.len;
    bool outer_group;
    const str body = shape_body(re->pattern, &outer_group);
    if (shape_alts(re, body, literals) || shape_infix(re, body, literals)) {
        re->outer_group = outer_group;
        return;
    }
    struct buf prefix;
    buf_init(&prefix, re->pattern.len + 1);
    re_scan_prefix(re->pattern, &prefix);
    if (prefix.len > 0) {
        memcpy(literals, prefix.bytes, prefix.len);
        re->prefix = (str){literals, prefix.len};
    }
    buf_fini(&prefix);
}

// ---- making ------------------------------------------------------------------------------------

static struct re *re_make(str pattern, bool partial, struct error *e)
{
    struct buf spelt;
    buf_init(&spelt, 2 * RE_PATTERN_BYTES_MAX + 16);
    struct re *re = NULL;
    if (!re_scan(pattern, &spelt, e)) {
        goto out;
    }
    re = MEM_NEW(struct re);
    re->partial = partial;
    re->bytes = MEM_NEW_N(char, 2 * pattern.len + 1);
    if (pattern.len > 0) {
        memcpy(re->bytes, pattern.ptr, pattern.len);
    }
    re->pattern = (str){re->bytes, pattern.len};
    if (!partial) {
        shape_find(re);
    }
    if (re->kind == RE_KIND_PROG) {
        char why[256] = "";
        re->prog =
            re_prog_new(buf_get(&spelt), (struct re_prog_opts){.dot_matches_newline = !partial},
                        why, sizeof(why));
        if (!re->prog) {
            (void)err_set(e, ERR_INVALID, "error parsing regexp: %s", why);
            re_free(re);
            re = NULL;
        }
    }
out:
    buf_fini(&spelt);
    return re;
}

struct re *re_new(str pattern, struct error *e)
{
    return re_make(pattern, false, e);
}

struct re *re_new_partial(str pattern, struct error *e)
{
    return re_make(pattern, true, e);
}

void re_free(struct re *re)
{
    if (!re) {
        return;
    }
    re_prog_free(re->prog);
    mem_free(re->alts);
    mem_free(re->bytes);
    mem_free(re);
}

str re_pattern(const struct re *re)
{
    return re->pattern;
}

// ---- matching ----------------------------------------------------------------------------------

static bool alts_match(const struct re *re, str text)
{
    u32 low = 0;
    u32 high = re->alt_count;
    while (low < high) {
        const u32 middle = low + (high - low) / 2;
        const int order = str_cmp(re->alts[middle], text);
        if (order == 0) {
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

static bool infix_match(const struct re *re, str text)
{
    const size_t front = re->front == RE_GAP_SOME;
    const size_t back = re->back == RE_GAP_SOME;
    if (text.len < re->literal.len + front + back) {
        return false;
    }
    if (re->front == RE_GAP_NONE && re->back == RE_GAP_NONE) {
        return str_eq(text, re->literal);
    }
    if (re->front == RE_GAP_NONE) {
        return str_starts(text, re->literal);
    }
    if (re->back == RE_GAP_NONE) {
        return str_ends(text, re->literal);
    }
    return str_contains(str_sub(text, front, text.len - back), re->literal);
}

bool re_match(const struct re *re, str text)
{
    switch (re->kind) {
    case RE_KIND_ALTS:
        return alts_match(re, text);
    case RE_KIND_INFIX:
        return infix_match(re, text);
    case RE_KIND_PROG:
        break;
    }
    return re->partial ? re_prog_find(re->prog, text, 0, NULL, 0)
                       : re_prog_match(re->prog, text, NULL, 0);
}

u32 re_group_count(const struct re *re)
{
    return re->prog ? re_prog_group_count(re->prog) : 1U + re->outer_group;
}

u32 re_group_named(const struct re *re, str name)
{
    return re->prog ? re_prog_group_named(re->prog, name) : 0;
}

bool re_match_groups(const struct re *re, str text, str *groups, u32 max, u32 *n)
{
    const u32 count = MIN(max, re_group_count(re));
    if (re->prog) {
        const bool found = re->partial ? re_prog_find(re->prog, text, 0, groups, count)
                                       : re_prog_match(re->prog, text, groups, count);
        *n = found ? count : 0;
        return found;
    }
    if (!re_match(re, text)) {
        *n = 0;
        return false;
    }
    for (u32 i = 0; i < count; i++) { // The whole, and the outer group that is the whole.
        groups[i] = text;
    }
    *n = count;
    return true;
}

// ---- templates ---------------------------------------------------------------------------------

static bool is_word_at(str s, size_t at, size_t *end)
{
    const char c = s.ptr[at];
    *end = at + 1;
    if ((u8)c < 0x80) {
        return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
               (c >= 'A' && c <= 'Z');
    }
    u32 code_point;
    *end = at;
    return utf8_next(s, end, &code_point) && re_rune_is_word((str){s.ptr + at, *end - at});
}

// The name after a '$', with or without braces; false if it is malformed.
static bool name_take(str template, size_t *at, str *name)
{
    size_t from = *at;
    const bool braced = from < template.len && template.ptr[from] == '{';
    from += braced;
    size_t to = from;
    size_t next;
    while (to < template.len && is_word_at(template, to, &next)) {
        to = next;
    }
    if (to == from || (braced && (to >= template.len || template.ptr[to] != '}'))) {
        return false;
    }
    *name = str_sub(template, from, to);
    *at = to + braced;
    return true;
}

// A group's number, or 0 with false if name is a name: a leading zero makes it one.
static bool name_is_number(str name, u32 *number)
{
    u64 v;
    if (name.len > 9 || (name.len > 1 && name.ptr[0] == '0') || !parse_u64(name, &v)) {
        return false;
    }
    *number = (u32)v;
    return true;
}

static void expand_name(const struct re *re, str name, const str *groups, u32 n, struct buf *out)
{
    u32 group;
    if (!name_is_number(name, &group)) {
        group = re_group_named(re, name);
        if (group == 0) {
            return;
        }
    }
    if (group < n) {
        buf_str(out, groups[group]);
    }
}

void re_expand(const struct re *re, str template, const str *groups, u32 n, struct buf *out)
{
    size_t at = 0;
    while (at < template.len) {
        const str rest = str_sub(template, at, template.len);
        const size_t dollar = str_find(rest, '$');
        if (dollar == STR_NONE) {
            buf_str(out, rest);
            return;
        }
        buf_str(out, str_sub(rest, 0, dollar));
        at += dollar + 1;
        str name;
        if (at < template.len && template.ptr[at] == '$') {
            buf_byte(out, '$');
            at++;
        } else if (name_take(template, &at, &name)) {
            expand_name(re, name, groups, n, out);
        } else {
            buf_byte(out, '$');
        }
    }
}

static bool find_from(const struct re *re, str text, size_t from, str *groups, u32 n)
{
    if (re->prog) {
        return re_prog_find(re->prog, text, from, groups, n);
    }
    // An anchored shortcut can match only as the whole.
    u32 filled;
    return from == 0 && re_match_groups(re, text, groups, n, &filled);
}

void re_replace_all(const struct re *re, str text, str template, struct buf *out)
{
    const u32 n = re_group_count(re);
    str *groups = MEM_NEW_N(str, n);
    const str t = text.ptr ? text : (str){"", 0};
    size_t copied = 0; // What is in out already, as a place in text.
    size_t from = 0;
    while (from <= t.len && buf_ok(out) && find_from(re, t, from, groups, n)) {
        const size_t start = (size_t)(groups[0].ptr - t.ptr);
        const size_t end = start + groups[0].len;
        buf_str(out, str_sub(t, copied, start));
        // An empty match right behind another match is not one.
        if (end > copied || start == 0) {
            re_expand(re, template, groups, n, out);
        }
        copied = end;
        size_t next = from;
        u32 code_point;
        if (next < t.len) {
            (void)utf8_next(t, &next, &code_point);
        } else {
            next++;
        }
        from = MAX(next, end);
    }
    buf_str(out, str_sub(t, copied, t.len));
    mem_free(groups);
}

// ---- facts -------------------------------------------------------------------------------------

bool re_literal(const struct re *re, str *literal)
{
    if (re->kind != RE_KIND_ALTS || re->alt_count != 1) {
        return false;
    }
    *literal = re->alts[0];
    return true;
}

bool re_alternatives(const struct re *re, const str **alts, u32 *n)
{
    if (re->kind != RE_KIND_ALTS) {
        return false;
    }
    *alts = re->alts;
    *n = re->alt_count;
    return true;
}

bool re_prefix(const struct re *re, str *prefix)
{
    if (re->partial || re->prefix.len == 0) {
        return false;
    }
    *prefix = re->prefix;
    return true;
}

bool re_matches_all(const struct re *re)
{
    return re->kind == RE_KIND_INFIX && re->literal.len == 0 && re->front != RE_GAP_SOME &&
           re->back != RE_GAP_SOME && (re->front == RE_GAP_ANY || re->back == RE_GAP_ANY);
}
