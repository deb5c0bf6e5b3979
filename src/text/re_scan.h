// re_scan.h: one pass over a pattern before RE2 sees it: Go's spellings, bounds and shape.
//
// Knows just enough of the syntax (escapes, \Q…\E, classes, groups) to tell what stands where.
// O(length), no recursion. Threads: owned.
#ifndef TEXT_RE_SCAN_H
#define TEXT_RE_SCAN_H

#include "base/base.h"

struct buf;
struct error;

// Checks length, UTF-8, nesting and what Go refuses though RE2 takes it (\C), and writes the
// pattern to out with (?<name> spelt (?P<name>.
bool re_scan(str pattern, struct buf *out, struct error *e) MUST_USE;

// The literal every match begins with; appended to out, empty if none is certain.
void re_scan_prefix(str pattern, struct buf *out);

// Moves *at over one literal character (plain, or an escaped punctuation mark) of the pattern and
// gives its bytes; false if what stands there is syntax.
bool re_scan_literal(str pattern, size_t *at, str *bytes);

#endif
