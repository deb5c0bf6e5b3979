// block_page_test.c: columns of timestamps written to pages and read again.
#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/test.h"
#include "os/fs.h"
#include "os/rng.h"
#include "tsdb/block_page.h"
#include "tsdb/int_pack.h"

enum { KINDS = 400, COLUMNS = 3000, ROWS = 30 };

// A column by its kind: every second is a line, the others have times that are off by some ms.
static u32 column_make(u32 kind, i64 t_ms[ROWS])
{
    const u32 n = 2 + kind % (ROWS - 2);
    struct rng rng;
    rng_init(&rng, kind);
    for (u32 i = 0; i < n; i++) {
        t_ms[i] = 1700000000000 + kind / 64 + (i64)i * 15000;
        t_ms[i] += kind % 2 ? (i64)rng_below(&rng, 9) : 0;
    }
    return n;
}

// What the file has, by the numbers of columns. Threads: owned.
struct found {
    i64 times[COLUMNS][ROWS];
    u32 rows[COLUMNS];
    u32 count;
};

static bool page_read(struct found *f, str file, const struct page_entry *p, struct arena *a,
                      struct error *e)
{
    const str page = {file.ptr + p->offset, p->bytes};
    struct page_view v;
    struct column_entry *c;
    struct buf raw;
    buf_init(&raw, PAGE_RAW_MAX + PAGE_SLACK + 1);
    bool ok = page_check(page, p, e) && page_open(page, p, &raw, &v, e) &&
              page_columns(&v, p, a, &c, e) && p->first == f->count;
    for (u32 k = 0; ok && k < v.count; k++, f->count++) {
        i64 decoded[COLUMN_ROWS_MAX];
        ok = c[k].rows <= ROWS && column_times_read(&v, p, &c[k], decoded, e);
        memcpy(f->times[f->count], decoded, ok ? c[k].rows * sizeof(i64) : 0);
        f->rows[f->count] = c[k].rows;
    }
    buf_fini(&raw);
    return ok && p->last == f->count - 1;
}

static bool file_read(struct found *f, str file, struct arena *a, struct error *e)
{
    struct page_entry *pages;
    u32 n;
    bool ok = page_table(file, a, &pages, &n, e);
    f->count = 0;
    for (u32 i = 0; ok && i < n; i++) {
        ok = page_read(f, file, &pages[i], a, e);
    }
    return ok;
}

static void found_compare(const struct found *f, const u32 *numbers)
{
    i64 t_ms[ROWS];
    for (u32 i = 0; i < COLUMNS; i++) {
        const u32 n = column_make(i * i % KINDS, t_ms);
        assert_int_equal(f->rows[numbers[i]], n);
        assert_memory_equal(f->times[numbers[i]], t_ms, n * sizeof(i64));
    }
}

// Every third one as if another block had it packed.
static u32 column_write(struct data_writer *w, u32 i, bool copies)
{
    i64 t_ms[ROWS];
    struct buf packed;
    const u32 n = column_make(i * i % KINDS, t_ms);
    if (!copies || i % 3 != 0) {
        return data_writer_column(w, t_ms, n);
    }
    buf_init(&packed, 1 << 16);
    ts_pack_encode(t_ms, n, &packed);
    const u32 column = data_writer_column_copy(w, buf_get(&packed), n);
    buf_fini(&packed);
    return column;
}

static u64 columns_round(int level, bool copies)
{
    static u32 numbers[COLUMNS];
    static struct found found;
    struct error e = {0};
    struct rng rng;
    struct data_writer w;
    struct arena *a = arena_new((size_t)4 << 20);
    struct fs *fs = fs_mem_new((u64)4 << 20);
    str file;
    u64 bytes;
    rng_init(&rng, 3);
    ASSERT_OK(data_writer_open(&w, fs, "/data", level, &e), e);
    for (u32 i = 0; i < COLUMNS; i++) {
        numbers[i] = column_write(&w, i, copies);
        assert_true(numbers[i] < w.columns);
    }
    const u32 written = w.columns;
    assert_true(written < COLUMNS / 2); // Most were there already.
    ASSERT_OK(data_writer_finish(&w, &bytes, &e), e);
    data_writer_close(&w);
    ASSERT_OK(fs_read_file(fs, "/data", (size_t)4 << 20, a, &file, &e), e);
    char *copy = ARENA_NEW_N(a, char, file.len + PAGE_SLACK);
    memcpy(copy, file.ptr, file.len);
    ASSERT_OK(file_read(&found, (str){copy, file.len}, a, &e), e);
    assert_int_equal(found.count, written);
    found_compare(&found, numbers);
    const u64 hash = hash_bytes(file.ptr, file.len);
    fs_mem_free(fs);
    arena_free(a);
    return hash;
}

TEST(equal_columns_of_a_page_are_written_once)
{
    (void)columns_round(0, false);
    (void)columns_round(3, false);
}

TEST(columns_that_are_packed_already_come_out_as_if_they_had_not_been)
{
    assert_true(columns_round(0, true) == columns_round(0, false));
    assert_true(columns_round(3, true) == columns_round(3, false));
}

TEST(a_page_of_no_columns_is_bad_whatever_numbers_it_names)
{
    struct error e = {0};
    struct column_entry *columns;
    struct arena *a = arena_new((size_t)1 << 20);
    const struct page_view empty = {.count = 0};
    const struct page_entry all = {.first = 0, .last = UINT32_MAX};
    assert_false(page_columns(&empty, &all, a, &columns, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
    arena_free(a);
}

TEST(lines_of_the_same_bytes_differ_by_their_rows)
{
    struct error e = {0};
    struct data_writer w;
    struct fs *fs = fs_mem_new((u64)1 << 20);
    const i64 t_ms[] = {1000, 2000, 3000, 4000};
    u64 bytes;
    ASSERT_OK(data_writer_open(&w, fs, "/data", 0, &e), e);
    assert_int_equal(data_writer_column(&w, t_ms, 3), 0);
    assert_int_equal(data_writer_column(&w, t_ms, 4), 1);
    assert_int_equal(data_writer_column(&w, t_ms + 1, 3), 2);
    assert_int_equal(data_writer_column(&w, t_ms, 4), 1);
    assert_int_equal(w.columns, 3);
    ASSERT_OK(data_writer_finish(&w, &bytes, &e), e);
    data_writer_close(&w);
    fs_mem_free(fs);
}
