// crew.h: work cut into tiles, done by its own thread and by those of a pool that are free.
//
// The own thread takes tiles like everyone and does what nobody else has begun: it never waits for
// a thread to come free, only, at the very end, for tiles that others are just at.
// Cost: an allocation, and a place in the pool's queue for each helper that is asked for.
// Invariants: (I1) Every tile is done once. (I2) A helper's number belongs to one thread; 0 is the
// caller. (I3) fn is never called after crew_run has returned.
// Threads: guarded by its own lock.
#ifndef OS_CREW_H
#define OS_CREW_H

#include "base/base.h"

struct pool;

// Threads: frozen while it is done.
struct crew_work {
    u32 tiles;
    u32 helpers; // So many threads beside the caller's, at most.
    void (*fn)(void *arg, u32 helper, u32 tile);
    void *arg;
};
// p may be NULL: then the caller does it all. What fn wrote is seen by the caller afterwards.
void crew_run(struct pool *p, const struct crew_work *w);

#endif
