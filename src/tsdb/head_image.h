// head_image.h: what a shard of the head holds, as a file beside its log, so that a start reads it
// and the newest few minutes of the log instead of hours.
//
//   the log: │ seg 1 │ … │ seg N-1 │ seg N │ …        the image stands for everything before N
//
// It is fuzzy: series are copied in slices while writers go on, each slice with the turn. So a
// series is whole in itself but later slices know more. That is right because:
//   (I1) The log is parted before the first slice, at N.
//   (I2) A replay passes over what a series already holds.
//   (I3) An image counts only once the log is on disk as far as any slice can know.
// Values that are still open are packed; sealed chunks are named by their place in the window's
// files, or copied while they are in memory alone. So an image has some 70 bytes a series.
// What is missing, damaged, of another build or too old to fit the log costs a whole replay, never
// data: the log is truncated as if there were no image. One is too old, too, if a block is missing
// that was there when it was made: the log may still hold what the image left to that block.
// Cost: writing O(series + bytes not yet in files); reading the same, and a checksum of the files.
// Memory: a slice, and what head_image_parts.h says; when reading, 28 bytes for each record.
// Threads: written by the background, one at a time; read by open.
// Bytes: docs/format/head-image.md
#ifndef TSDB_HEAD_IMAGE_H
#define TSDB_HEAD_IMAGE_H

#include "base/base.h"
#include "os/fs.h"
#include "tsdb/wal.h"
#include "tsdb/wal_checkpoint.h"
#include "tsdb/wal_entry.h"

struct arena;
struct error;
struct head;
struct log;

#define IMAGE_VERSION 1U

// Threads: owned by the call.
struct head_image {
    struct fs *fs;
    const char *dir;       // Of the log.
    const char *spill_dir; // Of the files of sealed chunks.
    struct head *head;
    u32 salt;
    u64 first;                   // N; the log was parted there before.
    const struct wal_kept *kept; // The segments before it.
    u32 kept_count;
    u64 alias_segment;   // Of the head: the log is not truncated within segments up to it.
    i64 floor;           // What lies below it was left to blocks by now, and may be missing here.
    wal_extra_fn *extra; // Records of what belongs to no series.
    void *extra_ctx;
    const _Atomic u32 *interrupts; // Not zero: ERR_CANCELLED, soon.
};
// Writes it under a temporary name and syncs it.
bool head_image_write(const struct head_image *job, struct error *e) MUST_USE;
// Once the log is synced: it counts from now on, and the one before does not.
bool head_image_publish(const struct head_image *job, struct error *e) MUST_USE;

// Threads: a value.
struct image_record {
    u8 kind;
    str payload;
};
// A whole one, every checksum right. Threads: owned by open.
struct head_image_file {
    struct fs *fs;
    struct fs_map map;
    u64 first;
    u64 alias_segment;
    struct wal_kept *kept; // In the arena.
    u32 kept_count;
    u32 series;
    struct image_record *records;
    u32 record_count;
};
// false: there is none to use (ERR_NOT_FOUND, ERR_UNSUPPORTED, ERR_CORRUPT …).
bool head_image_open(struct fs *fs, const char *dir, const struct head *h, struct arena *a,
                     struct head_image_file *out, struct error *e) MUST_USE;
void head_image_close(struct head_image_file *f); // Accepts zeroed.

// Where an image goes. Threads: a value.
struct head_image_target {
    struct head *head; // Empty; its t_floor is set: what lies below it is left out.
    const char *spill_dir;
    struct wal_sink sink; // Gets what belongs to no series.
    bool threaded;        // A thread of its own may take part; it has ended afterwards.
    bool sets_later;      // The caller sees to head_restore_sets.
};
// On failure the head is to be thrown away. What comes out and what it says does not depend on
// `threaded`.
bool head_image_load(const struct head_image_file *f, const struct head_image_target *to,
                     struct error *e) MUST_USE;
void head_image_remove(struct fs *fs, const char *dir);

#endif
