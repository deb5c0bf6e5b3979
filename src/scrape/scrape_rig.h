// scrape_rig.h: a scrape manager on one thread for tests: pages from a table, a clock turned by
// hand, storage in memory. Threads: owned by the test.
#ifndef SCRAPE_SCRAPE_RIG_H
#define SCRAPE_SCRAPE_RIG_H

#include "base/test.h"
#include "client/tidemark.h"
#include "os/clk.h"
#include "os/fs.h"
#include "scrape/scrape_inner.h"

#define RIG_START_MS 1700000000000

struct buf;

struct rig {
    struct clk *clk;
    struct fs *fs;
    struct storage *store;
    struct tmk_registry *registry;
    struct http_client *http;
    struct scrape *scrape;
    // What every target answers.
    const char *body;
    const char *content_type;
    u32 status;
    enum http_failure failure;
    u32 requests;
    char last_url[512];
    char last_password[64];
    char last_timeout[32]; // X-Prometheus-Scrape-Timeout-Seconds
};

void rig_init(struct rig *r, u32 series_max);
void rig_fini(struct rig *r);
// Reloads to these scrape_configs (a YAML list); false with the error.
bool rig_load(struct rig *r, const char *yaml, struct error *e);
bool rig_load_globals(struct rig *r, const char *yaml, const struct scrape_globals *g,
                      struct error *e);
void rig_run(struct rig *r, i64 ms); // Steps through that much time.
// Every sample of the series of that name, as "labels t=v …" lines with t in seconds since the
// start and "stale" for markers.
void rig_print(struct rig *r, const char *name, struct buf *out);
void rig_expect(struct rig *r, const char *name, const char *want);
f64 rig_last(struct rig *r, const char *name); // Of the only series of that name.
u32 rig_series(struct rig *r, const char *name);
u64 rig_metric(struct rig *r, const char *line_start); // A counter of the registry.

#endif
