// cold_read.h: what a start asks of a cold block: where its series ended, what of them is deleted.
//
// Cost: O(bytes) of the block, each page once. Memory: a page, the labels of one series.
// Threads: owned by open.
#ifndef TSDB_COLD_READ_H
#define TSDB_COLD_READ_H

#include "base/base.h"

struct block;
struct error;
struct head;
struct tombstone_list;
struct tombstones;

// Puts the ends into the head, of all series that can be read. What is damaged is passed over, and
// told in *damage. false: the system refuses to show a part of it, or memory is wanting.
bool cold_read_ends(struct head *h, struct block *b, struct error *damage,
                    struct error *e) MUST_USE;
// Adds what is deleted of those series of the block that are in the head, up to where the block has
// them. What is damaged is passed over.
bool cold_read_dead(struct head *h, struct block *b, const struct tombstones *dead,
                    struct tombstone_list *out, struct error *e) MUST_USE;

#endif
