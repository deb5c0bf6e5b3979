// scrape_page.c: the text of a page into rows, its known lines compared and the others read.
//
// What stands where it stood in the page before costs a comparison and a short number; runs of #
// lines that stay are passed unread. Nothing here reaches storage.
// Threads: with the running scrape.
#include "scrape/scrape_page.h"

#include "base/alloc_fault.h"
#include "base/error.h"
#include "base/str.h"

#define ROWS_AHEAD_MAX (1U << 20)
#define LINE_BYTES_MAX (SCRAPE_RUN_BYTES_MAX / 64)

// As many rows as the page before had lines need no growing, unless those were very many: there
// may be any number of lines that give no row.
static void rows_init(struct page *p)
{
    struct page_rows *r = &p->rows;
    r->cap = MAX(64, MIN(p->t->cache.order_count, ROWS_AHEAD_MAX) + SCRAPE_REPORT_SERIES + 1);
    r->refs = arena_raw(p->a, r->cap, sizeof(*r->refs));
    r->t_ms = arena_raw(p->a, r->cap, sizeof(*r->t_ms));
    r->values = arena_raw(p->a, r->cap, sizeof(*r->values));
    r->entries = arena_raw(p->a, r->cap, sizeof(*r->entries));
}

static void rows_grow(struct page *p)
{
    struct page_rows *r = &p->rows;
    const u32 cap = r->cap * 2;
    r->refs = arena_grow(p->a, r->refs, r->cap, cap, sizeof(*r->refs));
    r->t_ms = arena_grow(p->a, r->t_ms, r->cap, cap, sizeof(*r->t_ms));
    r->values = arena_grow(p->a, r->values, r->cap, cap, sizeof(*r->values));
    r->entries = arena_grow(p->a, r->entries, r->cap, cap, sizeof(*r->entries));
    r->cap = cap;
}

static inline void row_add(struct page *p, u32 entry, i64 t_ms, f64 value)
{
    struct page_rows *r = &p->rows;
    if (UNLIKELY(r->count == r->cap)) {
        rows_grow(p);
    }
    const u32 i = r->count++;
    r->refs[i] = entry == ENTRY_NONE ? (struct series_ref){0} : p->t->cache.entries[entry].ref;
    r->t_ms[i] = t_ms;
    r->values[i] = value;
    r->entries[i] = entry;
}

void page_row(struct page *p, u32 entry, f64 value)
{
    row_add(p, entry, p->scrape_t_ms, value);
}

static void fresh_add(struct page *p, struct labels set, u32 entry)
{
    struct page_fresh *f = &p->fresh;
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

// For one more line, of which so many bytes are copied, by relabelling again and again.
static bool has_room(struct page *p, size_t bytes, struct error *e)
{
    if (alloc_refused() || bytes > LINE_BYTES_MAX || arena_bytes(p->a) > SCRAPE_RUN_BYTES_MAX / 4) {
        p->reason = "memory";
        return err_set(e, ERR_LIMIT, "the page needs more memory than a scrape may use");
    }
    return true;
}

// One sample of a series that the cache has, without or with a time of its own.
static inline void sample_take(struct page *p, struct cache_entry *known, const i64 *own_t_ms,
                               f64 value)
{
    const struct scrape_pool *pool = p->t->pool;
    if (known->dropped) {
        scrape_cache_read(&p->t->cache, known, false);
        return;
    }
    p->samples_post++;
    if (pool->sample_limit > 0 && p->samples_post > pool->sample_limit) {
        return; // Counted on, so that the report says how many there are: see page_read.
    }
    scrape_cache_read(&p->t->cache, known, !own_t_ms || pool->config->track_timestamps_staleness);
    row_add(p, scrape_cache_index(&p->t->cache, known), own_t_ms ? *own_t_ms : p->scrape_t_ms,
            value);
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
        if (n > 0 && !has_room(p, 0, e)) {
            return false;
        }
    } while (n > 0 && n == wanted);
    return true;
}

// Whether the page under way has yet to have it resolved.
static bool is_unresolved(const struct scrape_cache *c, const struct cache_entry *known)
{
    return !known->dropped && series_ref_is_none(known->ref) && known->staged != c->iteration;
}

