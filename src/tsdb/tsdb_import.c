// tsdb_import.c: samples of any age and in any order become blocks of a folder.
//
//   look (what series, from when to when) ─► folder ─► count, if not all fits at once
//        ─► block ranges that fit together: gather, sort, write    ─► … ─► list all
//        └► a range too large: count its series ─► groups of series that fit, likewise
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "os/clk.h"
#include "os/fs.h"
#include "tsdb/head.h"
#include "tsdb/import_block.h"
#include "tsdb/tsdb_files.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/tsdb_status.h"

#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_RANGE_MS     ((i64)2 * 3600 * 1000)
#define DEFAULT_SERIES_BYTES ((u64)2 << 30)
#define DEFAULT_SAMPLE_BYTES ((u64)256 << 20)
#define TOO_NEW_MS           ((i64)5 * 60 * 1000) // As a server has it.
#define RANGES_MAX           ((u64)1 << 20)       // 239 years of 2 h.
#define TIME_MIN             (-((i64)1 << 60))    // No sum of times overflows from here on.
#define LIST_BYTES_MAX       ((size_t)64 << 20)
#define PATH_BYTES           500

// A block whose files are whole. Threads: a value.
struct import_made {
    i64 min_ms;
    i64 max_ms;
    u64 series;
    u64 chunks;
    u64 samples;
    u64 bytes;
    char id[BLOCK_ID_LEN + 1];
};

// Threads: owned.
struct import {
    const struct tsdb_import_opts *opts;
    struct tsdb_import_source *source;
    struct tsdb_imported *out;
    struct import_series table;
    char blocks[PATH_BYTES + 16];
    struct file *lock;
    i64 range_ms;
    i64 now_ms;
    i64 min_ms; // Of all samples.
    i64 max_ms;
    i64 start_ms; // Of the first range.
    i64 end_ms;   // No block reaches further.
    u32 ranges;
    u64 *counts; // Samples of each range; NULL: all fit at once.
    struct import_sample *samples;
    u64 n;
    u64 room;
    u8 *used; // A bit for each series.
    struct import_made *made;
    u32 made_count;
};

// What a pass shall take. Threads: a value.
struct import_part {
    u32 from; // Ranges, exclusive end.
    u32 to;
    u32 rank_from; // Series, exclusive end.
    u32 rank_to;
};

static u32 range_of(const struct import *m, i64 t_ms)
{
    return (u32)((t_ms - m->start_ms) / m->range_ms);
}

static void pass_begin(struct import *m)
{
    m->out->passes++;
    m->source->ops->begin(m->source);
}

static bool sample_look(struct import *m, const struct tsdb_import_sample *v, struct error *e)
{
    if (v->t_ms > m->now_ms + TOO_NEW_MS) {
        return err_set(e, ERR_INVALID, "%s:%u: the time %lld ms lies in the future",
                       m->source->name, v->line, (long long)v->t_ms);
    }
    if (is_box(v->value)) {
        return err_set(e, ERR_INVALID, "%s:%u: the value is a NaN that no source may use",
                       m->source->name, v->line);
    }
    m->min_ms = MIN(m->min_ms, v->t_ms);
    m->max_ms = MAX(m->max_ms, v->t_ms);
    m->out->samples++;
    return import_series_add(&m->table, m->source, v, e);
}

static bool look(struct import *m, struct error *e)
{
    struct tsdb_import_sample v;
    bool ok = true;
    m->min_ms = INT64_MAX;
    m->max_ms = INT64_MIN;
    pass_begin(m);
    while (ok && m->source->ops->next(m->source, &v)) {
        ok = sample_look(m, &v, e);
    }
    ok = m->source->ops->end(m->source, ok ? e : NULL) && ok;
    m->out->series = m->table.count;
    return ok;
}

// ---- the folder ----

