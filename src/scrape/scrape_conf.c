// scrape_conf.c: one entry of scrape_configs as a table; upstream's keys, known but unbuilt ones
// refused by name.
#include "base/hash.h"
#include "base/str.h"
#include "scrape/scrape_inner.h"
#include "wire/yaml.h"

#define FIELD(s, key, t, member, ...)                                                              \
    {                                                                                              \
        .name = (key), .type = (t), .offset = offsetof(struct s, member), __VA_ARGS__              \
    }
#define LIST(s, key, t, member, n, ...)                                                            \
    {                                                                                              \
        .name = (key), .type = (t), .offset = offsetof(struct s, member),                          \
        .count_offset = offsetof(struct s, n), __VA_ARGS__                                         \
    }
#define UNBUILT(key)                                                                               \
    {                                                                                              \
        .name = (key), .type = CONF_UNBUILT                                                        \
    }
#define TABLE(s, label, list)                                                                      \
    {                                                                                              \
        .name = (label), .bytes = sizeof(struct s), .fields = (list),                              \
        .field_count = ARRAY_LEN(list), .place_offset = SIZE_MAX                                   \
    }

static const struct conf_field basic_auth_fields[] = {
    FIELD(scrape_basic_auth, "username", CONF_STR, username),
    FIELD(scrape_basic_auth, "password", CONF_SECRET, password),
    FIELD(scrape_basic_auth, "password_file", CONF_STR, password_file),
    UNBUILT("username_file"),
    UNBUILT("username_ref"),
    UNBUILT("password_ref"),
};
static const struct conf_struct basic_auth_conf =
    TABLE(scrape_basic_auth, "basic_auth", basic_auth_fields);

static const struct conf_field authorization_fields[] = {
    FIELD(scrape_authorization, "type", CONF_STR, type, .fallback = "Bearer"),
    FIELD(scrape_authorization, "credentials", CONF_SECRET, credentials),
    FIELD(scrape_authorization, "credentials_file", CONF_STR, credentials_file),
    UNBUILT("credentials_ref"),
};

static bool authorization_check(void *target, const struct yaml_node *node, UNUSED struct arena *a,
                                struct error *e)
{
    const struct scrape_authorization *auth = target;
    if (!str_eq_nocase(auth->type, STR("Bearer"))) {
        return conf_error(e, node, "authorization type \"%.*s\" is not built: use Bearer",
                          STR_ARG(auth->type));
    }
    return true;
}

static const struct conf_struct authorization_conf = {.name = "authorization",
                                                      .bytes = sizeof(struct scrape_authorization),
                                                      .fields = authorization_fields,
                                                      .field_count =
                                                          ARRAY_LEN(authorization_fields),
                                                      .check = authorization_check,
                                                      .place_offset = SIZE_MAX};

// The order is that of http_tls_opts.min_version: 10 + index - 1.
static const char *const tls_versions[] = {"", "TLS10", "TLS11", "TLS12", "TLS13", NULL};

static const struct conf_field tls_fields[] = {
    FIELD(scrape_tls, "ca", CONF_SECRET, ca),
    FIELD(scrape_tls, "ca_file", CONF_STR, ca_file),
    FIELD(scrape_tls, "cert", CONF_SECRET, cert),
    FIELD(scrape_tls, "cert_file", CONF_STR, cert_file),
    FIELD(scrape_tls, "key", CONF_SECRET, key),
    FIELD(scrape_tls, "key_file", CONF_STR, key_file),
    FIELD(scrape_tls, "server_name", CONF_STR, server_name),
    FIELD(scrape_tls, "insecure_skip_verify", CONF_BOOL, insecure_skip_verify),
    FIELD(scrape_tls, "min_version", CONF_ENUM, min_version, .names = tls_versions),
    UNBUILT("max_version"),
    UNBUILT("ca_ref"),
    UNBUILT("cert_ref"),
    UNBUILT("key_ref"),
};
static const struct conf_struct tls_conf = TABLE(scrape_tls, "tls_config", tls_fields);

