// conform_rig.c: see conform_rig.h.
#include "storage/conform_rig.h"

#include "base/arena.h"
#include "base/str.h"
#include "model/sample.h"
#include "os/clk.h"

void rig_up(struct rig *r, const struct storage_factory *f, i64 ooo_window_ms)
{
    memset(r, 0, sizeof(*r));
    r->factory = f;
    r->clk = clk_manual_new(T0);
    r->store = f->make(f->ctx, r->clk, ooo_window_ms);
    assert_non_null(r->store);
    r->appender = storage_appender_open(r->store, TENANT_DEFAULT, STREAM_SCRAPE, &r->error);
    assert_non_null(r->appender);
    r->arena = arena_new((size_t)64 << 20);
}

void rig_down(struct rig *r)
{
    storage_appender_close(r->appender);
    r->factory->dispose(r->factory->ctx, r->store);
    clk_manual_free(r->clk);
    arena_free(r->arena);
}

struct labels rig_labels(struct rig *r, const char *name, const char *instance)
{
    struct label pairs[] = {
        {LABEL_NAME, str_c(name)}, {LABEL_INSTANCE, str_c(instance)}, {LABEL_JOB, STR("j")}};
    return labels_from(r->arena, pairs, ARRAY_LEN(pairs));
}

struct series_ref rig_resolve(struct rig *r, const char *name, const char *instance)
{
    struct labels set = rig_labels(r, name, instance);
    struct series_ref ref;
    u8 outcome = APPEND_INVALID;
    r->appender->ops->resolve(r->appender, &set, 1, &ref, &outcome);
    assert_int_equal(outcome, APPEND_STORED);
    assert_true(ref.ordinal != 0 || ref.generation != 0);
    return ref;
}

void rig_commit(struct rig *r)
{
    u64 position = 0;
    ASSERT_OK(r->appender->ops->commit(r->appender, DURABILITY_SYNC, &position, &r->error),
              r->error);
    ASSERT_OK(storage_wait_durable(r->store, position, &r->error), r->error);
}

void rig_stage(struct rig *r, const struct append_batch *b)
{
    memset(b->outcomes, 0xff, b->n);
    ASSERT_OK(r->appender->ops->append(r->appender, b, &r->error), r->error);
}

enum append_outcome rig_put(struct rig *r, struct series_ref ref, i64 t_ms, f64 v)
{
    u8 outcome;
    struct append_batch b = {
        .refs = &ref, .t_ms = &t_ms, .values = &v, .n = 1, .outcomes = &outcome};
    rig_stage(r, &b);
    rig_commit(r);
    return (enum append_outcome)outcome;
}

struct storage_querier *rig_querier(struct rig *r, i64 min_ms, i64 max_ms)
{
    struct storage_querier *q =
        storage_querier_open(r->store, TENANT_DEFAULT, min_ms, max_ms, &r->error);
    assert_non_null(q);
    return q;
}

struct matcher rig_matcher(struct rig *r, enum match_op op, str name, const char *value)
{
    struct matcher m;
    ASSERT_OK(matcher_init(&m, r->arena, op, name, str_c(value), &r->error), r->error);
    return m;
}

static void read_run(struct rig *r, struct rig_read *out, const struct series_run *run)
{
    assert_true(run->n > 0);
    assert_true(out->count + run->n <= READ_MAX);
    for (u32 i = 0; run->rises && i < run->n; i++) {
        assert_true(run->values[i] >= run->values[i == 0 ? 0 : i - 1]); // No NaN is.
    }
    for (u32 i = 0; i < run->n; i++) {
        u32 at = out->count++;
        out->t_ms[at] = run->t_ms[i];
        out->start_t_ms[at] = run->start_t_ms ? run->start_t_ms[i] : -1;
        bool is_float = run->kind == SAMPLE_FLOAT;
        out->values[at] = is_float ? run->values[i] : 0;
        out->hists[at] = is_float ? NULL : hist_copy(r->arena, run->hists[i]);
        if (at > out->starts[out->series_count]) {
            assert_true(out->t_ms[at] > out->t_ms[at - 1]);
        }
    }
}