// Puts a series among the fresh ones, unless relabelling drops it. *known NULL: into the cache too.
static bool series_stage(struct page *p, struct expo *x, const struct expo_entry *entry,
                         struct cache_entry **known, struct error *e)
{
    struct scrape_cache *c = &p->t->cache;
    struct labels set = {0};
    bool dropped = false;
    if (!labels_final(p, x, entry, &set, &dropped, e)) {
        p->error_line = entry->line;
        return false;
    }
    *known = *known ? *known : scrape_cache_add(c, entry->series);
    if (!*known) {
        p->reason = "memory";
        return err_set(e, ERR_LIMIT, "the target has more series than its cache may hold");
    }
    (*known)->dropped = dropped;
    (*known)->staged = c->iteration;
    if (!dropped) {
        fresh_add(p, set, scrape_cache_index(c, *known));
    }
    return true;
}

static bool sample_add(struct page *p, struct expo *x, const struct expo_entry *entry,
                       struct error *e)
{
    struct scrape_cache *c = &p->t->cache;
    struct cache_entry *known = scrape_cache_get(c, entry->series);
    p->samples++;
    if (!has_room(p, entry->series.len, e)) {
        return false;
    }
    if ((!known || is_unresolved(c, known)) && !series_stage(p, x, entry, &known, e)) {
        return false;
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

static bool metadata_add(struct page *p, const struct expo_entry *entry, struct error *e)
{
    if (!has_room(p, entry->family.len + entry->text.len, e)) {
        p->error_line = entry->line;
        return false;
    }
    struct metadata *m = metadata_of(p, entry->family);
    if (!m) {
        return true; // More families than are kept: their samples are stored, their help is not.
    }
    switch (entry->kind) {
    case EXPO_TYPE:
        m->type = entry->type;
        break;
    case EXPO_HELP:
        m->help = arena_str(p->a, entry->text);
        break;
    case EXPO_UNIT:
        m->unit = arena_str(p->a, entry->text);
        break;
    case EXPO_SAMPLE:
    case EXPO_COMMENT:
        break;
    }
    return true;
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
        if (entry.kind != EXPO_COMMENT && !metadata_add(p, &entry, e)) {
            return false;
        }
    }
}

// Of a good page of which some lines were passed unread, but not all.
static bool metadata_reread(struct page *p, str body, enum expo_format format, struct error *e)
{
    struct expo *x = expo_open(body, format);
    struct expo_entry entry;
    p->metadata_count = 0;
    bool ok = true;
    while (ok && expo_next(x, &entry)) {
        if (entry.kind != EXPO_SAMPLE && entry.kind != EXPO_COMMENT) {
            ok = metadata_add(p, &entry, e);
        }
    }
    if (!ok) {
        (void)expo_close(x, NULL, NULL);
        return false;
    }
    if (!expo_close(x, &p->error_line, e)) {
        p->reason = "parse";
        return false;
    }
    return true;
}

bool page_read(struct page *p, str body, enum expo_format format, struct error *e)
{
    struct expo *x = expo_open(body, format);
    struct error parse = {0};
    u32 line = 0;
    p->body = body;
    p->format = format;
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

bool page_read_lost(struct page *p, struct error *e)
{
    struct scrape_cache *c = &p->t->cache;
    struct expo *x = expo_open(p->body, p->format);
    struct expo_entry entry;
    bool ok = true;
    while (ok && expo_next(x, &entry)) {
        if (entry.kind != EXPO_SAMPLE || entry.is_created) {
            continue;
        }
        struct cache_entry *known = scrape_cache_find(c, entry.series);
        if (known && is_unresolved(c, known)) {
            ok = has_room(p, entry.series.len, e) && series_stage(p, x, &entry, &known, e);
        }
    }
    return expo_close(x, NULL, e) && ok;
}

void page_init(struct page *p, struct scrape_target *t, i64 t_ms)
{
    arena_reset(t->run);
    *p = (struct page){.t = t, .a = t->run, .scrape_t_ms = t_ms};
    scrape_cache_begin(&t->cache);
    rows_init(p);
}
