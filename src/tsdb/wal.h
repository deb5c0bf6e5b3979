// wal.h: the write-ahead log of one head shard: an append-only row of segment files.
//
//   begin ─ rolls to a new segment if the last is full or poisoned, tells the encoder the place
//   write ─ the whole commit goes to the kernel with one write; on failure it is as if never asked
//   sync  ─ one fdatasync for all that was written; the callbacks of the positions it covers run
//
// Writing and syncing use handles of their own, so a writer never waits for the disk. A sync that
// fails poisons the segment: its unsynced bytes, which are kept in memory until they are synced,
// are written again into a new segment whose header declares the old ones void.
// Invariants:
//   (I1) What write answered true for is in the kernel; what a callback said is durable is on disk.
//   (I2) Segments are numbered in rising order, and only the last is written.
//   (I3) A failed sync is never repeated on the same file.
// Memory: the unsynced bytes, at most unsynced_max and one commit; beyond it write fails with
// ERR_UNAVAILABLE. What a burst took goes back with the sync that covers it.
// Threads: begin, write, truncate and repair need the shard's turn; sync may run beside them, one
// at a time; the fields that both sides use are guarded by `lock`.
// Bytes: docs/format/wal.md
#ifndef TSDB_WAL_H
#define TSDB_WAL_H

#include "base/base.h"
#include "tsdb/wal_record.h"

struct arena;
struct buf;
struct clk;
struct error;
struct fs;
struct log;
struct rng;
struct wal;

#define WAL_WAITERS_MAX 16384U

struct wal_opts {
    struct fs *fs;
    struct clk *clk;
    struct rng *rng;
    struct log *log;
    const char *dir; // Copied; exists.
    u32 stream;
    u64 segment_bytes;
    u64 unsynced_max;
    void (*synced)(void *ctx, f64 seconds); // May be NULL.
    void *synced_ctx;
};

// A segment of an earlier run that is still needed. Threads: a value.
struct wal_kept {
    u64 number;
    u64 bytes;
    i64 t_max;
    bool continues;
};

// first: the number of the first segment this run may write; resume as in struct wal_header: what
// the replay decided to ignore. kept is copied.
struct wal *wal_new(struct wal_opts opts, u64 first, u64 resume_segment, u64 resume_offset);
void wal_keep(struct wal *w, struct wal_kept segment); // Rising, before the first write.
void wal_free(struct wal *w);                          // Accepts NULL. Does not sync.

// With the turn: all that is written from now on, and nothing before, is in segments from *first
// on, whose rows lean on nothing earlier. ERR_UNAVAILABLE: not now (a sync failed, or what a start
// found torn is not declared void yet).
bool wal_part(struct wal *w, u64 *first, struct error *e) MUST_USE;
struct wal_kept *wal_segments(struct wal *w, struct arena *a, u32 *n); // All, in the arena.
// Ready for a commit: *place changes when every group must be restated; *salt is for the records.
// May add records of its own to out, which must be written with the rest.
bool wal_begin(struct wal *w, struct buf *out, u64 *place, u32 *salt, struct error *e) MUST_USE;
// What was encoded since begin will not be written: the next begin asks for restatement.
void wal_abandon(struct wal *w);
// t_max: the newest sample in it. *position is what when_durable takes.
bool wal_write(struct wal *w, str records, i64 t_max, u64 *position, struct error *e) MUST_USE;

// Whether a sync has something to do.
bool wal_dirty(struct wal *w);
bool wal_poisoned(struct wal *w);
// On failure the log is poisoned until repair, with the turn, has moved to a new segment; then sync
// is tried once more by the caller. last: tell those who wait that it will not be.
bool wal_sync(struct wal *w, bool last, struct error *e) MUST_USE;
bool wal_repair(struct wal *w, struct error *e) MUST_USE;
// After a clean sync: says in the log itself that all of it is on disk.
bool wal_seal(struct wal *w, struct error *e) MUST_USE;

// fn runs at once if the position is durable (or the list of waiters is full: ERR_UNAVAILABLE).
// Returns whether it waits.
bool wal_when_durable(struct wal *w, u64 position, void (*fn)(void *arg, const struct error *e),
                      void *arg);

// The first segment that must stay so that no sample at or above floor is lost.
u64 wal_needed_from(struct wal *w, i64 floor);
// Unlinks what lies before; a failure leaves files that the next start ignores.
bool wal_truncate(struct wal *w, u64 first, struct error *e) MUST_USE;

u64 wal_first(struct wal *w);                 // The oldest segment that is kept.
u64 wal_segment_now(struct wal *w);           // 0 before the first write.
u64 wal_segment_next(struct wal *w);          // The number a new segment would get.
u64 wal_bytes(struct wal *w);                 // Of all segments.
u64 wal_bytes_from(struct wal *w, u64 first); // Of those from this one on.
u64 wal_memory(struct wal *w);                // For what is not synced.
void wal_path(const char *dir, const char *kind, u64 number, char out[512]); // kind: "seg", "ckpt"

#endif
