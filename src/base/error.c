// error.c: see error.h.
#include "base/error.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

// A cut text must not end in half a character: answers are JSON.
static void cut_to_whole_characters(char *text)
{
    size_t len = strlen(text);
    size_t start = len;
    while (start > 0 && len - start < 3 && ((u8)text[start - 1] & 0xC0) == 0x80) {
        start--;
    }
    if (start > 0 && (u8)text[start - 1] >= 0xC0) {
        start--;
    }
    if (!utf8_valid((str){text + start, len - start})) {
        text[start] = '\0';
    }
}

static void set_text(struct error *e, enum err code, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
static void set_text(struct error *e, enum err code, const char *format, va_list args)
{
    CHECK(code > ERR_NONE && code < ERR_COUNT);
    if (!e) {
        return;
    }
    char text[sizeof(e->text)]; // An argument may point into e->text.
    int len = vsnprintf(text, sizeof(text), format, args);
    CHECK(len >= 0);
    if ((size_t)len >= sizeof(text)) {
        cut_to_whole_characters(text);
    }
    e->code = code;
    memcpy(e->text, text, sizeof(text));
}

bool err_set(struct error *e, enum err code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_text(e, code, format, args);
    va_end(args);
    return false;
}

void *err_null(struct error *e, enum err code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_text(e, code, format, args);
    va_end(args);
    return NULL;
}

bool err_in(struct error *e, const char *format, ...)
{
    if (!e) {
        return false;
    }
    CHECK(e->code != ERR_NONE);
    char context[sizeof(e->text)];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(context, sizeof(context), format, args);
    va_end(args);
    CHECK(len >= 0);
    return err_set(e, e->code, "%s: %s", context, e->text);
}

static enum err code_of_errno(int errno_value)
{
    switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    case ENOENT:
        return ERR_NOT_FOUND;
    default:
        return ERR_IO;
    }
}

bool err_errno(struct error *e, int errno_value, const char *format, ...)
{
    if (!e) {
        return false;
    }
    char context[sizeof(e->text)];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(context, sizeof(context), format, args);
    va_end(args);
    CHECK(len >= 0);
    char reason[128];
    const char *text = strerror_r(errno_value, reason, sizeof(reason));
    return err_set(e, code_of_errno(errno_value), "%s: %s", context, text);
}

void err_clear(struct error *e)
{
    if (e) {
        e->code = ERR_NONE;
        e->text[0] = '\0';
    }
}

const char *err_name(enum err code)
{
    switch (code) {
    case ERR_NONE:
        return "none";
    case ERR_INVALID:
        return "invalid";
    case ERR_NOT_FOUND:
        return "not_found";
    case ERR_EXISTS:
        return "exists";
    case ERR_OUT_OF_ORDER:
        return "out_of_order";
    case ERR_LIMIT:
        return "limit";
    case ERR_CORRUPT:
        return "corrupt";
    case ERR_IO:
        return "io";
    case ERR_NO_SPACE:
        return "no_space";
    case ERR_TIMEOUT:
        return "timeout";
    case ERR_CANCELLED:
        return "cancelled";
    case ERR_UNAVAILABLE:
        return "unavailable";
    case ERR_UNAUTHORISED:
        return "unauthorised";
    case ERR_UNSUPPORTED:
        return "unsupported";
    case ERR_INTERNAL:
        return "internal";
    case ERR_COUNT:
        break;
    }
    return "unknown";
}
