// push_rw1.c: Prometheus remote write 1.0: snappy block, WriteRequest protobuf, into an appender.
//
//   WriteRequest { TimeSeries timeseries = 1; MetricMetadata metadata = 3 }
//   TimeSeries   { Label labels = 1; Sample samples = 2; Exemplar exemplars = 3;
//                  Histogram histograms = 4 }
//   Label { string name = 1, value = 2 }   Sample { double value = 1; int64 timestamp = 2 }
//
// One pass over the decoded request reads samples into columns. A series that comes where it came
// the last time is known by its label bytes (push_cache.h) and costs a comparison; of the others
// their place is noted, and labels are only read if the cache does not know these bytes. Then the
// series are resolved in one call and the columns are staged. A series that the cache knew and
// storage has forgotten meanwhile is resolved anew, and its samples follow in a second commit.
// Memory: the decoded request, and in the arena 33 bytes a sample and 33 a series, twice while a
// column grows. Two bytes on the wire make a sample or a series, so the arena's maximum is asked
// for, never passed: a request that needs more is refused.
#include "base/arena.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "ingest/ingest.h"
#include "ingest/push_cache.h"
#include "ingest/push_native.h"
#include "ingest/push_usual.h"
#include "model/hist.h"
#include "wire/pb.h"
#include "wire/snappy.h"

#include <stdlib.h>

#define PUSH_LABELS_MAX 1024 // Of one series; more is a bad label set.
#define SAMPLE_GUESS    128U // Decoded bytes of a series with one sample, for the first columns.
#define COLUMN_MAX      4096U
#define NOT_READ        0xffU // In refusals: the labels of the series were not read,
#define NOT_HASHED      0xfeU // nor was its key hashed: it was where it is expected.
#define STRAYS_MIN      16U   // So many series may be where they are not expected, and of each
#define STRAYS_EACH     16U   // so many series one; a request of more of them has a new order.

// Everything of one request as columns. Threads: owned.
struct request {
    struct arena *a;
    const struct push_opts *opts;
    str decoded;
    struct label *found;     // PUSH_LABELS_MAX labels of the series that is being read.
    struct push_key *keys;   // Label fields of each series; unfit: other fields stand between them.
    struct series_ref *refs; // Of each series; none = not known yet, or refused.
    u8 *refusals;            // enum append_outcome of each series while its ref is none.
    u32 series_count;
    u32 series_cap;
    u32 *owner; // Series of each sample.
    i64 *t_ms;
    f64 *values;
    const struct hist **hists; // NULL until there is one.
    u32 sample_count;
    u32 sample_cap;
    u32 *exemplar_owner; // Series of each.
    struct exemplar *exemplars;
    u32 exemplar_count;
    u32 exemplar_cap;
    struct metadata *metadata;
    u32 metadata_count;
    u32 metadata_cap;
    struct push_walk walk;
    u32 strays;     // Series that the walk did not expect.
    u32 found_upto; // Series that were looked for in the cache.
    bool reordered; // The others are looked for at the end.
    bool full;      // The arena is: nothing of the request is stored.
};

// A larger column, or NULL with full set.
static void *column_grow(struct request *q, const void *old, u32 count, u32 cap, size_t size)
{
    void *column = arena_try_raw(q->a, cap, size);
    if (column && count > 0) {
        memcpy(column, old, count * size);
    }
    q->full = q->full || !column;
    return column;
}

// How many rows a column begins with.
static u32 column_first(const struct request *q)
{
    return (u32)MIN(q->decoded.len / SAMPLE_GUESS + 64, COLUMN_MAX);
}

static void samples_grow(struct request *q)
{
    const u32 cap = MAX(column_first(q), q->sample_cap * 2);
    q->owner = column_grow(q, q->owner, q->sample_cap, cap, sizeof(*q->owner));
    q->t_ms = column_grow(q, q->t_ms, q->sample_cap, cap, sizeof(*q->t_ms));
    q->values = column_grow(q, q->values, q->sample_cap, cap, sizeof(*q->values));
    if (q->hists) {
        q->hists = column_grow(q, q->hists, q->sample_cap, cap, sizeof(void *));
    }
    q->sample_cap = cap;
}

