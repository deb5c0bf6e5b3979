// eval_fixture.c: see eval_fixture.h.
#include "promql/eval_fixture.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/num.h"
#include "base/str.h"
#include "base/test.h"
#include "model/hist_bucket.h"
#include "os/clk.h"
#include "storage/memstore.h"

#include <stdlib.h>

#define FIXTURE_VALUES_MAX 4096

void fixture_up(struct fixture *f, struct promql_engine_opts opts)
{
    memset(f, 0, sizeof(*f));
    f->clk = clk_manual_new(0);
    f->store = memstore_new((struct memstore_opts){.ooo_window_ms = INT64_MAX});
    opts.clk = f->clk;
    f->engine = promql_engine_new(opts);
    f->arena = arena_new((size_t)1 << 30);
}

void fixture_down(struct fixture *f)
{
    promql_engine_free(f->engine);
    memstore_free(f->store);
    clk_manual_free(f->clk);
    arena_free(f->arena);
}

static struct labels labels_of(struct fixture *f, const char *selector)
{
    const struct matcher *ms;
    u32 count;
    ASSERT_OK(promql_selector(f->arena, str_c(selector), true, &ms, &count, &f->error), f->error);
    struct label *pairs = ARENA_NEW_N(f->arena, struct label, count);
    for (u32 i = 0; i < count; i++) {
        pairs[i] = (struct label){ms[i].name, ms[i].value};
    }
    return labels_from(f->arena, pairs, count);
}

static void append(struct fixture *f, const char *selector, struct append_batch *b)
{
    struct labels ls = labels_of(f, selector);
    struct series_ref *refs = ARENA_NEW_N(f->arena, struct series_ref, b->n);
    struct series_ref ref;
    u8 outcome;
    struct storage_appender *a =
        storage_appender_open(f->store, TENANT_DEFAULT, STREAM_PUSH, &f->error);
    a->ops->resolve(a, &ls, 1, &ref, &outcome);
    assert_int_equal(outcome, APPEND_STORED);
    for (u32 i = 0; i < b->n; i++) {
        refs[i] = ref;
    }
    b->refs = refs;
    b->outcomes = ARENA_NEW_N(f->arena, u8, b->n);
    ASSERT_OK(a->ops->append(a, b, &f->error), f->error);
    ASSERT_OK(a->ops->commit(a, DURABILITY_PERIODIC, NULL, &f->error), f->error);
    for (u32 i = 0; i < b->n; i++) {
        assert_true(append_is_stored((enum append_outcome)b->outcomes[i]));
    }
    storage_appender_close(a);
}

void fixture_load_starts(struct fixture *f, const char *selector, i64 step_ms, const char *values,
                         const i64 *start_ms)
{
    i64 *t_ms = ARENA_NEW_N(f->arena, i64, FIXTURE_VALUES_MAX);
    f64 *vs = ARENA_NEW_N(f->arena, f64, FIXTURE_VALUES_MAX);
    str rest = str_c(values);
    str word;
    i64 at = 0;
    u32 n = 0;
    while (str_split_next(&rest, ' ', &word)) {
        assert_true(n < FIXTURE_VALUES_MAX);
        if (!str_eq_c(word, "_")) {
            t_ms[n] = at * step_ms;
            if (str_eq_c(word, "stale")) {
                vs[n] = stale_nan();
            } else {
                assert_true(num_parse(word, &vs[n]));
            }
            n++;
        }
        at++;
    }
    struct append_batch b = {.t_ms = t_ms, .start_t_ms = start_ms, .values = vs, .n = n};
    append(f, selector, &b);
}

void fixture_load(struct fixture *f, const char *selector, i64 step_ms, const char *values)
{
    fixture_load_starts(f, selector, step_ms, values, NULL);
}

