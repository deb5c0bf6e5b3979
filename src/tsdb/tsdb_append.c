// tsdb_append.c: the writing half of storage.h over the head and its log.
//
//   commit: take the shard's turn → the log gets ready → every sample is judged (a plan) → records
//           are encoded → one write to the kernel → the plan becomes visible → drop the turn
#include "base/arena.h"
#include "base/buf.h"
#include "base/checked.h"
#include "base/error.h"
#include "model/hist.h"
#include "os/clk.h"
#include "tsdb/box.h"
#include "tsdb/head.h"
#include "tsdb/tsdb_inner.h"
#include "tsdb/tsdb_refused.h"
#include "tsdb/wal.h"
#include "tsdb/wal_entry.h"

#define BATCHES_MAX          4096U
#define RECORDS_BYTES_MAX    ((size_t)32 << 20) // Of one commit; the log holds a few of them.
#define EXEMPLARS_STAGED_MAX 65536U // Of one commit; what is more is dropped and counted.
#define META_BYTES_MAX       ((size_t)64 << 20)
#define DEFINITIONS_BYTES    ((u64)8 << 20) // Beside a commit, which has the rest for itself.

// Threads: owned.
struct staged_exemplar {
    struct series_ref ref;
    struct labels set; // Of the series, once the turn is held.
    struct exemplar x;
};

// Threads: owned.
struct tsdb_appender {
    struct storage_appender base;
    struct tsdb *db;
    struct head *head;
    struct wal *wal;
    u32 shard;
    struct tenant_id tenant;
    bool reserve; // Its new series may come out of what is kept back.
    struct append_batch *batches;
    u32 batch_count;
    u32 batch_cap;
    struct arena *arena; // Of staged metadata.
    struct metadata *metadata;
    u32 meta_count;
    u32 meta_cap;
    struct staged_exemplar *exemplars; // In the arena too.
    u32 exemplar_count;
    u32 exemplar_cap;
    struct head_plan plan;
    struct buf records;
    bool too_long; // The last commit was: its sender's fault, not the log's.
};

static struct tsdb_appender *appender_of(struct storage_appender *a)
{
    return CONTAINER_OF(a, struct tsdb_appender, base);
}

static void forget_staged(struct tsdb_appender *a)
{
    arena_reset(a->arena);
    a->plan.late = (struct metric_tally){0};
    a->batch_count = 0;
    a->metadata = NULL;
    a->meta_count = 0;
    a->meta_cap = 0;
    a->exemplars = NULL;
    a->exemplar_count = 0;
    a->exemplar_cap = 0;
}

static void tsdb_resolve(struct storage_appender *base, const struct labels *sets, u32 n,
                         struct series_ref *refs, u8 *outcomes)
{
    struct tsdb_appender *a = appender_of(base);
    const struct head_asker asker = {.tenant = a->tenant, .reserve = a->reserve};
    head_resolve(a->head, &asker, sets, n, refs, outcomes);
    tsdb_refused_sets(a->db, a->tenant, sets, outcomes, n);
}

static bool tsdb_append(struct storage_appender *base, const struct append_batch *b,
                        struct error *e)
{
    struct tsdb_appender *a = appender_of(base);
    if (a->batch_count == BATCHES_MAX) {
        return err_set(e, ERR_LIMIT, "more than %u batches in one commit", BATCHES_MAX);
    }
    if (a->batch_count == a->batch_cap) {
        a->batch_cap = MAX(4U, a->batch_cap * 2);
        a->batches = MEM_GROW(a->batches, a->batch_cap, struct append_batch);
    }
    a->batches[a->batch_count++] = *b;
    return true;
}

static bool tsdb_exemplars(struct storage_appender *base, const struct series_ref *refs,
                           const struct exemplar *exemplars, u32 n, UNUSED struct error *e)
{
    struct tsdb_appender *a = appender_of(base);
    for (u32 i = 0; i < n; i++) {
        if (arena_bytes(a->arena) > META_BYTES_MAX || a->exemplar_count == EXEMPLARS_STAGED_MAX ||
            exemplar_too_long(&exemplars[i])) {
            tsdb_count(a->db, COUNT_EXEMPLARS_DROPPED, 1);
            continue;
        }
        if (a->exemplar_count == a->exemplar_cap) {
            u32 cap = MAX(16U, a->exemplar_cap * 2);
            a->exemplars =
                arena_grow(a->arena, a->exemplars, a->exemplar_cap, cap, sizeof(*a->exemplars));
            a->exemplar_cap = cap;
        }
        struct staged_exemplar *s = &a->exemplars[a->exemplar_count++];
        *s = (struct staged_exemplar){.ref = refs[i], .x = exemplars[i]};
        s->x.labels = labels_copy(a->arena, exemplars[i].labels);
    }
    return true;
}

