// json.h: JSON both ways: a parser for control data (jansson behind it) into a small frozen tree,
// and a streaming writer into a buf.
//
// Parser: O(bytes); refuses duplicate keys, bad UTF-8, more than bytes_max and nesting deeper than
// JSON_DEPTH_MAX. Memory: the tree lives in the arena, about 64 bytes a value and its texts.
// Writer: never allocates but in its buf; whoever streams may send and clear the buf between calls.
// Threads: a tree is frozen; a writer is owned.
#ifndef WIRE_JSON_H
#define WIRE_JSON_H

#include "base/base.h"

struct arena;
struct buf;
struct error;

#define JSON_DEPTH_MAX 64

enum json_kind { JSONV_NULL, JSONV_BOOL, JSONV_NUMBER, JSONV_STR, JSONV_ARRAY, JSONV_OBJECT };

// One value; which fields hold follows from kind.
struct json_value {
    enum json_kind kind;
    bool boolean;
    bool is_integer; // A number without fraction or exponent, exact in `integer`.
    u32 count;       // Of items, or of keys and items.
    i64 integer;
    f64 number;
    str text;
    const str *keys;                // JSONV_OBJECT, in the order of the text.
    const struct json_value *items; // JSONV_ARRAY and JSONV_OBJECT.
};

// NULL with "line:column: reason".
const struct json_value *json_parse(struct arena *a, str text, size_t bytes_max,
                                    struct error *e) MUST_USE;
// NULL if v is no object or has no such key. Getters accept NULL.
const struct json_value *json_get(const struct json_value *v, str key);
str json_get_str(const struct json_value *v, str key); // Empty if absent or no string.
const char *json_kind_text(enum json_kind k);          // "a string", …

#define JSONW_DEPTH_MAX 64

struct jsonw {
    struct buf *out;
    u64 filled; // Bit d: something stands already at depth d.
    u32 depth;
    bool after_key;
};

void jsonw_init(struct jsonw *w, struct buf *out);
void jsonw_object(struct jsonw *w);
void jsonw_object_end(struct jsonw *w);
void jsonw_array(struct jsonw *w);
void jsonw_array_end(struct jsonw *w);
void jsonw_key(struct jsonw *w, str key);

void jsonw_str(struct jsonw *w, str s); // What is not UTF-8 becomes U+FFFD.
// The first of n values, each as jsonw_str writes it, until some 16 KiB of texts are written: how
// many, at least one.
u32 jsonw_strs(struct jsonw *w, const str *texts, u32 n) MUST_USE;
void jsonw_bool(struct jsonw *w, bool v);
void jsonw_null(struct jsonw *w);
void jsonw_u64(struct jsonw *w, u64 v);
void jsonw_i64(struct jsonw *w, i64 v);
void jsonw_f64(struct jsonw *w, f64 v);        // A number; null for NaN and the infinities.
void jsonw_f64_text(struct jsonw *w, f64 v);   // A sample's value: "1.5", "NaN", "+Inf".
void jsonw_seconds(struct jsonw *w, i64 t_ms); // A sample's time: 1435781430.781.
void jsonw_raw(struct jsonw *w, str json);     // One value that is JSON already.
void jsonw_pair_str(struct jsonw *w, str key, str value);

void json_quote(struct buf *out, str s); // The bare string form.

#endif
