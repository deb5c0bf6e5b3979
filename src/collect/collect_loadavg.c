// collect_loadavg.c: node_load1, node_load5 and node_load15 from /proc/loadavg.
#include "collect/collect_run.h"

static const struct family loads[] = {
    {STR("node_load1"), METRIC_GAUGE, STR("1m load average."), {{0}}},
    {STR("node_load5"), METRIC_GAUGE, STR("5m load average."), {{0}}},
    {STR("node_load15"), METRIC_GAUGE, STR("15m load average."), {{0}}},
};

static bool loadavg_collect(struct run *r, UNUSED void *state, struct error *e)
{
    str text;
    f64 v = 0;
    if (!run_read(r, ROOT_PROC, "loadavg", &text, e)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(loads); i++) {
        if (!word_f64(&text, "loadavg", &v, e) || !run_add(r, &loads[i], v, e)) {
            return false;
        }
    }
    return true;
}

const struct collector collector_loadavg = {"loadavg", 0, loadavg_collect};