struct rig_read *rig_read(struct rig *r, struct storage_querier *q, const struct matcher *m,
                          const struct select_hints *h)
{
    struct rig_read *out = ARENA_NEW(r->arena, struct rig_read);
    struct series_cursor *c = q->ops->select(q, m, 1, h, NULL, &r->error);
    f64 room[512];
    assert_non_null(c);
    while (c->ops->next(c)) {
        assert_true(out->series_count < ARRAY_LEN(out->labels));
        c->room = room; // Enough of it, too little, none.
        c->room_count = out->series_count % 3 == 0 ? 512 : out->series_count % 3 == 1 ? 2 : 0;
        out->starts[out->series_count] = out->count;
        out->labels[out->series_count] = labels_copy(r->arena, c->ops->labels(c));
        struct series_run run;
        while (c->ops->run(c, &run)) {
            read_run(r, out, &run);
        }
        if (h->no_data) {
            assert_int_equal(out->count, 0);
        }
        if (h->no_data || out->count > out->starts[out->series_count]) {
            out->series_count++;
        }
        out->starts[out->series_count] = out->count;
    }
    struct storage_warnings w = {.count = 0};
    ASSERT_OK(c->ops->close(c, &w, &r->error), r->error);
    assert_false(w.partial);
    return out;
}

struct rig_read *rig_read_range(struct rig *r, const char *name, i64 from_ms, i64 to_ms)
{
    struct storage_querier *q = rig_querier(r, from_ms, to_ms);
    struct matcher m = rig_matcher(r, MATCH_EQ, LABEL_NAME, name);
    struct select_hints h = {.start_ms = from_ms, .end_ms = to_ms, .sorted = true};
    struct rig_read *out = rig_read(r, q, &m, &h);
    storage_querier_close(q);
    return out;
}

static const struct hist_span spans_some[] = {{-1, 2}, {3, 1}};
static const struct hist_span spans_other[] = {{0, 1}};
static const f64 counts_some[] = {1, 2, 4};
static const f64 counts_odd[] = {0.25, 2.5, 1e300};
static const f64 bounds_some[] = {-1.5, 0.1, 7};

const struct hist rig_hists[RIG_HISTS] = {
    {.schema = 1,
     .zero_threshold = 0.001,
     .zero_count = 3,
     .count = 10,
     .sum = 12.5,
     .positive = {spans_some, 2, counts_some, 3}},
    {.schema = 1,
     .reset = HIST_RESET_YES,
     .zero_threshold = 0.001,
     .zero_count = 3,
     .count = 10,
     .sum = 12.5,
     .positive = {spans_some, 2, counts_some, 3}},
    {.schema = 1,
     .zero_threshold = 0.001,
     .zero_count = 3,
     .count = 10,
     .sum = 12.75,
     .positive = {spans_some, 2, counts_some, 3}},
    {.schema = -4,
     .is_float = true,
     .reset = HIST_RESET_GAUGE,
     .zero_threshold = 1e-300,
     .zero_count = 0.5,
     .count = 1e300,
     .sum = -0.0,
     .positive = {spans_other, 1, counts_odd, 1},
     .negative = {spans_some, 2, counts_odd, 3}},
    {.schema = HIST_SCHEMA_CUSTOM,
     .reset = HIST_RESET_NO,
     .count = 7,
     .sum = 3,
     .positive = {(const struct hist_span[]){{0, 3}}, 1, counts_some, 3},
     .custom_bounds = bounds_some,
     .custom_bound_count = 3},
    {.schema = 8},
};

enum append_outcome rig_put_sample(struct rig *r, struct series_ref ref, i64 t_ms, f64 v,
                                   const struct hist *h, const i64 *start_ms)
{
    u8 outcome;
    u8 kind = h ? SAMPLE_HIST : SAMPLE_FLOAT;
    struct append_batch b = {.refs = &ref,
                             .t_ms = &t_ms,
                             .start_t_ms = start_ms,
                             .kinds = &kind,
                             .values = &v,
                             .hists = &h,
                             .n = 1,
                             .outcomes = &outcome};
    rig_stage(r, &b);
    rig_commit(r);
    return (enum append_outcome)outcome;
}