// With the turn: those that are to be kept go to the log; the others are forgotten.
static void exemplars_log(struct tsdb_appender *a, u32 salt)
{
    u32 kept = 0;
    u32 late = 0;
    for (u32 i = 0; i < a->exemplar_count; i++) {
        struct staged_exemplar *s = &a->exemplars[i];
        if (!head_ref_alive(a->head, a->tenant, s->ref)) {
            continue;
        }
        u32 n = head_label_count(a->head, s->ref.ordinal);
        struct label *items = arena_try(a->arena, (size_t)n + 1, sizeof(*items));
        if (!items) {
            break;
        }
        s->set = head_labels(a->head, s->ref.ordinal, items);
        lock_take(&a->db->lock);
        bool takes = exemplar_ring_takes(&a->db->exemplars, a->tenant, s->set, &s->x);
        late += !takes && exemplar_ring_late(&a->db->exemplars, a->tenant, s->set, &s->x);
        lock_drop(&a->db->lock);
        if (takes) {
            wal_put_exemplar(&a->records, a->tenant, s->set, &s->x, salt);
            a->exemplars[kept++] = *s;
        }
    }
    tsdb_count(a->db, COUNT_EXEMPLARS_LATE, late);
    tsdb_count(a->db, COUNT_EXEMPLARS_DROPPED, a->exemplar_count - kept);
    a->exemplar_count = kept;
}

static void exemplars_keep(struct tsdb_appender *a)
{
    u32 kept = 0;
    u32 late = 0;
    lock_take(&a->db->lock);
    for (u32 i = 0; i < a->exemplar_count; i++) {
        const struct staged_exemplar *s = &a->exemplars[i];
        const bool is_kept = exemplar_ring_add(&a->db->exemplars, a->tenant, s->set, &s->x);
        kept += is_kept;
        late += !is_kept && exemplar_ring_late(&a->db->exemplars, a->tenant, s->set, &s->x);
    }
    lock_drop(&a->db->lock);
    tsdb_count(a->db, COUNT_EXEMPLARS_LATE, late);
    tsdb_count(a->db, COUNT_EXEMPLARS_APPENDED, kept);
    tsdb_count(a->db, COUNT_EXEMPLARS_DROPPED, a->exemplar_count - kept);
}

static bool tsdb_metadata(struct storage_appender *base, const struct metadata *m, u32 n,
                          struct error *e)
{
    struct tsdb_appender *a = appender_of(base);
    if (a->meta_count + n > a->meta_cap) {
        u32 cap = MAX(a->meta_cap * 2, a->meta_count + n);
        if (arena_bytes(a->arena) + (size_t)cap * sizeof(*m) > META_BYTES_MAX) {
            return err_set(e, ERR_LIMIT, "more than %zu bytes of metadata in one commit",
                           META_BYTES_MAX);
        }
        a->metadata = arena_grow(a->arena, a->metadata, a->meta_count, cap, sizeof(*m));
        a->meta_cap = cap;
    }
    for (u32 i = 0; i < n; i++) {
        size_t bytes = m[i].name.len + m[i].help.len + m[i].unit.len + 256;
        if (bytes > RECORDS_BYTES_MAX / 4 || arena_bytes(a->arena) + bytes > META_BYTES_MAX) {
            return err_set(e, ERR_LIMIT, "more than %zu bytes of metadata in one commit",
                           META_BYTES_MAX);
        }
        a->metadata[a->meta_count++] = (struct metadata){.name = arena_str(a->arena, m[i].name),
                                                         .type = m[i].type,
                                                         .help = arena_str(a->arena, m[i].help),
                                                         .unit = arena_str(a->arena, m[i].unit)};
    }
    return true;
}

// Keeps only what the table does not say already.
static void metadata_trim(struct tsdb_appender *a)
{
    u32 kept = 0;
    lock_take(&a->db->lock);
    for (u32 i = 0; i < a->meta_count; i++) {
        if (!meta_table_same(&a->db->metadata, a->tenant, &a->metadata[i])) {
            a->metadata[kept++] = a->metadata[i];
        }
    }
    lock_drop(&a->db->lock);
    a->meta_count = kept;
}

static void metadata_keep(struct tsdb_appender *a)
{
    lock_take(&a->db->lock);
    for (u32 i = 0; i < a->meta_count; i++) {
        meta_table_set(&a->db->metadata, a->tenant, &a->metadata[i]);
    }
    lock_drop(&a->db->lock);
}

