// golden_store_test.c: the folder tests/golden/store is read, written again, and damaged.
//
// TIDEMARK_GOLDEN=write writes it anew. TIDEMARK_MUTATIONS=n damages n copies of it instead of the
// short form, TIDEMARK_SEED=n begins elsewhere.
#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/chunk_pack.h"
#include "tsdb/golden_fixture.h"
#include "tsdb/tsdb.h"

#include <stdio.h>
#include <stdlib.h>

#define GOLDEN_STORE GOLDEN_DIR "/store"
#define LATER        (GOLDEN_START + 381 * 1000) // After all that was sent.

#ifndef TIDEMARK_SMALL // Such a build writes other pages.

// --- Reading all of it ---------------------------------------------------------------------------

// Threads: owned by the test.
struct golden_found {
    u8 seen[GOLDEN_SERIES][GOLDEN_TICKS];
    u64 right;
    u64 wrong;
    u64 undeleted;
    bool partial;
};

static void run_look(const struct golden *g, u32 series, const struct series_run *run,
                     struct golden_found *out)
{
    for (u32 i = 0; i < run->n; i++) {
        u32 tick = golden_tick(run->t_ms[i]);
        if (run->t_ms[i] >= LATER) {
            continue;
        }
        if (tick == GOLDEN_TICKS || g->state[series][tick] == GOLDEN_NONE ||
            out->seen[series][tick] || fixture_sample_hash(run, i) != g->hash[series][tick]) {
            printf("# wrong: series %u at %lld\n", series, (long long)run->t_ms[i]);
            out->wrong++;
            continue;
        }
        out->seen[series][tick] = 1;
        out->undeleted += g->state[series][tick] == GOLDEN_DELETED;
        out->right += g->state[series][tick] == GOLDEN_THERE;
    }
}

