// utf8.h: strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/base.h"

bool utf8_valid(str s);
// Decodes one code point at s[*pos] and moves *pos; false (and *pos + 1) on a bad byte.
bool utf8_next(str s, size_t *pos, u32 *code_point);
// Writes 1 to 4 bytes; returns how many, 0 if code_point is not a scalar value.
size_t utf8_put(char out[4], u32 code_point);

#endif
