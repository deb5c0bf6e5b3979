// fold.h: upper and lower case of UTF-8 text, rune by rune, in no language.
#ifndef TEXT_FOLD_H
#define TEXT_FOLD_H

#include "base/base.h"

struct buf;

// Append s with each letter mapped; a byte that is not UTF-8 becomes U+FFFD. O(length).
// Threads: any.
void fold_lower(struct buf *out, str s);
void fold_upper(struct buf *out, str s);

#endif
