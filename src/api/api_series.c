// api_series.c: which series, label names and values there are; metadata of metrics.
#include "api/api_inner.h"
#include "base/arena.h"
#include "base/str.h"
#include "promql/promql.h"
#include "scrape/scrape.h"

#include <stdlib.h>

#define TRUNCATED       STR("results truncated due to limit")
#define LABEL_BYTES_MAX ((u64)256 << 20) // Of one answer; half of what a request may hold.

// start, end, limit, match[] and a querier over them. Threads: owned.
struct look {
    i64 start_ms;
    i64 end_ms;
    u32 limit;
    bool
        names_match; // Errors say that match[] is wrong: upstream's /series does, /labels does not.
    struct api_matchers *sets;
    u32 set_count;
    struct storage_querier *querier;
    struct query_budget budget;
    struct storage_warnings warnings;
};

static bool look_take(struct http_request *rq, struct http_response *rs, struct look *k)
{
    const struct api_services *svc = api_ready(rq, rs);
    struct error e;
    if (svc == NULL || !api_param_u32(rq, rs, "limit", 0, &k->limit) ||
        !api_param_time(rq, rs, "start", INT64_MIN, &k->start_ms) ||
        !api_param_time(rq, rs, "end", INT64_MAX, &k->end_ms) ||
        !(k->names_match ? api_param_matchers : api_param_matchers_bare)(rq, rs, &k->sets,
                                                                         &k->set_count)) {
        return false;
    }
    k->querier = storage_querier_open(svc->storage, TENANT_DEFAULT, k->start_ms, k->end_ms, &e);
    if (k->querier == NULL) {
        api_error_of(rs, &e);
        return false;
    }
    k->budget = api_budget(rq->ctx, rq, API_NO_TIMEOUT);
    k->budget.bytes_max = MIN(k->budget.bytes_max, LABEL_BYTES_MAX);
    k->querier->budget = &k->budget;
    k->querier->warnings = &k->warnings;
    return true;
}

