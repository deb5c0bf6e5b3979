// match_cache.h: what matchers found in an index that never changes: matcher → posting set.
//
// Sets are copied in and out, so that nothing is shared. get and put O(entries) and a copy.
// Memory: at most MATCH_CACHE_ENTRIES sets of together MATCH_CACHE_BYTES, with their texts; what
// was asked for longest ago goes first. A set that alone is a quarter of that is not kept.
// Threads: guarded by a lock of its own, under which nothing else is taken.
#ifndef TSDB_MATCH_CACHE_H
#define TSDB_MATCH_CACHE_H

#include "base/base.h"

struct match_cache;
struct matcher;
struct postings;

#define MATCH_CACHE_ENTRIES 32U
#define MATCH_CACHE_BYTES   (512U << 10)

struct match_cache *match_cache_new(void);
void match_cache_free(struct match_cache *c); // Accepts NULL.

// A copy of what was put for this matcher; NULL if it is not there. c may be NULL.
struct postings *match_cache_get(struct match_cache *c, const struct matcher *m);
void match_cache_put(struct match_cache *c, const struct matcher *m, const struct postings *set);
u64 match_cache_bytes(struct match_cache *c);

#endif
