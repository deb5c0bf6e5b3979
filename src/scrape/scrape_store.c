// scrape_store.c: one answer in, one transaction out.
//
// The page is walked once into rows (cache entry, time, value); only when the whole of it was read
// are new series resolved and everything is staged and committed, with up and the scrape_* series
// and the markers of what vanished. Rows whose series storage has forgotten since the page before
// follow in a second commit, resolved anew. A page that fails leaves nothing behind but up = 0 and
// a marker for every series of the page before.
// Threads: runs on the HTTP shard's thread; a target has one scrape at a time.
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "os/clk.h"
#include "scrape/scrape_page.h"

#include <stdlib.h>

// Hands over those whose series storage has.
static bool exemplars_stage(struct page *p, struct storage_appender *app, struct error *e)
{
    struct series_ref *refs = ARENA_NEW_N(p->a, struct series_ref, (size_t)p->kept_count + 1);
    u32 n = 0;
    for (u32 i = 0; i < p->kept_count; i++) {
        refs[n] = p->t->cache.entries[p->kept_entries[i]].ref;
        if (!series_ref_is_none(refs[n])) {
            p->kept[n++] = p->kept[i];
        }
    }
    return n == 0 || app->ops->exemplars(app, refs, p->kept, n, e);
}

static void page_count(struct page *p, const u64 counts[APPEND_OUTCOME_COUNT])
{
    for (u32 o = 0; o < APPEND_OUTCOME_COUNT; o++) {
        p->outcomes[o] += counts[o];
        scrape_count_outcome(p->t->pool->owner->metrics, p->t->pool->config->job_name,
                             (enum append_outcome)o, counts[o]);
    }
}

// Gives the number of series that storage took.
static u64 fresh_resolve(struct page *p, struct storage_appender *app)
{
    struct page_fresh *f = &p->fresh;
    struct scrape_cache *c = &p->t->cache;
    if (f->count == 0) {
        return 0;
    }
    u64 added = 0;
    struct series_ref *refs = ARENA_NEW_N(p->a, struct series_ref, f->count);
    u8 *outcomes = ARENA_NEW_N(p->a, u8, f->count);
    app->ops->resolve(app, f->sets, f->count, refs, outcomes);
    for (u32 i = 0; i < f->count; i++) {
        c->entries[f->entries[i]].ref = refs[i];
        c->entries[f->entries[i]].refusal = outcomes[i];
        added += !series_ref_is_none(refs[i]);
    }
    return added;
}

static void row_move(struct page_rows *r, u32 to, u32 from)
{
    r->refs[to] = r->refs[from];
    r->t_ms[to] = r->t_ms[from];
    r->values[to] = r->values[from];
    r->entries[to] = r->entries[from];
}

// Rows of refused series are not staged: they are counted here, once per sample (W4). Those of
// reports are counted when they are resolved.
static void refused_drop(struct page *p)
{
    struct scrape_cache *c = &p->t->cache;
    struct page_rows *r = &p->rows;
    u64 refused[APPEND_OUTCOME_COUNT] = {0};
    u32 kept = 0;
    for (u32 i = 0; i < r->count; i++) {
        const bool report = r->entries[i] == ENTRY_NONE;
        r->refs[i] = report ? r->refs[i] : c->entries[r->entries[i]].ref;
        if (!series_ref_is_none(r->refs[i])) {
            row_move(r, kept++, i);
        } else if (!report) {
            refused[c->entries[r->entries[i]].refusal]++;
        }
    }
    r->count = kept;
    page_count(p, refused);
}

// A series that the page before had under a text that this one has not.
struct vanished {
    struct series_ref ref;
    u32 entry;
    bool is_there; // Spelt otherwise: labels in another order, or relabelled into one.
};

static int vanished_order(const void *a, const void *b)
{
    const struct series_ref x = ((const struct vanished *)a)->ref;
    const struct series_ref y = ((const struct vanished *)b)->ref;
    const int by_ordinal = (x.ordinal > y.ordinal) - (x.ordinal < y.ordinal);
    return by_ordinal ? by_ordinal : (x.generation > y.generation) - (x.generation < y.generation);
}

