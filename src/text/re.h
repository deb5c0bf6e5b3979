// re.h: regular expressions in RE2's syntax with linear-time matching; what cheap shortcuts know
// about one is told to whoever can use it (the index, matchers).
//
// re_new makes a fully anchored expression in which the dot matches a newline (label matchers,
// relabelling); re_new_partial one that finds matches anywhere (templates' reReplaceAll). Case
// counts unless the expression says (?i).
// Cost: re_match of a literal, a list of literals, a prefix, a suffix, an infix or .* never enters
// RE2: O(length), or O(length × log alternatives); else O(length) through a cached automaton.
// Memory: pattern at most RE_PATTERN_BYTES_MAX; program and cache at most RE_PROG_BYTES_MAX.
// Invariants:
//   (I1) A shortcut answers as RE2 would on every valid UTF-8 text (re_fuzz.c compares them).
//   (I2) Either a shortcut decides every match, or there is a program.
// Threads: frozen once made.
#ifndef TEXT_RE_H
#define TEXT_RE_H

#include "base/base.h"

struct buf;
struct error;
struct re;

#define RE_PATTERN_BYTES_MAX (256 << 10)
#define RE_NESTING_MAX       1000

// NULL with ERR_INVALID and the reason in Go's words, or ERR_LIMIT.
struct re *re_new(str pattern, struct error *e);
struct re *re_new_partial(str pattern, struct error *e);
void re_free(struct re *re); // Accepts NULL.

str re_pattern(const struct re *re);          // As it was given; borrowed.
bool re_match(const struct re *re, str text); // A partial one: is there a match anywhere.

// Groups: [0] is the whole match, then each capturing group; one that took no part is empty.
// *n is how many of max were filled.
u32 re_group_count(const struct re *re);
u32 re_group_named(const struct re *re, str name); // 0 if there is none.
bool re_match_groups(const struct re *re, str text, str *groups, u32 max, u32 *n);

// Appends template with $1, ${1}, $name, ${name} and $$ replaced as Go's Regexp.Expand does: an
// unknown or unmatched group gives nothing, a malformed $ stands for itself.
void re_expand(const struct re *re, str template, const str *groups, u32 n, struct buf *out);
// Appends text with each match replaced by the expanded template, as Go's ReplaceAllString does.
void re_replace_all(const struct re *re, str text, str template, struct buf *out);

// Facts about an anchored expression; false when not known to hold. What they yield is borrowed.
bool re_literal(const struct re *re, str *literal);                  // Matches exactly this.
bool re_alternatives(const struct re *re, const str **alts, u32 *n); // Exactly these; sorted.
bool re_prefix(const struct re *re, str *prefix);                    // Every match begins so.
bool re_matches_all(const struct re *re);

#endif