static int str_order(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

// Sorted, each once, the answers for all matcher sets joined.
static u32 join_sorted(str *all, u32 count)
{
    u32 kept = 0;
    qsort(all, count, sizeof(*all), str_order);
    for (u32 i = 0; i < count; i++) {
        if (kept == 0 || !str_eq(all[kept - 1], all[i])) {
            all[kept++] = all[i];
        }
    }
    return kept;
}

static void names_write(struct http_response *rs, const struct look *k, const str *names, u32 count)
{
    struct api_out o;
    const u32 limit = k->limit;
    const bool cut = limit > 0 && count > limit;
    api_out_begin(&o, rs);
    for (u32 i = 0; i < k->warnings.count; i++) {
        api_out_warn(&o, k->warnings.texts[i]);
    }
    if (cut) {
        api_out_warn(&o, TRUNCATED);
    }
    jsonw_array(&o.w);
    const u32 told = cut ? limit : count;
    for (u32 i = 0; i < told;) {
        i += jsonw_strs(&o.w, names + i, told - i);
        if (!api_out_flush(&o)) {
            api_out_abort(&o, "the answer could not be sent");
            return;
        }
    }
    jsonw_array_end(&o.w);
    api_out_end(&o);
}

// Threads: owned.
struct names {
    struct arena *arena;
    str *all; // Sorted, each once.
    u32 count;
    u32 cap;
};

// Joins the answer for one more matcher set; its array doubles, so that what the arena keeps of
// smaller ones is never more than what is in use. The first is taken as it is: sorted, each once.
static bool names_join(struct names *names, str *some, u32 n, struct error *e)
{
    const u64 wanted = (u64)names->count + n;
    if (names->count == 0) {
        *names = (struct names){.arena = names->arena, .all = some, .count = n, .cap = n};
        return true;
    }
    if (wanted > names->cap) {
        const u64 cap = MAX(wanted, (u64)names->cap * 2);
        str *wider = cap <= UINT32_MAX ? arena_try(names->arena, cap, sizeof(str)) : NULL;
        if (wider == NULL) {
            return err_set(e, ERR_LIMIT,
                           "the answer needs more memory than one request has: ask with fewer or "
                           "narrower match[]");
        }
        memcpy(wider, names->all, names->count * sizeof(str));
        names->all = wider;
        names->cap = (u32)cap;
    }
    memcpy(names->all + names->count, some, n * sizeof(str));
    names->count = join_sorted(names->all, (u32)wanted);
    return true;
}

static bool names_add(struct names *names, const struct look *k, str label,
                      const struct api_matchers *set, struct error *e)
{
    struct storage_querier *q = k->querier;
    str *some = NULL;
    u32 n = 0;
    const bool ok =
        label.len == 0
            ? q->ops->label_names(q, set->ms, set->count, names->arena, &some, &n, e)
            : q->ops->label_values(q, label, set->ms, set->count, names->arena, &some, &n, e);
    return ok && (n == 0 || names_join(names, some, n, e));
}

// Names of labels, or with label its values.
static void names_answer(struct http_request *rq, struct http_response *rs, str label)
{
    static const struct api_matchers everything = {NULL, 0};
    struct look k = {0};
    struct error e;
    if (!look_take(rq, rs, &k)) {
        return;
    }
    const struct api_matchers *sets = k.set_count > 0 ? k.sets : &everything;
    struct names names = {.arena = rq->arena};
    bool ok = true;
    for (u32 i = 0; ok && i < MAX(k.set_count, 1); i++) {
        ok = names_add(&names, &k, label, &sets[i], &e);
    }
    if (ok) {
        names_write(rs, &k, names.all, names.count);
    } else {
        api_error_of(rs, &e);
    }
    storage_querier_close(k.querier);
}

void api_labels(struct http_request *rq, struct http_response *rs)
{
    names_answer(rq, rs, STR_EMPTY);
}

void api_label_values(struct http_request *rq, struct http_response *rs)
{
    const str name = api_label_unescape(rq->arena, http_route_param(rq, STR("name")));
    if (!label_name_valid(name)) {
        api_error(rs, API_BAD_DATA, "invalid label name: \"%.*s\"", (int)MIN(name.len, 200),
                  name.ptr ? name.ptr : "");
        return;
    }
    names_answer(rq, rs, name);
}

// One cursor per matcher set, all sorted, merged. Threads: owned.
struct merge {
    struct series_cursor *cursors[API_MATCHERS_MAX];
    bool live[API_MATCHERS_MAX];
    u32 count;
};

static bool merge_close(struct merge *m, struct api_out *o, struct arena *a, struct error *e)
{
    bool ok = true;
    for (u32 i = 0; i < m->count; i++) {
        struct storage_warnings w = {0};
        struct error closing;
        if (!m->cursors[i]->ops->close(m->cursors[i], &w, &closing) && ok) {
            ok = false;
            *e = closing;
        }
        for (u32 j = 0; j < w.count; j++) {
            api_out_warn(o, arena_str(a, w.texts[j]));
        }
        if (w.partial && w.count == 0) {
            api_out_warn(o, STR("the answer is partial: some stored data could not be read"));
        }
    }
    return ok;
}

static bool merge_open(struct merge *m, const struct look *k, struct query_budget *budget,
                       struct error *e)
{
    const struct select_hints hints = {
        .start_ms = k->start_ms, .end_ms = k->end_ms, .sorted = true, .no_data = true};
    struct storage_querier *q = k->querier;
    for (u32 i = 0; i < k->set_count; i++) {
        m->cursors[i] = q->ops->select(q, k->sets[i].ms, k->sets[i].count, &hints, budget, e);
        if (m->cursors[i] == NULL) {
            return false;
        }
        m->count++;
        m->live[i] = m->cursors[i]->ops->next(m->cursors[i]);
    }
    return true;
}

// The smallest label set at hand; moves every cursor that stands on it in the next call.
static bool merge_least(struct merge *m, struct labels *least)
{
    bool found = false;
    for (u32 i = 0; i < m->count; i++) {
        if (!m->live[i]) {
            continue;
        }
        const struct labels ls = m->cursors[i]->ops->labels(m->cursors[i]);
        if (!found || labels_cmp(ls, *least) < 0) {
            *least = ls;
            found = true;
        }
    }
    return found;
}

static void merge_step(struct merge *m, struct labels least)
{
    bool stands[API_MATCHERS_MAX] = {0};
    for (u32 i = 0; i < m->count; i++) {
        stands[i] = m->live[i] && labels_eq(m->cursors[i]->ops->labels(m->cursors[i]), least);
    }
    for (u32 i = 0; i < m->count; i++) {
        if (stands[i]) {
            m->live[i] = m->cursors[i]->ops->next(m->cursors[i]);
        }
    }
}

// true: all was written.
static bool series_write(struct api_out *o, struct merge *m, u32 limit)
{
    struct labels least;
    u32 count = 0;
    jsonw_array(&o->w);
    while (merge_least(m, &least)) {
        if (limit > 0 && count == limit) {
            api_out_warn(o, TRUNCATED);
            break;
        }
        api_write_labels(&o->w, least);
        count++;
        merge_step(m, least);
        if (!api_out_flush(o)) {
            return false;
        }
    }
    jsonw_array_end(&o->w);
    return true;
}

// An answer that has not begun says by its status what went wrong; one that has is cut.
static void series_fail(struct api_out *o, const struct error *e)
{
    if (o->rs->streaming) {
        api_out_abort(o, e->text);
        return;
    }
    buf_fini(&o->buf);
    buf_clear(&o->rs->body);
    api_error_of(o->rs, e);
}

void api_series(struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    struct look k = {.names_match = true};
    struct api_out o;
    struct error e;
    if (!form_has(&rq->params, STR("match[]"))) {
        api_error(rs, API_BAD_DATA, "no match[] parameter provided");
        return;
    }
    if (!look_take(rq, rs, &k)) {
        return;
    }
    struct merge *m = ARENA_NEW(rq->arena, struct merge);
    struct query_budget budget = api_budget(api, rq, API_NO_TIMEOUT);
    api_out_begin(&o, rs);
    const bool opened = merge_open(m, &k, &budget, &e);
    const bool sent = opened && series_write(&o, m, k.limit);
    struct error closing;
    const bool closed = merge_close(m, &o, rq->arena, &closing);
    if (sent && closed) {
        api_out_end(&o);
    } else if (!opened || !closed) {
        series_fail(&o, opened ? &closing : &e);
    } else {
        api_out_abort(&o, "the answer could not be sent");
    }
    storage_querier_close(k.querier);
}

// All metadata there is, scraped targets first, then what else storage knows (this host's, pushed).
static bool metadata_get(struct http_request *rq, const struct api_services *svc, str metric,
                         struct metadata **out, u32 *count, struct error *e)
{
    struct scrape_metadata_info *scraped = NULL;
    struct metadata *stored = NULL;
    u32 scraped_count = 0;
    u32 stored_count = 0;
    const struct scrape_metadata_ask ask = {.metric = metric, .distinct = true};
    if (svc->scrape != NULL &&
        !scrape_metadata(svc->scrape, &ask, rq->arena, &scraped, &scraped_count, e)) {
        return false;
    }
    struct storage_querier *q =
        storage_querier_open(svc->storage, TENANT_DEFAULT, INT64_MIN, INT64_MAX, e);
    if (q == NULL) {
        return false;
    }
    const bool ok = q->ops->metadata(q, metric, 0, rq->arena, &stored, &stored_count, e);
    storage_querier_close(q);
    if (!ok) {
        return false;
    }
    struct metadata *all =
        ARENA_NEW_N(rq->arena, struct metadata, (size_t)scraped_count + stored_count + 1);
    for (u32 i = 0; i < scraped_count; i++) {
        all[i] = scraped[i].metadata;
    }
    if (stored_count > 0) {
        memcpy(all + scraped_count, stored, stored_count * sizeof(*all));
    }
    *out = all;
    *count = scraped_count + stored_count;
    return true;
}

static int metadata_order(const void *a, const void *b)
{
    const struct metadata *x = a;
    const struct metadata *y = b;
    int order = str_cmp(x->name, y->name);
    order = order ? order : (x->type > y->type) - (x->type < y->type);
    order = order ? order : str_cmp(x->help, y->help);
    return order ? order : str_cmp(x->unit, y->unit);
}

static void metadata_item(struct jsonw *w, const struct metadata *m)
{
    jsonw_object(w);
    jsonw_pair_str(w, STR("type"), str_c(metric_type_text(m->type)));
    jsonw_pair_str(w, STR("help"), m->help);
    jsonw_pair_str(w, STR("unit"), m->unit);
    jsonw_object_end(w);
}

void api_metadata(struct http_request *rq, struct http_response *rs)
{
    const struct api_services *svc = api_ready(rq, rs);
    struct metadata *all = NULL;
    u32 count = 0;
    u64 limit;
    u64 per_metric;
    struct error e;
    struct api_out o;
    if (svc == NULL || !api_param_count(rq, rs, "limit", &limit) ||
        !api_param_count(rq, rs, "limit_per_metric", &per_metric)) {
        return;
    }
    per_metric = per_metric == 0 ? UINT64_MAX : per_metric; // Upstream's way, unlike limit's.
    if (!metadata_get(rq, svc, http_param_get(rq, STR("metric")), &all, &count, &e)) {
        api_error_of(rs, &e);
        return;
    }
    qsort(all, count, sizeof(*all), metadata_order);
    api_out_begin(&o, rs);
    jsonw_object(&o.w);
    u32 metrics = 0;
    for (u32 i = 0; i < count && metrics < limit; metrics++) {
        const str name = all[i].name;
        u32 written = 0;
        jsonw_key(&o.w, name);
        jsonw_array(&o.w);
        for (const struct metadata *last = NULL; i < count && str_eq(all[i].name, name); i++) {
            if ((last == NULL || metadata_order(last, &all[i]) != 0) && written < per_metric) {
                metadata_item(&o.w, &all[i]);
                written++;
            }
            last = &all[i];
        }
        jsonw_array_end(&o.w);
        (void)api_out_flush(&o);
    }
    jsonw_object_end(&o.w);
    api_out_end(&o);
}
