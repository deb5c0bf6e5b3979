// form.c: cuts at '&' and '=', then decodes each side once; see form.h.
#include "net/form.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "net/url.h"

static bool field_decode(str piece, struct arena *a, struct form_field *out, struct error *e)
{
    const size_t equal = str_find(piece, '=');
    const str name = equal == STR_NONE ? piece : str_sub(piece, 0, equal);
    const str value = equal == STR_NONE ? STR_EMPTY : str_sub(piece, equal + 1, piece.len);
    return url_decode(name, true, a, &out->name, e) && url_decode(value, true, a, &out->value, e);
}

bool form_decode(str text, u32 fields_max, struct arena *a, struct form *out, struct error *e)
{
    if (text.len == 0) {
        return true;
    }
    u64 pieces = 1;
    for (size_t i = 0; i < text.len; i++) {
        pieces += text.ptr[i] == '&';
        if (text.ptr[i] == ';') {
            return err_set(e, ERR_INVALID, "invalid semicolon separator in query");
        }
    }
    if (pieces + out->count > fields_max) {
        return err_set(e, ERR_LIMIT, "more than %u form fields", fields_max);
    }
    struct form f = {ARENA_NEW_N(a, struct form_field, out->count + pieces), out->count};
    if (out->count > 0) {
        memcpy(f.fields, out->fields, out->count * sizeof(*f.fields));
    }
    str rest = text;
    str piece;
    while (str_split_next(&rest, '&', &piece)) {
        if (piece.len == 0) {
            continue;
        }
        if (!field_decode(piece, a, &f.fields[f.count], e)) {
            return false;
        }
        f.count++;
    }
    *out = f;
    return true;
}

bool form_next(const struct form *f, str name, u32 *at, str *value)
{
    for (; *at < f->count; (*at)++) {
        if (str_eq(f->fields[*at].name, name)) {
            *value = f->fields[(*at)++].value;
            return true;
        }
    }
    return false;
}

str form_get(const struct form *f, str name)
{
    u32 at = 0;
    str value = STR_EMPTY;
    (void)form_next(f, name, &at, &value);
    return value;
}

bool form_has(const struct form *f, str name)
{
    u32 at = 0;
    str value;
    return form_next(f, name, &at, &value);
}

u32 form_count(const struct form *f, str name)
{
    u32 at = 0;
    u32 count = 0;
    str value;
    while (form_next(f, name, &at, &value)) {
        count++;
    }
    return count;
}
