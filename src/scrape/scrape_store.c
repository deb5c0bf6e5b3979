// scrape_store.c: one answer in, one transaction out.
//
// The page is walked once into rows (cache entry, time, value); only when the whole of it was read
// are new series resolved and everything is staged and committed, with up and the scrape_* series
// and the markers of what vanished. A page that fails leaves nothing behind but up = 0 and a marker
// for every series of the page before.
// Threads: runs on the HTTP shard's thread; a target has one scrape at a time.
#include "base/arena.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "os/clk.h"
#include "scrape/scrape_inner.h"

#include <stdlib.h>

#define SCRAPE_EXEMPLARS_MAX 10000U     // Of one page.
#define ENTRY_NONE           UINT32_MAX // A report's row: it has no cache entry.

#define ROWS_AHEAD_MAX (1U << 20)

// Rows of one page, columns as append_batch wants them.
struct rows {
    struct series_ref *refs;
    i64 *t_ms;
    f64 *values;
    u32 *entries; // Index into the cache; ENTRY_NONE for reports.
    u8 *tracked;  // Gets a marker when it vanishes.
    u8 *outcomes;
    u32 count;
    u32 cap;
};

// New series of this page, to be resolved in one call.
struct fresh {
    struct labels *sets;
    u32 *entries;
    u32 count;
    u32 cap;
};

struct page {
    struct scrape_target *t;
    struct arena *a;
    i64 scrape_t_ms;
    struct rows rows;
    struct fresh fresh;
    struct metadata *metadata; // Changed families.
    u32 metadata_count;
    u32 metadata_cap;
    bool metadata_same;                 // As the page before said: it was not read.
    u64 samples;                        // Lines.
    u64 samples_post;                   // After metric relabelling.
    u64 outcomes[APPEND_OUTCOME_COUNT]; // Of samples that came to storage.
    u64 created;
    u64 exemplars;
    struct exemplar *kept; // Exemplars of rows, and the entries of their series.
    u32 *kept_entries;
    u32 kept_count;
    u32 kept_cap;
    u32 error_line;
    const char *reason;
};

// As many rows as the page before had lines need no growing, unless those were very many: there
// may be any number of lines that give no row.
static void rows_init(struct page *p)
{
    struct rows *r = &p->rows;
    r->cap = MAX(64, MIN(p->t->cache.order_count, ROWS_AHEAD_MAX) + SCRAPE_REPORT_SERIES + 1);
    r->refs = arena_raw(p->a, r->cap, sizeof(*r->refs));
    r->t_ms = arena_raw(p->a, r->cap, sizeof(*r->t_ms));
    r->values = arena_raw(p->a, r->cap, sizeof(*r->values));
    r->entries = arena_raw(p->a, r->cap, sizeof(*r->entries));
    r->tracked = arena_raw(p->a, r->cap, sizeof(*r->tracked));
}

static void rows_grow(struct page *p)
{
    struct rows *r = &p->rows;
    const u32 cap = r->cap * 2;
    r->refs = arena_grow(p->a, r->refs, r->cap, cap, sizeof(*r->refs));
    r->t_ms = arena_grow(p->a, r->t_ms, r->cap, cap, sizeof(*r->t_ms));
    r->values = arena_grow(p->a, r->values, r->cap, cap, sizeof(*r->values));
    r->entries = arena_grow(p->a, r->entries, r->cap, cap, sizeof(*r->entries));
    r->tracked = arena_grow(p->a, r->tracked, r->cap, cap, sizeof(*r->tracked));
    r->cap = cap;
}

static inline void row_add(struct page *p, u32 entry, i64 t_ms, f64 value, bool tracked)
{
    struct rows *r = &p->rows;
    if (UNLIKELY(r->count == r->cap)) {
        rows_grow(p);
    }
    const u32 i = r->count++;
    r->refs[i] = entry == ENTRY_NONE ? (struct series_ref){0} : p->t->cache.entries[entry].ref;
    r->t_ms[i] = t_ms;
    r->values[i] = value;
    r->entries[i] = entry;
    r->tracked[i] = tracked;
}

static void fresh_add(struct page *p, struct labels set, u32 entry)
{
    struct fresh *f = &p->fresh;
    if (f->count == f->cap) {
        const u32 cap = MAX(64, f->cap * 2);
        f->sets = arena_grow(p->a, f->sets, f->cap, cap, sizeof(*f->sets));
        f->entries = arena_grow(p->a, f->entries, f->cap, cap, sizeof(*f->entries));
        f->cap = cap;
    }
    f->sets[f->count] = set;
    f->entries[f->count++] = entry;
}

