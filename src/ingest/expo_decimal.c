// expo_decimal.c: see expo_decimal.h.
#include "ingest/expo_decimal.h"

#include "base/bits.h"

#define DIGITS_MAX 18 // Fit 64 bits.
#define WHOLE_MAX  ((u64)1 << 53)
#define POWER_MAX  22
#define READ_MAX   64 // A sign, twice 24 digits, a point, an exponent.

static const f64 powers[POWER_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                          1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                          1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static const u64 tens[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

// Eight digits, the first in the lowest byte: neighbours are joined to pairs, fours and eights.
static inline u64 eight_digits(u64 digits)
{
    const u64 pairs = digits * 10 + (digits >> 8);
    const u64 mask = 0x000000FF000000FFU;
    return ((pairs & mask) * (100 + (1000000ULL << 32)) +
            (pairs >> 16 & mask) * (1 + (10000ULL << 32))) >>
           32;
}

// The digits that the eight bytes at `at` begin with, onto *v. Returns how many.
static inline u32 digits_of_eight(const char *at, u64 *v)
{
    const u64 digits = load_le64(at) ^ 0x3030303030303030U;
    // A byte above nine reaches its top bit, or has it; what it carries touches only later ones.
    const u64 others = ((digits + 0x7676767676767676U) | digits) & 0x8080808080808080U;
    const u32 n = others ? (u32)__builtin_ctzll(others) / 8 : 8;
    if (n > 0) {
        *v = *v * tens[n] + eight_digits(digits << (64 - 8 * n));
    }
    return n;
}

// Digits onto *v, which wraps behind DIGITS_MAX of them. Returns how many, up to 24.
static inline u32 digits_read(const char *at, u64 *v)
{
    u32 n = digits_of_eight(at, v);
    if (n == 8) {
        n += digits_of_eight(at + 8, v);
    }
    return n == 16 ? n + digits_of_eight(at + 16, v) : n;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// e+09 and the like: *power grows by it. NULL: there is no digit, or too many.
static const char *exponent_read(const char *at, int *power)
{
    int v = 0;
    const bool negative = *at == '-';
    at += *at == '-' || *at == '+';
    const char *stop = at;
    while (is_digit(*stop) && stop - at <= 3) {
        v = v * 10 + (*stop++ - '0');
    }
    if (stop == at || stop - at > 3) {
        return NULL;
    }
    *power += negative ? -v : v;
    return stop;
}

// Looks at less than READ_MAX bytes.
static inline const char *number_read(const char *at, f64 *out)
{
    const bool negative = *at == '-';
    at += negative;
    u64 whole = 0;
    int power = 0;
    u32 digits = digits_read(at, &whole);
    if (digits == 0) {
        return NULL;
    }
    at += digits;
    if (*at == '.') {
        const u32 after = digits_read(at + 1, &whole);
        if (after == 0) {
            return NULL;
        }
        at += 1 + after;
        digits += after;
        power = -(int)after;
    }
    if (*at == 'e' || *at == 'E') {
        at = exponent_read(at + 1, &power);
    }
    if (!at || digits > DIGITS_MAX || whole > WHOLE_MAX) {
        return NULL;
    }
    f64 v = (f64)whole;
    if (power != 0) {
        if (power > POWER_MAX || power < -POWER_MAX) {
            return NULL;
        }
        v = power < 0 ? v / powers[-power] : v * powers[power];
    }
    *out = negative ? -v : v;
    return at;
}

// Near the end of the page its last bytes are read where zeroes follow them.
static __attribute__((noinline)) const char *tail_read(const char *at, const char *end, f64 *out)
{
    char tail[READ_MAX] = {0};
    memcpy(tail, at, (size_t)(end - at));
    const char *stop = number_read(tail, out);
    return stop ? at + (stop - tail) : NULL;
}

const char *decimal_read(const char *at, const char *end, f64 *out)
{
    return end - at < READ_MAX ? tail_read(at, end, out) : number_read(at, out);
}
