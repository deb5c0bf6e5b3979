// http_pack.c: see http_pack.h. Level 1: an answer is packed once and read once, on a LAN.
#include "net/http_pack.h"

#include "base/str.h"
#include "wire/gzip.h"
#include "wire/zst.h"

#define PACK_LEVEL       1
#define PACK_PIECE_BYTES ((size_t)1 << 20)

// Threads: owned.
struct http_pack {
    struct gzipper *zipper; // One of them.
    struct zst_packer *zst;
    struct buf ready;
};

// What the client would rather have; zstd if both alike.
static bool is_zst(const struct http_request *rq)
{
    const u32 weight = http_accept_weight(rq, STR("zstd"));
    return weight > 0 && weight >= http_accept_weight(rq, STR("gzip"));
}

bool http_pack_wanted(const struct http_response *rs)
{
    const bool has_body = rs->status >= 200 && rs->status != 204 && rs->status != 304;
    return !rs->plain && has_body && (rs->streaming || rs->body.len >= HTTP_PACK_BYTES_MIN) &&
           http_response_header(rs, STR("Content-Encoding")).len == 0 &&
           (http_accepts(rs->rq, STR("gzip")) || http_accepts(rs->rq, STR("zstd")));
}

void http_pack_headers(struct http_response *rs)
{
    const str vary = http_response_header(rs, STR("Vary"));
    (void)http_header_set(rs, STR("Content-Encoding"), is_zst(rs->rq) ? STR("zstd") : STR("gzip"));
    (void)http_header_set(rs, STR("Vary"),
                          vary.len > 0 ? STR("Origin, Accept-Encoding") : STR("Accept-Encoding"));
}

bool http_pack_whole(struct http_response *rs, struct buf *out)
{
    buf_init(out, rs->body.len);
    if (is_zst(rs->rq)) {
        zst_encode(buf_get(&rs->body), PACK_LEVEL, out);
    } else {
        gzip_encode(buf_get(&rs->body), PACK_LEVEL, out);
    }
    if (!buf_ok(out)) { // It grew.
        buf_fini(out);
        return false;
    }
    http_pack_headers(rs);
    return true;
}

struct http_pack *http_pack_new(const struct http_request *rq)
{
    struct http_pack *p = MEM_NEW(struct http_pack);
    if (is_zst(rq)) {
        p->zst = zst_packer_new(PACK_LEVEL);
    } else {
        p->zipper = gzipper_new(PACK_LEVEL);
    }
    buf_init(&p->ready, 2 * PACK_PIECE_BYTES);
    return p;
}

void http_pack_free(struct http_pack *p)
{
    if (p == NULL) {
        return;
    }
    gzipper_free(p->zipper);
    zst_packer_free(p->zst);
    buf_fini(&p->ready);
    mem_free(p);
}

bool http_pack_write(struct http_pack *p, str bytes, bool end, bool (*out)(void *ctx, str packed),
                     void *ctx)
{
    bool ok = true;
    while (ok && bytes.len > 0) {
        const str piece = str_sub(bytes, 0, PACK_PIECE_BYTES);
        bytes = str_sub(bytes, piece.len, bytes.len);
        if (p->zst != NULL) {
            zst_packer_feed(p->zst, piece, &p->ready);
        } else {
            gzipper_feed(p->zipper, piece, &p->ready);
        }
        ok = buf_ok(&p->ready) && (p->ready.len == 0 || out(ctx, buf_get(&p->ready)));
        buf_clear(&p->ready);
    }
    if (ok && end) {
        if (p->zst != NULL) {
            zst_packer_end(p->zst, &p->ready);
        } else {
            gzipper_end(p->zipper, &p->ready);
        }
        ok = buf_ok(&p->ready) && out(ctx, buf_get(&p->ready));
        buf_clear(&p->ready);
    }
    return ok;
}