// With the turn: a sample that is more than a double, or a double that looks like a reference.
static enum append_outcome box_check(struct tsdb_appender *a, const struct head_rules *rules,
                                     const struct append_batch *b, u32 i)
{
    f64 ref;
    struct box box = {.has_start = b->start_t_ms != NULL};
    box.start_ms = box.has_start ? b->start_t_ms[i] : 0;
    if (b->kinds && b->kinds[i] == SAMPLE_HIST) {
        box.hist = b->hists[i];
        if (!hist_check(box.hist, NULL)) {
            return APPEND_INVALID;
        }
    } else {
        box.value = b->values[i];
    }
    if (!head_plan_box(&a->plan, &box, &ref)) {
        return APPEND_LIMIT_HISTOGRAMS; // The commit is too long anyway: its log will be refused.
    }
    return head_check(a->head, &a->plan, rules, b->refs[i], b->t_ms[i], ref);
}

// With the turn: any sample.
static enum append_outcome sample_check(struct tsdb_appender *a, const struct head_rules *rules,
                                        const struct append_batch *b, u32 i)
{
    const bool is_float = !b->start_t_ms && (!b->kinds || b->kinds[i] == SAMPLE_FLOAT);
    return is_float && !is_box(b->values[i])
               ? head_check(a->head, &a->plan, rules, b->refs[i], b->t_ms[i], b->values[i])
               : box_check(a, rules, b, i);
}

static bool batch_has_boxes(const struct append_batch *b)
{
    return b->kinds || b->start_t_ms;
}

// With the turn. Returns the newest time of the plan.
static i64 batches_check(struct tsdb_appender *a)
{
    struct tsdb *db = a->db;
    struct head_rules rules = {.tenant = a->tenant,
                               .t_newest =
                                   sat_add_i64(clk_wall_ms(db->opts.clk), db->opts.too_new_ms),
                               .ooo_window_ms = db->ooo_window_ms,
                               .reserve = a->reserve};
    for (u32 k = 0; k < a->batch_count; k++) {
        const struct append_batch *b = &a->batches[k];
        const bool boxes = batch_has_boxes(b);
        for (u32 i = 0; i < b->n; i++) {
            i = boxes ? i : head_check_floats(a->head, &a->plan, &rules, b, i);
            if (i < b->n) {
                b->outcomes[i] = (u8)sample_check(a, &rules, b, i);
            }
        }
    }
    return a->plan.n > 0 ? a->plan.t_max : INT64_MIN;
}

static void outcomes_count(struct tsdb_appender *a)
{
    u64 seen[APPEND_OUTCOME_COUNT] = {0};
    u64 hists = 0;
    for (u32 k = 0; k < a->batch_count; k++) {
        const struct append_batch *b = &a->batches[k];
        append_outcomes_add(b->outcomes, b->n, seen);
        for (u32 i = 0; b->kinds && i < b->n; i++) {
            hists +=
                b->kinds[i] == SAMPLE_HIST && append_is_stored((enum append_outcome)b->outcomes[i]);
        }
    }
    enum append_outcome most;
    for (u32 k = 0; k < a->batch_count && append_limited_count(seen, &most) > 0; k++) {
        tsdb_refused_batch(a->db, a->head, a->tenant, &a->batches[k]);
    }
    metric_tally_tell(&a->plan.late, &metric_tally_late_seconds, a->db->late_seconds);
    tsdb_count(a->db, COUNT_HIST_APPENDED, hists);
    tsdb_count(a->db, COUNT_APPENDED, seen[APPEND_STORED] + seen[APPEND_STORED_OOO]);
    tsdb_count(a->db, COUNT_OUT_OF_ORDER, seen[APPEND_OUT_OF_ORDER]);
    tsdb_count(a->db, COUNT_TOO_OLD, seen[APPEND_TOO_OLD]);
    tsdb_count(a->db, COUNT_TOO_NEW, seen[APPEND_TOO_NEW]);
    tsdb_count(a->db, COUNT_DUPLICATE, seen[APPEND_DUPLICATE]);
    tsdb_count(a->db, COUNT_CONFLICT, seen[APPEND_CONFLICT]);
}

