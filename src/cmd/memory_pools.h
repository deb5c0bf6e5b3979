// memory_pools.h: how --memory.limit is shared out: named pools whose sum it is.
//
// Each part of the process that grows takes its maximum from here and nowhere else. What is left
// (the program itself, connections, scrapes, the allocator's slack) is a pool too, so that the sum
// of all is the limit.
// Threads: the table is frozen; metrics are registered once and removed once, before what they look
// at goes.
#ifndef CMD_MEMORY_POOLS_H
#define CMD_MEMORY_POOLS_H

#include "base/base.h"

struct api;
struct rules;
struct tmk_registry;
struct tsdb;

enum memory_pool {
    POOL_HEAD,       // Series and their samples of the last hours.
    POOL_HISTOGRAMS, // Native ones among them.
    POOL_QUERIES,
    POOL_RULES, // Queries of rules.
    POOL_PUSH_CACHE,
    POOL_EXEMPLARS,
    POOL_LOG, // What is not on disk yet.
    POOL_REST,
    POOL_COUNT
};
const char *memory_pool_name(enum memory_pool p);
u64 memory_pool_bytes(u64 limit, enum memory_pool p); // The sum of all is the limit.
// Of one query, when so many run at once: never more than a sixteenth of the limit.
u64 memory_query_bytes(u64 limit, enum memory_pool p, u64 at_once);

// Who is asked what a pool holds. Threads: frozen between register and remove.
struct memory_pools {
    u64 limit;
    struct tsdb *db;
    struct api *api;
    struct rules *rules;
    struct tmk_registry *registry;
};
void memory_pools_register(struct memory_pools *m);
void memory_pools_remove(const struct memory_pools *m); // Accepts what was never registered.

#endif
