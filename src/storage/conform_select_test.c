// conform_select_test.c: which series a querier gives, how their times are shared, and within what
// budget.
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "os/clk.h"
#include "storage/conform_rig.h"

static void conform_select(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    const char *const instances[] = {"c", "a", "d", "b"};
    for (u32 i = 0; i < ARRAY_LEN(instances); i++) {
        assert_int_equal(rig_put(&r, rig_resolve(&r, "m", instances[i]), T0, i), APPEND_STORED);
    }
    assert_int_equal(rig_put(&r, rig_resolve(&r, "other", "a"), T0, 9), APPEND_STORED);
    struct rig_read *got = rig_read_range(&r, "m", T0, T0);
    assert_int_equal(got->series_count, 4);
    for (u32 i = 1; i < 4; i++) {
        assert_true(labels_cmp(got->labels[i - 1], got->labels[i]) < 0);
    }
    assert_true(got->values[0] == 1 && got->values[3] == 2);

    static const struct {
        enum match_op op;
        const char *value;
        u32 series;
    } cases[] = {
        {MATCH_EQ, "a", 2},    {MATCH_NE, "a", 3},    {MATCH_RE, "a|b", 3},
        {MATCH_RE, "[cd]", 2}, {MATCH_NRE, "a|b", 2}, {MATCH_RE, ".*", 5},
        {MATCH_RE, "x.*", 0},  {MATCH_EQ, "", 0},     {MATCH_NRE, "", 5},
    };
    struct storage_querier *q = rig_querier(&r, T0, T0);
    struct select_hints h = {.start_ms = T0, .end_ms = T0};
    for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
        struct matcher m = rig_matcher(&r, cases[i].op, LABEL_INSTANCE, cases[i].value);
        assert_int_equal(rig_read(&r, q, &m, &h)->series_count, cases[i].series);
    }
    struct matcher absent = rig_matcher(&r, MATCH_EQ, STR("no_such_label"), "");
    assert_int_equal(rig_read(&r, q, &absent, &h)->series_count, 5);
    struct matcher m = rig_matcher(&r, MATCH_EQ, LABEL_NAME, "m");
    struct select_hints labels_only = {
        .start_ms = T0, .end_ms = T0, .no_data = true, .sorted = true, .limit = 3};
    got = rig_read(&r, q, &m, &labels_only);
    assert_int_equal(got->series_count, 3);
    ASSERT_STR_EQ(labels_get(got->labels[2], LABEL_INSTANCE), STR("c"));
    storage_querier_close(q);
    rig_down(&r);
}

static void conform_columns(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref refs[] = {rig_resolve(&r, "m", "a"), rig_resolve(&r, "m", "b")};
    const u32 n = 300;
    for (u32 i = 0; i < n; i++) {
        i64 t_ms[] = {T0 - (i64)(n - i) * 1000, T0 - (i64)(n - i) * 1000};
        f64 values[] = {i, i * 2.0};
        u8 outcomes[2];
        struct append_batch b = {
            .refs = refs, .t_ms = t_ms, .values = values, .n = 2, .outcomes = outcomes};
        rig_stage(&r, &b);
        rig_commit(&r);
    }
    // Equal column ids must mean equal times, wherever they turn up.
    struct storage_querier *q = rig_querier(&r, T0 - 1000000, T0);
    struct matcher m = rig_matcher(&r, MATCH_EQ, LABEL_NAME, "m");
    struct select_hints h = {.start_ms = T0 - 1000000, .end_ms = T0};
    struct series_cursor *c = q->ops->select(q, &m, 1, &h, NULL, &r.error);
    assert_non_null(c);
    u64 ids[64];
    i64 *columns[64];
    u32 lengths[64];
    u32 known = 0;
    while (c->ops->next(c)) {
        struct series_run run;
        while (c->ops->run(c, &run)) {
            for (u32 k = 0; k < known; k++) {
                if (run.column_id != 0 && ids[k] == run.column_id) {
                    assert_int_equal(run.n, lengths[k]);
                    assert_memory_equal(run.t_ms, columns[k], run.n * sizeof(i64));
                }
            }
            if (known < ARRAY_LEN(ids)) {
                ids[known] = run.column_id;
                lengths[known] = run.n;
                columns[known] = ARENA_NEW_N(r.arena, i64, run.n);
                memcpy(columns[known++], run.t_ms, run.n * sizeof(i64));
            }
        }
    }
    struct storage_warnings w = {.count = 0};
    ASSERT_OK(c->ops->close(c, &w, &r.error), r.error);
    storage_querier_close(q);
    rig_down(&r);
}

