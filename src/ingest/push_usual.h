// push_usual.h: the form in which senders spell a series of remote write 1.0, read in place.
//
//   0a len ( 0a len label )* ( 12 len [ 09 value ] 10 time )*
//
// What has another form, or none, is told from it and left to the protobuf reader: these functions
// never fail a request. None reads beyond `end`.
// Cost: O(1) each, but for the end of the labels. Threads: pure.
#ifndef INGEST_PUSH_USUAL_H
#define INGEST_PUSH_USUAL_H

#include "base/base.h"
#include "base/bits.h"

#define USUAL_MESSAGE 0x0aU // Of the protobuf: field 1, bytes. A series of a request, its labels.
#define USUAL_SAMPLE  0x12U
#define USUAL_VALUE   0x09U
#define USUAL_TIME    0x10U
#define HIGH_BITS     0x8080808080808080ULL

// The message of field 1 at the start of [at, end), if its length has one or two bytes; else NULL.
static inline const u8 *usual_message(const u8 *at, const u8 *end, size_t *len)
{
    if (end - at < 3 || at[0] != USUAL_MESSAGE) {
        return NULL;
    }
    const bool wide = at[1] >= 0x80;
    if (wide && at[2] >= 0x80) {
        return NULL;
    }
    *len = wide ? (at[1] & 0x7fU) | (size_t)at[2] << 7 : at[1];
    at += wide ? 3 : 2;
    return *len <= (size_t)(end - at) ? at : NULL;
}

// Where the label fields at the start of a series end.
static inline const u8 *usual_labels_end(const u8 *at, const u8 *end)
{
    const u8 *body;
    size_t len;
    while ((body = usual_message(at, end, &len)) != NULL) {
        at = body + len;
    }
    return at;
}

// The time that the `len` bytes before `end` are, all of them: 2 to 8 with as many before them.
static inline bool usual_time(const u8 *end, size_t len, i64 *t_ms)
{
    if (len < 2 || len > 8) {
        return false;
    }
    u64 t = load_le64(end - 8) >> (64 - 8 * len);
    if ((t & HIGH_BITS) != HIGH_BITS >> (72 - 8 * len)) {
        return false; // It ends before, or not here.
    }
    t = (t & 0x007f007f007f007fULL) | (t & 0x7f007f007f007f00ULL) >> 1;
    t = (t & 0x00003fff00003fffULL) | (t & 0x3fff00003fff0000ULL) >> 2;
    *t_ms = (i64)((t & 0x000000000fffffffULL) | (t & 0x0fffffff00000000ULL) >> 4);
    return true;
}

// The bytes of a time and what they say: most samples of a request have the same. Threads: a value.
struct usual_last {
    u64 bytes;
    size_t len; // 0: there is none.
    i64 t_ms;
};

// As usual_time; what was read last is not read again.
static inline bool usual_time_next(struct usual_last *last, const u8 *end, size_t len, i64 *t_ms)
{
    if (LIKELY(len == last->len && load_le64(end - 8) >> ((64 - 8 * len) & 63) == last->bytes)) {
        *t_ms = last->t_ms;
        return true;
    }
    if (!usual_time(end, len, t_ms)) {
        return false;
    }
    *last = (struct usual_last){load_le64(end - 8) >> (64 - 8 * len), len, *t_ms};
    return true;
}

// The sample at the start of [at, end): where it ends, or NULL. A value of zero may be left out.
static inline const u8 *usual_sample(struct usual_last *last, const u8 *at, const u8 *end,
                                     f64 *value, i64 *t_ms)
{
    if (end - at < 2 || at[0] != USUAL_SAMPLE || at[1] > end - at - 2) {
        return NULL;
    }
    const u8 *stop = at + 2 + at[1];
    u64 bits = 0;
    at += 2;
    if (stop - at > 9 && at[0] == USUAL_VALUE) {
        bits = load_le64(at + 1);
        at += 9;
    } else if (stop - at < 8) {
        return NULL; // A time is read with the bytes before it.
    }
    *value = f64_of_bits(bits);
    const bool usual = at < stop && at[0] == USUAL_TIME;
    return usual && usual_time_next(last, stop, (size_t)(stop - at - 1), t_ms) ? stop : NULL;
}

#endif