static u32 vanished_collect(const struct scrape_cache *c, struct arena *a, struct vanished **out)
{
    u32 n = 0;
    u32 cap = 0;
    if (c->entries_read == c->count) {
        return 0;
    }
    for (u32 i = 0; i < c->count; i++) {
        const struct cache_entry *e = &c->entries[i];
        if (e->seen + 1 != c->iteration || scrape_cache_is_read(c, e) || !e->tracked ||
            e->dropped || series_ref_is_none(e->ref)) {
            continue;
        }
        if (n == cap) {
            const u32 more = MAX(64, cap * 2);
            *out = arena_grow(a, *out, cap, more, sizeof(**out));
            cap = more;
        }
        (*out)[n++] = (struct vanished){.ref = e->ref, .entry = i};
    }
    return n;
}

// Rows for series that the page before had and this one has not, one for each.
static void markers_add(struct page *p)
{
    struct vanished *gone = NULL;
    const u32 n = vanished_collect(&p->t->cache, p->a, &gone);
    if (n == 0) {
        return;
    }
    qsort(gone, n, sizeof(*gone), vanished_order);
    for (u32 i = 0; i < p->rows.count; i++) {
        const struct vanished key = {.ref = p->rows.refs[i]};
        struct vanished *same = bsearch(&key, gone, n, sizeof(*gone), vanished_order);
        if (same) {
            same->is_there = true;
        }
    }
    for (u32 i = 0; i < n;) {
        bool is_there = false;
        const u32 first = i;
        for (; i < n && vanished_order(&gone[first], &gone[i]) == 0; i++) {
            is_there = is_there || gone[i].is_there;
        }
        if (!is_there) {
            page_row(p, gone[first].entry, stale_nan());
        }
    }
}

// What could not be stored was not marked either: the next page finds it vanished again.
static void markers_owe(struct scrape_cache *c)
{
    for (u32 i = 0; i < c->count; i++) {
        if (c->entries[i].seen + 1 == c->iteration && c->entries[i].tracked) {
            c->entries[i].seen = c->iteration;
        }
    }
}

static const char *const report_names[SCRAPE_REPORT_SERIES] = {
    "up", "scrape_duration_seconds", "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling", "scrape_series_added"};

static struct storage_appender *appender_open(const struct scrape_target *t,
                                              enum storage_stream stream, struct error *e)
{
    return storage_appender_open(t->pool->owner->deps.storage, TENANT_DEFAULT, stream, e);
}

// By an appender of their own, which is let in where the page's is not: without `up` nobody would
// be told that a target is gone.
static void reports_resolve(struct page *p)
{
    struct scrape_target *t = p->t;
    struct error ignored;
    struct labels sets[SCRAPE_REPORT_SERIES];
    u8 outcomes[SCRAPE_REPORT_SERIES];
    struct storage_appender *app = appender_open(t, STREAM_OWN, &ignored);
    if (!app) {
        return; // Storage is closing.
    }
    for (u32 i = 0; i < SCRAPE_REPORT_SERIES; i++) {
        struct labels_builder b;
        labels_builder_init(&b, p->a, t->labels);
        labels_builder_set(&b, LABEL_NAME, str_c(report_names[i]));
        sets[i] = labels_builder_take(&b);
    }
    app->ops->resolve(app, sets, SCRAPE_REPORT_SERIES, t->report_refs, outcomes);
    storage_appender_close(app);
    t->report_known = true;
    for (u32 i = 0; i < SCRAPE_REPORT_SERIES; i++) {
        if (series_ref_is_none(t->report_refs[i])) {
            t->report_known = false;
            scrape_count_outcome(t->pool->owner->metrics, t->pool->config->job_name,
                                 (enum append_outcome)outcomes[i], 1);
        }
    }
}

static void reports_add(struct page *p, const f64 *values)
{
    if (!p->t->report_known) {
        reports_resolve(p);
    }
    for (u32 i = 0; i < SCRAPE_REPORT_SERIES; i++) {
        if (!series_ref_is_none(p->t->report_refs[i])) {
            page_row(p, ENTRY_NONE, values[i]);
            p->rows.refs[p->rows.count - 1] = p->t->report_refs[i];
        }
    }
}

// Its ref is dead: it must be asked for again.
static void series_forget(struct page *p, u32 entry)
{
    if (entry == ENTRY_NONE) {
        p->t->report_known = false;
        return;
    }
    struct cache_entry *e = &p->t->cache.entries[entry];
    e->ref = (struct series_ref){0};
    e->refusal = APPEND_INVALID;
    e->staged = 0;
}