// Reads everything under a budget; the code of the failure, ERR_NONE if none.
static enum err read_under(struct rig *r, struct query_budget *budget)
{
    struct storage_querier *q = rig_querier(r, T0 - MINUTE_MS, T0 + MINUTE_MS);
    struct matcher m = rig_matcher(r, MATCH_EQ, LABEL_NAME, "m");
    struct select_hints h = {.start_ms = T0 - MINUTE_MS, .end_ms = T0 + MINUTE_MS};
    struct error e = {.code = ERR_NONE};
    struct series_cursor *c = q->ops->select(q, &m, 1, &h, budget, &e);
    if (c) {
        while (c->ops->next(c)) {
            struct series_run run;
            while (c->ops->run(c, &run)) {
                assert_true(run.n > 0);
            }
        }
        struct storage_warnings w = {.count = 0};
        if (c->ops->close(c, &w, &e)) {
            e.code = ERR_NONE;
        }
    }
    storage_querier_close(q);
    return e.code;
}

static void conform_budget(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref a = rig_resolve(&r, "m", "a");
    struct series_ref b = rig_resolve(&r, "m", "b");
    for (i64 i = 0; i < 10; i++) {
        assert_int_equal(rig_put(&r, a, T0 + i, 1), APPEND_STORED);
        assert_int_equal(rig_put(&r, b, T0 + i, 1), APPEND_STORED);
    }
    struct query_budget spent = {.samples_max = 20, .series_max = 2};
    assert_int_equal(read_under(&r, &spent), ERR_NONE);
    assert_int_equal(spent.samples, 20);
    assert_int_equal(spent.series, 2);
    assert_int_equal(read_under(&r, &(struct query_budget){.samples_max = 19}), ERR_LIMIT);
    assert_int_equal(read_under(&r, &(struct query_budget){.series_max = 1}), ERR_LIMIT);
    int stop = 1;
    assert_int_equal(read_under(&r, &(struct query_budget){.cancel = &stop}), ERR_CANCELLED);
    clk_manual_advance(r.clk, 1000);
    struct query_budget late = {.deadline_mono_ns = clk_mono_ns(r.clk) - 1};
    assert_int_equal(read_under(&r, &late), ERR_TIMEOUT);
    rig_down(&r);
}

static void conform_tenants(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    assert_int_equal(rig_put(&r, rig_resolve(&r, "m", "a"), T0, 1), APPEND_STORED);
    struct storage_querier *q =
        storage_querier_open(r.store, (struct tenant_id){7}, T0, T0, &r.error);
    if (q) { // A store of one tenant may refuse the others.
        struct matcher m = rig_matcher(&r, MATCH_EQ, LABEL_NAME, "m");
        struct select_hints h = {.start_ms = T0, .end_ms = T0};
        assert_int_equal(rig_read(&r, q, &m, &h)->count, 0);
    }
    storage_querier_close(q);
    rig_down(&r);
}

static const struct storage_check checks[] = {
    {"select", conform_select},
    {"columns", conform_columns},
    {"budget", conform_budget},
    {"tenants", conform_tenants},
};
const struct storage_check_list conform_select_checks = {checks, ARRAY_LEN(checks)};