// Nothing, or a store's.
static bool folder_check(const struct import *m, struct arena *a, struct error *e)
{
    const char *dir = m->opts->dir;
    struct fs_info *infos = NULL;
    struct fs_info blocks;
    struct error why = {0};
    size_t n = 0;
    if (!fs_list(m->opts->fs, dir, a, &infos, &n, &why)) {
        return why.code == ERR_NOT_FOUND || err_set(e, why.code, "%s", why.text);
    }
    return n == 0 || fs_stat(m->opts->fs, m->blocks, &blocks, &why) ||
           err_set(e, ERR_EXISTS, "%s is not empty and no folder of a store", dir);
}

// A log whose samples are in no block yet may have samples of any time.
static bool log_is_empty(const struct import *m, struct arena *a, struct error *e)
{
    for (u32 i = 0; i < SHARDS; i++) {
        char path[PATH_BYTES + 16];
        struct fs_info *infos = NULL;
        struct error why = {0};
        size_t n = 0;
        (void)snprintf(path, sizeof(path), "%s/wal/%u", m->opts->dir, i);
        if (!fs_list(m->opts->fs, path, a, &infos, &n, &why) && why.code != ERR_NOT_FOUND) {
            return err_set(e, why.code, "%s", why.text);
        }
        if (n > 0) {
            return err_set(e, ERR_EXISTS,
                           "%s has a log and no block yet, so it is not known from when on it "
                           "has samples",
                           m->opts->dir);
        }
    }
    return true;
}

// (I2): blocks reach as far already, so that what the log has lies behind this.
static bool folder_is_free(struct import *m, struct arena *a, struct error *e)
{
    struct fs_info *infos = NULL;
    size_t n = 0;
    i64 newest = INT64_MIN;
    if (!fs_list(m->opts->fs, m->blocks, a, &infos, &n, e)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct block_meta meta;
        if (infos[i].is_dir && block_name_parse(infos[i].name, &meta) && !meta.cold) {
            newest = MAX(newest, meta.max_ms);
        }
    }
    if (newest == INT64_MIN) {
        return log_is_empty(m, a, e);
    }
    m->end_ms = newest;
    return m->max_ms < newest ||
           err_set(e, ERR_EXISTS,
                   "the newest block of %s ends at %lld ms; only samples before that can be added, "
                   "and these reach to %lld ms",
                   m->opts->dir, (long long)newest, (long long)m->max_ms);
}

static bool folder_make(struct import *m, struct error *e)
{
    char path[PATH_BYTES + 16];
    char parent[PATH_BYTES + 16];
    folder_parent(m->opts->dir, parent, sizeof(parent));
    (void)snprintf(path, sizeof(path), "%s/lock", m->opts->dir);
    if (!fs_make_dir(m->opts->fs, m->opts->dir, e) || !fs_make_dir(m->opts->fs, m->blocks, e)) {
        return false;
    }
    struct error why = {0};
    m->lock = fs_lock(m->opts->fs, path, &why);
    if (!m->lock) {
        return why.code == ERR_EXISTS
                   ? err_set(e, ERR_EXISTS, "a server uses the folder %s", m->opts->dir)
                   : err_set(e, why.code, "%s", why.text);
    }
    return fs_sync_dir(m->opts->fs, m->opts->dir, e) && fs_sync_dir(m->opts->fs, parent, e);
}

static bool folder_take(struct import *m, struct error *e)
{
    if (strlen(m->opts->dir) == 0 || strlen(m->opts->dir) > PATH_BYTES / 2) {
        return err_set(e, ERR_INVALID, "\"%s\" is no name for a folder", m->opts->dir);
    }
    struct arena *a = arena_new(LIST_BYTES_MAX);
    (void)snprintf(m->blocks, sizeof(m->blocks), "%s/blocks", m->opts->dir);
    const bool ok = folder_check(m, a, e) && folder_make(m, e) && folder_is_free(m, a, e);
    arena_free(a);
    return ok;
}

// ---- passes ----

