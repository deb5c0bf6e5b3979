// tmk_number.c: doubles as the exposition formats spell them, with libc alone.
//
// Any decimal number of at most 15 digits survives the way through a double, so %.15g prints it as
// a human would; 16 and 17 digits follow for the rest. libc writes the locale's decimal separator,
// which may be a comma or several bytes: whatever is not part of a number becomes a point.
#include "client/tmk_inner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t number_copy(const char *word, char *out)
{
    size_t n = strlen(word);
    memcpy(out, word, n + 1);
    return n;
}

static bool number_part(char c)
{
    return (c >= '0' && c <= '9') || c == 'e' || c == '+' || c == '-';
}

size_t tmk_number_unlocalise(char *s)
{
    size_t n = 0;
    bool point = false;
    for (const char *p = s; *p; p++) {
        if (number_part(*p)) {
            s[n++] = *p;
        } else if (!point) {
            s[n++] = '.';
            point = true;
        }
    }
    s[n] = '\0';
    return n;
}

size_t tmk_number_format(double v, char out[TMK_NUMBER_BYTES_MAX])
{
    if (isnan(v)) {
        return number_copy("NaN", out);
    }
    if (isinf(v)) {
        return number_copy(v > 0 ? "+Inf" : "-Inf", out);
    }
    // Denormals have fewer than 15 good digits: %.15g would print noise.
    bool denormal = v != 0 && fabs(v) < 2.2250738585072014e-308;
    for (int digits = denormal ? 1 : 15; digits <= 17; digits++) {
        (void)snprintf(out, TMK_NUMBER_BYTES_MAX, "%.*g", digits, v);
        if (digits == 17 || strtod(out, NULL) == v) {
            break;
        }
    }
    return tmk_number_unlocalise(out);
}