static inline void sample_add(struct request *q, u32 series, i64 t_ms, f64 value)
{
    if (UNLIKELY(q->sample_count == q->sample_cap)) {
        samples_grow(q);
    }
    if (UNLIKELY(q->full)) {
        return;
    }
    if (UNLIKELY(q->hists != NULL)) {
        q->hists[q->sample_count] = NULL;
    }
    q->owner[q->sample_count] = series;
    q->t_ms[q->sample_count] = t_ms;
    q->values[q->sample_count++] = value;
}

static bool sample_read(struct pb_reader *outer, struct request *q, u32 series)
{
    struct pb_reader r = pb_enter(outer);
    f64 value = 0;
    i64 t_ms = 0;
    while (pb_next(&r)) {
        if (r.field == 1) {
            value = pb_f64(&r);
        } else if (r.field == 2) {
            t_ms = pb_i64(&r);
        }
    }
    if (!pb_leave(outer, &r)) {
        return false;
    }
    sample_add(q, series, t_ms, value);
    return true;
}

static bool hist_read(struct pb_reader *outer, struct request *q, u32 series,
                      struct push_result *out)
{
    const struct hist *h = NULL;
    i64 t_ms = 0;
    struct error why = {0};
    const enum push_read read = push_hist_read(outer, q->a, &h, &t_ms);
    q->full = q->full || read == PUSH_FULL;
    if (read != PUSH_READ) {
        return false;
    }
    sample_add(q, series, t_ms, 0);
    if (!q->full && !q->hists) {
        q->hists = arena_try(q->a, q->sample_cap, sizeof(void *));
        q->full = !q->hists;
    }
    if (q->full) {
        return false;
    }
    q->hists[q->sample_count - 1] = h;
    out->histograms++;
    if (!hist_check(h, &why) && out->first_error.code == ERR_NONE) {
        out->first_error = why; // Storage will refuse it.
    }
    return true;
}

static bool exemplar_read(struct pb_reader *outer, struct request *q, u32 series,
                          struct push_result *out)
{
    if (q->exemplar_count == q->exemplar_cap) {
        const u32 cap = MAX(64U, q->exemplar_cap * 2);
        q->exemplar_owner = column_grow(q, q->exemplar_owner, q->exemplar_cap, cap, sizeof(u32));
        q->exemplars = column_grow(q, q->exemplars, q->exemplar_cap, cap, sizeof(*q->exemplars));
        q->exemplar_cap = cap;
    }
    if (q->full) {
        return false;
    }
    const enum push_read read = push_exemplar_read(outer, q->a, &q->exemplars[q->exemplar_count]);
    q->full = read == PUSH_FULL;
    if (read != PUSH_READ) {
        return false;
    }
    q->exemplar_owner[q->exemplar_count++] = series;
    out->exemplars++;
    return true;
}

// Takes the samples at `at` as long as they have the usual form; returns where they end. The rest
// is left to pb.
static inline const u8 *samples_usual(struct request *q, const u8 *at, const u8 *end, u32 series)
{
    f64 value;
    i64 t_ms;
    const u8 *next;
    while (!q->full && (next = usual_sample(at, end, &value, &t_ms)) != NULL) {
        sample_add(q, series, t_ms, value);
        at = next;
    }
    return at;
}

static bool is_sorted(const struct label *ls, u32 count)
{
    for (u32 i = 1; i < count; i++) {
        if (str_cmp(ls[i - 1].name, ls[i].name) >= 0) {
            return false;
        }
    }
    return true;
}

// Keeps the labels that were found: sorted, without empty values. false with *why: they are
// refused, or the arena is full.
static bool labels_keep_pushed(struct request *q, u32 count, struct labels *set, struct error *why)
{
    u32 n = 0;
    if (count > PUSH_LABELS_MAX) {
        return err_set(why, ERR_LIMIT, "a series has more than %d labels", PUSH_LABELS_MAX);
    }
    for (u32 i = 0; i < count; i++) {
        q->found[n] = q->found[i];
        n += q->found[i].value.len > 0;
    }
    if (!is_sorted(q->found, n)) {
        qsort(q->found, n, sizeof(*q->found), push_label_order);
    }
    struct label *kept = arena_try(q->a, n + 1U, sizeof(*kept));
    if (!kept) {
        q->full = true;
        return false;
    }
    memcpy(kept, q->found, n * sizeof(*kept));
    *set = (struct labels){kept, n};
    if (!labels_check(*set, &q->opts->limits, why)) {
        return false;
    }
    return labels_has(*set, LABEL_NAME) || err_set(why, ERR_INVALID, "a series has no metric name");
}

