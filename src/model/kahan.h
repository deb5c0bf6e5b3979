// kahan.h: compensated summation, step by step as upstream does it: sums must agree to the bit.
//
// Neumaier's form, with one addition: once the sum is infinite the compensation is dropped.
// Compile without -ffast-math: these lines are all there is to the exactness of sums.
#ifndef MODEL_KAHAN_H
#define MODEL_KAHAN_H

#include "base/base.h"

#include <math.h>

// A sum and what rounding has cost it so far. Threads: value.
struct kahan {
    f64 sum;
    f64 lost;
};

static inline void kahan_add(struct kahan *k, f64 v)
{
    f64 total = k->sum + v;
    if (isinf(total)) {
        k->lost = 0;
    } else if (fabs(k->sum) >= fabs(v)) {
        k->lost += (k->sum - total) + v;
    } else {
        k->lost += (v - total) + k->sum;
    }
    k->sum = total;
}

// A mean that keeps a plain sum as long as that does not overflow. count includes the first value,
// with which it is started.
struct kahan_mean {
    struct kahan k; // The sum, or the mean itself once is_incremental.
    f64 count;
    bool is_incremental;
};

static inline void kahan_mean_start(struct kahan_mean *m, f64 first)
{
    *m = (struct kahan_mean){.k = {.sum = first}, .count = 1};
}

static inline void kahan_mean_add(struct kahan_mean *m, f64 v)
{
    m->count++;
    if (!m->is_incremental) {
        struct kahan next = m->k;
        kahan_add(&next, v);
        if (!isinf(next.sum)) {
            m->k = next;
            return;
        }
        m->is_incremental = true;
        m->k.sum /= m->count - 1;
        m->k.lost /= m->count - 1;
    }
    f64 q = (m->count - 1) / m->count;
    m->k.sum *= q;
    m->k.lost *= q;
    kahan_add(&m->k, v / m->count);
}

static inline f64 kahan_mean_get(const struct kahan_mean *m)
{
    if (m->is_incremental) {
        return m->k.sum + m->k.lost;
    }
    return m->k.sum / m->count + m->k.lost / m->count;
}

#endif
