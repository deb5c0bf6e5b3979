// eval_fuzz_store.c: see eval_fuzz_store.h.
#include "promql/eval_fuzz_store.h"

#include "model/hist.h"
#include "storage/memstore.h"

#include <math.h>
#include <string.h>

static struct storage *store;

static void load(const char *name, const char *instance, u32 seed)
{
    struct label pairs[] = {{STR("__name__"), {name, strlen(name)}},
                            {STR("instance"), {instance, strlen(instance)}},
                            {STR("job"), STR("j")},
                            {STR("le"), seed % 2 ? STR("1") : STR("+Inf")}};
    struct labels ls = {pairs, ARRAY_LEN(pairs)};
    struct storage_appender *a = storage_appender_open(store, TENANT_DEFAULT, STREAM_PUSH, NULL);
    struct series_ref ref;
    u8 outcome;
    a->ops->resolve(a, &ls, 1, &ref, &outcome);
    for (u32 i = 0; i < 60; i++) {
        i64 t_ms = (i64)i * 10000;
        f64 v = (f64)((i * 7 + seed * 13) % 41);
        struct append_batch b = {
            .refs = &ref, .t_ms = &t_ms, .values = &v, .n = 1, .outcomes = &outcome};
        (void)(a->ops->append(a, &b, NULL) && a->ops->commit(a, DURABILITY_PERIODIC, NULL, NULL));
    }
    storage_appender_close(a);
}

// Native histograms that grow and begin again: exponential ones of changing resolution, custom ones
// of changing bounds, gauges; a float now and then.
static void load_hists(const char *instance, bool is_custom)
{
    static const f64 bounds[] = {0.5, 1, 2};
    struct label pairs[] = {{STR("__name__"), STR("h")},
                            {STR("instance"), {instance, strlen(instance)}}};
    struct labels ls = {pairs, ARRAY_LEN(pairs)};
    struct storage_appender *a = storage_appender_open(store, TENANT_DEFAULT, STREAM_PUSH, NULL);
    struct series_ref ref;
    u8 outcome;
    a->ops->resolve(a, &ls, 1, &ref, &outcome);
    for (u32 i = 0; i < 60; i++) {
        i64 t_ms = (i64)i * 10000;
        i64 start_ms = i % 5 == 4 ? t_ms - 3000 : 0;
        f64 n = (f64)(i % 23);
        const f64 buckets[] = {n, 2, n * 2};
        const struct hist_span spans[] = {{(i32)(i / 20), 2}, {0, 1}};
        struct hist h = {.schema = is_custom ? HIST_SCHEMA_CUSTOM : (i32)(i / 10) - 2,
                         .reset = i / 30 ? HIST_RESET_GAUGE : HIST_RESET_UNKNOWN,
                         .is_float = true,
                         .zero_threshold = is_custom || i < 30 ? 0 : 0.001,
                         .zero_count = is_custom ? 0 : n,
                         .count = 4 * n + 2,
                         .sum = i == 50 ? NAN : n,
                         .positive = {spans, 2, buckets, 3},
                         .custom_bounds = is_custom ? bounds + i % 2 : NULL,
                         .custom_bound_count = is_custom ? 2 : 0};
        h.negative = is_custom ? h.negative : h.positive;
        const struct hist *hp = &h;
        u8 kind = i % 29 == 28 ? SAMPLE_FLOAT : SAMPLE_HIST;
        struct append_batch b = {.refs = &ref,
                                 .t_ms = &t_ms,
                                 .start_t_ms = &start_ms,
                                 .kinds = &kind,
                                 .values = &n,
                                 .hists = &hp,
                                 .n = 1,
                                 .outcomes = &outcome};
        (void)(a->ops->append(a, &b, NULL) && a->ops->commit(a, DURABILITY_PERIODIC, NULL, NULL));
    }
    storage_appender_close(a);
}

struct storage *eval_fuzz_store(void)
{
    if (!store) {
        store = memstore_new((struct memstore_opts){.series_max = 0});
        load("a", "1", 1);
        load("a", "2", 2);
        load("b_total", "1", 3);
        load("b_total", "2", 4);
        load_hists("1", false);
        load_hists("2", true);
    }
    return store;
}
