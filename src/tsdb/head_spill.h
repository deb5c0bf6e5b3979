// head_spill.h: moves the full extents of a shard's windows into files, in the background.
//
// A round writes at most one file for each window and frees the memory of the round before as soon
// as no reader from before it is left. What cannot be written stays in memory and is tried again.
// Threads: one background thread; takes the shard's lock and turn for moments only.
#ifndef TSDB_HEAD_SPILL_H
#define TSDB_HEAD_SPILL_H

#include "base/base.h"

struct error;
struct fs;
struct head;

// A window's files are named by this and their number.
void head_spill_stem(char stem[400], const char *dir, u32 shard, i64 start_ms);
// *did: something was moved, so a later head_spill_reap has something to free.
bool head_spill(struct head *h, struct fs *fs, const char *dir, bool *did,
                struct error *e) MUST_USE;
// No reader is left from before the last head_spill.
void head_spill_reap(struct head *h);
// Removes what a dead process left of this shard in dir and no window uses.
bool head_spill_sweep(struct head *h, struct fs *fs, const char *dir, struct error *e) MUST_USE;
// What was moved so far is on disk, name and all. Of the background.
bool head_spill_sync(struct head *h, struct fs *fs, const char *dir, struct error *e) MUST_USE;

#endif
