// str.c: see str.h.
#include "base/str.h"

#include "base/bits.h"
#include "base/checked.h"

str str_c(const char *cstr)
{
    return cstr ? (str){cstr, strlen(cstr)} : STR_EMPTY;
}

// Of 8 to 16 bytes: the first eight and the last, which may overlap.
static inline bool words_eq(const char *a, const char *b, size_t len)
{
    return ((load_le64(a) ^ load_le64(b)) | (load_le64(a + len - 8) ^ load_le64(b + len - 8))) == 0;
}

// Names and values are short mostly: a call for each takes longer than the look.
bool str_eq(str a, str b)
{
    if (a.len != b.len) {
        return false;
    }
    if (a.len >= 8 && a.len <= 16) {
        return words_eq(a.ptr, b.ptr, a.len);
    }
    if (a.len >= 4 && a.len < 8) {
        return ((load_le32(a.ptr) ^ load_le32(b.ptr)) |
                (load_le32(a.ptr + a.len - 4) ^ load_le32(b.ptr + a.len - 4))) == 0;
    }
    return a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0;
}

bool str_eq_c(str a, const char *b)
{
    return str_eq(a, str_c(b));
}

static char lower(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (char)(c + ('a' - 'A'));
    }
    return c;
}

bool str_eq_nocase(str a, str b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

int str_cmp(str a, str b)
{
    size_t common = MIN(a.len, b.len);
    int order = common ? memcmp(a.ptr, b.ptr, common) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool str_starts(str s, str prefix)
{
    return s.len >= prefix.len && str_eq((str){s.ptr, prefix.len}, prefix);
}

bool str_ends(str s, str suffix)
{
    return s.len >= suffix.len && str_eq(str_sub(s, s.len - suffix.len, s.len), suffix);
}

bool str_contains(str s, str needle)
{
    return str_find_str(s, needle) != STR_NONE;
}

size_t str_find(str s, char c)
{
    const char *at = s.len ? memchr(s.ptr, c, s.len) : NULL;
    return at ? (size_t)(at - s.ptr) : STR_NONE;
}

size_t str_find_last(str s, char c)
{
    const char *at = s.len ? memrchr(s.ptr, c, s.len) : NULL;
    return at ? (size_t)(at - s.ptr) : STR_NONE;
}

size_t str_find_str(str s, str needle)
{
    if (needle.len == 0) {
        return 0;
    }
    const char *at = s.len ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;
    return at ? (size_t)(at - s.ptr) : STR_NONE;
}

str str_sub(str s, size_t from, size_t to)
{
    to = MIN(to, s.len);
    from = MIN(from, to);
    return s.ptr ? (str){s.ptr + from, to - from} : STR_EMPTY;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

str str_trim(str s)
{
    size_t from = 0;
    size_t to = s.len;
    while (from < to && is_space(s.ptr[from])) {
        from++;
    }
    while (to > from && is_space(s.ptr[to - 1])) {
        to--;
    }
    return str_sub(s, from, to);
}

bool str_split_next(str *rest, char sep, str *piece)
{
    if (!rest->ptr) {
        return false;
    }
    size_t at = str_find(*rest, sep);
    if (at == STR_NONE) {
        *piece = *rest;
        *rest = STR_EMPTY;
        return true;
    }
    *piece = str_sub(*rest, 0, at);
    *rest = str_sub(*rest, at + 1, rest->len);
    return true;
}

#define DISTANCE_LEN_MAX 64

// The last three rows of the table of optimal string alignment: insert, delete, change, swap
// neighbours. Threads: owned by the caller's frame.
struct distance_rows {
    u32 before[DISTANCE_LEN_MAX + 1];
    u32 last[DISTANCE_LEN_MAX + 1];
    u32 now[DISTANCE_LEN_MAX + 1];
};

static void distance_row(struct distance_rows *r, str a, str b, size_t i)
{
    r->now[0] = (u32)i;
    for (size_t j = 1; j <= b.len; j++) {
        u32 change = r->last[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);
        u32 best = MIN(change, MIN(r->last[j], r->now[j - 1]) + 1);
        bool swapped =
            i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1];
        r->now[j] = swapped ? MIN(best, r->before[j - 2] + 1) : best;
    }
    memcpy(r->before, r->last, sizeof(r->last));
    memcpy(r->last, r->now, sizeof(r->now));
}

u32 str_distance(str a, str b, u32 max)
{
    u32 beyond = max == UINT32_MAX ? max : max + 1;
    if (a.len > DISTANCE_LEN_MAX || b.len > DISTANCE_LEN_MAX) {
        return beyond;
    }
    struct distance_rows r;
    for (u32 j = 0; j <= DISTANCE_LEN_MAX; j++) {
        r.last[j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        distance_row(&r, a, b, i);
    }
    return MIN(r.last[b.len], beyond);
}

str str_nearest(str wanted, const str *names, size_t count)
{
    u32 limit = (u32)MAX(MIN(wanted.len, DISTANCE_LEN_MAX) / 3, 1);
    str nearest = STR_EMPTY;
    for (size_t i = 0; i < count; i++) {
        u32 distance = str_distance(wanted, names[i], limit);
        if (distance <= limit) {
            nearest = names[i];
            if (distance == 0) {
                break;
            }
            limit = distance - 1; // Only a nearer one replaces it.
        }
    }
    return nearest;
}

bool parse_u64(str s, u64 *out)
{
    if (s.len == 0) {
        return false;
    }
    u64 v = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c < '0' || c > '9' || !mul_u64(v, 10, &v) || !add_u64(v, (u64)(c - '0'), &v)) {
            return false;
        }
    }
    *out = v;
    return true;
}

bool parse_i64(str s, i64 *out)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    u64 v = 0;
    if (!parse_u64(negative ? str_sub(s, 1, s.len) : s, &v)) {
        return false;
    }
    if (v > (u64)INT64_MAX + negative) {
        return false;
    }
    *out = negative ? (i64)(0 - v) : (i64)v;
    return true;
}
