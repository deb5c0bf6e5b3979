// jsonw.c: the streaming JSON writer.

#include "base/buf.h"
#include "base/num.h"
#include "base/utf8.h"
#include "wire/json.h"

#include <math.h>

static bool is_plain(u8 c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static void escape_ascii(struct buf *out, u8 c)
{
    static const char short_forms[] = "\"\"\\\\\bb\ff\nn\rr\tt"; // Character, then its letter.
    for (size_t i = 0; i + 1 < sizeof(short_forms); i += 2) {
        if ((u8)short_forms[i] == c) {
            buf_byte(out, '\\');
            buf_byte(out, (u8)short_forms[i + 1]);
            return;
        }
    }
    buf_printf(out, "\\u%04x", c);
}

void json_quote(struct buf *out, str s)
{
    buf_byte(out, '"');
    size_t plain_from = 0;
    size_t pos = 0;
    while (pos < s.len) {
        const u8 c = (u8)s.ptr[pos];
        if (LIKELY(is_plain(c))) {
            pos++;
            continue;
        }
        const size_t at = pos;
        u32 code_point;
        const bool valid = utf8_next(s, &pos, &code_point);
        if (c >= 0x80 && valid) {
            continue;
        }
        buf_add(out, s.ptr + plain_from, at - plain_from);
        plain_from = pos;
        if (c < 0x80) {
            escape_ascii(out, c);
        } else {
            buf_c(out, "\xef\xbf\xbd"); // U+FFFD.
        }
    }
    if (s.len > plain_from) {
        buf_add(out, s.ptr + plain_from, s.len - plain_from);
    }
    buf_byte(out, '"');
}

void jsonw_init(struct jsonw *w, struct buf *out)
{
    *w = (struct jsonw){.out = out};
}

// A value comes: a comma, unless it is the first of its place or stands behind its key.
static void value_begins(struct jsonw *w)
{
    const u64 bit = 1ULL << w->depth;
    if (w->after_key) {
        w->after_key = false;
    } else if (w->filled & bit) {
        buf_byte(w->out, ',');
    }
    w->filled |= bit;
}

static void open_at(struct jsonw *w, u8 bracket)
{
    value_begins(w);
    buf_byte(w->out, bracket);
    w->depth++;
    CHECK(w->depth < JSONW_DEPTH_MAX);
    w->filled &= ~(1ULL << w->depth);
}

static void close_at(struct jsonw *w, u8 bracket)
{
    CHECK(w->depth > 0 && !w->after_key);
    w->depth--;
    buf_byte(w->out, bracket);
}

void jsonw_object(struct jsonw *w)
{
    open_at(w, '{');
}

void jsonw_object_end(struct jsonw *w)
{
    close_at(w, '}');
}

void jsonw_array(struct jsonw *w)
{
    open_at(w, '[');
}

void jsonw_array_end(struct jsonw *w)
{
    close_at(w, ']');
}

void jsonw_key(struct jsonw *w, str key)
{
    CHECK(!w->after_key);
    value_begins(w);
    json_quote(w->out, key);
    buf_byte(w->out, ':');
    w->after_key = true;
}

void jsonw_str(struct jsonw *w, str s)
{
    value_begins(w);
    json_quote(w->out, s);
}

void jsonw_bool(struct jsonw *w, bool v)
{
    value_begins(w);
    buf_c(w->out, v ? "true" : "false");
}

void jsonw_null(struct jsonw *w)
{
    value_begins(w);
    buf_c(w->out, "null");
}

void jsonw_u64(struct jsonw *w, u64 v)
{
    value_begins(w);
    buf_u64(w->out, v);
}

void jsonw_i64(struct jsonw *w, i64 v)
{
    value_begins(w);
    buf_i64(w->out, v);
}

static void number_put(struct buf *out, f64 v)
{
    char *room = buf_room(out, NUM_TEXT_MAX);
    if (room) {
        buf_commit(out, num_json(room, v));
    }
}

void jsonw_f64(struct jsonw *w, f64 v)
{
    if (!isfinite(v)) {
        jsonw_null(w);
        return;
    }
    value_begins(w);
    number_put(w->out, v);
}

void jsonw_f64_text(struct jsonw *w, f64 v)
{
    value_begins(w);
    buf_byte(w->out, '"');
    number_put(w->out, v);
    buf_byte(w->out, '"');
}

void jsonw_seconds(struct jsonw *w, i64 t_ms)
{
    value_begins(w);
    u64 ms = (u64)t_ms;
    if (t_ms < 0) {
        buf_byte(w->out, '-');
        ms = 0 - ms;
    }
    buf_u64(w->out, ms / 1000);
    const u32 fraction = (u32)(ms % 1000);
    if (fraction > 0) { // Always three digits, as upstream writes them.
        const char digits[] = {'.', (char)('0' + fraction / 100), (char)('0' + fraction / 10 % 10),
                               (char)('0' + fraction % 10)};
        buf_add(w->out, digits, sizeof(digits));
    }
}

void jsonw_raw(struct jsonw *w, str json)
{
    value_begins(w);
    buf_str(w->out, json);
}

void jsonw_pair_str(struct jsonw *w, str key, str value)
{
    jsonw_key(w, key);
    jsonw_str(w, value);
}
