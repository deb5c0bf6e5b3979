// push_rw1.c: Prometheus remote write 1.0: snappy block, WriteRequest protobuf, into an appender.
//
//   WriteRequest { TimeSeries timeseries = 1; MetricMetadata metadata = 3 }
//   TimeSeries   { Label labels = 1; Sample samples = 2; Exemplar exemplars = 3;
//                  Histogram histograms = 4 }
//   Label { string name = 1, value = 2 }   Sample { double value = 1; int64 timestamp = 2 }
//
// Two walks over the decoded request: the first reads labels and samples into columns (labels are
// borrowed from the decoded bytes), then every series is resolved in one call and the columns are
// staged. Memory: the decoded request, and in the arena 20 bytes a sample and 60 a series, twice
// while a column grows. Two bytes on the wire make a sample or a series, so the arena's maximum is
// asked for, never passed: a request that needs more is refused.
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "ingest/ingest.h"
#include "wire/pb.h"
#include "wire/snappy.h"

#include <stdlib.h>

#define PUSH_LABELS_MAX 1024 // Of one series; more is a bad label set.

// Everything of one request as columns.
struct request {
    struct arena *a;
    struct label *found; // PUSH_LABELS_MAX labels of the series that is being read.
    struct labels *series;
    u8 *bad; // The series' labels are refused.
    u32 series_count;
    u32 series_cap;
    u32 *owner; // Series of each sample.
    i64 *t_ms;
    f64 *values;
    u32 sample_count;
    u32 sample_cap;
    struct metadata *metadata;
    u32 metadata_count;
    u32 metadata_cap;
    bool full; // The arena is: nothing of the request is stored.
};

// A larger column, or NULL with full set.
static void *column_grow(struct request *q, const void *old, u32 count, u32 cap, size_t size)
{
    void *column = arena_try(q->a, cap, size);
    if (column && count > 0) {
        memcpy(column, old, count * size);
    }
    q->full = q->full || !column;
    return column;
}