// With the turn. Definitions may wait for long: of commits that failed, of series that were only
// asked for. What is more than a commit can take along goes to the log by itself, in slices; what a
// slice told stays told if a later one fails.
static bool definitions_log(struct tsdb_appender *a, struct error *e)
{
    struct head *h = a->head;
    u32 n;
    while ((n = head_pending_slice(h, DEFINITIONS_BYTES)) < h->pending_count) {
        u64 place;
        u64 position;
        u32 salt;
        buf_clear(&a->records);
        if (!wal_begin(a->wal, &a->records, &place, &salt, e)) {
            return false;
        }
        wal_put_series(&a->records, h, h->pending + h->pending_count - n, n, salt);
        if (!buf_ok(&a->records)) {
            wal_abandon(a->wal);
            return err_set(e, ERR_LIMIT, "the labels of one series have more than %zu bytes",
                           RECORDS_BYTES_MAX);
        }
        if (!wal_write(a->wal, buf_get(&a->records), INT64_MIN, &position, e)) {
            return false;
        }
        h->pending_count -= n;
    }
    return true;
}

// With the turn: everything that must reach the log, then the log.
static bool commit_logged(struct tsdb_appender *a, u64 *position, struct error *e)
{
    struct head *h = a->head;
    u64 place;
    u32 salt;
    a->too_long = false;
    if (!definitions_log(a, e)) {
        return false;
    }
    buf_clear(&a->records);
    if (!wal_begin(a->wal, &a->records, &place, &salt, e)) {
        return false;
    }
    metadata_trim(a);
    i64 t_max = batches_check(a);
    wal_put_series(&a->records, h, h->pending, h->pending_count, salt);
    wal_put_metadata(&a->records, a->tenant, a->metadata, a->meta_count, salt);
    wal_put_plan(&a->records, h, &a->plan, place, salt);
    if (a->exemplar_count > 0) {
        exemplars_log(a, salt);
    }
    bool ok = buf_ok(&a->records) && buf_ok(&a->plan.bytes);
    if (!ok) {
        a->too_long = true;
        wal_abandon(a->wal);
        (void)err_set(e, ERR_LIMIT, "a commit of more than %zu bytes of log; send smaller batches",
                      RECORDS_BYTES_MAX);
    }
    ok = ok && wal_write(a->wal, buf_get(&a->records), t_max, position, e);
    if (!ok) {
        head_unplan(h, &a->plan);
        return false;
    }
    h->pending_count = 0;
    return true;
}

static bool tsdb_commit(struct storage_appender *base, UNUSED enum durability d, u64 *wal_position,
                        struct error *e)
{
    struct tsdb_appender *a = appender_of(base);
    u64 position = 0;
    head_turn_take(a->head);
    bool ok = commit_logged(a, &position, e);
    if (ok) {
        head_apply(a->head, &a->plan);
    }
    head_turn_drop(a->head);
    if (!a->too_long) {
        atomic_store(&a->db->writes_failing, !ok);
        tsdb_count(a->db, ok ? COUNT_WAL_WRITES : COUNT_WAL_WRITES_FAILED, 1);
    }
    if (!ok) {
        forget_staged(a);
        return false;
    }
    metadata_keep(a);
    if (a->exemplar_count > 0) {
        exemplars_keep(a);
    }
    outcomes_count(a);
    forget_staged(a);
    if (wal_position) {
        *wal_position = position * SHARDS + a->shard;
    }
    return true;
}

static void tsdb_rollback(struct storage_appender *base)
{
    forget_staged(appender_of(base));
}

static void tsdb_appender_close(struct storage_appender *base)
{
    struct tsdb_appender *a = appender_of(base);
    atomic_fetch_sub(&a->db->appenders, 1);
    arena_free(a->arena);
    mem_free(a->batches);
    head_plan_fini(&a->plan);
    buf_fini(&a->records);
    mem_free(a);
}

static const struct storage_appender_ops tsdb_appender_ops = {
    .resolve = tsdb_resolve,
    .append = tsdb_append,
    .exemplars = tsdb_exemplars,
    .metadata = tsdb_metadata,
    .commit = tsdb_commit,
    .rollback = tsdb_rollback,
    .close = tsdb_appender_close,
};

struct storage_appender *tsdb_appender_open(struct storage *s, struct tenant_id tenant,
                                            enum storage_stream stream, UNUSED struct error *e)
{
    struct tsdb *db = CONTAINER_OF(s, struct tsdb, base);
    struct tsdb_appender *a = MEM_NEW(struct tsdb_appender);
    a->base.ops = &tsdb_appender_ops;
    a->db = db;
    atomic_fetch_add(&db->appenders, 1);
    a->shard = stream == STREAM_RULES ? SHARD_RULES : SHARD_MAIN;
    a->head = db->heads[a->shard];
    a->wal = db->wals[a->shard];
    a->tenant = tenant;
    a->reserve = stream == STREAM_OWN;
    a->arena = arena_new(META_BYTES_MAX * 2);
    buf_init(&a->records, RECORDS_BYTES_MAX);
    head_plan_init(&a->plan, RECORDS_BYTES_MAX);
    return &a->base;
}
