#include "cmd/server_metrics.h"

#include "api/api.h"
#include "client/tidemark.h"
#include "os/clk.h"

// One process, one set of gauges; frozen after server_metrics_register.
static struct tmk_gauge *ready;
static struct tmk_gauge *reload_ok;
static struct tmk_gauge *reload_time;

void server_metrics_register(struct tmk_registry *r, u64 memory_limit)
{
    static const char *const labels[] = {"version", "revision", "branch", "goversion"};
    static const char *const values[] = {TIDEMARK_VERSION, "", "", ""};
    const struct tmk_desc build = {.kind = TMK_GAUGE,
                                   .name = "tidemark_build_info",
                                   .help = "Always 1; the labels tell what was built.",
                                   .labels = labels,
                                   .label_count = 1};
    static const char *const upstream_labels[] = {"version", "tidemark"};
    static const char *const upstream_values[] = {API_UPSTREAM_VERSION, TIDEMARK_VERSION};
    const struct tmk_desc upstream = {.kind = TMK_GAUGE,
                                      .name = "prometheus_build_info",
                                      .help = "Always 1; the version of Prometheus whose "
                                              "interfaces are served, and our own.",
                                      .labels = upstream_labels,
                                      .label_count = 2};
    (void)tmk_process_register(r, NULL);
    tmk_gauge_set(tmk_gauge_with(tmk_family_register(r, &upstream, NULL), upstream_values, 2), 1);
    ready = tmk_gauge_register(r, "prometheus_ready",
                               "Whether the start is over and the server answers.", NULL);
    tmk_gauge_set(tmk_gauge_with(tmk_family_register(r, &build, NULL), values, 1), 1);
    tmk_gauge_set(tmk_gauge_register(r, "tidemark_memory_limit_bytes",
                                     "The memory budget of this process.", NULL),
                  (f64)memory_limit);
    reload_ok = tmk_gauge_register(r, "prometheus_config_last_reload_successful",
                                   "Whether the last reload of the configuration went well.", NULL);
    reload_time = tmk_gauge_register(r, "prometheus_config_last_reload_success_timestamp_seconds",
                                     "Time of the last good reload of the configuration.", NULL);
}

void server_metrics_ready(bool is_ready)
{
    tmk_gauge_set(ready, is_ready);
}

void server_metrics_reload(bool ok)
{
    tmk_gauge_set(reload_ok, ok);
    if (ok) {
        tmk_gauge_set(reload_time, (f64)clk_wall_ms(clk_real()) / 1000);
    }
}