static const char *const schemes[] = {"http", "https", NULL};
// In the order of enum expo_format; the first is "none given".
static const char *const fallbacks[] = {"", "PrometheusText0.0.4", "OpenMetricsText1.0.0", NULL};

static const struct conf_field fields[] = {
    FIELD(scrape_config, "job_name", CONF_STR, job_name, .required = true),
    FIELD(scrape_config, "scrape_interval", CONF_DURATION, interval_ms),
    FIELD(scrape_config, "scrape_timeout", CONF_DURATION, timeout_ms),
    FIELD(scrape_config, "metrics_path", CONF_STR, metrics_path, .fallback = "/metrics"),
    FIELD(scrape_config, "scheme", CONF_ENUM, scheme, .names = schemes, .fallback = "http"),
    LIST(scrape_config, "params", CONF_STR_LISTS, params, param_count),
    FIELD(scrape_config, "fallback_scrape_protocol", CONF_ENUM, fallback, .names = fallbacks),
    FIELD(scrape_config, "honor_labels", CONF_BOOL, honor_labels),
    FIELD(scrape_config, "honor_timestamps", CONF_BOOL, honor_timestamps, .fallback = "true"),
    FIELD(scrape_config, "track_timestamps_staleness", CONF_BOOL, track_timestamps_staleness),
    FIELD(scrape_config, "enable_compression", CONF_BOOL, enable_compression, .fallback = "true"),
    FIELD(scrape_config, "follow_redirects", CONF_BOOL, follow_redirects, .fallback = "true"),
    FIELD(scrape_config, "enable_http2", CONF_BOOL, enable_http2, .fallback = "true"),
    FIELD(scrape_config, "basic_auth", CONF_STRUCT_PTR, basic_auth, .sub = &basic_auth_conf),
    FIELD(scrape_config, "authorization", CONF_STRUCT_PTR, authorization,
          .sub = &authorization_conf),
    FIELD(scrape_config, "tls_config", CONF_STRUCT_PTR, tls, .sub = &tls_conf),
    FIELD(scrape_config, "proxy_url", CONF_STR, proxy_url),
    LIST(scrape_config, "static_configs", CONF_STRUCT_LIST, static_configs, static_config_count,
         .sub = &sd_static_conf),
    LIST(scrape_config, "file_sd_configs", CONF_STRUCT_LIST, file_configs, file_config_count,
         .sub = &sd_file_conf),
    LIST(scrape_config, "relabel_configs", CONF_STRUCT_LIST, relabels, relabel_count,
         .sub = &relabel_conf),
    LIST(scrape_config, "metric_relabel_configs", CONF_STRUCT_LIST, metric_relabels,
         metric_relabel_count, .sub = &relabel_conf),
    FIELD(scrape_config, "body_size_limit", CONF_BYTES, body_size_limit),
    FIELD(scrape_config, "sample_limit", CONF_U64, sample_limit),
    FIELD(scrape_config, "label_limit", CONF_U64, label_limit),
    FIELD(scrape_config, "label_name_length_limit", CONF_U64, label_name_length_limit),
    FIELD(scrape_config, "label_value_length_limit", CONF_U64, label_value_length_limit),
    FIELD(scrape_config, "target_limit", CONF_U64, target_limit),
    FIELD(scrape_config, "keep_dropped_targets", CONF_U64, keep_dropped_targets),
    UNBUILT("scrape_protocols"),
    UNBUILT("scrape_failure_log_file"),
    UNBUILT("scrape_native_histograms"),
    UNBUILT("always_scrape_classic_histograms"),
    UNBUILT("convert_classic_histograms_to_nhcb"),
    UNBUILT("native_histogram_bucket_limit"),
    UNBUILT("native_histogram_min_bucket_factor"),
    UNBUILT("metric_name_validation_scheme"),
    UNBUILT("metric_name_escaping_scheme"),
    UNBUILT("extra_scrape_metrics"),
    UNBUILT("oauth2"),
    UNBUILT("no_proxy"),
    UNBUILT("proxy_from_environment"),
    UNBUILT("proxy_connect_header"),
    UNBUILT("http_headers"),
    UNBUILT("azure_sd_configs"),
    UNBUILT("consul_sd_configs"),
    UNBUILT("digitalocean_sd_configs"),
    UNBUILT("dns_sd_configs"),
    UNBUILT("docker_sd_configs"),
    UNBUILT("dockerswarm_sd_configs"),
    UNBUILT("ec2_sd_configs"),
    UNBUILT("eureka_sd_configs"),
    UNBUILT("gce_sd_configs"),
    UNBUILT("hetzner_sd_configs"),
    UNBUILT("http_sd_configs"),
    UNBUILT("ionos_sd_configs"),
    UNBUILT("kubernetes_sd_configs"),
    UNBUILT("kuma_sd_configs"),
    UNBUILT("lightsail_sd_configs"),
    UNBUILT("linode_sd_configs"),
    UNBUILT("marathon_sd_configs"),
    UNBUILT("nerve_sd_configs"),
    UNBUILT("nomad_sd_configs"),
    UNBUILT("openstack_sd_configs"),
    UNBUILT("ovhcloud_sd_configs"),
    UNBUILT("puppetdb_sd_configs"),
    UNBUILT("scaleway_sd_configs"),
    UNBUILT("serverset_sd_configs"),
    UNBUILT("stackit_sd_configs"),
    UNBUILT("triton_sd_configs"),
    UNBUILT("uyuni_sd_configs"),
    UNBUILT("vultr_sd_configs"),
};

