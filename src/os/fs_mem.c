// fs_mem.c: the vtable of the in-memory file system over fs_mem_tree.h.
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "os/fs.h"
#include "os/fs_inner.h"
#include "os/fs_mem_tree.h"
#include "os/thr.h"

#include <errno.h>

#define MAP_SLACK 64

// Threads: guarded by lock.
struct fs_mem {
    struct fs base;
    struct lock lock;
    struct mem_tree tree;
    struct mem_file *files; // All open ones.
};

// Threads: guarded by the lock of its file system.
struct mem_file {
    struct file base;
    struct fs_mem *fs;
    struct mem_node *node;
    struct mem_file *next;
    bool writable;
    bool holds_lock;
    bool dead; // Power was lost since it was opened.
};

static struct fs_mem *mem_of(struct fs *fs)
{
    return CONTAINER_OF(fs, struct fs_mem, base);
}

static struct mem_file *mem_file_of(struct file *f)
{
    return CONTAINER_OF(f, struct mem_file, base);
}

static struct file *file_new(struct fs_mem *m, const char *path, struct mem_node *node)
{
    struct mem_file *f = MEM_NEW(struct mem_file);
    fs_file_init(&f->base, path);
    f->fs = m;
    f->node = node;
    memnode_ref(node);
    node->opens++;
    f->next = m->files;
    m->files = f;
    return &f->base;
}

// Finds or makes the file that open asks for; 0 or an errno.
static int open_node(struct mem_tree *t, const char *path, enum fs_open how, struct mem_node **node)
{
    struct mem_node *dir = NULL;
    char name[MEM_NAME_MAX + 1];
    int status = memtree_find_parent(t, path, &dir, name);
    if (status != 0) {
        return status;
    }
    struct mem_node *found = name[0] ? memnames_get(&dir->names_seen, name) : t->root;
    if (found && how == FS_CREATE_NEW) {
        return EEXIST;
    }
    if (found && found->is_dir) {
        return EISDIR;
    }
    if (!found && how == FS_READ) {
        return ENOENT;
    }
    if (!found) {
        found = memnode_new(t, false);
        memtree_set(t, dir, name, found);
        memnode_unref(t, found); // Its names hold it now.
    } else if (how == FS_TRUNCATE) {
        status = memnode_truncate(t, found, 0);
    }
    *node = found;
    return status;
}

static struct file *mem_open(struct fs *fs, const char *path, enum fs_open how, struct error *e)
{
    struct fs_mem *m = mem_of(fs);
    struct file *f = NULL;
    lock_take(&m->lock);
    struct mem_node *node = NULL;
    int status = open_node(&m->tree, path, how, &node);
    if (status == 0) {
        f = file_new(m, path, node);
        mem_file_of(f)->writable = how != FS_READ;
    }
    lock_drop(&m->lock);
    if (status != 0) {
        (void)fs_fail(e, status, "opening", path);
    }
    return f;
}

static void mem_close(struct file *f)
{
    if (!f) {
        return;
    }
    struct mem_file *mf = mem_file_of(f);
    struct fs_mem *m = mf->fs;
    lock_take(&m->lock);
    struct mem_file **at = &m->files;
    while (*at != mf) {
        at = &(*at)->next;
    }
    *at = mf->next;
    if (!mf->dead) {
        mf->node->opens--;
        mf->node->locked = mf->node->locked && !mf->holds_lock;
        memnode_charge(&m->tree, mf->node);
    }
    memnode_unref(&m->tree, mf->node);
    lock_drop(&m->lock);
    fs_file_fini(f);
    mem_free(mf);
}

// 0 if the file can still be used so, else an errno. Called under the lock.
static int usable(const struct mem_file *f, bool to_write)
{
    if (f->dead) {
        return ENODEV; // It went away with the power.
    }
    return to_write && !f->writable ? EBADF : 0;
}

static bool mem_read_at(struct file *f, u64 offset, void *out, size_t len, size_t *got,
                        struct error *e)
{
    struct mem_file *mf = mem_file_of(f);
    lock_take(&mf->fs->lock);
    int status = usable(mf, false);
    if (status == 0) {
        const struct mem_image *seen = &mf->node->seen;
        size_t count = offset < seen->len ? MIN(len, seen->len - offset) : 0;
        if (count > 0) {
            memcpy(out, seen->bytes + offset, count);
        }
        *got = count;
    }
    lock_drop(&mf->fs->lock);
    return status == 0 || fs_fail(e, status, "reading", f->path);
}