static u32 rank_of(const struct import *m, const struct tsdb_import_sample *v, struct error *e)
{
    const u32 rank = import_series_find(&m->table, v->series);
    if (rank == IMPORT_NONE || v->t_ms < m->min_ms || v->t_ms > m->max_ms) {
        (void)err_set(e, ERR_IO, "%s:%u: it changed while it was read", m->source->name, v->line);
        return IMPORT_NONE;
    }
    return rank;
}

// Counts the samples of each range (by_rank: of each series of one range).
static bool count(struct import *m, u64 *counts, bool by_rank, u32 range, struct error *e)
{
    struct tsdb_import_sample v;
    bool ok = true;
    pass_begin(m);
    while (ok && m->source->ops->next(m->source, &v)) {
        const u32 rank = rank_of(m, &v, e);
        ok = rank != IMPORT_NONE;
        if (ok && !by_rank) {
            counts[range_of(m, v.t_ms)]++;
        } else if (ok && range_of(m, v.t_ms) == range) {
            counts[rank]++;
        }
    }
    return m->source->ops->end(m->source, ok ? e : NULL) && ok;
}

static int by_place(const void *a, const void *b)
{
    const struct import_sample *x = a;
    const struct import_sample *y = b;
    if (x->place != y->place) {
        return x->place < y->place ? -1 : 1;
    }
    if (x->t_ms != y->t_ms) {
        return x->t_ms < y->t_ms ? -1 : 1;
    }
    return x->line < y->line ? -1 : x->line > y->line;
}

static bool gather(struct import *m, const struct import_part *p, struct error *e)
{
    struct tsdb_import_sample v;
    bool ok = true;
    m->n = 0;
    pass_begin(m);
    while (ok && m->source->ops->next(m->source, &v)) {
        const u32 rank = rank_of(m, &v, e);
        ok = rank != IMPORT_NONE;
        const u32 range = ok ? range_of(m, v.t_ms) : 0;
        if (!ok || range < p->from || range >= p->to || rank < p->rank_from || rank >= p->rank_to) {
            continue;
        }
        if (m->n == m->room) {
            ok = err_set(e, ERR_IO, "%s:%u: it changed while it was read", m->source->name, v.line);
            continue;
        }
        m->samples[m->n++] = (struct import_sample){
            .place = (u64)range << 32 | rank, .t_ms = v.t_ms, .value = v.value, .line = v.line};
    }
    ok = m->source->ops->end(m->source, ok ? e : NULL) && ok;
    if (ok && m->n > 1) {
        qsort(m->samples, m->n, sizeof(*m->samples), by_place);
    }
    return ok;
}

// ---- blocks ----

// The block of a range. A server takes samples from the end of the newest one on; so in a folder
// without blocks one that is just over, or not yet, ends behind the newest sample.
static struct import_block *block_begin(struct import *m, u32 range, struct error *e)
{
    struct import_block *b = MEM_NEW(struct import_block);
    const i64 from = m->start_ms + (i64)range * m->range_ms;
    const i64 to = MIN(from + m->range_ms, m->end_ms);
    const bool is_recent = m->end_ms == INT64_MAX && to > m->now_ms - m->range_ms;
    b->table = &m->table;
    b->source = m->source->name;
    b->meta = (struct block_meta){.min_ms = from,
                                  .max_ms = is_recent ? MIN(to, m->max_ms + 1) : to,
                                  .made_ms = m->now_ms,
                                  .level = 1};
    block_id_make(m->opts->clk, m->opts->rng, b->meta.id);
    struct import_made *made = &m->made[m->made_count++];
    *made = (struct import_made){.min_ms = b->meta.min_ms, .max_ms = b->meta.max_ms};
    memcpy(made->id, b->meta.id, sizeof(made->id));
    if (!import_block_begin(b, m->opts->fs, m->blocks, m->used, e)) {
        import_block_fini(b);
        mem_free(b);
        return NULL;
    }
    return b;
}

