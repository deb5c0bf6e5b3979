// scrape_conf.c: one entry of scrape_configs as a table; upstream's keys, known but unbuilt ones
// refused by name.
#include "base/hash.h"
#include "base/str.h"
#include "scrape/scrape_inner.h"
#include "wire/yaml.h"

static const struct conf_field basic_auth_fields[] = {
    CONF_FIELD(scrape_basic_auth, "username", CONF_STR, username),
    CONF_FIELD(scrape_basic_auth, "password", CONF_SECRET, password),
    CONF_FIELD(scrape_basic_auth, "password_file", CONF_STR, password_file),
    CONF_REFUSED("username_file"),
    CONF_REFUSED("username_ref"),
    CONF_REFUSED("password_ref"),
};

static bool basic_auth_check(UNUSED void *target, const struct yaml_node *node,
                             UNUSED struct arena *a, struct error *e)
{
    return conf_not_both(node, "basic_auth", "password", "password_file", e);
}

static const struct conf_struct basic_auth_conf = {.name = "basic_auth",
                                                   .bytes = sizeof(struct scrape_basic_auth),
                                                   .fields = basic_auth_fields,
                                                   .field_count = ARRAY_LEN(basic_auth_fields),
                                                   .check = basic_auth_check,
                                                   .place_offset = SIZE_MAX};

static const struct conf_field authorization_fields[] = {
    CONF_FIELD(scrape_authorization, "type", CONF_STR, type, .fallback = "Bearer"),
    CONF_FIELD(scrape_authorization, "credentials", CONF_SECRET, credentials),
    CONF_FIELD(scrape_authorization, "credentials_file", CONF_STR, credentials_file),
    CONF_REFUSED("credentials_ref"),
};

static bool authorization_check(void *target, const struct yaml_node *node, UNUSED struct arena *a,
                                struct error *e)
{
    const struct scrape_authorization *auth = target;
    if (!str_eq_nocase(auth->type, STR("Bearer"))) {
        const bool basic = str_eq_nocase(auth->type, STR("Basic"));
        return conf_error(e, conf_value(node, "type"),
                          "authorization type \"%.*s\" is not built: use %s", STR_ARG(auth->type),
                          basic ? "basic_auth" : "Bearer");
    }
    return conf_not_both(node, "authorization", "credentials", "credentials_file", e);
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
    CONF_FIELD(scrape_tls, "ca", CONF_SECRET, ca),
    CONF_FIELD(scrape_tls, "ca_file", CONF_STR, ca_file),
    CONF_FIELD(scrape_tls, "cert", CONF_SECRET, cert),
    CONF_FIELD(scrape_tls, "cert_file", CONF_STR, cert_file),
    CONF_FIELD(scrape_tls, "key", CONF_SECRET, key),
    CONF_FIELD(scrape_tls, "key_file", CONF_STR, key_file),
    CONF_FIELD(scrape_tls, "server_name", CONF_STR, server_name),
    CONF_FIELD(scrape_tls, "insecure_skip_verify", CONF_BOOL, insecure_skip_verify,
               .fallback = "false"),
    CONF_FIELD(scrape_tls, "min_version", CONF_ENUM, min_version, .names = tls_versions),
    CONF_REFUSED("max_version"),
    CONF_REFUSED("ca_ref"),
    CONF_REFUSED("cert_ref"),
    CONF_REFUSED("key_ref"),
};

static bool tls_check(void *target, const struct yaml_node *node, UNUSED struct arena *a,
                      struct error *e)
{
    const struct scrape_tls *tls = target;
    const bool cert = secret_reveal(tls->cert).len > 0 || tls->cert_file.len > 0;
    const bool key = secret_reveal(tls->key).len > 0 || tls->key_file.len > 0;
    if (!conf_not_both(node, "tls_config", "ca", "ca_file", e) ||
        !conf_not_both(node, "tls_config", "cert", "cert_file", e) ||
        !conf_not_both(node, "tls_config", "key", "key_file", e)) {
        return false;
    }
    if (cert != key) {
        return conf_error(
            e, node, "tls_config: a client certificate and its key belong together: %s is missing",
            cert ? "key or key_file" : "cert or cert_file");
    }
    return true;
}