// Counts what became of the rows. Those of the page and of reports whose series storage no longer
// had stay as the rows, to be tried again. A marker is not: it would make the series that it ends.
static void outcomes_count(struct page *p, bool again)
{
    u64 counts[APPEND_OUTCOME_COUNT] = {0};
    const struct scrape_cache *c = &p->t->cache;
    struct page_rows *r = &p->rows;
    u32 lost = 0;
    append_outcomes_add(r->outcomes, r->count, counts);
    for (u32 i = 0; counts[APPEND_INVALID] > 0 && i < r->count; i++) {
        const u32 entry = r->entries[i];
        if (r->outcomes[i] != APPEND_INVALID) {
            continue;
        }
        series_forget(p, entry);
        if (again && (entry == ENTRY_NONE || scrape_cache_is_read(c, &c->entries[entry]))) {
            row_move(r, lost++, i);
        }
    }
    counts[APPEND_INVALID] -= lost;
    r->count = lost;
    page_count(p, counts);
}

// Stages and commits the rows; those that are to be tried again stay.
static bool rows_commit(struct page *p, struct storage_appender *app, bool again, struct error *e)
{
    struct page_rows *r = &p->rows;
    r->outcomes = ARENA_NEW_N(p->a, u8, r->count + 1);
    const struct append_batch batch = {.refs = r->refs,
                                       .t_ms = r->t_ms,
                                       .values = r->values,
                                       .n = r->count,
                                       .outcomes = r->outcomes};
    u64 position;
    if (!app->ops->append(app, &batch, e) ||
        !app->ops->commit(app, DURABILITY_PERIODIC, &position, e)) {
        return false;
    }
    outcomes_count(p, again);
    return true;
}

// Reports that storage no longer knew get new refs; a report that is refused now gets none.
static void reports_renew(struct page *p)
{
    struct series_ref before[SCRAPE_REPORT_SERIES];
    struct page_rows *r = &p->rows;
    memcpy(before, p->t->report_refs, sizeof(before));
    reports_resolve(p);
    for (u32 i = 0; i < r->count; i++) {
        for (u32 k = 0; r->entries[i] == ENTRY_NONE && k < SCRAPE_REPORT_SERIES; k++) {
            if (r->refs[i].ordinal == before[k].ordinal &&
                r->refs[i].generation == before[k].generation) {
                r->refs[i] = p->t->report_refs[k];
                break;
            }
        }
    }
}

// Exemplars of series that are asked for again are tried again with the samples.
static void exemplars_keep_lost(struct page *p)
{
    u32 kept = 0;
    for (u32 i = 0; i < p->kept_count; i++) {
        if (series_ref_is_none(p->t->cache.entries[p->kept_entries[i]].ref)) {
            p->kept_entries[kept] = p->kept_entries[i];
            p->kept[kept++] = p->kept[i];
        }
    }
    p->kept_count = kept;
}

// The rows whose series storage no longer had, a second time. What cannot be stored now is counted
// as refused, and not the page with it: its first commit stands, and says that the target is up.
static void lost_commit(struct page *p, struct storage_appender *app)
{
    const struct scrape_target *t = p->t;
    struct page_rows *r = &p->rows;
    struct error e = {0};
    exemplars_keep_lost(p);
    p->fresh.count = 0;
    // Reports stand behind all others.
    bool ok = r->entries[0] == ENTRY_NONE || page_read_lost(p, &e);
    (void)fresh_resolve(p, app); // To the target they are not new.
    if (r->entries[r->count - 1] == ENTRY_NONE) {
        reports_renew(p);
    }
    refused_drop(p);
    if (!exemplars_stage(p, app, &e) || !rows_commit(p, app, false, &e)) {
        page_count(p, (u64[APPEND_OUTCOME_COUNT]){[APPEND_INVALID] = r->count});
        ok = false;
    }
    if (!ok) {
        LOGF(t->pool->owner->deps.log, LOG_WARN,
             "target %.*s of job %.*s: samples of series that storage had forgotten were not "
             "stored: %s",
             STR_ARG(t->url), STR_ARG(t->pool->config->job_name), e.text);
    }
}

