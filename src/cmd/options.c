#include "cmd/options.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "model/duration.h"

#include <stdio.h>

#define ROW(flag, t, member, def, text)                                                            \
    {                                                                                              \
        .name = (flag), .type = (t), .offset = offsetof(struct options, member),                   \
        .fallback = (def), .help = (text)                                                          \
    }
#define BOUNDED(flag, t, member, def, text, ...)                                                   \
    {                                                                                              \
        .name = (flag), .type = (t), .offset = offsetof(struct options, member),                   \
        .fallback = (def), .help = (text), __VA_ARGS__                                             \
    }
#define CHOICE(flag, member, def, list, text)                                                      \
    {                                                                                              \
        .name = (flag), .type = OPTION_ENUM, .offset = offsetof(struct options, member),           \
        .fallback = (def), .names = (list), .help = (text)                                         \
    }
#define UNBUILT(flag)                                                                              \
    {                                                                                              \
        .name = (flag), .type = OPTION_UNBUILT                                                     \
    }

#define MEMORY_LIMIT_MIN ((u64)64 << 20) // Less, and the first query or page meets the end of it.

static const char *const wal_syncs[] = {"always", "1s", NULL};
static const char *const collects[] = {"auto", "true", "false", NULL};
static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const formats[] = {"logfmt", "json", NULL};

