#include "tsdb/tsdb_fixture.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "model/match.h"
#include "os/clk.h"
#include "os/fs.h"

#include <stdio.h>
#include <stdlib.h>

void fixture_init(struct fixture *f, u64 seed)
{
    *f = (struct fixture){0};
    f->own_fs = fs_mem_new((u64)1 << 30);
    f->fs = f->own_fs;
    f->clk = clk_manual_new(FIXTURE_NOW);
    rng_init(&f->rng, seed);
    f->opts = (struct tsdb_opts){
        .clk = f->clk, .rng = &f->rng, .dir = "/data", .block_range_ms = FIXTURE_RANGE};
}

void fixture_fini(struct fixture *f)
{
    if (f->db) {
        fixture_close(f);
    }
    fs_mem_free(f->own_fs);
    clk_manual_free(f->clk);
}

void fixture_open(struct fixture *f)
{
    struct error e = {0};
    f->opts.fs = f->fs;
    f->db = tsdb_open(&f->opts, &e);
    if (!f->db) {
        fail_msg("open: %s", e.text);
    }
    f->s = tsdb_storage(f->db);
}

void fixture_close(struct fixture *f)
{
    struct error e = {0};
    ASSERT_OK(tsdb_close(f->db, &e), e);
    f->db = NULL;
}

void fixture_reopen(struct fixture *f)
{
    fixture_close(f);
    fixture_open(f);
}

struct labels fixture_labels(const char *text, struct label items[16], char bytes[512])
{
    u32 n = 0;
    (void)snprintf(bytes, 512, "%s", text);
    str rest = str_c(bytes);
    str piece;
    while (str_split_next(&rest, ',', &piece)) {
        size_t eq = str_find(piece, '=');
        struct label l = {LABEL_NAME, piece};
        if (eq != STR_NONE) {
            l = (struct label){str_sub(piece, 0, eq), str_sub(piece, eq + 1, piece.len)};
        }
        u32 at = n++;
        for (; at > 0 && str_cmp(items[at - 1].name, l.name) > 0; at--) {
            items[at] = items[at - 1];
        }
        items[at] = l;
    }
    return (struct labels){.items = items, .count = n};
}

enum append_outcome fixture_put(struct fixture *f, enum storage_stream stream, const char *series,
                                i64 t, f64 value)
{
    struct error e = {0};
    struct label items[16];
    char bytes[512];
    struct labels ls = fixture_labels(series, items, bytes);
    struct series_ref ref;
    u8 outcome = APPEND_INVALID;
    struct storage_appender *a = storage_appender_open(f->s, TENANT_DEFAULT, stream, &e);
    assert_non_null(a);
    a->ops->resolve(a, &ls, 1, &ref, &outcome);
    if (outcome == APPEND_STORED) {
        struct append_batch b = {
            .refs = &ref, .t_ms = &t, .values = &value, .n = 1, .outcomes = &outcome};
        u64 position;
        ASSERT_OK(a->ops->append(a, &b, &e), e);
        ASSERT_OK(a->ops->commit(a, DURABILITY_PERIODIC, &position, &e), e);
    }
    storage_appender_close(a);
    return (enum append_outcome)outcome;
}

bool fixture_get(struct fixture *f, const char *series, i64 t, f64 *value, bool *partial)
{
    struct error e = {0};
    struct label items[16];
    char bytes[512];
    struct labels ls = fixture_labels(series, items, bytes);
    struct matcher ms[16];
    struct arena *a = arena_new((size_t)1 << 20);
    for (u32 i = 0; i < ls.count; i++) {
        ASSERT_OK(matcher_init(&ms[i], a, MATCH_EQ, ls.items[i].name, ls.items[i].value, &e), e);
    }
    struct storage_querier *q = storage_querier_open(f->s, TENANT_DEFAULT, t, t, &e);
    assert_non_null(q);
    struct select_hints h = {.start_ms = t, .end_ms = t};
    struct series_cursor *c = q->ops->select(q, ms, ls.count, &h, NULL, &e);
    assert_non_null(c);
    bool found = false;
    while (c->ops->next(c)) {
        struct series_run run;
        while (labels_eq(c->ops->labels(c), ls) && c->ops->run(c, &run)) {
            assert_int_equal(run.n, 1);
            assert_int_equal(run.t_ms[0], t);
            assert_false(found);
            *value = run.values[0];
            found = true;
        }
    }
    struct storage_warnings w = {0};
    ASSERT_OK(c->ops->close(c, &w, &e), e);
    if (partial) {
        *partial = w.partial;
    } else {
        assert_false(w.partial);
    }
    storage_querier_close(q);
    arena_free(a);
    return found;
}

u64 fixture_count(struct fixture *f, i64 min_ms, i64 max_ms)
{
    struct error e = {0};
    struct storage_querier *q = storage_querier_open(f->s, TENANT_DEFAULT, min_ms, max_ms, &e);
    assert_non_null(q);
    struct select_hints h = {.start_ms = min_ms, .end_ms = max_ms};
    struct series_cursor *c = q->ops->select(q, NULL, 0, &h, NULL, &e);
    assert_non_null(c);
    u64 n = 0;
    while (c->ops->next(c)) {
        struct series_run run;
        while (c->ops->run(c, &run)) {
            n += run.n;
        }
    }
    ASSERT_OK(c->ops->close(c, NULL, &e), e);
    storage_querier_close(q);
    return n;
}

void fixture_keep(struct fixture *f, struct tsdb_retention r)
{
    struct error e = {0};
    ASSERT_OK(tsdb_set_retention(f->db, &r, &e), e);
}

void fixture_steps(struct fixture *f)
{
    bool did = true;
    while (did) {
        struct error e = {0};
        ASSERT_OK(tsdb_step(f->db, &did, &e), e);
    }
}