static bool block_end(struct import *m, struct import_block *b, bool ok, struct error *e)
{
    ok = ok && import_block_end(b, e);
    struct import_made *made = &m->made[m->made_count - 1];
    made->series = b->meta.series;
    made->chunks = b->meta.chunks;
    made->samples = b->meta.samples;
    made->bytes = b->meta.data_bytes + b->meta.index_bytes;
    import_block_fini(b);
    mem_free(b);
    return ok;
}

// The series of samples [from, to).
static bool series_write(struct import *m, struct import_block *b, u64 from, u64 to,
                         struct error *e)
{
    while (from < to) {
        u64 end = from + 1;
        while (end < to && m->samples[end].place == m->samples[from].place) {
            end++;
        }
        if (!import_block_series(b, import_rank(&m->samples[from]), m->samples + from, end - from,
                                 e)) {
            return false;
        }
        from = end;
    }
    return true;
}

static void used_clear(struct import *m)
{
    memset(m->used, 0, m->table.count / 8 + 1);
}

static void used_set(struct import *m, u32 rank)
{
    m->used[rank / 8] |= (u8)(1U << (rank % 8));
}

// Ranges that fit in memory together: a block each.
static bool ranges_write(struct import *m, u32 from, u32 to, struct error *e)
{
    const struct import_part p = {.from = from, .to = to, .rank_to = m->table.count};
    if (!gather(m, &p, e)) {
        return false;
    }
    for (u64 at = 0; at < m->n;) {
        const u32 range = (u32)(m->samples[at].place >> 32);
        u64 end = at;
        used_clear(m);
        while (end < m->n && (u32)(m->samples[end].place >> 32) == range) {
            used_set(m, import_rank(&m->samples[end++]));
        }
        struct import_block *b = block_begin(m, range, e);
        if (!b || !block_end(m, b, series_write(m, b, at, end, e), e)) {
            return false;
        }
        at = end;
    }
    return true;
}

// The series from p->rank_from on that fit in memory together; p->rank_to becomes their end.
static bool part_choose(const struct import *m, const u64 *counts, struct import_part *p,
                        struct error *e)
{
    u64 sum = 0;
    p->rank_to = p->rank_from;
    while (p->rank_to < m->table.count && sum + counts[p->rank_to] <= m->room) {
        sum += counts[p->rank_to++];
    }
    return p->rank_to > p->rank_from ||
           err_set(e, ERR_LIMIT, "%s: one series has %llu samples in one block, %llu fit in memory",
                   m->source->name, (unsigned long long)counts[p->rank_from],
                   (unsigned long long)m->room);
}

// A range that has more samples than fit.
static bool range_write(struct import *m, u32 range, struct error *e)
{
    u64 *counts = MEM_NEW_N(u64, m->table.count + 1ULL);
    struct import_part p = {.from = range, .to = range + 1};
    bool ok = count(m, counts, true, range, e);
    used_clear(m);
    for (u32 i = 0; i < m->table.count; i++) {
        if (counts[i] > 0) {
            used_set(m, i);
        }
    }
    struct import_block *b = ok ? block_begin(m, range, e) : NULL;
    for (ok = b != NULL; ok && p.rank_from < m->table.count; p.rank_from = p.rank_to) {
        ok = part_choose(m, counts, &p, e) && gather(m, &p, e) && series_write(m, b, 0, m->n, e);
    }
    ok = b && block_end(m, b, ok, e);
    mem_free(counts);
    return ok;
}

static bool blocks_write(struct import *m, struct error *e)
{
    if (!m->counts) {
        return ranges_write(m, 0, m->ranges, e);
    }
    bool ok = true;
    for (u32 at = 0; ok && at < m->ranges;) {
        u32 to = at + 1;
        u64 sum = m->counts[at];
        while (to < m->ranges && sum + m->counts[to] <= m->room) {
            sum += m->counts[to++];
        }
        ok = sum == 0 || (sum <= m->room ? ranges_write(m, at, to, e) : range_write(m, at, e));
        at = to;
    }
    return ok;
}

