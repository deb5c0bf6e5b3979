// golden_fixture.c: see golden_fixture.h.
#include "tsdb/golden_fixture.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/match.h"
#include "model/sample.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/tsdb_admin.h"

#include <stdio.h>
#include <stdlib.h>

#define TICK_MS      500
#define SERIES_MAIN  17U // The rest belongs to rules.
#define SERIES_HIST  14U
#define SERIES_LATE  15U  // Some of its samples come ten seconds late.
#define SERIES_START 16U  // The last that rules do not write: a batch of its own.
#define GONE_TICKS   120U // A range, which retention takes.

// --- Files ---------------------------------------------------------------------------------------

void tree_init(struct tree *t)
{
    *t = (struct tree){.a = arena_new((size_t)64 << 20)};
}

void tree_fini(struct tree *t)
{
    arena_free(t->a);
}

static void file_take(struct tree *t, struct fs *fs, const char *dir, const char *name)
{
    struct error e = {0};
    char path[400];
    str bytes;
    assert_true(t->n < TREE_FILES_MAX);
    struct tree_file *f = &t->files[t->n++];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    ASSERT_OK(fs_read_file(fs, path, (size_t)8 << 20, t->a, &bytes, &e), e);
    assert_true((size_t)snprintf(f->path, TREE_PATH, "%s", name) < TREE_PATH);
    f->len = bytes.len;
    f->bytes = arena_alloc(t->a, bytes.len + 1, 1);
    memcpy(f->bytes, bytes.ptr, bytes.len);
}

// below: of dir, "" or "blocks/".
static void folder_take(struct tree *t, struct fs *fs, const char *dir, const char *below,
                        u32 depth)
{
    struct error e = {0};
    struct fs_info *infos = NULL;
    size_t n = 0;
    char path[400];
    assert_true(depth <= 4);
    (void)snprintf(path, sizeof(path), "%s/%s", dir, below);
    if (below[0]) {
        path[strlen(path) - 1] = 0;
    }
    ASSERT_OK(fs_list(fs, below[0] ? path : dir, t->a, &infos, &n, &e), e);
    for (size_t i = 0; i < n; i++) {
        char name[300];
        (void)snprintf(name, sizeof(name), "%s%.*s%s", below, STR_ARG(infos[i].name),
                       infos[i].is_dir ? "/" : "");
        if (infos[i].is_dir) {
            folder_take(t, fs, dir, name, depth + 1);
        } else if (strcmp(name, "lock") != 0) {
            file_take(t, fs, dir, name);
        }
    }
}

static int file_order(const void *a, const void *b)
{
    return strcmp(((const struct tree_file *)a)->path, ((const struct tree_file *)b)->path);
}

void tree_read(struct tree *t, struct fs *fs, const char *dir)
{
    folder_take(t, fs, dir, "", 0);
    qsort(t->files, t->n, sizeof(t->files[0]), file_order);
}

void tree_write(const struct tree *t, struct fs *fs, const char *dir)
{
    struct error e = {0};
    for (u32 i = 0; i < t->n; i++) {
        const struct tree_file *f = &t->files[i];
        char path[400];
        int len = snprintf(path, sizeof(path), "%s/%s", dir, f->path);
        assert_true(len > 0 && (size_t)len < sizeof(path));
        for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
            *slash = 0;
            ASSERT_OK(fs_make_dir(fs, path, &e), e);
            *slash = '/';
        }
        struct file *file = fs_open(fs, path, FS_TRUNCATE, &e);
        assert_non_null(file);
        ASSERT_OK(fs_write_at(fs, file, 0, (str){(const char *)f->bytes, f->len}, &e), e);
        fs_close(fs, file);
    }
}

struct tree_file *tree_find(struct tree *t, const char *path)
{
    for (u32 i = 0; i < t->n; i++) {
        if (strcmp(t->files[i].path, path) == 0) {
            return &t->files[i];
        }
    }
    return NULL;
}

// --- What is sent --------------------------------------------------------------------------------

static void series_text(u32 i, char out[64])
{
    if (i < 12) {
        (void)snprintf(out, 64, "m%u,instance=host%u,job=j", i % 4, i / 4);
    } else {
        (void)snprintf(out, 64, i < SERIES_MAIN ? "alone%u,k=\xc3\xbc" : "rule:%u,k=v", i);
    }
}

u32 golden_series(struct labels ls)
{
    for (u32 i = 0; i < GOLDEN_SERIES; i++) {
        char text[64];
        struct label items[16];
        char bytes[512];
        series_text(i, text);
        if (labels_eq(ls, fixture_labels(text, items, bytes))) {
            return i;
        }
    }
    return GOLDEN_SERIES;
}

