// num.cc: the one C++ file of this folder; see num.h. Nothing here throws or allocates: to_chars
// and from_chars are noexcept in practice and the file is built without exceptions.
#include "base/num.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace {

// The shortest digits that give v back: d[0].d[1]d[2]… × 10^exp.
struct digits {
    char d[17];
    int count;
    int exp;
};

// to_chars writes the exponent in two digits or three, and no point where there is one digit.
digits shortest(f64 abs)
{
    char text[32];
    auto end = std::to_chars(text, text + sizeof(text), abs, std::chars_format::scientific).ptr;
    const char *e = end[-4] == 'e' ? end - 4 : end - 5;
    digits r = {};
    r.d[0] = text[0];
    r.count = 1;
    if (e - text > 2) {
        r.count = static_cast<int>(e - text) - 1;
        memcpy(r.d + 1, text + 2, static_cast<size_t>(r.count) - 1);
    }
    for (const char *at = e + 2; at < end; at++) {
        r.exp = r.exp * 10 + (*at - '0');
    }
    r.exp = e[1] == '-' ? -r.exp : r.exp;
    return r;
}

char *put_zeroes(char *at, int count)
{
    if (count > 0) {
        memset(at, '0', static_cast<size_t>(count));
        at += count;
    }
    return at;
}

char *put_digits(char *at, const digits &v, int from, int to)
{
    if (to > from) {
        memcpy(at, v.d + from, static_cast<size_t>(to - from));
        at += to - from;
    }
    return at;
}

char *put_plain(char *at, const digits &v)
{
    if (v.exp < 0) {
        *at++ = '0';
        *at++ = '.';
        at = put_zeroes(at, -v.exp - 1);
        return put_digits(at, v, 0, v.count);
    }
    int whole = v.exp + 1;
    if (whole >= v.count) {
        at = put_digits(at, v, 0, v.count);
        return put_zeroes(at, whole - v.count);
    }
    at = put_digits(at, v, 0, whole);
    *at++ = '.';
    return put_digits(at, v, whole, v.count);
}

char *put_exp(char *at, const digits &v)
{
    *at++ = v.d[0];
    if (v.count > 1) {
        *at++ = '.';
        at = put_digits(at, v, 1, v.count);
    }
    *at++ = 'e';
    *at++ = v.exp < 0 ? '-' : '+';
    int exp = std::abs(v.exp);
    if (exp < 10) {
        *at++ = '0';
    }
    return std::to_chars(at, at + 4, exp).ptr;
}

// NaN and the infinities, or 0 bytes for a finite v.
size_t put_special(char *out, f64 v)
{
    const char *text = nullptr;
    if (std::isnan(v)) {
        text = "NaN";
    } else if (std::isinf(v)) {
        text = v > 0 ? "+Inf" : "-Inf";
    }
    if (!text) {
        return 0;
    }
    size_t len = strlen(text);
    memcpy(out, text, len);
    return len;
}

// Exponents below exp_min or from exp_end on get exponent form.
size_t put(char *out, f64 v, int exp_min, int exp_end)
{
    size_t special = put_special(out, v);
    if (special > 0) {
        return special;
    }
    char *at = out;
    if (std::signbit(v)) {
        *at++ = '-';
    }
    f64 abs = std::fabs(v);
    if (exp_min <= 0 && exp_end > 15 && abs < 1e15 && abs == std::trunc(abs)) {
        // Counters: a whole number this small is its own shortest text.
        return static_cast<size_t>(std::to_chars(at, at + 16, static_cast<u64>(abs)).ptr - out);
    }
    digits d = shortest(abs);
    at = d.exp < exp_min || d.exp >= exp_end ? put_exp(at, d) : put_plain(at, d);
    return static_cast<size_t>(at - out);
}

char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

// word is in lower case.
bool is_word(const char *at, const char *end, const char *word)
{
    for (; at < end && *word; at++, word++) {
        if (lower(*at) != *word) {
            return false;
        }
    }
    return at == end && !*word;
}

bool is_digit(char c, bool hex)
{
    return (c >= '0' && c <= '9') || (hex && lower(c) >= 'a' && lower(c) <= 'f');
}

// What the text of a number looks like, found in one walk.
struct shape {
    long long point_exp; // Power of the base right of the first non-zero digit; only if nonzero.
    long long exp;       // The written exponent, clamped.
    bool nonzero;
};

