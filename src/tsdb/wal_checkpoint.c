#include "tsdb/wal_checkpoint.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "os/fs.h"
#include "tsdb/head.h"
#include "tsdb/head_cold.h"
#include "tsdb/outfile.h"
#include "tsdb/wal.h"
#include "tsdb/wal_entry.h"
#include "tsdb/wal_replay.h"

#include <stdio.h>

#define RECORDS_BYTES_MAX ((size_t)64 << 20)
#define SLICE_BYTES_MAX   (RECORDS_BYTES_MAX / 4) // Of label texts; one more series may begin.

// With the lock: the live series from *from on that one write takes; *from moves behind them.
static u32 slice_take(const struct head *h, u32 *from, u32 ordinals[HEAD_SLICE])
{
    u32 n = 0;
    u64 bytes = 0;
    u32 at = *from;
    for (; at < h->count && at < *from + HEAD_SLICE && bytes < SLICE_BYTES_MAX; at++) {
        if (head_live(h, at)) {
            bytes += head_label_bytes(h, at);
            ordinals[n++] = at;
        }
    }
    *from = at;
    return n;
}

static void gone_write(const struct wal_checkpoint *c, struct outfile *file, struct buf *records)
{
    u32 ordinals[WAL_GONE_MAX];
    u32 from = 0;
    bool more = true;
    while (more) {
        buf_clear(records);
        lock_take(&c->head->lock);
        const u32 n = head_gone_list(c->head, &from, ordinals, WAL_GONE_MAX);
        more = from < c->head->count;
        lock_drop(&c->head->lock);
        if (n > 0) {
            wal_put_gone(records, ordinals, n, c->salt);
            CHECK(buf_ok(records));
            outfile_add(file, records->bytes, records->len);
        }
    }
}

static void series_write(const struct wal_checkpoint *c, struct outfile *file)
{
    struct buf records;
    u32 ordinals[HEAD_SLICE];
    buf_init(&records, RECORDS_BYTES_MAX);
    u32 from = 0;
    bool more = true;
    while (more) {
        buf_clear(&records);
        lock_take(&c->head->lock);
        u32 n = slice_take(c->head, &from, ordinals);
        wal_put_series(&records, c->head, ordinals, n, c->salt);
        more = from < c->head->count;
        lock_drop(&c->head->lock);
        CHECK(buf_ok(&records));
        outfile_add(file, records.bytes, records.len);
    }
    gone_write(c, file, &records);
    u64 place = 0;
    more = c->extra != NULL;
    while (more) {
        buf_clear(&records);
        more = c->extra(c->extra_ctx, &records, c->salt, &place);
        CHECK(buf_ok(&records));
        outfile_add(file, records.bytes, records.len);
    }
    buf_fini(&records);
}

bool wal_checkpoints_remove(const struct wal_checkpoint *c, struct error *e)
{
    struct arena *a = arena_new((size_t)64 << 20);
    struct fs_info *infos;
    size_t n;
    bool ok = fs_list(c->fs, c->dir, a, &infos, &n, e);
    for (size_t i = 0; ok && i < n; i++) {
        u64 number;
        if (wal_name_parse(infos[i].name, STR("ckpt"), &number) && number < c->number) {
            char path[512];
            wal_path(c->dir, "ckpt", number, path);
            ok = fs_unlink(c->fs, path, e);
        }
    }
    arena_free(a);
    return ok;
}

bool wal_checkpoint_write(const struct wal_checkpoint *c, struct error *e)
{
    char path[512];
    char tmp[520];
    wal_path(c->dir, "ckpt", c->number, path);
    (void)snprintf(tmp, sizeof(tmp), "%s.tmp", path);
    struct outfile file;
    if (!outfile_open(&file, c->fs, tmp, e)) {
        return false;
    }
    struct wal_header header = {
        .stream = c->head->id, .salt = c->salt, .number = c->number, .checkpoint = true};
    u8 bytes[WAL_HEADER_BYTES];
    wal_header_encode(&header, bytes);
    outfile_add(&file, bytes, sizeof(bytes));
    series_write(c, &file);
    bool ok = outfile_finish(&file, e);
    outfile_close(&file);
    if (!ok) {
        struct error ignored;
        (void)!fs_unlink(c->fs, tmp, &ignored);
        return false;
    }
    return fs_rename(c->fs, tmp, path, e) && fs_sync_dir(c->fs, c->dir, e);
}
