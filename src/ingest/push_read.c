// push_read.c: the bytes of a remote-write request into columns, in one pass.
//
// A series that comes where it came the last time is taken by push_walk_next, samples of the usual
// form by push_usual.h; the rest is protobuf, field by field.
// Memory: see push_rw1.c. Threads: owned by the call.
#include "base/error.h"
#include "base/str.h"
#include "ingest/push_native.h"
#include "ingest/push_request.h"
#include "ingest/push_usual.h"
#include "model/hist.h"
#include "wire/pb.h"

#define SAMPLE_GUESS 128U // Decoded bytes of a series with one sample, for the first columns.
#define COLUMN_MAX   4096U
#define STRAYS_MIN   16U // So many series may be where they are not expected, and of each
#define STRAYS_EACH  16U // so many series one; a request of more of them has a new order.

// A larger column, or NULL with full set.
static void *column_grow(struct push_request *q, const void *old, u32 count, u32 cap, size_t size)
{
    void *column = arena_try_raw(q->a, cap, size);
    if (column && count > 0) {
        memcpy(column, old, count * size);
    }
    q->full = q->full || !column;
    return column;
}

// How many rows a column begins with.
static u32 column_first(const struct push_request *q)
{
    return (u32)MIN(q->decoded.len / SAMPLE_GUESS + 64, COLUMN_MAX);
}

static void samples_grow(struct push_request *q)
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

static inline void sample_add(struct push_request *q, u32 series, i64 t_ms, f64 value)
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

static bool sample_read(struct pb_reader *outer, struct push_request *q, u32 series)
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

static bool hist_read(struct pb_reader *outer, struct push_request *q, u32 series,
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

static bool exemplar_read(struct pb_reader *outer, struct push_request *q, u32 series,
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
static inline const u8 *samples_usual(struct push_request *q, const u8 *at, const u8 *end,
                                      u32 series)
{
    f64 value;
    i64 t_ms;
    const u8 *next;
    while (!q->full && (next = usual_sample(&q->last, at, end, &value, &t_ms)) != NULL) {
        sample_add(q, series, t_ms, value);
        at = next;
    }
    return at;
}

bool push_broken_tell(const struct push_request *q, const char *at, struct error *e)
{
    return err_set(e, ERR_INVALID, "remote write: broken protobuf at byte %zu of %zu",
                   (size_t)(at - q->decoded.ptr), q->decoded.len);
}

bool push_full_tell(const struct push_request *q, struct error *e)
{
    return err_set(e, ERR_LIMIT,
                   "remote write: the request needs more than the %zu bytes of memory that one may "
                   "use: send fewer series and samples at once",
                   arena_bytes_max(q->a));
}

static void series_grow(struct push_request *q)
{
    const u32 n = q->series_cap;
    const u32 cap = MAX(column_first(q), n * 2);
    q->keys = column_grow(q, q->keys, n, cap, sizeof(*q->keys));
    q->refs = column_grow(q, q->refs, n, cap, sizeof(*q->refs));
    q->refusals = column_grow(q, q->refusals, n, cap, sizeof(*q->refusals));
    q->series_cap = cap;
}

// false: the arena is full.
static inline bool series_add(struct push_request *q, u32 *series)
{
    if (UNLIKELY(q->series_count == q->series_cap)) {
        series_grow(q);
    }
    *series = q->series_count;
    if (UNLIKELY(q->full)) {
        return false;
    }
    q->refs[q->series_count] = (struct series_ref){0, 0};
    q->refusals[q->series_count++] = PUSH_NOT_READ;
    return true;
}

// Looks in the cache for the series that were not looked for.
static void series_find(struct push_request *q)
{
    const u32 from = q->found_upto;
    q->found_upto = q->series_count;
    if (q->opts->cache) {
        push_walk_find(&q->walk, q->keys + from, q->series_count - from, q->refs + from);
    }
}

// Reads one series; a failure is left in r.
static void series_read(struct pb_reader *r, struct push_request *q, struct push_result *out)
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
static bool metadata_read(struct pb_reader *outer, struct push_request *q)
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

// Takes the series at `at` that are where they are expected and else have samples of the usual form
// alone, while there is room for them in the columns. Returns where they end.
static const u8 *series_run(struct push_request *q, const u8 *at, const u8 *end)
{
    const struct push_request c = *q; // What is stored to is no part of it.
    struct push_walk walk = q->walk;
    struct usual_last last = q->last;
    u32 series = q->series_count;
    u32 samples = q->sample_count;
    struct series_ref ref;
    const u8 *body;
    size_t len;
    while (series < c.series_cap && (body = usual_message(at, end, &len)) != NULL) {
        const struct push_walk before = walk;
        const u8 *stop = body + len;
        const size_t labels = push_walk_next(&walk, body, len, &ref);
        const u8 *next = labels > 0 ? body + labels : NULL;
        u32 n = samples;
        while (next && next < stop && n < c.sample_cap) {
            next = usual_sample(&last, next, stop, &c.values[n], &c.t_ms[n]);
            c.owner[n++] = series;
        }
        if (next != stop) {
            walk = before;
            break;
        }
        c.keys[series] = (struct push_key){.bytes = str_make((const char *)body, labels)};
        c.refs[series] = ref;
        c.refusals[series++] = PUSH_NOT_HASHED;
        samples = n;
        at = stop;
    }
    for (u32 i = c.sample_count; c.hists && i < samples; i++) {
        c.hists[i] = NULL;
    }
    q->walk = walk;
    q->last = last;
    q->series_count = series;
    q->sample_count = samples;
    return at;
}

// Room for one more series with one sample.
static void columns_room(struct push_request *q)
{
    if (q->series_count == q->series_cap) {
        series_grow(q);
    }
    if (q->sample_count == q->sample_cap) {
        samples_grow(q);
    }
}

// Goes on at r while series are where they are expected.
static void series_walk(struct pb_reader *r, struct push_request *q)
{
    while (!q->reordered && q->walk.expected != 0 && r->dec.at < r->dec.end &&
           *r->dec.at == USUAL_MESSAGE) {
        columns_room(q);
        if (q->full) {
            return;
        }
        const u8 *at = series_run(q, r->dec.at, r->dec.end);
        if (at == r->dec.at) {
            return;
        }
        r->dec.at = at;
        q->found_upto = q->series_count;
    }
}

bool push_request_read(struct push_request *q, struct push_result *out, struct error *e)
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
        return push_full_tell(q, e);
    }
    if (!pb_ok(&r)) {
        return push_broken_tell(q, q->decoded.ptr + dec_offset(&r.dec), e);
    }
    series_find(q);
    return true;
}