const struct option options_table[] = {
    ROW("config.file", OPTION_STR, config_file, "",
        "Prometheus configuration file. Without it: scrape this server, collect this host."),
    ROW("storage.tsdb.path", OPTION_STR, storage_path, "data", "Folder of all data."),
    ROW("storage.tsdb.retention.time", OPTION_DURATION, retention_ms, "15d",
        "How long to keep data."),
    ROW("storage.tsdb.retention.size", OPTION_BYTES, retention_bytes, "0",
        "How many bytes of blocks to keep; 0 = no limit."),
    CHOICE(
        "storage.tsdb.wal-sync", wal_sync, "always", wal_syncs,
        "When a push is answered: once it is on disk (always), or with a sync each second (1s)."),
    BOUNDED("storage.tsdb.series-limit", OPTION_U64, series_max, "0",
            "Most series with a sample in the last 10 minutes; beyond it new ones, and those that "
            "were silent for so long, are refused and counted. 0 = 10 million. An eighth is kept "
            "for what rules write.",
            .high = UINT32_MAX),
    BOUNDED("storage.tsdb.series-limit-per-tenant", OPTION_U64, series_max_tenant, "0",
            "The same of one tenant, without those that rules write. 0 = no limit.",
            .high = UINT32_MAX),
    BOUNDED("storage.tsdb.series-limit-per-job", OPTION_U64, series_max_job, "0",
            "The same of one job: new ones beyond it are refused and counted. 0 = no limit.",
            .high = UINT32_MAX),
    BOUNDED("storage.tsdb.series-limit-per-metric", OPTION_U64, series_max_metric, "0",
            "The same of one metric name. 0 = no limit.", .high = UINT32_MAX),
    BOUNDED("storage.tsdb.unclean-starts", OPTION_U64, unclean_starts, "2",
            "After so many starts within 10 minutes that no clean stop followed, new series of "
            "scrapes and pushes are refused for 10 minutes. 0 = never.",
            .high = 8),
    BOUNDED("memory.limit", OPTION_BYTES, memory_limit, "0",
            "Memory budget, at least 64MB; 0 = 60 % of the machine or cgroup.",
            .low = MEMORY_LIMIT_MIN, .or_zero = true),
    ROW("web.listen-address", OPTION_STR, listen_address, "127.0.0.1:9090",
        "Address and port of the API and the pages."),
    ROW("web.external-url", OPTION_STR, external_url, "",
        "URL under which others reach this server; links in pages and alerts begin with it."),
    ROW("web.route-prefix", OPTION_STR, route_prefix, "",
        "Prefix of all paths. Default: the path of the external URL."),
    ROW("web.enable-lifecycle", OPTION_BOOL, enable_lifecycle, "false",
        "Allow /-/reload and /-/quit."),
    ROW("web.enable-admin-api", OPTION_BOOL, enable_admin, "false",
        "Allow /api/v1/admin/tsdb/…: delete series, take that back, clean, snapshot."),
    ROW("web.enable-remote-write-receiver", OPTION_BOOL, enable_remote_write, "false",
        "Take remote write at /api/v1/write."),
    ROW("web.cors.origin", OPTION_STR, cors_origin, ".*",
        "Regular expression of the origins that may call the API; anchored."),
    BOUNDED("web.max-connections", OPTION_U64, connections_max, "512",
            "Most connections at once; 1 to 100000.", .low = 1, .high = 100000),
    ROW("alertmanager.config", OPTION_STR, alertmanager_config, "",
        "alertmanager.yml of the built-in notifier. Without it alerts show on the pages only."),
    BOUNDED("rules.alert.resend-delay", OPTION_DURATION, resend_delay_ms, "1m",
            "How often a firing alert is sent again.", .low = 1),
    ROW("rules.alert.for-outage-tolerance", OPTION_DURATION, outage_tolerance_ms, "1h",
        "How old the state of an alert may be to be restored at the start."),
    ROW("rules.alert.for-grace-period", OPTION_DURATION, grace_period_ms, "10m",
        "Alerts with a shorter `for` are not restored."),
    BOUNDED("query.lookback-delta", OPTION_DURATION, lookback_ms, "5m",
            "How far back a sample still counts.", .low = 1),
    BOUNDED("query.timeout", OPTION_DURATION, query_timeout_ms, "2m", "Longest run of a query.",
            .low = 1),
    BOUNDED("query.max-concurrency", OPTION_U64, query_concurrency, "4",
            "Queries that run at once, 1 to 64; the others wait their turn.", .low = 1, .high = 64),
    BOUNDED("query.max-queued", OPTION_U64, query_queue_max, "64",
            "Queries that wait for their turn, at most 4096; more are refused.", .low = 1,
            .high = 4096),
    BOUNDED("query.max-concurrency-per-tenant", OPTION_U64, query_tenant_concurrency, "0",
            "Queries of one tenant that run at once, of each class its share. 0 = no limit of its "
            "own.",
            .high = 64),
    BOUNDED("query.max-queued-per-tenant", OPTION_U64, query_tenant_queue_max, "0",
            "The same of those that wait; more are refused with 429. 0 = no limit of its own.",
            .high = 4096),
    BOUNDED("query.max-queue-time", OPTION_DURATION, query_wait_ms, "10s",
            "How long a query waits for its turn before it is refused; 1s to 1h.", .low = 1000,
            .high = 3600000),
    BOUNDED("query.max-samples", OPTION_U64, query_samples_max, "50000000",
            "Most samples that one query may hold; at least 1.", .low = 1),
    BOUNDED("query.workers", OPTION_U64, query_workers, "0",
            "Threads that work on a query of much data, its own among them, at most 8. 0 = as many "
            "as there are processors. Rules work alone.",
            .high = 8),
    ROW("query.slow-log-threshold", OPTION_DURATION, query_slow_ms, "10s",
        "A query that runs so long is logged with what it read; 0s = none is."),
    CHOICE("collect.host", collect_host, "auto", collects,
           "Collect this host natively; auto = when there is no config.file."),
    ROW("path.procfs", OPTION_STR, collect_procfs, "/proc", "Where /proc is mounted."),
    ROW("path.sysfs", OPTION_STR, collect_sysfs, "/sys", "Where /sys is mounted."),
    CHOICE("log.level", log_level, "info", levels, "Least severity that is logged."),
    CHOICE("log.format", log_format, "logfmt", formats, "Form of log lines."),
    ROW("enable-feature", OPTION_STR, enable_feature, "",
        "Upstream's feature names, comma separated. Most are on already; "
        "promql-delayed-name-removal "
        "and type-and-unit-labels are not. Others are warned about."),
    ROW("disable-feature", OPTION_STR, disable_feature, "",
        "What queries may not use, comma separated: promql-experimental-functions, "
        "promql-duration-expr, promql-extended-range-selectors, promql-binop-fill-modifiers."),
    UNBUILT("agent"),
    UNBUILT("auto-gomemlimit"),
    UNBUILT("auto-gomaxprocs"),
    UNBUILT("alertmanager.drain-notification-queue-on-shutdown"),
    UNBUILT("alertmanager.notification-batch-size"),
    UNBUILT("alertmanager.notification-queue-capacity"),
    UNBUILT("config.auto-reload-interval"),
    UNBUILT("rules.max-concurrent-evals"),
    UNBUILT("scrape.adjust-timestamps"),
    UNBUILT("scrape.discovery-reload-interval"),
    UNBUILT("scrape.name-escaping-scheme"),
    UNBUILT("scrape.timestamp-tolerance"),
    UNBUILT("storage.agent.path"),
    UNBUILT("storage.remote.flush-deadline"),
    UNBUILT("storage.remote.read-concurrent-limit"),
    UNBUILT("storage.remote.read-max-bytes-in-frame"),
    UNBUILT("storage.remote.read-sample-limit"),
    UNBUILT("storage.tsdb.allow-overlapping-blocks"),
    UNBUILT("storage.tsdb.delay-compact-file.path"),
    UNBUILT("storage.tsdb.head-chunks-write-queue-size"),
    UNBUILT("storage.tsdb.max-block-chunk-segment-size"),
    UNBUILT("storage.tsdb.max-block-duration"),
    UNBUILT("storage.tsdb.min-block-duration"),
    UNBUILT("storage.tsdb.no-lockfile"),
    UNBUILT("storage.tsdb.retention"),
    UNBUILT("storage.tsdb.retention.percentage"),
    UNBUILT("storage.tsdb.samples-per-chunk"),
    UNBUILT("storage.tsdb.wal-compression"),
    UNBUILT("storage.tsdb.wal-compression-type"),
    UNBUILT("storage.tsdb.wal-segment-size"),
    UNBUILT("web.config.file"),
    UNBUILT("web.console.libraries"),
    UNBUILT("web.console.templates"),
    UNBUILT("web.enable-otlp-receiver"),
    UNBUILT("web.max-notifications-subscribers"),
    UNBUILT("web.page-title"),
    UNBUILT("web.read-timeout"),
    UNBUILT("web.remote-write-receiver.accepted-protobuf-messages"),
    UNBUILT("web.user-assets"),
};
const u32 options_count = ARRAY_LEN(options_table);
static_assert(ARRAY_LEN(options_table) <= OPTION_COUNT_MAX, "sources has a slot for each option");

