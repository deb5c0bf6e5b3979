// fs.h: files as a replaceable seam: real, in memory (with power cuts), faulty.
//
// Paths are UTF-8, relative to nothing: callers join them. Every call that can fail fills e with
// path and reason. EINTR is retried inside.
// Invariants: (I7) after a failed sync every later write and sync on that file fails too: nothing
// on it counts as durable again. A name is durable only after fs_sync_dir of its folder.
// Threads: a struct fs is frozen and may be shared; a struct file is owned by one thread at a time,
// but read_at may be called from many.
#ifndef OS_FS_H
#define OS_FS_H

#include "base/base.h"

#include <stdatomic.h>

struct error;
struct arena;
struct file;
struct rng;

enum fs_open {
    FS_READ,       // Must exist.
    FS_WRITE,      // Read and write; made if absent, kept if present.
    FS_CREATE_NEW, // Must not exist.
    FS_TRUNCATE,   // Made or emptied.
};

struct fs_info {
    str name; // Base name, in the arena given to list.
    u64 bytes;
    i64 mtime_ms;
    u64 inode;
    bool is_dir;
};

// A read-only view of a whole file; bytes[len .. len + 63] are readable zeroes.
// Where it was cut short meanwhile, or cannot be read, the bytes read as zeroes (map_guard.h).
struct fs_map {
    const u8 *bytes;
    size_t len;
    void *handle;             // The implementation's.
    const _Atomic u32 *holes; // Pages that turned out so. NULL: it cannot happen.
};
// Whoever read wrong bytes is told so from then on.
static inline u32 fs_map_holes(const struct fs_map *map)
{
    return map->holes ? atomic_load(map->holes) : 0;
}

struct fs {
    const struct fs_ops *ops;
};

struct fs_ops {
    struct file *(*open)(struct fs *fs, const char *path, enum fs_open how, struct error *e);
    void (*close)(struct file *f); // Accepts NULL. Does not sync.
    // Reads up to len bytes; *got < len only at the end of the file.
    bool (*read_at)(struct file *f, u64 offset, void *out, size_t len, size_t *got,
                    struct error *e);
    // Writes all of len or fails; after a failure the bytes written are unknown.
    bool (*write_at)(struct file *f, u64 offset, const void *bytes, size_t len, struct error *e);
    bool (*sync)(struct file *f, struct error *e);
    bool (*truncate)(struct file *f, u64 bytes, struct error *e);
    bool (*size)(struct file *f, u64 *bytes, struct error *e);
    // Reserves disk space without changing the size; ERR_NO_SPACE if there is none.
    bool (*reserve)(struct file *f, u64 bytes, struct error *e);

    bool (*rename)(struct fs *fs, const char *from, const char *to, struct error *e);
    bool (*link)(struct fs *fs, const char *from, const char *to, struct error *e);
    bool (*unlink)(struct fs *fs, const char *path, struct error *e);   // File or empty folder.
    bool (*make_dir)(struct fs *fs, const char *path, struct error *e); // Exists is fine.
    bool (*sync_dir)(struct fs *fs, const char *path, struct error *e);
    bool (*list)(struct fs *fs, const char *path, struct arena *a, struct fs_info **infos,
                 size_t *count, struct error *e); // Sorted by name.
    bool (*stat)(struct fs *fs, const char *path, struct fs_info *info,
                 struct error *e); // No name.
    bool (*map)(struct fs *fs, const char *path, struct fs_map *map, struct error *e);
    void (*unmap)(struct fs *fs, struct fs_map *map);
    bool (*space)(struct fs *fs, const char *path, u64 *free_bytes, u64 *total_bytes,
                  struct error *e);
    // Takes an exclusive lock that dies with the process; ERR_EXISTS if another holds it.
    struct file *(*lock)(struct fs *fs, const char *path, struct error *e);
};

