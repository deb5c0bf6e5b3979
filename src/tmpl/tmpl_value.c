// tmpl_value.c: the values of a run: truth, printing, fields. Prints as Go's fmt does.
#include "base/buf.h"
#include "base/error.h"
#include "base/num.h"
#include "base/str.h"
#include "model/duration.h"
#include "tmpl/tmpl_inner.h"

struct value value_of_str(str s)
{
    return (struct value){.kind = VALUE_STRING, .string = s};
}

struct value value_of_f64(f64 v)
{
    return (struct value){.kind = VALUE_FLOAT, .number = v};
}

struct value value_of_bool(bool b)
{
    return (struct value){.kind = VALUE_BOOL, .boolean = b};
}

bool value_truth(const struct value *v)
{
    switch (v->kind) {
    case VALUE_NIL:
        return false;
    case VALUE_BOOL:
        return v->boolean;
    case VALUE_INT:
        return v->integer != 0;
    case VALUE_FLOAT:
        return v->number != 0;
    case VALUE_STRING:
        return v->string.len > 0;
    case VALUE_LABELS:
        return v->labels.count > 0;
    case VALUE_SAMPLES:
    case VALUE_ARGS:
        return v->count > 0;
    case VALUE_SAMPLE:
    case VALUE_TIME:
    case VALUE_DATA:
        return true;
    }
    return false;
}

static void print_f64(struct buf *out, f64 v)
{
    char text[NUM_TEXT_MAX];
    buf_add(out, text, num_go(text, v));
}

static void print_labels(struct buf *out, struct labels ls)
{
    buf_c(out, "map[");
    for (u32 i = 0; i < ls.count; i++) {
        buf_c(out, i ? " " : "");
        buf_str(out, ls.items[i].name);
        buf_byte(out, ':');
        buf_str(out, ls.items[i].value);
    }
    buf_byte(out, ']');
}

static void print_sample(struct buf *out, const struct tmpl_query_sample *s)
{
    buf_c(out, "&{");
    print_labels(out, s->labels);
    buf_byte(out, ' ');
    print_f64(out, s->value);
    buf_byte(out, '}');
}

void value_print(struct buf *out, const struct value *v)
{
    switch (v->kind) {
    case VALUE_NIL:
        buf_c(out, "<no value>");
        return;
    case VALUE_BOOL:
        buf_c(out, v->boolean ? "true" : "false");
        return;
    case VALUE_INT:
        buf_i64(out, v->integer);
        return;
    case VALUE_FLOAT:
        print_f64(out, v->number);
        return;
    case VALUE_STRING:
        buf_str(out, v->string);
        return;
    case VALUE_LABELS:
        print_labels(out, v->labels);
        return;
    case VALUE_SAMPLE:
        print_sample(out, v->samples);
        return;
    case VALUE_SAMPLES:
    case VALUE_ARGS:
        buf_byte(out, '[');
        for (u32 i = 0; i < v->count; i++) {
            buf_c(out, i ? " " : "");
            if (v->kind == VALUE_SAMPLES) {
                print_sample(out, &v->samples[i]);
            } else {
                value_print(out, &v->args[i]); // One level: args hold scalars.
            }
        }
        buf_byte(out, ']');
        return;
    case VALUE_TIME: {
        char text[40];
        buf_add(out, text, time_print_rfc3339(text, v->integer));
        return;
    }
    case VALUE_DATA:
        buf_c(out, "{}");
        return;
    }
}

bool value_number(const struct value *v, f64 *out)
{
    switch (v->kind) {
    case VALUE_INT:
        *out = (f64)v->integer;
        return true;
    case VALUE_FLOAT:
        *out = v->number;
        return true;
    case VALUE_STRING:
        return num_parse(v->string, out);
    case VALUE_NIL:
    case VALUE_BOOL:
    case VALUE_LABELS:
    case VALUE_SAMPLE:
    case VALUE_SAMPLES:
    case VALUE_ARGS:
    case VALUE_TIME:
    case VALUE_DATA:
        return false;
    }
    return false;
}

