// num.h: numbers to text and back, through std::to_chars / std::from_chars (shortest round trip).
//
// C++ stays inside num.cc: no exception and no C++ type crosses. Nothing allocates.
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include "base/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define NUM_TEXT_MAX 384 // Enough for any double in plain notation, and with 64 places after it.

// Each writes at most NUM_TEXT_MAX bytes (no NUL) and returns how many. NaN, +Inf and -Inf are
// spelt so; a NaN has no sign. An exponent has at least two digits, as Go prints it.
//
// PromQL's JSON samples: plain notation for 1e-6 ≤ |v| < 1e21 and 0, else d.ddde-07 (upstream's
// answers keep the zero: seen on a real server).
size_t num_json(char *out, f64 v);
// Go's 'g' with shortest precision, as the text exposition and %v print: 1e+06, 1e-05; exponent
// form when exp < -4 || exp >= 6 (yes, 6: 123456 and 1.234567e+06).
size_t num_go(char *out, f64 v);
// Go's strconv 'f' with shortest precision (count_values, labels): never an exponent.
size_t num_plain(char *out, f64 v);
// Go's 'e' with shortest precision as /api/v1/alerts prints values: 1e+00.
size_t num_exp(char *out, f64 v);
// Go's %.*g, %.*f, %.*e: verb is one of these letters, 0 ≤ precision ≤ 64.
size_t num_fixed(char *out, f64 v, char verb, int precision);

// Parses the whole of s as Go's strconv.ParseFloat(s, 64): decimal, exponent, hex float (0x1p-2;
// the p must be there), inf/infinity with sign and nan without one, in any case. Underscores, which
// Go takes, are refused. Too large gives ±Inf, too small ±0, both with true. On false, out is
// untouched.
bool num_parse(str s, f64 *out) MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
