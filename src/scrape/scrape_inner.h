// scrape_inner.h: what the files of scrape share: configuration, targets, their caches.
//
// A pool is one scrape_config with its discovery and targets. The scheduler alone changes pools,
// targets and timers, and reads them without a lock; it takes scrape.lock only to publish a change,
// so that snapshots may walk the lists. No file is read, no target made and nothing stored under it.
// A target's cache is owned by whichever thread runs its scrape (one at a time); what the pages
// show of it is guarded by the target's lock.
#ifndef SCRAPE_SCRAPE_INNER_H
#define SCRAPE_SCRAPE_INNER_H

#include "base/base.h"
#include "base/buf.h"
#include "base/map.h"
#include "ingest/ingest.h"
#include "model/conf.h"
#include "model/labels.h"
#include "model/relabel.h"
#include "net/http_client.h"
#include "os/thr.h"
#include "scrape/scrape.h"
#include "sd/sd.h"
#include "storage/storage.h"

enum {
    SCRAPE_TARGETS_MAX = 100000,
    SCRAPE_EXCERPT_BYTES = 512,
    SCRAPE_REPORT_SERIES = 5,
    SCRAPE_METADATA_MAX = 20000 // Families of one target.
};
// Of one page at work. A page whose rows come near it fails; it does not reach it.
#define SCRAPE_RUN_BYTES_MAX      ((size_t)1 << 30)
#define SCRAPE_METADATA_BYTES_MAX ((size_t)16 << 20)

// ---- configuration, as decoded ----

struct scrape_basic_auth {
    str username;
    struct secret password;
    str password_file;
};
struct scrape_authorization {
    str type;
    struct secret credentials;
    str credentials_file;
};
struct scrape_tls {
    struct secret ca;
    str ca_file;
    struct secret cert;
    str cert_file;
    struct secret key;
    str key_file;
    str server_name;
    bool insecure_skip_verify;
    int min_version;
};
struct scrape_config {
    str job_name;
    i64 interval_ms; // 0 = the global's.
    i64 timeout_ms;  // 0 = the global's.
    str metrics_path;
    int scheme; // enum scrape_scheme
    struct conf_strings *params;
    u32 param_count;
    int fallback; // enum expo_format
    bool honor_labels;
    bool honor_timestamps;
    bool track_timestamps_staleness;
    bool enable_compression;
    bool follow_redirects;
    bool enable_http2;
    struct scrape_basic_auth *basic_auth;
    struct scrape_authorization *authorization;
    struct scrape_tls *tls;
    str proxy_url;
    struct sd_static_config *static_configs;
    u32 static_config_count;
    struct sd_file_config *file_configs;
    u32 file_config_count;
    struct relabel *relabels;
    u32 relabel_count;
    struct relabel *metric_relabels;
    u32 metric_relabel_count;
    u64 body_size_limit;
    u64 sample_limit;
    u64 label_limit;
    u64 label_name_length_limit;
    u64 label_value_length_limit;
    u64 target_limit;
    u64 keep_dropped_targets;
    struct conf_place place;
};
enum scrape_scheme { SCRAPE_HTTP, SCRAPE_HTTPS };

// ---- the series cache of one target ----

// One series as its page spells it. Threads: with its cache.
struct cache_entry {
    u64 hash;
    u32 text_at; // In texts.
    u32 text_len;
    struct series_ref ref; // Zero: refused, resolved again next time.
    u32 seen;              // The iteration that saw it last.
    u32 staged;            // The iteration that is to resolve it: a page may hold it twice.
    u8 refusal;            // enum append_outcome of the last resolve.
    bool dropped;          // By metric relabelling.
    bool tracked;          // Gets a staleness marker when it vanishes.
};

struct cache_family {
    struct metadata metadata; // Strings on the heap of the cache.
    u64 hash;
};

// Series text → ref, checked by position first: exporters repeat their lines in order. Entries that
// were not seen for two scrapes are dropped when they are a third of all.
// Threads: owned by the thread that runs the target's scrape.
struct scrape_cache {
    struct cache_entry *entries;
    u32 count;
    u32 cap;
    struct buf texts;
    struct map map;
    u32 *order; // Entry at each sample position of the last page.
    u32 order_count;
    u32 order_cap;
    u32 position;
    u32 iteration;
};
void scrape_cache_init(struct scrape_cache *c);
void scrape_cache_fini(struct scrape_cache *c);
void scrape_cache_begin(struct scrape_cache *c); // A new page.
// The entry of this series text, or NULL. Moves the position.
struct cache_entry *scrape_cache_get(struct scrape_cache *c, str text);
// Adds one behind a miss; NULL when the cache holds as much as it may.
struct cache_entry *scrape_cache_add(struct scrape_cache *c, str text);
void scrape_cache_sweep(struct scrape_cache *c); // After a page: forgets what is long gone.
u32 scrape_cache_index(const struct scrape_cache *c, const struct cache_entry *e);

// ---- targets and pools ----

struct scrape_pool;

// What a scrape reports of itself. Threads: owned.
struct scrape_report {
    bool up;
    f64 duration_s;
    u64 samples_scraped;
    u64 samples_post;
    u64 series_added;
};

struct scrape_target {
    struct scrape_pool *pool; // Outlives it.
    struct labels labels;     // Final, in `memory`.
    struct labels discovered;
    str url;
    u64 hash; // Of labels and URL: identity and offset.
    i64 interval_ms;
    i64 timeout_ms;
    struct arena *memory;
    struct http_target *http;

