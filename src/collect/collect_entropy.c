// collect_entropy.c: node_entropy_* from /proc/sys/kernel/random.
#include "collect/collect_run.h"

static const struct {
    const char *path;
    struct family family;
} facts[] = {
    {"sys/kernel/random/entropy_avail",
     {STR("node_entropy_available_bits"), METRIC_GAUGE, STR("Bits of available entropy."), {{0}}}},
    {"sys/kernel/random/poolsize",
     {STR("node_entropy_pool_size_bits"), METRIC_GAUGE, STR("Bits of entropy pool."), {{0}}}},
};

static bool entropy_collect(struct run *r, UNUSED void *state, struct error *e)
{
    for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
        struct attr a;
        u64 v = 0;
        if (!run_attr(r, ROOT_PROC, facts[i].path, &a, e) ||
            !word_u64(&a.value, facts[i].path, &v, e) || !run_add(r, &facts[i].family, (f64)v, e)) {
            return false;
        }
    }
    return true;
}

const struct collector collector_entropy = {"entropy", 0, entropy_collect};
