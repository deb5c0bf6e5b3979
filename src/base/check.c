// check.c: how a broken CHECK ends the process: what, where, who called, then abort.
#include "base/base.h"

#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FRAMES_MAX 64

void check_failed(const char *expr, const char *file, int line)
{
    // No buffered stream and no allocation: the heap may be what is broken.
    char text[512];
    int len = snprintf(text, sizeof(text), "CHECK failed: %s at %s:%d\n", expr, file, line);
    if (len > 0) {
        size_t count = MIN((size_t)len, sizeof(text) - 1);
        if (write(STDERR_FILENO, text, count) >= 0) {
            void *frames[FRAMES_MAX];
            backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
        }
    }
    abort();
}