static bool data_field(struct run *r, str name, struct value *out, struct error *e)
{
    if (str_eq(name, STR("Labels"))) {
        *out = (struct value){.kind = VALUE_LABELS, .labels = r->data->labels};
    } else if (str_eq(name, STR("ExternalLabels"))) {
        *out = (struct value){.kind = VALUE_LABELS, .labels = r->data->external_labels};
    } else if (str_eq(name, STR("ExternalURL"))) {
        *out = value_of_str(r->data->external_url);
    } else if (str_eq(name, STR("Value"))) {
        *out = value_of_f64(r->data->value);
    } else {
        return err_set(e, ERR_INVALID, "can't evaluate field %.*s", STR_ARG(name));
    }
    return true;
}

bool value_field(struct run *r, const struct value *of, str name, struct value *out,
                 struct error *e)
{
    switch (of->kind) {
    case VALUE_DATA:
        return data_field(r, name, out, e);
    case VALUE_LABELS:
        *out = value_of_str(labels_get(of->labels, name));
        return true;
    case VALUE_SAMPLE:
        if (str_eq(name, STR("Labels"))) {
            *out = (struct value){.kind = VALUE_LABELS, .labels = of->samples->labels};
            return true;
        }
        if (str_eq(name, STR("Value"))) {
            *out = value_of_f64(of->samples->value);
            return true;
        }
        break;
    case VALUE_ARGS:
        for (u32 i = 0; i < of->count; i++) {
            char known[16] = "arg0";
            known[3] = (char)('0' + i % 10);
            if (i < 10 && str_eq_c(name, known)) {
                *out = of->args[i];
                return true;
            }
        }
        *out = (struct value){0};
        return true;
    case VALUE_NIL:
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_FLOAT:
    case VALUE_STRING:
    case VALUE_SAMPLES:
    case VALUE_TIME:
        break;
    }
    return err_set(e, ERR_INVALID, "can't evaluate field %.*s of this value", STR_ARG(name));
}

// ---- printf ----

struct verb {
    bool minus, plus, zero, space, sharp;
    int width;
    int precision; // -1 = none.
    char letter;
};

static size_t verb_read(str format, size_t at, struct verb *v)
{
    *v = (struct verb){.precision = -1};
    for (; at < format.len; at++) {
        const char c = format.ptr[at];
        if (c == '-') {
            v->minus = true;
        } else if (c == '+') {
            v->plus = true;
        } else if (c == '0') {
            v->zero = true;
        } else if (c == ' ') {
            v->space = true;
        } else if (c == '#') {
            v->sharp = true;
        } else {
            break;
        }
    }
    for (; at < format.len && format.ptr[at] >= '0' && format.ptr[at] <= '9'; at++) {
        v->width = MIN(v->width * 10 + (format.ptr[at] - '0'), 1000);
    }
    if (at < format.len && format.ptr[at] == '.') {
        v->precision = 0;
        for (at++; at < format.len && format.ptr[at] >= '0' && format.ptr[at] <= '9'; at++) {
            v->precision = MIN(v->precision * 10 + (format.ptr[at] - '0'), 64);
        }
    }
    v->letter = at < format.len ? format.ptr[at] : '!';
    return at + 1;
}

static void print_padded(struct buf *out, const struct verb *v, str text, bool number)
{
    const size_t pad = (size_t)v->width > text.len ? (size_t)v->width - text.len : 0;
    const bool zeroes = v->zero && number && !v->minus;
    size_t done = 0;
    if (zeroes && text.len && (text.ptr[0] == '-' || text.ptr[0] == '+')) {
        buf_byte(out, (u8)text.ptr[0]);
        done = 1;
    }
    for (size_t i = 0; i < pad && !v->minus; i++) {
        buf_byte(out, zeroes ? '0' : ' ');
    }
    buf_str(out, str_sub(text, done, text.len));
    for (size_t i = 0; i < pad && v->minus; i++) {
        buf_byte(out, ' ');
    }
}

