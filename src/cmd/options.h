// options.h: the one table of flags: command line, environment, default; --help is made of it.
//
// A value comes from the first of: the flag, the environment (TIDEMARK_ + the name in capitals,
// dots and dashes as underscores), the default. The flags page shows which.
// Threads: frozen after options_parse.
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include "base/base.h"

struct arena;
struct buf;
struct error;

enum option_type {
    OPTION_STR,
    OPTION_BOOL,
    OPTION_U64,
    OPTION_DURATION, // i64 milliseconds
    OPTION_BYTES,    // u64
    OPTION_ENUM,     // int, texts in names
    OPTION_UNBUILT   // Known upstream, refused by name.
};

enum option_source { OPTION_FROM_DEFAULT, OPTION_FROM_ENVIRONMENT, OPTION_FROM_FLAG };

struct option {
    const char *name; // Without the dashes.
    enum option_type type;
    bool or_zero;  // See low.
    size_t offset; // In struct options.
    const char *fallback;
    const char *const *names; // OPTION_ENUM, NULL-terminated.
    const char *help;
    // OPTION_U64, _BYTES, _DURATION: what is refused otherwise; high 0 = no bound above. With
    // `or_zero` 0 is allowed as well: it stands for a default.
    u64 low;
    u64 high;
};

enum { OPTION_COUNT_MAX = 160 };

// What `tidemark server` was told.
struct options {
    str config_file;
    str storage_path;
    i64 retention_ms;
    u64 retention_bytes;
    int wal_sync; // enum wal_sync
    u64 series_max;
    u64 series_max_tenant;
    u64 series_max_job;
    u64 series_max_metric;
    u64 unclean_starts;
    u64 memory_limit;
    str listen_address;
    str external_url;
    str route_prefix;
    bool enable_lifecycle;
    bool enable_admin;
    bool enable_remote_write;
    str cors_origin;
    u64 connections_max;
    str alertmanager_config;
    i64 resend_delay_ms;
    i64 outage_tolerance_ms;
    i64 grace_period_ms;
    i64 lookback_ms;
    i64 query_timeout_ms;
    u64 query_concurrency;
    u64 query_queue_max;
    u64 query_tenant_concurrency;
    u64 query_tenant_queue_max;
    i64 query_wait_ms;
    u64 query_samples_max;
    u64 query_workers;
    i64 query_slow_ms;
    int collect_host; // enum collect_choice
    str collect_procfs;
    str collect_sysfs;
    int log_level;  // enum log_level
    int log_format; // enum log_format
    str enable_feature;
    str disable_feature;

    enum option_source sources[OPTION_COUNT_MAX];
};
enum collect_choice { COLLECT_AUTO, COLLECT_ON, COLLECT_OFF };

extern const struct option options_table[];
extern const u32 options_count;

// Parses argv[0..argc); strings live in a. ERR_INVALID with the nearest name as a hint.
bool options_parse(int argc, char **argv, const char *(*env)(const char *name), struct arena *a,
                   struct options *out, struct error *e) MUST_USE;
void options_help(struct buf *out);
// The value of table row i as text.
str options_value(const struct options *o, u32 i, struct arena *a);
// What is probably a slip but keeps nothing from starting: variables named TIDEMARK_… that no flag
// reads, and feature names that switch on nothing. variables: NAME=value texts, NULL at the end.
u32 options_doubts(const struct options *o, char *const *variables, struct arena *a, str **texts);
// TIDEMARK_STORAGE_TSDB_PATH
void option_env_name(const struct option *o, char *out, size_t size);

#endif
