// rules_rig.h: a ruler on one thread for tests: a clock turned by hand, storage in memory, and a
// sink that keeps what was sent last. Threads: owned by the test.
#ifndef RULES_RULES_RIG_H
#define RULES_RULES_RIG_H

#include "base/test.h"
#include "os/clk.h"
#include "os/fs.h"
#include "rules/rules_inner.h"

#define RULES_RIG_START_MS 1700000000000

struct rules_rig {
    struct clk *clk;
    struct fs *fs;
    struct storage *store;
    struct promql_engine *engine;
    struct rules_opts opts;
    struct rules *rules;
    struct alert_sink sink;
    bool sink_full;
    u32 sent;     // Alerts, all.
    u32 resolved; // Of them.
    i64 last_t_ms;
    struct alert last;
    struct arena *last_memory;
};

void rules_rig_init(struct rules_rig *r, u32 series_max);
void rules_rig_fini(struct rules_rig *r);
void rules_rig_restart(struct rules_rig *r); // A new ruler over the same storage.
bool rules_rig_load(struct rules_rig *r, const char *yaml, struct error *e);
void rules_rig_run(struct rules_rig *r, i64 ms);
void rules_rig_put(struct rules_rig *r, const char *name, const char *label, f64 v); // x{l=label}
// The last value at or before now of name{l="label"} or of the only series; NaN if there is none.
f64 rules_rig_last(struct rules_rig *r, const char *selector);
struct rules_group_info rules_rig_group(struct rules_rig *r, struct arena *a);

#endif
