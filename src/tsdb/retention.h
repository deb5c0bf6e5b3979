// retention.h: how long which samples are kept.
//
// The first class whose matchers a series fits says how long its samples are kept; else the general
// time does. A block goes whole once the longest of these is over for all of it; what is over
// sooner is left out when the block is rewritten, which is done for its own sake once enough of it
// is. Size and share of the disk count blocks only (I10), of cold ones those whose window is cut.
// Threads: guarded by the work turn.
#ifndef TSDB_RETENTION_H
#define TSDB_RETENTION_H

#include "tsdb/tsdb_admin.h"

struct arena;
struct block;
struct error;
struct postings;

// Threads: guarded by the work turn.
struct retention {
    struct arena *arena;
    struct tsdb_class *classes;
    u32 class_count;
    i64 ms; // 0 = for ever.
};
void retention_init(struct retention *r);
void retention_fini(struct retention *r);
// Copies; classes beyond TSDB_CLASSES_MAX are ERR_LIMIT.
bool retention_set(struct retention *r, const struct tsdb_retention *from,
                   struct error *e) MUST_USE;

// No sample is kept longer; 0 = some are kept for ever.
i64 retention_longest(const struct retention *r);

// What of one block is over. Threads: owned.
struct retention_cuts {
    u32 n;                                       // One for each class, and one for the rest.
    struct postings *sets[TSDB_CLASSES_MAX + 1]; // Of the block's series.
    i64 before_ms[TSDB_CLASSES_MAX + 1];         // Samples up to it are over.
};
// newest: the newest sample stored. Finds nothing if nothing can be over.
bool retention_cuts_init(struct retention_cuts *c, const struct retention *r, struct block *b,
                         i64 newest, struct error *e) MUST_USE;
void retention_cuts_fini(struct retention_cuts *c);
// Samples of the series up to this time are over; INT64_MIN = none.
i64 retention_cut_of(const struct retention_cuts *c, u32 series);
// How many series are over with all that the block has of them.
u64 retention_cuts_whole(const struct retention_cuts *c, const struct block *b);

#endif