static bool broken_tell(const struct request *q, const char *at, struct error *e)
{
    return err_set(e, ERR_INVALID, "remote write: broken protobuf at byte %zu of %zu",
                   (size_t)(at - q->decoded.ptr), q->decoded.len);
}

static bool full_tell(struct error *e)
{
    return err_set(e, ERR_LIMIT,
                   "remote write: the request needs more memory than one may use: send fewer "
                   "series and samples at once");
}

// Reads the labels of one series; *good: they are not refused.
static bool labels_read(struct request *q, str span, struct labels *set, bool *good,
                        struct push_result *out, struct error *e)
{
    struct pb_reader r = pb_of(span);
    struct error why = {0};
    u32 count = 0;
    if (!q->found) {
        q->found = arena_try(q->a, PUSH_LABELS_MAX, sizeof(*q->found));
        if (!q->found) {
            return full_tell(e);
        }
    }
    while (pb_next(&r)) {
        struct label l;
        if (r.field != 1 || !push_label_read(&r, &l)) {
            continue; // A failure ends pb_next.
        }
        if (count < PUSH_LABELS_MAX) {
            q->found[count] = l;
        }
        count += count <= PUSH_LABELS_MAX;
    }
    if (!pb_ok(&r)) {
        return broken_tell(q, span.ptr + dec_offset(&r.dec), e);
    }
    *good = labels_keep_pushed(q, count, set, &why);
    if (q->full) {
        return full_tell(e);
    }
    out->series_bad_labels += !*good;
    if (!*good && out->first_error.code == ERR_NONE) {
        out->first_error = why;
    }
    return true;
}

static void series_grow(struct request *q)
{
    const u32 n = q->series_cap;
    const u32 cap = MAX(column_first(q), n * 2);
    q->keys = column_grow(q, q->keys, n, cap, sizeof(*q->keys));
    q->refs = column_grow(q, q->refs, n, cap, sizeof(*q->refs));
    q->refusals = column_grow(q, q->refusals, n, cap, sizeof(*q->refusals));
    q->series_cap = cap;
}

// false: the arena is full.
static inline bool series_add(struct request *q, u32 *series)
{
    if (UNLIKELY(q->series_count == q->series_cap)) {
        series_grow(q);
    }
    *series = q->series_count;
    if (UNLIKELY(q->full)) {
        return false;
    }
    q->refs[q->series_count] = (struct series_ref){0, 0};
    q->refusals[q->series_count++] = NOT_READ;
    return true;
}

// Takes the series if the walk expects it and all else in it is samples of the usual form.
static bool series_expected(struct request *q, const u8 *body, size_t len)
{
    struct series_ref ref;
    u32 series;
    const u32 samples = q->sample_count;
    const size_t labels = push_walk_next(&q->walk, body, len, &ref);
    if (labels == 0 || !series_add(q, &series)) {
        return false;
    }
    if (samples_usual(q, body + labels, body + len, series) != body + len) {
        q->sample_count = samples;
        q->series_count = series;
        return false;
    }
    q->keys[series] = (struct push_key){.bytes = str_make((const char *)body, labels)};
    q->refs[series] = ref;
    q->refusals[series] = NOT_HASHED;
    return true;
}

// Looks in the cache for the series that were not looked for.
static void series_find(struct request *q)
{
    const u32 from = q->found_upto;
    q->found_upto = q->series_count;
    if (q->opts->cache) {
        push_walk_find(&q->walk, q->keys + from, q->series_count - from, q->refs + from);
    }
}

// Reads one series; a failure is left in r.
static void series_read(struct pb_reader *r, struct request *q, struct push_result *out)
{
    u32 series;
    if (!pb_ok(r) || !series_add(q, &series)) {
        return;
    }
    const u8 *start = r->dec.at;
    const u8 *stop = usual_labels_end(start, r->dec.end);
    bool strewn = false;
    r->dec.at = samples_usual(q, stop, r->dec.end, series);
    while (!q->full && pb_next(r)) {
        switch (r->field) {
        case 1:
            strewn = true;
            break;
        case 2:
            (void)!sample_read(r, q, series); // A failure ends pb_next.
            break;
        case 3:
            (void)!exemplar_read(r, q, series, out);
            break;
        case 4:
            (void)!hist_read(r, q, series, out);
            break;
        default:
            break;
        }
    }
    stop = strewn ? r->dec.end : stop;
    const str span = str_make((const char *)start, (size_t)(stop - start));
    q->keys[series] = (struct push_key){.bytes = span};
    if (!strewn && q->opts->cache) {
        q->keys[series].hash = push_key_hash(q->opts->tenant, span);
    }
    q->strays++;
    if (!q->reordered) {
        series_find(q); // At once, so that the walk goes on behind it.
        q->reordered = q->strays > STRAYS_MIN + q->series_count / STRAYS_EACH;
    }
}

