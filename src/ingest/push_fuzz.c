// Fuzzes remote write requests behind snappy (valid framing) and in front of it (raw bytes), each
// twice: the second time the cache knows its series.
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
    struct push_cache *cache = push_cache_new(4 << 20);
    const struct push_opts opts = {.storage = s, .cache = cache, .decoded_bytes_max = 1 << 20};
    struct push_result r[2] = {0};
    bool ok[2];
    for (u32 i = 0; i < 2; i++) {
        u64 sum = 0;
        arena_reset(a);
        ok[i] = push_remote_write_1(&opts, body, a, &r[i], NULL);
        for (u32 o = 0; o < APPEND_OUTCOME_COUNT; o++) {
            sum += r[i].outcomes[o];
        }
        CHECK(ok[i] ? sum == r[i].samples : sum <= r[i].samples);
    }
    CHECK(ok[0] == ok[1] && r[0].samples == r[1].samples);
    CHECK(r[0].series_bad_labels == r[1].series_bad_labels);
    push_cache_free(cache);
    buf_fini(&packed);
    arena_free(a);
    memstore_free(s);
    return 0;
}
