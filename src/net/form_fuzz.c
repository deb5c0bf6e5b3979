// form_fuzz.c: hostile query strings and URLs: nothing may crash, and what is taken must survive
// being printed and taken again.
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "net/form.h"
#include "net/url.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *bytes, size_t len);

static void require(bool fact)
{
    if (!fact) {
        abort();
    }
}

static void form_round_trip(const struct form *f, struct arena *a)
{
    struct buf b;
    buf_init(&b, (size_t)8 << 20);
    for (u32 i = 0; i < f->count; i++) {
        if (i > 0) {
            buf_byte(&b, '&');
        }
        url_encode(&b, f->fields[i].name, false);
        buf_byte(&b, '=');
        url_encode(&b, f->fields[i].value, false);
    }
    struct form again = {0};
    require(buf_ok(&b));
    require(form_decode(buf_get(&b), FORM_FIELDS_MAX, a, &again, NULL));
    require(again.count == f->count);
    for (u32 i = 0; i < f->count; i++) {
        require(str_eq(again.fields[i].name, f->fields[i].name));
        require(str_eq(again.fields[i].value, f->fields[i].value));
    }
    buf_fini(&b);
}

static void url_round_trip(const struct url *u, struct arena *a)
{
    struct buf first;
    struct buf second;
    struct url again;
    buf_init(&first, (size_t)1 << 20);
    buf_init(&second, (size_t)1 << 20);
    url_print(&first, u);
    require(url_parse(buf_get(&first), a, &again, NULL));
    url_print(&second, &again);
    require(str_eq(buf_get(&first), buf_get(&second)));
    buf_fini(&first);
    buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const u8 *bytes, size_t len)
{
    if (len > (size_t)64 << 10) {
        return 0;
    }
    struct arena *a = arena_new((size_t)256 << 20);
    const str text = {(const char *)bytes, len};
    struct form f = {0};
    struct url u;
    struct url joined;
    if (form_decode(text, FORM_FIELDS_MAX, a, &f, NULL)) {
        form_round_trip(&f, a);
    }
    if (url_parse(text, a, &u, NULL)) {
        url_round_trip(&u, a);
    }
    const struct url base = {.scheme = STR("http"), .host = STR("h"), .path = STR("/a/b")};
    if (url_join(&base, text, a, &joined, NULL)) {
        url_round_trip(&joined, a);
    }
    arena_free(a);
    return 0;
}
