// wal_replay.h: reads a log back: the checkpoint, then the segments, in order of writing.
//
// Two passes. The first finds the damaged places and the newest word of the log about what was on
// disk (WAL_SYNCED). A bad place behind that word is a torn tail: it and all that follows is void,
// so that what survives is a prefix (I5). A bad place before it was whole once: it is stepped over,
// counted and told. The second pass decodes, rows group by group (wal_batch.h).
// Nothing is changed on disk but leftovers of an interrupted checkpoint.
// Where a head image stands for the older segments (head_image.h), only those from its own on are
// looked at, if image and log fit: nothing that the image leans on may have been cut off since.
// Cost: every segment mapped and checksummed twice. Threads: owned.
#ifndef TSDB_WAL_REPLAY_H
#define TSDB_WAL_REPLAY_H

#include "base/base.h"
#include "tsdb/wal.h"
#include "tsdb/wal_entry.h"

struct arena;
struct error;
struct fs;
struct head_image_file;
struct log;
struct tsdb_replay_progress;

// Threads: a value.
struct wal_replayed {
    u64 next_number;
    u64 resume_segment;
    u64 resume_offset;
    struct wal_kept *kept; // In the arena.
    u32 kept_count;
    u64 corruptions; // Damaged places, torn tails not counted.
    u64 void_bytes;
    bool from_image;
};

// Threads: owned by the call.
struct wal_replay_job {
    struct fs *fs;
    struct log *log;
    const char *dir;
    u32 stream; // Files of another one are damaged.
    struct wal_decoder *decoder;
    struct tsdb_replay_progress *progress; // May be NULL.
    struct arena *arena;
    const struct head_image_file *image;               // NULL: there is none.
    bool (*image_load)(void *ctx);                     // false: it could not be used after all.
    void (*between)(void *ctx, struct wal_decoder *d); // After each segment. NULL: nothing.
    void *ctx;
};
// false only if a file cannot be read or is of a newer format (ERR_UNSUPPORTED).
bool wal_replay(const struct wal_replay_job *job, struct wal_replayed *out,
                struct error *e) MUST_USE;

// Parses "seg-00000012" and "ckpt-00000012".
bool wal_name_parse(str name, str kind, u64 *number);

#endif
