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
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "ingest/push_native.h"
#include "ingest/push_request.h"
#include "wire/pb.h"
#include "wire/snappy.h"

#include <stdlib.h>

#define PUSH_LABELS_MAX 1024 // Of one series; more is a bad label set.

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
static bool labels_keep_pushed(struct push_request *q, u32 count, struct labels *set,
                               struct error *why)
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

// Reads the labels of one series; *good: they are not refused.
static bool labels_read(struct push_request *q, str span, struct labels *set, bool *good,
                        struct push_result *out, struct error *e)
{
    struct pb_reader r = pb_of(span);
    struct error why = {0};
    u32 count = 0;
    if (!q->found) {
        q->found = arena_try(q->a, PUSH_LABELS_MAX, sizeof(*q->found));
        if (!q->found) {
            return push_full_tell(q, e);
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
        return push_broken_tell(q, span.ptr + dec_offset(&r.dec), e);
    }
    *good = labels_keep_pushed(q, count, set, &why);
    if (q->full) {
        return push_full_tell(q, e);
    }
    out->series_bad_labels += !*good;
    if (!*good && out->first_error.code == ERR_NONE) {
        out->first_error = why;
    }
    return true;
}

// Its ref is dead: it must be asked for again, and its entry in the cache mended.
static void series_forget(struct push_request *q, u32 series)
{
    if (q->refusals[series] == PUSH_NOT_HASHED) {
        q->keys[series].hash = push_key_hash(q->opts->tenant, q->keys[series].bytes);
    }
    q->refs[series] = (struct series_ref){0, 0};
    q->refusals[series] = PUSH_NOT_READ;
}

// Storage says that a series is gone with the outcome of its samples. Where exemplars came without
// any (senders give them a series of their own), nobody would hear of it: those are resolved anew.
static void exemplars_resolve_alone(struct push_request *q)
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

static bool is_unknown(const struct push_request *q, u32 series)
{
    return series_ref_is_none(q->refs[series]) && q->refusals[series] == PUSH_NOT_READ;
}

// Reads the labels of the series without a ref; those that are refused stay without one.
static bool unknown_read(struct push_request *q, struct unknown *u, struct push_result *out,
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
        return push_full_tell(q, e);
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
static bool series_resolve(struct push_request *q, struct storage_appender *app,
                           struct push_result *out, struct error *e)
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
        return push_full_tell(q, e);
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

static void sample_move(struct push_request *q, u32 to, u32 from)
{
    q->owner[to] = q->owner[from];
    q->t_ms[to] = q->t_ms[from];
    q->values[to] = q->values[from];
    if (q->hists) {
        q->hists[to] = q->hists[from];
    }
}

// Stages the samples of the series that storage has; what is refused here is counted.
static bool request_stage(struct push_request *q, struct storage_appender *app,
                          struct append_batch *batch, struct push_result *out, struct error *e)
{
    const size_t samples = q->sample_count + (size_t)1;
    struct series_ref *refs = arena_try_raw(q->a, samples, sizeof(*refs));
    u8 *outcomes = arena_try_raw(q->a, samples, sizeof(*outcomes));
    u8 *kinds = q->hists ? arena_try_raw(q->a, samples, sizeof(*kinds)) : NULL;
    if (!refs || !outcomes || (q->hists && !kinds)) {
        return push_full_tell(q, e);
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
static bool exemplars_stage(struct push_request *q, struct storage_appender *app, struct error *e)
{
    u32 n = 0;
    struct series_ref *refs = arena_try(q->a, q->exemplar_count, sizeof(*refs));
    struct exemplar *staged = arena_try(q->a, q->exemplar_count, sizeof(*staged));
    if (!refs || !staged) {
        return push_full_tell(q, e);
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
static void exemplars_keep_lost(struct push_request *q)
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
static void batch_count(struct push_request *q, const struct append_batch *b, bool again,
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
            const u32 series = q->owner[i];
            q->lost |=
                !series_ref_is_none(q->refs[series]) && q->refusals[series] >= PUSH_NOT_HASHED;
            series_forget(q, series);
            sample_move(q, n++, i);
        }
    }
    counts[APPEND_INVALID] -= n;
    for (u32 o = 0; o < APPEND_OUTCOME_COUNT; o++) {
        out->outcomes[o] += counts[o];
    }
    q->sample_count = n;
}

static bool request_commit(struct push_request *q, struct storage_appender *app, bool again,
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
    q->committed = true;
    batch_count(q, &batch, again, out);
    exemplars_keep_lost(q);
    return true;
}

// The series that were asked for again: the cache may hold their dead refs or their fresh ones.
// Those that it did not know before are forgotten with them.
static void lost_forget(const struct push_request *q)
{
    for (u32 i = 0; q->opts->cache && i < q->series_count; i++) {
        const bool asked = series_ref_is_none(q->refs[i]) || q->refusals[i] < PUSH_NOT_HASHED;
        if (asked && q->keys[i].hash != 0) {
            push_cache_forget(q->opts->cache, q->opts->tenant, &q->keys[i]);
        }
    }
}

// The samples whose series storage no longer had, a second time. Where there is no memory for them
// the sender is told to come again, since its first commit stands and a limit would make it drop
// the rest. Then the cache knows none of their series, so that the next time it is one commit,
// which either fits or is refused for good. What a second one is left with then are histograms that
// are refused each time: their refs came from storage, and nobody is told to come again for them.
static bool lost_commit(struct push_request *q, struct storage_appender *app,
                        struct push_result *out, struct error *e)
{
    const struct push_result first = *out;
    struct error why = {0};
    if (request_commit(q, app, false, out, &why)) {
        return true;
    }
    if (why.code != ERR_LIMIT) {
        *out = first;
        return err_set(e, why.code, "%s", why.text);
    }
    if (!q->lost) {
        out->outcomes[APPEND_INVALID] += q->sample_count;
        out->first_error = out->first_error.code == ERR_NONE ? why : out->first_error;
        return true;
    }
    lost_forget(q);
    *out = first;
    return err_set(e, ERR_UNAVAILABLE, "some of the request is stored; send it again: %s",
                   why.text);
}

static bool request_store(struct push_request *q, struct push_result *out, struct error *e)
{
    struct storage_appender *app =
        storage_appender_open(q->opts->storage, q->opts->tenant, STREAM_PUSH, e);
    if (!app) {
        return false;
    }
    bool ok = request_commit(q, app, true, out, e);
    if (ok && q->sample_count > 0) {
        ok = lost_commit(q, app, out, e);
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
    struct push_request q = {.a = a, .opts = opts, .decoded = buf_get(&decoded)};
    push_walk_open(&q.walk, opts->cache, opts->tenant);
    ok = ok && push_request_read(&q, &result, e);
    push_walk_close(&q.walk);
    result.samples = q.sample_count;
    if (ok && opts->cache) {
        exemplars_resolve_alone(&q);
    }
    ok = ok && request_store(&q, &result, e);
    buf_fini(&decoded);
    if (ok || q.committed) {
        *out = result;
    }
    return ok;
}
