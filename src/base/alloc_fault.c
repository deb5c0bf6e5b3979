// alloc_fault.c: see alloc_fault.h.
#include "base/alloc_fault.h"

_Atomic bool alloc_fault_on;
static _Atomic u64 calls;
static _Atomic u64 refused_call;

void alloc_fault_arm(u64 nth)
{
    atomic_store_explicit(&calls, 0, memory_order_relaxed);
    atomic_store_explicit(&refused_call, nth, memory_order_relaxed);
    atomic_store_explicit(&alloc_fault_on, true, memory_order_relaxed);
}

void alloc_fault_disarm(void)
{
    atomic_store_explicit(&alloc_fault_on, false, memory_order_relaxed);
}

u64 alloc_fault_calls(void)
{
    return atomic_load_explicit(&calls, memory_order_relaxed);
}

bool alloc_fault_next(void)
{
    const u64 call = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + 1;
    return call == atomic_load_explicit(&refused_call, memory_order_relaxed);
}
