// conform_rig.h: what the checks of storage_conformance.h share: a store with all around it, writes
// of one sample, reads of everything.
//
// Linked by tests only; private to this folder. Each function asserts with cmocka.
#ifndef STORAGE_CONFORM_RIG_H
#define STORAGE_CONFORM_RIG_H

#include "base/error.h"
#include "base/test.h"
#include "model/hist.h"
#include "storage/storage_conformance.h"

#define T0        1767225600000 // 2026-01-01T00:00:00Z, where the manual clock stands.
#define MINUTE_MS ((i64)60000)
#define READ_MAX  4096

enum { RIG_HISTS = 6 };

// Threads: frozen.
struct storage_check {
    const char *name;
    void (*run)(const struct storage_factory *f);
};

// Threads: frozen.
struct storage_check_list {
    const struct storage_check *items;
    u32 count;
};

// Histograms of every kind that differ in one thing at least. Threads: frozen.
extern const struct hist rig_hists[RIG_HISTS];

// One store under check with what every check needs. Threads: owned.
struct rig {
    const struct storage_factory *factory;
    struct clk *clk;
    struct storage *store;
    struct storage_appender *appender;
    struct arena *arena;
    struct error error;
};

// All samples that one read gave, series after series. Threads: owned.
struct rig_read {
    u32 series_count;
    struct labels labels[64];
    u32 starts[65]; // Samples of series i: starts[i] to starts[i + 1].
    i64 t_ms[READ_MAX];
    i64 start_t_ms[READ_MAX];
    f64 values[READ_MAX];
    const struct hist *hists[READ_MAX];
    u32 count;
};

void rig_up(struct rig *r, const struct storage_factory *f, i64 ooo_window_ms);
void rig_down(struct rig *r);

struct labels rig_labels(struct rig *r, const char *name, const char *instance); // And job="j".
struct series_ref rig_resolve(struct rig *r, const char *name, const char *instance);
void rig_stage(struct rig *r, const struct append_batch *b);
void rig_commit(struct rig *r);

// Appends and commits one float; tells its outcome.
enum append_outcome rig_put(struct rig *r, struct series_ref ref, i64 t_ms, f64 v);

// One sample of either kind, with or without a start timestamp; its outcome.
enum append_outcome rig_put_sample(struct rig *r, struct series_ref ref, i64 t_ms, f64 v,
                                   const struct hist *h, const i64 *start_ms);

struct storage_querier *rig_querier(struct rig *r, i64 min_ms, i64 max_ms);
struct matcher rig_matcher(struct rig *r, enum match_op op, str name, const char *value);

// Reads what the querier and hints allow; leaves out series that yield nothing.
struct rig_read *rig_read(struct rig *r, struct storage_querier *q, const struct matcher *m,
                          const struct select_hints *h);
struct rig_read *rig_read_range(struct rig *r, const char *name, i64 from_ms, i64 to_ms);

extern const struct storage_check_list conform_append_checks;
extern const struct storage_check_list conform_select_checks;
extern const struct storage_check_list conform_hist_checks;
extern const struct storage_check_list conform_label_checks;
extern const struct storage_check_list conform_slice_checks;
extern const struct storage_check_list conform_newest_checks;

#endif