u32 golden_tick(i64 t)
{
    i64 at = t - GOLDEN_START;
    return at >= 0 && at % TICK_MS == 0 && at / TICK_MS < GOLDEN_TICKS ? (u32)(at / TICK_MS)
                                                                       : GOLDEN_TICKS;
}

// Values of each kind that the codec knows, and those that are special.
static f64 value_of(u32 series, u32 tick)
{
    u64 h = hash_mix(series, tick);
    switch (series % 6) {
    case 0:
        return (f64)(tick * 15);
    case 1:
        return (f64)(h % 100000) / 1000;
    case 2:
        return h % 9 == 0 ? f64_of_bits(STALE_NAN_BITS) : (f64)(tick / 40);
    case 3:
        return f64_of_bits(h);
    case 4:
        return 1.0 / 3 + (f64)(tick / 100) / 1e9;
    default:
        return h % 5 == 0 ? -0.0 : (f64)(h % 3) * 1e300 * 1e10;
    }
}

static bool is_sent(u32 series, u32 tick)
{
    if (tick % 2 == 1) {
        return series == SERIES_LATE && tick % 6 == 1 && tick + 40 < GOLDEN_TICKS;
    }
    return series % 3 != 1 || hash_mix(series + 3, tick) % 5 != 0;
}

static bool is_hist(u32 series, u32 tick)
{
    return series == SERIES_HIST && hash_mix(tick, 8) % 6 != 0;
}

static i64 start_of(u32 tick)
{
    return GOLDEN_START + tick / 100 * 100 * TICK_MS;
}

static u64 hash_of(u32 series, u32 tick)
{
    f64 v = value_of(series, tick);
    i64 start = start_of(tick);
    struct fixture_hist made;
    const struct hist *h = &made.h;
    struct series_run run = {.values = &v, .start_t_ms = series == SERIES_START ? &start : NULL};
    if (is_hist(series, tick)) {
        fixture_hist_make(tick, &made);
        run = (struct series_run){.kind = SAMPLE_HIST, .hists = &h};
    }
    return fixture_sample_hash(&run, 0);
}

// The deletions: of m2 on two hosts inside the block of two ranges, of m3 in the head.
static bool is_deleted(u32 series, u32 tick)
{
    return (series < 12 && series % 4 == 2 && series / 4 < 2 && tick >= 300 && tick <= 340) ||
           (series < 12 && series % 4 == 3 && tick >= 650 && tick <= 660);
}

void golden_init(struct golden *g)
{
    memset(g, 0, sizeof(*g));
    for (u32 i = 0; i < GOLDEN_SERIES; i++) {
        for (u32 tick = GONE_TICKS; tick < GOLDEN_TICKS; tick++) {
            if (is_sent(i, tick)) {
                g->state[i][tick] = is_deleted(i, tick) ? GOLDEN_DELETED : GOLDEN_THERE;
                g->hash[i][tick] = hash_of(i, tick);
                g->there += g->state[i][tick] == GOLDEN_THERE;
            }
        }
    }
}

// --- Feeding -------------------------------------------------------------------------------------

void golden_options(struct fixture *f)
{
    f->opts.wal_segment_bytes = 8192;
    f->opts.compact_first = 2;
    f->opts.compact_second = 100;
    f->opts.ooo_window_ms = 20000;
}

// Of one shard, all that is sent at a time: one commit.
static void tick_feed(struct fixture *f, u32 tick, bool rules)
{
    struct error e = {0};
    struct labels sets[GOLDEN_SERIES];
    struct label items[GOLDEN_SERIES][16];
    char bytes[GOLDEN_SERIES][512];
    struct fixture_hist made;
    const struct hist *hists[GOLDEN_SERIES] = {NULL};
    struct series_ref refs[GOLDEN_SERIES];
    u8 outcomes[GOLDEN_SERIES];
    u8 kinds[GOLDEN_SERIES] = {0};
    i64 t[GOLDEN_SERIES];
    i64 start = 0;
    f64 values[GOLDEN_SERIES];
    u32 n = 0;
    u64 position;
    for (u32 i = rules ? SERIES_MAIN : 0; i < (rules ? GOLDEN_SERIES : SERIES_MAIN); i++) {
        char text[64];
        if (!is_sent(i, tick)) {
            continue;
        }
        series_text(i, text);
        sets[n] = fixture_labels(text, items[n], bytes[n]);
        t[n] = GOLDEN_START + (i64)tick * TICK_MS;
        start = i == SERIES_START ? start_of(tick) : 0;
        values[n] = value_of(i, tick);
        if (is_hist(i, tick)) {
            fixture_hist_make(tick, &made);
            kinds[n] = SAMPLE_HIST;
            hists[n] = &made.h;
        }
        n++;
    }
    if (n == 0) {
        return;
    }
    struct storage_appender *a =
        storage_appender_open(f->s, TENANT_DEFAULT, rules ? STREAM_RULES : STREAM_SCRAPE, &e);
    assert_non_null(a);
    a->ops->resolve(a, sets, n, refs, outcomes);
    // What has a start timestamp comes last, and as a batch of its own: a column has all or none.
    u32 plain = start != 0 ? n - 1 : n;
    struct append_batch b = {.refs = refs,
                             .t_ms = t,
                             .kinds = kinds,
                             .values = values,
                             .hists = hists,
                             .n = plain,
                             .outcomes = outcomes};
    struct append_batch with_start = {.refs = refs + plain,
                                      .t_ms = t + plain,
                                      .start_t_ms = &start,
                                      .values = values + plain,
                                      .n = n - plain,
                                      .outcomes = outcomes + plain};
    ASSERT_OK(a->ops->append(a, &b, &e), e);
    ASSERT_OK(n == plain || a->ops->append(a, &with_start, &e), e);
    ASSERT_OK(a->ops->commit(a, DURABILITY_SYNC, &position, &e), e);
    storage_appender_close(a);
    for (u32 i = 0; i < n; i++) {
        assert_true(append_is_stored((enum append_outcome)outcomes[i]));
    }
    ASSERT_OK(storage_wait_durable(f->s, position, &e), e);
}

