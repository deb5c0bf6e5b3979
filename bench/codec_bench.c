// codec_bench.c: what the packed chunk costs on a capture of a real exporter.
//
//   bench_codec < capture.tsv
//
// The capture is capture.c's: a line "#ts<TAB>ms…", then "series<TAB>value…" for each series, an
// empty value where a scrape did not have it. The values of a series are cut into chunks of
// CHUNK_VALUES_MAX, each is packed, unpacked and compared bit for bit. Prints a table: for each
// transform and plan the chunks, the share of values and bytes, bytes per value, and ns per
// value to pack and to unpack. Every kind is run over and over for a fixed time, batch after batch;
// each batch's fastest run counts, so that a busy machine shows little. Unpacking is told twice: as
// this machine can, and with what every machine has. Values alone are weighed
// here: no directory, no timestamps, no checksums (bench_capture weighs whole blocks).
//
// Memory: the capture, 8 bytes a value and its chunks. Time: some five seconds.
// Threads: one.
#include "base/base.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/num.h"
#include "base/str.h"
#include "os/clk.h"
#include "tsdb/chunk_pack.h"
#include "tsdb/chunk_unpack.h"

#include <stdio.h>
#include <stdlib.h>

enum { KINDS = CHUNK_KINDS + 1, CHUNK_BYTES_MAX = 1 << 16, ROUNDS_MIN = 5, BATCH = 128 };
#define INPUT_MAX ((size_t)1 << 30)
#define KIND_NS   (i64)100000000 // Of each kind, and each way.

// Threads: owned.
struct chunk {
    const f64 *values;
    str packed;
    u32 n;
    u32 kind;
};

// Threads: owned.
struct capture {
    f64 *values;
    size_t value_count;
    size_t value_cap;
    struct chunk *chunks;
    u32 chunk_count;
    struct buf packed;
};

static NO_RETURN void die(const char *what, const struct error *e)
{
    (void)fprintf(stderr, "bench_codec: %s: %s\n", what, e ? e->text : "bad input");
    exit(1);
}

// Series after series; the end of each is told by the chunk lengths.
static void series_read(struct capture *c, str line)
{
    str rest = line;
    str piece;
    u32 n = 0;
    (void)str_split_next(&rest, '\t', &piece);
    while (str_split_next(&rest, '\t', &piece)) {
        if (piece.len == 0) {
            continue;
        }
        if (c->value_count == c->value_cap) {
            c->value_cap = MAX((size_t)1 << 16, c->value_cap * 2);
            c->values = MEM_GROW(c->values, c->value_cap, f64);
        }
        if (!num_parse(piece, &c->values[c->value_count++])) {
            die("a value", NULL);
        }
        n++;
    }
    for (u32 at = 0; at < n; at += CHUNK_VALUES_MAX) {
        c->chunks = MEM_GROW(c->chunks, c->chunk_count + 1, struct chunk);
        c->chunks[c->chunk_count++] = (struct chunk){.n = MIN(CHUNK_VALUES_MAX, n - at)};
    }
}

static void capture_read(struct capture *c)
{
    struct buf in;
    buf_init(&in, INPUT_MAX);
    size_t got = 1;
    while (got > 0) {
        char *room = buf_room(&in, 1 << 20);
        if (!room) {
            die("standard input is too large", NULL);
        }
        got = fread(room, 1, 1 << 20, stdin);
        buf_commit(&in, got);
    }
    str rest = buf_get(&in);
    str line;
    while (str_split_next(&rest, '\n', &line)) {
        if (line.len > 0 && !str_starts(line, STR("#"))) {
            series_read(c, line);
        }
    }
    buf_fini(&in);
    const f64 *at = c->values;
    for (u32 i = 0; i < c->chunk_count; i++) {
        c->chunks[i].values = at;
        at += c->chunks[i].n;
    }
}

