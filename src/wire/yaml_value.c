// yaml_value.c: what scalars mean to Go's decoder, and lookups.

#include "base/num.h"
#include "base/str.h"
#include "wire/yaml.h"

const char *yaml_kind_text(const struct yaml_node *n)
{
    switch (n->kind) {
    case YAML_SCALAR:
        return n->quoted ? "a string" : "a scalar";
    case YAML_SEQ:
        return "a list";
    case YAML_MAP:
        return "a mapping";
    }
    CHECK(!"a node has one of three kinds");
}

const struct yaml_node *yaml_get(const struct yaml_node *map, str key)
{
    if (map->kind != YAML_MAP) {
        return NULL;
    }
    for (u32 i = 0; i < map->count; i++) {
        if (str_eq(map->keys[i].scalar, key)) {
            return &map->items[i];
        }
    }
    return NULL;
}

static bool is_one_of(str s, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq_c(s, words[i])) {
            return true;
        }
    }
    return false;
}

static bool is_plain(const struct yaml_node *n)
{
    return n->kind == YAML_SCALAR && !n->quoted;
}

bool yaml_is_null(const struct yaml_node *n)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    return is_plain(n) && is_one_of(n->scalar, words, ARRAY_LEN(words));
}

bool yaml_bool(const struct yaml_node *n, bool *out)
{
    static const char *const yes[] = {"y",  "Y",  "yes",  "Yes",  "YES", "on",
                                      "On", "ON", "true", "True", "TRUE"};
    static const char *const no[] = {"n",   "N",   "no",    "No",    "NO",   "off",
                                     "Off", "OFF", "false", "False", "FALSE"};
    if (!is_plain(n)) {
        return false;
    }
    const bool is_yes = is_one_of(n->scalar, yes, ARRAY_LEN(yes));
    if (!is_yes && !is_one_of(n->scalar, no, ARRAY_LEN(no))) {
        return false;
    }
    *out = is_yes;
    return true;
}

// ---- numbers -----------------------------------------------------------------------------------

#define DIGITS_MAX 80

// Without underscores, which may stand anywhere in a number.
static bool digits_of(const struct yaml_node *n, char *digits, str *out)
{
    if (!is_plain(n) || n->scalar.len == 0 || n->scalar.len > DIGITS_MAX) {
        return false;
    }
    size_t len = 0;
    for (size_t i = 0; i < n->scalar.len; i++) {
        if (n->scalar.ptr[i] != '_') {
            digits[len++] = n->scalar.ptr[i];
        }
    }
    *out = (str){digits, len};
    return len > 0 && n->scalar.ptr[0] != '_';
}

static u32 base_take(str *s)
{
    if (s->len < 2 || s->ptr[0] != '0') {
        return 10;
    }
    static const struct {
        char letter;
        u32 base;
    } bases[] = {{'x', 16}, {'o', 8}, {'b', 2}};
    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        if ((s->ptr[1] | 0x20) == bases[i].letter) {
            *s = str_sub(*s, 2, s->len);
            return bases[i].base;
        }
    }
    *s = str_sub(*s, 1, s->len); // 017 is fifteen.
    return 8;
}

static bool magnitude_parse(str s, u64 *out)
{
    const u32 base = base_take(&s);
    u64 v = 0;
    for (size_t i = 0; i < s.len; i++) {
        const char c = s.ptr[i];
        const char lower = (char)(c | 0x20);
        u32 digit = 99;
        if (c >= '0' && c <= '9') {
            digit = (u32)(c - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            digit = (u32)(lower - 'a') + 10;
        }
        if (digit >= base || __builtin_mul_overflow(v, base, &v) ||
            __builtin_add_overflow(v, digit, &v)) {
            return false;
        }
    }
    *out = v;
    return s.len > 0;
}

static bool sign_take(str *s)
{
    const bool minus = s->len > 0 && s->ptr[0] == '-';
    if (minus || (s->len > 0 && s->ptr[0] == '+')) {
        *s = str_sub(*s, 1, s->len);
    }
    return minus;
}

// Only what YAML calls a float: no hexadecimal, no bare "inf".
static bool decimal_parse(str s, f64 *out)
{
    for (size_t i = 0; i < s.len; i++) {
        const char c = s.ptr[i];
        const bool digit = c >= '0' && c <= '9';
        if (!digit && c != '.' && c != 'e' && c != 'E' && c != '+' && c != '-') {
            return false;
        }
    }
    return num_parse(s, out);
}

static bool special_parse(str s, f64 *out)
{
    static const char *const infinities[] = {".inf", ".Inf", ".INF"};
    static const char *const nans[] = {".nan", ".NaN", ".NAN"};
    if (is_one_of(s, nans, ARRAY_LEN(nans))) {
        *out = __builtin_nan("");
        return true;
    }
    const bool minus = sign_take(&s);
    if (is_one_of(s, infinities, ARRAY_LEN(infinities))) {
        *out = minus ? -__builtin_inf() : __builtin_inf();
        return true;
    }
    return false;
}

bool yaml_i64(const struct yaml_node *n, i64 *out)
{
    char digits[DIGITS_MAX];
    str s;
    if (!digits_of(n, digits, &s)) {
        return false;
    }
    str rest = s;
    const bool minus = sign_take(&rest);
    u64 v;
    if (magnitude_parse(rest, &v)) {
        if (v > (u64)INT64_MAX + minus) {
            return false;
        }
        *out = minus ? (i64)(0 - v) : (i64)v;
        return true;
    }
    f64 f;
    if (!decimal_parse(s, &f) || f < -0x1p53 || f > 0x1p53 || f != (f64)(i64)f) {
        return false;
    }
    *out = (i64)f;
    return true;
}

bool yaml_u64(const struct yaml_node *n, u64 *out)
{
    char digits[DIGITS_MAX];
    str s;
    if (!digits_of(n, digits, &s)) {
        return false;
    }
    str rest = s;
    if (!sign_take(&rest) && magnitude_parse(rest, out)) {
        return true;
    }
    i64 v;
    if (!yaml_i64(n, &v) || v < 0) {
        return false;
    }
    *out = (u64)v;
    return true;
}

bool yaml_f64(const struct yaml_node *n, f64 *out)
{
    char digits[DIGITS_MAX];
    str s;
    if (!digits_of(n, digits, &s)) {
        return false;
    }
    i64 whole;
    if (special_parse(s, out)) {
        return true;
    }
    if (yaml_i64(n, &whole)) { // 0x1f and 017 are whole numbers here too.
        *out = (f64)whole;
        return true;
    }
    return decimal_parse(s, out);
}