// ---- one sample line ----

// Target labels win; with honor_labels the page's do, and one that the page spells with an empty
// value (as /federate and the Pushgateway do) keeps the target's out. A conflicting label of the
// page becomes exported_<name>, again and again while that is taken too.
static void target_labels_apply(const struct page *p, struct labels blank, struct labels_builder *b)
{
    const struct labels target = p->t->labels;
    for (u32 i = 0; i < target.count; i++) {
        const struct label *l = &target.items[i];
        const str scraped = labels_builder_get(b, l->name);
        const bool honor = p->t->pool->config->honor_labels;
        if (scraped.len == 0 && honor && labels_has(blank, l->name)) {
            continue;
        }
        if (scraped.len == 0) {
            labels_builder_set(b, l->name, l->value);
            continue;
        }
        if (honor) {
            continue;
        }
        str exported = l->name;
        do {
            exported = arena_printf(p->a, "exported_%.*s", STR_ARG(exported));
        } while (labels_builder_get(b, exported).len > 0 || labels_has(target, exported));
        labels_builder_set(b, exported, scraped);
        labels_builder_set(b, l->name, l->value);
    }
}

// What the page's # lines say of a series wins over labels of these names on its own line.
static void schema_apply(const struct expo *x, struct labels_builder *b)
{
    enum metric_type type;
    str unit;
    expo_schema(x, labels_builder_get(b, LABEL_NAME), &type, &unit);
    if (type != METRIC_UNKNOWN) {
        labels_builder_set(b, STR("__type__"), str_c(metric_type_text(type)));
    }
    if (unit.len > 0) {
        labels_builder_set(b, STR("__unit__"), unit);
    }
}

static bool limits_check(struct page *p, struct labels ls, struct error *e)
{
    if (!labels_check(ls, &p->t->pool->limits, e)) {
        p->reason = e && e->code == ERR_LIMIT ? "label_limit" : "labels";
        if (e && e->code == ERR_LIMIT) {
            scrape_count(p->t->pool->owner->metrics, SCRAPE_COUNT_LABEL_LIMIT, 1);
        }
        return false;
    }
    if (labels_get(ls, LABEL_NAME).len == 0) {
        p->reason = "labels";
        return err_set(e, ERR_INVALID, "metric relabelling left a series without a name");
    }
    return true;
}

// Gives *set for storage, or *dropped. false: the page fails.
static bool labels_final(struct page *p, struct expo *x, const struct expo_entry *entry,
                         struct labels *set, bool *dropped, struct error *e)
{
    const struct scrape_config *c = p->t->pool->config;
    struct labels parsed;
    struct labels blank;
    if (!expo_labels(x, entry, p->a, &parsed, &blank, e)) {
        p->reason = "parse";
        return false;
    }
    struct labels_builder b;
    labels_builder_init(&b, p->a, parsed);
    if (p->t->pool->owner->deps.type_and_unit_labels) {
        schema_apply(x, &b);
    }
    target_labels_apply(p, blank, &b);
    if (!relabel_apply(c->metric_relabels, c->metric_relabel_count, &b, NULL)) {
        *dropped = true;
        return true;
    }
    *dropped = false;
    *set = labels_builder_take(&b);
    return limits_check(p, *set, e);
}

static bool has_room(struct page *p, struct error *e)
{
    if (arena_bytes(p->a) > SCRAPE_RUN_BYTES_MAX / 4) {
        p->reason = "memory";
        return err_set(e, ERR_LIMIT, "the page needs more memory than a scrape may use");
    }
    return true;
}

// Once in a page.
static inline void entry_seen(struct scrape_cache *c, struct cache_entry *e)
{
    c->entries_seen += e->seen != c->iteration;
    e->seen = c->iteration;
}

// One sample of a series that the cache has, without or with a time of its own.
static inline void sample_take(struct page *p, struct cache_entry *known, const i64 *own_t_ms,
                               f64 value)
{
    const struct scrape_pool *pool = p->t->pool;
    if (known->dropped) {
        entry_seen(&p->t->cache, known);
        return;
    }
    p->samples_post++;
    if (pool->sample_limit > 0 && p->samples_post > pool->sample_limit) {
        return; // Counted on, so that the report says how many there are: see page_read.
    }
    row_add(p, scrape_cache_index(&p->t->cache, known), own_t_ms ? *own_t_ms : p->scrape_t_ms,
            value, !own_t_ms || pool->config->track_timestamps_staleness);
}

