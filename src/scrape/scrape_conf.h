// scrape_conf.h: one entry of scrape_configs as decoded; its table is in scrape_conf.c.
// Threads: frozen once decoded.
#ifndef SCRAPE_SCRAPE_CONF_H
#define SCRAPE_SCRAPE_CONF_H

#include "base/base.h"
#include "model/conf.h"
#include "model/relabel.h"
#include "scrape/scrape.h"
#include "sd/sd.h"

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
    struct secret proxy_url; // It may name a password.
    struct sd_static_config *static_configs;
    u32 static_config_count;
    struct sd_file_config *file_configs;
    u32 file_config_count;
    struct relabel *relabels;
    u32 relabel_count;
    struct relabel *metric_relabels;
    u32 metric_relabel_count;
    struct scrape_limits limits;
    struct conf_place place;
};
enum scrape_scheme { SCRAPE_HTTP, SCRAPE_HTTPS };

#endif
