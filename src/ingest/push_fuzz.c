// Fuzzes remote write requests behind snappy (valid framing) and in front of it (raw bytes).
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "ingest/ingest.h"
#include "storage/memstore.h"
#include "wire/snappy.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct storage *s = memstore_new((struct memstore_opts){.series_max = 1000});
    struct arena *a = arena_new(64U << 20);
    struct buf packed;
    buf_init(&packed, 1 << 20);
    str body = str_make((const char *)data + 1, size - 1);
    if (data[0] & 1) {
        snappy_encode(body, &packed);
        body = buf_get(&packed);
    }
    const struct push_opts opts = {.storage = s, .decoded_bytes_max = 1 << 20};
    struct push_result r = {0};
    if (push_remote_write_1(&opts, body, a, &r, NULL)) {
        u64 sum = 0;
        for (u32 i = 0; i < APPEND_OUTCOME_COUNT; i++) {
            sum += r.outcomes[i];
        }
        CHECK(sum == r.samples);
    }
    buf_fini(&packed);
    arena_free(a);
    memstore_free(s);
    return 0;
}
