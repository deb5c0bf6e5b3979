// tsdb_restart.h: what a store does so that the next start is quick, and what a start does.
//
// Threads: open, the step and close, which exclude each other.
#ifndef TSDB_TSDB_RESTART_H
#define TSDB_TSDB_RESTART_H

#include "base/base.h"

struct buf;
struct error;
struct tsdb;

// Writes down that a start began; refuses new series if those before it crashed.
void tsdb_starts_open(struct tsdb *db);
void tsdb_starts_step(struct tsdb *db);
void tsdb_starts_close(struct tsdb *db, bool clean); // false: it could not be opened.

void tsdb_head_make(struct tsdb *db, u32 shard); // Empty.
bool tsdb_shard_open(struct tsdb *db, u32 shard, struct error *e) MUST_USE;

// Metadata and exemplars for what replaces a part of the log: see wal_extra_fn.
bool tsdb_extra_put(void *ctx, struct buf *out, u32 salt, u64 *place);
// When it is time for it, writes what the heads hold beside their logs.
void tsdb_image_step(struct tsdb *db);

#endif
