#include "tsdb/head_spill.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "os/fs.h"
#include "tsdb/head.h"

#include <stdio.h>

#define LIST_BYTES_MAX ((size_t)64 << 20)

void head_spill_stem(char stem[400], const char *dir, u32 shard, i64 start_ms)
{
    (void)snprintf(stem, 400, "%.300s/%u-%lld", dir, shard, (long long)start_ms);
}

// The windows of now: only the background takes any away, so they stay while it looks.
static u32 windows_get(struct head *h, struct head_window *windows[HEAD_WINDOWS_MAX])
{
    lock_take(&h->lock);
    u32 n = h->window_count;
    memcpy(windows, h->windows, n * sizeof(struct head_window *));
    lock_drop(&h->lock);
    return n;
}

bool head_spill(struct head *h, struct fs *fs, const char *dir, bool *did, struct error *e)
{
    struct head_window *windows[HEAD_WINDOWS_MAX];
    u32 n = windows_get(h, windows);
    *did = false;
    for (u32 i = 0; i < n; i++) {
        struct head_window *w = windows[i];
        char stem[400];
        bool moved;
        head_spill_stem(stem, dir, h->id, w->start_ms);
        lock_take(&h->lock);
        u32 full = sealed_full(&w->sealed);
        lock_drop(&h->lock);
        if (!sealed_spill(&w->sealed, full, fs, stem, &moved, e)) {
            return err_in(e, "moving sealed chunks to a file");
        }
        *did = *did || moved;
    }
    return true;
}

void head_spill_reap(struct head *h)
{
    struct head_window *windows[HEAD_WINDOWS_MAX];
    u32 n = windows_get(h, windows);
    head_turn_take(h); // A writer may be looking at an older sample.
    head_turn_drop(h);
    for (u32 i = 0; i < n; i++) {
        sealed_reap(&windows[i]->sealed);
    }
}

bool head_spill_sync(struct head *h, struct fs *fs, const char *dir, struct error *e)
{
    struct head_window *windows[HEAD_WINDOWS_MAX];
    u32 n = windows_get(h, windows);
    for (u32 i = 0; i < n; i++) {
        if (!sealed_sync(&windows[i]->sealed, e)) {
            return false;
        }
    }
    return fs_sync_dir(fs, dir, e);
}

static bool in_use(struct head *h, str name)
{
    struct head_window *windows[HEAD_WINDOWS_MAX];
    u32 n = windows_get(h, windows);
    bool used = false;
    for (u32 i = 0; i < n && !used; i++) {
        used = sealed_uses(&windows[i]->sealed, name);
    }
    return used;
}

bool head_spill_sweep(struct head *h, struct fs *fs, const char *dir, struct error *e)
{
    struct arena *a = arena_new(LIST_BYTES_MAX);
    struct fs_info *infos;
    size_t n;
    char mine[16];
    (void)snprintf(mine, sizeof(mine), "%u-", h->id);
    bool ok = fs_list(fs, dir, a, &infos, &n, e);
    for (size_t i = 0; ok && i < n; i++) {
        if (str_starts(infos[i].name, str_c(mine)) && str_ends(infos[i].name, STR(SEALED_SUFFIX)) &&
            !in_use(h, infos[i].name)) {
            char path[700];
            (void)snprintf(path, sizeof(path), "%s/%.*s", dir, STR_ARG(infos[i].name));
            ok = fs_unlink(fs, path, e);
        }
    }
    arena_free(a);
    return ok;
}