// The lines that stand where they stood in the page before.
static bool samples_known(struct page *p, struct expo *x, struct error *e)
{
    struct scrape_cache *c = &p->t->cache;
    struct expo_piece pieces[CACHE_AHEAD];
    f64 values[CACHE_AHEAD];
    u32 wanted;
    u32 n;
    do {
        wanted = scrape_cache_expect(c, pieces);
        n = expo_known(x, pieces, wanted, values);
        for (u32 i = 0; i < n; i++) {
            struct cache_entry *known = scrape_cache_at(c, c->position + i);
            if (known) {
                p->samples++;
                sample_take(p, known, NULL, values[i]);
            } else {
                c->lines_seen++;
                c->lines_passed++;
            }
        }
        scrape_cache_pass(c, n);
        if (n > 0 && !has_room(p, e)) {
            return false;
        }
    } while (n > 0 && n == wanted);
    return true;
}

static bool sample_add(struct page *p, struct expo *x, const struct expo_entry *entry,
                       struct error *e)
{
    struct scrape_cache *c = &p->t->cache;
    struct cache_entry *known = scrape_cache_get(c, entry->series);
    p->samples++;
    if (!has_room(p, e)) {
        return false;
    }
    const bool resolve = !known || (!known->dropped && series_ref_is_none(known->ref));
    if (resolve && !(known && known->staged == c->iteration)) {
        struct labels set = {0};
        bool dropped = false;
        if (!labels_final(p, x, entry, &set, &dropped, e)) {
            p->error_line = entry->line;
            return false;
        }
        known = known ? known : scrape_cache_add(c, entry->series);
        if (!known) {
            p->reason = "memory";
            return err_set(e, ERR_LIMIT, "the target has more series than its cache may hold");
        }
        known->dropped = dropped;
        known->staged = c->iteration;
        if (!dropped) {
            fresh_add(p, set, scrape_cache_index(c, known));
        }
    }
    const bool own_time = entry->has_t && p->t->pool->config->honor_timestamps;
    sample_take(p, known, own_time ? &entry->t_ms : NULL, entry->value);
    return true;
}

// ---- metadata ----

static struct metadata *metadata_of(struct page *p, str family)
{
    if (p->metadata_count > 0 && str_eq(p->metadata[p->metadata_count - 1].name, family)) {
        return &p->metadata[p->metadata_count - 1];
    }
    if (p->metadata_count == SCRAPE_METADATA_MAX) {
        return NULL;
    }
    if (p->metadata_count == p->metadata_cap) {
        const u32 cap = MAX(64, p->metadata_cap * 2);
        p->metadata = arena_grow(p->a, p->metadata, p->metadata_cap, cap, sizeof(*p->metadata));
        p->metadata_cap = cap;
    }
    struct metadata *m = &p->metadata[p->metadata_count++];
    *m = (struct metadata){.name = arena_str(p->a, family), .type = METRIC_UNKNOWN};
    return m;
}

static void metadata_add(struct page *p, const struct expo_entry *entry)
{
    struct metadata *m = metadata_of(p, entry->family);
    if (!m) {
        return; // More families than are kept: their samples are stored, their help is not.
    }
    switch (entry->kind) {
    case EXPO_TYPE:
        m->type = entry->type;
        return;
    case EXPO_HELP:
        m->help = arena_str(p->a, entry->text);
        return;
    case EXPO_UNIT:
        m->unit = arena_str(p->a, entry->text);
        return;
    case EXPO_SAMPLE:
    case EXPO_COMMENT:
        return;
    }
}

// ---- the page ----

// Keeps the exemplar of the row added last. Its time is the scrape's unless it has its own.
static void exemplar_keep(struct page *p, const struct exemplar *x)
{
    if (p->kept_count == SCRAPE_EXEMPLARS_MAX) {
        return; // Counted as parsed all the same.
    }
    if (p->kept_count == p->kept_cap) {
        const u32 cap = MAX(16, p->kept_cap * 2);
        p->kept = arena_grow(p->a, p->kept, p->kept_cap, cap, sizeof(*p->kept));
        p->kept_entries =
            arena_grow(p->a, p->kept_entries, p->kept_cap, cap, sizeof(*p->kept_entries));
        p->kept_cap = cap;
    }
    struct exemplar *kept = &p->kept[p->kept_count];
    *kept = *x;
    kept->labels = labels_copy(p->a, x->labels);
    kept->t_ms = x->has_t ? x->t_ms : p->scrape_t_ms;
    p->kept_entries[p->kept_count++] = p->rows.entries[p->rows.count - 1];
}

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

