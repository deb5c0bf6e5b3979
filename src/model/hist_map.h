// hist_map.h: from the buckets of one layout to those of a coarser one; private to hist_*.c.
//
// Threads: value; bounds are borrowed.
#ifndef MODEL_HIST_MAP_H
#define MODEL_HIST_MAP_H

#include "base/base.h"

struct hist_map {
    i32 shift;       // Exponential: by how much the schema falls.
    const f64 *from; // Custom: all of `to` are among `from`.
    u32 from_count;
    const f64 *to; // NULL: exponential.
    u32 to_count;
};
i64 hist_map_index(const struct hist_map *m, i64 index); // O(log bounds).

bool hist_bounds_eq(const f64 *a, u32 a_count, const f64 *b, u32 b_count);
// Those that both have; out has room for the fewer. How many they are.
u32 hist_bounds_common(const f64 *a, u32 a_count, const f64 *b, u32 b_count, f64 *out);

#endif
