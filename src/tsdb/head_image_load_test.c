// head_image_load_test.c: a head image comes back the same whether a thread helps or not, and is
// refused for the same reason.
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "os/fs.h"
#include "tsdb/head.h"
#include "tsdb/head_cold.h"
#include "tsdb/head_image.h"
#include "tsdb/head_image_form.h"
#include "tsdb/head_replay.h"
#include "tsdb/head_series.h"
#include "tsdb/wal_record.h"

#include <stdio.h>

#define SLOTS 5000U
#define GONE  8U // Behind them.
#define RANGE ((i64)7200000)
#define START (RANGE * 200000 - 40000) // The second window begins soon.
#define STEP  ((i64)15000)
#define ROWS  9U
#define SALT  5U
#define FIRST 9U
#define IMAGE "/w/image"

static const struct head_limits plenty = {.series_max = 100000, .box_bytes_max = UINT64_MAX};

// Targets of 400 series, a few alone in each slice, every ninth slot nobody's.
static void series_make(struct head *h)
{
    for (u32 i = 0; i < SLOTS; i++) {
        char name[16];
        char host[16];
        (void)snprintf(name, sizeof(name), "m%u", i % 41 == 0 ? i : i % 400);
        (void)snprintf(host, sizeof(host), "host%u", i / 400);
        const struct label items[] = {
            {LABEL_NAME, str_c(name)}, {LABEL_INSTANCE, str_c(host)}, {LABEL_JOB, STR("j")}};
        const struct labels set = {.items = items, .count = i % 41 == 0 ? 1 : 3};
        if (i % 9 != 5) {
            assert_int_equal(head_restore(h, TENANT_DEFAULT, set, i), i);
        }
    }
    for (u32 i = 0; i < GONE; i++) {
        head_gone_set(h, SLOTS + 700 + i);
    }
}

static struct head *head_filled(struct head_limits *limits)
{
    struct head *h = head_new(0, RANGE, limits, (u64)1 << 24);
    series_make(h);
    for (u32 row = 0; row < ROWS; row++) {
        for (u32 i = 0; i < SLOTS; i++) {
            if (head_live(h, i) && (i + row) % 5 != 0) {
                const i64 late = i % 97 == 3 && row > 4 ? 5 * STEP / 2 : 0;
                head_replay(h, i, START + row * STEP - late,
                            i % 89 == 7 ? box_ref(0, i) : (f64)(i * row % 1000));
            }
        }
    }
    return h;
}

static void image_write(struct fs *fs, struct head *h)
{
    struct error e = {0};
    const struct head_image job = {.fs = fs,
                                   .dir = "/w",
                                   .spill_dir = "/h",
                                   .head = h,
                                   .salt = SALT,
                                   .first = FIRST,
                                   .floor = h->t_floor};
    ASSERT_OK(head_image_write(&job, &e) && head_image_publish(&job, &e), e);
}

static void on_nothing(UNUSED void *ctx, UNUSED struct tenant_id tenant,
                       UNUSED const struct metadata *m)
{
}

static bool image_load(struct fs *fs, struct head *h, bool threaded, struct error *e)
{
    struct head_image_file f;
    struct arena *a = arena_new((size_t)1 << 20);
    const struct head_image_target to = {
        .head = h, .spill_dir = "/h", .sink = {.metadata = on_nothing}, .threaded = threaded};
    ASSERT_OK(head_image_open(fs, "/w", h, a, &f, e), *e);
    const bool ok = head_image_load(&f, &to, e);
    head_image_close(&f);
    arena_free(a);
    return ok;
}

static struct fs *folders_make(void)
{
    struct error e = {0};
    struct fs *fs = fs_mem_new((u64)1 << 28);
    ASSERT_OK(fs_make_dir(fs, "/w", &e) && fs_make_dir(fs, "/h", &e), e);
    return fs;
}

static void image_read(struct fs *fs, struct buf *out)
{
    struct fs_map map;
    struct error e = {0};
    buf_clear(out);
    ASSERT_OK(fs_map_open(fs, IMAGE, &map, &e), e);
    buf_add(out, map.bytes, map.len);
    assert_true(buf_ok(out));
    fs_map_close(fs, &map);
}

