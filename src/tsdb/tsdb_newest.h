// tsdb_newest.h: the cursor of a selection that wants the newest sample of each series alone.
//
//   shard, shard: many series at once, from their rows (head_newest.h); those of them that have to
//   be read are read, and stand in their places
//   last: series that both shards have, or all where a block or a gap lies in the range, by the
//   cursor of tsdb_cursor.h
//
// Cost: O(series), some 10 ns each where rows tell. Memory: four bytes a series, and a batch.
// Threads: owned.
#ifndef TSDB_TSDB_NEWEST_H
#define TSDB_TSDB_NEWEST_H

#include "tsdb/tsdb_cursor.h"

// names: which labels are wanted; NULL = all. They outlive the cursor, as s->ms do.
struct series_cursor *tsdb_newest_open(const struct tsdb_selection *s, const str *names,
                                       u32 name_count, struct error *e) MUST_USE;

#endif