// Threads: owned by page_read.
struct page_lines {
    struct expo_place from;
    bool open; // # lines were read since the last sample.
    bool typed;
    bool united;
};

// A run of # lines ends here.
static void lines_end(struct page *p, struct page_lines *l, str body, struct expo_place to)
{
    if (l->open) {
        const struct expo_piece run = {.text = str_sub(body, l->from.at, to.at),
                                       .lines = to.line - l->from.line,
                                       .typed = l->typed,
                                       .united = l->united};
        scrape_cache_lines(&p->t->cache, &run);
    }
    *l = (struct page_lines){0};
}

// One line that did not stand there before.
static bool entry_take(struct page *p, struct expo *x, const struct expo_entry *entry,
                       struct error *e)
{
    p->exemplars += entry->has_exemplar;
    if (entry->is_created) {
        p->created++;
        return true;
    }
    const u32 rows = p->rows.count;
    const bool ok = sample_add(p, x, entry, e);
    if (entry->has_exemplar && p->rows.count > rows) {
        exemplar_keep(p, &entry->exemplar);
    }
    return ok;
}

static bool page_walk(struct page *p, struct expo *x, str body, enum expo_format format,
                      struct error *e)
{
    struct expo_entry entry;
    struct page_lines lines = {0};
    for (;;) {
        if (!lines.open && !samples_known(p, x, e)) {
            return false;
        }
        const struct expo_place place = expo_place(x);
        if (!expo_next(x, &entry)) {
            lines_end(p, &lines, body, place);
            return true;
        }
        if (entry.kind == EXPO_SAMPLE) {
            lines_end(p, &lines, body, place);
            if (!entry_take(p, x, &entry, e)) {
                return false;
            }
            continue;
        }
        if (entry.kind == EXPO_COMMENT && format == EXPO_OPENMETRICS) { // # EOF
            lines_end(p, &lines, body, place);
            continue;
        }
        lines.from = lines.open ? lines.from : place;
        lines.open = true;
        lines.typed = lines.typed || entry.kind == EXPO_TYPE;
        lines.united = lines.united || entry.kind == EXPO_UNIT;
        if (entry.kind != EXPO_COMMENT) {
            metadata_add(p, &entry);
        }
    }
}

// Of a good page of which some lines were passed unread, but not all.
static bool metadata_reread(struct page *p, str body, enum expo_format format, struct error *e)
{
    struct expo *x = expo_open(body, format);
    struct expo_entry entry;
    p->metadata_count = 0;
    while (expo_next(x, &entry)) {
        if (entry.kind != EXPO_SAMPLE && entry.kind != EXPO_COMMENT) {
            metadata_add(p, &entry);
        }
    }
    if (!expo_close(x, &p->error_line, e)) {
        p->reason = "parse";
        return false;
    }
    return true;
}

