// head_image_fuzz.c: foreign bytes as a head image. The first byte chooses: as they are, with the
// header and all checksums put right, or as the payloads of records. What is taken is read as a
// querier would, written to as the log behind it would, and told as an image again.
//
// head_image_planted_fuzz is this file with a reader that believes late samples to be at least 0: a
// run that does not find it has not looked deep enough to count. No file of tests/corpus holds such
// a one.
#include "base/arena.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/dec.h"
#include "base/error.h"
#include "base/hash.h"
#include "os/fs.h"
#include "tsdb/chunk_pack.h"
#include "tsdb/head.h"
#include "tsdb/head_image.h"
#include "tsdb/head_image_form.h"
#include "tsdb/head_image_parts.h"
#include "tsdb/head_read.h"
#include "tsdb/head_replay.h"
#include "tsdb/postings.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RANGE       ((i64)7200000)
#define SALT        5U
#define FIRST       9U
#define IMAGE_BYTES ((size_t)8 << 20)
#define SLOTS_MAX   4096U // A fuzzer would only use more to eat memory.
#define T_FAR       ((i64)1 << 58)

static void on_metadata(UNUSED void *ctx, UNUSED struct tenant_id tenant, const struct metadata *m)
{
    CHECK(m->type < METRIC_TYPE_COUNT);
}

static void on_exemplar(UNUSED void *ctx, UNUSED struct tenant_id tenant, struct labels set,
                        UNUSED const struct exemplar *x)
{
    CHECK(set.count < UINT32_MAX);
}

static void header_put(struct buf *b)
{
    buf_c(b, IMAGE_MAGIC);
    buf_le32(b, IMAGE_VERSION);
    buf_le32(b, 0);
    buf_le64(b, FIRST);
    buf_le64(b, (u64)RANGE);
    buf_le32(b, ROWS_MAX);
    buf_le32(b, EXTENT_BYTES);
    buf_le32(b, SALT);
    buf_le64(b, 0);
    buf_le64(b, (u64)INT64_MIN);
    buf_le32(b, crc32c(0, b->bytes, b->len));
}

// Chunks carry a checksum each.
static void chunks_right(char *bytes, size_t len)
{
    size_t at = 0;
    while (at + sizeof(struct sealed) <= len) {
        struct sealed c;
        memcpy(&c, bytes + at, sizeof(c));
        const bool gaps = c.n < c.last - c.first + 1;
        const size_t used = sizeof(c) + (gaps ? PRESENCE_BYTES : 0) + c.bytes;
        if (used > len - at) {
            return;
        }
        c.crc = crc32c(0, bytes + at + sizeof(c.crc), used - sizeof(c.crc));
        memcpy(bytes + at, &c.crc, sizeof(c.crc));
        at += (used + 7) / 8 * 8;
    }
}

static void record_put(struct buf *out, u8 kind, str payload)
{
    const size_t mark = wal_record_begin(out);
    const size_t at = out->len;
    buf_add(out, payload.ptr, payload.len);
    if ((kind == WAL_IMAGE_EXTENT || kind == WAL_IMAGE_BOXES) && payload.len % 8 != 0) {
        buf_add(out, "\0\0\0\0\0\0\0", 8 - payload.len % 8);
    }
    if (kind == WAL_IMAGE_EXTENT && buf_ok(out)) {
        chunks_right(out->bytes + at, out->len - at);
    }
    wal_record_end(out, mark, (enum wal_kind)kind, SALT);
}

// Records as they stand, in the foreign file's own lengths.
static void image_right(struct buf *out, str in)
{
    size_t at = MIN((size_t)WAL_HEADER_BYTES, in.len);
    while (at + WAL_RECORD_HEAD <= in.len) {
        const u8 *p = (const u8 *)in.ptr + at;
        const size_t room = in.len - at - WAL_RECORD_HEAD;
        const size_t len = MIN((size_t)load_le32(p + 4), room);
        record_put(out, p[2], (str){in.ptr + at + WAL_RECORD_HEAD, len});
        at += WAL_RECORD_HEAD + len;
    }
}

