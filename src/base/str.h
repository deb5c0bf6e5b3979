// str.h: questions about and cuts of borrowed byte runs. Nothing allocates. Bytes, not characters.
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/base.h"

static inline str str_make(const char *ptr, size_t len)
{
    return (str){ptr, len};
}
str str_c(const char *cstr); // NULL gives the empty str.

bool str_eq(str a, str b);
bool str_eq_c(str a, const char *b);
// Do they stand at the same place? Then they are equal; equal ones may stand elsewhere, too.
static inline bool str_same(str a, str b)
{
    return a.ptr == b.ptr && a.len == b.len;
}
bool str_eq_nocase(str a, str b); // ASCII only.
int str_cmp(str a, str b);        // Bytewise, shorter first on a tie.
bool str_starts(str s, str prefix);
bool str_ends(str s, str suffix);
bool str_contains(str s, str needle);

#define STR_NONE SIZE_MAX
size_t str_find(str s, char c);      // Index or STR_NONE.
size_t str_find_last(str s, char c); // Index or STR_NONE.
size_t str_find_str(str s, str needle);

str str_sub(str s, size_t from, size_t to); // Clamped to s.
str str_trim(str s);                        // ASCII white space at both ends.
// Cuts off and returns what stands before the first sep; *rest is what follows (empty if none).
// Returns false when *rest is exhausted (ptr NULL). "" yields one empty piece, STR_EMPTY none.
bool str_split_next(str *rest, char sep, str *piece);

// Edit distance (insert, delete, change, swap neighbours), at most max + 1; for "did you mean".
// O(len²) on len ≤ 64, else max + 1.
u32 str_distance(str a, str b, u32 max);
// The nearest of names (distance ≤ 1/3 of the length, at least 1), or the empty str.
str str_nearest(str wanted, const str *names, size_t count);

bool parse_u64(str s, u64 *out); // Decimal digits only, whole string, no overflow.
bool parse_i64(str s, i64 *out);

#endif