static bool page_read(struct page *p, str body, enum expo_format format, struct error *e)
{
    struct expo *x = expo_open(body, format);
    struct error parse = {0};
    u32 line = 0;
    if (p->t->cache_format != format) { // A line may be good in one alone, and say other things.
        scrape_cache_forget(&p->t->cache);
        p->t->cache_format = format;
    }
    bool ok = page_walk(p, x, body, format, e);
    if (!expo_close(x, &line, &parse) && ok) {
        p->error_line = line;
        p->reason = "parse";
        ok = false;
        if (e) {
            *e = parse;
        }
    }
    const u64 limit = p->t->pool->sample_limit;
    if (ok && limit > 0 && p->samples_post > limit) {
        p->reason = "sample_limit";
        scrape_count(p->t->pool->owner->metrics, SCRAPE_COUNT_SAMPLE_LIMIT, 1);
        return err_set(e, ERR_LIMIT, "sample limit exceeded: %llu samples, sample_limit is %llu",
                       (unsigned long long)p->samples_post, (unsigned long long)limit);
    }
    p->metadata_same = ok && scrape_cache_lines_same(&p->t->cache);
    if (ok && !p->metadata_same && p->t->cache.lines_passed > 0) {
        ok = metadata_reread(p, body, format, e);
    }
    return ok;
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
    struct fresh *f = &p->fresh;
    struct scrape_cache *c = &p->t->cache;
    if (f->count == 0) {
        return 0;
    }
    u64 added = 0;
    struct series_ref *refs = ARENA_NEW_N(p->a, struct series_ref, f->count);
    u8 *outcomes = ARENA_NEW_N(p->a, u8, f->count);
    app->ops->resolve(app, f->sets, f->count, refs, outcomes);
    u64 refused[APPEND_OUTCOME_COUNT] = {0};
    for (u32 i = 0; i < f->count; i++) {
        c->entries[f->entries[i]].ref = refs[i];
        c->entries[f->entries[i]].refusal = outcomes[i];
        added += !series_ref_is_none(refs[i]);
    }
    // Rows of refused series are not staged: count them here, once per sample (W4).
    u32 kept = 0;
    struct rows *r = &p->rows;
    for (u32 i = 0; i < r->count; i++) {
        r->refs[kept] = c->entries[r->entries[i]].ref;
        r->t_ms[kept] = r->t_ms[i];
        r->values[kept] = r->values[i];
        r->entries[kept] = r->entries[i];
        if (series_ref_is_none(r->refs[kept])) {
            refused[c->entries[r->entries[i]].refusal]++;
        } else {
            kept++;
        }
    }
    r->count = kept;
    page_count(p, refused);
    return added;
}

// Only now that the page is known to be whole do its series count as seen.
static void rows_seen(struct page *p)
{
    for (u32 i = 0; i < p->rows.count; i++) {
        struct cache_entry *e = &p->t->cache.entries[p->rows.entries[i]];
        entry_seen(&p->t->cache, e);
        e->tracked = p->rows.tracked[i];
    }
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
    if (c->entries_seen == c->count) {
        return 0;
    }
    for (u32 i = 0; i < c->count; i++) {
        const struct cache_entry *e = &c->entries[i];
        if (e->seen + 1 != c->iteration || !e->tracked || e->dropped ||
            series_ref_is_none(e->ref)) {
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
            row_add(p, gone[first].entry, p->scrape_t_ms, stale_nan(), false);
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
            row_add(p, ENTRY_NONE, p->scrape_t_ms, values[i], false);
            p->rows.refs[p->rows.count - 1] = p->t->report_refs[i];
        }
    }
}

static void outcomes_count(struct page *p)
{
    u64 counts[APPEND_OUTCOME_COUNT] = {0};
    struct rows *r = &p->rows;
    for (u32 i = 0; i < r->count; i++) {
        counts[r->outcomes[i]]++;
        if (r->outcomes[i] == APPEND_INVALID) { // A dead ref: resolve again next time.
            if (r->entries[i] == ENTRY_NONE) {
                p->t->report_known = false;
            } else {
                p->t->cache.entries[r->entries[i]].ref = (struct series_ref){0};
            }
        }
    }
    page_count(p, counts);
}

// Stages and commits what the page holds.
static bool rows_commit(struct page *p, struct storage_appender *app, struct error *e)
{
    struct rows *r = &p->rows;
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
    outcomes_count(p);
    return true;
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
        rows_seen(p);
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
    } else {
        p->rows.count = 0;
    }
    markers_add(p);
    const f64 values[SCRAPE_REPORT_SERIES] = {ok ? 1 : 0, duration_s, (f64)p->samples,
                                              (f64)p->samples_post, (f64)series_added};
    reports_add(p, values);
    const bool committed = rows_commit(p, app, e);
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

static void page_init(struct page *p, struct scrape_target *t, i64 t_ms)
{
    arena_reset(t->run);
    *p = (struct page){.t = t, .a = t->run, .scrape_t_ms = t_ms};
    scrape_cache_begin(&t->cache);
    rows_init(p);
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
    if (!scrape_commit(&p, v.ok, v.duration_s, &storage_error)) {
        markers_owe(&t->cache);
        t->report_known = false;
        v.reason = v.ok ? "storage" : v.reason;
        v.error = v.ok ? storage_error : v.error;
        v.ok = false;
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
    if (!rows_commit(&p, app, &ignored)) {
        scrape_count_failure(t->pool->owner->metrics, t->pool->config->job_name, STR("markers"));
    }
    storage_appender_close(app);
}
