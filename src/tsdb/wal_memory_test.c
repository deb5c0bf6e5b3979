// wal_memory_test.c: what the disk has not taken is bounded, and its memory goes back.
#include "base/error.h"
#include "os/rng.h"
#include "tsdb/tsdb_fixture.h"

enum { SAMPLES = 4000, COMMITS_MAX = 4000, KEPT = 1 << 20 };

// Samples that do not pack, at times from t on. Threads: owned by the test.
struct burst {
    struct series_ref ref;
    struct rng rng;
    i64 t;
};

static bool commit(struct fixture *f, struct burst *b, struct error *e)
{
    static struct series_ref refs[SAMPLES];
    static i64 t_ms[SAMPLES];
    static f64 values[SAMPLES];
    static u8 outcomes[SAMPLES];
    for (u32 i = 0; i < SAMPLES; i++) {
        refs[i] = b->ref;
        t_ms[i] = b->t++;
        values[i] = (f64)rng_u64(&b->rng);
    }
    struct append_batch batch = {
        .refs = refs, .t_ms = t_ms, .values = values, .outcomes = outcomes, .n = SAMPLES};
    struct storage_appender *a = storage_appender_open(f->s, TENANT_DEFAULT, STREAM_PUSH, e);
    assert_non_null(a);
    const bool ok = a->ops->append(a, &batch, e) && a->ops->commit(a, DURABILITY_PERIODIC, NULL, e);
    storage_appender_close(a);
    return ok;
}

static struct series_ref series_of(struct fixture *f)
{
    struct label items[16];
    char bytes[512];
    struct error e = {0};
    struct series_ref ref;
    u8 outcome;
    const struct labels set = fixture_labels("m,job=x,instance=y", items, bytes);
    struct storage_appender *a = storage_appender_open(f->s, TENANT_DEFAULT, STREAM_PUSH, &e);
    assert_non_null(a);
    a->ops->resolve(a, &set, 1, &ref, &outcome);
    assert_int_equal(outcome, APPEND_STORED);
    storage_appender_close(a);
    return ref;
}

// Commits until the log takes no more; how much memory it held then.
static u64 fill(struct fixture *f, struct burst *b, struct error *e)
{
    u32 n = 0;
    while (n < COMMITS_MAX && commit(f, b, e)) {
        n++;
    }
    assert_in_range(n, 1, COMMITS_MAX - 1);
    return tsdb_memory(f->db, TSDB_POOL_LOG);
}

TEST(wal_keeps_no_more_than_it_may_and_gives_it_back)
{
    struct fixture f;
    struct error e = {0};
    fixture_init(&f, 17);
    f.opts.log_bytes_max = 1; // The least there is.
    f.opts.block_range_ms = (i64)7200 * 1000;
    fixture_open(&f);
    struct burst b = {.ref = series_of(&f), .t = FIXTURE_NOW - (i64)3600 * 1000};
    rng_init(&b.rng, 17);
    const u64 full = fill(&f, &b, &e);
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(e.text, "limit 8388608"));
    assert_in_range(full, 8 << 20, 32 << 20);
    ASSERT_OK(tsdb_sync(f.db, &e), e);
    assert_true(tsdb_memory(f.db, TSDB_POOL_LOG) <= KEPT);
    ASSERT_OK(commit(&f, &b, &e), e);
    fixture_fini(&f);
}
