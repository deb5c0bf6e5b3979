// hist_sum.h: arithmetic on native histograms: sums and differences, factors, means of many.
//
// Values come out as upstream's to the bit: buckets are merged in its order, and where it
// compensates (sums and means of many) so does this. Histograms of different resolution are
// brought to the lower one, zero buckets to the wider one, custom bounds to those that both have.
// Cost of an addition: O(buckets of both). Memory: from the arena given, O(different buckets);
// hist_sum_need tells how much an addition may take.
// Threads: owned.
#ifndef MODEL_HIST_SUM_H
#define MODEL_HIST_SUM_H

#include "model/hist.h"
#include "model/kahan.h"

struct arena;

// Buckets, rising by index; unpopulated ones too, for a factor may make them NaN. Threads: owned.
struct hist_bins {
    i32 *index;
    f64 *count;
    f64 *lost; // What rounding has cost each count.
    u32 n;
    u32 cap;
};

// Where additions unfold what they add; sums of one arena may share it. Threads: owned.
struct hist_spare {
    struct hist_bins positive;
    struct hist_bins negative;
};

// A histogram under work. Threads: owned.
struct hist_sum {
    struct arena *arena;
    struct hist_spare *spare; // Zeroed by whoever makes it.
    bool compensates;
    i32 schema;
    enum hist_reset reset;
    f64 zero_threshold;
    struct kahan zero_count;
    struct kahan count;
    struct kahan sum;
    struct hist_bins positive;
    struct hist_bins negative;
    const f64 *bounds; // Custom ones; borrowed from what was added, or the arena's.
    u32 bound_count;
};

// What an addition should be told of. Sticky: additions only ever set them.
struct hist_remarks {
    bool resets_collide;
    bool bounds_reconciled;
};

void hist_sum_start(struct hist_sum *s, struct arena *a, struct hist_spare *spare, bool compensates,
                    const struct hist *h);
// factor is 1 or -1. false, and nothing done, if one is exponential and the other custom.
bool hist_sum_add(struct hist_sum *s, const struct hist *h, f64 factor,
                  struct hist_remarks *remarks) MUST_USE;
void hist_sum_scale(struct hist_sum *s, f64 factor);
void hist_sum_divide(struct hist_sum *s, f64 divisor);             // By zero: no buckets are left.
u64 hist_sum_need(const struct hist_sum *s, const struct hist *h); // Bytes.
u64 hist_work(const struct hist *h); // Buckets and bounds, for accounts of work and memory.
// Without unpopulated buckets.
struct hist *hist_sum_take(const struct hist_sum *s, struct arena *a);
// Back to a resolution that is not higher.
void hist_sum_reduce(struct hist_sum *s, i32 schema);

// The sum or the mean of many. Threads: owned.
struct hist_fold {
    struct hist_sum sum; // Or the mean, once is_incremental.
    struct hist_sum next;
    f64 count;
    bool is_mean;
    bool is_incremental; // The sum would overflow.
    bool has_reset;      // Among the hints; both means that resets collide.
    bool has_no_reset;
    bool bounds_reconciled;
};
void hist_fold_start(struct hist_fold *f, struct arena *a, struct hist_spare *spare, bool is_mean,
                     const struct hist *h);
bool hist_fold_add(struct hist_fold *f, const struct hist *h) MUST_USE; // false: as hist_sum_add.
struct hist *hist_fold_take(struct hist_fold *f, struct arena *a);

#endif
