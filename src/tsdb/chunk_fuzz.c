// Fuzzes the chunk decoder: any bytes, any n; what decodes must survive a round trip.
#include "base/buf.h"
#include "base/str.h"
#include "tsdb/chunk_pack.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const u32 n = 1 + (data[0] | (u32)data[1] << 8) % CHUNK_VALUES_MAX;
    f64 values[CHUNK_VALUES_MAX];
    if (!chunk_pack_decode(str_make((const char *)data + 2, size - 2), n, values, NULL)) {
        return 0;
    }
    struct buf b;
    buf_init(&b, 1 << 16);
    chunk_pack_encode(values, n, &b);
    f64 back[CHUNK_VALUES_MAX];
    CHECK(chunk_pack_decode(buf_get(&b), n, back, NULL));
    CHECK(memcmp(values, back, n * sizeof(f64)) == 0);
    buf_fini(&b);
    return 0;
}