// Everything of one scrape into storage. On failure of the page ok is false and only reports and
// markers are written.
static bool scrape_commit(struct page *p, bool ok, f64 duration_s, struct error *e)
{
    struct scrape_target *t = p->t;
    t->cache.lines_trusted = false; // Until all of it is stored.
    struct storage_appender *app = appender_open(t, STREAM_SCRAPE, e);
    if (!app) {
        return false;
    }
    u64 series_added = 0;
    bool metadata = false;
    if (ok) {
        series_added = fresh_resolve(p, app);
        metadata = !p->metadata_same && scrape_metadata_is_new(t, p->metadata, p->metadata_count);
        if (metadata && !app->ops->metadata(app, p->metadata, p->metadata_count, e)) {
            storage_appender_close(app);
            return false;
        }
        if (!exemplars_stage(p, app, e)) {
            storage_appender_close(app);
            return false;
        }
        if (p->fresh.count > 0) {
            refused_drop(p);
        }
    } else {
        p->rows.count = 0;
        scrape_cache_unread(&t->cache);
    }
    markers_add(p);
    const f64 values[SCRAPE_REPORT_SERIES] = {ok ? 1 : 0, duration_s, (f64)p->samples,
                                              (f64)p->samples_post, (f64)series_added};
    reports_add(p, values);
    const bool committed = rows_commit(p, app, true, e);
    if (committed) {
        scrape_cache_seen(&t->cache); // Not before: what is not stored ends what was.
    }
    if (committed && p->rows.count > 0) {
        lost_commit(p, app);
    }
    storage_appender_close(app);
    if (committed && metadata) {
        scrape_metadata_keep(t, p->metadata, p->metadata_count);
    }
    t->cache.lines_trusted = ok && committed;
    return committed;
}

// ---- what the targets page shows ----

static f64 seconds(u64 ns)
{
    return (f64)ns / 1e9;
}

struct verdict {
    bool ok;
    const char *reason;
    struct error error;
    f64 duration_s;
    f64 parse_s;
    f64 store_s;
};

#define LIMITED_TEXT "%llu of %llu samples were not stored: %s"

// Says so in the log when it begins, not with every scrape.
static void limited_tell(struct page *p)
{
    struct scrape_target *t = p->t;
    enum append_outcome most;
    const u64 limited = append_limited_count(p->outcomes, &most);
    if (limited > 0 && !t->limited) {
        LOGF(t->pool->owner->deps.log, LOG_WARN, "target %.*s of job %.*s: " LIMITED_TEXT,
             STR_ARG(t->url), STR_ARG(t->pool->config->job_name), (unsigned long long)limited,
             (unsigned long long)p->samples_post, append_limit_text(most));
    }
    t->limited = limited > 0;
}

static void info_update(struct page *p, const struct http_reply *reply, const struct verdict *v)
{
    struct scrape_target *t = p->t;
    lock_take(&t->lock);
    struct scrape_target_info *i = &t->info;
    i->health = v->ok ? SCRAPE_UP : SCRAPE_DOWN;
    i->last_scrape_ms = p->scrape_t_ms;
    i->last_duration_s = v->duration_s;
    i->status = reply->status;
    i->phase_resolve_s = seconds(reply->phases.resolve);
    i->phase_connect_s = seconds(reply->phases.connect);
    i->phase_tls_s = seconds(reply->phases.tls);
    i->phase_first_byte_s = seconds(reply->phases.first_byte);
    i->phase_transfer_s = seconds(reply->phases.transfer);
    i->phase_parse_s = v->parse_s;
    i->phase_store_s = v->store_s;
    i->samples = p->samples;
    enum append_outcome most;
    const u64 limited = v->ok ? append_limited_count(p->outcomes, &most) : 0;
    const str trouble = limited > 0 ? str_c(append_outcome_text(most)) : STR_EMPTY;
    i->last_reason = v->ok ? trouble : str_c(v->reason);
    buf_clear(&t->error_text);
    buf_clear(&t->excerpt);
    i->error_line = 0;
    if (limited > 0) {
        buf_printf(&t->error_text, LIMITED_TEXT, (unsigned long long)limited,
                   (unsigned long long)p->samples_post, append_limit_text(most));
    }
    if (!v->ok) {
        buf_c(&t->error_text, v->error.text);
        scrape_excerpt_set(t, reply->body, p->error_line);
    }
    lock_drop(&t->lock);
}

// ---- entry points ----

