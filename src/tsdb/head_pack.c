#include "tsdb/head_pack.h"

#include "tsdb/chunk_pack.h"
#include "tsdb/head_tokens.h"

void open_tokens_pack(str tokens, u32 n, u8 *present, u32 first, struct buf *out)
{
    UNINIT i64 ints[ROWS_MAX];
    UNINIT f64 values[ROWS_MAX];
    u32 exponent;
    const u32 whole = open_tokens_whole(tokens, n, ints, &exponent);
    if (whole > 0) {
        chunk_pack_whole(ints, whole, exponent, out);
        return;
    }
    open_tokens_decode(tokens, n, values, present, first);
    chunk_pack_encode(values, n, out);
}

void open_tokens_pack_quick(str tokens, u32 n, u8 *present, u32 first, struct buf *out)
{
    UNINIT i64 ints[ROWS_MAX];
    UNINIT f64 values[ROWS_MAX];
    u32 exponent;
    const u32 whole = open_tokens_whole(tokens, n, ints, &exponent);
    if (whole > 0) {
        chunk_pack_whole_quick(ints, whole, exponent, out);
        return;
    }
    open_tokens_decode(tokens, n, values, present, first);
    chunk_pack_quick(values, n, out);
}
