// promql_eval_fuzz.c: any text, evaluated over a small fixed store within small limits: an answer
// or an error, nothing else.
#include "base/arena.h"
#include "base/str.h"
#include "promql/eval_fuzz_store.h"
#include "promql/promql.h"

static struct promql_engine *engine;

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (!engine) {
        engine = promql_engine_new(
            (struct promql_engine_opts){.samples_max = 100000, .bytes_max = (u64)8 << 20});
    }
    struct error e;
    struct promql_query *q = promql_query_new(engine, str_make((const char *)data, size), NULL, &e);
    if (!q) {
        return 0;
    }
    struct arena *arena = arena_new((size_t)64 << 20);
    struct promql_result result;
    struct promql_request r = {.storage = eval_fuzz_store(),
                               .query = q,
                               .start_ms = 300000,
                               .end_ms = 600000,
                               .step_ms = 60000};
    (void)!promql_instant(engine, &r, arena, &result, &e);
    (void)!promql_range(engine, &r, arena, &result, &e);
    arena_free(arena);
    promql_query_free(q);
    return 0;
}