// Why the answer cannot even be parsed; NULL if it can.
static const char *reply_refuse(const struct scrape_target *t, const struct http_reply *reply,
                                enum expo_format *format, struct error *e)
{
    if (reply->failure != HTTP_FAIL_NONE) {
        if (reply->failure == HTTP_FAIL_TOO_BIG) {
            scrape_count(t->pool->owner->metrics, SCRAPE_COUNT_BODY_LIMIT, 1);
            (void)err_set(e, ERR_LIMIT, "body size limit exceeded: more than %llu bytes",
                          (unsigned long long)t->pool->body_size_limit);
            return "body_limit";
        }
        *e = reply->error;
        return http_failure_text(reply->failure);
    }
    if (reply->status != 200) {
        (void)err_set(e, ERR_UNAVAILABLE, "server returned HTTP status %u %s", reply->status,
                      http_status_text(reply->status));
        return "status";
    }
    *format = expo_format_of(reply->content_type);
    if (*format == EXPO_NONE) {
        *format = (enum expo_format)t->pool->config->fallback;
    }
    if (*format == EXPO_NONE) {
        (void)err_set(e, ERR_UNSUPPORTED,
                      "received unsupported Content-Type \"%.*s\" and no fallback_scrape_protocol "
                      "is set for job %.*s",
                      STR_ARG(str_sub(reply->content_type, 0, 80)),
                      STR_ARG(t->pool->config->job_name));
        return "content_type";
    }
    return NULL;
}

void scrape_store_reply(struct scrape_target *t, const struct http_reply *reply)
{
    struct clk *clk = t->pool->owner->deps.clk;
    struct page p;
    struct verdict v = {.ok = true};
    enum expo_format format = EXPO_NONE;
    page_init(&p, t, t->scrape_t_ms);
    const i64 parse_ns = clk_mono_ns(clk);
    v.reason = reply_refuse(t, reply, &format, &v.error);
    v.ok = !v.reason && page_read(&p, reply->body, format, &v.error);
    const i64 store_ns = clk_mono_ns(clk);
    v.reason = v.reason ? v.reason : p.reason;
    v.parse_s = seconds((u64)(store_ns - parse_ns));
    v.duration_s = seconds((u64)(store_ns - t->started_mono_ns));
    struct error storage_error = {0};
    bool stored = scrape_commit(&p, v.ok, v.duration_s, &storage_error);
    if (!stored && v.ok) {
        v = (struct verdict){.reason = "storage",
                             .error = storage_error,
                             .duration_s = v.duration_s,
                             .parse_s = v.parse_s};
        // Where there is no room for the page there may be some for the report that it is missing.
        stored = storage_error.code == ERR_LIMIT &&
                 scrape_commit(&p, false, v.duration_s, &storage_error);
    }
    if (!stored) {
        markers_owe(&t->cache);
        t->report_known = false;
    }
    v.store_s = seconds((u64)(clk_mono_ns(clk) - store_ns));
    scrape_cache_sweep(&t->cache, v.ok);
    t->scraped = true;
    scrape_count(t->pool->owner->metrics, SCRAPE_COUNT_EXEMPLARS, p.exemplars);
    scrape_count(t->pool->owner->metrics, SCRAPE_COUNT_CREATED, p.created);
    if (!v.ok) {
        scrape_count_failure(t->pool->owner->metrics, t->pool->config->job_name,
                             str_c(v.reason ? v.reason : "internal"));
    }
    limited_tell(&p);
    info_update(&p, reply, &v);
    arena_reset(t->run); // A big page must not stay in memory until the next one.
}

void scrape_store_end(struct scrape_target *t, i64 t_ms)
{
    struct page p;
    page_init(&p, t, t_ms);
    struct error ignored = {0};
    struct storage_appender *app = appender_open(t, STREAM_SCRAPE, &ignored);
    if (!app) {
        return; // Storage is closing: as on shutdown, nothing is written.
    }
    markers_add(&p);
    f64 values[SCRAPE_REPORT_SERIES];
    for (u32 i = 0; i < SCRAPE_REPORT_SERIES; i++) {
        values[i] = stale_nan();
    }
    reports_add(&p, values);
    if (!rows_commit(&p, app, false, &ignored)) {
        scrape_count_failure(t->pool->owner->metrics, t->pool->config->job_name, STR("markers"));
    }
    storage_appender_close(app);
}
