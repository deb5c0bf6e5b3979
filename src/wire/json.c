// json.c: the only file that knows jansson: its tree becomes ours and is freed at once.

#include "wire/json.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#include <jansson.h>

static const char *const kind_texts[] = {
    [JSONV_NULL] = "null",    [JSONV_BOOL] = "a boolean", [JSONV_NUMBER] = "a number",
    [JSONV_STR] = "a string", [JSONV_ARRAY] = "an array", [JSONV_OBJECT] = "an object",
};

const char *json_kind_text(enum json_kind k)
{
    return kind_texts[k];
}

static bool convert(struct arena *a, json_t *from, u32 depth, struct json_value *to,
                    struct error *e);

static bool piece(struct arena *a, size_t count, size_t size, void **to, struct error *e)
{
    if (count == 0) {
        *to = NULL;
        return true;
    }
    *to = arena_try(a, count, size);
    if (!*to) {
        return err_set(e, ERR_LIMIT, "JSON needs more memory than its arena may hold");
    }
    return true;
}

static bool text_copy(struct arena *a, const char *bytes, size_t len, str *to, struct error *e)
{
    void *copy;
    if (!piece(a, len, 1, &copy, e)) {
        return false;
    }
    if (len > 0) {
        memcpy(copy, bytes, len);
    }
    *to = (str){copy, len};
    return true;
}

static bool convert_array(struct arena *a, json_t *from, u32 depth, struct json_value *to,
                          struct error *e)
{
    const size_t n = json_array_size(from);
    void *room;
    if (!piece(a, n, sizeof(struct json_value), &room, e)) {
        return false;
    }
    struct json_value *items = room;
    for (size_t i = 0; i < n; i++) {
        if (!convert(a, json_array_get(from, i), depth + 1, &items[i], e)) {
            return false;
        }
    }
    to->items = items;
    to->count = (u32)n;
    return true;
}

static bool convert_object(struct arena *a, json_t *from, u32 depth, struct json_value *to,
                           struct error *e)
{
    const size_t n = json_object_size(from);
    void *item_room;
    void *key_room;
    if (!piece(a, n, sizeof(struct json_value), &item_room, e) ||
        !piece(a, n, sizeof(str), &key_room, e)) {
        return false;
    }
    struct json_value *items = item_room;
    str *keys = key_room;
    size_t i = 0;
    for (void *at = json_object_iter(from); at; at = json_object_iter_next(from, at), i++) {
        CHECK(i < n);
        const char *key = json_object_iter_key(at);
        if (!text_copy(a, key, strlen(key), &keys[i], e) ||
            !convert(a, json_object_iter_value(at), depth + 1, &items[i], e)) {
            return false;
        }
    }
    to->keys = keys;
    to->items = items;
    to->count = (u32)n;
    return true;
}

static void convert_bool(struct json_value *to, bool v)
{
    to->kind = JSONV_BOOL;
    to->boolean = v;
}

static void convert_number(struct json_value *to, json_t *from)
{
    to->kind = JSONV_NUMBER;
    to->is_integer = json_is_integer(from);
    to->integer = to->is_integer ? (i64)json_integer_value(from) : 0;
    to->number = json_number_value(from);
}

// Recursion: at most JSON_DEPTH_MAX deep.
static bool convert(struct arena *a, json_t *from, u32 depth, struct json_value *to,
                    struct error *e)
{
    if (depth >= JSON_DEPTH_MAX) {
        return err_set(e, ERR_LIMIT, "JSON nests deeper than %d", JSON_DEPTH_MAX);
    }
    switch (json_typeof(from)) {
    case JSON_NULL:
        to->kind = JSONV_NULL;
        return true;
    case JSON_TRUE:
        convert_bool(to, true);
        return true;
    case JSON_FALSE:
        convert_bool(to, false);
        return true;
    case JSON_INTEGER:
    case JSON_REAL:
        convert_number(to, from);
        return true;
    case JSON_STRING:
        to->kind = JSONV_STR;
        return text_copy(a, json_string_value(from), json_string_length(from), &to->text, e);
    case JSON_ARRAY:
        to->kind = JSONV_ARRAY;
        return convert_array(a, from, depth, to, e);
    case JSON_OBJECT:
        to->kind = JSONV_OBJECT;
        return convert_object(a, from, depth, to, e);
    }
    return err_set(e, ERR_INTERNAL, "the JSON library gave a value of unknown type");
}

const struct json_value *json_parse(struct arena *a, str text, size_t bytes_max, struct error *e)
{
    if (text.len > bytes_max) {
        return err_null(e, ERR_LIMIT, "JSON of %zu bytes is longer than %zu", text.len, bytes_max);
    }
    json_error_t why;
    json_t *tree = json_loadb(text.ptr ? text.ptr : "", text.len,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    if (!tree) {
        return err_null(e, ERR_INVALID, "%d:%d: %s", why.line, why.column, why.text);
    }
    void *root;
    const bool ok =
        piece(a, 1, sizeof(struct json_value), &root, e) && convert(a, tree, 0, root, e);
    json_decref(tree);
    return ok ? root : NULL;
}

const struct json_value *json_get(const struct json_value *v, str key)
{
    if (!v || v->kind != JSONV_OBJECT) {
        return NULL;
    }
    for (u32 i = 0; i < v->count; i++) {
        if (str_eq(v->keys[i], key)) {
            return &v->items[i];
        }
    }
    return NULL;
}

str json_get_str(const struct json_value *v, str key)
{
    const struct json_value *found = json_get(v, key);
    return found && found->kind == JSONV_STR ? found->text : STR_EMPTY;
}