// MetricMetadata { MetricType type = 1; string metric_family_name = 2; help = 4; unit = 5 }; the
// type's numbers follow enum metric_type.
static bool metadata_read(struct pb_reader *outer, struct request *q)
{
    static const enum metric_type types[] = {
        METRIC_UNKNOWN,        METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM,
        METRIC_GAUGEHISTOGRAM, METRIC_SUMMARY, METRIC_INFO,  METRIC_STATESET};
    struct pb_reader r = pb_enter(outer);
    struct metadata m = {0};
    while (pb_next(&r)) {
        if (r.field == 1) {
            const u64 type = pb_varint(&r);
            m.type = type < ARRAY_LEN(types) ? types[type] : METRIC_UNKNOWN;
        } else if (r.field == 2) {
            m.name = pb_bytes(&r);
        } else if (r.field == 4) {
            m.help = pb_bytes(&r);
        } else if (r.field == 5) {
            m.unit = pb_bytes(&r);
        }
    }
    if (!pb_leave(outer, &r)) {
        return false;
    }
    if (q->metadata_count == q->metadata_cap) {
        const u32 cap = MAX(64, q->metadata_cap * 2);
        q->metadata = column_grow(q, q->metadata, q->metadata_cap, cap, sizeof(*q->metadata));
        q->metadata_cap = cap;
    }
    if (q->full) {
        return false;
    }
    q->metadata[q->metadata_count++] = m;
    return true;
}

// Takes the series at r that are where they are expected, while the form of the request is usual.
static void series_walk(struct pb_reader *r, struct request *q)
{
    const u8 *body;
    size_t len;
    while (!q->full && !q->reordered &&
           (body = usual_message(r->dec.at, r->dec.end, &len)) != NULL &&
           series_expected(q, body, len)) {
        r->dec.at = body + len;
        q->found_upto = q->series_count;
    }
}

static bool request_read(struct request *q, struct push_result *out, struct error *e)
{
    struct pb_reader r = pb_of(q->decoded);
    for (;;) {
        series_walk(&r, q);
        if (q->full || !pb_next(&r)) {
            break;
        }
        if (r.field == 1) {
            struct pb_reader in = pb_enter(&r);
            series_read(&in, q, out);
            (void)!pb_leave(&r, &in); // A failure ends pb_next.
        } else if (r.field == 3) {
            (void)!metadata_read(&r, q);
        }
    }
    if (q->full) {
        return full_tell(e);
    }
    if (!pb_ok(&r)) {
        return broken_tell(q, q->decoded.ptr + dec_offset(&r.dec), e);
    }
    series_find(q);
    return true;
}

// Its ref is dead: it must be asked for again, and its entry in the cache mended.
static void series_forget(struct request *q, u32 series)
{
    if (q->refusals[series] == NOT_HASHED) {
        q->keys[series].hash = push_key_hash(q->opts->tenant, q->keys[series].bytes);
    }
    q->refs[series] = (struct series_ref){0, 0};
    q->refusals[series] = NOT_READ;
}

// Storage says that a series is gone with the outcome of its samples. Where exemplars came without
// any (senders give them a series of their own), nobody would hear of it: those are resolved anew.
static void exemplars_resolve_alone(struct request *q)
{
    u32 at = 0; // Samples and exemplars stand in the order of their series.
    for (u32 i = 0; i < q->exemplar_count; i++) {
        const u32 series = q->exemplar_owner[i];
        while (at < q->sample_count && q->owner[at] < series) {
            at++;
        }
        if (at == q->sample_count || q->owner[at] != series) {
            series_forget(q, series);
        }
    }
}

// What the cache does not know. Threads: owned.
struct unknown {
    u32 *which; // Indices of the series.
    struct labels *sets;
    struct series_ref *refs;
    u8 *outcomes;
    u32 n;
};

static bool is_unknown(const struct request *q, u32 series)
{
    return series_ref_is_none(q->refs[series]) && q->refusals[series] == NOT_READ;
}

