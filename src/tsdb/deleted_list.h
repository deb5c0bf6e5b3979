// deleted_list.h: what of the head is deleted, by labels: the entries of the file "deleted".
//
// An entry stays until blocks alone answer for all of its range, wherever its series is meanwhile:
// in memory, in a cold block, or in both. So whatever of it a start reads back from the log or an
// image, what was deleted of it is known (tsdb_cold.h).
// Cost: O(bytes) to add to, to filter and to write. Memory: as the file, at most DELETED_BYTES_MAX.
// Bytes: docs/format/tombstones.md
// Threads: lists are frozen, refs atomic; a change makes a new one.
#ifndef TSDB_DELETED_LIST_H
#define TSDB_DELETED_LIST_H

#include "base/buf.h"
#include "base/dec.h"
#include "model/labels.h"
#include "model/sample.h"
#include "tsdb/head_limits.h"
#include "tsdb/tombstone.h"

#include <stdatomic.h>

struct fs;
struct head;

#define DELETED_BYTES_MAX  ((size_t)512 << 20) // Of the file.
#define DELETED_LABELS_MAX 4096U

// Threads: frozen; refs atomic.
struct deleted_list {
    _Atomic u32 refs;
    u32 counts[HEADS_MAX]; // Entries of each shard; at most TOMBSTONES_MAX.
    size_t len;
    char bytes[];
};
struct deleted_list *deleted_list_ref(struct deleted_list *l); // Accepts NULL, which is empty.
void deleted_list_unref(struct deleted_list *l);               // Accepts NULL.
str deleted_list_bytes(const struct deleted_list *l);          // Accepts NULL.

// Threads: a value; its texts are borrowed.
struct deleted_entry {
    struct tombstone mark; // But for the series' number.
    struct tenant_id tenant;
    struct labels set;
    u8 shard;
};
// The next one; false: it is damaged. items: room for DELETED_LABELS_MAX, or NULL: without the set.
bool deleted_entry_get(struct dec *d, struct label *items, struct deleted_entry *out);

// A list being made. Threads: owned.
struct deleted_making {
    struct buf bytes;
    u32 counts[HEADS_MAX];
};
void deleted_begin(struct deleted_making *m, const struct deleted_list *old); // May be NULL.
void deleted_put(struct deleted_making *m, const struct deleted_entry *x);
// Of a series that is in the shard: its labels are taken from there. Takes the lock.
void deleted_put_live(struct deleted_making *m, struct head *h, const struct tombstone *t);
// Takes m apart. One reference in *out, NULL if it is empty. false: more than may be (ERR_LIMIT).
bool deleted_end(struct deleted_making *m, struct deleted_list **out, struct error *e) MUST_USE;

// Those of a set that are wanted; *dropped counts the others.
typedef bool tombstone_want(const struct tombstone *t, const void *ctx);
struct deleted_list *deleted_filtered(const struct deleted_list *l, tombstone_want *want,
                                      const void *ctx, u32 *dropped);

// Replaces the file; l may be NULL.
bool deleted_write(struct fs *fs, const char *path, const struct deleted_list *l,
                   struct error *e) MUST_USE;
// Frame and checksum of the file; its entries lie between DELETED_HEAD_BYTES and the last 4.
#define DELETED_HEAD_BYTES 12U
bool head_deleted_check(str file, struct error *e) MUST_USE;

#endif