static bool relabels_compile(struct relabel *rules, u32 count, struct arena *a,
                             const struct yaml_node *node, const char *key, struct error *e)
{
    for (u32 i = 0; i < count; i++) {
        struct error why = {0};
        if (!relabel_compile(&rules[i], a, &why)) {
            return conf_error(e, node, "%s, rule %u: %s", key, i + 1, why.text);
        }
    }
    return true;
}

static bool check(void *target, const struct yaml_node *node, struct arena *a, struct error *e)
{
    struct scrape_config *c = target;
    if (c->job_name.len == 0) {
        return conf_error(e, node, "job_name is empty");
    }
    if (c->basic_auth && c->authorization) {
        return conf_error(e, node, "at most one of basic_auth and authorization may be set");
    }
    if (c->interval_ms < 0 || c->timeout_ms < 0) {
        return conf_error(e, node, "scrape_interval and scrape_timeout must not be negative");
    }
    if (c->file_config_count + 1U > SD_PROVIDERS_MAX) {
        return conf_error(e, node, "more than %u discovery sections in one job",
                          SD_PROVIDERS_MAX - 1);
    }
    return relabels_compile(c->relabels, c->relabel_count, a, node, "relabel_configs", e) &&
           relabels_compile(c->metric_relabels, c->metric_relabel_count, a, node,
                            "metric_relabel_configs", e);
}

const struct conf_struct scrape_config_conf = {.name = "scrape_config",
                                               .bytes = sizeof(struct scrape_config),
                                               .fields = fields,
                                               .field_count = ARRAY_LEN(fields),
                                               .check = check,
                                               .place_offset =
                                                   offsetof(struct scrape_config, place)};

// The tree's words in order. Recursion is bounded by YAML_DEPTH_MAX.
static u64 node_hash(const struct yaml_node *n)
{
    u64 h = hash_mix(n->kind, hash_str(n->scalar));
    for (u32 i = 0; i < n->count; i++) {
        if (n->kind == YAML_MAP) {
            h = hash_mix(h, hash_str(n->keys[i].scalar));
        }
        h = hash_mix(h, node_hash(&n->items[i]));
    }
    return h;
}

u64 scrape_config_hash(const struct scrape_globals *g, const struct yaml_node *node)
{
    const i64 numbers[] = {g->interval_ms,
                           g->timeout_ms,
                           (i64)g->body_size_limit,
                           (i64)g->sample_limit,
                           (i64)g->label_limit,
                           (i64)g->label_name_length_limit,
                           (i64)g->label_value_length_limit,
                           (i64)g->target_limit,
                           (i64)g->keep_dropped_targets};
    const u64 of_globals =
        hash_mix(hash_bytes(numbers, sizeof(numbers)), labels_hash(g->external_labels));
    return hash_mix(of_globals, node_hash(node));
}
