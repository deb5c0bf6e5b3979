// json_fuzz.c: any text parses within its bounds or is refused; what parses is written again, and
// that parses and writes the same.

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void write(struct jsonw *w, const struct json_value *v) // At most JSON_DEPTH_MAX deep.
{
    switch (v->kind) {
    case JSONV_NULL:
        jsonw_null(w);
        break;
    case JSONV_BOOL:
        jsonw_bool(w, v->boolean);
        break;
    case JSONV_NUMBER:
        if (v->is_integer) {
            jsonw_i64(w, v->integer);
        } else {
            jsonw_f64(w, v->number);
        }
        break;
    case JSONV_STR:
        jsonw_str(w, v->text);
        break;
    case JSONV_ARRAY:
        jsonw_array(w);
        for (u32 i = 0; i < v->count; i++) {
            write(w, &v->items[i]);
        }
        jsonw_array_end(w);
        break;
    case JSONV_OBJECT:
        jsonw_object(w);
        for (u32 i = 0; i < v->count; i++) {
            jsonw_key(w, v->keys[i]);
            write(w, &v->items[i]);
        }
        jsonw_object_end(w);
        break;
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct arena *a = arena_new((size_t)64 << 20);
    struct buf once;
    struct buf twice;
    buf_init(&once, 1 << 20);
    buf_init(&twice, 1 << 20);
    struct error e;
    struct jsonw w;
    const struct json_value *v = json_parse(a, (str){(const char *)data, size}, 1 << 16, &e);
    if (v) {
        jsonw_init(&w, &once);
        write(&w, v);
        CHECK(buf_ok(&once));
        v = json_parse(a, buf_get(&once), 1 << 20, &e);
        CHECK(v != NULL || e.code == ERR_INVALID); // A whole float may be too long an integer.
    }
    if (v) {
        jsonw_init(&w, &twice);
        write(&w, v);
        const struct json_value *third = json_parse(a, buf_get(&twice), 1 << 20, &e);
        CHECK(third != NULL);
    }
    buf_fini(&once);
    buf_fini(&twice);
    arena_free(a);
    return 0;
}
