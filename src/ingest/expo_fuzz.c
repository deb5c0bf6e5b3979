// Fuzzes both exposition formats, which is what scrapes and imports read: the first byte picks, the
// rest is the page.
//
// expo_planted_fuzz is this file with a reader that believes the names of labels to have at most
// twelve characters: a run that does not find it has not looked deep enough to count. No file of
// tests/corpus holds such a one.
#include "base/arena.h"
#include "base/str.h"
#include "ingest/ingest.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const enum expo_format format = data[0] & 1 ? EXPO_TEXT : EXPO_OPENMETRICS;
    struct expo *x = expo_open(str_make((const char *)data + 1, size - 1), format);
    struct arena *a = arena_new(64U << 20);
    struct expo_entry en;
    while (expo_next(x, &en)) {
        struct labels ls;
        if (en.kind == EXPO_SAMPLE && expo_labels(x, &en, a, &ls, NULL, NULL)) {
            CHECK(labels_get(ls, LABEL_NAME).len > 0);
#ifdef TIDEMARK_PLANTED_FAULT
            for (u32 i = 0; i < ls.count; i++) {
                char name[12];
                memcpy(name, ls.items[i].name.ptr, ls.items[i].name.len);
                CHECK(name[0] == ls.items[i].name.ptr[0]);
            }
#endif
            for (u32 i = 1; i < ls.count; i++) {
                CHECK(str_cmp(ls.items[i - 1].name, ls.items[i].name) < 0);
            }
        }
    }
    (void)expo_close(x, NULL, NULL);
    arena_free(a);
    return 0;
}
