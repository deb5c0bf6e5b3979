// api_status.c: what this server is, how it was configured, and what it holds.
#include "api/api_inner.h"
#include "base/arena.h"
#include "base/str.h"
#include "os/clk.h"
#include "os/proc.h"
#include "tsdb/tsdb_status.h"

#define TSDB_LIMIT_MAX 10000U

static void pair_u64(struct jsonw *w, const char *key, u64 value)
{
    jsonw_key(w, str_c(key));
    jsonw_u64(w, value);
}

static void pair_i64(struct jsonw *w, const char *key, i64 value)
{
    jsonw_key(w, str_c(key));
    jsonw_i64(w, value);
}

static void build_write(struct jsonw *w)
{
    jsonw_object(w);
    jsonw_pair_str(w, STR("version"), STR(API_UPSTREAM_VERSION));
    jsonw_pair_str(w, STR("revision"), STR_EMPTY);
    jsonw_pair_str(w, STR("branch"), STR_EMPTY);
    jsonw_pair_str(w, STR("buildUser"), STR_EMPTY);
    jsonw_pair_str(w, STR("buildDate"), STR_EMPTY);
    jsonw_pair_str(w, STR("goVersion"), STR_EMPTY);
    jsonw_pair_str(w, STR("tidemark"), STR(TIDEMARK_VERSION));
    jsonw_object_end(w);
}

void api_status_build(struct http_request *rq, struct http_response *rs)
{
    struct api_out o;
    (void)rq;
    api_out_begin(&o, rs);
    build_write(&o.w);
    api_out_end(&o);
}

void api_version(struct http_request *rq, struct http_response *rs)
{
    struct buf b;
    struct jsonw w;
    (void)rq;
    buf_init(&b, 4096);
    jsonw_init(&w, &b);
    build_write(&w);
    (void)http_header_set(rs, STR("Content-Type"), STR("application/json"));
    (void)http_write(rs, buf_get(&b));
    buf_fini(&b);
}

void api_status_config(struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    const struct api_control *control = &api->opts.control;
    struct api_out o;
    if (api_ready(rq, rs) == NULL) {
        return;
    }
    api_out_begin(&o, rs);
    jsonw_object(&o.w);
    jsonw_pair_str(&o.w, STR("yaml"),
                   control->config_yaml ? control->config_yaml(control->ctx, rq->arena)
                                        : STR_EMPTY);
    jsonw_object_end(&o.w);
    api_out_end(&o);
}

void api_status_flags(struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    const struct api_control *control = &api->opts.control;
    struct api_flag *flags = NULL;
    struct api_out o;
    if (api_ready(rq, rs) == NULL) {
        return;
    }
    const u32 count = control->flags ? control->flags(control->ctx, rq->arena, &flags) : 0;
    api_out_begin(&o, rs);
    jsonw_object(&o.w);
    for (u32 i = 0; i < count; i++) {
        jsonw_pair_str(&o.w, flags[i].name, flags[i].value);
    }
    jsonw_object_end(&o.w);
    api_out_end(&o);
}

