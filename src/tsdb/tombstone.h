// tombstone.h: which samples of which series are deleted, and the file that says so.
//
// A set is sorted by series, then time; it is frozen once made and counted. Sets belong to one
// block (its series' numbers) or to one shard of the head (ordinals).
// find O(log n). Memory: 40 bytes each, at most TOMBSTONES_MAX in a set.
// Bytes: docs/format/tombstones.md
// Threads: frozen; refs atomic.
#ifndef TSDB_TOMBSTONE_H
#define TSDB_TOMBSTONE_H

#include "base/base.h"

#include <stdatomic.h>

struct error;
struct fs;

#define TOMBSTONES_MAX     4000000U
#define TOMBSTONE_UNDO_MS  ((i64)24 * 3600 * 1000) // So long a deletion can be taken back.
#define TOMBSTONES_VERSION 1U

// The samples of a series in [min, max]. Threads: a value.
struct tombstone {
    u64 id; // Of the deletion.
    i64 made_ms;
    i64 min_ms;
    i64 max_ms;
    u32 series;
};

// Threads: frozen; refs atomic.
struct tombstones {
    _Atomic u32 refs;
    u32 n;
    struct tombstone items[];
};

// Being collected. Threads: owned.
struct tombstone_list {
    struct tombstone *items;
    u32 n;
    u32 cap;
};
bool tombstone_add(struct tombstone_list *l, struct tombstone t, struct error *e) MUST_USE;
void tombstone_list_fini(struct tombstone_list *l);
// Sorts the list; what is there twice counts once. One reference; NULL if the list is empty.
struct tombstones *tombstones_make(struct tombstone_list *l);
struct tombstones *tombstones_ref(struct tombstones *t); // Accepts NULL.
void tombstones_unref(struct tombstones *t);             // Accepts NULL.
// Those of one series; t may be NULL.
const struct tombstone *tombstones_find(const struct tombstones *t, u32 series, u32 *n);
// How many series have one that was made at or before this time.
u32 tombstones_due(const struct tombstones *t, i64 made_ms);

// Replaces the file; t may be NULL.
bool tombstones_write(struct fs *fs, const char *path, const struct tombstones *t,
                      struct error *e) MUST_USE;
// An absent file is an empty set. Series are below series_count, or the file is damaged.
bool tombstones_read(struct fs *fs, const char *path, u32 series_count, struct tombstones **out,
                     struct error *e) MUST_USE;
// The same from bytes, for whoever has them already.
bool tombstones_decode(str file, u32 series_count, struct tombstones **out,
                       struct error *e) MUST_USE;

#endif
