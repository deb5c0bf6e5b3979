// head_values.h: the values of a label name of a head shard, in order, and which of them a reader
// is sure to see.
//
// The order of a name's values is kept from the first time somebody asks until a value comes or
// leaves, so that asking again sorts nothing; and with each value its first series and the time of
// a sample of it: mostly that alone tells. Series that leave take only their own values' firsts
// with them. Both are looked for again when that was missed as often as it costs.
// Cost: get O(1), but O(values) where firsts are looked for, by slices of the lock, and a sort
// outside of it where no order is known; sure some 10 ns for a value whose sample seen is in the
// range, a line of the cache where its first series has newer ones, some 200 ns where the first of
// those that count has to be found.
// Memory: 32 bytes a value of each name asked for, the head's.
// Threads: takes the shard's lock in each call, for slices at a time where series are looked at.
#ifndef TSDB_HEAD_VALUES_H
#define TSDB_HEAD_VALUES_H

#include "tsdb/head_index.h"
#include "tsdb/head_read.h"

struct head;
struct postings;
struct tombstones;

#define HEAD_VALUES_MAX 256U // Of one call of head_values_sure.

// Asked between two slices, without the lock; false: the caller has no more time. Threads: a value.
struct head_values_pace {
    bool (*go_on)(void *ctx);
    void *ctx;
};

// The values of a name, rising by their texts; a reference, to be given back with head_order_unref.
// Where there is no more time it has all values, but maybe in no order, some of its firsts are not
// known, and it is not kept.
struct head_order *head_values_get(struct head *h, str name, const struct head_values_pace *pace);

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
// HEAD_VALUES_MAX of the order's.
void head_values_sure(const struct head_values_ask *ask, struct head_order *order,
                      const struct head_value *values, u32 n, bool *sure);

#endif
