// wal_batch.h: fragments of a log that wait, so that those of one column group are read one after
// the other.
//
// A log tells a row of every group before the next row of any: what a fragment touches of the head
// has left the caches when the group's next one comes. Read group by group it is still there.
//
// (I1) Fragments of a group keep their order, so each series has its samples in order.
// (I2) Whoever applies a record of another kind that names series runs the batch before.
// Cost: add O(1), sort O(n log n). Memory: 24 bytes a fragment, WAL_BATCH_MAX of them.
// Threads: owned.
#ifndef TSDB_WAL_BATCH_H
#define TSDB_WAL_BATCH_H

#include "base/base.h"

#ifdef TIDEMARK_SMALL
#    define WAL_BATCH_MAX 64U
#else
#    define WAL_BATCH_MAX (1U << 18)
#endif

// Threads: a value.
struct wal_waiting {
    const char *payload; // Of one mapped segment: what stands later there was written later.
    u32 len;
    u32 group; // As the payload says; whoever decodes it checks.
    u64 record_at;
};

// Threads: owned by the replay.
struct wal_batch {
    struct wal_waiting *items;
    u32 n;
    u32 cap;
};
void wal_batch_fini(struct wal_batch *b);
// false: it is full, and has to be run first.
bool wal_batch_add(struct wal_batch *b, str payload, u64 record_at) MUST_USE;
void wal_batch_sort(struct wal_batch *b);

#endif
