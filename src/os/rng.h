// rng.h: chance as a replaceable seam: the system's, or seeded (same seed, same run: I27).
// Threads: owned; the system's may be shared.
#ifndef OS_RNG_H
#define OS_RNG_H

#include "base/base.h"

struct rng {
    u64 state[4]; // xoshiro256**; unused when system is true.
    bool system;
};

void rng_init(struct rng *r, u64 seed);
void rng_init_system(struct rng *r); // getrandom(2).
u64 rng_u64(struct rng *r);
u64 rng_below(struct rng *r, u64 n); // Uniform in [0, n); CHECKs n > 0.
f64 rng_unit(struct rng *r);         // [0, 1).
void rng_fill(struct rng *r, void *out, size_t len);

#endif
