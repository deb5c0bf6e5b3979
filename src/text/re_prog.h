// re_prog.h: the door to RE2: compile and match, nothing else. re.h is what everyone else uses.
//
// C++ stays inside re2.cc: no exception and no C++ type crosses. Matching is linear in the text.
// Memory: a program and its match cache hold at most RE_PROG_BYTES_MAX.
// Threads: a program is frozen once made; any number of threads may match with it.
#ifndef TEXT_RE_PROG_H
#define TEXT_RE_PROG_H

#include "base/base.h"

#ifdef __cplusplus
extern "C" {
#endif

// About 43,000 instructions (700 KiB); the rest is for the cache of match states.
#define RE_PROG_BYTES_MAX (4 << 20)

struct re_prog;

struct re_prog_opts {
    bool dot_matches_newline;
};

// NULL when RE2 refuses; why (why_max bytes, NUL-terminated) then holds the reason.
struct re_prog *re_prog_new(str pattern, struct re_prog_opts opts, char *why, size_t why_max);
void re_prog_free(struct re_prog *p); // Accepts NULL.

// How many groups a match fills: the whole match and every capturing group.
u32 re_prog_group_count(const struct re_prog *p);
u32 re_prog_group_named(const struct re_prog *p, str name); // 0 if there is none.

// The whole of text must match. groups may be NULL; a group that took no part has a NULL ptr.
bool re_prog_match(const struct re_prog *p, str text, str *groups, u32 group_count);
// The leftmost match at or after from.
bool re_prog_find(const struct re_prog *p, str text, size_t from, str *groups, u32 group_count);

// One UTF-8 rune: a letter or decimal digit of any script; what a group's name in a template is
// made of.
bool re_rune_is_word(str rune);

#ifdef __cplusplus
}
#endif

#endif
