// scrape_inner.h: what the files of scrape share: configuration, targets, their caches.
//
// A pool is one scrape_config with its discovery and targets. The scheduler alone changes pools,
// targets and timers, and reads them without a lock; it takes scrape.lock only to publish a change,
// so that snapshots may walk the lists. Nothing is read, made or stored under it.
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
#include "scrape/scrape_cache.h"
#include "scrape/scrape_conf.h"
#include "scrape/scrape_metrics.h"
#include "scrape/scrape_secret.h"
#include "sd/sd.h"
#include "storage/storage.h"

enum {
    SCRAPE_TARGETS_MAX = 100000,
    SCRAPE_EXCERPT_BYTES = 512,
    SCRAPE_REPORT_SERIES = 5,
    SCRAPE_METADATA_MAX = 20000, // Families of one target.
    SCRAPE_ENDS_MAX = 1000       // Gone targets whose markers wait to be written.
};
// Of one page at work. A page whose rows come near it fails; it does not reach it.
#define SCRAPE_RUN_BYTES_MAX      ((size_t)1 << 30)
#define SCRAPE_METADATA_BYTES_MAX ((size_t)16 << 20)

struct cache_family {
    struct metadata metadata; // Strings on the heap of the cache.
    u64 hash;
};

// ---- targets and pools ----

struct scrape_pool;

// One moment on both clocks, read once for each step: a due time is told from a pair, and however
// long the step takes, all of its pairs are the same. Threads: a value.
struct scrape_now {
    i64 wall_ms;
    i64 mono_ms;
};

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
    u32 secret_generation; // Of its connection.
    i64 next_mono_ms;
    i64 retired_at_mono_ms; // > 0: gone; markers are due then.
    i64 stale_t_ms;
    bool ended;   // Its markers are written; by whoever runs it, before in_flight falls.
    bool keep;    // Found again by the sync under way.
    bool dropped; // By relabelling: only its discovered labels are of use.

    _Atomic bool in_flight;
    i64 started_mono_ns;
    i64 scrape_t_ms; // Timestamp of the running or last scrape.
    bool scraped;    // At least once.

    // Owned by the running scrape.
    struct scrape_cache cache;
    enum expo_format cache_format; // Of the last page.
    struct series_ref report_refs[SCRAPE_REPORT_SERIES];
    bool report_known;
    bool limited; // Storage had no room for all series of the last page.
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
    struct http_target_opts http; // Without the URL and the headers.
    struct scrape_secrets secrets;
    struct sd_provider **providers;
    u32 provider_count;
    struct scrape_target **targets;
    i64 *due_mono_ms; // Each target's next_mono_ms, side by side for the scheduler.
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
// Makes its connection, in place of the one it had. No scrape may be under way.
bool scrape_target_connect(struct scrape_target *t, struct error *e) MUST_USE;
void scrape_target_free(struct scrape_target *t); // Accepts NULL.
// First due time behind now, at the target's stable offset: a multiple of a fiftieth of its
// interval, of 100 ms at most.
i64 scrape_target_first_due(const struct scrape_target *t, struct scrape_now now);

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
void scrape_pool_sync(struct scrape_pool *p, struct scrape_now now, bool *changed);

// Threads: as the head of this file says.
struct scrape {
    struct scrape_deps deps; // With a config_dir of its own.
    struct arena *dir_memory;
    struct http_client *http;
    bool owns_http;
    struct scrape_metrics *metrics;
    struct thr *thread;
    size_t targets_answer_max; // Bytes of one snapshot.
    struct pool *ends; // One thread for the markers of gone targets; NULL without a scheduler.

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
void scrape_retire(struct scrape *s, struct scrape_target *t, struct scrape_now now,
                   i64 interval_ms);

// A manager without a thread: whoever made it calls scrape_step, as the scheduler does.
struct scrape *scrape_make(const struct scrape_deps *deps, struct error *e);
// Starts what is due, follows discovery, ends what is retired. Returns the milliseconds until it
// wants to be called again.
i64 scrape_step(struct scrape *s);

#endif
