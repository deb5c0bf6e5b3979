#include "tsdb/wal_checkpoint.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "os/fs.h"
#include "tsdb/head.h"
#include "tsdb/outfile.h"
#include "tsdb/wal.h"
#include "tsdb/wal_entry.h"
#include "tsdb/wal_replay.h"

#include <stdio.h>

#define SLICE_BYTES_MAX ((size_t)64 << 20)

static void series_write(const struct wal_checkpoint *c, struct outfile *file)
{
    struct buf records;
    u32 ordinals[HEAD_SLICE];
    buf_init(&records, SLICE_BYTES_MAX);
    bool more = true;
    for (u32 from = 0; more; from += HEAD_SLICE) {
        u32 n = 0;
        buf_clear(&records);
        lock_take(&c->head->lock);
        for (u32 i = from; i < c->head->count && i < from + HEAD_SLICE; i++) {
            if (head_live(c->head, i)) {
                ordinals[n++] = i;
            }
        }
        wal_put_series(&records, c->head, ordinals, n, c->salt);
        more = from + HEAD_SLICE < c->head->count;
        lock_drop(&c->head->lock);
        CHECK(buf_ok(&records));
        outfile_add(file, records.bytes, records.len);
    }
    buf_clear(&records);
    if (c->extra) {
        c->extra(c->extra_ctx, &records, c->salt);
        CHECK(buf_ok(&records));
        outfile_add(file, records.bytes, records.len);
    }
    buf_fini(&records);
}

static bool older_remove(const struct wal_checkpoint *c, struct error *e)
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
    return fs_rename(c->fs, tmp, path, e) && fs_sync_dir(c->fs, c->dir, e) && older_remove(c, e);
}
