// conform_label_test.c: names and values of labels, metadata, exemplars.
#include "base/str.h"
#include "storage/conform_rig.h"

static void conform_labels(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    assert_int_equal(rig_put(&r, rig_resolve(&r, "m", "b"), T0, 1), APPEND_STORED);
    assert_int_equal(rig_put(&r, rig_resolve(&r, "m", "a"), T0, 1), APPEND_STORED);
    assert_int_equal(rig_put(&r, rig_resolve(&r, "n", "c"), T0, 1), APPEND_STORED);
    struct storage_querier *q = rig_querier(&r, T0 - MINUTE_MS, T0 + MINUTE_MS);
    str *texts = NULL;
    u32 n = 0;
    ASSERT_OK(q->ops->label_names(q, NULL, 0, r.arena, &texts, &n, &r.error), r.error);
    assert_int_equal(n, 3);
    ASSERT_STR_EQ(texts[0], LABEL_NAME);
    ASSERT_STR_EQ(texts[1], LABEL_INSTANCE);
    ASSERT_STR_EQ(texts[2], LABEL_JOB);
    ASSERT_OK(q->ops->label_values(q, LABEL_INSTANCE, NULL, 0, r.arena, &texts, &n, &r.error),
              r.error);
    assert_int_equal(n, 3);
    ASSERT_STR_EQ(texts[0], STR("a"));
    ASSERT_STR_EQ(texts[2], STR("c"));
    struct matcher m = rig_matcher(&r, MATCH_EQ, LABEL_NAME, "m");
    ASSERT_OK(q->ops->label_values(q, LABEL_INSTANCE, &m, 1, r.arena, &texts, &n, &r.error),
              r.error);
    assert_int_equal(n, 2);
    ASSERT_OK(q->ops->label_values(q, STR("nope"), NULL, 0, r.arena, &texts, &n, &r.error),
              r.error);
    assert_int_equal(n, 0);
    u64 series = 0;
    ASSERT_OK(q->ops->series_count(q, &m, 1, &series, &r.error), r.error);
    assert_int_equal(series, 2);
    storage_querier_close(q);
    rig_down(&r);
}

static void conform_metadata(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct metadata first[] = {{STR("m"), METRIC_GAUGE, STR("old"), STR("")},
                               {STR("a"), METRIC_COUNTER, STR("a's help"), STR("bytes")}};
    ASSERT_OK(r.appender->ops->metadata(r.appender, first, 2, &r.error), r.error);
    rig_commit(&r);
    struct metadata later = {STR("m"), METRIC_COUNTER, STR("new"), STR("seconds")};
    ASSERT_OK(r.appender->ops->metadata(r.appender, &later, 1, &r.error), r.error);
    rig_commit(&r);
    struct storage_querier *q = rig_querier(&r, T0, T0);
    struct metadata *got = NULL;
    u32 n = 0;
    ASSERT_OK(q->ops->metadata(q, STR("m"), 0, r.arena, &got, &n, &r.error), r.error);
    assert_int_equal(n, 1);
    assert_int_equal(got[0].type, METRIC_COUNTER);
    ASSERT_STR_EQ(got[0].help, STR("new"));
    ASSERT_STR_EQ(got[0].unit, STR("seconds"));
    ASSERT_OK(q->ops->metadata(q, STR_EMPTY, 0, r.arena, &got, &n, &r.error), r.error);
    assert_int_equal(n, 2);
    ASSERT_OK(q->ops->metadata(q, STR_EMPTY, 1, r.arena, &got, &n, &r.error), r.error);
    assert_int_equal(n, 1);
    storage_querier_close(q);
    rig_down(&r);
}

static void conform_exemplars(const struct storage_factory *f)
{
    struct rig r;
    rig_up(&r, f, 0);
    struct series_ref ref = rig_resolve(&r, "m", "a");
    assert_int_equal(rig_put(&r, ref, T0, 1), APPEND_STORED);
    struct label pair = {STR("trace"), STR("abc")};
    struct exemplar x = {.labels = {&pair, 1}, .value = 0.5, .t_ms = T0, .has_t = true};
    ASSERT_OK(r.appender->ops->exemplars(r.appender, &ref, &x, 1, &r.error), r.error);
    ASSERT_OK(r.appender->ops->exemplars(r.appender, &ref, &x, 1, &r.error), r.error);
    rig_commit(&r);
    struct storage_querier *q = rig_querier(&r, T0, T0);
    struct matcher m = rig_matcher(&r, MATCH_EQ, LABEL_NAME, "m");
    struct exemplar_series *got = NULL;
    u32 n = 0;
    ASSERT_OK(q->ops->exemplars(q, &m, 1, r.arena, &got, &n, &r.error), r.error);
    assert_int_equal(n, f->keeps_exemplars ? 1 : 0);
    if (n == 1) {
        assert_int_equal(got[0].count, 1);
        assert_true(got[0].exemplars[0].value == 0.5);
        ASSERT_STR_EQ(labels_get(got[0].exemplars[0].labels, STR("trace")), STR("abc"));
    }
    storage_querier_close(q);
    rig_down(&r);
}

static const struct storage_check checks[] = {
    {"labels", conform_labels},
    {"metadata", conform_metadata},
    {"exemplars", conform_exemplars},
};
const struct storage_check_list conform_label_checks = {checks, ARRAY_LEN(checks)};
