// zst.c: the one file that knows libzstd.
#include "wire/zst.h"

#include "base/buf.h"
#include "base/error.h"

#include <zstd.h>

#define STEP_BYTES ((size_t)128 << 10)

void zst_encode(str bytes, int level, struct buf *out)
{
    CHECK(level >= 1 && level <= 19);
    ZSTD_CCtx *c = ZSTD_createCCtx();
    CHECK(c && "out of memory");
    CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level)));
    CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, ZST_WINDOW_LOG_MAX)));
    CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1)));
    size_t left = out->full ? 0 : out->max - out->len;
    size_t cap = MIN(ZSTD_compressBound(bytes.len), left);
    char *room = cap > 0 ? buf_room(out, cap) : NULL;
    size_t len = room ? ZSTD_compress2(c, room, cap, bytes.ptr, bytes.len) : 0;
    (void)ZSTD_freeCCtx(c);
    if (!room || ZSTD_isError(len)) {
        out->full = true; // With a sound context the only reason is too little room.
        return;
    }
    buf_commit(out, len);
}

static bool frames_decode(ZSTD_DCtx *d, ZSTD_inBuffer *in, size_t maximum, struct buf *out,
                          struct error *e)
{
    size_t start = out->len;
    size_t pending = 1; // Not 0: a frame is under way or was not begun.
    while (in->pos < in->size || pending != 0) {
        size_t left = maximum - (out->len - start);
        char over[1];
        size_t room_len = MIN(left, STEP_BYTES);
        ZSTD_outBuffer step = {.dst = room_len > 0 ? buf_room(out, room_len) : over,
                               .size = MAX(room_len, 1)};
        size_t in_before = in->pos;
        pending = ZSTD_decompressStream(d, &step, in);
        if (ZSTD_isError(pending)) {
            return err_set(e, ERR_CORRUPT, "zstd: damaged near byte %zu: %s", in->pos,
                           ZSTD_getErrorName(pending));
        }
        if (room_len == 0 && step.pos > 0) {
            return err_set(e, ERR_LIMIT, "zstd: unpacks to more than the maximum of %zu bytes",
                           maximum);
        }
        if (step.pos > 0) {
            buf_commit(out, step.pos);
        } else if (in->pos == in_before && pending != 0) {
            return err_set(e, ERR_CORRUPT, "zstd: breaks off at byte %zu", in->pos);
        }
    }
    return true;
}

bool zst_decode(str in, size_t bytes_max, struct buf *out, struct error *e)
{
    if (out->full) {
        return err_set(e, ERR_LIMIT, "zstd: the buffer is full (%zu bytes)", out->max);
    }
    ZSTD_DCtx *d = ZSTD_createDCtx();
    CHECK(d && "out of memory");
    CHECK(!ZSTD_isError(ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, ZST_WINDOW_LOG_MAX)));
    size_t start = out->len;
    ZSTD_inBuffer source = {.src = in.ptr, .size = in.len};
    bool ok = frames_decode(d, &source, MIN(bytes_max, out->max - start), out, e);
    (void)ZSTD_freeDCtx(d);
    if (!ok && out->len != start) {
        out->len = start;
        out->bytes[start] = '\0';
    }
    return ok;
}

// ---- streams ----

#define STREAM_WINDOW_LOG 20

// Threads: owned.
struct zst_packer {
    ZSTD_CCtx *context;
};

struct zst_packer *zst_packer_new(int level)
{
    CHECK(level >= 1 && level <= 19);
    struct zst_packer *p = MEM_NEW(struct zst_packer);
    p->context = ZSTD_createCCtx();
    CHECK(p->context && "out of memory");
    CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(p->context, ZSTD_c_compressionLevel, level)));
    CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(p->context, ZSTD_c_windowLog, STREAM_WINDOW_LOG)));
    CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(p->context, ZSTD_c_checksumFlag, 1)));
    return p;
}

void zst_packer_free(struct zst_packer *p)
{
    if (p) {
        (void)ZSTD_freeCCtx(p->context);
        mem_free(p);
    }
}

static void stream_run(struct zst_packer *p, str piece, ZSTD_EndDirective how, struct buf *out)
{
    ZSTD_inBuffer in = {.src = piece.ptr, .size = piece.len};
    size_t pending = 1;
    while (!out->full && (in.pos < in.size || (how == ZSTD_e_end && pending != 0))) {
        char *room = buf_room(out, STEP_BYTES);
        if (!room) { // buf_room has said so in out.
            return;
        }
        ZSTD_outBuffer step = {.dst = room, .size = STEP_BYTES};
        pending = ZSTD_compressStream2(p->context, &step, &in, how);
        CHECK(!ZSTD_isError(pending)); // With sound parameters only memory can be missing.
        buf_commit(out, step.pos);
    }
}

void zst_packer_feed(struct zst_packer *p, str piece, struct buf *out)
{
    stream_run(p, piece, ZSTD_e_continue, out);
}

void zst_packer_end(struct zst_packer *p, struct buf *out)
{
    stream_run(p, STR_EMPTY, ZSTD_e_end, out);
}
