// label_reader_test.c: labels read one series after the other, in any order, against the numbers
// of their symbols.
#include "base/arena.h"
#include "base/base.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "os/rng.h"
#include "tsdb/index_file.h"
#include "tsdb/label_reader.h"

#include <stdio.h>

enum {
    SYMBOLS = 400, // Numbers of one byte and of two.
    SERIES = 600,
    LABELS_MAX = LABELS_KEPT + 4,
    READS = 20000,
};

// What stands in the index. Threads: owned.
struct truth {
    u32 counts[SERIES]; // Pairs, the hidden one too.
    u32 pairs[SERIES][2 * (LABELS_MAX + 1)];
};

static str symbol_text(u32 symbol, char *out, size_t cap)
{
    const int len = snprintf(out, cap, "symbol-%05u", symbol);
    return (str){out, (size_t)len};
}

// As the one before up to a label, and from there on something else; or of another tenant.
static void truth_make(struct truth *x, struct rng *rng)
{
    for (u32 i = 0; i < SERIES; i++) {
        const bool fresh = i == 0 || rng_below(rng, 20) == 0;
        u32 *pairs = x->pairs[i];
        x->counts[i] = fresh || rng_below(rng, 10) == 0 ? 1 + (u32)rng_below(rng, LABELS_MAX + 1)
                                                        : x->counts[i - 1];
        const u32 from = fresh ? 0 : 2 * (u32)rng_below(rng, x->counts[i] + 1);
        for (u32 k = 0; k < 2 * x->counts[i]; k++) {
            const bool same = k < from && k < 2 * x->counts[i - 1];
            pairs[k] = same ? x->pairs[i - 1][k] : (u32)rng_below(rng, SYMBOLS);
        }
    }
}

static void index_make(struct fs *fs, const struct truth *x)
{
    struct index_writer w;
    struct error e = {0};
    char text[32];
    ASSERT_OK(index_writer_open(&w, fs, "index", &e), e);
    for (u32 i = 0; i < SYMBOLS; i++) {
        ASSERT_OK(index_writer_symbol(&w, symbol_text(i, text, sizeof(text)), &e), e);
    }
    index_writer_symbols_end(&w);
    for (u32 i = 0; i < SERIES; i++) {
        ASSERT_OK(index_writer_series(&w, x->pairs[i], x->counts[i], &e), e);
    }
    ASSERT_OK(index_writer_finish(&w, &e), e);
    index_writer_close(&w);
}

static void check_labels(const struct truth *x, u32 series, struct labels ls)
{
    char text[32];
    assert_int_equal(ls.count, x->counts[series] - 1);
    for (u32 i = 0; i < ls.count; i++) {
        const u32 *pair = x->pairs[series] + 2 * (size_t)(i + 1);
        assert_true(str_eq(ls.items[i].name, symbol_text(pair[0], text, sizeof(text))));
        assert_true(str_eq(ls.items[i].value, symbol_text(pair[1], text, sizeof(text))));
    }
}

// Of two series one after the other: so many first labels, and no more than there are, are equal.
static void check_same(const struct truth *x, u32 before, u32 series, u32 same)
{
    assert_in_range(same, 0, MIN(x->counts[series] - 1, LABELS_KEPT));
    const size_t bytes = 2 * (size_t)(same > 0 ? same + 1 : 0) * sizeof(u32);
    assert_memory_equal(x->pairs[before], x->pairs[series], bytes);
}

TEST(labels_are_read_after_any_others)
{
    static struct truth x;
    struct fs *fs = fs_mem_new((u64)4 << 20);
    struct arena *a = arena_new((size_t)1 << 20);
    struct index_file index;
    struct label_reader r;
    struct symbol_texts t;
    struct error e = {0};
    struct rng rng;
    u32 before = 0;
    u64 kept = 0;
    rng_init(&rng, 11);
    truth_make(&x, &rng);
    index_make(fs, &x);
    ASSERT_OK(index_file_open(&index, fs, "index", &e), e);
    label_reader_init(&r, &index);
    symbol_texts_init(&t);
    for (u32 i = 0; i < READS; i++) {
        const bool next = rng_below(&rng, 8) > 0;
        const u32 series = next ? (before + 1) % SERIES : (u32)rng_below(&rng, SERIES);
        struct labels ls;
        if (rng_below(&rng, 100) == 0) {
            symbol_texts_drop(&t);
        }
        if (rng_below(&rng, 50) == 0) { // Behind one that does not exist all goes on.
            assert_false(label_reader_get(&r, SERIES, &t, a, &ls, &e));
        }
        arena_reset(a);
        ASSERT_OK(label_reader_get(&r, series, &t, a, &ls, &e), e);
        check_labels(&x, series, ls);
        check_same(&x, i == 0 ? series : before, series, r.same);
        kept += r.same;
        before = series;
    }
    assert_true(kept > READS); // Else nothing was tried.
    label_reader_fini(&r);
    symbol_texts_fini(&t);
    index_file_close(&index);
    arena_free(a);
    fs_mem_free(fs);
}