void fixture_load_hist(struct fixture *f, const char *selector, i64 t_ms, const struct hist *h)
{
    u8 kind = SAMPLE_HIST;
    f64 none = 0;
    struct append_batch b = {.t_ms = &t_ms, .values = &none, .kinds = &kind, .hists = &h, .n = 1};
    append(f, selector, &b);
}

static bool ask(struct fixture *f, const char *text, bool is_range, struct promql_request *r)
{
    struct promql_query *q = promql_query_new(f->engine, str_c(text), NULL, &f->error);
    if (!q) {
        return false;
    }
    r->storage = f->store;
    r->query = q;
    memset(&f->result, 0, sizeof(f->result));
    bool ok = is_range ? promql_range(f->engine, r, f->arena, &f->result, &f->error)
                       : promql_instant(f->engine, r, f->arena, &f->result, &f->error);
    promql_query_free(q);
    return ok;
}

bool fixture_instant(struct fixture *f, const char *text, i64 t_ms)
{
    struct promql_request r = {.start_ms = t_ms};
    return ask(f, text, false, &r);
}

bool fixture_range(struct fixture *f, const char *text, i64 start_ms, i64 end_ms, i64 step_ms)
{
    struct promql_request r = {.start_ms = start_ms, .end_ms = end_ms, .step_ms = step_ms};
    return ask(f, text, true, &r);
}

bool fixture_counted(struct fixture *f, const char *text, i64 start_ms, i64 end_ms, i64 step_ms)
{
    struct promql_request r = {
        .start_ms = start_ms, .end_ms = end_ms, .step_ms = step_ms, .wants_stats = true};
    return ask(f, text, step_ms != 0, &r);
}

enum err fixture_budgeted(struct fixture *f, const char *text, struct query_budget *budget)
{
    struct promql_request r = {.end_ms = 90000, .step_ms = 1000, .budget = budget};
    return ask(f, text, true, &r) ? ERR_NONE : f->error.code;
}

static void print_points(struct buf *b, const struct promql_result *res,
                         const struct promql_series *s)
{
    for (u32 k = 0; k < s->count; k++) {
        char text[NUM_TEXT_MAX];
        buf_byte(b, ' ');
        if (s->points[k].hist) {
            hist_print(b, s->points[k].hist);
        } else {
            buf_str(b, str_make(text, num_json(text, s->points[k].value)));
        }
        if (res->type == PROMQL_MATRIX) {
            buf_printf(b, "@%lld", (long long)s->points[k].t_ms);
        }
    }
}

str fixture_text(struct fixture *f)
{
    const struct promql_result *res = &f->result;
    struct buf b;
    buf_init(&b, 1 << 20);
    if (res->type == PROMQL_STRING) {
        buf_str(&b, res->string);
    }
    for (u32 i = 0; i < res->series_count; i++) {
        buf_c(&b, i > 0 ? "; " : "");
        labels_print(&b, res->series[i].labels);
        print_points(&b, res, &res->series[i]);
    }
    for (u32 i = 0; i < res->warning_count; i++) {
        buf_c(&b, " | ");
        buf_str(&b, res->warnings[i]);
    }
    for (u32 i = 0; i < res->info_count; i++) {
        buf_c(&b, " | ");
        buf_str(&b, res->infos[i]);
    }
    str text = arena_str(f->arena, buf_get(&b));
    buf_fini(&b);
    return text;
}

static void compare(struct fixture *f, bool ok, const char *want)
{
    str got = ok ? fixture_text(f) : arena_printf(f->arena, "error: %s", f->error.text);
    ASSERT_STR_EQ(got, str_c(want));
}

void expect_instant(struct fixture *f, const char *text, i64 t_ms, const char *want)
{
    compare(f, fixture_instant(f, text, t_ms), want);
}

void expect_range(struct fixture *f, const char *text, i64 start_ms, i64 end_ms, i64 step_ms,
                  const char *want)
{
    compare(f, fixture_range(f, text, start_ms, end_ms, step_ms), want);
}