static void extras_feed(struct fixture *f, u32 tick)
{
    struct error e = {0};
    struct label items[2][16];
    char bytes[2][512];
    struct labels of = fixture_labels("m1,instance=host0,job=j", items[0], bytes[0]);
    struct exemplar x = {.labels = fixture_labels("m1,trace_id=4bf92f", items[1], bytes[1]),
                         .value = 0.25,
                         .t_ms = GOLDEN_START + (i64)tick * TICK_MS,
                         .has_t = true};
    struct metadata m = {
        .name = STR("m1"), .type = METRIC_GAUGE, .help = STR("What it is."), .unit = STR("bytes")};
    struct series_ref ref;
    u8 outcome;
    u64 position;
    x.labels.items++; // Without a name.
    x.labels.count--;
    struct storage_appender *a = storage_appender_open(f->s, TENANT_DEFAULT, STREAM_SCRAPE, &e);
    assert_non_null(a);
    a->ops->resolve(a, &of, 1, &ref, &outcome);
    ASSERT_OK(a->ops->exemplars(a, &ref, &x, 1, &e), e);
    ASSERT_OK(a->ops->metadata(a, &m, 1, &e), e);
    ASSERT_OK(a->ops->commit(a, DURABILITY_SYNC, &position, &e), e);
    storage_appender_close(a);
}

static void ticks_delete(struct fixture *f, const char *metric, const char *hosts, u32 from, u32 to)
{
    struct error e = {0};
    struct arena *a = arena_new((size_t)1 << 20);
    struct matcher ms[2];
    u64 id;
    ASSERT_OK(matcher_init(&ms[0], a, MATCH_EQ, LABEL_NAME, str_c(metric), &e), e);
    ASSERT_OK(matcher_init(&ms[1], a, MATCH_RE, STR("instance"), str_c(hosts), &e), e);
    struct tsdb_deletion d = {.tenant = TENANT_DEFAULT,
                              .ms = ms,
                              .count = 2,
                              .min_ms = GOLDEN_START + (i64)from * TICK_MS,
                              .max_ms = GOLDEN_START + (i64)to * TICK_MS};
    ASSERT_OK(tsdb_delete(f->db, &d, &id, &e), e);
    arena_free(a);
}

void golden_feed(struct fixture *f)
{
    for (u32 tick = 0; tick < GOLDEN_TICKS; tick++) {
        // What is late stands at odd places and comes 21 of them after its time.
        u32 late = tick >= 21 && (tick - 21) % 2 == 1 ? tick - 21 : GOLDEN_TICKS;
        if (tick % 2 == 0) {
            tick_feed(f, tick, false);
            tick_feed(f, tick, true);
        }
        if (late < GOLDEN_TICKS && late + 40 < GOLDEN_TICKS) {
            tick_feed(f, late, false);
        }
        if (tick == GOLDEN_EXEMPLAR) { // Goes into a block.
            extras_feed(f, tick);
        }
        clk_manual_advance(f->clk, TICK_MS);
        if (tick % 60 == 59) {
            fixture_steps(f);
        }
    }
    extras_feed(f, GOLDEN_TICKS - 2);
    ticks_delete(f, "m2", "host[01]", 300, 340);
    ticks_delete(f, "m3", "host.*", 650, 660);
    fixture_keep(f, (struct tsdb_retention){.ms = 4 * FIXTURE_RANGE});
    fixture_steps(f);
}