static bool mem_write_at(struct file *f, u64 offset, const void *bytes, size_t len, struct error *e)
{
    struct mem_file *mf = mem_file_of(f);
    lock_take(&mf->fs->lock);
    int status = usable(mf, true);
    if (status == 0) {
        status = memnode_write(&mf->fs->tree, mf->node, offset, bytes, len);
    }
    lock_drop(&mf->fs->lock);
    return status == 0 || fs_fail(e, status, "writing", f->path);
}

static bool mem_sync(struct file *f, struct error *e)
{
    struct mem_file *mf = mem_file_of(f);
    lock_take(&mf->fs->lock);
    int status = usable(mf, false);
    if (status == 0) {
        memnode_sync(mf->node);
    }
    lock_drop(&mf->fs->lock);
    return status == 0 || fs_fail(e, status, "syncing", f->path);
}

static bool mem_truncate(struct file *f, u64 bytes, struct error *e)
{
    struct mem_file *mf = mem_file_of(f);
    lock_take(&mf->fs->lock);
    int status = usable(mf, true);
    if (status == 0) {
        status = memnode_truncate(&mf->fs->tree, mf->node, bytes);
    }
    lock_drop(&mf->fs->lock);
    return status == 0 || fs_fail(e, status, "truncating", f->path);
}

static bool mem_size(struct file *f, u64 *bytes, struct error *e)
{
    struct mem_file *mf = mem_file_of(f);
    lock_take(&mf->fs->lock);
    int status = usable(mf, false);
    if (status == 0) {
        *bytes = mf->node->seen.len;
    }
    lock_drop(&mf->fs->lock);
    return status == 0 || fs_fail(e, status, "asking for the size of", f->path);
}

static bool mem_reserve(struct file *f, u64 bytes, struct error *e)
{
    struct mem_file *mf = mem_file_of(f);
    struct mem_tree *t = &mf->fs->tree;
    lock_take(&mf->fs->lock);
    int status = usable(mf, true);
    if (status == 0) {
        u64 held = MAX(mf->node->seen.len, mf->node->reserved);
        u64 free_bytes = t->capacity - MIN(t->used, t->capacity);
        if (bytes > held && bytes - held > free_bytes) {
            status = ENOSPC;
        } else {
            mf->node->reserved = MAX(mf->node->reserved, bytes);
            memnode_charge(t, mf->node);
        }
    }
    lock_drop(&mf->fs->lock);
    return status == 0 || fs_fail(e, status, "reserving space for", f->path);
}

// Is dir inside node, or node itself? Looked for from node downwards; depth ≤ MEM_DEPTH_MAX.
static bool is_inside(const struct mem_node *node, const struct mem_node *dir)
{
    if (node == dir) {
        return true;
    }
    for (size_t i = 0; i < node->names_seen.count; i++) {
        const struct mem_node *child = node->names_seen.items[i].node;
        if (child->is_dir && is_inside(child, dir)) {
            return true;
        }
    }
    return false;
}

static int rename_locked(struct mem_tree *t, const char *from, const char *to)
{
    struct mem_node *from_dir = NULL;
    struct mem_node *to_dir = NULL;
    char from_name[MEM_NAME_MAX + 1];
    char to_name[MEM_NAME_MAX + 1];
    int status = memtree_find_parent(t, from, &from_dir, from_name);
    if (status == 0) {
        status = memtree_find_parent(t, to, &to_dir, to_name);
    }
    if (status != 0) {
        return status;
    }
    struct mem_node *node = memnames_get(&from_dir->names_seen, from_name);
    struct mem_node *old = memnames_get(&to_dir->names_seen, to_name);
    if (!node) {
        return ENOENT;
    }
    if (!to_name[0] || (node->is_dir && is_inside(node, to_dir))) {
        return EINVAL;
    }
    if (node == old) {
        return 0;
    }
    if (old && old->is_dir != node->is_dir) {
        return old->is_dir ? EISDIR : ENOTDIR;
    }
    if (old && old->is_dir && old->names_seen.count > 0) {
        return ENOTEMPTY;
    }
    memtree_move(t, from_dir, from_name, to_dir, to_name);
    return 0;
}

static bool mem_rename(struct fs *fs, const char *from, const char *to, struct error *e)
{
    struct fs_mem *m = mem_of(fs);
    lock_take(&m->lock);
    int status = rename_locked(&m->tree, from, to);
    lock_drop(&m->lock);
    return status == 0 || fs_fail(e, status, "renaming", from);
}

static int link_locked(struct mem_tree *t, const char *from, const char *to)
{
    struct mem_node *node = NULL;
    struct mem_node *dir = NULL;
    char name[MEM_NAME_MAX + 1];
    int status = memtree_find(t, from, &node);
    if (status == 0) {
        status = memtree_find_parent(t, to, &dir, name);
    }
    if (status != 0) {
        return status;
    }
    if (!name[0] || memnames_get(&dir->names_seen, name)) {
        return EEXIST;
    }
    if (node->is_dir) {
        return EPERM;
    }
    memtree_set(t, dir, name, node);
    return 0;
}

