// tsdb_alloc_test.c: each request for memory that has a limit is refused once: while data comes in,
// is cut, joined, deleted and read back at a start, and while it is read. The refusal is an error
// that names what is used up, or changes nothing; the same asked again gives the right answer.
//
// TIDEMARK_STRIDE=n refuses every n-th request, 1 each.
#include "base/alloc_fault.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "os/fs.h"
#include "tsdb/crash_fixture.h"
#include "tsdb/tsdb_inner.h"

#include <stdio.h>

static void assert_refused(const struct error *e)
{
    assert_int_equal(e->code, ERR_LIMIT);
    assert_true(str_contains(str_c(e->text), STR("bytes")) ||
                str_contains(str_c(e->text), STR("memory")));
}

static void open_again(struct world *w)
{
    if (!world_open(w)) {
        assert_true(world_open(w));
    }
}

// Refuses the request; 0: none. How many there were.
static u64 course_refused(u64 request)
{
    struct world *w = MEM_NEW(struct world);
    world_init(w, 7);
    fs_faulty_arm(w->faulty, 0, FS_FAULT_EIO, false);
    alloc_fault_arm(request);
    open_again(w);
    world_work(w, 60);
    world_close(w);
    open_again(w);
    world_work(w, 40);
    alloc_fault_disarm();
    const u64 requests = alloc_fault_calls();
    if (w->failures > 0) {
        assert_true(request > 0);
        assert_refused(&w->failure);
    }
    world_check(w, false);
    world_work(w, 5);
    world_check(w, false);
    world_close(w);
    fs_mem_crash(w->mem, &w->f.rng);
    assert_true(world_open(w));
    world_check(w, true);
    world_close(w);
    world_fini(w);
    mem_free(w);
    return requests;
}

TEST(tsdb_survives_each_refused_request_for_memory)
{
    const u64 requests = course_refused(0);
    const u64 stride = fixture_env("TIDEMARK_STRIDE", 31);
    u64 tried = 0;
    for (u64 n = 1; n <= requests; n += stride) {
        (void)course_refused(n);
        tried++;
    }
    printf("# %llu of %llu requests refused\n", (unsigned long long)tried,
           (unsigned long long)requests);
}

// --- Reading -------------------------------------------------------------------------------------

// What one way of reading found: equal hashes, equal answers.
typedef bool look_fn(struct storage_querier *q, struct arena *a, u64 *hash, struct error *e);

static bool look_at_samples(struct storage_querier *q, UNUSED struct arena *a, u64 *hash,
                            struct error *e)
{
    const struct select_hints h = {.start_ms = INT64_MIN, .end_ms = INT64_MAX, .sorted = true};
    struct series_cursor *c = q->ops->select(q, NULL, 0, &h, NULL, e);
    while (c && c->ops->next(c)) {
        struct series_run run;
        *hash = hash_mix(*hash, labels_hash(c->ops->labels(c)));
        while (c->ops->run(c, &run)) {
            for (u32 i = 0; i < run.n; i++) {
                *hash = hash_mix(*hash, (u64)run.t_ms[i]);
                *hash = hash_mix(*hash, fixture_sample_hash(&run, i));
            }
        }
    }
    struct storage_warnings warnings = {0};
    const bool ok = c && c->ops->close(c, &warnings, e);
    assert_false(ok && warnings.partial);
    return ok;
}

static bool look_at_newest(struct storage_querier *q, UNUSED struct arena *a, u64 *hash,
                           struct error *e)
{
    const struct select_hints h = {.start_ms = INT64_MIN, .end_ms = INT64_MAX, .newest = true};
    struct series_cursor *c = q->ops->select(q, NULL, 0, &h, NULL, e);
    struct series_newest n;
    while (c && c->ops->newest(c, &n)) {
        for (u32 i = 0; i < n.n; i++) {
            const bool is_hist = n.hists && n.hists[i];
            const struct series_run one = {.t_ms = n.t_ms,
                                           .values = n.values,
                                           .hists = n.hists,
                                           .kind = is_hist ? SAMPLE_HIST : SAMPLE_FLOAT};
            *hash += hash_mix(labels_hash(n.labels[i]), fixture_sample_hash(&one, i));
        }
    }
    struct storage_warnings warnings = {0};
    const bool ok = c && c->ops->close(c, &warnings, e);
    assert_false(ok && warnings.partial);
    return ok;
}

