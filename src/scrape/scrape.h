// scrape.h: targets, their loops and their health: discovery → relabelling → HTTP → parse → append.
//
// One thread per 250 targets; each target has a stable offset inside its interval. A scrape is one
// transaction: it commits all or nothing, then up and the scrape_* series, staleness markers for
// what vanished. Scraping never waits on queries.
// Threads: all functions may be called from any thread; snapshots are copies.
#ifndef SCRAPE_SCRAPE_H
#define SCRAPE_SCRAPE_H

#include "base/base.h"
#include "model/conf.h"
#include "model/labels.h"
#include "model/relabel.h"
#include "model/sample.h"

struct arena;
struct clk;
struct error;
struct fs;
struct http_client;
struct log;
struct scrape;
struct scrape_config;
struct storage;
struct tmk_registry;
struct yaml_node;

struct scrape_deps {
    struct storage *storage;
    struct fs *fs;
    struct clk *clk;
    struct log *log;
    struct tmk_registry *registry;
    str config_dir;            // For file_sd's relative paths and *_file secrets.
    struct http_client *http;  // NULL: one of its own. Outlives it.
    bool type_and_unit_labels; // Series get __type__ and __unit__ of their family.
};

// What `global` and a job's entry may both limit; 0 = the other's, or nothing.
struct scrape_limits {
    u64 body_size_limit;
    u64 sample_limit;
    u64 label_limit;
    u64 label_name_length_limit;
    u64 label_value_length_limit;
    u64 target_limit;
    u64 keep_dropped_targets;
};
// Their rows, of the table of a struct s that has them as `limits`.
#define SCRAPE_LIMIT_FIELDS(s)                                                                     \
    CONF_FIELD(s, "body_size_limit", CONF_BYTES, limits.body_size_limit),                          \
        CONF_FIELD(s, "sample_limit", CONF_U64, limits.sample_limit),                              \
        CONF_FIELD(s, "label_limit", CONF_U64, limits.label_limit),                                \
        CONF_FIELD(s, "label_name_length_limit", CONF_U64, limits.label_name_length_limit),        \
        CONF_FIELD(s, "label_value_length_limit", CONF_U64, limits.label_value_length_limit),      \
        CONF_FIELD(s, "target_limit", CONF_U64, limits.target_limit),                              \
        CONF_FIELD(s, "keep_dropped_targets", CONF_U64, limits.keep_dropped_targets)

// The parts of `global` that scrape jobs inherit.
struct scrape_globals {
    i64 interval_ms;
    i64 timeout_ms;
    struct labels external_labels; // Seeds the offsets.
    struct scrape_limits limits;
};

// The table of one entry of scrape_configs.
extern const struct conf_struct scrape_config_conf;
// Fills what a decoded entry leaves to `global`.
void scrape_config_inherit(struct scrape_config *c, const struct scrape_globals *g);

struct scrape *scrape_new(const struct scrape_deps *deps, struct error *e);
// Two-phase reload: prepare checks and builds everything that can fail, swap cannot fail.
// nodes are the entries of scrape_configs; everything of them is copied. A pool whose entry and
// globals did not change is kept with its targets. One reload at a time: a plan belongs to the
// pools
// that were there when it was prepared.
struct scrape_plan;
struct scrape_plan *scrape_prepare(struct scrape *s, const struct scrape_globals *globals,
                                   const struct yaml_node *const *nodes, u32 count,
                                   struct error *e);
// Takes the plan; returns when it is in place.
void scrape_swap(struct scrape *s, struct scrape_plan *plan);
void scrape_plan_free(struct scrape_plan *plan); // Accepts NULL.
// Ends all loops and cancels what is in flight: nothing is written after it returned. Writes no
// staleness markers.
void scrape_stop(struct scrape *s);
void scrape_free(struct scrape *s); // Accepts NULL.

enum scrape_health { SCRAPE_UNKNOWN, SCRAPE_UP, SCRAPE_DOWN };

// One target as the targets page shows it.
struct scrape_target_info {
    str pool; // The job name.
    str url;
    str global_url;
    struct labels labels;
    struct labels discovered_labels;
    enum scrape_health health;
    i64 last_scrape_ms; // Unix; 0 = never.
    i64 interval_ms;
    i64 timeout_ms;
    f64 last_duration_s;
    str last_error;  // A sentence; empty when up and all of it stored.
    str last_reason; // One word: connect, timeout, status, content_type, parse, series_limit, …
    u32 status;      // HTTP; 0 if none came.
    f64 phase_resolve_s;
    f64 phase_connect_s;
    f64 phase_tls_s;
    f64 phase_first_byte_s;
    f64 phase_transfer_s;
    f64 phase_parse_s;
    f64 phase_store_s;
    str body_excerpt; // First bytes, or those around the offending line, of a broken body.
    u32 error_line;   // 1-based line in body_excerpt; 0 = none.
    u64 samples;
};
struct scrape_dropped_info {
    str pool;
    struct labels discovered_labels;
};
struct scrape_snapshot {
    struct scrape_target_info *targets; // Sorted by pool, then URL.
    u32 target_count;
    u64 targets_left_out; // For which the answer has no room.
    struct scrape_dropped_info *dropped;
    u32 dropped_count; // Kept ones, as far as the answer has room.
    u64 dropped_total; // All of them.
    str *pools;        // Job names.
    u64 *pool_dropped; // All of each pool.
    u32 pool_count;
};
// pool: of this job alone, empty = of all; the lists of pools are whole. Copies some 200 MiB at
// most.
void scrape_snapshot_take(struct scrape *s, str pool, struct arena *a, struct scrape_snapshot *out);

// Metadata of scraped targets (upstream: scraped ones only).
struct scrape_metadata_info {
    struct labels target;
    struct metadata metadata;
};
struct scrape_metadata_ask {
    str metric;    // Empty: all.
    bool distinct; // Each metadata once, however many targets say it; without the targets.
};
// false: ERR_LIMIT, it is too much for one answer.
bool scrape_metadata(struct scrape *s, const struct scrape_metadata_ask *ask, struct arena *a,
                     struct scrape_metadata_info **out, u32 *count, struct error *e) MUST_USE;

#endif