    // Scheduler's.
    i64 next_mono_ms;
    i64 retired_at_mono_ms; // > 0: gone; markers are due then.
    i64 stale_t_ms;
    bool keep;    // Found again by the sync under way.
    bool dropped; // By relabelling: only its discovered labels are of use.

    _Atomic bool in_flight;
    i64 started_mono_ns;
    i64 scrape_t_ms; // Timestamp of the running or last scrape.
    bool scraped;    // At least once.

    // Owned by the running scrape.
    struct scrape_cache cache;
    struct series_ref report_refs[SCRAPE_REPORT_SERIES];
    bool report_known;
    struct arena *run;

    struct lock lock; // Guards what follows.
    struct scrape_target_info info;
    struct buf error_text;
    struct buf excerpt;
    struct arena *metadata_memory;
    struct cache_family *families;
    u32 family_count;
    u32 family_cap;
};

struct scrape_metrics;

// Threads: owned by the scheduler; targets and dropped change under the owner's lock only.
struct scrape_pool {
    struct scrape *owner;
    struct arena *memory; // Configuration and what was compiled of it.
    const struct scrape_config *config;
    struct labels_limits limits;
    u64 body_size_limit;
    u64 sample_limit;
    u64 target_limit;
    u64 keep_dropped;
    i64 interval_ms;
    i64 timeout_ms;
    u64 config_hash;
    u64 seed; // From external labels and host: HA pairs scrape at other offsets.
    struct http_target_opts http; // Without the URL.
    struct sd_provider **providers;
    u32 provider_count;
    struct scrape_target **targets;
    u32 target_count;
    u32 references; // Targets, retired ones too, and the list of pools.
    struct labels *dropped;
    u32 dropped_count;
    u64 dropped_total;
    struct arena *dropped_memory;
    bool over_limit;
};

// Builds one target from a discovered label set, without its connection; `dropped` tells if
// relabelling drops it.
struct scrape_target *scrape_target_new(struct scrape_pool *pool, struct labels discovered,
                                        struct error *e);
bool scrape_target_connect(struct scrape_target *t, struct error *e) MUST_USE;
void scrape_target_free(struct scrape_target *t); // Accepts NULL.
// First due time behind now, at the target's stable offset.
i64 scrape_target_first_due(const struct scrape_target *t, i64 wall_ms, i64 mono_ms);

// Takes the answer apart and stores it. On the HTTP shard's thread.
void scrape_store_reply(struct scrape_target *t, const struct http_reply *reply);
bool scrape_metadata_is_new(const struct scrape_target *t, const struct metadata *m, u32 count);
void scrape_metadata_keep(struct scrape_target *t, const struct metadata *m, u32 count);
// The body around a 1-based line; its beginning if that is 0. Under the target's lock.
void scrape_excerpt_set(struct scrape_target *t, str body, u32 line);
// Markers for every series of a target that is gone.
void scrape_store_end(struct scrape_target *t, i64 t_ms);

struct scrape_pool *scrape_pool_new(struct scrape *s, const struct scrape_globals *globals,
                                    const struct yaml_node *node, struct error *e);
// Identity of an entry of scrape_configs under these globals.
u64 scrape_config_hash(const struct scrape_globals *globals, const struct yaml_node *node);
// Drops one reference; the last one frees.
void scrape_pool_unref(struct scrape_pool *p); // Accepts NULL.
// Asks discovery and brings the targets in line. *changed when there was anything new.
void scrape_pool_sync(struct scrape_pool *p, i64 mono_ms, bool *changed);

struct scrape_metrics *scrape_metrics_new(struct tmk_registry *r);
void scrape_metrics_free(struct scrape_metrics *m);
void scrape_count_outcome(struct scrape_metrics *m, str job, enum append_outcome o, u64 n);
enum scrape_counter {
    SCRAPE_COUNT_BODY_LIMIT,
    SCRAPE_COUNT_SAMPLE_LIMIT,
    SCRAPE_COUNT_LABEL_LIMIT,
    SCRAPE_COUNT_TARGET_LIMIT,
    SCRAPE_COUNT_EXEMPLARS,
    SCRAPE_COUNT_CREATED,
    SCRAPE_COUNT_SKIPPED, // The one before was still running.
    SCRAPE_COUNT_SYNCS,
    SCRAPE_COUNTER_COUNT
};
void scrape_count(struct scrape_metrics *m, enum scrape_counter c, u64 n);
void scrape_count_failure(struct scrape_metrics *m, str job, str reason);
void scrape_count_targets(struct scrape_metrics *m, str job, u32 targets);

// Threads: as the head of this file says.
struct scrape {
    struct scrape_deps deps; // With a config_dir of its own.
    struct arena *dir_memory;
    struct http_client *http;
    bool owns_http;
    struct scrape_metrics *metrics;
    struct thr *thread;

    // The scheduler's.
    struct scrape_target **retired;
    u32 retired_count;
    u32 retired_cap;
    i64 next_sync_ms;

    struct lock lock;          // Guards what follows, and the lists of each pool.
    struct cond wake;          // For the scheduler: a plan, or the end.
    struct cond taken;         // For the reload: its plan is in place.
    struct scrape_plan *inbox; // Handed to the scheduler.
    bool has_scheduler;
    bool stopping;
    struct scrape_pool **pools;
    u32 pool_count;
};
void scrape_retire(struct scrape *s, struct scrape_target *t, i64 mono_ms);

// A manager without a thread: whoever made it calls scrape_step, as the scheduler does.
struct scrape *scrape_make(const struct scrape_deps *deps, struct error *e);
// Starts what is due, follows discovery, ends what is retired. Returns the milliseconds until it
// wants to be called again.
i64 scrape_step(struct scrape *s);

#endif
