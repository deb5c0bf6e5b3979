// expo_decimal.h: short decimal numbers, which is what most lines of a page end in.
//
// Private to ingest. What num_parse gives for the same text, bit for bit: up to 2^53 times or by a
// power of ten that is a double itself is rounded once, hence rightly.
#ifndef INGEST_EXPO_DECIMAL_H
#define INGEST_EXPO_DECIMAL_H

#include "base/base.h"

// Reads a number at the start of [at, end): digits, maybe a sign before them, a fraction, an
// exponent. Gives what stands behind it; NULL if num_parse has to look at it. O(digits).
const char *decimal_read(const char *at, const char *end, f64 *out);

#endif
