// alloc_fault.h: a request for memory that is refused although there is room, for tests: that each
// refusal ends in an error that says so, and harms nothing.
//
// Counted is what may be refused by contract: arena_try and arena_try_raw, which foreign sizes ask,
// and questions whether there is room before arena_alloc is called (the page of a scrape, the run
// of a query). arena_alloc, mem_new and mem_grow abort, and are not; nor is a buf, whose maximum is
// met by what is put into it. Costs a load a request while nothing is armed.
// Threads: atomic; what other threads ask for is counted too. Tests arm it before the threads they
// start and look after these ended, so that the order is relaxed.
#ifndef BASE_ALLOC_FAULT_H
#define BASE_ALLOC_FAULT_H

#include "base/base.h"

#include <stdatomic.h>

// Refuses the nth request from now on (1 is the next; 0: none) and counts anew.
void alloc_fault_arm(u64 nth);
void alloc_fault_disarm(void); // Nothing is refused or counted any more; the count stays.
u64 alloc_fault_calls(void);   // Since it was armed.

extern _Atomic bool alloc_fault_on;
bool alloc_fault_next(void); // Counts a request.

// Asked by whoever gives memory out, once per request.
static inline bool alloc_refused(void)
{
    return UNLIKELY(atomic_load_explicit(&alloc_fault_on, memory_order_relaxed)) &&
           alloc_fault_next();
}

#endif
