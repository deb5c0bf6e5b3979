// tsdb_delete.h: deletions as the engine's files share them; private to the folder.
//
// What is deleted of the head stands in the file "deleted", by labels, because ordinals may change
// with a restart. When a window is cut its tombstones move into the block.
// Threads: all of it needs the work turn (tsdb_inner.h).
#ifndef TSDB_TSDB_DELETE_H
#define TSDB_TSDB_DELETE_H

#include "base/base.h"

struct error;
struct tsdb;

// After the replay: the head's deletions. Damage is told and passed over.
bool head_deleted_check(str file, struct error *e) MUST_USE; // Frame and checksum of its file.
#define DELETED_BYTES_MAX ((size_t)512 << 20)
bool head_deleted_read(struct tsdb *db, struct error *e) MUST_USE;
// Forgets what lies wholly before head_min, and what is of series that left: blocks have it.
void head_deleted_prune(struct tsdb *db);

#endif