// Lists the blocks, or without `list` removes what was written of them.
static bool blocks_settle(struct import *m, bool list, struct error *e)
{
    for (u32 i = 0; i < m->made_count; i++) {
        const struct import_made *made = &m->made[i];
        struct block_meta meta = {.min_ms = made->min_ms, .max_ms = made->max_ms};
        struct block_dir d;
        memcpy(meta.id, made->id, sizeof(meta.id));
        if (!block_dir_make(&d, m->opts->fs, m->blocks, &meta, list ? e : NULL)) { // It is there.
            list = false;
            continue;
        }
        if (!list) {
            block_dir_drop(&d);
        } else if (!block_dir_list(&d, e)) {
            list = false;
        }
    }
    return list;
}

static void blocks_tell(const struct import *m)
{
    for (u32 i = 0; m->opts->made && i < m->made_count; i++) {
        const struct import_made *made = &m->made[i];
        const struct tsdb_block_info info = {.id = str_c(made->id),
                                             .min_ms = made->min_ms,
                                             .max_ms = made->max_ms,
                                             .series = made->series,
                                             .chunks = made->chunks,
                                             .samples = made->samples,
                                             .bytes = made->bytes,
                                             .level = 1};
        m->opts->made(m->opts->ctx, &info);
    }
}

static bool plan_make(struct import *m, struct error *e)
{
    const u64 bytes = m->opts->sample_bytes_max ? m->opts->sample_bytes_max : DEFAULT_SAMPLE_BYTES;
    const bool is_far = m->min_ms < TIME_MIN;
    m->start_ms = window_floor(is_far ? 0 : m->min_ms, m->range_ms);
    const u64 ranges = (u64)(m->max_ms - m->start_ms) / (u64)m->range_ms + 1;
    if (is_far || ranges > RANGES_MAX) {
        return err_set(e, ERR_LIMIT,
                       "%s: the samples reach from %lld to %lld ms, over more than %llu block "
                       "ranges",
                       m->source->name, (long long)m->min_ms, (long long)m->max_ms,
                       (unsigned long long)RANGES_MAX);
    }
    m->ranges = (u32)ranges;
    m->room = MAX(bytes / 2 / sizeof(*m->samples), 1U); // Half is for the sort.
    return true;
}

static bool import_run(struct import *m, struct error *e)
{
    if (!look(m, e)) {
        return false;
    }
    if (m->out->samples == 0) {
        return true;
    }
    if (!plan_make(m, e) || !folder_take(m, e)) {
        return false;
    }
    import_series_sort(&m->table);
    m->used = MEM_NEW_N(u8, m->table.count / 8 + 1ULL);
    m->made = MEM_NEW_N(struct import_made, m->ranges);
    bool ok = true;
    if (m->out->samples > m->room) {
        m->counts = MEM_NEW_N(u64, m->ranges);
        ok = count(m, m->counts, false, 0, e);
    }
    m->room = MIN(m->room, m->out->samples);
    m->samples = MEM_NEW_N(struct import_sample, m->room);
    ok = ok && blocks_write(m, e);
    ok = blocks_settle(m, ok, e);
    if (ok) {
        m->out->blocks = m->made_count;
        blocks_tell(m);
    }
    return ok;
}

bool tsdb_import(const struct tsdb_import_opts *opts, struct tsdb_import_source *s,
                 struct tsdb_imported *out, struct error *e)
{
    struct import m = {.opts = opts, .source = s, .out = out, .end_ms = INT64_MAX};
    *out = (struct tsdb_imported){0};
    m.range_ms = opts->block_range_ms ? opts->block_range_ms : DEFAULT_RANGE_MS;
    m.now_ms = clk_wall_ms(opts->clk);
    import_series_init(&m.table,
                       opts->series_bytes_max ? opts->series_bytes_max : DEFAULT_SERIES_BYTES);
    const bool ok = import_run(&m, e);
    import_series_fini(&m.table);
    mem_free(m.counts);
    mem_free(m.samples);
    mem_free(m.used);
    mem_free(m.made);
    if (m.lock) {
        fs_close(opts->fs, m.lock);
    }
    return ok;
}
