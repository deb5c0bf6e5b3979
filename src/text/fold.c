// fold.c: case mapping by the C library's table for C.UTF-8, which depends on no environment.

#include "text/fold.h"

#include "base/buf.h"
#include "base/utf8.h"

#include <locale.h>
#include <pthread.h>
#include <wctype.h>

// Threads: frozen after fold_once.
static locale_t unicode;
static pthread_once_t fold_once = PTHREAD_ONCE_INIT;

static void unicode_load(void)
{
    unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    CHECK(unicode != (locale_t)0); // Built into the C library since 2.35.
}

static void fold(struct buf *out, str s, wint_t (*map)(wint_t, locale_t))
{
    (void)pthread_once(&fold_once, unicode_load);
    size_t pos = 0;
    while (pos < s.len) {
        u32 code_point;
        if (!utf8_next(s, &pos, &code_point)) {
            code_point = 0xfffd;
        }
        char utf8[4];
        buf_add(out, utf8, utf8_put(utf8, (u32)map(code_point, unicode)));
    }
}

void fold_lower(struct buf *out, str s)
{
    fold(out, s, towlower_l);
}

void fold_upper(struct buf *out, str s)
{
    fold(out, s, towupper_l);
}
