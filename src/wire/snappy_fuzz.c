// snappy_fuzz.c: any bytes as a snappy block, and back. The first byte chooses the way.
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "wire/snappy.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void unpack(str in)
{
    struct buf out;
    struct error e = {0};
    buf_init(&out, (size_t)1 << 20);
    buf_c(&out, "before");
    bool ok = snappy_decode(in, (size_t)1 << 19, &out, &e);
    CHECK(ok || e.code == ERR_LIMIT || e.code == ERR_CORRUPT);
    CHECK(ok || out.len == 6);
    CHECK(out.len <= ((size_t)1 << 19) + 6 && memcmp(out.bytes, "before", 6) == 0);
    buf_fini(&out);
}

static void go_round(str bytes)
{
    struct buf packed;
    struct buf back;
    buf_init(&packed, (size_t)4 << 20);
    buf_init(&back, (size_t)4 << 20);
    snappy_encode(bytes, &packed);
    CHECK(buf_ok(&packed));
    CHECK(snappy_decode(buf_get(&packed), bytes.len, &back, NULL));
    CHECK(str_eq(buf_get(&back), bytes));
    buf_fini(&packed);
    buf_fini(&back);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size > 0) {
        str rest = str_make((const char *)data + 1, size - 1);
        if (data[0] & 1) {
            unpack(rest);
        } else {
            go_round(rest);
        }
    }
    return 0;
}
