// cold_read.h: what a start asks of a cold block, where its series ended, and what a deletion does:
// which they are.
//
// Cost: O(bytes) of the block, each page once. Memory: a page, the labels of one series.
// Threads: owned by open, or the work turn.
#ifndef TSDB_COLD_READ_H
#define TSDB_COLD_READ_H

#include "base/base.h"

struct block;
struct error;
struct head;
struct head_key;

// Puts the ends into the head, of all series that can be read. What is damaged is passed over, and
// told in *damage. false: the system refuses to show a part of it, or memory is wanting.
bool cold_read_ends(struct head *h, struct block *b, struct error *damage,
                    struct error *e) MUST_USE;
// Of which series the labels are asked; each: with them, good until it returns.
// Threads: a value.
struct cold_asked {
    const u32 *series;
    u32 n;
    void (*each)(void *ctx, const struct head_key *k);
    void *ctx;
};
// Tells all that can be read, as above.
bool cold_read_keys(struct block *b, const struct cold_asked *q, struct error *damage,
                    struct error *e) MUST_USE;

#endif