static bool texts_hash(bool ok, const str *texts, u32 n, u64 *hash)
{
    for (u32 i = 0; ok && i < n; i++) {
        *hash = hash_mix(*hash, hash_str(texts[i]));
    }
    return ok;
}

static bool look_at_names(struct storage_querier *q, struct arena *a, u64 *hash, struct error *e)
{
    str *texts = NULL;
    u32 n = 0;
    return texts_hash(q->ops->label_names(q, NULL, 0, a, &texts, &n, e), texts, n, hash);
}

static bool look_at_values(struct storage_querier *q, struct arena *a, u64 *hash, struct error *e)
{
    str *texts = NULL;
    u32 n = 0;
    const bool ok = q->ops->label_values(q, STR("instance"), NULL, 0, a, &texts, &n, e);
    return texts_hash(ok, texts, n, hash);
}

static bool look_at_count(struct storage_querier *q, UNUSED struct arena *a, u64 *hash,
                          struct error *e)
{
    return q->ops->series_count(q, NULL, 0, hash, e);
}

static bool look_at_exemplars(struct storage_querier *q, struct arena *a, u64 *hash,
                              struct error *e)
{
    struct exemplar_series *all = NULL;
    u32 n = 0;
    if (!q->ops->exemplars(q, NULL, 0, a, &all, &n, e)) {
        return false;
    }
    for (u32 i = 0; i < n; i++) {
        for (u32 k = 0; k < all[i].count; k++) {
            *hash = hash_mix(*hash, labels_hash(all[i].labels) ^ (u64)all[i].exemplars[k].t_ms);
        }
    }
    return true;
}

static bool look(struct world *w, look_fn *fn, u64 *hash, struct error *e)
{
    struct arena *a = arena_new((size_t)16 << 20);
    *hash = 1;
    struct storage_querier *q =
        storage_querier_open(w->f.s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, e);
    const bool ok = q && fn(q, a, hash, e);
    storage_querier_close(q);
    arena_free(a);
    return ok;
}

// The right answer with any request refused, or an error, and the right answer afterwards.
static void look_refused(struct world *w, const char *name, look_fn *fn)
{
    u64 want;
    u64 got;
    const u64 stride = fixture_env("TIDEMARK_STRIDE", 7);
    u64 request = 1;
    u64 tried = 0;
    u64 failed = 0;
    struct error e = {0};
    ASSERT_OK(look(w, fn, &want, &e), e);
    while (true) {
        alloc_fault_arm(request);
        const bool ok = look(w, fn, &got, &e);
        alloc_fault_disarm();
        if (!ok) {
            assert_refused(&e);
            failed++;
        }
        assert_true(!ok || got == want);
        ASSERT_OK(look(w, fn, &got, &e), e);
        assert_true(got == want);
        if (request > alloc_fault_calls()) {
            break;
        }
        tried++;
        request += stride;
    }
    assert_true(failed > 0);
    printf("# %s: %llu requests refused, %llu errors\n", name, (unsigned long long)tried,
           (unsigned long long)failed);
}

static void exemplars_write(struct world *w)
{
    struct error e = {0};
    struct label items[16];
    char bytes[512];
    struct series_ref ref;
    u8 outcome;
    u64 position;
    struct label pair = {STR("trace"), STR("abc")};
    struct storage_appender *a = storage_appender_open(w->f.s, TENANT_DEFAULT, STREAM_PUSH, &e);
    struct labels set = fixture_labels("m0,instance=host0,job=j", items, bytes);
    a->ops->resolve(a, &set, 1, &ref, &outcome);
    for (i64 i = 0; i < 5; i++) {
        struct exemplar x = {.labels = {&pair, 1}, .value = 1, .t_ms = w->now + i, .has_t = true};
        ASSERT_OK(a->ops->exemplars(a, &ref, &x, 1, &e), e);
    }
    ASSERT_OK(a->ops->commit(a, DURABILITY_SYNC, &position, &e), e);
    storage_appender_close(a);
}

