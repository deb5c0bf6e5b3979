// tsdb_delete.h: deletions as the engine's files share them; private to the folder.
//
// What is deleted of the head's range stands in the file "deleted", by labels (deleted_list.h),
// because ordinals may change with a restart and series leave for cold blocks; sets of tombstones
// have it by ordinals, of the series that are in memory. When a window is cut its tombstones move
// into the block.
// Threads: all of it needs the work turn (tsdb_inner.h).
#ifndef TSDB_TSDB_DELETE_H
#define TSDB_TSDB_DELETE_H

#include "base/base.h"

struct error;
struct tsdb;

// After the replay: the head's deletions. Damage is told and passed over.
bool head_deleted_read(struct tsdb *db, struct error *e) MUST_USE;
// Forgets what lies wholly before head_min, as blocks have it, and ordinals of series that left.
void head_deleted_prune(struct tsdb *db);

#endif
