// utf8.c: see utf8.h. The table of well-formed byte sequences is Unicode's 3-7.
#include "base/utf8.h"

// Bytes of the sequence that begins with b, and the bounds of its second byte; 0 if none begins so.
static u32 sequence_len(u8 b, u8 *second_min, u8 *second_max)
{
    *second_min = 0x80;
    *second_max = 0xBF;
    if (b < 0x80) {
        return 1;
    }
    if (b < 0xC2) {
        return 0; // A continuation, or an overlong form of ASCII.
    }
    if (b < 0xE0) {
        return 2;
    }
    if (b < 0xF0) {
        *second_min = b == 0xE0 ? 0xA0 : 0x80;
        *second_max = b == 0xED ? 0x9F : 0xBF; // No surrogates.
        return 3;
    }
    if (b < 0xF5) {
        *second_min = b == 0xF0 ? 0x90 : 0x80;
        *second_max = b == 0xF4 ? 0x8F : 0xBF; // Nothing above U+10FFFF.
        return 4;
    }
    return 0;
}

bool utf8_next(str s, size_t *pos, u32 *code_point)
{
    CHECK(*pos < s.len);
    const u8 *at = (const u8 *)s.ptr + *pos;
    u8 second_min = 0;
    u8 second_max = 0;
    u32 len = sequence_len(at[0], &second_min, &second_max);
    bool good = len > 0 && len <= s.len - *pos;
    u32 v = len > 1 ? at[0] & (0x7FU >> len) : at[0];
    for (u32 i = 1; good && i < len; i++) {
        u8 low = i == 1 ? second_min : 0x80;
        u8 high = i == 1 ? second_max : 0xBF;
        good = at[i] >= low && at[i] <= high;
        v = (v << 6) | (at[i] & 0x3FU);
    }
    if (!good) {
        *pos += 1;
        return false;
    }
    *pos += len;
    *code_point = v;
    return true;
}

// Fewer than eight bytes at a time.
static bool short_ascii(const char *at, size_t n)
{
    u32 first = 0;
    u32 last = 0;
    if (n >= sizeof(first)) { // They may overlap.
        memcpy(&first, at, sizeof(first));
        memcpy(&last, at + n - sizeof(last), sizeof(last));
    } else if (n > 0) {
        first = (u32)(u8)at[0] | (u32)(u8)at[n / 2] | (u32)(u8)at[n - 1];
    }
    return ((first | last) & 0x80808080U) == 0;
}

bool utf8_valid(str s)
{
    size_t pos = 0;
    while (pos < s.len) {
        // Most text is ASCII: eight bytes at a time.
        u64 word;
        while (s.len - pos >= sizeof(word)) {
            memcpy(&word, s.ptr + pos, sizeof(word));
            if (word & 0x8080808080808080ULL) {
                break;
            }
            pos += sizeof(word);
        }
        if (s.len - pos < sizeof(word) && short_ascii(s.ptr + pos, s.len - pos)) {
            return true;
        }
        if (pos < s.len && (u8)s.ptr[pos] < 0x80) {
            pos++;
            continue;
        }
        u32 code_point;
        if (pos < s.len && !utf8_next(s, &pos, &code_point)) {
            return false;
        }
    }
    return true;
}

size_t utf8_put(char out[4], u32 code_point)
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xC0 | (code_point >> 6));
        out[1] = (char)(0x80 | (code_point & 0x3F));
        return 2;
    }
    if (code_point < 0x10000) {
        if (code_point >= 0xD800 && code_point <= 0xDFFF) {
            return 0;
        }
        out[0] = (char)(0xE0 | (code_point >> 12));
        out[1] = (char)(0x80 | ((code_point >> 6) & 0x3F));
        out[2] = (char)(0x80 | (code_point & 0x3F));
        return 3;
    }
    if (code_point > 0x10FFFF) {
        return 0;
    }
    out[0] = (char)(0xF0 | (code_point >> 18));
    out[1] = (char)(0x80 | ((code_point >> 12) & 0x3F));
    out[2] = (char)(0x80 | ((code_point >> 6) & 0x3F));
    out[3] = (char)(0x80 | (code_point & 0x3F));
    return 4;
}
