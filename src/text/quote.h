// quote.h: text in double quotes with escapes, as Go's strconv.Quote and %q write it, so that
// labels and matchers read the same everywhere.
#ifndef TEXT_QUOTE_H
#define TEXT_QUOTE_H

#include "base/base.h"

struct buf;

// "…" with \a \b \f \n \r \t \v \\ \" for what has them, \x7f for other control bytes, \u00ad for
// what is not printable, \xff for bytes that are not UTF-8. O(length).
void quote_go(struct buf *out, str s);
// A letter, mark, number, punctuation or symbol of any script, or the plain space.
bool rune_is_printable(u32 code_point);

#endif