// Kind, length (2), payload.
static void image_made(struct buf *out, str in)
{
    while (in.len >= 3) {
        size_t len = (size_t)(u8)in.ptr[1] | (size_t)(u8)in.ptr[2] << 8;
        len = MIN(len, in.len - 3);
        record_put(out, (u8)in.ptr[0], (str){in.ptr + 3, len});
        in = (str){in.ptr + 3 + len, in.len - 3 - len};
    }
}

// How many of a chunk's rows have a value.
static u32 rows_count(const struct segment *segment, const u8 *present, u32 first, u32 last)
{
    u32 rows = 0;
    for (u32 row = first; row <= last; row++) {
        CHECK(row < segment->n);
        rows += !present || presence_has(present, row);
    }
    return rows;
}

static void boxes_read(const struct segment *segment, f64 *values, u32 n, struct arena *a)
{
    struct box_list list = {.arena = a};
    if (head_boxes_of(segment)) {
        (void)!box_store_open(head_boxes_of(segment), values, n, &list);
    }
}

static void piece_read(const struct head_piece *p, struct arena *a)
{
    f64 values[ROWS_MAX];
    CHECK(rows_count(p->segment, head_piece_presence(p), p->first, p->last) == p->n);
    if (chunk_pack_decode(head_piece_bytes(p), p->n, values, NULL)) { // Else a reader is told.
        boxes_read(p->segment, values, p->n, a);
    }
}

static void open_read(const struct head_open *o, struct arena *a)
{
    f64 values[ROWS_MAX];
    CHECK(rows_count(o->segment, o->present, o->first, o->last) == o->n);
    open_tokens_decode((str){(const char *)o->tokens, o->bytes}, o->n, values, NULL, o->first);
    boxes_read(o->segment, values, o->n, a);
}

// What a careless caller would do with what is read: counts by the bits of the whole part.
static void late_count(f64 value)
{
#ifdef TIDEMARK_PLANTED_FAULT
    u32 bits[12] = {0};
    bits[value < 0 ? -1 : (int)(bits_of_f64(value) >> 60)]++;
    CHECK(bits[11] == 0);
#else
    CHECK(value < 0 || value >= 0 || value != value);
#endif
}

static void pieces_read(const struct head_reach *reach, const struct head_series *s,
                        struct arena *a)
{
    struct head_pieces pieces = {.n = 0};
    struct error e;
    if (head_pieces_find(&pieces, reach, s, &e)) {
        for (u32 i = 0; i < pieces.n; i++) {
            piece_read(&pieces.items[i], a);
        }
    }
    head_pieces_fini(&pieces);
}

static void series_read(const struct head_reach *reach, const struct head_series *s,
                        struct arena *a)
{
    pieces_read(reach, s, a);
    if (s->open) {
        open_read(s->open, a);
    }
    for (u32 i = 0; s->late && i < s->late->n; i++) {
        struct box_list list = {.arena = a};
        f64 value = s->late->values[i];
        late_count(value);
        if (s->late->boxes && s->late->boxes[i]) {
            (void)!box_store_open(s->late->boxes[i], &value, 1, &list);
        }
    }
}

static void head_walk(struct head *h)
{
    struct arena *a = arena_new((size_t)256 << 20);
    struct head_found all;
    struct error e;
    struct postings *set = postings_new();
    for (u32 i = 0; i < h->count; i++) {
        if (head_live(h, i)) {
            postings_add(set, i);
        }
    }
    lock_take(&h->lock);
    const u64 commit = pins_open(&h->pins);
    lock_drop(&h->lock);
    const struct head_read r = {
        .head = h, .commit = commit, .min_ms = INT64_MIN, .max_ms = INT64_MAX, .arena = a};
    if (head_read_series(&r, set, &all, &e)) {
        for (u32 i = 0; i < all.count; i++) {
            series_read(&all.reach, &all.series[i], a);
        }
    }
    lock_take(&h->lock);
    pins_close(&h->pins);
    lock_drop(&h->lock);
    postings_free(set);
    arena_free(a);
}

// As the log behind the image: what is known, late samples, new ones.
static void head_grow(struct head *h)
{
    for (u32 i = 0; i < h->count; i++) {
        const i64 t = h->rows[i].t_last;
        if (head_live(h, i) && t > -T_FAR && t < T_FAR) {
            head_replay(h, i, t, 1);
            head_replay(h, i, t - 1000, 2);
            head_replay(h, i, t + 1000, 3);
        }
    }
}