static bool mem_link(struct fs *fs, const char *from, const char *to, struct error *e)
{
    struct fs_mem *m = mem_of(fs);
    lock_take(&m->lock);
    int status = link_locked(&m->tree, from, to);
    lock_drop(&m->lock);
    return status == 0 || fs_fail(e, status, "linking", to);
}

static int unlink_locked(struct mem_tree *t, const char *path)
{
    struct mem_node *dir = NULL;
    char name[MEM_NAME_MAX + 1];
    int status = memtree_find_parent(t, path, &dir, name);
    if (status != 0) {
        return status;
    }
    const struct mem_node *node = memnames_get(&dir->names_seen, name);
    if (!node) {
        return name[0] ? ENOENT : EBUSY;
    }
    if (node->names_seen.count > 0) {
        return ENOTEMPTY;
    }
    memtree_set(t, dir, name, NULL);
    return 0;
}

static bool mem_unlink(struct fs *fs, const char *path, struct error *e)
{
    struct fs_mem *m = mem_of(fs);
    lock_take(&m->lock);
    int status = unlink_locked(&m->tree, path);
    lock_drop(&m->lock);
    return status == 0 || fs_fail(e, status, "removing", path);
}

static int make_dir_locked(struct mem_tree *t, const char *path)
{
    struct mem_node *dir = NULL;
    char name[MEM_NAME_MAX + 1];
    int status = memtree_find_parent(t, path, &dir, name);
    if (status != 0 || !name[0]) {
        return status;
    }
    const struct mem_node *old = memnames_get(&dir->names_seen, name);
    if (old) {
        return old->is_dir ? 0 : EEXIST;
    }
    struct mem_node *node = memnode_new(t, true);
    memtree_set(t, dir, name, node);
    memnode_unref(t, node);
    return 0;
}

static bool mem_make_dir(struct fs *fs, const char *path, struct error *e)
{
    struct fs_mem *m = mem_of(fs);
    lock_take(&m->lock);
    int status = make_dir_locked(&m->tree, path);
    lock_drop(&m->lock);
    return status == 0 || fs_fail(e, status, "making the folder", path);
}

static int find_dir(struct mem_tree *t, const char *path, struct mem_node **dir)
{
    int status = memtree_find(t, path, dir);
    return status == 0 && !(*dir)->is_dir ? ENOTDIR : status;
}

static bool mem_sync_dir(struct fs *fs, const char *path, struct error *e)
{
    struct fs_mem *m = mem_of(fs);
    lock_take(&m->lock);
    struct mem_node *dir = NULL;
    int status = find_dir(&m->tree, path, &dir);
    if (status == 0) {
        memtree_sync_dir(&m->tree, dir);
    }
    lock_drop(&m->lock);
    return status == 0 || fs_fail(e, status, "syncing the folder", path);
}

static struct fs_info info_of(const struct mem_node *n)
{
    return (struct fs_info){
        .bytes = n->seen.len, .mtime_ms = n->mtime_ms, .inode = n->inode, .is_dir = n->is_dir};
}

// Under the lock. false: the arena has no room.
static bool names_list(const struct mem_node *dir, struct arena *a, struct fs_info **infos,
                       size_t *count)
{
    const size_t n = dir->names_seen.count;
    struct fs_info *all = arena_try(a, MAX(n, 1), sizeof(*all));
    for (size_t i = 0; all && i < n; i++) {
        const struct mem_name *name = &dir->names_seen.items[i];
        const size_t len = strlen(name->name);
        char *copy = arena_try(a, len + 1, 1);
        if (!copy) {
            return false;
        }
        memcpy(copy, name->name, len + 1);
        all[i] = info_of(name->node);
        all[i].name = (str){copy, len};
    }
    *infos = all;
    *count = n;
    return all;
}

static bool mem_list(struct fs *fs, const char *path, struct arena *a, struct fs_info **infos,
                     size_t *count, struct error *e)
{
    struct fs_mem *m = mem_of(fs);
    lock_take(&m->lock);
    struct mem_node *dir = NULL;
    int status = find_dir(&m->tree, path, &dir);
    const bool fits = status != 0 || names_list(dir, a, infos, count);
    lock_drop(&m->lock);
    if (!fits) {
        return err_set(e, ERR_LIMIT, "listing %s: its names pass this run's memory", path);
    }
    return status == 0 || fs_fail(e, status, "listing", path);
}

