// wal_checkpoint.h: what the log must still know once its old segments are gone: every live series,
// and the metadata. A file of records, written whole, then renamed.
//
// Cost: O(series), in slices under the shard's lock. Threads: one at a time per shard.
#ifndef TSDB_WAL_CHECKPOINT_H
#define TSDB_WAL_CHECKPOINT_H

#include "base/base.h"

struct buf;
struct error;
struct fs;
struct head;

// More records into an empty buffer, from *place on, which it moves; whether there are still more.
typedef bool wal_extra_fn(void *ctx, struct buf *out, u32 salt, u64 *place);

// Threads: owned by the call.
struct wal_checkpoint {
    struct fs *fs;
    const char *dir;
    u32 salt;
    u64 number; // The first segment that stays.
    struct head *head;
    wal_extra_fn *extra; // May be NULL.
    void *extra_ctx;
};
// Leaves those that were there before.
bool wal_checkpoint_write(const struct wal_checkpoint *c, struct error *e) MUST_USE;
// Those before it, which it stands for. A failure leaves files that the next checkpoint or start
// removes.
bool wal_checkpoints_remove(const struct wal_checkpoint *c, struct error *e) MUST_USE;

#endif
