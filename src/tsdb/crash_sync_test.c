// crash_sync_test.c: each sync fails once, and nobody counts on that file again. TIDEMARK_STRIDE=n
// fails every n-th.
#include "base/error.h"
#include "os/fs.h"
#include "tsdb/crash_fixture.h"
#include "tsdb/tsdb_inner.h"

#include <stdio.h>

// Fails one sync, and looks whether anybody counts on that file afterwards: the kernel may have
// dropped what it could not write and say of a second sync that all is well.
// Threads: owned.
struct spy {
    struct fs_ops ops;
    const struct fs_ops *real;
    u64 syncs;
    u64 fail; // 1-based; 0 = none.
    char lost[512];
    char misused[600]; // What was done with it.
};
static struct spy spy; // The calls on a file know no other way to it.

static bool is_lost(const char *path)
{
    return spy.lost[0] && strcmp(path, spy.lost) == 0;
}

static void spy_note(const char *what, const char *path)
{
    (void)snprintf(spy.misused, sizeof(spy.misused), "%s: %.500s", what, path);
}

static struct file *spy_open(struct fs *fs, const char *path, enum fs_open how, struct error *e)
{
    if (is_lost(path) && how == FS_TRUNCATE) {
        spy.lost[0] = 0; // Written anew.
    }
    return spy.real->open(fs, path, how, e);
}

static bool spy_sync(struct file *f, struct error *e)
{
    if (is_lost(f->path)) {
        spy_note("synced again", f->path);
    }
    if (++spy.syncs == spy.fail) {
        (void)snprintf(spy.lost, sizeof(spy.lost), "%s", f->path);
        return err_set(e, ERR_IO, "syncing %s: it failed", f->path);
    }
    return spy.real->sync(f, e);
}

static bool spy_write_at(struct file *f, u64 offset, const void *bytes, size_t len, struct error *e)
{
    if (is_lost(f->path)) {
        spy_note("written to", f->path);
    }
    return spy.real->write_at(f, offset, bytes, len, e);
}

static bool spy_rename(struct fs *fs, const char *from, const char *to, struct error *e)
{
    const size_t n = strlen(from);
    if (strncmp(spy.lost, from, n) == 0 && (spy.lost[n] == '/' || !spy.lost[n]) && n > 0) {
        spy_note("listed", from);
    }
    if (is_lost(to)) {
        spy.lost[0] = 0;
    }
    return spy.real->rename(fs, from, to, e);
}

static bool spy_unlink(struct fs *fs, const char *path, struct error *e)
{
    if (is_lost(path)) {
        spy.lost[0] = 0;
    }
    return spy.real->unlink(fs, path, e);
}

static void spy_init(struct world *w, u64 fail)
{
    spy = (struct spy){.ops = *w->mem->ops, .real = w->mem->ops, .fail = fail};
    spy.ops.open = spy_open;
    spy.ops.sync = spy_sync;
    spy.ops.write_at = spy_write_at;
    spy.ops.rename = spy_rename;
    spy.ops.unlink = spy_unlink;
    w->mem->ops = &spy.ops;
}

// The course with one sync that fails; how many there were.
static u64 course_spied(u64 fail)
{
    struct world *w = MEM_NEW(struct world);
    world_init(w, 7);
    fs_faulty_arm(w->faulty, 0, FS_FAULT_EIO, false);
    spy_init(w, fail);
    world_course(w);
    world_work(w, 5); // Writing goes on by itself.
    world_check(w, false);
    world_close(w);
    if (spy.misused[0]) {
        fail_msg("sync %llu failed, and then the file was %s", (unsigned long long)fail,
                 spy.misused);
    }
    fs_mem_crash(w->mem, &w->f.rng);
    assert_true(world_open(w));
    world_check(w, true);
    world_close(w);
    const u64 syncs = spy.syncs;
    w->mem->ops = spy.real;
    world_fini(w);
    mem_free(w);
    return syncs;
}

TEST(tsdb_counts_on_no_file_whose_sync_failed)
{
    const u64 syncs = course_spied(0);
    const u64 stride = fixture_env("TIDEMARK_STRIDE", 1);
    u64 tried = 0;
    assert_true(syncs > 100);
    for (u64 n = 1; n <= syncs; n += stride) {
        (void)course_spied(n);
        tried++;
    }
    printf("# %llu of %llu syncs failed\n", (unsigned long long)tried, (unsigned long long)syncs);
}