TEST(head_image_comes_back_the_same_with_a_thread_that_helps)
{
    struct head_limits limits[3] = {plenty, plenty, plenty};
    struct fs *fs = folders_make();
    struct buf images[2];
    struct error e = {0};
    struct head *was = head_filled(&limits[2]);
    for (u32 threaded = 0; threaded < 2; threaded++) {
        struct head *is = head_new(0, RANGE, &limits[threaded], (u64)1 << 24);
        image_write(fs, was);
        ASSERT_OK(image_load(fs, is, threaded, &e), e);
        assert_int_equal(is->live, was->live);
        assert_int_equal(is->count, was->count);
        assert_int_equal(is->window_count, 2);
        assert_true(is->t_max == was->t_max);
        for (u32 i = 0; i < GONE; i++) {
            assert_true(head_gone_is(is, SLOTS + 700 + i));
        }
        image_write(fs, is);
        buf_init(&images[threaded], (size_t)1 << 26);
        image_read(fs, &images[threaded]);
        head_free(is);
    }
    assert_true(images[0].len > SLOTS * 10);
    assert_true(str_eq(buf_get(&images[0]), buf_get(&images[1])));
    buf_fini(&images[0]);
    buf_fini(&images[1]);
    head_free(was);
    fs_mem_free(fs);
}

// The image with one of its records shorter by a byte, or with another first byte, and the right
// checksum.
static void image_bend(struct fs *fs, str image, u32 which, bool cut)
{
    struct wal_reader r;
    struct buf out;
    struct error e = {0};
    buf_init(&out, (size_t)1 << 26);
    buf_add(&out, image.ptr, WAL_HEADER_BYTES);
    wal_reader_init(&r, image, image.len, SALT);
    for (u32 i = 0; wal_reader_next(&r); i++) {
        size_t mark = wal_record_begin(&out);
        const size_t at = out.len;
        buf_add(&out, r.payload.ptr, r.payload.len - (i == which && cut));
        if (i == which && !cut) {
            out.bytes[at] = (char)(out.bytes[at] ^ 1);
        }
        wal_record_end(&out, mark, r.kind, SALT);
    }
    struct file *f = fs_open(fs, IMAGE, FS_TRUNCATE, &e);
    assert_non_null(f);
    ASSERT_OK(fs_write_at(fs, f, 0, buf_get(&out), &e), e);
    fs_close(fs, f);
    buf_fini(&out);
}

// Whether it was refused.
static bool refused_alike(struct fs *fs)
{
    struct head_limits limits[2] = {plenty, plenty};
    struct error e[2] = {{0}, {0}};
    bool ok[2];
    for (u32 threaded = 0; threaded < 2; threaded++) {
        struct head *is = head_new(0, RANGE, &limits[threaded], (u64)1 << 24);
        ok[threaded] = image_load(fs, is, threaded, &e[threaded]);
        head_free(is);
    }
    assert_int_equal(ok[0], ok[1]);
    assert_int_equal(e[0].code, e[1].code);
    assert_string_equal(e[0].text, e[1].text);
    return !ok[0];
}

TEST(head_image_is_refused_for_the_same_reason_with_a_thread_that_helps)
{
    struct head_limits limits = plenty;
    struct fs *fs = folders_make();
    struct buf image;
    struct wal_reader r;
    u32 refused = 0;
    u32 records = 0;
    struct head *was = head_filled(&limits);
    image_write(fs, was);
    buf_init(&image, (size_t)1 << 26);
    image_read(fs, &image);
    wal_reader_init(&r, buf_get(&image), image.len, SALT);
    while (wal_reader_next(&r)) {
        records++;
    }
    assert_true(records > 60);
    for (u32 i = 1; i + 1 < records; i++) { // The first and the last are the file's frame.
        image_bend(fs, buf_get(&image), i, i % 2 == 0);
        refused += refused_alike(fs);
    }
    assert_true(refused > records / 2);
    buf_fini(&image);
    head_free(was);
    fs_mem_free(fs);
}

