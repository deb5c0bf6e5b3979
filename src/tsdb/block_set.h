// block_set.h: the list of blocks: read at start, swapped whole, joined and rewritten.
//
// A set is frozen and counted; a change makes a new one, which is published. Readers pin the set
// that they began with.
// Threads: sets are frozen, their counts guarded by the db's lock, which the functions take; all
// but unref needs the work turn (or that nobody else is there yet).
#ifndef TSDB_BLOCK_SET_H
#define TSDB_BLOCK_SET_H

#include "base/base.h"

struct block;
struct block_meta;
struct block_set;
struct error;
struct tsdb;

// A new one, one reference, without those in drops.
struct block_set *block_set_with(const struct block_set *s, struct block *add,
                                 struct block *const *drops, u32 drop_count);
void block_set_unref(struct tsdb *db, struct block_set *s);                 // Takes the lock.
void block_set_publish(struct tsdb *db, struct block_set *s, i64 head_min); // Takes the lock.
bool blocks_open(struct tsdb *db, struct error *e) MUST_USE;
// The file "floor": samples before it were removed by retention and do not come back.
bool tsdb_floor_read(struct tsdb *db, struct error *e) MUST_USE;
bool tsdb_floor_decode(str file, i64 *floor, struct error *e) MUST_USE;
bool tsdb_floor_write(struct tsdb *db, i64 floor, struct error *e) MUST_USE;
// A cold one in the range that the head answers for: it stays as it is until its window is cut, for
// what its description says of it holds for the log as well (tsdb_cold.h).
bool block_is_of_head(const struct tsdb *db, const struct block *b); // With the lock or work turn.
void block_path(const struct tsdb *db, str name, char out[512]);
// Unlists a block's folder and removes it; if that fails, blocks_sweep tries again.
bool block_forget(struct tsdb *db, const struct block_meta *m, struct error *e) MUST_USE;
// Queries over the range that the name tells say "partial" from now on.
void blocks_gap_add(struct tsdb *db, str name);
void blocks_gap_drop(struct tsdb *db, u32 gap); // Its place in the list, which another one takes.
bool blocks_sweep(struct tsdb *db, struct error *e) MUST_USE;
void blocks_retry(struct tsdb *db); // Blocks that the system refused to open at start.

// compact_plan.c: joins blocks of one range if any are due.
bool compact_step(struct tsdb *db, bool *did, struct error *e) MUST_USE;
// Rewrites a block in which at least this many series of a thousand (and one at all) have samples
// whose deletion cannot be undone any more.
bool compact_clean(struct tsdb *db, u32 per_mille, bool *did, struct error *e) MUST_USE;

#endif
