// gzip.c: whole runs of bytes; the one file that knows libdeflate.
#include "wire/gzip.h"

#include "base/bits.h"
#include "base/buf.h"
#include "base/error.h"

#include <libdeflate.h>

#define RATIO_MAX    1032 // Deflate cannot do better: 258 bytes in two bits.
#define FIRST_MIN    ((size_t)1 << 10)
#define MEMBER_BYTES 18 // The least member: header, trailer.

void gzip_encode(str bytes, int level, struct buf *out)
{
    CHECK(level >= 1 && level <= 12);
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(level);
    CHECK(c && "out of memory");
    size_t bound = libdeflate_gzip_compress_bound(c, bytes.len);
    size_t left = out->full ? 0 : out->max - out->len;
    size_t cap = MIN(bound, left);
    char *room = cap > 0 ? buf_room(out, cap) : NULL;
    size_t len =
        room ? libdeflate_gzip_compress(c, bytes.ptr ? bytes.ptr : "", bytes.len, room, cap) : 0;
    libdeflate_free_compressor(c);
    if (len == 0) {
        out->full = true;
        return;
    }
    buf_commit(out, len);
}

// Unpacks one member behind out's end, into at most left bytes.
static enum libdeflate_result member_decode(struct libdeflate_decompressor *d, str in, size_t left,
                                            struct buf *out, size_t *in_used)
{
    // The trailer of the last member says its size; it may lie, so it is only where to begin.
    size_t hint = load_le32(in.ptr + in.len - 4);
    size_t most = in.len > left / RATIO_MAX ? left : MIN(left, in.len * RATIO_MAX);
    size_t cap = MIN(MAX(hint, FIRST_MIN), most);
    for (;;) {
        char *room = buf_room(out, cap);
        CHECK(room);
        size_t got = 0;
        enum libdeflate_result result =
            libdeflate_gzip_decompress_ex(d, in.ptr, in.len, room, cap, in_used, &got);
        if (result == LIBDEFLATE_SUCCESS) {
            buf_commit(out, got);
        }
        if (result != LIBDEFLATE_INSUFFICIENT_SPACE || cap == most) {
            return result;
        }
        cap = cap > most / 4 ? most : cap * 4;
    }
}

static bool members_decode(struct libdeflate_decompressor *d, str in, size_t bytes_max,
                           struct buf *out, struct error *e)
{
    size_t start = out->len;
    size_t maximum = MIN(bytes_max, out->max - start);
    size_t at = 0;
    do {
        size_t used = 0;
        size_t left = maximum - (out->len - start);
        enum libdeflate_result result = LIBDEFLATE_BAD_DATA;
        if (in.len - at >= MEMBER_BYTES) {
            result = member_decode(d, (str){in.ptr + at, in.len - at}, left, out, &used);
        }
        if (result == LIBDEFLATE_INSUFFICIENT_SPACE) {
            return err_set(e, ERR_LIMIT, "gzip: unpacks to more than the maximum of %zu bytes",
                           maximum);
        }
        if (result != LIBDEFLATE_SUCCESS) {
            return err_set(e, ERR_CORRUPT, "gzip: damaged in the member at byte %zu of %zu", at,
                           in.len);
        }
        at += used;
    } while (at < in.len);
    return true;
}

bool gzip_decode(str in, size_t bytes_max, struct buf *out, struct error *e)
{
    if (out->full) {
        return err_set(e, ERR_LIMIT, "gzip: the buffer is full (%zu bytes)", out->max);
    }
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    CHECK(d && "out of memory");
    size_t start = out->len;
    bool ok = members_decode(d, in, bytes_max, out, e);
    libdeflate_free_decompressor(d);
    if (!ok && out->len != start) {
        out->len = start;
        out->bytes[start] = '\0';
    }
    return ok;
}