static bool print_float_verb(struct buf *text, const struct verb *v, const struct value *arg)
{
    if (arg->kind != VALUE_FLOAT) {
        return false;
    }
    char digits[NUM_TEXT_MAX + 66];
    size_t len = 0;
    if (v->plus && arg->number >= 0) {
        digits[len++] = '+';
    }
    if ((v->letter == 'g' || v->letter == 'v') && v->precision < 0) {
        len += num_go(digits + len, arg->number);
    } else {
        const int precision = v->precision < 0 ? 6 : v->precision;
        const char letter = v->letter == 'v' ? 'g' : v->letter == 'F' ? 'f' : v->letter;
        len += num_fixed(digits + len, arg->number, letter, precision);
    }
    buf_add(text, digits, len);
    return true;
}

static bool print_int_verb(struct buf *text, const struct verb *v, const struct value *arg)
{
    if (arg->kind != VALUE_INT) {
        return false;
    }
    if (v->letter == 'd') {
        buf_c(text, v->plus && arg->integer >= 0 ? "+" : "");
        buf_i64(text, arg->integer);
    } else {
        buf_printf(text,
                   v->letter == 'x'   ? "%llx"
                   : v->letter == 'X' ? "%llX"
                                      : "%llo",
                   (unsigned long long)arg->integer);
    }
    return true;
}

// Writes one argument under one verb into text; false if they do not fit.
static bool print_verb(struct buf *text, const struct verb *v, const struct value *arg)
{
    switch (v->letter) {
    case 'v':
        if (arg->kind == VALUE_FLOAT) {
            return print_float_verb(text, v, arg);
        }
        value_print(text, arg);
        return true;
    case 's':
        if (arg->kind != VALUE_STRING) {
            return false;
        }
        buf_str(text,
                v->precision >= 0 ? str_sub(arg->string, 0, (size_t)v->precision) : arg->string);
        return true;
    case 'q':
        if (arg->kind != VALUE_STRING) {
            return false;
        }
        buf_byte(text, '"');
        buf_str(text, arg->string);
        buf_byte(text, '"');
        return true;
    case 't':
        if (arg->kind != VALUE_BOOL) {
            return false;
        }
        value_print(text, arg);
        return true;
    case 'd':
    case 'x':
    case 'X':
    case 'o':
        return print_int_verb(text, v, arg);
    case 'f':
    case 'F':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
        return print_float_verb(text, v, arg);
    default:
        return false;
    }
}

static const char *type_name(const struct value *v)
{
    static const char *const names[] = {
        [VALUE_NIL] = "<nil>",
        [VALUE_BOOL] = "bool",
        [VALUE_INT] = "int",
        [VALUE_FLOAT] = "float64",
        [VALUE_STRING] = "string",
        [VALUE_LABELS] = "map[string]string",
        [VALUE_SAMPLE] = "sample",
        [VALUE_SAMPLES] = "samples",
        [VALUE_ARGS] = "map[string]interface {}",
        [VALUE_TIME] = "time.Time",
        [VALUE_DATA] = "struct",
    };
    return names[v->kind];
}

void value_printf(struct buf *out, str format, const struct value *args, u32 n)
{
    u32 next = 0;
    struct buf text;
    buf_init(&text, TMPL_STRING_MAX);
    for (size_t i = 0; i < format.len;) {
        if (format.ptr[i] != '%') {
            buf_byte(out, (u8)format.ptr[i++]);
            continue;
        }
        struct verb v;
        i = verb_read(format, i + 1, &v);
        if (v.letter == '%') {
            buf_byte(out, '%');
            continue;
        }
        if (next >= n) {
            buf_printf(out, "%%!%c(MISSING)", v.letter);
            continue;
        }
        const struct value *arg = &args[next++];
        buf_clear(&text);
        if (print_verb(&text, &v, arg)) {
            print_padded(out, &v, buf_get(&text),
                         arg->kind == VALUE_INT || arg->kind == VALUE_FLOAT);
            continue;
        }
        buf_printf(out, "%%!%c(%s=", v.letter, type_name(arg));
        value_print(out, arg);
        buf_byte(out, ')');
    }
    if (next < n) {
        buf_c(out, "%!(EXTRA ");
        for (u32 i = next; i < n; i++) {
            buf_printf(out, "%s%s=", i > next ? ", " : "", type_name(&args[i]));
            value_print(out, &args[i]);
        }
        buf_byte(out, ')');
    }
    buf_fini(&text);
}
