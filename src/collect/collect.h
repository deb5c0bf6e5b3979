// collect.h: this host as a target: reads /proc, /sys and the kernel, writes node_* series.
//
// Names, labels, types and help are those of node_exporter 1.5, so that its dashboards and rules
// work; job="host", instance=<host name>, so that a scraped node_exporter never collides. Each
// collection also writes up, the scrape_* series and
// node_scrape_collector_{duration_seconds,success}. A collector that fails (a broken, missing or
// endless file) loses its own rows of that collection, says why in the status, and disturbs no
// other.
//
// Operations and cost: a collection reads about 30 files plus 16 a network device and costs
// O(series); new series are resolved once, later collections only append.
// Memory: one record per live series (about 500 B), at most series_max; one file's text, at most
// 1 MiB; freed when a series ends.
// Invariants:
//   (I1) All rows of a collection carry one timestamp and are committed together or not at all.
//   (I2) A series that was committed and is gone gets exactly one staleness marker, in the first
//        collection that commits without it. Stopping writes none.
//   (I3) No row, file, device or socket count grows beyond its limit; what is refused is counted.
// Network and FUSE file systems are not asked for their size: statvfs on a dead server sleeps where
// nothing can wake it, and such a thread would also hold up the exit. They are counted instead
// (tidemark_collect_mounts_skipped).
// Threads: collect_new, _once and _free by one thread at a time; after collect_start its own thread
// collects and only collect_status and collect_stop may be called.
#ifndef COLLECT_COLLECT_H
#define COLLECT_COLLECT_H

#include "base/base.h"

struct clk;
struct collect;
struct collect_sys;
struct error;
struct fs;
struct log;
struct storage;
struct tmk_registry;

// Zero and NULL mean the default that is named.
// Threads: owned by the caller; strings are copied, the rest must outlive the collect.
struct collect_opts {
    struct storage *storage;
    struct fs *fs;
    struct clk *clk;
    struct collect_sys *sys;       // collect_sys_real()
    struct log *log;               // none
    struct tmk_registry *registry; // none
    const char *procfs;            // "/proc"
    const char *sysfs;             // "/sys"
    const char *rootfs;            // "" (for etc/os-release)
    const char *udev;              // "/run/udev/data"
    str instance;                  // the host's name
    i64 interval_ms;               // 5000
    u32 series_max;                // 20000
};

// NULL if the storage gives no appender.
struct collect *collect_new(const struct collect_opts *opts, struct error *e) MUST_USE;
void collect_free(struct collect *c); // Accepts NULL. Stops first.

// One collection stamped t_ms. False if it could not be committed; failing collectors are not a
// failure, the status and node_scrape_collector_success tell.
bool collect_once(struct collect *c, i64 t_ms, struct error *e) MUST_USE;

// Collects every interval on a thread of its own, the first time at once. Ticks that are missed are
// counted and left out, never made up for.
bool collect_start(struct collect *c, struct error *e) MUST_USE;
void collect_stop(struct collect *c); // Waits for the collection that runs. Accepts NULL.

#define COLLECTORS_MAX 24

struct collector_status {
    const char *name; // Static.
    bool ok;
    u32 rows;
    f64 duration_s;
    char error[160]; // Empty when ok.
};

// For the targets page.
struct collect_status {
    i64 last_ms; // 0: not yet.
    i64 interval_ms;
    bool ok; // The last collection was committed.
    f64 duration_s;
    u32 rows;
    u32 series; // Live.
    char error[248];
    u32 collector_count;
    struct collector_status collectors[COLLECTORS_MAX];
};
// From any thread.
void collect_status(struct collect *c, struct collect_status *out);
// The labels every row carries, for the targets page. Borrowed from c.
str collect_instance(const struct collect *c);

#endif
