// api_targets.c: what is scraped and how it went; this host stands in the list as a target too.
#include "api/api_inner.h"
#include "base/arena.h"
#include "base/str.h"
#include "collect/collect.h"
#include "promql/promql.h"
#include "scrape/scrape.h"

#define HOST_POOL STR("host")
#define NO_POOL   STR("/") // The name of no job's targets: the names of the jobs alone.

static const char *health_text(enum scrape_health h)
{
    switch (h) {
    case SCRAPE_UNKNOWN:
        return "unknown";
    case SCRAPE_UP:
        return "up";
    case SCRAPE_DOWN:
        return "down";
    }
    return "unknown";
}

static void phases_write(struct jsonw *w, const struct scrape_target_info *t)
{
    const struct {
        str name;
        f64 seconds;
    } phases[] = {
        {STR("resolve"), t->phase_resolve_s},   {STR("connect"), t->phase_connect_s},
        {STR("tls"), t->phase_tls_s},           {STR("first_byte"), t->phase_first_byte_s},
        {STR("transfer"), t->phase_transfer_s}, {STR("parse"), t->phase_parse_s},
        {STR("store"), t->phase_store_s},
    };
    jsonw_key(w, STR("phases"));
    jsonw_object(w);
    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        jsonw_key(w, phases[i].name);
        jsonw_f64(w, phases[i].seconds);
    }
    jsonw_object_end(w);
}

static void target_write(struct jsonw *w, const struct scrape_target_info *t)
{
    jsonw_object(w);
    jsonw_key(w, STR("discoveredLabels"));
    api_write_labels(w, t->discovered_labels);
    jsonw_key(w, STR("labels"));
    api_write_labels(w, t->labels);
    jsonw_pair_str(w, STR("scrapePool"), t->pool);
    jsonw_pair_str(w, STR("scrapeUrl"), t->url);
    jsonw_pair_str(w, STR("globalUrl"), t->global_url);
    jsonw_pair_str(w, STR("lastError"), t->last_error);
    jsonw_key(w, STR("lastScrape"));
    api_write_time(w, t->last_scrape_ms);
    jsonw_key(w, STR("lastScrapeDuration"));
    jsonw_f64(w, t->last_duration_s);
    jsonw_pair_str(w, STR("health"), str_c(health_text(t->health)));
    jsonw_key(w, STR("scrapeInterval"));
    api_write_duration(w, t->interval_ms);
    jsonw_key(w, STR("scrapeTimeout"));
    api_write_duration(w, t->timeout_ms);
    // Ours from here on.
    phases_write(w, t);
    jsonw_key(w, STR("status"));
    jsonw_u64(w, t->status);
    jsonw_key(w, STR("samples"));
    jsonw_u64(w, t->samples);
    if (t->last_reason.len > 0) {
        jsonw_pair_str(w, STR("lastReason"), t->last_reason);
    }
    if (t->body_excerpt.len > 0) {
        jsonw_pair_str(w, STR("bodyExcerpt"), t->body_excerpt);
        jsonw_key(w, STR("errorLine"));
        jsonw_u64(w, t->error_line);
    }
    jsonw_object_end(w);
}

// The host collector in the clothes of a target.
static bool host_target(const struct api_services *svc, struct arena *a,
                        struct scrape_target_info *out)
{
    struct collect_status *st = ARENA_NEW(a, struct collect_status);
    if (svc->collect == NULL) {
        return false;
    }
    collect_status(svc->collect, st);
    const str instance = collect_instance(svc->collect);
    const struct label pairs[] = {{LABEL_INSTANCE, instance}, {LABEL_JOB, HOST_POOL}};
    *out = (struct scrape_target_info){
        .pool = HOST_POOL,
        .url = arena_printf(a, "host://%.*s", STR_ARG(instance)),
        .labels = labels_from(a, pairs, 2),
        .health = st->last_ms == 0 ? SCRAPE_UNKNOWN
                  : st->ok         ? SCRAPE_UP
                                   : SCRAPE_DOWN,
        .last_scrape_ms = st->last_ms,
        .interval_ms = st->interval_ms,
        .timeout_ms = st->interval_ms,
        .last_duration_s = st->duration_s,
        .last_error = str_c(st->error),
        .samples = st->rows,
    };
    out->global_url = out->url;
    out->last_reason = out->health == SCRAPE_DOWN ? STR("store") : STR_EMPTY;
    return true;
}

static bool active_write(struct api_out *o, const struct api_services *svc, struct arena *a,
                         const struct scrape_snapshot *snap, str pool)
{
    struct scrape_target_info host;
    jsonw_key(&o->w, STR("activeTargets"));
    jsonw_array(&o->w);
    if ((pool.len == 0 || str_eq(pool, HOST_POOL)) && host_target(svc, a, &host)) {
        target_write(&o->w, &host);
    }
    for (u32 i = 0; i < snap->target_count; i++) {
        if (pool.len == 0 || str_eq(pool, snap->targets[i].pool)) {
            target_write(&o->w, &snap->targets[i]);
        }
        if (!api_out_flush(o)) {
            return false;
        }
    }
    jsonw_array_end(&o->w);
    return true;
}