static void store_look(const struct fixture *f, const struct golden *g, struct golden_found *out)
{
    const struct select_hints hints = {.start_ms = INT64_MIN, .end_ms = INT64_MAX};
    struct storage_warnings warnings = {0};
    struct error e = {0};
    memset(out, 0, sizeof(*out));
    struct storage_querier *q =
        storage_querier_open(f->s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    assert_non_null(q);
    struct series_cursor *c = q->ops->select(q, NULL, 0, &hints, NULL, &e);
    f64 room[CHUNK_VALUES_MAX];
    assert_non_null(c);
    c->room = room;
    c->room_count = CHUNK_VALUES_MAX;
    while (c->ops->next(c)) {
        struct series_run run;
        u32 series = golden_series(c->ops->labels(c));
        out->wrong += series == GOLDEN_SERIES;
        while (c->ops->run(c, &run)) {
            if (series < GOLDEN_SERIES) {
                run_look(g, series, &run, out);
            }
        }
    }
    ASSERT_OK(c->ops->close(c, &warnings, &e), e);
    out->partial = warnings.partial;
    storage_querier_close(q);
}

static void lists_look(const struct fixture *f)
{
    struct error e = {0};
    struct arena *a = arena_new((size_t)4 << 20);
    struct metadata *m = NULL;
    struct exemplar_series *x = NULL;
    str *names = NULL;
    u32 n = 0;
    struct storage_querier *q =
        storage_querier_open(f->s, TENANT_DEFAULT, INT64_MIN, INT64_MAX, &e);
    assert_non_null(q);
    ASSERT_OK(q->ops->label_values(q, LABEL_NAME, NULL, 0, a, &names, &n, &e), e);
    assert_int_equal(n, 4 + 5 + 3);
    ASSERT_STR_EQ(names[0], STR("alone12"));
    ASSERT_OK(q->ops->metadata(q, STR("m1"), 0, a, &m, &n, &e), e);
    assert_int_equal(n, 1);
    ASSERT_STR_EQ(m[0].help, STR("What it is."));
    ASSERT_STR_EQ(m[0].unit, STR("bytes"));
    ASSERT_OK(q->ops->exemplars(q, NULL, 0, a, &x, &n, &e), e);
    assert_int_equal(n, 1);
    assert_int_equal(x[0].count, 2); // One is in a block, too.
    assert_true(x[0].exemplars[0].t_ms == GOLDEN_START + (i64)GOLDEN_EXEMPLAR * 500);
    assert_true(x[0].exemplars[0].value == 0.25);
    ASSERT_STR_EQ(x[0].exemplars[0].labels.items[0].value, STR("4bf92f"));
    storage_querier_close(q);
    arena_free(a);
}

static void later_init(struct fixture *f, u64 seed)
{
    fixture_init(f, seed);
    golden_options(f);
}

TEST(golden_store_is_read)
{
    struct fixture f;
    struct tree t;
    struct golden *g = MEM_NEW(struct golden);
    struct golden_found *found = MEM_NEW(struct golden_found);
    golden_init(g);
    tree_init(&t);
    tree_read(&t, fs_real(), GOLDEN_STORE);
    later_init(&f, 5);
    tree_write(&t, f.fs, "/data");
    for (u32 again = 0; again < 2; again++) {
        fixture_open(&f);
        store_look(&f, g, found);
        lists_look(&f);
        assert_int_equal(found->wrong, 0);
        assert_int_equal(found->undeleted, 0);
        assert_int_equal(found->right, g->there);
        assert_true(!found->partial && g->there > 5000);
        fixture_close(&f);
    }
    // One of each is there to be read.
    const char *const kinds[] = {"wal/0/ckpt-", "wal/0/seg-", "wal/1/seg-",
                                 "deleted",     "floor",      "blocks/"};
    for (u32 i = 0; i < ARRAY_LEN(kinds); i++) {
        u32 n = 0;
        for (u32 k = 0; k < t.n; k++) {
            n += strncmp(t.files[k].path, kinds[i], strlen(kinds[i])) == 0;
        }
        assert_true(n > 0);
    }
    fixture_fini(&f);
    tree_fini(&t);
    mem_free(found);
    mem_free(g);
}

TEST(golden_store_is_written_again)
{
    struct fixture f;
    struct tree made;
    struct tree want;
    later_init(&f, 4);
    fixture_open(&f);
    golden_feed(&f);
    fixture_close(&f);
    tree_init(&made);
    tree_init(&want);
    tree_read(&made, f.fs, "/data");
    const char *ask = getenv("TIDEMARK_GOLDEN");
    if (ask && strcmp(ask, "write") == 0) {
        struct error e = {0};
        ASSERT_OK(fs_remove_tree(fs_real(), GOLDEN_STORE, &e), e);
        tree_write(&made, fs_real(), GOLDEN_STORE);
    }
    tree_read(&want, fs_real(), GOLDEN_STORE);
    assert_int_equal(made.n, want.n);
    for (u32 i = 0; i < made.n; i++) {
        ASSERT_STR_EQ(str_c(made.files[i].path), str_c(want.files[i].path));
        if (made.files[i].len != want.files[i].len ||
            memcmp(made.files[i].bytes, want.files[i].bytes, made.files[i].len) != 0) {
            fail_msg("%s: other bytes than before", made.files[i].path);
        }
    }
    tree_fini(&want);
    tree_fini(&made);
    fixture_fini(&f);
}

// --- Damage --------------------------------------------------------------------------------------

enum mutation {
    MUTATE_BIT,
    MUTATE_BYTES,
    MUTATE_CUT,
    MUTATE_ZERO,
    MUTATE_SWAP_PAGES,
    MUTATE_APPEND,
    MUTATE_FOREIGN_PAGE,
    MUTATE_IN_PLACE = MUTATE_FOREIGN_PAGE, // So far the files stay where they are.
    MUTATE_REMOVE,
    MUTATE_RENAME,
    MUTATE_DOUBLE,
    MUTATE_EXCHANGE,
    MUTATE_COUNT
};
#    define MUTATE_PAGE 512U

static void file_cut(struct tree_file *f, struct rng *r)
{
    f->len = rng_below(r, f->len + 1);
}

static void page_swap(struct tree_file *f, struct rng *r)
{
    u64 pages = f->len / MUTATE_PAGE;
    u8 kept[MUTATE_PAGE];
    if (pages < 2) {
        file_cut(f, r);
        return;
    }
    u8 *a = f->bytes + rng_below(r, pages) * MUTATE_PAGE;
    u8 *b = f->bytes + rng_below(r, pages) * MUTATE_PAGE;
    memcpy(kept, a, MUTATE_PAGE);
    memmove(a, b, MUTATE_PAGE);
    memcpy(b, kept, MUTATE_PAGE);
}

static void file_append(struct tree *t, struct tree_file *f, struct rng *r)
{
    u64 more = 1 + rng_below(r, 5000);
    u8 *bytes = arena_alloc(t->a, f->len + more, 1);
    memcpy(bytes, f->bytes, f->len);
    memset(bytes + f->len, 0, more);
    if (rng_below(r, 2) == 0) {
        rng_fill(r, bytes + f->len, more);
    }
    f->bytes = bytes;
    f->len += more;
}

static void place_damage(struct tree *t, struct tree_file *f, enum mutation how, struct rng *r)
{
    const struct tree_file *other = &t->files[rng_below(r, t->n)];
    u64 at = f->len > 0 ? rng_below(r, f->len) : 0;
    const u64 most = 1 + rng_below(r, 64);
    const u64 n = MIN(f->len - at, most);
    switch (how) {
    case MUTATE_BIT:
        if (f->len > 0) {
            f->bytes[at] ^= (u8)(1U << rng_below(r, 8));
        }
        break;
    case MUTATE_BYTES:
        rng_fill(r, f->bytes + at, n);
        break;
    case MUTATE_CUT:
        file_cut(f, r);
        break;
    case MUTATE_ZERO:
        at -= at % MUTATE_PAGE;
        memset(f->bytes + at, 0, MIN(f->len - at, MUTATE_PAGE));
        break;
    case MUTATE_SWAP_PAGES:
        page_swap(f, r);
        break;
    case MUTATE_APPEND:
        file_append(t, f, r);
        break;
    default:
        at -= at % MUTATE_PAGE;
        memmove(f->bytes + at, other->bytes, MIN(MIN(f->len - at, other->len), MUTATE_PAGE));
        break;
    }
}

// The same folder, and a name like those that stand there.
static void name_make(char out[TREE_PATH], const char *path, struct rng *r)
{
    const char *slash = strrchr(path, '/');
    int dir = slash ? (int)(slash - path) + 1 : 0;
    (void)snprintf(out, TREE_PATH, "%.*s%s", dir, path, path + dir);
    size_t len = strlen(out);
    switch (rng_below(r, 4)) {
    case 0:
        (void)snprintf(out, TREE_PATH, "%s.tmp", path);
        break;
    case 1:
        out[len - 1] = (char)('0' + rng_below(r, 10));
        break;
    case 2:
        (void)snprintf(out, TREE_PATH, "%.*sseg-%08u", dir, path, (u32)rng_below(r, 40));
        break;
    default:
        out[dir + (i64)rng_below(r, len - (size_t)dir)] = 'Z';
        break;
    }
}

// A block's folder goes as a whole half of the time: its files have one beginning.
static size_t together(const struct tree_file *f, struct rng *r)
{
    const char *slash = strncmp(f->path, "blocks/", 7) == 0 ? strrchr(f->path, '/') : NULL;
    return slash && rng_below(r, 2) == 0 ? (size_t)(slash - f->path) + 1 : strlen(f->path) + 1;
}

static void tree_drop(struct tree *t, u32 i)
{
    memmove(&t->files[i], &t->files[i + 1], (t->n - i - 1) * sizeof(t->files[0]));
    t->n--;
}

static void files_move(struct tree *t, const struct tree_file *of, bool keep, struct rng *r)
{
    char prefix[TREE_PATH];
    char named[TREE_PATH];
    size_t len = together(of, r);
    (void)snprintf(prefix, sizeof(prefix), "%s", of->path);
    bool folder = len <= strlen(prefix);
    if (folder) {
        prefix[len - 1] = 0; // The folder's own name.
    }
    name_make(named, prefix, r);
    for (u32 i = t->n; i-- > 0;) {
        struct tree_file *f = &t->files[i];
        char path[TREE_PATH * 2];
        if (folder ? strncmp(f->path, prefix, len - 1) != 0 || f->path[len - 1] != '/'
                   : strcmp(f->path, prefix) != 0) {
            continue;
        }
        (void)snprintf(path, sizeof(path), "%s%s", named, folder ? f->path + len - 1 : "");
        if (tree_find(t, path) || strlen(path) >= TREE_PATH || t->n == TREE_FILES_MAX) {
            continue;
        }
        if (keep) {
            t->files[t->n++] = *f;
            f = &t->files[t->n - 1];
        }
        (void)snprintf(f->path, TREE_PATH, "%s", path);
    }
}

static void files_remove(struct tree *t, const struct tree_file *of, struct rng *r)
{
    char prefix[TREE_PATH];
    size_t len = together(of, r);
    (void)snprintf(prefix, sizeof(prefix), "%s", of->path);
    for (u32 i = t->n; i-- > 0;) {
        if (strncmp(t->files[i].path, prefix, len) == 0) {
            tree_drop(t, i);
        }
    }
}

static void files_exchange(struct tree_file *a, struct tree_file *b)
{
    struct tree_file kept = *a;
    a->bytes = b->bytes;
    a->len = b->len;
    b->bytes = kept.bytes;
    b->len = kept.len;
}

static enum mutation tree_damage(struct tree *t, struct rng *r, char path[TREE_PATH])
{
    enum mutation how = (enum mutation)rng_below(r, MUTATE_COUNT);
    struct tree_file *f = &t->files[rng_below(r, t->n)];
    (void)snprintf(path, TREE_PATH, "%s", f->path);
    switch (how) {
    case MUTATE_REMOVE:
        files_remove(t, f, r);
        break;
    case MUTATE_RENAME:
    case MUTATE_DOUBLE:
        files_move(t, f, how == MUTATE_DOUBLE, r);
        break;
    case MUTATE_EXCHANGE:
        files_exchange(f, &t->files[rng_below(r, t->n)]);
        break;
    default:
        place_damage(t, f, how, r);
        break;
    }
    return how;
}

// Threads: owned by the test.
struct mutations {
    struct golden g;
    struct golden_found found;
    struct golden_found again;
    struct tree whole;
    u64 refused;
    u64 partial;
    u64 complete;
    u64 looked_at;
};

static void tree_copy(struct tree *to, const struct tree *from)
{
    to->n = from->n;
    for (u32 i = 0; i < from->n; i++) {
        to->files[i] = from->files[i];
        to->files[i].bytes = arena_alloc(to->a, from->files[i].len + 1, 1);
        memcpy(to->files[i].bytes, from->files[i].bytes, from->files[i].len);
    }
}

// A newer format is refused with everything left as it was.
static bool refused_rightly(struct fixture *f, const struct tree *t, const struct error *e)
{
    struct tree after;
    tree_init(&after);
    tree_read(&after, f->fs, "/data");
    bool same = e->code == ERR_UNSUPPORTED;
    for (u32 i = 0; i < t->n && same; i++) {
        const struct tree_file *is = tree_find(&after, t->files[i].path);
        same =
            is && is->len == t->files[i].len && memcmp(is->bytes, t->files[i].bytes, is->len) == 0;
    }
    tree_fini(&after);
    return same;
}

// Opened, looked at, worked on, written to, closed and opened again.
static void damaged_use(struct mutations *m, struct fixture *f, const char *what)
{
    struct error e = {0};
    bool did = true;
    f64 v = 0;
    bool partial;
    store_look(f, &m->g, &m->found);
    for (u32 i = 0; i < 8 && did; i++) {
        (void)!tsdb_step(f->db, &did, &e);
    }
    clk_manual_advance(f->clk, 1000);
    enum append_outcome o = fixture_put(f, STREAM_SCRAPE, "m0,instance=host0,job=j", LATER, 77);
    if (!append_is_stored(o) || !fixture_get(f, "m0,instance=host0,job=j", LATER, &v, &partial)) {
        fail_msg("%s: nothing can be written: %s", what, append_outcome_text(o));
    }
    fixture_close(f);
    fixture_open(f);
    store_look(f, &m->g, &m->again);
    if (!fixture_get(f, "m0,instance=host0,job=j", LATER, &v, &partial) || v != 77) {
        fail_msg("%s: what was written afterwards is lost", what);
    }
    if (m->found.wrong + m->again.wrong > 0) {
        fail_msg("%s: %llu wrong samples", what, (unsigned long long)m->found.wrong);
    }
    if (m->again.right < m->found.right) {
        fail_msg("%s: %llu samples, then %llu", what, (unsigned long long)m->found.right,
                 (unsigned long long)m->again.right);
    }
}

static void mutation_try(struct mutations *m, u64 seed)
{
    static const char *const names[] = {
        "bit",     "bytes",   "cut",     "zeroes",   "pages", "more", "page of another",
        "removed", "renamed", "doubled", "exchanged"};
    static_assert(ARRAY_LEN(names) == MUTATE_COUNT, "a name each");
    struct fixture f;
    struct tree t;
    char what[800];
    int len = snprintf(what, sizeof(what), "TIDEMARK_SEED=%llu", (unsigned long long)seed);
    bool silent_ok = false;
    bool deletions = false;
    struct error e = {0};
    later_init(&f, seed);
    tree_init(&t);
    tree_copy(&t, &m->whole);
    for (u64 n = 1 + rng_below(&f.rng, 3); n > 0; n--) {
        char path[TREE_PATH];
        enum mutation how = tree_damage(&t, &f.rng, path);
        len += snprintf(what + len, sizeof(what) - (size_t)len, ", %s of %s", names[how], path);
        silent_ok |= how > MUTATE_IN_PLACE || strncmp(path, "blocks/", 7) != 0;
        deletions |= how > MUTATE_IN_PLACE || strcmp(path, "deleted") == 0;
    }
    tree_write(&t, f.fs, "/data");
    f.opts.fs = f.fs;
    f.db = tsdb_open(&f.opts, &e);
    if (f.db) {
        f.s = tsdb_storage(f.db);
        damaged_use(m, &f, what);
        m->looked_at += m->found.right;
        m->partial += m->found.partial;
        m->complete += m->found.right == m->g.there;
        if (m->found.right < m->g.there && !m->found.partial && !silent_ok) {
            fail_msg("%s: samples are missing without a word", what);
        }
        if (m->found.undeleted + m->again.undeleted > 0 && !deletions) {
            fail_msg("%s: deleted samples are back", what);
        }
    } else if (refused_rightly(&f, &t, &e)) {
        m->refused++;
    } else {
        fail_msg("%s: it does not start: %s", what, e.text);
    }
    tree_fini(&t);
    fixture_fini(&f);
}

TEST(golden_store_when_damaged_gives_right_values_or_none)
{
#    if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    const u64 few = 100;
#    else
    const u64 few = 500;
#    endif
    const u64 n = fixture_env("TIDEMARK_MUTATIONS", few);
    const u64 seed = fixture_env("TIDEMARK_SEED", 1);
    struct mutations *m = MEM_NEW(struct mutations);
    golden_init(&m->g);
    tree_init(&m->whole);
    tree_read(&m->whole, fs_real(), GOLDEN_STORE);
    for (u64 i = 0; i < n; i++) {
        mutation_try(m, seed + i);
    }
    printf("# seed %llu: %llu mutations, %llu samples looked at, none wrong; %llu complete, "
           "%llu partial, %llu refused\n",
           (unsigned long long)seed, (unsigned long long)n, (unsigned long long)m->looked_at,
           (unsigned long long)m->complete, (unsigned long long)m->partial,
           (unsigned long long)m->refused);
    assert_true(m->complete < n && m->partial > 0);
    tree_fini(&m->whole);
    mem_free(m);
}

// --- Newer formats -------------------------------------------------------------------------------

enum { VERSION_AT = 8, LOG_HEADER_SUM_AT = 60 };

// What a later release might have written: another version, and the checksum over it right.
static void newer_make(struct tree_file *f)
{
    const bool log = strncmp(f->path, "wal/", 4) == 0;
    const char *slash = strrchr(f->path, '/');
    const char *name = slash ? slash + 1 : f->path;
    const bool floor = strcmp(name, "floor") == 0; // Its magic ends with the version.
    f->bytes[floor ? VERSION_AT - 1 : VERSION_AT] = '9';
    if (log || strcmp(name, "meta") == 0 || strcmp(name, "tombstones") == 0 ||
        strcmp(name, "deleted") == 0 || floor) {
        const size_t at = log ? LOG_HEADER_SUM_AT : f->len - sizeof(u32);
        const u32 sum = crc32c(0, f->bytes, at);
        memcpy(f->bytes + at, &sum, sizeof(sum));
    }
}

// Returns whether the store starts.
static bool newer_try(struct mutations *m, u32 file)
{
    struct fixture f;
    struct tree t;
    struct tree after;
    struct error e = {0};
    later_init(&f, file);
    tree_init(&t);
    tree_init(&after);
    tree_copy(&t, &m->whole);
    const struct tree_file *newer = &t.files[file];
    newer_make(&t.files[file]);
    tree_write(&t, f.fs, "/data");
    f.opts.fs = f.fs;
    f.db = tsdb_open(&f.opts, &e);
    const bool starts = f.db != NULL;
    if (starts) { // Without it, which is said.
        f.s = tsdb_storage(f.db);
        store_look(&f, &m->g, &m->found);
        assert_int_equal(m->found.wrong, 0);
        assert_true(m->found.partial && m->found.right > 0);
        fixture_close(&f);
        tree_read(&after, f.fs, "/data");
        const struct tree_file *is = tree_find(&after, newer->path);
        assert_true(is && is->len == newer->len);
        assert_memory_equal(is->bytes, newer->bytes, is->len);
    } else if (!refused_rightly(&f, &t, &e)) {
        fail_msg("%s of a newer format: %s", newer->path, e.text);
    }
    printf("# %s: %s\n", newer->path, starts ? "partial" : e.text);
    tree_fini(&after);
    tree_fini(&t);
    fixture_fini(&f);
    return starts;
}

TEST(golden_store_of_newer_formats_is_left_untouched)
{
    struct mutations *m = MEM_NEW(struct mutations);
    u32 starts = 0;
    golden_init(&m->g);
    tree_init(&m->whole);
    tree_read(&m->whole, fs_real(), GOLDEN_STORE);
    for (u32 i = 0; i < m->whole.n; i++) {
        starts += newer_try(m, i);
    }
    assert_true(starts > 0 && starts < m->whole.n);
    tree_fini(&m->whole);
    mem_free(m);
}

#endif