static void *member(struct options *o, const struct option *row)
{
    return (char *)o + row->offset;
}

static bool enum_set(const struct option *row, str text, int *out, struct error *e)
{
    struct buf known;
    buf_init(&known, 512);
    for (int i = 0; row->names[i]; i++) {
        if (str_eq_nocase(text, str_c(row->names[i]))) {
            *out = i;
            buf_fini(&known);
            return true;
        }
        buf_printf(&known, "%s%s", i ? ", " : "", row->names[i]);
    }
    (void)err_set(e, ERR_INVALID, "--%s: \"%.*s\" is none of %.*s", row->name, STR_ARG(text),
                  STR_ARG(buf_get(&known)));
    buf_fini(&known);
    return false;
}

// 512MB, 1GiB, 1024: powers of 1024 in both spellings, as upstream.
static bool bytes_parse(str text, u64 *out)
{
    static const char letters[] = "KMGTPE";
    size_t digits = 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9') {
        digits++;
    }
    u64 v;
    if (!parse_u64(str_sub(text, 0, digits), &v)) {
        return false;
    }
    str unit = str_sub(text, digits, text.len);
    u32 shift = 0;
    if (unit.len > 0 && unit.ptr[0] != 'B' && unit.ptr[0] != '\0') {
        const char *at = strchr(letters, unit.ptr[0] & ~0x20);
        if (!at) {
            return false;
        }
        shift = 10 * (u32)(at - letters + 1);
        unit = str_sub(unit, 1, unit.len);
    }
    if (!(unit.len == 0 || str_eq(unit, STR("B")) || (shift && str_eq(unit, STR("iB")))) ||
        (v << shift) >> shift != v) {
        return false;
    }
    *out = v << shift;
    return true;
}

static void bound_print(struct buf *out, const struct option *row, u64 v)
{
    if (row->type == OPTION_DURATION) {
        duration_print(out, (i64)v);
    } else if (row->type == OPTION_BYTES) {
        buf_printf(out, "%lluMB", (unsigned long long)(v >> 20));
    } else {
        buf_printf(out, "%llu", (unsigned long long)v);
    }
}

