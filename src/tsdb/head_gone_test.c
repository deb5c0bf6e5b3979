// head_gone_test.c: slots of series that left are of no use until no segment can mention them, and
// then begin anew.
#include "base/error.h"
#include "base/str.h"
#include "os/clk.h"
#include "tsdb/cold_rig.h"
#include "tsdb/head.h"
#include "tsdb/head_series.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/wal.h"

#include <stdio.h>

enum { MANY = 1500, PER_COMMIT = 100 };

// Threads: owned by the test.
struct slots {
    struct fixture f;
    struct series_ref refs[MANY]; // Of the last round.
};

// One commit: how many were taken.
static u32 slots_commit(struct slots *s, const char *name, u32 from, i64 t, f64 value)
{
    struct error e = {0};
    struct label items[PER_COMMIT][16];
    char bytes[PER_COMMIT][512];
    struct labels sets[PER_COMMIT];
    i64 times[PER_COMMIT];
    f64 values[PER_COMMIT];
    u8 outcomes[PER_COMMIT];
    u64 position;
    u32 taken = 0;
    for (u32 i = 0; i < PER_COMMIT; i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "%s,n=%u", name, from + i);
        sets[i] = fixture_labels(text, items[i], bytes[i]);
        times[i] = t;
        values[i] = value;
    }
    struct storage_appender *a = storage_appender_open(s->f.s, TENANT_DEFAULT, STREAM_PUSH, &e);
    a->ops->resolve(a, sets, PER_COMMIT, &s->refs[from], outcomes);
    const struct append_batch b = {.refs = &s->refs[from],
                                   .t_ms = times,
                                   .values = values,
                                   .n = PER_COMMIT,
                                   .outcomes = outcomes};
    ASSERT_OK(a->ops->append(a, &b, &e), e);
    ASSERT_OK(a->ops->commit(a, DURABILITY_PERIODIC, &position, &e), e);
    storage_appender_close(a);
    for (u32 i = 0; i < PER_COMMIT; i++) {
        taken += outcomes[i] == APPEND_STORED;
    }
    return taken;
}

static void slots_fill(struct slots *s, const char *name, i64 t, f64 value)
{
    for (u32 i = 0; i < MANY; i += PER_COMMIT) {
        assert_int_equal(slots_commit(s, name, i, t, value), PER_COMMIT);
    }
}

TEST(head_slots_of_series_that_left_are_used_again_under_other_generations)
{
    struct slots *s = MEM_NEW(struct slots);
    struct fixture *f = &s->f;
    struct error e = {0};
    f64 v;
    fixture_init(f, 1010);
    f->opts.cold_every_ms = 1;
    f->opts.image_every_ms = -1;
    f->opts.wal_segment_bytes = 4000;
    fixture_open(f);
    const i64 first = COLD_START - COLD_START % FIXTURE_RANGE;
    slots_fill(s, "old", first, 1);
    slots_fill(s, "old", first + 1000, stale_nan());
    const struct series_ref old = s->refs[MANY / 2];
    f->db->opts.cold_min = MANY;
    cold_go(f);
    struct head *h = f->db->heads[SHARD_MAIN];
    const u32 slots = h->count;
    const u32 top = h->generation_top;
    assert_true(slots == MANY && h->live == 0 && h->slots_dropped > 0);
    assert_false(head_ref_alive(h, TENANT_DEFAULT, old));
    // Its window is not cut: the log still speaks of them.
    slots_fill(s, "between", first + 2000, 2);
    assert_int_equal(h->count, 2 * MANY);
    f->db->opts.cold_min = 10 * MANY;
    for (i64 k = 1; k < 4; k++) {
        slots_fill(s, "between", first + k * FIXTURE_RANGE, 2);
    }
    fixture_steps(f);
    assert_true(f->db->head_min > first && wal_first(f->db->wals[SHARD_MAIN]) > 1);
    assert_int_equal(h->free_count, MANY);
    slots_fill(s, "new", first + 3 * FIXTURE_RANGE + 1, 3);
    assert_int_equal(h->count, 2 * MANY);
    assert_int_equal(h->slots_dropped, 0);
    for (u32 i = 0; i < MANY; i++) {
        assert_true(s->refs[i].ordinal < MANY && s->refs[i].generation != 0);
        assert_true(s->refs[i].ordinal != old.ordinal || s->refs[i].generation != old.generation);
    }
    assert_true(h->generation_top > top);
    assert_false(head_ref_alive(h, TENANT_DEFAULT, old));
    for (u32 round = 0; round < 2; round++) {
        assert_true(fixture_get(f, "new,n=700", first + 3 * FIXTURE_RANGE + 1, &v, NULL) && v == 3);
        assert_true(fixture_get(f, "between,n=700", first + 2000, &v, NULL) && v == 2);
        assert_true(fixture_get(f, "old,n=700", first, &v, NULL) && v == 1);
        assert_false(fixture_get(f, "old,n=700", first + 2000, &v, NULL));
        ASSERT_OK(tsdb_sync(f->db, &e), e);
        fixture_reopen(f);
        assert_int_equal(cold_counted(f, COUNT_REPLAY_LOST), 0);
    }
    fixture_fini(f);
    mem_free(s);
}

// 0 names nobody.
TEST(head_generations_that_wrap_name_series_all_the_same)
{
    for (u32 shard = 0; shard < HEADS_MAX; shard++) {
        struct head_limits limits = {.series_max = 100};
        struct head *h = head_new(shard, 1000, &limits, (u64)1 << 20);
        const struct head_asker asker = {.tenant = TENANT_DEFAULT};
        const struct label item = {LABEL_NAME, STR("m")};
        const struct labels set = {.items = &item, .count = 1};
        for (u32 round = 0; round < 4; round++) {
            struct series_ref ref;
            u8 outcome;
            head_resolve(h, &asker, &set, 1, &ref, &outcome);
            assert_int_equal(outcome, APPEND_STORED);
            assert_true(ref.generation != 0 && ref.generation % HEADS_MAX == shard);
            assert_true(head_ref_alive(h, TENANT_DEFAULT, ref));
            head_turn_take(h);
            h->pending_count = 0; // There is no log.
            if (round == 0) {
                h->rows[ref.ordinal].generation = UINT32_MAX - 1 + shard;
            }
            lock_take(&h->lock);
            head_series_forget(h, ref.ordinal, 1);
            if (round == 2) { // As if its memory had gone back.
                h->generation_top = UINT32_MAX - 1 + shard;
                h->rows[ref.ordinal].generation = 0;
            }
            lock_drop(&h->lock);
            head_release(h, 2);
            head_turn_drop(h);
            assert_false(head_ref_alive(h, TENANT_DEFAULT, ref));
        }
        head_free(h);
    }
}