static bool dropped_write(struct api_out *o, const struct scrape_snapshot *snap, str pool)
{
    jsonw_key(&o->w, STR("droppedTargets"));
    jsonw_array(&o->w);
    for (u32 i = 0; i < snap->dropped_count; i++) {
        if (pool.len > 0 && !str_eq(pool, snap->dropped[i].pool)) {
            continue;
        }
        jsonw_object(&o->w);
        jsonw_key(&o->w, STR("discoveredLabels"));
        api_write_labels(&o->w, snap->dropped[i].discovered_labels);
        jsonw_pair_str(&o->w, STR("scrapePool"), snap->dropped[i].pool);
        jsonw_object_end(&o->w);
        if (!api_out_flush(o)) {
            return false;
        }
    }
    jsonw_array_end(&o->w);
    return true;
}

static void dropped_counts_write(struct jsonw *w, const struct scrape_snapshot *snap, str pool)
{
    jsonw_key(w, STR("droppedTargetCounts"));
    jsonw_object(w);
    for (u32 i = 0; i < snap->pool_count; i++) {
        if (pool.len == 0 || str_eq(pool, snap->pools[i])) {
            jsonw_key(w, snap->pools[i]);
            jsonw_u64(w, snap->pool_dropped[i]); // Not only the kept ones.
        }
    }
    jsonw_object_end(w);
}

void api_targets(struct http_request *rq, struct http_response *rs)
{
    const struct api_services *svc = api_ready(rq, rs);
    const str state = http_param_get(rq, STR("state"));
    const str pool = http_param_get(rq, STR("scrapePool"));
    // As upstream: a state that there is not has no targets.
    const bool all = state.len == 0 || str_eq_nocase(state, STR("any"));
    const bool active = all || str_eq_nocase(state, STR("active"));
    const bool dropped = all || str_eq_nocase(state, STR("dropped"));
    struct scrape_snapshot snap = {0};
    struct scrape_snapshot none = {0};
    struct api_out o;
    if (svc == NULL) {
        return;
    }
    if (svc->scrape != NULL) {
        scrape_snapshot_take(svc->scrape, pool, rq->arena, &snap);
    }
    const struct api_services nothing = {0};
    api_out_begin(&o, rs);
    if (snap.targets_left_out > 0) {
        api_out_warn(&o, arena_printf(rq->arena,
                                      "%llu targets are left out, the answer has no room for "
                                      "them: ask for one scrapePool",
                                      (unsigned long long)snap.targets_left_out));
    }
    jsonw_object(&o.w);
    if (!active_write(&o, active ? svc : &nothing, rq->arena, active ? &snap : &none, pool) ||
        !dropped_write(&o, dropped ? &snap : &none, pool)) {
        api_out_abort(&o, "the answer could not be sent");
        return;
    }
    dropped_counts_write(&o.w, dropped ? &snap : &none, pool);
    jsonw_object_end(&o.w);
    api_out_end(&o);
}

void api_targets_metadata(struct http_request *rq, struct http_response *rs)
{
    const struct api_services *svc = api_ready(rq, rs);
    const str match = http_param_get(rq, STR("match_target"));
    const struct matcher *ms = NULL;
    u32 match_count = 0;
    struct scrape_metadata_info *infos = NULL;
    u32 count = 0;
    u64 limit;
    u64 written = 0;
    struct error e;
    struct api_out o;
    if (svc == NULL || !api_param_count(rq, rs, "limit", &limit)) {
        return;
    }
    if (match.len > 0 && !promql_selector(rq->arena, match, true, &ms, &match_count, &e)) {
        api_error(rs, API_BAD_DATA, "invalid parameter \"match_target\": %s", e.text);
        return;
    }
    const str metric = http_param_get(rq, STR("metric"));
    const struct scrape_metadata_ask ask = {.metric = metric};
    if (svc->scrape != NULL && !scrape_metadata(svc->scrape, &ask, rq->arena, &infos, &count, &e)) {
        api_error_of(rs, &e);
        return;
    }
    api_out_begin(&o, rs);
    jsonw_array(&o.w);
    for (u32 i = 0; i < count && written < limit; i++) {
        const struct metadata *m = &infos[i].metadata;
        if (match_count > 0 && !matchers_match(ms, match_count, infos[i].target)) {
            continue;
        }
        jsonw_object(&o.w);
        jsonw_key(&o.w, STR("target"));
        api_write_labels(&o.w, infos[i].target);
        if (metric.len == 0) {
            jsonw_pair_str(&o.w, STR("metric"), m->name);
        }
        jsonw_pair_str(&o.w, STR("type"), str_c(metric_type_text(m->type)));
        jsonw_pair_str(&o.w, STR("help"), m->help);
        jsonw_pair_str(&o.w, STR("unit"), m->unit);
        jsonw_object_end(&o.w);
        written++;
        (void)api_out_flush(&o);
    }
    jsonw_array_end(&o.w);
    api_out_end(&o);
}

void api_scrape_pools(struct http_request *rq, struct http_response *rs)
{
    const struct api_services *svc = api_ready(rq, rs);
    struct scrape_snapshot snap = {0};
    struct api_out o;
    if (svc == NULL) {
        return;
    }
    if (svc->scrape != NULL) {
        scrape_snapshot_take(svc->scrape, NO_POOL, rq->arena, &snap);
    }
    api_out_begin(&o, rs);
    jsonw_object(&o.w);
    jsonw_key(&o.w, STR("scrapePools"));
    jsonw_array(&o.w);
    for (u32 i = 0; i < snap.pool_count; i++) {
        jsonw_str(&o.w, snap.pools[i]);
    }
    jsonw_array_end(&o.w);
    jsonw_object_end(&o.w);
    api_out_end(&o);
}
