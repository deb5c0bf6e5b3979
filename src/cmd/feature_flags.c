// feature_flags.c: see feature_flags.h.
#include "cmd/feature_flags.h"

#include "base/str.h"

// Upstream's names, today's and retired ones.
static const struct feature table[] = {
    {"agent", FEATURE_UNBUILT},
    {"auto-gomaxprocs", FEATURE_ALWAYS},
    {"auto-gomemlimit", FEATURE_ALWAYS},
    {"auto-reload-config", FEATURE_UNBUILT},
    {"concurrent-rule-eval", FEATURE_ALWAYS},
    {"created-timestamp-zero-ingestion", FEATURE_UNBUILT},
    {"delayed-compaction", FEATURE_UNBUILT},
    {"exemplar-storage", FEATURE_ALWAYS},
    {"expand-external-labels", FEATURE_ALWAYS},
    {"extra-scrape-metrics", FEATURE_UNBUILT},
    {"histograms-st-encoding", FEATURE_UNBUILT},
    {"memory-snapshot-on-shutdown", FEATURE_ALWAYS},
    {"metadata-wal-records", FEATURE_ALWAYS},
    {"native-histograms", FEATURE_UNBUILT},
    {"new-service-discovery-manager", FEATURE_ALWAYS},
    {"no-default-scrape-port", FEATURE_ALWAYS},
    {"old-ui", FEATURE_UNBUILT},
    {"otlp-deltatocumulative", FEATURE_UNBUILT},
    {"otlp-native-delta-ingestion", FEATURE_UNBUILT},
    {"otlp-write-receiver", FEATURE_UNBUILT},
    {"promql-at-modifier", FEATURE_ALWAYS},
    {"promql-binop-fill-modifiers", FEATURE_ON},
    {"promql-delayed-name-removal", FEATURE_OFF},
    {"promql-duration-expr", FEATURE_ON},
    {"promql-experimental-functions", FEATURE_ON},
    {"promql-extended-range-selectors", FEATURE_ON},
    {"promql-negative-offset", FEATURE_ALWAYS},
    {"promql-per-step-stats", FEATURE_ALWAYS},
    {"remote-write-receiver", FEATURE_UNBUILT},
    {"search-api", FEATURE_UNBUILT},
    {"st-storage", FEATURE_UNBUILT},
    {"st-synthesis", FEATURE_UNBUILT},
    {"type-and-unit-labels", FEATURE_OFF},
    {"use-start-timestamps", FEATURE_UNBUILT},
    {"use-uncached-io", FEATURE_UNBUILT},
    {"utf8-names", FEATURE_ALWAYS},
    {"xor2-encoding", FEATURE_UNBUILT},
};

u32 features_count(void)
{
    return ARRAY_LEN(table);
}

const struct feature *feature_get(u32 index)
{
    CHECK(index < ARRAY_LEN(table));
    return &table[index];
}

const struct feature *feature_find(str name)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (str_eq_c(name, table[i].name)) {
            return &table[i];
        }
    }
    return NULL;
}

bool feature_list_next(str *list, str *name)
{
    while (str_split_next(list, ',', name)) {
        *name = str_trim(*name);
        if (name->len > 0) {
            return true;
        }
    }
    return false;
}

static bool list_has(str list, const char *name)
{
    str item;
    while (feature_list_next(&list, &item)) {
        if (str_eq_c(item, name)) {
            return true;
        }
    }
    return false;
}

bool feature_is_on(const char *name, str enabled, str disabled)
{
    const struct feature *f = feature_find(str_c(name));
    CHECK(f != NULL && (f->state == FEATURE_ON || f->state == FEATURE_OFF));
    return (f->state == FEATURE_ON || list_has(enabled, name)) && !list_has(disabled, name);
}
