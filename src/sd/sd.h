// sd.h: service discovery: providers that keep saying which target groups exist.
//
// A provider runs where it is put: sd_poll is a step, called by the scrape manager's thread, that
// reports the groups when they changed. static_configs never change; file_sd reads files (JSON,
// YAML, globs in the last path part) again when one changed, and keeps the last good content of a
// file that became unreadable, counted and told.
// Threads: a provider is owned by the thread that polls it.
#ifndef SD_SD_H
#define SD_SD_H

#include "base/base.h"
#include "model/labels.h"

struct arena;
struct conf_struct;
struct error;
struct fs;
struct log;
struct tmk_registry;

// One group: __address__ labels, each with the group's labels. source names it ("file:0").
struct sd_group {
    str source;
    struct labels labels;         // Common to all, __meta_* included.
    const struct labels *targets; // Each at least {__address__}.
    u32 target_count;
};

// The sections of a scrape config, tables for model/conf.
struct sd_static_config {
    str *targets;
    u32 target_count;
    struct labels labels;
};
struct sd_file_config {
    str *files;
    u32 file_count;
    i64 refresh_interval_ms; // 5 m.
};
extern const struct conf_struct sd_static_conf;
extern const struct conf_struct sd_file_conf;

#define SD_PROVIDERS_MAX 64U // Of one scrape job.

const char *sd_kind(u32 index); // What is built: "file", "static"; NULL past the last.

struct sd_provider;
struct sd_deps {
    struct fs *fs;
    struct log *log;
    struct tmk_registry *registry; // May be NULL.
    str dir;                       // Relative paths are relative to the configuration file's.
};

// Configurations are copied.
struct sd_provider *sd_static_new(const struct sd_static_config *configs, u32 count);
struct sd_provider *sd_file_new(const struct sd_file_config *config, const struct sd_deps *deps,
                                struct error *e);
void sd_free(struct sd_provider *p); // Accepts NULL.

// If anything changed since the last call (the first always does), sets *changed and gives all
// groups, valid until the next poll.
void sd_poll(struct sd_provider *p, i64 mono_ms, bool *changed, const struct sd_group **groups,
             u32 *count);

#endif
