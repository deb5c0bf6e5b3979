// b64.h: base64 (RFC 4648, section 4): the standard alphabet, with padding, nothing else.
//
// O(n). Grows only the caller's buffer, up to its maximum.
#ifndef WIRE_B64_H
#define WIRE_B64_H

#include "base/base.h"

struct buf;
struct error;

void b64_encode(str bytes, struct buf *out); // Ask buf_ok of out.

// Appends the decoded bytes. Refuses white space, other alphabets, missing padding and bits that a
// canonical text leaves zero, so that one value has one spelling. Out is untouched on failure.
bool b64_decode(str text, struct buf *out, struct error *e) MUST_USE;

#endif
