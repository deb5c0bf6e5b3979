// Fuzzes templates: any text either fails to compile or runs within its bounds.
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "tmpl/tmpl.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static const struct label pairs[] = {{{"instance", 8}, {"a:9100", 6}}, {{"job", 3}, {"n", 1}}};
    struct arena *a = arena_new(64U << 20);
    const struct tmpl *t = tmpl_compile(a, str_make((const char *)data, size), NULL);
    if (t) {
        const struct tmpl_data d = {.labels = {pairs, 2}, .value = 1.5};
        struct buf out;
        buf_init(&out, 1 << 16);
        (void)!tmpl_run(t, &d, a, &out, NULL);
        buf_fini(&out);
    }
    arena_free(a);
    return 0;
}
