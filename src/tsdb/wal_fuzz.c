// wal_fuzz.c: foreign bytes as a log. The first byte chooses: a whole segment file through the
// replay, as it is or with its header and checksums put right, or payloads of records straight into
// the decoder and a head.
//
// wal_planted_fuzz is this file with a reader that believes every ordinal to be small: a run that
// does not find it has not looked deep enough to count. No file of tests/corpus holds such a one.
#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/hash.h"
#include "os/fs.h"
#include "tsdb/exemplar_ring.h"
#include "tsdb/head.h"
#include "tsdb/head_replay.h"
#include "tsdb/wal_entry.h"
#include "tsdb/wal_record.h"
#include "tsdb/wal_replay.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Threads: owned.
struct target {
    struct head *head;
    u64 samples;
    struct exemplar_ring ring;
};

static bool on_series(void *ctx, struct tenant_id tenant, struct labels set, u32 ordinal)
{
    struct target *t = ctx;
#ifdef TIDEMARK_PLANTED_FAULT
    u8 seen[1000] = {0};
    seen[ordinal]++;
    CHECK(seen[ordinal] == 1);
#endif
    // The head grows to the ordinal, which a fuzzer would only use to eat memory.
    return ordinal < 4096 && head_restore(t->head, tenant, set, ordinal) != MAP_NONE;
}

static void on_sample(void *ctx, u32 ordinal, i64 t, f64 value)
{
    struct target *target = ctx;
    struct head *h = target->head;
    target->samples++;
    if (head_live(h, ordinal) && t > -((i64)1 << 60) && t < (i64)1 << 60) {
        head_replay(h, ordinal, t, value);
    }
}

static void on_row(void *ctx, const struct wal_row *row)
{
    struct target *target = ctx;
    target->samples += row->n;
    for (u32 i = 1; i < row->n; i++) {
        CHECK(row->ordinals[i - 1] < row->ordinals[i]);
    }
    if (row->t > -((i64)1 << 60) && row->t < (i64)1 << 60) {
        (void)head_replay_row(target->head, row);
    }
}

static void on_box(void *ctx, u32 ordinal, i64 t, str bytes)
{
    struct target *target = ctx;
    target->samples++;
    if (head_live(target->head, ordinal) && t > -((i64)1 << 60) && t < (i64)1 << 60) {
        head_replay_box(target->head, ordinal, t, bytes);
    }
}

static void on_metadata(UNUSED void *ctx, UNUSED struct tenant_id tenant, const struct metadata *m)
{
    CHECK(m->type < METRIC_TYPE_COUNT);
}

static void on_exemplar(void *ctx, struct tenant_id tenant, struct labels set,
                        const struct exemplar *x)
{
    struct target *target = ctx;
    (void)exemplar_ring_add(&target->ring, tenant, set, x);
}

static void feed_payloads(struct wal_decoder *d, str input)
{
    while (input.len >= 3) {
        u8 kind = (u8)input.ptr[0];
        size_t len = (size_t)(u8)input.ptr[1] | (size_t)(u8)input.ptr[2] << 8;
        len = MIN(len, input.len - 3);
        struct error e;
        (void)!wal_decode(d, kind, (str){input.ptr + 3, len}, &e);
        input = (str){input.ptr + 3 + len, input.len - 3 - len};
    }
}

// What a writer would have made of these bytes: the right header in front, and right checksums
// where something looks like a record, so that what is behind them is reached.
static void segment_right(u8 *bytes, size_t len)
{
    const struct wal_header header = {.number = 1};
    wal_header_encode(&header, bytes);
    size_t at = WAL_HEADER_BYTES;
    while (at + WAL_RECORD_HEAD <= len) {
        u8 *p = bytes + at;
        const size_t room = len - at - WAL_RECORD_HEAD;
        if (p[0] != 'T' || p[1] != 'R') {
            at++;
            continue;
        }
        u32 payload = (u32)MIN((size_t)load_le32(p + 4), room);
        memcpy(p + 4, &payload, sizeof(payload));
        u32 crc = crc32c(crc32c(0, p, 8), p + WAL_RECORD_HEAD, payload);
        memcpy(p + 8, &crc, sizeof(crc));
        at += WAL_RECORD_HEAD + payload;
    }
}

static void feed_segment(struct wal_decoder *d, str input)
{
    struct error e;
    struct wal_replayed got;
    struct arena *a = arena_new((size_t)64 << 20);
    struct fs *fs = fs_mem_new((u64)64 << 20);
    CHECK(fs_make_dir(fs, "/w", &e));
    struct file *f = fs_open(fs, "/w/seg-00000001", FS_TRUNCATE, &e);
    CHECK(f && fs_write_at(fs, f, 0, input, &e));
    fs_close(fs, f);
    struct wal_replay_job job = {.fs = fs, .dir = "/w", .decoder = d, .arena = a};
    (void)!wal_replay(&job, &got, &e);
    fs_mem_free(fs);
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct head_limits limits = {.series_max = 1000000};
    if (size < 1) {
        return 0;
    }
    struct target t = {.head = head_new(0, 7200000, &limits, (u64)1 << 26)};
    struct wal_decoder d;
    exemplar_ring_init(&t.ring);
    wal_decoder_init(&d,
                     (struct wal_sink){.ctx = &t,
                                       .series = on_series,
                                       .sample = on_sample,
                                       .row = on_row,
                                       .box = on_box,
                                       .metadata = on_metadata,
                                       .exemplar = on_exemplar},
                     65536);
    str input = {(const char *)data + 1, size - 1};
    if (data[0] % 2 == 0) {
        feed_payloads(&d, input);
    } else if (data[0] % 4 == 1 || input.len < WAL_HEADER_BYTES) {
        feed_segment(&d, input);
    } else {
        u8 *copy = MEM_NEW_N(u8, input.len);
        memcpy(copy, input.ptr, input.len);
        segment_right(copy, input.len);
        feed_segment(&d, (str){(const char *)copy, input.len});
        mem_free(copy);
    }
    wal_decoder_fini(&d);
    exemplar_ring_fini(&t.ring);
    head_free(t.head);
    return 0;
}
