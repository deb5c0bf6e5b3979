// options_doubts.c: what the user wrote and what nothing reads: variables of the environment,
// features. Upstream warns of such features and goes on; so do we.
#include "base/arena.h"
#include "base/str.h"
#include "cmd/options.h"

enum { DOUBTS_MAX = 100, VALUE_SHOWN_MAX = 80 };

// Upstream's feature names, today's and retired ones. on: what it switches on is always on here.
static const struct {
    const char *name;
    bool on;
} features[] = {
    {"agent", false},
    {"auto-gomaxprocs", true},
    {"auto-gomemlimit", true},
    {"auto-reload-config", false},
    {"concurrent-rule-eval", true},
    {"created-timestamp-zero-ingestion", false},
    {"delayed-compaction", false},
    {"exemplar-storage", false},
    {"expand-external-labels", true},
    {"extra-scrape-metrics", false},
    {"histograms-st-encoding", false},
    {"memory-snapshot-on-shutdown", false},
    {"metadata-wal-records", false},
    {"native-histograms", false},
    {"new-service-discovery-manager", true},
    {"no-default-scrape-port", true},
    {"old-ui", false},
    {"otlp-deltatocumulative", false},
    {"otlp-native-delta-ingestion", false},
    {"otlp-write-receiver", false},
    {"promql-at-modifier", true},
    {"promql-binop-fill-modifiers", true},
    {"promql-delayed-name-removal", false},
    {"promql-duration-expr", true},
    {"promql-experimental-functions", true},
    {"promql-extended-range-selectors", true},
    {"promql-negative-offset", true},
    {"promql-per-step-stats", true},
    {"remote-write-receiver", false},
    {"search-api", false},
    {"st-storage", false},
    {"st-synthesis", false},
    {"type-and-unit-labels", false},
    {"use-start-timestamps", false},
    {"use-uncached-io", false},
    {"utf8-names", true},
    {"xor2-encoding", false},
};

// Threads: owned.
struct doubts {
    struct arena *arena;
    str *texts;
    u32 count;
};

static void doubt_add(struct doubts *d, str text)
{
    if (d->count < DOUBTS_MAX) {
        d->texts[d->count++] = text;
    }
}

static void feature_look(struct doubts *d, str name)
{
    str names[ARRAY_LEN(features)];
    for (size_t i = 0; i < ARRAY_LEN(features); i++) {
        names[i] = str_c(features[i].name);
        if (!str_eq(name, names[i])) {
            continue;
        }
        if (!features[i].on) {
            doubt_add(d, arena_printf(d->arena,
                                      "--enable-feature=%s is known to Prometheus but switches on "
                                      "nothing in this release",
                                      features[i].name));
        }
        return;
    }
    const str near = str_nearest(name, names, ARRAY_LEN(features));
    doubt_add(d, arena_printf(d->arena, "--enable-feature: unknown feature \"%.*s\"%s%.*s%s",
                              STR_ARG(str_sub(name, 0, VALUE_SHOWN_MAX)),
                              near.len > 0 ? ": did you mean " : "", STR_ARG(near),
                              near.len > 0 ? "?" : ""));
}

static void variable_look(struct doubts *d, str name)
{
    str *names = ARENA_NEW_N(d->arena, str, options_count);
    u32 count = 0;
    for (u32 i = 0; i < options_count; i++) {
        char env[128];
        option_env_name(&options_table[i], env, sizeof(env));
        if (str_eq_c(name, env)) {
            return;
        }
        if (options_table[i].type != OPTION_UNBUILT) {
            names[count++] = arena_str(d->arena, str_c(env));
        }
    }
    const str near = str_nearest(name, names, count);
    doubt_add(d, arena_printf(d->arena, "no flag reads the environment variable %.*s%s%.*s%s",
                              STR_ARG(str_sub(name, 0, VALUE_SHOWN_MAX)),
                              near.len > 0 ? ": did you mean " : "", STR_ARG(near),
                              near.len > 0 ? "?" : ""));
}

u32 options_doubts(const struct options *o, char *const *variables, struct arena *a, str **texts)
{
    struct doubts d = {.arena = a, .texts = ARENA_NEW_N(a, str, DOUBTS_MAX)};
    str rest = o->enable_feature;
    str name;
    while (str_split_next(&rest, ',', &name)) {
        name = str_trim(name);
        if (name.len > 0) {
            feature_look(&d, name);
        }
    }
    for (u32 i = 0; variables && variables[i] && d.count < DOUBTS_MAX; i++) {
        const str text = str_c(variables[i]);
        const str variable = str_sub(text, 0, str_find(text, '='));
        if (str_starts(variable, STR("TIDEMARK_"))) {
            variable_look(&d, variable);
        }
    }
    *texts = d.texts;
    return d.count;
}
