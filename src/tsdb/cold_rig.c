#include "tsdb/cold_rig.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/match.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/head.h"
#include "tsdb/head_settle.h"
#include "tsdb/tsdb_admin.h"
#include "tsdb/tsdb_inner.h"

#include <stdio.h>

u64 cold_counted(const struct fixture *f, enum tsdb_counter c)
{
    return atomic_load(&f->db->counts[c]);
}

const struct head *cold_main(const struct fixture *f)
{
    return f->db->heads[SHARD_MAIN];
}

// One of each instance has no column group.
static void text_of(u32 series, char text[64])
{
    (void)snprintf(text, 64, "m%u,instance=h%u%s", series % 4, series / 4,
                   series % 4 == 3 ? "" : ",job=j");
}

enum append_outcome cold_put(struct fixture *f, u32 series, i64 t, f64 value)
{
    char text[64];
    text_of(series, text);
    return fixture_put(f, STREAM_SCRAPE, text, t, value);
}

bool cold_has(struct fixture *f, u32 series, i64 t, f64 *value)
{
    char text[64];
    text_of(series, text);
    return fixture_get(f, text, t, value, NULL);
}

void cold_rig_begin(struct fixture *f, u64 seed)
{
    fixture_init(f, seed);
    cold_rig_open(f);
}

void cold_rig_open(struct fixture *f)
{
    f->opts.cold_every_ms = 1;
    f->opts.cold_min = 2;
    f->opts.wal_segment_bytes = 2000;
    fixture_open(f);
    for (i64 k = 0; k < COLD_ROWS; k++) {
        for (u32 i = 0; i < COLD_SERIES; i++) {
            assert_int_equal(cold_put(f, i, COLD_START + k * 1000, (f64)(k * 100 + i)),
                             APPEND_STORED);
        }
    }
    for (u32 i = 0; i < COLD_SERIES; i++) {
        assert_int_equal(cold_put(f, i, COLD_END, i < COLD_ENDED ? stale_nan() : 7), APPEND_STORED);
    }
}

void cold_idle_all(struct fixture *f)
{
    for (u32 i = 0; i < (SETTLE_IDLE + 1) * SHARDS; i++) {
        head_settle(f->db->heads[i % SHARDS]);
    }
    clk_manual_advance(f->clk, 10);
}

void cold_go(struct fixture *f)
{
    cold_idle_all(f);
    fixture_steps(f);
}

struct cold_seen cold_look(struct fixture *f)
{
    struct error e = {0};
    struct cold_seen s = {0};
    struct arena *a = arena_new((size_t)1 << 20);
    struct storage_querier *q =
        storage_querier_open(f->s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    struct select_hints h = {.start_ms = INT64_MIN, .end_ms = INT64_MAX};
    struct series_cursor *c = q->ops->select(q, NULL, 0, &h, NULL, &e);
    while (c->ops->next(c)) {
        struct series_run run;
        while (c->ops->run(c, &run)) {
            for (u32 i = 0; i < run.n; i++) {
                s.samples += hash_mix(labels_hash(c->ops->labels(c)),
                                      hash_mix((u64)run.t_ms[i], fixture_sample_hash(&run, i)));
            }
        }
    }
    ASSERT_OK(c->ops->close(c, NULL, &e), e);
    str *texts;
    u32 n;
    ASSERT_OK(q->ops->label_values(q, LABEL_INSTANCE, NULL, 0, a, &texts, &n, &e), e);
    for (u32 i = 0; i < n; i++) {
        s.texts = hash_mix(s.texts, hash_str(texts[i]));
    }
    ASSERT_OK(q->ops->series_count(q, NULL, 0, &s.series, &e), e);
    h.newest = true;
    struct series_newest newest;
    c = q->ops->select(q, NULL, 0, &h, NULL, &e);
    while (c->ops->newest(c, &newest)) {
        for (u32 i = 0; i < newest.n; i++) {
            s.newest += hash_mix(labels_hash(newest.labels[i]),
                                 hash_mix((u64)newest.t_ms[i], bits_of_f64(newest.values[i])));
        }
    }
    ASSERT_OK(c->ops->close(c, NULL, &e), e);
    storage_querier_close(q);
    arena_free(a);
    return s;
}

void cold_same(struct cold_seen a, struct cold_seen b)
{
    assert_int_equal(a.series, b.series);
    assert_true(a.samples == b.samples);
    assert_true(a.texts == b.texts);
    assert_true(a.newest == b.newest);
}

u64 cold_delete(struct fixture *f, const char *metric, i64 min_ms, i64 max_ms)
{
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 20);
    struct matcher m;
    u64 id = 0;
    ASSERT_OK(matcher_init(&m, a, MATCH_EQ, LABEL_NAME, str_c(metric), &e), e);
    const struct tsdb_deletion d = {
        .tenant = TENANT_DEFAULT, .ms = &m, .count = 1, .min_ms = min_ms, .max_ms = max_ms};
    ASSERT_OK(tsdb_delete(f->db, &d, &id, &e), e);
    arena_free(a);
    return id;
}

void cold_byte_turn(struct fixture *f, const char *path, u64 at)
{
    u8 byte = 0;
    size_t got = 0;
    struct error e = {0};
    struct file *x = fs_open(f->fs, path, FS_WRITE, &e);
    ASSERT_OK(fs_read_at(f->fs, x, at, &byte, 1, &got, &e), e);
    assert_int_equal(got, 1);
    byte ^= 0x40;
    ASSERT_OK(fs_write_at(f->fs, x, at, (str){(const char *)&byte, 1}, &e), e);
    fs_close(f->fs, x);
}
