// head_values.h: the values of a label name of a head shard, in order, and which of them a reader
// is sure to see.
//
// The order of a name's values is kept from the first time somebody asks until a value comes or
// leaves, so that asking again sorts nothing.
// Cost: get O(values), and a sort outside of the lock where no order is known; sure some 200 ns a
// value whose first series is enough.
// Memory: a list of the values, the caller's; 4 bytes a value of each name asked for, the head's.
// Threads: takes the shard's lock in each call, for slices at a time where series are looked at.
#ifndef TSDB_HEAD_VALUES_H
#define TSDB_HEAD_VALUES_H

#include "tsdb/head_read.h"

struct head;
struct postings;
struct tombstones;

#define HEAD_VALUES_MAX 256U // Of one call of head_values_sure.

// Threads: owned.
struct head_values {
    u64 *handles; // As of index_source.
    u32 *symbols;
    u32 count;
};
// By their texts, rising. The list is the caller's, to be given back.
void head_values_get(struct head *h, str name, struct head_values *out);
void head_values_fini(struct head_values *v);
// Borrowed from the head's symbols.
str head_values_text(const struct head *h, const struct head_values *v, u32 at);

// Whose values count. Threads: owned.
struct head_values_ask {
    const struct head_read *reader;
    const struct tombstones *dead; // What is deleted, or NULL.
    const struct postings *set;    // Series that count.
    struct postings *unsure; // Gets those that have to be read because of a value that none is sure
                             // of.
};
// sure[i]: whether one of the handle's series that are in the set has a sample in the reader's
// range which it may see, told by the newest samples of as few as can be. n: at most
// HEAD_VALUES_MAX.
void head_values_sure(const struct head_values_ask *ask, const u64 *handles, u32 n, bool *sure);

#endif
