// Fuzzes the chunk and column decoders: any bytes, any n. The fast decoders, with and without what
// only some machines have, and the plain one must agree on whether the bytes are a chunk and on
// every bit; what decodes must survive a round trip.
//
// chunk_planted_fuzz is this file with a reader that forgets the last change of a sparse column: a
// run that does not find it has not looked deep enough to count.
#include "base/buf.h"
#include "base/str.h"
#include "tsdb/chunk_form.h"
#include "tsdb/chunk_pack.h"
#include "tsdb/chunk_plain.h"
#include "tsdb/chunk_unpack.h"
#include "tsdb/int_pack.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static bool chunk_read_fast(str bytes, u32 n, f64 *values, bool *rises)
{
    bool rises_too;
    f64 portable[CHUNK_VALUES_MAX];
    column_unpack_portable(true);
    const bool right = chunk_pack_decode_rise(bytes, n, portable, &rises_too, NULL);
    column_unpack_portable(false);
    CHECK(chunk_pack_decode_rise(bytes, n, values, rises, NULL) == right);
    if (!right) {
        return false;
    }
    CHECK(memcmp(values, portable, n * sizeof(f64)) == 0);
    CHECK(*rises == rises_too);
#ifdef TIDEMARK_PLANTED_FAULT
    if (chunk_pack_kind(bytes) % 8 == INT_S1) {
        values[n - 1] = values[n - 2];
    }
#endif
    return true;
}

static void chunk_try(str bytes, u32 n)
{
    f64 values[CHUNK_VALUES_MAX];
    f64 plain[CHUNK_VALUES_MAX];
    const bool right = chunk_plain_decode(bytes, n, plain);
    bool rises;
    CHECK(chunk_read_fast(bytes, n, values, &rises) == right);
    if (!right) {
        return;
    }
    CHECK(memcmp(values, plain, n * sizeof(f64)) == 0);
    for (u32 i = 0; rises && i < n; i++) {
        CHECK(values[i] >= values[i == 0 ? 0 : i - 1]); // No NaN is.
    }
    struct buf b;
    buf_init(&b, 1 << 16);
    chunk_pack_encode(values, n, &b);
    f64 back[CHUNK_VALUES_MAX];
    CHECK(chunk_pack_decode(buf_get(&b), n, back, NULL));
    CHECK(memcmp(values, back, n * sizeof(f64)) == 0);
    buf_fini(&b);
}

static void column_try(str bytes, u32 n)
{
    i64 ints[INT_PACK_MAX];
    i64 plain[INT_PACK_MAX];
    const bool right = ts_plain_decode(bytes, n, plain);
    for (u32 way = 0; way < 2; way++) {
        struct dec d = dec_of(bytes);
        column_unpack_portable(way == 0);
        CHECK((ts_pack_decode(&d, n, ints) && dec_left(&d) == 0) == right);
        CHECK(!right || memcmp(ints, plain, n * sizeof(i64)) == 0);
    }
    if (!right) {
        return;
    }
    struct buf b;
    buf_init(&b, 1 << 16);
    ts_pack_encode(ints, n, &b);
    CHECK(ts_plain_decode(buf_get(&b), n, plain));
    CHECK(memcmp(ints, plain, n * sizeof(i64)) == 0);
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const u32 n = data[0] | (u32)data[1] << 8;
    const str bytes = str_make((const char *)data + 2, size - 2);
    if (n & 0x8000U) {
        column_try(bytes, 1 + n % INT_PACK_MAX);
    } else {
        chunk_try(bytes, 1 + n % CHUNK_VALUES_MAX);
    }
    return 0;
}