TEST(reading_survives_each_refused_request_for_memory)
{
    static const struct {
        const char *name;
        look_fn *fn;
    } looks[] = {
        {"samples", look_at_samples},   {"newest", look_at_newest},
        {"label names", look_at_names}, {"label values", look_at_values},
        {"count", look_at_count},       {"exemplars", look_at_exemplars},
    };
    struct world *w = MEM_NEW(struct world);
    world_init(w, 9);
    fs_faulty_arm(w->faulty, 0, FS_FAULT_EIO, false);
    assert_true(world_open(w));
    for (u32 i = 0; i < 3; i++) { // Blocks, hot and joined, with deletions; a head.
        world_work(w, 60);
        exemplars_write(w);
    }
    for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
        look_refused(w, looks[i].name, looks[i].fn);
    }
    assert_true(w->f.db->blocks->n > 1);
    world_check(w, false);
    world_close(w);
    world_fini(w);
    mem_free(w);
}

// Without blocks newest samples come from the rows of the head.
TEST(reading_the_head_alone_survives_each_refused_request_for_memory)
{
    struct world *w = MEM_NEW(struct world);
    world_init(w, 9);
    fs_faulty_arm(w->faulty, 0, FS_FAULT_EIO, false);
    w->f.opts.block_range_ms = 7200000;
    w->f.opts.cold_every_ms = 0;
    assert_true(world_open(w));
    world_work(w, 60);
    assert_int_equal(w->f.db->blocks->n, 0);
    look_refused(w, "newest", look_at_newest);
    look_refused(w, "label values", look_at_values);
    world_check(w, false);
    world_close(w);
    world_fini(w);
    mem_free(w);
}

// Whether an answer over all times says that it is partial.
static bool says_partial(struct tsdb *db)
{
    struct error e = {0};
    struct storage_warnings w = {0};
    const struct select_hints h = {.start_ms = INT64_MIN, .end_ms = INT64_MAX};
    struct storage_querier *q =
        storage_querier_open(tsdb_storage(db), TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    struct series_cursor *c = q->ops->select(q, NULL, 0, &h, NULL, &e);
    ASSERT_OK(c != NULL, e);
    while (c->ops->next(c)) {
    }
    ASSERT_OK(c->ops->close(c, &w, &e), e);
    storage_querier_close(q);
    return w.partial;
}

// What was set aside once stays missing: a start that cannot list it must not pass it over.
TEST(tsdb_start_forgets_no_block_that_was_set_aside)
{
    struct world *w = MEM_NEW(struct world);
    struct error e = {0};
    struct fs_info *blocks = NULL;
    size_t n = 0;
    char path[300];
    u64 requests = 1;
    u32 refused = 0;
    struct arena *a = arena_new((size_t)1 << 20);
    world_init(w, 11);
    fs_faulty_arm(w->faulty, 0, FS_FAULT_EIO, false);
    assert_true(world_open(w));
    for (u32 i = 0; i < 3; i++) {
        world_work(w, 60);
    }
    world_close(w);
    ASSERT_OK(fs_list(w->mem, "/data/blocks", a, &blocks, &n, &e), e);
    assert_true(n > 0);
    (void)snprintf(path, sizeof(path), "/data/blocks/%.*s/meta", STR_ARG(blocks[0].name));
    ASSERT_OK(fs_replace_file(w->mem, path, STR("damaged"), &e), e);
    for (u64 at = 0; at <= requests; at++) {
        alloc_fault_arm(at);
        struct tsdb *db = tsdb_open(&w->f.opts, &e);
        alloc_fault_disarm();
        requests = at == 0 ? alloc_fault_calls() : requests;
        refused += !db;
        if (!db) {
            assert_refused(&e);
            continue;
        }
        assert_true(says_partial(db));
        ASSERT_OK(tsdb_close(db, &e), e);
    }
    assert_true(refused > 0);
    arena_free(a);
    world_fini(w);
    mem_free(w);
}
