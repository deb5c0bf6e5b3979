// config.h: the configuration file: what stands in prometheus.yml, read whole or not at all.
//
// config_load reads, expands and decodes; nothing is put to work. config_check_all and the reload
// of server.c hand the parts to their services' prepare functions, and swap only when all are good.
// Threads: a struct config is frozen once loaded.
#ifndef CMD_CONFIG_H
#define CMD_CONFIG_H

#include "base/base.h"
#include "model/labels.h"
#include "rules/rules.h"
#include "scrape/scrape.h"
#include "tsdb/tsdb_admin.h"

struct arena;
struct error;
struct fs;
struct top_section;
struct yaml_doc;
struct yaml_node;

struct config {
    struct arena *memory;
    const struct yaml_doc *doc;
    const struct top_section *top; // What was decoded of it.
    str path;                      // As the user named it; "built-in" without a file.
    str dir;                       // Relative paths start here.
    bool is_builtin;
    struct scrape_globals scrape;
    const struct yaml_node **scrape_configs;
    u32 scrape_config_count;
    i64 evaluation_interval_ms;
    i64 query_offset_ms;
    struct rules_file *rule_files; // Globs resolved.
    u32 rule_file_count;
    struct tsdb_retention retention; // Where ms or bytes is 0, the flag's.
    i64 ooo_window_ms;
    str *warnings; // What to tell, with places; nothing of it keeps the server from starting.
    u32 warning_count;
};

// path empty: the built-in configuration, which scrapes listen_address. NULL with file:line:col.
struct config *config_load(struct fs *fs, str path, str listen_address,
                           const char *(*env)(const char *name), struct error *e) MUST_USE;
void config_free(struct config *c); // Accepts NULL.
// The configuration as the config page shows it: printed anew, defaults and what jobs take from
// `global` filled in, secrets as <secret>. But for these it loads again with the same meaning.
str config_page(const struct config *c, struct arena *a);

#endif