// Reads the labels of the series without a ref; those that are refused stay without one.
static bool unknown_read(struct request *q, struct unknown *u, struct push_result *out,
                         struct error *e)
{
    u32 n = 0;
    for (u32 i = 0; i < q->series_count; i++) {
        n += is_unknown(q, i);
    }
    u->n = 0;
    if (n == 0) {
        return true;
    }
    u->which = arena_try(q->a, n, sizeof(*u->which));
    u->sets = arena_try(q->a, n, sizeof(*u->sets));
    u->refs = arena_try(q->a, n, sizeof(*u->refs));
    u->outcomes = arena_try(q->a, n, sizeof(*u->outcomes));
    if (!u->which || !u->sets || !u->refs || !u->outcomes) {
        return full_tell(e);
    }
    for (u32 i = 0; i < q->series_count; i++) {
        bool good = false;
        if (!is_unknown(q, i)) {
            continue;
        }
        if (!labels_read(q, q->keys[i].bytes, &u->sets[u->n], &good, out, e)) {
            return false;
        }
        q->refusals[i] = APPEND_INVALID;
        u->which[u->n] = i;
        u->n += good;
    }
    return true;
}

// Gets the series without a ref from storage, and keeps their keys.
static bool series_resolve(struct request *q, struct storage_appender *app, struct push_result *out,
                           struct error *e)
{
    struct unknown u;
    if (!unknown_read(q, &u, out, e)) {
        return false;
    }
    if (u.n == 0) {
        return true;
    }
    struct push_key *keys = arena_try(q->a, u.n, sizeof(*keys));
    if (!keys) {
        return full_tell(e);
    }
    app->ops->resolve(app, u.sets, u.n, u.refs, u.outcomes);
    for (u32 i = 0; i < u.n; i++) {
        q->refs[u.which[i]] = u.refs[i];
        q->refusals[u.which[i]] = u.outcomes[i];
        keys[i] = q->keys[u.which[i]];
    }
    if (q->opts->cache) {
        push_cache_put(q->opts->cache, q->opts->tenant, keys, u.refs, u.n);
    }
    return true;
}

static void sample_move(struct request *q, u32 to, u32 from)
{
    q->owner[to] = q->owner[from];
    q->t_ms[to] = q->t_ms[from];
    q->values[to] = q->values[from];
    if (q->hists) {
        q->hists[to] = q->hists[from];
    }
}

// Stages the samples of the series that storage has; what is refused here is counted.
static bool request_stage(struct request *q, struct storage_appender *app,
                          struct append_batch *batch, struct push_result *out, struct error *e)
{
    const size_t samples = q->sample_count + (size_t)1;
    struct series_ref *refs = arena_try_raw(q->a, samples, sizeof(*refs));
    u8 *outcomes = arena_try_raw(q->a, samples, sizeof(*outcomes));
    u8 *kinds = q->hists ? arena_try_raw(q->a, samples, sizeof(*kinds)) : NULL;
    if (!refs || !outcomes || (q->hists && !kinds)) {
        return full_tell(e);
    }
    u32 n = 0;
    for (u32 i = 0; i < q->sample_count; i++) {
        const u32 s = q->owner[i];
        if (series_ref_is_none(q->refs[s])) {
            out->outcomes[q->refusals[s]]++;
            continue;
        }
        refs[n] = q->refs[s];
        if (kinds) {
            kinds[n] = q->hists[i] ? SAMPLE_HIST : SAMPLE_FLOAT;
        }
        if (n < i) {
            sample_move(q, n, i);
        }
        n++;
    }
    q->sample_count = n;
    *batch = (struct append_batch){.refs = refs,
                                   .t_ms = q->t_ms,
                                   .kinds = kinds,
                                   .values = q->values,
                                   .hists = q->hists,
                                   .n = n,
                                   .outcomes = outcomes};
    return app->ops->append(app, batch, e);
}

// Stages the exemplars of series that storage has.
static bool exemplars_stage(struct request *q, struct storage_appender *app, struct error *e)
{
    u32 n = 0;
    struct series_ref *refs = arena_try(q->a, q->exemplar_count, sizeof(*refs));
    struct exemplar *staged = arena_try(q->a, q->exemplar_count, sizeof(*staged));
    if (!refs || !staged) {
        return full_tell(e);
    }
    for (u32 i = 0; i < q->exemplar_count; i++) {
        refs[n] = q->refs[q->exemplar_owner[i]];
        if (!series_ref_is_none(refs[n])) {
            staged[n++] = q->exemplars[i];
        }
    }
    return n == 0 || app->ops->exemplars(app, refs, staged, n, e);
}