static void pack_all(struct capture *c)
{
    struct buf one;
    buf_init(&one, CHUNK_BYTES_MAX);
    buf_init(&c->packed, INPUT_MAX);
    for (u32 i = 0; i < c->chunk_count; i++) {
        struct chunk *k = &c->chunks[i];
        struct error e = {0};
        f64 back[CHUNK_VALUES_MAX];
        buf_clear(&one);
        chunk_pack_encode(k->values, k->n, &one);
        if (!chunk_pack_decode(buf_get(&one), k->n, back, &e)) {
            die("unpacking", &e);
        }
        if (memcmp(back, k->values, k->n * sizeof(f64)) != 0) {
            die("a chunk came back with other bits", NULL);
        }
        k->packed.len = one.len;
        k->kind = chunk_pack_kind(buf_get(&one));
        buf_add(&c->packed, one.bytes, one.len);
    }
    if (!buf_ok(&c->packed)) {
        die("the chunks are too large", NULL);
    }
    const char *at = c->packed.bytes;
    for (u32 i = 0; i < c->chunk_count; i++) {
        c->chunks[i].packed.ptr = at;
        at += c->chunks[i].packed.len;
    }
    buf_fini(&one);
}

static bool of_kind(const struct chunk *k, u32 kind)
{
    return kind == CHUNK_KINDS || k->kind == kind;
}

// Packs or unpacks the chunks [from, to) that are of the kind; ns.
static i64 batch_run(const struct capture *c, u32 kind, u32 from, u32 to, struct buf *scratch)
{
    f64 back[CHUNK_VALUES_MAX];
    const i64 start = clk_mono_ns(clk_real());
    for (u32 i = from; i < to; i++) {
        const struct chunk *k = &c->chunks[i];
        if (!of_kind(k, kind)) {
            continue;
        }
        if (scratch) {
            buf_clear(scratch);
            chunk_pack_encode(k->values, k->n, scratch);
        } else if (!chunk_pack_decode(k->packed, k->n, back, NULL)) {
            die("unpacking", NULL);
        }
    }
    return clk_mono_ns(clk_real()) - start;
}

// The sum of each batch's fastest run, in ns.
static i64 kind_time(const struct capture *c, u32 kind, struct buf *scratch)
{
    const u32 batches = (c->chunk_count + BATCH - 1) / BATCH;
    i64 *fastest = MEM_NEW_N(i64, batches);
    i64 sum = 0;
    const i64 start = clk_thread_cpu_ns();
    for (u32 r = 0; r < ROUNDS_MIN || clk_thread_cpu_ns() - start < KIND_NS; r++) {
        for (u32 b = 0; b < batches; b++) {
            const u32 from = b * BATCH;
            const i64 ns = batch_run(c, kind, from, MIN(from + BATCH, c->chunk_count), scratch);
            fastest[b] = r == 0 ? ns : MIN(fastest[b], ns);
        }
    }
    for (u32 b = 0; b < batches; b++) {
        sum += fastest[b];
    }
    mem_free(fastest);
    return sum;
}

static void kind_print(const struct capture *c, u32 kind)
{
    u64 values = 0;
    u64 bytes = 0;
    u32 chunks = 0;
    for (u32 i = 0; i < c->chunk_count; i++) {
        const struct chunk *k = &c->chunks[i];
        if (of_kind(k, kind)) {
            chunks++;
            values += k->n;
            bytes += k->packed.len;
        }
    }
    if (chunks == 0) {
        return;
    }
    struct buf scratch;
    buf_init(&scratch, CHUNK_BYTES_MAX);
    const i64 pack_ns = kind_time(c, kind, &scratch);
    const i64 unpack_ns = kind_time(c, kind, NULL);
    column_unpack_portable(true);
    const i64 portable_ns = kind_time(c, kind, NULL);
    column_unpack_portable(false);
    buf_fini(&scratch);
    const f64 n = (f64)values;
    (void)printf("%-12s %7u %6.1f%% %6.1f%% %8.4f %8.2f %8.2f %8.2f\n",
                 kind == CHUNK_KINDS ? "all" : chunk_kind_name(kind), chunks,
                 100 * n / (f64)c->value_count, 100 * (f64)bytes / (f64)c->packed.len,
                 (f64)bytes / n, (f64)pack_ns / n, (f64)unpack_ns / n, (f64)portable_ns / n);
}

int main(void)
{
    struct capture c = {0};
    capture_read(&c);
    if (c.chunk_count == 0) {
        die("standard input", NULL);
    }
    pack_all(&c);
    (void)printf("%-12s %7s %7s %7s %8s %8s %8s %8s\n", "kind", "chunks", "values", "bytes",
                 "B/value", "pack ns", "unpack", "portable");
    for (u32 kind = 0; kind < KINDS; kind++) {
        kind_print(&c, kind);
    }
    mem_free(c.values);
    mem_free(c.chunks);
    buf_fini(&c.packed);
    return 0;
}
