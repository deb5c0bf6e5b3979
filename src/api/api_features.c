// api_features.c: what clients may rely on, by upstream's names: groups of features, on or off.
#include "api/api_inner.h"
#include "base/str.h"
#include "promql/promql.h"
#include "sd/sd.h"
#include "tmpl/tmpl.h"

// The group being written. Threads: owned by one answer.
struct feature_list {
    struct api_out out;
    const char *group; // NULL before the first.
};

static void feature_put(void *ctx, const char *group, str name, bool on)
{
    struct feature_list *l = ctx;
    struct jsonw *w = &l->out.w;
    if (l->group == NULL || strcmp(l->group, group) != 0) {
        if (l->group != NULL) {
            jsonw_object_end(w);
        }
        jsonw_key(w, str_c(group));
        jsonw_object(w);
        l->group = group;
    }
    jsonw_key(w, name);
    jsonw_bool(w, on);
}

static void always_put(struct feature_list *l)
{
    static const struct {
        const char *group;
        const char *name;
        bool on;
    } all[] = {
        {"api", "exclude_alerts", true},
        {"api", "label_values_match", true},
        {"api", "openapi_3.1", false},
        {"api", "openapi_3.2", false},
        {"api", "otlp_write_receiver", false},
        {"api", "query_stats", true},
        {"api", "query_warnings", true},
        {"api", "time_range_labels", true},
        {"api", "time_range_series", true},
        {"otlp_receiver", "delta_conversion", false},
        {"otlp_receiver", "native_delta_ingestion", false},
        {"prometheus", "agent_mode", false},
        {"prometheus", "auto_reload_config", false},
        {"prometheus", "server_mode", true},
        {"rules", "concurrent_rule_eval", true},
        {"rules", "keep_firing_for", true},
        {"rules", "query_offset", true},
        {"tsdb", "exemplar_storage", true},
        {"tsdb", "isolation", true},
        {"tsdb", "native_histograms", true},
        {"scrape", "extra_scrape_metrics", false},
        {"scrape", "start_timestamp_zero_ingestion", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        feature_put(l, all[i].group, str_c(all[i].name), all[i].on);
    }
}

void api_features(struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    const struct api_services *services = api_ready(rq, rs);
    const char *name;
    struct feature_list l = {0};
    if (services == NULL) {
        return;
    }
    api_out_begin(&l.out, rs);
    jsonw_object(&l.out.w);
    feature_put(&l, "api", STR("admin"), api->opts.admin);
    feature_put(&l, "api", STR("lifecycle"), api->opts.lifecycle);
    feature_put(&l, "api", STR("remote_write_receiver"), api->opts.remote_write);
    always_put(&l);
    feature_put(&l, "scrape", STR("type_and_unit_labels"),
                promql_engine_get_opts(services->engine)->type_labels);
    promql_features(services->engine, feature_put, &l);
    for (u32 i = 0; (name = sd_kind(i)) != NULL; i++) {
        feature_put(&l, "service_discovery_providers", str_c(name), true);
    }
    for (u32 i = 0; (name = tmpl_function_name(i)) != NULL; i++) {
        feature_put(&l, "templating_functions", str_c(name), true);
    }
    jsonw_object_end(&l.out.w);
    jsonw_object_end(&l.out.w);
    api_out_end(&l.out);
}
