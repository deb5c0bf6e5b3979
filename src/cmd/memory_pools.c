// memory_pools.c: see memory_pools.h.
#include "cmd/memory_pools.h"

#include "api/api.h"
#include "client/tidemark.h"
#include "os/proc.h"
#include "rules/rules.h"
#include "tsdb/tsdb_status.h"

#define LIMIT_SHARE_MAX 16U // Of the limit, for one query.

// Per mille of the limit.
enum {
    HEAD = 400,
    HISTOGRAMS = 100,
    QUERIES = 250,
    RULES = 65,
    PUSH_CACHE = 62,
    EXEMPLARS = 20,
    LOG = 40,
    REST = 63
};
static_assert(HEAD + HISTOGRAMS + QUERIES + RULES + PUSH_CACHE + EXEMPLARS + LOG + REST == 1000,
              "the pools are the whole limit");

static const struct {
    const char *name;
    u32 per_mille;
} pools[POOL_COUNT] = {
    [POOL_HEAD] = {"head", HEAD},
    [POOL_HISTOGRAMS] = {"histograms", HISTOGRAMS},
    [POOL_QUERIES] = {"queries", QUERIES},
    [POOL_RULES] = {"rules", RULES},
    [POOL_PUSH_CACHE] = {"push_cache", PUSH_CACHE},
    [POOL_EXEMPLARS] = {"exemplars", EXEMPLARS},
    [POOL_LOG] = {"log", LOG},
    [POOL_REST] = {"rest", REST},
};

const char *memory_pool_name(enum memory_pool p)
{
    return pools[p].name;
}

u64 memory_pool_bytes(u64 limit, enum memory_pool p)
{
    u64 others = 0;
    if (p != POOL_REST) {
        return limit / 1000 * pools[p].per_mille;
    }
    for (u32 i = 0; i < POOL_REST; i++) {
        others += memory_pool_bytes(limit, (enum memory_pool)i);
    }
    return limit - others;
}

u64 memory_query_bytes(u64 limit, enum memory_pool p, u64 at_once)
{
    return MIN(memory_pool_bytes(limit, p) / MAX(at_once, 1U), limit / LIMIT_SHARE_MAX);
}

static u64 pool_held(const struct memory_pools *m, enum memory_pool p)
{
    switch (p) {
    case POOL_HEAD:
        return tsdb_memory(m->db, TSDB_POOL_HEAD);
    case POOL_HISTOGRAMS:
        return tsdb_memory(m->db, TSDB_POOL_BOXES);
    case POOL_QUERIES:
        return api_memory(m->api, API_POOL_QUERIES);
    case POOL_RULES:
        return rules_query_bytes(m->rules);
    case POOL_PUSH_CACHE:
        return api_memory(m->api, API_POOL_PUSH_CACHE);
    case POOL_EXEMPLARS:
        return tsdb_memory(m->db, TSDB_POOL_EXEMPLARS);
    case POOL_LOG:
        return tsdb_memory(m->db, TSDB_POOL_LOG);
    case POOL_REST:
    case POOL_COUNT:
        break;
    }
    return 0;
}

static struct tmk_family *family(const struct memory_pools *m, const char *name, const char *help)
{
    static const char *const labels[] = {"pool"};
    const struct tmk_desc d = {
        .kind = TMK_GAUGE, .name = name, .help = help, .labels = labels, .label_count = 1};
    return tmk_family_register(m->registry, &d, NULL);
}

static struct tmk_family *held_family(const struct memory_pools *m)
{
    return family(m, "tidemark_memory_pool_bytes",
                  "What each pool of the memory budget holds; rest: what no other accounts for.");
}

static void pools_look(void *ctx)
{
    const struct memory_pools *m = ctx;
    struct tmk_family *held = held_family(m);
    u64 known = 0;
    for (u32 p = 0; p < POOL_REST; p++) {
        const u64 bytes = pool_held(m, (enum memory_pool)p);
        known += bytes;
        tmk_gauge_set(tmk_gauge_with(held, &pools[p].name, 1), (f64)bytes);
    }
    const u64 all = proc_anonymous_bytes();
    tmk_gauge_set(tmk_gauge_with(held, &pools[POOL_REST].name, 1), (f64)(all - MIN(all, known)));
}

void memory_pools_register(struct memory_pools *m)
{
    struct tmk_family *limits =
        family(m, "tidemark_memory_pool_limit_bytes",
               "What each pool of the memory budget may hold; their sum is the budget.");
    for (u32 p = 0; p < POOL_COUNT; p++) {
        tmk_gauge_set(tmk_gauge_with(limits, &pools[p].name, 1),
                      (f64)memory_pool_bytes(m->limit, (enum memory_pool)p));
    }
    (void)held_family(m);
    (void)tmk_hook_register(m->registry, pools_look, m, NULL);
}

void memory_pools_remove(const struct memory_pools *m)
{
    if (m->registry) {
        tmk_fn_remove(m->registry, m);
    }
}