// Thin inline-able fronts are in fs.c: fs_open(fs, …) calls fs->ops->open(fs, …) and so on.
struct file *fs_open(struct fs *fs, const char *path, enum fs_open how, struct error *e) MUST_USE;
void fs_close(struct fs *fs, struct file *f);
bool fs_read_at(struct fs *fs, struct file *f, u64 offset, void *out, size_t len, size_t *got,
                struct error *e) MUST_USE; // NOLINT(readability-function-size): as the vtable
bool fs_write_at(struct fs *fs, struct file *f, u64 offset, str bytes, struct error *e) MUST_USE;
bool fs_sync(struct fs *fs, struct file *f, struct error *e) MUST_USE;
bool fs_truncate(struct fs *fs, struct file *f, u64 bytes, struct error *e) MUST_USE;
bool fs_size(struct fs *fs, struct file *f, u64 *bytes, struct error *e) MUST_USE;
bool fs_reserve(struct fs *fs, struct file *f, u64 bytes, struct error *e) MUST_USE;
bool fs_rename(struct fs *fs, const char *from, const char *to, struct error *e) MUST_USE;
bool fs_link(struct fs *fs, const char *from, const char *to, struct error *e) MUST_USE;
bool fs_unlink(struct fs *fs, const char *path, struct error *e) MUST_USE;
bool fs_make_dir(struct fs *fs, const char *path, struct error *e) MUST_USE;
bool fs_sync_dir(struct fs *fs, const char *path, struct error *e) MUST_USE;
bool fs_list(struct fs *fs, const char *path, struct arena *a, struct fs_info **infos,
             size_t *count, struct error *e) MUST_USE;
bool fs_stat(struct fs *fs, const char *path, struct fs_info *info, struct error *e) MUST_USE;
bool fs_map_open(struct fs *fs, const char *path, struct fs_map *map, struct error *e) MUST_USE;
void fs_map_close(struct fs *fs, struct fs_map *map);
bool fs_space(struct fs *fs, const char *path, u64 *free_bytes, u64 *total_bytes,
              struct error *e) MUST_USE;
struct file *fs_lock(struct fs *fs, const char *path, struct error *e) MUST_USE;

// Whether a base name matches a shell glob (* ? [ ]); a leading dot must be matched by a dot.
bool fs_name_matches(const char *glob, const char *name);

// Composites over any fs.
// The whole file, at most bytes_max, into the arena (NUL-terminated); also for /proc files whose
// size reads 0. ERR_LIMIT beyond bytes_max.
bool fs_read_file(struct fs *fs, const char *path, size_t bytes_max, struct arena *a, str *out,
                  struct error *e) MUST_USE;
// Writes path + ".tmp", syncs, renames over path, syncs the folder (law 15).
bool fs_replace_file(struct fs *fs, const char *path, str bytes, struct error *e) MUST_USE;
// A folder and all that is in it, or a file; links are not followed. Absent is fine. Depth ≤ 8.
bool fs_remove_tree(struct fs *fs, const char *path, struct error *e) MUST_USE;

struct fs *fs_real(void); // The one real file system; never freed.

// In memory. What was not synced can be lost: fs_mem_crash keeps, for each file and folder, a
// random subset of the unsynced writes and names (dropped, reordered, torn at 512 B or 4 KiB),
// forgets locks and open files.
struct fs *fs_mem_new(u64 capacity_bytes);
void fs_mem_free(struct fs *fs);
void fs_mem_crash(struct fs *fs, struct rng *rng);
void fs_mem_set_capacity(struct fs *fs, u64 bytes); // ENOSPC beyond.

// Wraps another fs and fails the n-th call (1-based; 0 = never) with the given fault.
enum fs_fault { FS_FAULT_EIO, FS_FAULT_ENOSPC, FS_FAULT_EINTR, FS_FAULT_EMFILE, FS_FAULT_SHORT };
struct fs *fs_faulty_new(struct fs *inner);
void fs_faulty_free(struct fs *fs);
void fs_faulty_arm(struct fs *fs, u64 nth, enum fs_fault fault, bool from_then_on);
u64 fs_faulty_calls(const struct fs *fs); // Calls since the last arm.

#endif
