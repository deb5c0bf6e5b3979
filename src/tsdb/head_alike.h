// head_alike.h: label sets one after the other, each told by what it has in common with the one
// before: those of one target share most of their texts, and a text that is equal needs neither to
// be hashed nor to be looked for again.
//
// Cost: O(labels) comparisons, and a hash of each text that is another one.
// Memory: 1 KiB. Threads: owned.
#ifndef TSDB_HEAD_ALIKE_H
#define TSDB_HEAD_ALIKE_H

#include "model/labels.h"

#define ALIKE_LABELS_MAX 63U // With the tenant's, a bit each. Longer sets are like no other.

// Zeroed: there is none before. Threads: owned.
struct head_alike {
    struct labels before;        // Borrowed until the next.
    u64 names[ALIKE_LABELS_MAX]; // Hashes of its texts.
    u64 values[ALIKE_LABELS_MAX];
};
// labels_hash of the set. *same: 0 if its names are not those of the set before; else bit 0, and
// bit k + 1 where the value of label k is.
u64 head_alike_next(struct head_alike *a, struct labels set, u64 *same);

#endif