void api_status_runtime(struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    const struct api_control *control = &api->opts.control;
    const struct api_services *svc = api_ready(rq, rs);
    char host[256];
    char cwd[PROC_PATH_MAX];
    i64 reload_ms = api->start_ms;
    const u64 memory_limit =
        api->opts.memory_limit ? api->opts.memory_limit : proc_memory_limit_bytes();
    struct api_out o;
    if (svc == NULL) {
        return;
    }
    const bool reload_ok =
        control->reload_state == NULL || control->reload_state(control->ctx, &reload_ms);
    api_out_begin(&o, rs);
    jsonw_object(&o.w);
    jsonw_key(&o.w, STR("startTime"));
    api_write_time(&o.w, api->start_ms);
    jsonw_pair_str(&o.w, STR("CWD"), proc_cwd(cwd));
    jsonw_pair_str(&o.w, STR("hostname"), proc_hostname(host));
    jsonw_key(&o.w, STR("serverTime"));
    api_write_time(&o.w, clk_wall_ms(api->opts.clk));
    jsonw_key(&o.w, STR("reloadConfigSuccess"));
    jsonw_bool(&o.w, reload_ok);
    jsonw_key(&o.w, STR("lastConfigTime"));
    api_write_time(&o.w, reload_ms);
    pair_u64(&o.w, "corruptionCount", svc->tsdb != NULL ? tsdb_corruptions(svc->tsdb) : 0);
    pair_u64(&o.w, "goroutineCount", 0);
    pair_u64(&o.w, "GOMAXPROCS", proc_cpu_count());
    pair_u64(&o.w, "GOMEMLIMIT", memory_limit);
    jsonw_pair_str(&o.w, STR("GOGC"), STR_EMPTY);
    jsonw_pair_str(&o.w, STR("GODEBUG"), STR_EMPTY);
    jsonw_pair_str(&o.w, STR("storageRetention"),
                   control->retention ? control->retention(control->ctx, rq->arena) : STR_EMPTY);
    pair_u64(&o.w, "residentBytes", proc_resident_bytes()); // Ours from here on.
    pair_u64(&o.w, "anonymousBytes", proc_anonymous_bytes());
    pair_u64(&o.w, "memoryLimitBytes", memory_limit);
    pair_u64(&o.w, "openFds", proc_open_fds());
    pair_u64(&o.w, "maxFds", proc_max_fds());
    jsonw_object_end(&o.w);
    api_out_end(&o);
}