static void sample_add(struct request *q, u32 series, i64 t_ms, f64 value)
{
    if (q->sample_count == q->sample_cap) {
        const u32 cap = MAX(1024, q->sample_cap * 2);
        q->owner = column_grow(q, q->owner, q->sample_cap, cap, sizeof(*q->owner));
        q->t_ms = column_grow(q, q->t_ms, q->sample_cap, cap, sizeof(*q->t_ms));
        q->values = column_grow(q, q->values, q->sample_cap, cap, sizeof(*q->values));
        q->sample_cap = cap;
    }
    if (q->full) {
        return;
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

static bool label_read(struct pb_reader *outer, struct label *out)
{
    struct pb_reader r = pb_enter(outer);
    *out = (struct label){0};
    while (pb_next(&r)) {
        if (r.field == 1) {
            out->name = pb_bytes(&r);
        } else if (r.field == 2) {
            out->value = pb_bytes(&r);
        }
    }
    return pb_leave(outer, &r);
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

static int label_order(const void *a, const void *b)
{
    return str_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

// Keeps the labels of the series: sorted, without empty values. Sets bad when they are refused.
static void labels_keep_pushed(struct request *q, u32 series, struct label *found, u32 count,
                               const struct labels_limits *limits, struct push_result *out)
{
    u32 n = 0;
    for (u32 i = 0; i < count; i++) {
        found[n] = found[i];
        n += found[i].value.len > 0;
    }
    if (!is_sorted(found, n)) {
        qsort(found, n, sizeof(*found), label_order);
    }
    struct label *kept = arena_try(q->a, n + 1U, sizeof(*kept));
    if (!kept) {
        q->full = true;
        return;
    }
    memcpy(kept, found, n * sizeof(*kept));
    q->series[series] = (struct labels){kept, n};
    struct error why = {0};
    bool good = count <= PUSH_LABELS_MAX && labels_check(q->series[series], limits, &why);
    if (good && !labels_has(q->series[series], LABEL_NAME)) {
        good = err_set(&why, ERR_INVALID, "a series has no metric name");
    }
    q->bad[series] = !good;
    if (!good) {
        out->series_bad_labels++;
        if (out->first_error.code == ERR_NONE) {
            out->first_error = why;
        }
    }
}

static u32 series_add(struct request *q)
{
    if (q->series_count == q->series_cap) {
        const u32 cap = MAX(256, q->series_cap * 2);
        q->series = column_grow(q, q->series, q->series_cap, cap, sizeof(*q->series));
        q->bad = column_grow(q, q->bad, q->series_cap, cap, sizeof(*q->bad));
        q->series_cap = cap;
    }
    return q->series_count++;
}

static bool series_read(struct pb_reader *outer, struct request *q, const struct push_opts *opts,
                        struct push_result *out)
{
    struct pb_reader r = pb_enter(outer);
    u32 count = 0;
    const u32 series = series_add(q);
    while (!q->full && pb_next(&r)) {
        struct label l;
        switch (r.field) {
        case 1:
            if (!label_read(&r, &l)) {
                break;
            }
            if (count < PUSH_LABELS_MAX) {
                q->found[count] = l;
            }
            count++;
            break;
        case 2:
            (void)!sample_read(&r, q, series); // A failure ends pb_next.
            break;
        case 3:
            out->exemplars++;
            break;
        case 4:
            out->histograms++;
            break;
        default:
            break;
        }
    }
    if (q->full || !pb_leave(outer, &r)) {
        return false;
    }
    const u32 kept = MIN(count, (u32)PUSH_LABELS_MAX);
    labels_keep_pushed(q, series, q->found, kept, &opts->limits, out);
    if (!q->full && count > PUSH_LABELS_MAX) {
        q->bad[series] = true;
    }
    return !q->full;
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

static bool full_tell(struct error *e)
{
    return err_set(e, ERR_LIMIT,
                   "remote write: the request needs more memory than one may use: send fewer "
                   "series and samples at once");
}

static bool request_read(struct request *q, str decoded, const struct push_opts *opts,
                         struct push_result *out, struct error *e)
{
    struct pb_reader r = pb_of(decoded);
    while (!q->full && pb_next(&r)) {
        if (r.field == 1) {
            (void)!series_read(&r, q, opts, out); // A failure ends pb_next.
        } else if (r.field == 3) {
            (void)!metadata_read(&r, q);
        }
    }
    if (q->full) {
        return full_tell(e);
    }
    if (!pb_ok(&r)) {
        return err_set(e, ERR_INVALID, "remote write: broken protobuf at byte %zu of %zu",
                       dec_offset(&r.dec), decoded.len);
    }
    return true;
}

// Resolves the good series and stages their samples; what is refused here is counted.
static bool request_stage(struct request *q, struct storage_appender *app,
                          struct append_batch *batch, struct push_result *out, struct error *e)
{
    const size_t series = q->series_count + (size_t)1;
    const size_t samples = q->sample_count + (size_t)1;
    struct series_ref *refs = arena_try(q->a, series, sizeof(*refs));
    u8 *outcomes = arena_try(q->a, series, sizeof(*outcomes));
    struct labels *good = arena_try(q->a, series, sizeof(*good));
    u32 *index = arena_try(q->a, series, sizeof(*index));
    struct series_ref *sample_refs = arena_try(q->a, samples, sizeof(*sample_refs));
    u8 *sample_outcomes = arena_try(q->a, samples, sizeof(*sample_outcomes));
    if (!refs || !outcomes || !good || !index || !sample_refs || !sample_outcomes) {
        return full_tell(e);
    }
    u32 good_count = 0;
    for (u32 i = 0; i < q->series_count; i++) {
        index[i] = good_count;
        good[good_count] = q->series[i];
        good_count += !q->bad[i];
    }
    if (good_count > 0) {
        app->ops->resolve(app, good, good_count, refs, outcomes);
    }
    u32 n = 0;
    for (u32 i = 0; i < q->sample_count; i++) {
        const u32 s = q->owner[i];
        if (q->bad[s]) {
            out->outcomes[APPEND_INVALID]++;
            continue;
        }
        if (series_ref_is_none(refs[index[s]])) {
            out->outcomes[outcomes[index[s]]]++;
            continue;
        }
        sample_refs[n] = refs[index[s]];
        q->t_ms[n] = q->t_ms[i];
        q->values[n++] = q->values[i];
    }
    *batch = (struct append_batch){.refs = sample_refs,
                                   .t_ms = q->t_ms,
                                   .values = q->values,
                                   .n = n,
                                   .outcomes = sample_outcomes};
    return app->ops->append(app, batch, e) &&
           (q->metadata_count == 0 || app->ops->metadata(app, q->metadata, q->metadata_count, e));
}

static bool request_store(struct request *q, const struct push_opts *opts, struct push_result *out,
                          struct error *e)
{
    struct storage_appender *app =
        storage_appender_open(opts->storage, opts->tenant, STREAM_PUSH, e);
    if (!app) {
        return false;
    }
    struct append_batch batch = {0};
    const bool ok = request_stage(q, app, &batch, out, e) &&
                    app->ops->commit(app, DURABILITY_SYNC, &out->wal_position, e);
    for (u32 i = 0; ok && i < batch.n; i++) {
        out->outcomes[batch.outcomes[i]]++;
    }
    storage_appender_close(app);
    if (ok && out->outcomes[APPEND_LIMIT] > 0 && out->first_error.code == ERR_NONE) {
        (void)err_set(&out->first_error, ERR_LIMIT,
                      "%llu samples of new series were refused: the series limit is reached",
                      (unsigned long long)out->outcomes[APPEND_LIMIT]);
    }
    return ok;
}

bool push_remote_write_1(const struct push_opts *opts, str body, struct arena *a,
                         struct push_result *out, struct error *e)
{
    struct buf decoded;
    buf_init(&decoded, opts->decoded_bytes_max);
    struct push_result result = {0};
    struct request q = {.a = a, .found = ARENA_NEW_N(a, struct label, PUSH_LABELS_MAX)};
    bool ok = snappy_decode(body, opts->decoded_bytes_max, &decoded, e);
    if (!ok) {
        (void)err_in(e, "remote write");
    }
    ok = ok && request_read(&q, buf_get(&decoded), opts, &result, e);
    result.samples = q.sample_count;
    ok = ok && request_store(&q, opts, &result, e);
    buf_fini(&decoded);
    if (ok) {
        *out = result;
    }
    return ok;
}
