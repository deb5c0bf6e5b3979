// tsdb_starts.c: what a store does that does not stay up.
//
// A start writes down that it began; a clean stop, or START_MS of running, takes it back. So who
// finds that others began within the last START_MS and nothing took it back follows on crashes.
// After as many as the options say, new series are refused for START_MS, so that a crash, a start
// and the same flood again make no circle. What is there goes on being written and read.
//
// The file `starts`: TMSTARTS, how many (4), the time of each in ms (8), CRC-32C of all that (4).
// One that cannot be read or written keeps no store from starting.
#include "base/arena.h"
#include "base/buf.h"
#include "base/dec.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/tsdb_restart.h"
#include "tsdb/tsdb_status.h"

#define MAGIC          "TMSTARTS"
#define START_MS       ((i64)10 * 60 * 1000)
#define FILE_BYTES_MAX ((size_t)4096)

static u32 starts_decode(str file, i64 now, i64 times[STARTS_MAX])
{
    struct dec d = dec_of(file);
    str magic = dec_bytes(&d, sizeof(MAGIC) - 1);
    u32 n = dec_le32(&d);
    u32 kept = 0;
    if (!dec_ok(&d) || memcmp(magic.ptr, MAGIC, sizeof(MAGIC) - 1) != 0 || n > STARTS_MAX) {
        return 0;
    }
    for (u32 i = 0; i < n; i++) {
        i64 t = (i64)dec_le64(&d);
        // A clock that was set back meanwhile must not make a crash forgotten for long.
        if (t > now - START_MS && t < now + START_MS) {
            times[kept++] = t;
        }
    }
    size_t end = dec_offset(&d);
    return dec_le32(&d) == crc32c(0, file.ptr, end) && dec_ok(&d) && dec_left(&d) == 0 ? kept : 0;
}

static void starts_write(struct tsdb *db)
{
    char path[512];
    struct buf b;
    struct error why = {0};
    tsdb_path(db, "starts", path);
    buf_init(&b, FILE_BYTES_MAX);
    buf_c(&b, MAGIC);
    buf_le32(&b, db->start_count);
    for (u32 i = 0; i < db->start_count; i++) {
        buf_le64(&b, (u64)db->starts[i]);
    }
    buf_le32(&b, crc32c(0, b.bytes, b.len));
    if (!fs_replace_file(db->opts.fs, path, buf_get(&b), &why)) {
        LOGF(db->opts.log, LOG_WARN, "%s; a start that follows a crash of this one is not noticed",
             why.text);
    }
    buf_fini(&b);
}

void tsdb_starts_open(struct tsdb *db)
{
    char path[512];
    str file;
    struct error ignored;
    const i64 now = clk_wall_ms(db->opts.clk);
    if (db->opts.unclean_starts_max == 0) {
        return;
    }
    tsdb_path(db, "starts", path);
    struct arena *a = arena_new(FILE_BYTES_MAX * 4);
    if (fs_read_file(db->opts.fs, path, FILE_BYTES_MAX, a, &file, &ignored)) {
        db->start_count = starts_decode(file, now, db->starts);
    }
    arena_free(a);
    if (db->start_count >= db->opts.unclean_starts_max) {
        LOGF(db->opts.log, LOG_WARN,
             "%u starts within 10 minutes ended without a clean stop: for 10 minutes new series of "
             "scrapes and pushes are refused, what is there goes on",
             db->start_count);
        atomic_store(&db->limits.restrained[SHARD_MAIN], true);
    }
    if (db->start_count == STARTS_MAX) {
        memmove(db->starts, db->starts + 1, (STARTS_MAX - 1) * sizeof(i64));
        db->start_count--;
    }
    db->starts[db->start_count++] = now;
    db->start_mono_ms = clk_mono_ms(db->opts.clk);
    db->starts_open = true;
    starts_write(db);
}

static void starts_forget(struct tsdb *db)
{
    char path[512];
    struct error ignored; // Then the next start is told of a crash that was none.
    tsdb_path(db, "starts", path);
    (void)!fs_unlink(db->opts.fs, path, &ignored);
    (void)!fs_sync_dir(db->opts.fs, db->dir, &ignored);
    db->starts_open = false;
}

void tsdb_starts_step(struct tsdb *db)
{
    if (!db->starts_open || clk_mono_ms(db->opts.clk) - db->start_mono_ms < START_MS) {
        return;
    }
    starts_forget(db);
    if (atomic_exchange(&db->limits.restrained[SHARD_MAIN], false)) {
        LOGF(db->opts.log, LOG_INFO, "new series are taken again: 10 minutes without a crash");
    }
}

void tsdb_starts_close(struct tsdb *db, bool clean)
{
    if (db->starts_open && clean) {
        starts_forget(db);
    } else if (db->starts_open) { // It could not open: that is no crash.
        db->start_count--;
        starts_write(db);
    }
}

bool tsdb_restrained(struct tsdb *db)
{
    return atomic_load(&db->limits.restrained[SHARD_MAIN]);
}