static bool image_load(struct fs *fs, struct head *h, struct error *e)
{
    struct head_image_file f;
    struct arena *a = arena_new((size_t)64 << 20);
    const struct wal_sink sink = {.metadata = on_metadata, .exemplar = on_exemplar};
    bool ok = head_image_open(fs, "/w", h, a, &f, e);
    if (ok) {
        const struct head_image_target to = {.head = h, .spill_dir = "/h", .sink = sink};
        ok = head_image_load(&f, &to, e);
        head_image_close(&f);
    }
    arena_free(a);
    return ok;
}

static void image_again(struct fs *fs, struct head *h)
{
    struct head_limits limits = {.series_max = 16};
    struct error e = {0};
    const struct head_image job = {.fs = fs,
                                   .dir = "/w",
                                   .spill_dir = "/h",
                                   .head = h,
                                   .salt = SALT,
                                   .first = FIRST,
                                   .floor = h->t_floor};
    struct head *other = head_new(0, RANGE, &limits, (u64)1 << 26);
    other->t_floor = h->t_floor;
    CHECK(head_image_write(&job, &e) && head_image_publish(&job, &e));
    if (!image_load(fs, other, &e)) {
        (void)fprintf(stderr, "an image of what an image held: %s\n", e.text);
        abort();
    }
    CHECK(other->live == h->live);
    head_free(other);
}

static bool on_series(void *ctx, UNUSED struct tenant_id tenant, UNUSED struct labels set,
                      u32 ordinal)
{
    *(bool *)ctx = *(bool *)ctx || ordinal >= SLOTS_MAX;
    return true;
}

static bool series_wide(str payload)
{
    struct dec d = dec_of(payload);
    u64 ordinal = 0;
    u64 n = dec_varint(&d);
    for (u64 i = 0; i < n && dec_ok(&d) && ordinal < SLOTS_MAX; i++) {
        ordinal += MIN(dec_varint(&d), (u64)SLOTS_MAX);
        (void)dec_varsint(&d);
        (void)dec_varsint(&d);
    }
    return ordinal >= SLOTS_MAX;
}

// Whether it names an ordinal that only takes memory.
static bool is_wide(str file)
{
    bool wide = false;
    struct wal_reader r;
    struct wal_decoder d;
    const struct wal_sink sink = {
        .ctx = &wide, .series = on_series, .metadata = on_metadata, .exemplar = on_exemplar};
    u32 salt = file.len >= WAL_HEADER_BYTES ? load_le32(file.ptr + 40) : 0;
    wal_decoder_init(&d, sink, 1U << 20);
    wal_reader_init(&r, file, file.len, salt);
    while (wal_reader_next(&r)) {
        struct error e;
        if (r.kind == WAL_SERIES) {
            (void)!wal_decode(&d, (u8)r.kind, r.payload, &e);
        } else if (r.kind == WAL_IMAGE_SERIES) {
            wide = wide || series_wide(r.payload);
        }
    }
    wal_decoder_fini(&d);
    return wide;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct head_limits limits = {.series_max = 16};
    struct error e = {0};
    struct buf file;
    if (size < 1) {
        return 0;
    }
    const str input = {(const char *)data + 1, size - 1};
    buf_init(&file, IMAGE_BYTES);
    if (data[0] % 4 == 0) {
        buf_add(&file, input.ptr, input.len);
    } else {
        header_put(&file);
        (data[0] % 4 == 1 ? image_right : image_made)(&file, input);
    }
    if (!is_wide(buf_get(&file))) {
        struct fs *fs = fs_mem_new((u64)64 << 20);
        struct head *h = head_new(0, RANGE, &limits, (u64)1 << 26);
        CHECK(fs_make_dir(fs, "/w", &e) && fs_make_dir(fs, "/h", &e));
        CHECK(fs_replace_file(fs, "/w/image", buf_get(&file), &e));
        h->t_floor = -T_FAR;
        if (image_load(fs, h, &e)) {
            head_walk(h);
            head_grow(h);
            head_walk(h);
            image_again(fs, h);
        }
        head_free(h);
        fs_mem_free(fs);
    }
    buf_fini(&file);
    return 0;
}
