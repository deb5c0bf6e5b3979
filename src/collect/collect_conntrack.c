// collect_conntrack.c: node_nf_conntrack_*: how full the connection table is, and what it dropped.
//
// A host without the module has none of the files; the collector then fails, as node_exporter's.
#include "base/str.h"
#include "collect/collect_run.h"

enum { COLUMNS_MAX = 32 };

static const struct {
    const char *path;
    struct family family;
} gauges[] = {
    {"sys/net/netfilter/nf_conntrack_count",
     {STR("node_nf_conntrack_entries"),
      METRIC_GAUGE,
      STR("Number of currently allocated flow entries for connection tracking."),
      {{0}}}},
    {"sys/net/netfilter/nf_conntrack_max",
     {STR("node_nf_conntrack_entries_limit"),
      METRIC_GAUGE,
      STR("Maximum size of connection tracking table."),
      {{0}}}},
};

// Columns of /proc/net/stat/nf_conntrack, summed over its lines, one a processor.
static const struct {
    str column;
    struct family family;
} sums[] = {
    {STR("found"),
     {STR("node_nf_conntrack_stat_found"),
      METRIC_GAUGE,
      STR("Number of searched entries which were successful."),
      {{0}}}},
    {STR("invalid"),
     {STR("node_nf_conntrack_stat_invalid"),
      METRIC_GAUGE,
      STR("Number of packets seen which can not be tracked."),
      {{0}}}},
    {STR("ignore"),
     {STR("node_nf_conntrack_stat_ignore"),
      METRIC_GAUGE,
      STR("Number of packets seen which are already connected to a conntrack entry."),
      {{0}}}},
    {STR("insert"),
     {STR("node_nf_conntrack_stat_insert"),
      METRIC_GAUGE,
      STR("Number of entries inserted into the list."),
      {{0}}}},
    {STR("insert_failed"),
     {STR("node_nf_conntrack_stat_insert_failed"),
      METRIC_GAUGE,
      STR("Number of entries for which list insertion was attempted but failed."),
      {{0}}}},
    {STR("drop"),
     {STR("node_nf_conntrack_stat_drop"),
      METRIC_GAUGE,
      STR("Number of packets dropped due to conntrack failure."),
      {{0}}}},
    {STR("early_drop"),
     {STR("node_nf_conntrack_stat_early_drop"),
      METRIC_GAUGE,
      STR("Number of dropped conntrack entries to make room for new ones, if maximum table size "
          "was "
          "reached."),
      {{0}}}},
    {STR("search_restart"),
     {STR("node_nf_conntrack_stat_search_restart"),
      METRIC_GAUGE,
      STR("Number of conntrack table lookups which had to be restarted due to hashtable resizes."),
      {{0}}}},
};

static int sum_of(str column)
{
    for (size_t i = 0; i < ARRAY_LEN(sums); i++) {
        if (str_eq(column, sums[i].column)) {
            return (int)i;
        }
    }
    return -1;
}

static bool line_sum(str line, const int which[COLUMNS_MAX], u64 totals[ARRAY_LEN(sums)],
                     struct error *e)
{
    str word;
    for (int i = 0; i < COLUMNS_MAX && word_next(&line, &word); i++) {
        u64 v = 0;
        if (!hex_u64(word, &v)) {
            return err_set(e, ERR_CORRUPT, "nf_conntrack: \"%.*s\" is not a hexadecimal number",
                           (int)MIN(word.len, 40), word.ptr);
        }
        if (which[i] >= 0) {
            totals[which[i]] += v;
        }
    }
    return true;
}

static bool sums_add(struct run *r, struct error *e)
{
    str text;
    str line;
    str word;
    int which[COLUMNS_MAX];
    u64 totals[ARRAY_LEN(sums)] = {0};
    if (!run_read(r, ROOT_PROC, "net/stat/nf_conntrack", &text, e)) {
        return false;
    }
    if (!line_next(&text, &line)) {
        return err_set(e, ERR_CORRUPT, "nf_conntrack: empty");
    }
    for (int i = 0; i < COLUMNS_MAX; i++) {
        which[i] = word_next(&line, &word) ? sum_of(word) : -1;
    }
    while (line_next(&text, &line)) {
        if (!line_sum(line, which, totals, e)) {
            return false;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(sums); i++) {
        if (!run_add(r, &sums[i].family, (f64)totals[i], e)) {
            return false;
        }
    }
    return true;
}

static bool conntrack_collect(struct run *r, UNUSED void *state, struct error *e)
{
    for (size_t i = 0; i < ARRAY_LEN(gauges); i++) {
        struct attr a;
        u64 v = 0;
        if (!run_attr(r, ROOT_PROC, gauges[i].path, &a, e) ||
            !word_u64(&a.value, gauges[i].path, &v, e) ||
            !run_add(r, &gauges[i].family, (f64)v, e)) {
            return false;
        }
    }
    return sums_add(r, e);
}

const struct collector collector_conntrack = {"conntrack", 0, conntrack_collect};
