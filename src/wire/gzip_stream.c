// gzip_stream.c: streams; the one file that knows zlib.
#include "base/buf.h"
#include "base/error.h"
#include "wire/gzip.h"

#define ZLIB_CONST // Input pointers are const.
#include <limits.h>
#include <zlib.h>

#define GZIP_BITS  (15 + 16) // The largest window; 16 asks for gzip's header and trailer.
#define STEP_BYTES ((size_t)16 << 10)

// Threads: owned.
struct gunzip {
    z_stream z;
    u64 bytes_max;
    u64 bytes;    // Yielded so far; never more than bytes_max.
    bool between; // At the beginning, or right behind a member.
    bool started;
    struct error failed; // Code ERR_NONE: still well.
};

struct gunzip *gunzip_new(u64 bytes_max)
{
    struct gunzip *g = MEM_NEW(struct gunzip);
    g->bytes_max = bytes_max;
    g->between = true;
    CHECK(inflateInit2(&g->z, GZIP_BITS) == Z_OK && "out of memory");
    return g;
}

void gunzip_free(struct gunzip *g)
{
    if (g) {
        (void)inflateEnd(&g->z);
        mem_free(g);
    }
}

static bool fail_limit(struct gunzip *g, u64 maximum)
{
    return err_set(&g->failed, ERR_LIMIT, "gzip: unpacks to more than the maximum of %llu bytes",
                   (unsigned long long)maximum);
}

// One step: from what is left of the piece into at most STEP_BYTES. A byte beyond the maximum is
// asked for, so that a stream of exactly the maximum still passes.
static bool step(struct gunzip *g, struct buf *out, bool *more)
{
    u8 over[1];
    u64 left = g->bytes_max - g->bytes;
    size_t room_len = MIN(left, MIN(STEP_BYTES, out->max - out->len));
    u8 *room = room_len > 0 ? (u8 *)buf_room(out, room_len) : over;
    g->z.next_out = room;
    g->z.avail_out = room_len > 0 ? (uInt)room_len : 1;
    u64 in_before = g->z.avail_in;
    u64 out_before = g->z.avail_out;
    int status = inflate(&g->z, Z_NO_FLUSH);
    u64 got = out_before - g->z.avail_out;
    if (room_len == 0 && got > 0) {
        return fail_limit(g, g->bytes + MIN(left, out->max - out->len));
    }
    if (got > 0) {
        buf_commit(out, got);
        g->bytes += got;
    }
    if (status == Z_STREAM_END) {
        g->between = true;
        CHECK(inflateReset(&g->z) == Z_OK);
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
        return err_set(&g->failed, ERR_CORRUPT,
                       "gzip: damaged near byte %llu of what it unpacks to",
                       (unsigned long long)g->bytes);
    } else if (g->z.avail_in < in_before) {
        g->between = false;
    }
    // With the output full there may be more to come even without input.
    *more = status != Z_BUF_ERROR && (g->z.avail_in > 0 || (status == Z_OK && g->z.avail_out == 0));
    return true;
}

bool gunzip_feed(struct gunzip *g, str piece, struct buf *out, struct error *e)
{
    bool ok = g->failed.code == ERR_NONE;
    if (ok && out->full) {
        ok = fail_limit(g, out->max);
    }
    CHECK(piece.len <= UINT_MAX);
    g->z.next_in = (const Bytef *)piece.ptr;
    g->z.avail_in = (uInt)piece.len;
    g->started = g->started || piece.len > 0;
    bool more = piece.len > 0;
    while (ok && more) {
        ok = step(g, out, &more);
    }
    if (!ok) {
        return err_set(e, g->failed.code, "%s", g->failed.text);
    }
    return true;
}

bool gunzip_end(struct gunzip *g, struct error *e)
{
    if (g->failed.code != ERR_NONE) {
        return err_set(e, g->failed.code, "%s", g->failed.text);
    }
    if (!g->started || !g->between) {
        return err_set(e, ERR_CORRUPT, "gzip: the stream breaks off after %llu unpacked bytes",
                       (unsigned long long)g->bytes);
    }
    return true;
}

// Threads: owned.
struct gzipper {
    z_stream z;
    bool ended;
};

struct gzipper *gzipper_new(int level)
{
    CHECK(level >= 1 && level <= 9);
    struct gzipper *g = MEM_NEW(struct gzipper);
    int status = deflateInit2(&g->z, level, Z_DEFLATED, GZIP_BITS, 8, Z_DEFAULT_STRATEGY);
    CHECK(status == Z_OK && "out of memory");
    return g;
}

void gzipper_free(struct gzipper *g)
{
    if (g) {
        (void)deflateEnd(&g->z);
        mem_free(g);
    }
}

static void pack(struct gzipper *g, str piece, int flush, struct buf *out)
{
    CHECK(!g->ended && piece.len <= UINT_MAX);
    g->z.next_in = (const Bytef *)piece.ptr;
    g->z.avail_in = (uInt)piece.len;
    do {
        u8 ready[STEP_BYTES];
        g->z.next_out = ready;
        g->z.avail_out = sizeof(ready);
        int status = deflate(&g->z, flush);
        CHECK(status != Z_STREAM_ERROR);
        buf_add(out, ready, sizeof(ready) - g->z.avail_out);
    } while (g->z.avail_out == 0);
    CHECK(g->z.avail_in == 0);
}

void gzipper_feed(struct gzipper *g, str piece, struct buf *out)
{
    pack(g, piece, Z_NO_FLUSH, out);
}

void gzipper_flush(struct gzipper *g, struct buf *out)
{
    pack(g, STR_EMPTY, Z_SYNC_FLUSH, out);
}

void gzipper_end(struct gzipper *g, struct buf *out)
{
    pack(g, STR_EMPTY, Z_FINISH, out);
    g->ended = true;
}
