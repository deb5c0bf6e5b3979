// wal_memory_test.c: what the disk has not taken is bounded, and its memory goes back.
#include "base/buf.h"
#include "base/error.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/rng.h"
#include "tsdb/tsdb_fixture.h"
#include "tsdb/tsdb_status.h"
#include "tsdb/wal.h"

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

// What became of those who wait. Threads: the log's thread writes it, or the test.
struct waited {
    u32 durable;
    u32 refused;
    struct error last;
};

static void on_durable(void *arg, const struct error *e)
{
    struct waited *w = arg;
    w->durable += e == NULL;
    w->refused += e != NULL;
    if (e) {
        w->last = *e;
    }
}

// A sender that is told of a limit drops what it sent; here it must come again.
TEST(wal_tells_who_finds_too_many_waiting_to_come_again)
{
    struct error e = {0};
    struct rng rng;
    struct waited waited = {0};
    struct buf out;
    u64 place;
    u64 position;
    u32 salt;
    rng_init(&rng, 3);
    buf_init(&out, 1 << 16);
    struct fs *fs = fs_mem_new((u64)1 << 24);
    struct clk *clk = clk_manual_new(FIXTURE_NOW);
    const struct wal_opts opts = {.fs = fs,
                                  .clk = clk,
                                  .rng = &rng,
                                  .dir = ".",
                                  .segment_bytes = 1 << 20,
                                  .unsynced_max = 1 << 20};
    struct wal *w = wal_new(opts, 1, 0, 0);
    ASSERT_OK(wal_begin(w, &out, &place, &salt, &e), e);
    ASSERT_OK(wal_write(w, STR("some bytes"), 0, &position, &e), e);
    for (u32 i = 0; i < WAL_WAITERS_MAX; i++) {
        assert_true(wal_when_durable(w, position, on_durable, &waited));
    }
    assert_false(wal_when_durable(w, position, on_durable, &waited));
    assert_int_equal(waited.refused, 1);
    assert_int_equal(waited.last.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(waited.last.text, "16384"));
    ASSERT_OK(wal_sync(w, true, &e), e);
    assert_int_equal(waited.durable, WAL_WAITERS_MAX);
    wal_free(w);
    clk_manual_free(clk);
    fs_mem_free(fs);
    buf_fini(&out);
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
