#include "tsdb/head_pack.h"

#include "tsdb/chunk_pack.h"
#include "tsdb/head_tokens.h"

static const struct way {
    void (*whole)(const i64 *ints, u32 n, u32 exponent, struct buf *out);
    void (*values)(const f64 *values, u32 n, struct buf *out);
} ways[] = {
    [PACK_TIGHT] = {chunk_pack_whole, chunk_pack_encode},
    [PACK_QUICK] = {chunk_pack_whole_quick, chunk_pack_quick},
};

void open_tokens_pack(enum open_pack how, str tokens, u32 n, u8 *present, u32 first,
                      struct buf *out)
{
    UNINIT i64 ints[ROWS_MAX];
    UNINIT f64 values[ROWS_MAX];
    u32 exponent;
    const u32 whole = open_tokens_whole(tokens, n, ints, &exponent);
    if (whole > 0) {
        ways[how].whole(ints, whole, exponent, out);
        return;
    }
    open_tokens_decode(tokens, n, values, present, first);
    ways[how].values(values, n, out);
}