static bool bounds_check(const struct option *row, str text, u64 v, struct error *e)
{
    if ((v == 0 && row->or_zero) || (v >= row->low && (row->high == 0 || v <= row->high))) {
        return true;
    }
    struct buf b;
    buf_init(&b, 256);
    buf_printf(&b, "%s ", v < row->low ? "less than the least," : "more than the most,");
    bound_print(&b, row, v < row->low ? row->low : row->high);
    if (row->or_zero) {
        buf_c(&b, " (0 = the default)");
    }
    (void)err_set(e, ERR_INVALID, "--%s: \"%.*s\" is %.*s", row->name, STR_ARG(text),
                  STR_ARG(buf_get(&b)));
    buf_fini(&b);
    return false;
}

// NOLINTNEXTLINE(readability-function-size): one case a type.
static bool value_set(struct options *o, const struct option *row, str text, struct arena *a,
                      struct error *e)
{
    switch (row->type) {
    case OPTION_STR:
        *(str *)member(o, row) = arena_str(a, text);
        return true;
    case OPTION_BOOL:
        if (!str_eq(text, STR("true")) && !str_eq(text, STR("false"))) {
            return err_set(e, ERR_INVALID, "--%s: \"%.*s\" is not true or false", row->name,
                           STR_ARG(text));
        }
        *(bool *)member(o, row) = text.ptr[0] == 't';
        return true;
    case OPTION_U64:
        if (!parse_u64(text, member(o, row))) {
            return err_set(e, ERR_INVALID, "--%s: \"%.*s\" is not a whole number", row->name,
                           STR_ARG(text));
        }
        return bounds_check(row, text, *(u64 *)member(o, row), e);
    case OPTION_DURATION: {
        struct error why = {0};
        if (!duration_parse(text, member(o, row), &why)) {
            return err_set(e, ERR_INVALID, "--%s: %s (write 30s, 5m, 15d …)", row->name, why.text);
        }
        return bounds_check(row, text, (u64) * (i64 *)member(o, row), e);
    }
    case OPTION_BYTES:
        if (!bytes_parse(text, member(o, row))) {
            return err_set(e, ERR_INVALID, "--%s: \"%.*s\" is not a size (write 512MB, 2GB …)",
                           row->name, STR_ARG(text));
        }
        return bounds_check(row, text, *(u64 *)member(o, row), e);
    case OPTION_ENUM:
        return enum_set(row, text, member(o, row), e);
    case OPTION_UNBUILT:
        return err_set(e, ERR_UNSUPPORTED,
                       "--%s is known to Prometheus but not built in this release: leave it out",
                       row->name);
    }
    return false;
}

void option_env_name(const struct option *o, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "TIDEMARK_%s", o->name);
    for (size_t i = 0; i < n && i + 1 < size; i++) {
        const char c = out[i];
        out[i] = c == '.' || c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
    }
}

static const struct option *option_find(str name)
{
    for (u32 i = 0; i < options_count; i++) {
        if (str_eq_c(name, options_table[i].name)) {
            return &options_table[i];
        }
    }
    return NULL;
}

static bool unknown(str name, struct error *e)
{
    str names[OPTION_COUNT_MAX];
    u32 n = 0;
    for (u32 i = 0; i < options_count; i++) {
        if (options_table[i].type != OPTION_UNBUILT) {
            names[n++] = str_c(options_table[i].name);
        }
    }
    const str near = str_nearest(name, names, n);
    if (near.len > 0) {
        return err_set(e, ERR_INVALID, "unknown flag --%.*s: did you mean --%.*s?", STR_ARG(name),
                       STR_ARG(near));
    }
    return err_set(e, ERR_INVALID, "unknown flag --%.*s: tidemark server --help lists all",
                   STR_ARG(name));
}