// Those whose series turned out to be gone are tried again with its samples.
static void exemplars_keep_lost(struct request *q)
{
    u32 kept = 0;
    for (u32 i = 0; i < q->exemplar_count; i++) {
        if (series_ref_is_none(q->refs[q->exemplar_owner[i]])) {
            q->exemplar_owner[kept] = q->exemplar_owner[i];
            q->exemplars[kept++] = q->exemplars[i];
        }
    }
    q->exemplar_count = kept;
}

// Counts what became of the batch. Samples whose series storage no longer had stay as the columns,
// to be tried again, and their series forget their refs.
static void batch_count(struct request *q, const struct append_batch *b, bool again,
                        struct push_result *out)
{
    u64 counts[APPEND_OUTCOME_COUNT] = {0};
    u32 n = 0;
    CHECK(b->n == 0 || q->owner != NULL);
    append_outcomes_add(b->outcomes, b->n, counts);
    for (u32 i = 0; b->kinds && i < b->n; i++) {
        out->histograms_stored +=
            b->kinds[i] == SAMPLE_HIST && append_is_stored((enum append_outcome)b->outcomes[i]);
    }
    for (u32 i = 0; again && counts[APPEND_INVALID] > 0 && i < b->n; i++) {
        if (b->outcomes[i] == APPEND_INVALID) {
            series_forget(q, q->owner[i]);
            sample_move(q, n++, i);
        }
    }
    counts[APPEND_INVALID] -= n;
    for (u32 o = 0; o < APPEND_OUTCOME_COUNT; o++) {
        out->outcomes[o] += counts[o];
    }
    q->sample_count = n;
}

static bool request_commit(struct request *q, struct storage_appender *app, bool again,
                           struct push_result *out, struct error *e)
{
    struct append_batch batch = {0};
    if (!series_resolve(q, app, out, e) || !request_stage(q, app, &batch, out, e)) {
        return false;
    }
    if (q->metadata_count > 0 && !app->ops->metadata(app, q->metadata, q->metadata_count, e)) {
        return false;
    }
    q->metadata_count = 0;
    if (q->exemplar_count > 0 && !exemplars_stage(q, app, e)) {
        return false;
    }
    if (!app->ops->commit(app, DURABILITY_SYNC, &out->wal_position, e)) {
        return false;
    }
    batch_count(q, &batch, again, out);
    exemplars_keep_lost(q);
    return true;
}

static bool request_store(struct request *q, struct push_result *out, struct error *e)
{
    struct storage_appender *app =
        storage_appender_open(q->opts->storage, q->opts->tenant, STREAM_PUSH, e);
    if (!app) {
        return false;
    }
    bool ok = request_commit(q, app, true, out, e);
    if (ok && q->sample_count > 0) {
        ok = request_commit(q, app, false, out, e);
    }
    storage_appender_close(app);
    enum append_outcome most;
    const u64 limited = append_limited_count(out->outcomes, &most);
    if (ok && limited > 0 && out->first_error.code == ERR_NONE) {
        (void)err_set(&out->first_error, ERR_LIMIT, "%s (%llu samples)", append_limit_text(most),
                      (unsigned long long)limited);
    }
    return ok;
}

bool push_remote_write_1(const struct push_opts *opts, str body, struct arena *a,
                         struct push_result *out, struct error *e)
{
    struct buf decoded;
    buf_init(&decoded, opts->decoded_bytes_max);
    struct push_result result = {0};
    bool ok = snappy_decode(body, opts->decoded_bytes_max, &decoded, e);
    if (!ok) {
        (void)err_in(e, "remote write");
    }
    struct request q = {.a = a, .opts = opts, .decoded = buf_get(&decoded)};
    push_walk_open(&q.walk, opts->cache, opts->tenant);
    ok = ok && request_read(&q, &result, e);
    push_walk_close(&q.walk);
    result.samples = q.sample_count;
    if (ok && opts->cache) {
        exemplars_resolve_alone(&q);
    }
    ok = ok && request_store(&q, &result, e);
    buf_fini(&decoded);
    if (ok) {
        *out = result;
    }
    return ok;
}