// An end is known before the image comes, and the row it is of comes with the image.
TEST(head_image_comes_back_for_a_series_without_a_group_that_has_an_end)
{
    const struct label name = {LABEL_NAME, STR("m")};
    const struct labels set = {.items = &name, .count = 1};
    const struct head_end end = {.hash = head_key_hash(TENANT_DEFAULT, set),
                                 .check = head_key_check(TENANT_DEFAULT, set),
                                 .t = START};
    struct head_limits limits[3] = {plenty, plenty, plenty};
    struct fs *fs = folders_make();
    struct error e = {0};
    struct head *was = head_new(0, RANGE, &limits[2], (u64)1 << 24);
    assert_int_equal(head_restore(was, TENANT_DEFAULT, set, 3), 3);
    head_replay(was, 3, START, 7);
    head_replay(was, 3, START + STEP, 8);
    image_write(fs, was);
    for (u32 threaded = 0; threaded < 2; threaded++) {
        struct head *is = head_new(0, RANGE, &limits[threaded], (u64)1 << 24);
        head_ends_put(&is->ends, end);
        ASSERT_OK(image_load(fs, is, threaded, &e), e);
        assert_true(is->rows[3].t_last == START + STEP && is->rows[3].v_last == 8);
        head_ends_take(is);
        assert_false(head_row_bare(&is->rows[3])); // It went on after its end.
        head_ends_put(&is->ends, (struct head_end){end.hash, end.check, START + STEP});
        head_ends_take(is);
        assert_true(head_row_bare(&is->rows[3]));
        head_free(is);
    }
    head_free(was);
    fs_mem_free(fs);
}

enum { RECORDS_MAX = 1000 };

// Threads: owned by the test; payloads are the image's.
struct records {
    struct image_record items[RECORDS_MAX];
    u32 n;
};

static void records_of(str image, struct records *out)
{
    struct wal_reader r;
    out->n = 0;
    wal_reader_init(&r, image, image.len, SALT);
    while (wal_reader_next(&r)) {
        assert_true(out->n < RECORDS_MAX);
        out->items[out->n++] = (struct image_record){.kind = (u8)r.kind, .payload = r.payload};
    }
}

static void record_copy(struct buf *out, const struct image_record *record)
{
    const size_t mark = wal_record_begin(out);
    buf_add(out, record->payload.ptr, record->payload.len);
    wal_record_end(out, mark, record->kind, SALT);
}

// The image with the rows at `rows` before their series, which begin at `first`; between them, if
// it is wanted, a slot that went to a cold block.
static void rows_hurry(struct fs *fs, str image, const struct records *records, u32 first, u32 rows,
                       bool gone)
{
    const u32 nobodys = 5;
    struct buf out;
    struct error e = {0};
    buf_init(&out, (size_t)1 << 26);
    buf_add(&out, image.ptr, WAL_HEADER_BYTES);
    for (u32 i = 0; i < records->n; i++) {
        if (i == first) {
            record_copy(&out, &records->items[rows]);
        }
        if (i == first && gone) {
            wal_put_gone(&out, &nobodys, 1, SALT);
        }
        if (i != rows) {
            record_copy(&out, &records->items[i]);
        }
    }
    struct file *f = fs_open(fs, IMAGE, FS_TRUNCATE, &e);
    assert_non_null(f);
    ASSERT_OK(fs_write_at(fs, f, 0, buf_get(&out), &e), e);
    fs_close(fs, f);
    buf_fini(&out);
}

// Else it would depend on who reads them when whether they are known.
TEST(head_image_is_refused_where_rows_stand_before_their_series)
{
    struct head_limits limits = plenty;
    struct fs *fs = folders_make();
    struct buf image;
    struct records records;
    u32 first = 1; // Behind that of the log.
    u32 slices = 0;
    struct head *was = head_filled(&limits);
    image_write(fs, was);
    buf_init(&image, (size_t)1 << 26);
    image_read(fs, &image);
    records_of(buf_get(&image), &records);
    for (u32 i = 1; i < records.n; i++) {
        const u8 kind = records.items[i].kind;
        if (kind == WAL_IMAGE_ROWS && i > first) { // A slice may have no series.
            for (u32 gone = 0; gone < 2; gone++) {
                rows_hurry(fs, buf_get(&image), &records, first, i, gone);
                assert_true(refused_alike(fs));
            }
            slices++;
        }
        first = kind == WAL_IMAGE_ROWS || kind == WAL_IMAGE_LATE ? i + 1 : first;
    }
    assert_true(slices > 16);
    buf_fini(&image);
    head_free(was);
    fs_mem_free(fs);
}