static bool mem_stat(struct fs *fs, const char *path, struct fs_info *info, struct error *e)
{
    struct fs_mem *m = mem_of(fs);
    lock_take(&m->lock);
    struct mem_node *node = NULL;
    int status = memtree_find(&m->tree, path, &node);
    if (status == 0) {
        *info = info_of(node);
    }
    lock_drop(&m->lock);
    return status == 0 || fs_fail(e, status, "looking at", path);
}

// A copy: nobody writes to a file that is mapped.
static bool mem_map(struct fs *fs, const char *path, struct fs_map *map, struct error *e)
{
    struct fs_mem *m = mem_of(fs);
    lock_take(&m->lock);
    struct mem_node *node = NULL;
    int status = memtree_find(&m->tree, path, &node);
    if (status == 0 && node->is_dir) {
        status = EISDIR;
    }
    if (status == 0) {
        u8 *copy = mem_new(node->seen.len + MAP_SLACK, 1);
        if (node->seen.len > 0) {
            memcpy(copy, node->seen.bytes, node->seen.len);
        }
        *map = (struct fs_map){.bytes = copy, .len = node->seen.len, .handle = copy};
    }
    lock_drop(&m->lock);
    return status == 0 || fs_fail(e, status, "mapping", path);
}

static void mem_unmap(struct fs *fs, struct fs_map *map)
{
    (void)fs;
    mem_free(map->handle);
}

static bool mem_space(struct fs *fs, const char *path, u64 *free_bytes, u64 *total_bytes,
                      struct error *e)
{
    struct fs_mem *m = mem_of(fs);
    lock_take(&m->lock);
    struct mem_node *node = NULL;
    int status = memtree_find(&m->tree, path, &node);
    if (status == 0) {
        *total_bytes = m->tree.capacity;
        *free_bytes = m->tree.capacity - MIN(m->tree.used, m->tree.capacity);
    }
    lock_drop(&m->lock);
    return status == 0 || fs_fail(e, status, "asking for the space of", path);
}

static struct file *mem_lock(struct fs *fs, const char *path, struct error *e)
{
    struct fs_mem *m = mem_of(fs);
    struct file *f = NULL;
    lock_take(&m->lock);
    struct mem_node *node = NULL;
    int status = open_node(&m->tree, path, FS_WRITE, &node);
    bool held = status == 0 && node->locked;
    if (status == 0 && !held) {
        f = file_new(m, path, node);
        mem_file_of(f)->writable = true;
        mem_file_of(f)->holds_lock = true;
        node->locked = true;
    }
    lock_drop(&m->lock);
    if (held) {
        return err_null(e, ERR_EXISTS, "locking %s: another process holds it", path);
    }
    if (status != 0) {
        (void)fs_fail(e, status, "opening", path);
    }
    return f;
}

struct fs *fs_mem_new(u64 capacity_bytes)
{
    static const struct fs_ops ops = {
        .open = mem_open,
        .close = mem_close,
        .read_at = mem_read_at,
        .write_at = mem_write_at,
        .sync = mem_sync,
        .truncate = mem_truncate,
        .size = mem_size,
        .reserve = mem_reserve,
        .rename = mem_rename,
        .link = mem_link,
        .unlink = mem_unlink,
        .make_dir = mem_make_dir,
        .sync_dir = mem_sync_dir,
        .list = mem_list,
        .stat = mem_stat,
        .map = mem_map,
        .unmap = mem_unmap,
        .space = mem_space,
        .lock = mem_lock,
    };
    struct fs_mem *m = MEM_NEW(struct fs_mem);
    m->base.ops = &ops;
    lock_init(&m->lock, LOCK_LEAF, "fs_mem");
    memtree_init(&m->tree, capacity_bytes);
    return &m->base;
}

void fs_mem_free(struct fs *fs)
{
    if (fs) {
        struct fs_mem *m = mem_of(fs);
        CHECK(!m->files && "a file is still open");
        memtree_fini(&m->tree);
        lock_fini(&m->lock);
        mem_free(m);
    }
}

void fs_mem_crash(struct fs *fs, struct rng *rng)
{
    struct fs_mem *m = mem_of(fs);
    lock_take(&m->lock);
    for (struct mem_file *f = m->files; f; f = f->next) {
        if (!f->dead) {
            // What the disk still holds of it is counted again when the tree settles.
            f->dead = true;
            f->node->opens = 0;
            f->node->links = 0;
            memnode_charge(&m->tree, f->node);
        }
    }
    memtree_crash(&m->tree, rng);
    lock_drop(&m->lock);
}

void fs_mem_set_capacity(struct fs *fs, u64 bytes)
{
    struct fs_mem *m = mem_of(fs);
    lock_take(&m->lock);
    m->tree.capacity = bytes;
    lock_drop(&m->lock);
}
