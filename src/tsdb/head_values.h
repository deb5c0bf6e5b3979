// head_values.h: the values of a label name of a head shard, in order, and which of them a reader
// is sure to see.
//
// The order of a name's values is kept from the first time somebody asks until a value comes or
// leaves, so that asking again sorts nothing; and with each value its first series, until a series
// leaves: mostly that one alone tells.
// Cost: get O(1), but O(values) and a sort outside of the lock where no order is known; sure a line
// of the cache for a value whose first series is enough, some 200 ns where the first of those that
// count has to be found.
// Memory: 16 bytes a value of each name asked for, the head's.
// Threads: takes the shard's lock in each call, for slices at a time where series are looked at.
#ifndef TSDB_HEAD_VALUES_H
#define TSDB_HEAD_VALUES_H

#include "tsdb/head_index.h"
#include "tsdb/head_read.h"

struct head;
struct postings;
struct tombstones;

#define HEAD_VALUES_MAX 256U // Of one call of head_values_sure.

// The values of a name, rising by their texts; a reference, to be given back with head_order_unref.
struct head_order *head_values_get(struct head *h, str name);

// Whose values count. Threads: owned.
struct head_values_ask {
    const struct head_read *reader;
    const struct tombstones *dead; // What is deleted, or NULL.
    const struct postings *set;    // Series that count.
    struct postings *unsure; // Gets those that have to be read because of a value that none is sure
                             // of.
};
// sure[i]: whether one of the value's series that are in the set has a sample in the reader's
// range which it may see, told by the newest samples of as few as can be. n: at most
// HEAD_VALUES_MAX. removed: of the order that the values are from.
void head_values_sure(const struct head_values_ask *ask, u64 removed,
                      const struct head_value *values, u32 n, bool *sure);

#endif
