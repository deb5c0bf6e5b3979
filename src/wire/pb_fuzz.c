// pb_fuzz.c: any bytes read as a message end or fail inside their bounds; what is read whole is
// written again and reads the same.

#include "base/buf.h"
#include "wire/pb.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

// Copies field by field; a field whose bytes are a message themselves is copied as one.
static void copy(struct pb_reader *r, struct buf *out)
{
    while (pb_next(r)) {
        const u32 field = r->field;
        switch (r->wire) {
        case PB_VARINT:
            pbw_varint(out, field, pb_varint(r));
            break;
        case PB_FIXED64:
            pbw_fixed64(out, field, pb_fixed64(r));
            break;
        case PB_FIXED32:
            pbw_fixed32(out, field, pb_fixed32(r));
            break;
        case PB_BYTES:
            if (field % 2 == 0) {
                pbw_bytes(out, field, pb_bytes(r));
            } else {
                struct pb_reader inner = pb_enter(r);
                const size_t mark = pbw_begin(out, field);
                copy(&inner, out); // At most PB_DEPTH_MAX deep.
                pbw_end(out, mark);
                (void)pb_leave(r, &inner);
            }
            break;
        }
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct buf once;
    struct buf twice;
    buf_init(&once, 1 << 20);
    buf_init(&twice, 1 << 20);
    struct pb_reader r = pb_of((str){(const char *)data, size});
    copy(&r, &once);
    if (pb_ok(&r) && buf_ok(&once)) {
        struct pb_reader again = pb_of(buf_get(&once));
        copy(&again, &twice);
        CHECK(pb_ok(&again));
        CHECK(once.len == twice.len);
        CHECK(once.len == 0 || memcmp(once.bytes, twice.bytes, once.len) == 0);
    }
    buf_fini(&once);
    buf_fini(&twice);
    return 0;
}
