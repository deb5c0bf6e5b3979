// gunzip_fuzz.c: any bytes as gzip: whole and in pieces must agree. The first byte sets the pieces'
// size and, in its top bit, whether the rest is packed first.
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "wire/gzip.h"

#define BYTES_MAX ((size_t)1 << 18)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static bool stream(str in, size_t step, struct buf *out, struct error *e)
{
    struct gunzip *g = gunzip_new(BYTES_MAX);
    bool ok = true;
    for (size_t at = 0; ok && at < in.len; at += step) {
        ok = gunzip_feed(g, str_sub(in, at, at + step), out, e);
    }
    ok = ok && gunzip_end(g, e);
    gunzip_free(g);
    return ok;
}

static void compare(str in, size_t step)
{
    struct buf whole;
    struct buf pieces;
    struct error whole_e = {0};
    struct error pieces_e = {0};
    buf_init(&whole, BYTES_MAX);
    buf_init(&pieces, BYTES_MAX);
    bool ok = gzip_decode(in, BYTES_MAX, &whole, &whole_e);
    bool ok_pieces = stream(in, step, &pieces, &pieces_e);
    // The two libraries may differ in what they call damage first, and zlib checks the header's
    // own checksum where libdeflate does not; what both accept must be the same.
    if (ok && ok_pieces) {
        CHECK(str_eq(buf_get(&whole), buf_get(&pieces)));
    }
    CHECK(ok || whole.len == 0);
    CHECK(ok || whole_e.code == ERR_LIMIT || whole_e.code == ERR_CORRUPT);
    CHECK(ok_pieces || pieces_e.code == ERR_LIMIT || pieces_e.code == ERR_CORRUPT);
    buf_fini(&whole);
    buf_fini(&pieces);
}

static void go_round(str bytes, size_t step)
{
    struct buf packed;
    struct buf back;
    buf_init(&packed, (size_t)4 << 20);
    buf_init(&back, (size_t)4 << 20);
    struct gzipper *g = gzipper_new(1);
    for (size_t at = 0; at < bytes.len; at += step) {
        gzipper_feed(g, str_sub(bytes, at, at + step), &packed);
    }
    gzipper_end(g, &packed);
    gzipper_free(g);
    CHECK(gzip_decode(buf_get(&packed), bytes.len, &back, NULL));
    CHECK(str_eq(buf_get(&back), bytes));
    buf_fini(&packed);
    buf_fini(&back);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size > 0) {
        str rest = str_make((const char *)data + 1, size - 1);
        size_t step = (data[0] & 0x7F) + 1U;
        if (data[0] & 0x80) {
            go_round(rest, step);
        } else {
            compare(rest, step);
        }
    }
    return 0;
}