static void stats_write(struct jsonw *w, const char *key, const struct tsdb_stat *stats, u32 count)
{
    jsonw_key(w, str_c(key));
    jsonw_array(w);
    for (u32 i = 0; i < count; i++) {
        jsonw_object(w);
        jsonw_pair_str(w, STR("name"), stats[i].name);
        pair_u64(w, "value", stats[i].value);
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
}

static void tsdb_write(struct jsonw *w, const struct tsdb_status *st)
{
    jsonw_object(w);
    jsonw_key(w, STR("headStats"));
    jsonw_object(w);
    pair_u64(w, "numSeries", st->series);
    pair_u64(w, "numLabelPairs", st->label_pairs);
    pair_u64(w, "chunkCount", st->chunks);
    pair_i64(w, "minTime", st->min_ms);
    pair_i64(w, "maxTime", st->max_ms);
    jsonw_object_end(w);
    stats_write(w, "seriesCountByMetricName", st->series_by_metric, st->series_by_metric_count);
    stats_write(w, "labelValueCountByLabelName", st->values_by_label, st->values_by_label_count);
    stats_write(w, "memoryInBytesByLabelName", st->bytes_by_label, st->bytes_by_label_count);
    stats_write(w, "seriesCountByLabelValuePair", st->series_by_pair, st->series_by_pair_count);
    jsonw_key(w, STR("storage")); // Ours.
    jsonw_object(w);
    pair_u64(w, "headBytes", st->head_bytes);
    pair_u64(w, "walBytes", st->wal_bytes);
    pair_u64(w, "blocks", st->blocks);
    pair_u64(w, "blockBytes", st->block_bytes);
    pair_u64(w, "quarantined", st->quarantined);
    pair_u64(w, "diskFreeBytes", st->disk_free_bytes);
    pair_u64(w, "diskTotalBytes", st->disk_total_bytes);
    jsonw_key(w, STR("writesFailing"));
    jsonw_bool(w, st->writes_failing);
    jsonw_object_end(w);
    jsonw_object_end(w);
}

void api_status_tsdb(struct http_request *rq, struct http_response *rs)
{
    const struct api_services *svc = api_ready(rq, rs);
    struct tsdb_status st = {.min_ms = INT64_MAX, .max_ms = INT64_MIN};
    const str asked = http_param_get(rq, STR("limit"));
    i64 limit = 10;
    struct api_out o;
    if (svc == NULL) {
        return;
    }
    if (asked.len > 0 && (!parse_i64(asked, &limit) || limit < 1)) {
        api_error(rs, API_BAD_DATA, "limit must be a positive number");
        return;
    }
    if (limit > TSDB_LIMIT_MAX) {
        api_error(rs, API_BAD_DATA, "limit must not exceed %u", TSDB_LIMIT_MAX);
        return;
    }
    if (svc->tsdb != NULL) {
        tsdb_status_get(svc->tsdb, (u32)limit, rq->arena, &st);
    }
    api_out_begin(&o, rs);
    tsdb_write(&o.w, &st);
    api_out_end(&o);
}

void api_status_blocks(struct http_request *rq, struct http_response *rs)
{
    const struct api_services *svc = api_ready(rq, rs);
    struct tsdb_block_info *blocks = NULL;
    u32 count = 0;
    struct api_out o;
    if (svc == NULL) {
        return;
    }
    if (svc->tsdb != NULL) {
        tsdb_blocks_get(svc->tsdb, rq->arena, &blocks, &count);
    }
    api_out_begin(&o, rs);
    jsonw_object(&o.w);
    jsonw_key(&o.w, STR("blocks"));
    jsonw_array(&o.w);
    for (u32 i = 0; i < count; i++) {
        jsonw_object(&o.w);
        jsonw_pair_str(&o.w, STR("ulid"), blocks[i].id);
        pair_i64(&o.w, "minTime", blocks[i].min_ms);
        pair_i64(&o.w, "maxTime", blocks[i].max_ms);
        jsonw_key(&o.w, STR("stats"));
        jsonw_object(&o.w);
        pair_u64(&o.w, "numSamples", blocks[i].samples);
        pair_u64(&o.w, "numSeries", blocks[i].series);
        pair_u64(&o.w, "numChunks", blocks[i].chunks);
        jsonw_object_end(&o.w);
        jsonw_key(&o.w, STR("compaction"));
        jsonw_object(&o.w);
        pair_u64(&o.w, "level", blocks[i].level);
        jsonw_object_end(&o.w);
        pair_u64(&o.w, "bytes", blocks[i].bytes); // Ours from here on.
        jsonw_key(&o.w, STR("damaged"));
        jsonw_bool(&o.w, blocks[i].damaged);
        jsonw_object_end(&o.w);
        (void)api_out_flush(&o);
    }
    jsonw_array_end(&o.w);
    jsonw_object_end(&o.w);
    api_out_end(&o);
}

// Answers before the server is ready: that is what it is for.
void api_status_walreplay(struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    const struct tsdb_replay_progress *p = api->opts.replay;
    struct api_out o;
    api_out_begin(&o, rs);
    jsonw_object(&o.w);
    pair_i64(&o.w, "min", p ? atomic_load(&p->segment_min) : 0);
    pair_i64(&o.w, "max", p ? atomic_load(&p->segment_max) : 0);
    pair_i64(&o.w, "current", p ? atomic_load(&p->segment_now) : 0);
    jsonw_object_end(&o.w);
    api_out_end(&o);
}

// What upstream takes by POST and this release does not: said, and not as a wrong method.
void api_absent(struct http_request *rq, struct http_response *rs)
{
    http_text(rs, 404, "%.*s is known to Prometheus but not built in this release",
              STR_ARG(rq->path));
}

void api_notifications(struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    const struct api_control *control = &api->opts.control;
    i64 t_ms = 0;
    struct api_out o;
    if (api_ready(rq, rs) == NULL) {
        return;
    }
    api_out_begin(&o, rs);
    jsonw_array(&o.w);
    if (control->reload_state != NULL && !control->reload_state(control->ctx, &t_ms)) {
        jsonw_object(&o.w);
        jsonw_pair_str(&o.w, STR("text"), STR("Configuration reload has failed."));
        jsonw_key(&o.w, STR("date"));
        api_write_time(&o.w, t_ms);
        jsonw_key(&o.w, STR("active"));
        jsonw_bool(&o.w, true);
        jsonw_object_end(&o.w);
    }
    jsonw_array_end(&o.w);
    api_out_end(&o);
}