static const struct conf_struct tls_conf = {.name = "tls_config",
                                            .bytes = sizeof(struct scrape_tls),
                                            .fields = tls_fields,
                                            .field_count = ARRAY_LEN(tls_fields),
                                            .check = tls_check,
                                            .place_offset = SIZE_MAX};

static const char *const schemes[] = {"http", "https", NULL};
// In the order of enum expo_format; the first is "none given".
static const char *const fallbacks[] = {"", "PrometheusText0.0.4", "OpenMetricsText1.0.0", NULL};

static const struct conf_field fields[] = {
    CONF_FIELD(scrape_config, "job_name", CONF_STR, job_name, .required = true),
    CONF_FIELD(scrape_config, "honor_labels", CONF_BOOL, honor_labels),
    CONF_FIELD(scrape_config, "honor_timestamps", CONF_BOOL, honor_timestamps, .fallback = "true"),
    CONF_FIELD(scrape_config, "track_timestamps_staleness", CONF_BOOL, track_timestamps_staleness,
               .fallback = "false"),
    CONF_LIST(scrape_config, "params", CONF_STR_LISTS, params, param_count),
    CONF_FIELD(scrape_config, "scrape_interval", CONF_DURATION, interval_ms),
    CONF_FIELD(scrape_config, "scrape_timeout", CONF_DURATION, timeout_ms),
    CONF_FIELD(scrape_config, "metrics_path", CONF_STR, metrics_path, .fallback = "/metrics"),
    CONF_FIELD(scrape_config, "scheme", CONF_ENUM, scheme, .names = schemes, .fallback = "http"),
    CONF_FIELD(scrape_config, "fallback_scrape_protocol", CONF_ENUM, fallback, .names = fallbacks),
    CONF_FIELD(scrape_config, "enable_compression", CONF_BOOL, enable_compression,
               .fallback = "true"),
    SCRAPE_LIMIT_FIELDS(scrape_config),
    CONF_FIELD(scrape_config, "follow_redirects", CONF_BOOL, follow_redirects, .fallback = "true"),
    CONF_FIELD(scrape_config, "enable_http2", CONF_BOOL, enable_http2, .fallback = "true"),
    CONF_FIELD(scrape_config, "basic_auth", CONF_STRUCT_PTR, basic_auth, .sub = &basic_auth_conf),
    CONF_FIELD(scrape_config, "authorization", CONF_STRUCT_PTR, authorization,
               .sub = &authorization_conf),
    CONF_FIELD(scrape_config, "tls_config", CONF_STRUCT_PTR, tls, .sub = &tls_conf),
    CONF_FIELD(scrape_config, "proxy_url", CONF_SECRET, proxy_url),
    CONF_LIST(scrape_config, "relabel_configs", CONF_STRUCT_LIST, relabels, relabel_count,
              .sub = &relabel_conf),
    CONF_LIST(scrape_config, "metric_relabel_configs", CONF_STRUCT_LIST, metric_relabels,
              metric_relabel_count, .sub = &relabel_conf),
    CONF_LIST(scrape_config, "static_configs", CONF_STRUCT_LIST, static_configs,
              static_config_count, .sub = &sd_static_conf),
    CONF_LIST(scrape_config, "file_sd_configs", CONF_STRUCT_LIST, file_configs, file_config_count,
              .sub = &sd_file_conf),
    CONF_REFUSED("scrape_protocols"),
    CONF_REFUSED("scrape_failure_log_file"),
    CONF_REFUSED("scrape_native_histograms"),
    CONF_REFUSED("always_scrape_classic_histograms"),
    CONF_REFUSED("convert_classic_histograms_to_nhcb"),
    CONF_REFUSED("native_histogram_bucket_limit"),
    CONF_REFUSED("native_histogram_min_bucket_factor"),
    CONF_REFUSED("metric_name_validation_scheme"),
    CONF_REFUSED("metric_name_escaping_scheme"),
    CONF_REFUSED("extra_scrape_metrics"),
    CONF_REFUSED_FOR("bearer_token", "write authorization: {credentials: …}"),
    CONF_REFUSED_FOR("bearer_token_file", "write authorization: {credentials_file: …}"),
    CONF_REFUSED("oauth2"),
    CONF_REFUSED("no_proxy"),
    CONF_REFUSED("proxy_from_environment"),
    CONF_REFUSED("proxy_connect_header"),
    CONF_REFUSED("http_headers"),
    CONF_REFUSED("azure_sd_configs"),
    CONF_REFUSED("consul_sd_configs"),
    CONF_REFUSED("digitalocean_sd_configs"),
    CONF_REFUSED("dns_sd_configs"),
    CONF_REFUSED("docker_sd_configs"),
    CONF_REFUSED("dockerswarm_sd_configs"),
    CONF_REFUSED("ec2_sd_configs"),
    CONF_REFUSED("eureka_sd_configs"),
    CONF_REFUSED("gce_sd_configs"),
    CONF_REFUSED("hetzner_sd_configs"),
    CONF_REFUSED("http_sd_configs"),
    CONF_REFUSED("ionos_sd_configs"),
    CONF_REFUSED("kubernetes_sd_configs"),
    CONF_REFUSED("kuma_sd_configs"),
    CONF_REFUSED("lightsail_sd_configs"),
    CONF_REFUSED("linode_sd_configs"),
    CONF_REFUSED("marathon_sd_configs"),
    CONF_REFUSED("nerve_sd_configs"),
    CONF_REFUSED("nomad_sd_configs"),
    CONF_REFUSED("openstack_sd_configs"),
    CONF_REFUSED("ovhcloud_sd_configs"),
    CONF_REFUSED("puppetdb_sd_configs"),
    CONF_REFUSED("scaleway_sd_configs"),
    CONF_REFUSED("serverset_sd_configs"),
    CONF_REFUSED("stackit_sd_configs"),
    CONF_REFUSED("triton_sd_configs"),
    CONF_REFUSED("uyuni_sd_configs"),
    CONF_REFUSED("vultr_sd_configs"),
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
        return conf_error(e, conf_value(node, "job_name"), "job_name is empty");
    }
    if (!conf_not_both(node, "scrape_config", "basic_auth", "authorization", e)) {
        return false;
    }
    if (c->interval_ms < 0 || c->timeout_ms < 0) {
        return conf_error(
            e, conf_value(node, c->interval_ms < 0 ? "scrape_interval" : "scrape_timeout"),
            "scrape_interval and scrape_timeout must not be negative");
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

static u64 either(u64 own, u64 global)
{
    return own ? own : global;
}

static void limits_inherit(struct scrape_limits *l, const struct scrape_limits *g)
{
    l->body_size_limit = either(l->body_size_limit, g->body_size_limit);
    l->sample_limit = either(l->sample_limit, g->sample_limit);
    l->label_limit = either(l->label_limit, g->label_limit);
    l->label_name_length_limit = either(l->label_name_length_limit, g->label_name_length_limit);
    l->label_value_length_limit = either(l->label_value_length_limit, g->label_value_length_limit);
    l->target_limit = either(l->target_limit, g->target_limit);
    l->keep_dropped_targets = either(l->keep_dropped_targets, g->keep_dropped_targets);
}

void scrape_config_inherit(struct scrape_config *c, const struct scrape_globals *g)
{
    c->interval_ms = c->interval_ms ? c->interval_ms : g->interval_ms;
    // As upstream: a global timeout longer than the job's interval is cut to it.
    c->timeout_ms = c->timeout_ms ? c->timeout_ms : MIN(g->timeout_ms, c->interval_ms);
    limits_inherit(&c->limits, &g->limits);
}

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
    const i64 times[] = {g->interval_ms, g->timeout_ms};
    u64 h = hash_mix(hash_bytes(times, sizeof(times)), hash_bytes(&g->limits, sizeof(g->limits)));
    h = hash_mix(h, labels_hash(g->external_labels));
    return hash_mix(h, node_hash(node));
}
