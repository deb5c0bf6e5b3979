// error.h: how failure travels: one value on the stack of whoever will handle it.
//
// Everyone else gets a pointer, last. Nothing is allocated, nothing is global, nothing is freed.
// A NULL struct error pointer is allowed and means "only tell me that it failed".
// Threads: owned by the caller.
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/base.h"

enum err {
    ERR_NONE,
    ERR_INVALID,      // The input is wrong; the same input fails again.
    ERR_NOT_FOUND,    // What was named does not exist.
    ERR_EXISTS,       // What was to be made exists.
    ERR_OUT_OF_ORDER, // Wrong order or state for this call.
    ERR_LIMIT,        // A named maximum was met.
    ERR_CORRUPT,      // Stored or received bytes contradict themselves.
    ERR_IO,           // The system refused; errno's text is in the message.
    ERR_NO_SPACE,     // The disk is full.
    ERR_TIMEOUT,
    ERR_CANCELLED,
    ERR_UNAVAILABLE, // Not now; later may work.
    ERR_UNAUTHORISED,
    ERR_UNSUPPORTED, // Known, but not built or switched off.
    ERR_INTERNAL,
    ERR_COUNT
};

struct error {
    enum err code;
    char text[492]; // A sentence with place and next step; never a secret.
};

// Sets e and yields false, so that `return err_set(...)` reads well.
bool err_set(struct error *e, enum err code, const char *format, ...) PRINTF_LIKE(3, 4);
// The same for makers: yields NULL.
void *err_null(struct error *e, enum err code, const char *format, ...) PRINTF_LIKE(3, 4);
// Puts "<context>: " in front of the text that is there; once per floor. Yields false.
bool err_in(struct error *e, const char *format, ...) PRINTF_LIKE(2, 3);
// ERR_IO (or ERR_NO_SPACE for ENOSPC/EDQUOT, ERR_NOT_FOUND for ENOENT) with strerror(errno_value).
bool err_errno(struct error *e, int errno_value, const char *format, ...) PRINTF_LIKE(3, 4);
void err_clear(struct error *e);
const char *err_name(enum err code); // "invalid", "not_found", …

#endif
