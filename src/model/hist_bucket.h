// hist_bucket.h: the buckets of native histograms: their bounds, walks over them, their text.
//
// Every step is O(1); nothing is allocated.
// Threads: walks are owned; histograms are frozen.
#ifndef MODEL_HIST_BUCKET_H
#define MODEL_HIST_BUCKET_H

#include "model/hist.h"

struct buf;

// The upper bound of the exponential bucket `index`, the lower one of index + 1. To the bit what
// the whole ecosystem has in its tables, in which some bounds are off by a last place or two.
f64 hist_exponential_bound(i32 schema, i64 index);
// The same for either kind, of the positive side.
f64 hist_bound(const struct hist *h, i64 index);
static inline bool hist_is_custom(const struct hist *h)
{
    return h->schema == HIST_SCHEMA_CUSTOM;
}

// One side's buckets by index, the unpopulated ones of its spans too. Threads: owned.
struct hist_walk {
    const struct hist_side *side;
    u32 span;
    u32 in_span; // Buckets of the span that have been given.
    u32 at;      // Buckets given in all.
    i64 index;   // Of the bucket given last.
    f64 count;
};
void hist_walk_begin(struct hist_walk *w, const struct hist_side *side);
bool hist_walk_next(struct hist_walk *w);
void hist_walk_end(struct hist_walk *w, const struct hist_side *side); // For walking back.
bool hist_walk_back(struct hist_walk *w);

// Threads: value.
struct hist_bucket {
    f64 lower;
    f64 upper;
    f64 count;
};

// How much of an exponential bucket lies below v, which is within it.
f64 hist_bucket_share(const struct hist_bucket *b, f64 v);

// All buckets in the order of their bounds, or back: negative ones, the zero bucket if it holds
// something, positive ones. Threads: owned.
struct hist_scan {
    const struct hist *h;
    struct hist_walk walk;
    u32 part;
    bool back;
};
void hist_scan_begin(struct hist_scan *s, const struct hist *h, bool back);
bool hist_scan_next(struct hist_scan *s, struct hist_bucket *out);

// {count:4, sum:5, (0.5,1]:1, …}
void hist_print(struct buf *out, const struct hist *h);

#endif
