// jsonw.c: the streaming JSON writer.

#include "base/bits.h"
#include "base/buf.h"
#include "base/num.h"
#include "base/utf8.h"
#include "wire/json.h"

#include <math.h>

#define STRS_BYTES ((size_t)16 << 10) // Of texts that are given room at once.
#define STR_EXTRA  3U                 // A comma and two quotes.

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

#define EACH_BYTE 0x0101010101010101ULL
#define HIGH_BITS (0x80 * EACH_BYTE)

// Not 0 if one of eight bytes is not plain: too large, too small, a quote or a backslash. What a
// byte borrows from the next one is of no account: then it is itself not plain.
static u64 odd_bytes(u64 eight)
{
    const u64 quote = eight ^ ('"' * EACH_BYTE);
    const u64 slash = eight ^ ('\\' * EACH_BYTE);
    return (eight | ((eight - 0x20 * EACH_BYTE) & ~eight) | ((quote - EACH_BYTE) & ~quote) |
            ((slash - EACH_BYTE) & ~slash)) &
           HIGH_BITS;
}

static bool all_plain(str s)
{
    u64 odd = 0;
    if (s.len >= 8) {
        for (size_t i = 0; i + 8 < s.len; i += 8) {
            odd |= odd_bytes(load_le64(s.ptr + i));
        }
        return (odd | odd_bytes(load_le64(s.ptr + s.len - 8))) == 0;
    }
    if (s.len >= 4) {
        return odd_bytes((u64)load_le32(s.ptr) << 32 | load_le32(s.ptr + s.len - 4)) == 0;
    }
    for (size_t i = 0; i < s.len; i++) {
        odd |= !is_plain((u8)s.ptr[i]);
    }
    return odd == 0;
}

// In quotes, behind a comma or not, where there is room for it: the end, or NULL if not all of it
// stands for itself. Most names and values are short, and read once, for both.
static char *plain_place(char *at, bool comma, str s)
{
    *at = ',';
    at += comma;
    *at++ = '"';
    if (s.len >= 8 && s.len <= 16) {
        u64 begin;
        u64 end;
        memcpy(&begin, s.ptr, sizeof(begin));
        memcpy(&end, s.ptr + s.len - 8, sizeof(end));
        memcpy(at, &begin, sizeof(begin));
        memcpy(at + s.len - 8, &end, sizeof(end));
        if ((odd_bytes(begin) | odd_bytes(end)) != 0) {
            return NULL;
        }
    } else if (!all_plain(s)) {
        return NULL;
    } else if (s.len > 0) {
        memcpy(at, s.ptr, s.len);
    }
    at += s.len;
    *at++ = '"';
    return at;
}

// With a colon behind it if there is to be one.
static bool plain_put(struct buf *out, bool comma, str s, bool colon)
{
    const size_t bytes = s.len + 2 + comma + colon;
    char *room = buf_room(out, bytes);
    char *end = room ? plain_place(room, comma, s) : NULL;
    if (!end) {
        return false;
    }
    if (colon) {
        *end = ':';
    }
    buf_commit(out, bytes);
    return true;
}

void json_quote(struct buf *out, str s)
{
    if (plain_put(out, false, s, false)) {
        return;
    }
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

// A value comes: whether behind a comma, unless it is the first of its place or stands behind its
// key.
static bool value_comes(struct jsonw *w)
{
    const u64 bit = 1ULL << w->depth;
    const bool comma = !w->after_key && (w->filled & bit);
    w->after_key = false;
    w->filled |= bit;
    return comma;
}

static void value_begins(struct jsonw *w)
{
    if (value_comes(w)) {
        buf_byte(w->out, ',');
    }
}

static void text_put(struct jsonw *w, str s, bool colon)
{
    const bool comma = value_comes(w);
    if (plain_put(w->out, comma, s, colon)) {
        return;
    }
    if (comma) {
        buf_byte(w->out, ',');
    }
    json_quote(w->out, s);
    if (colon) {
        buf_byte(w->out, ':');
    }
}

// How many of n texts stand for themselves, one after the other, in room that is there for all;
// commits them.
static u32 plain_run(struct buf *out, char *room, bool comma, const str *texts, u32 n)
{
    char *end = room;
    u32 count = 0;
    while (count < n) {
        char *const next = plain_place(end, comma, texts[count]);
        if (!next) {
            break;
        }
        end = next;
        comma = true;
        count++;
    }
    buf_commit(out, (size_t)(end - room));
    return count;
}

u32 jsonw_strs(struct jsonw *w, const str *texts, u32 n)
{
    CHECK(n > 0);
    size_t bytes = 0;
    u32 count = 0;
    while (count < n && bytes < STRS_BYTES) {
        bytes += texts[count++].len;
    }
    bool comma = value_comes(w);
    for (u32 at = 0; at < count; comma = true) {
        // No text is shorter for being escaped: what has no room here has none one by one.
        char *room = buf_room(w->out, bytes + (size_t)(count - at) * STR_EXTRA - !comma);
        if (!room) {
            break;
        }
        const u32 odd = at + plain_run(w->out, room, comma, texts + at, count - at);
        for (; at < odd; at++) {
            bytes -= texts[at].len;
            comma = true;
        }
        if (odd < count) {
            if (comma) {
                buf_byte(w->out, ',');
            }
            json_quote(w->out, texts[odd]);
            bytes -= texts[at++].len;
        }
    }
    return count;
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
    text_put(w, key, true);
    w->after_key = true;
}

void jsonw_str(struct jsonw *w, str s)
{
    text_put(w, s, false);
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
