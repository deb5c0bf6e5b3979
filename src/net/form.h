// form.h: application/x-www-form-urlencoded: query strings and form bodies as a list of pairs.
//
// Decoding is O(length) and makes at most fields_max pairs. Order is kept; a name may come often.
// As upstream's parser does, a ';' is refused rather than guessed about, and a field without '='
// has an empty value.
// Threads: frozen once decoded.
#ifndef NET_FORM_H
#define NET_FORM_H

#include "base/base.h"

struct arena;
struct error;

#define FORM_FIELDS_MAX 10000U

struct form_field {
    str name;
    str value;
};

struct form {
    struct form_field *fields;
    u32 count;
};

// Adds the pairs of text behind those that out holds already; out is untouched on failure.
bool form_decode(str text, u32 fields_max, struct arena *a, struct form *out,
                 struct error *e) MUST_USE;
str form_get(const struct form *f, str name); // The first; empty if absent.
bool form_has(const struct form *f, str name);
u32 form_count(const struct form *f, str name);
// The next field of that name at or after *at; moves *at behind it.
bool form_next(const struct form *f, str name, u32 *at, str *value);

#endif
