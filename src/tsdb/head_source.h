// head_source.h: a head shard's index as a source of index_select, and which of its series a reader
// is sure to see.
//
// Threads: takes the shard's lock in each call, for slices at a time.
#ifndef TSDB_HEAD_SOURCE_H
#define TSDB_HEAD_SOURCE_H

#include "tsdb/head_read.h"
#include "tsdb/index_select.h"

struct error;
struct head;
struct postings;
struct tombstones;

// Threads: owned.
struct head_source {
    struct index_source source;
    struct head *head;
};
void head_source_init(struct head_source *s, struct head *h);

// Parts a set: `sure` becomes the series that have a sample in the reader's range which it may see,
// told from the newest sample alone; what is left in `set` has to be read, and the others have
// none. O(series), some 10 ns each. dead: what is deleted, or NULL. The arena is not used.
void head_source_sure(const struct head_read *r, const struct tombstones *dead,
                      struct postings *set, struct postings *sure);

#endif