// Checks [at, end) against digits [. digits] [e [±] digits]; hex has p, which must be there.
bool shape_of(const char *at, const char *end, bool hex, shape *out)
{
    *out = {};
    bool digits_seen = false;
    bool point_seen = false;
    for (; at < end; at++) {
        if (*at == '.') {
            if (point_seen) {
                return false;
            }
            point_seen = true;
        } else if (is_digit(*at, hex)) {
            digits_seen = true;
            bool first = !out->nonzero && *at != '0';
            out->nonzero = out->nonzero || first;
            if (out->nonzero && !point_seen) {
                out->point_exp++;
            } else if (!out->nonzero && point_seen) {
                out->point_exp--;
            }
        } else {
            break;
        }
    }
    if (!digits_seen) {
        return false;
    }
    if (at == end) {
        return !hex;
    }
    if (lower(*at++) != (hex ? 'p' : 'e')) {
        return false;
    }
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) {
        at++;
    }
    if (at == end) {
        return false;
    }
    for (; at < end; at++) {
        if (!is_digit(*at, false)) {
            return false;
        }
        if (out->exp < 1000000000000LL) {
            out->exp = out->exp * 10 + (*at - '0');
        }
    }
    out->exp = negative ? -out->exp : out->exp;
    return true;
}

// Most samples: at most fifteen digits with or without a point. Both the digits and the power of
// ten are then exact doubles, so one division rounds once and the answer is the right one.
bool parse_short(const char *at, const char *end, f64 *out)
{
    static const f64 powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    if (end - at > 16) {
        return false;
    }
    u64 digits = 0;
    int count = 0;
    int point = -1; // Digits before it.
    for (; at < end; at++) {
        if (*at >= '0' && *at <= '9') {
            digits = digits * 10 + static_cast<u64>(*at - '0');
            count++;
        } else if (*at == '.' && point < 0) {
            point = count;
        } else {
            return false;
        }
    }
    if (count == 0 || count > 15) {
        return false;
    }
    *out = static_cast<f64>(digits) / powers[point < 0 ? 0 : count - point];
    return true;
}

// The magnitude of a text without sign; false if it is none.
bool parse_abs(const char *at, const char *end, f64 *out)
{
    if (parse_short(at, end, out)) {
        return true;
    }
    bool hex = end - at > 2 && at[0] == '0' && lower(at[1]) == 'x';
    if (hex) {
        at += 2;
    }
    shape seen;
    if (!shape_of(at, end, hex, &seen)) {
        return false;
    }
    if (!seen.nonzero) {
        *out = 0;
        return true;
    }
    f64 v = 0;
    auto format = hex ? std::chars_format::hex : std::chars_format::general;
    auto result = std::from_chars(at, end, v, format);
    if (result.ec == std::errc::result_out_of_range) {
        long long magnitude = seen.exp + seen.point_exp * (hex ? 4 : 1);
        *out = magnitude > 0 ? std::numeric_limits<f64>::infinity() : 0;
        return true;
    }
    if (result.ec != std::errc() || result.ptr != end) {
        return false;
    }
    *out = v;
    return true;
}

} // namespace

size_t num_json(char *out, f64 v)
{
    return put(out, v, -6, 21);
}

size_t num_go(char *out, f64 v)
{
    return put(out, v, -4, 6);
}

size_t num_plain(char *out, f64 v)
{
    return put(out, v, std::numeric_limits<int>::min(), std::numeric_limits<int>::max());
}

size_t num_exp(char *out, f64 v)
{
    return put(out, v, std::numeric_limits<int>::max(), std::numeric_limits<int>::max());
}

size_t num_fixed(char *out, f64 v, char verb, int precision)
{
    CHECK(precision >= 0 && precision <= 64);
    CHECK(verb == 'e' || verb == 'f' || verb == 'g');
    size_t special = put_special(out, v);
    if (special > 0) {
        return special;
    }
    auto format = verb == 'e'   ? std::chars_format::scientific
                  : verb == 'f' ? std::chars_format::fixed
                                : std::chars_format::general;
    auto result = std::to_chars(out, out + NUM_TEXT_MAX, v, format, precision);
    CHECK(result.ec == std::errc());
    return static_cast<size_t>(result.ptr - out);
}

bool num_parse(str s, f64 *out)
{
    if (s.len == 0) {
        return false;
    }
    const char *at = s.ptr;
    const char *end = s.ptr + s.len;
    if (is_word(at, end, "nan")) {
        *out = std::numeric_limits<f64>::quiet_NaN();
        return true;
    }
    bool negative = *at == '-';
    if (*at == '-' || *at == '+') {
        at++;
    }
    f64 v = 0;
    if (is_word(at, end, "inf") || is_word(at, end, "infinity")) {
        v = std::numeric_limits<f64>::infinity();
    } else if (!parse_abs(at, end, &v)) {
        return false;
    }
    *out = negative ? -v : v;
    return true;
}
