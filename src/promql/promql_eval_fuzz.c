// promql_eval_fuzz.c: any text, evaluated over a small fixed store within small limits: an answer
// or an error, nothing else.
#include "base/arena.h"
#include "base/str.h"
#include "promql/promql.h"
#include "storage/memstore.h"

static struct storage *store;
static struct promql_engine *engine;

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

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (!store) {
        store = memstore_new((struct memstore_opts){.series_max = 0});
        engine = promql_engine_new(
            (struct promql_engine_opts){.samples_max = 100000, .bytes_max = (u64)8 << 20});
        load("a", "1", 1);
        load("a", "2", 2);
        load("b_total", "1", 3);
        load("b_total", "2", 4);
    }
    struct error e;
    struct promql_query *q = promql_query_new(engine, str_make((const char *)data, size), NULL, &e);
    if (!q) {
        return 0;
    }
    struct arena *arena = arena_new((size_t)64 << 20);
    struct promql_result result;
    struct promql_request r = {
        .storage = store, .query = q, .start_ms = 300000, .end_ms = 600000, .step_ms = 60000};
    (void)!promql_instant(engine, &r, arena, &result, &e);
    (void)!promql_range(engine, &r, arena, &result, &e);
    arena_free(arena);
    promql_query_free(q);
    return 0;
}