// One flag at argv[*at], which moves over a value that stands apart.
static bool flag_read(int argc, char **argv, int *at, struct arena *a, struct options *out,
                      struct error *e)
{
    str text = str_c(argv[*at]);
    if (text.len < 2 || text.ptr[0] != '-') {
        return err_set(e, ERR_INVALID, "unexpected argument \"%s\": flags begin with --",
                       argv[*at]);
    }
    text = str_sub(text, text.ptr[1] == '-' ? 2 : 1, text.len);
    const size_t equals = str_find(text, '=');
    str name = str_sub(text, 0, equals == STR_NONE ? text.len : equals);
    const struct option *row = option_find(name);
    bool negated = false;
    if (!row && str_starts(name, STR("no-"))) {
        row = option_find(str_sub(name, 3, name.len));
        negated = row && row->type == OPTION_BOOL;
        row = negated ? row : NULL;
    }
    if (!row) {
        return unknown(name, e);
    }
    str value = equals == STR_NONE ? STR_EMPTY : str_sub(text, equals + 1, text.len);
    if (row->type == OPTION_BOOL && equals == STR_NONE) {
        value = negated ? STR("false") : STR("true");
    } else if (equals == STR_NONE && row->type != OPTION_UNBUILT) {
        if (*at + 1 >= argc) {
            return err_set(e, ERR_INVALID, "--%s wants a value", row->name);
        }
        value = str_c(argv[++*at]);
    }
    out->sources[row - options_table] = OPTION_FROM_FLAG;
    return value_set(out, row, value, a, e);
}

bool options_parse(int argc, char **argv, const char *(*env)(const char *name), struct arena *a,
                   struct options *out, struct error *e)
{
    *out = (struct options){0};
    for (u32 i = 0; i < options_count; i++) {
        const struct option *row = &options_table[i];
        char name[128];
        option_env_name(row, name, sizeof(name));
        const char *value = env ? env(name) : NULL;
        if (value) {
            out->sources[i] = OPTION_FROM_ENVIRONMENT;
            if (!value_set(out, row, str_c(value), a, e)) {
                return err_in(e, "environment variable %s", name);
            }
        } else if (row->type != OPTION_UNBUILT) {
            CHECK(value_set(out, row, str_c(row->fallback), a, NULL));
        }
    }
    for (int at = 0; at < argc; at++) {
        if (!flag_read(argc, argv, &at, a, out, e)) {
            return false;
        }
    }
    return true;
}

// What stands behind --name: =TEXT, =a|b, or nothing for a switch.
static void value_hint(struct buf *out, const struct option *row)
{
    if (row->type == OPTION_ENUM) {
        for (int k = 0; row->names[k]; k++) {
            buf_printf(out, "%s%s", k ? "|" : "=", row->names[k]);
        }
    } else if (row->type != OPTION_BOOL) {
        buf_c(out, row->type == OPTION_DURATION ? "=DURATION"
                   : row->type == OPTION_BYTES  ? "=BYTES"
                   : row->type == OPTION_U64    ? "=N"
                                                : "=TEXT");
    }
}

void options_help(struct buf *out)
{
    buf_c(out, "usage: tidemark server [flags]\n\n"
               "Collects, stores, queries and alerts on metrics; serves the API and the pages.\n"
               "Each flag may also come from the environment: --storage.tsdb.path from\n"
               "TIDEMARK_STORAGE_TSDB_PATH; a flag wins.\n\n");
    for (u32 i = 0; i < options_count; i++) {
        const struct option *row = &options_table[i];
        if (row->type == OPTION_UNBUILT) {
            continue;
        }
        buf_printf(out, "  --%s", row->name);
        value_hint(out, row);
        buf_printf(out, "\n        %s", row->help);
        if (row->fallback[0]) {
            buf_printf(out, " Default: %s.", row->fallback);
        }
        buf_byte(out, '\n');
    }
}

static str number_text(u64 v, struct arena *a)
{
    return arena_printf(a, "%llu", (unsigned long long)v);
}

str options_value(const struct options *o, u32 i, struct arena *a)
{
    const struct option *row = &options_table[i];
    const char *at = (const char *)o + row->offset;
    struct buf b;
    switch (row->type) {
    case OPTION_STR:
        return *(const str *)(const void *)at;
    case OPTION_BOOL:
        return *(const bool *)(const void *)at ? STR("true") : STR("false");
    case OPTION_U64:
    case OPTION_BYTES:
        return number_text(*(const u64 *)(const void *)at, a);
    case OPTION_DURATION: {
        buf_init(&b, 64);
        duration_print(&b, *(const i64 *)(const void *)at);
        const str text = arena_str(a, buf_get(&b));
        buf_fini(&b);
        return text;
    }
    case OPTION_ENUM:
        return str_c(row->names[*(const int *)(const void *)at]);
    case OPTION_UNBUILT:
        break;
    }
    return STR_EMPTY;
}
