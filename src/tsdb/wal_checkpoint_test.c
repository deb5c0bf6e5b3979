// wal_checkpoint_test.c: a checkpoint names every live series, however long their labels are, and
// all else that the log says, however much that is.
#include "base/dec.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "os/fs.h"
#include "tsdb/head.h"
#include "tsdb/head_fixture.h"
#include "tsdb/wal.h"
#include "tsdb/wal_checkpoint.h"
#include "tsdb/wal_entry.h"
#include "tsdb/wal_record.h"

#include <stdio.h>

#define SERIES      320U
#define VALUE_BYTES ((size_t)256 << 10) // 80 MiB in all, more than one write takes.

static void series_make(struct head *h, u32 n, size_t value_bytes)
{
    char *value = MEM_NEW_N(char, value_bytes);
    memset(value, 'x', value_bytes);
    for (u32 i = 0; i < n; i++) {
        (void)snprintf(value, value_bytes, "%06u", i);
        value[6] = 'x';
        const struct label items[] = {{STR("l"), {value, value_bytes}}};
        (void)fixture_series(h, (struct labels){.items = items, .count = 1});
    }
    mem_free(value);
}

static u64 series_count(str file)
{
    struct wal_header header;
    struct error e;
    ASSERT_OK(wal_header_decode(file, &header, &e), e);
    struct wal_reader r;
    u64 count = 0;
    wal_reader_init(&r, file, file.len, header.salt);
    while (wal_reader_next(&r)) {
        assert_int_equal(r.kind, WAL_SERIES);
        struct dec d = dec_of(r.payload);
        count += dec_varint(&d);
    }
    assert_int_equal(r.bad_bytes, 0);
    return count;
}

TEST(wal_checkpoint_names_more_labels_than_one_write_takes)
{
    struct head_limits limits = {.series_max = 1000};
    struct error e = {0};
    char path[512];
    struct fs_map map;
    struct fs *fs = fs_mem_new((u64)1 << 30);
    struct head *h = head_new(0, 7200000, &limits, (u64)1 << 30);
    series_make(h, SERIES, VALUE_BYTES);
    ASSERT_OK(fs_make_dir(fs, "wal", &e), e);
    const struct wal_checkpoint c = {.fs = fs, .dir = "wal", .salt = 7, .number = 3, .head = h};
    ASSERT_OK(wal_checkpoint_write(&c, &e), e);
    wal_path("wal", "ckpt", 3, path);
    ASSERT_OK(fs_map_open(fs, path, &map, &e), e);
    assert_int_equal(series_count((str){(const char *)map.bytes, map.len}), SERIES);
    fs_map_close(fs, &map);
    head_free(h);
    fs_mem_free(fs);
}

#define FAMILIES   300U
#define HELP_BYTES ((size_t)256 << 10) // 75 MiB in all.

// A few families at a time, as if there were room for no more.
static bool families_put(void *ctx, struct buf *out, u32 salt, u64 *place)
{
    const str *help = ctx;
    for (u32 i = 0; i < 7 && *place < FAMILIES; i++, ++*place) {
        const struct metadata m = {.type = METRIC_GAUGE, .name = STR("m"), .help = *help};
        wal_put_metadata(out, TENANT_DEFAULT, &m, 1, salt);
    }
    return *place < FAMILIES;
}

TEST(wal_checkpoint_holds_more_of_the_rest_than_one_write_takes)
{
    struct head_limits limits = {.series_max = 1000};
    struct error e = {0};
    char path[512];
    struct fs_map map;
    struct fs *fs = fs_mem_new((u64)1 << 30);
    struct head *h = head_new(0, 7200000, &limits, (u64)1 << 30);
    char *text = MEM_NEW_N(char, HELP_BYTES);
    memset(text, 'x', HELP_BYTES);
    str help = {text, HELP_BYTES};
    ASSERT_OK(fs_make_dir(fs, "wal", &e), e);
    const struct wal_checkpoint c = {.fs = fs,
                                     .dir = "wal",
                                     .salt = 7,
                                     .number = 3,
                                     .head = h,
                                     .extra = families_put,
                                     .extra_ctx = &help};
    ASSERT_OK(wal_checkpoint_write(&c, &e), e);
    wal_path("wal", "ckpt", 3, path);
    ASSERT_OK(fs_map_open(fs, path, &map, &e), e);
    struct wal_reader r;
    u32 found = 0;
    wal_reader_init(&r, (str){(const char *)map.bytes, map.len}, map.len, 7);
    while (wal_reader_next(&r)) {
        assert_int_equal(r.kind, WAL_METADATA);
        found++;
    }
    assert_int_equal(r.bad_bytes, 0);
    assert_int_equal(found, FAMILIES);
    fs_map_close(fs, &map);
    mem_free(text);
    head_free(h);
    fs_mem_free(fs);
}
