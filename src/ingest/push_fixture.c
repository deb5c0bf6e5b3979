#include "ingest/push_fixture.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "wire/pb.h"
#include "wire/snappy.h"

#define DECODED_BYTES_MAX ((size_t)1 << 20)

void fixture_label(struct buf *b, const char *name, const char *value)
{
    const size_t mark = pbw_begin(b, 1);
    pbw_bytes(b, 1, str_c(name));
    pbw_bytes(b, 2, str_c(value));
    pbw_end(b, mark);
}

void fixture_sample(struct buf *b, f64 value, i64 t_ms)
{
    const size_t mark = pbw_begin(b, 2);
    pbw_f64(b, 1, value);
    pbw_varint(b, 2, (u64)t_ms);
    pbw_end(b, mark);
}

bool fixture_push(struct push_opts opts, const struct buf *request, struct push_result *out,
                  struct error *e)
{
    struct arena *a = arena_new(16U << 20);
    struct buf packed;
    buf_init(&packed, DECODED_BYTES_MAX);
    snappy_encode(buf_get(request), &packed);
    opts.decoded_bytes_max = DECODED_BYTES_MAX;
    const bool ok = push_remote_write_1(&opts, buf_get(&packed), a, out, e);
    buf_fini(&packed);
    arena_free(a);
    return ok;
}
