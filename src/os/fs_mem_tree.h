// fs_mem_tree.h: the inside of the in-memory file system: what is seen, and what would survive.
//
//   tree ─► root ─► node (folder): names seen │ names on the disk
//                     └─► node (file): bytes seen │ bytes on the disk │ writes since the last sync
//        └─► changes: every new, removed or moved name that no folder's sync has covered yet
//
// Costs: a name O(log n) to find and O(n) to add; a write O(its bytes), twice; a sync O(file).
// Memory: the bytes seen are bounded by the capacity; the writes kept per file by
// MEM_PENDING_BYTES_MAX, beyond which they are written back as a kernel would do by itself.
// Invariants:
//   (I1) After a sync both images of a file are equal and it has no writes.
//   (I2) The disk's names plus the changes, in order, give the names seen.
//   (I3) A change is kept by a crash only if no earlier change of the same nodes was dropped, so
//        that what a crash leaves could have been left by a real file system.
// Threads: guarded by the lock of the struct fs_mem around it.
#ifndef OS_FS_MEM_TREE_H
#define OS_FS_MEM_TREE_H

#include "base/base.h"

struct rng;

#define MEM_NAME_MAX          255
#define MEM_DEPTH_MAX         64
#define MEM_PENDING_BYTES_MAX ((u64)64 << 20)

struct mem_image {
    u8 *bytes; // Zero between len and cap.
    u64 len;
    u64 cap;
};

// A write of len bytes at offset, or (bytes NULL) a truncation to offset.
struct mem_write {
    u64 offset;
    u64 len;
    u8 *bytes;
};

struct mem_name {
    char *name;
    struct mem_node *node;
};

// Sorted by name.
struct mem_names {
    struct mem_name *items;
    size_t count;
    size_t cap;
};

// A file or folder. Counted: by names seen, names on the disk, changes and open files.
struct mem_node {
    u32 refs;
    u32 links; // Names seen.
    u32 opens;
    bool is_dir;
    bool locked;
    u64 inode;
    u64 stamp; // Whoever walks marks what it has met with a fresh number.
    i64 mtime_ms;
    u64 reserved;
    u64 charged; // What it counts against the capacity.
    struct mem_image seen;
    struct mem_image disk;
    struct mem_write *writes;
    size_t write_count;
    size_t write_cap;
    u64 write_bytes;
    struct mem_names names_seen;
    struct mem_names names_disk;
};

// dir/name becomes node, or goes away (node NULL); old is what was there before.
struct mem_side {
    struct mem_node *dir;
    char *name;
    struct mem_node *node;
    struct mem_node *old;
};

// A rename has two sides and is kept or lost whole.
struct mem_change {
    struct mem_side sides[2];
    u32 side_count;
};

struct mem_tree {
    struct mem_node *root;
    struct mem_change *changes;
    size_t change_count;
    size_t change_cap;
    u64 used;
    u64 capacity;
    u64 inodes;
    u64 stamps;
    i64 ticks; // Stands in for a clock: each change of a file is a millisecond later.
};

void memtree_init(struct mem_tree *t, u64 capacity);
void memtree_fini(struct mem_tree *t);

struct mem_node *memnode_new(struct mem_tree *t, bool is_dir); // One reference, the caller's.
void memnode_ref(struct mem_node *n);
void memnode_unref(struct mem_tree *t, struct mem_node *n);  // Accepts NULL.
void memnode_charge(struct mem_tree *t, struct mem_node *n); // After any change of size or links.

// These yield 0 or an errno.
int memtree_find(struct mem_tree *t, const char *path, struct mem_node **node);
int memtree_find_parent(struct mem_tree *t, const char *path, struct mem_node **dir,
                        char name[MEM_NAME_MAX + 1]);
int memnode_write(struct mem_tree *t, struct mem_node *n, u64 offset, const void *bytes, u64 len);
int memnode_truncate(struct mem_tree *t, struct mem_node *n, u64 len);

struct mem_node *memnames_get(const struct mem_names *names, const char *name); // NULL if absent.
// Changes what is seen and notes it as not yet durable. node NULL removes.
void memtree_set(struct mem_tree *t, struct mem_node *dir, const char *name, struct mem_node *node);
void memtree_move(struct mem_tree *t, struct mem_node *from_dir, const char *from,
                  struct mem_node *to_dir, const char *to);
void memnode_sync(struct mem_node *n);
void memtree_sync_dir(struct mem_tree *t, struct mem_node *dir);

// Power is lost: what is seen becomes what the disk happens to hold. See fs_mem_crash.c.
void memtree_crash(struct mem_tree *t, struct rng *rng);

// For the crash only: puts a change on the disk's names; gives back what a change holds; sets an
// image's length with zeroes.
void memchange_apply(struct mem_tree *t, const struct mem_change *c);
void memchange_fini(struct mem_tree *t, struct mem_change *c);
void memnames_copy(struct mem_tree *t, struct mem_names *to, const struct mem_names *from);
void memimage_resize(struct mem_image *m, u64 len);
void memimage_write(struct mem_image *m, const struct mem_write *w);
void memnode_clear_writes(struct mem_node *n);

#endif
