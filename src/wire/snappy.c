// snappy.c: the one file that knows libsnappy.
#include "wire/snappy.h"

#include "base/buf.h"
#include "base/error.h"

#include <snappy-c.h>

// The densest element is a copy of 64 bytes in three, so 22 to 1 is out of reach.
#define RATIO_MAX 22

void snappy_encode(str bytes, struct buf *out)
{
    if (bytes.len > UINT32_MAX) {
        out->full = true; // The format's length field has 32 bits.
        return;
    }
    size_t len = snappy_max_compressed_length(bytes.len);
    // The bound is a sixth larger than what is needed in the end, so a buffer near its maximum gets
    // its chance through a scratch copy.
    char *scratch = NULL;
    char *room = out->full || len <= out->max - out->len ? buf_room(out, len) : NULL;
    if (!room && !out->full) {
        room = scratch = mem_new(len, 1);
    }
    if (!room) {
        return;
    }
    CHECK(snappy_compress(bytes.ptr ? bytes.ptr : "", bytes.len, room, &len) == SNAPPY_OK);
    if (scratch) {
        buf_add(out, scratch, len);
        mem_free(scratch);
    } else {
        buf_commit(out, len);
    }
}

bool snappy_decode(str in, size_t bytes_max, struct buf *out, struct error *e)
{
    size_t len = 0;
    if (in.len == 0 || snappy_uncompressed_length(in.ptr, in.len, &len) != SNAPPY_OK) {
        return err_set(e, ERR_CORRUPT, "snappy: the %zu bytes do not begin with a length", in.len);
    }
    size_t left = out->full ? 0 : out->max - out->len;
    if (len > bytes_max || len > left) {
        return err_set(e, ERR_LIMIT, "snappy: unpacks to %zu bytes; the maximum is %zu", len,
                       MIN(bytes_max, left));
    }
    if (len / RATIO_MAX > in.len) {
        return err_set(e, ERR_CORRUPT, "snappy: %zu bytes cannot hold the %zu they declare", in.len,
                       len);
    }
    char *room = buf_room(out, len);
    CHECK(room);
    if (snappy_uncompress(in.ptr, in.len, room, &len) != SNAPPY_OK) {
        return err_set(e, ERR_CORRUPT, "snappy: the %zu bytes are damaged", in.len);
    }
    buf_commit(out, len);
    return true;
}
