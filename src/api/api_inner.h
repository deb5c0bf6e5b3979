// api_inner.h: what the families of endpoints share.
#ifndef API_API_INNER_H
#define API_API_INNER_H

#include "api/api.h"
#include "api/query_class.h"
#include "api/query_metrics.h"
#include "base/error.h"
#include "model/match.h"
#include "storage/storage.h"
#include "wire/json.h"

struct hist;
struct promql_point;
struct push_cache;
struct query_share;
struct query_watch;
struct tmk_counter;

// Queries and what gives many series away; what walks the index; what is only looked up (so that
// the pages stay there when the first two are busy); pushes.
enum api_lane { API_LANE_QUERY, API_LANE_INDEX, API_LANE_META, API_LANE_WRITE, API_LANE_COUNT };

// Threads: services published by an atomic store of ready; stopping atomic; the rest frozen.
struct api {
    struct api_opts opts;
    struct api_services services;
    int ready;
    int stopping;
    i64 start_ms;
    struct http_class query_classes[QUERY_CLASS_COUNT];
    struct http_route *routes;
    u32 route_count;
    struct http_lane lanes[API_LANE_COUNT];
    struct query_watch *watch; // NULL until services are there.
    struct query_share *shares;
    struct query_metrics query_metrics;
    struct tmk_counter *query_evaluations; // NULL without a registry.
    struct tmk_counter *query_joins;
    struct push_cache *write_cache; // NULL: pushes are not taken.
    struct tmk_counter *write_outcomes[APPEND_OUTCOME_COUNT];
    struct tmk_counter *write_requests_bad;
    struct tmk_counter *write_exemplars; // Of pushes: nobody promises to keep them.
};

// ---- api_out.c: the envelope ----

#define API_WARNINGS_MAX 10U

enum api_error { // errorType and status.
    API_BAD_DATA,
    API_EXECUTION,
    API_CANCELED,
    API_TIMEOUT,
    API_NOT_FOUND,
    API_INTERNAL,
    API_UNAVAILABLE,
    API_TOO_MANY,
    API_ERROR_COUNT
};

// One JSON answer on its way: w writes into buf, which is sent whenever it is full enough.
// Threads: owned.
struct api_out {
    struct http_response *rs;
    struct buf buf;
    struct jsonw w;
    str warnings[API_WARNINGS_MAX];
    u32 warning_count;
    u32 warnings_more;
    str infos[API_WARNINGS_MAX];
    u32 info_count;
    u32 infos_more;
};

// The services, or NULL after having answered 503.
const struct api_services *api_ready(struct http_request *rq, struct http_response *rs);

// {"status":"success","data": … then the caller writes one value, and api_out_end closes.
void api_out_begin(struct api_out *o, struct http_response *rs);
bool api_out_flush(struct api_out *o); // Between values; false: the client is gone.
void api_out_warn(struct api_out *o, str text);
void api_out_info(struct api_out *o, str text);
void api_out_end(struct api_out *o);
// What storage could not give: after data was sent it can only be told as a cut.
void api_out_abort(struct api_out *o, const char *text);

void api_error(struct http_response *rs, enum api_error kind, const char *format, ...)
    PRINTF_LIKE(3, 4);
void api_error_of(struct http_response *rs, const struct error *e); // By its code.
u32 api_status_of(const struct error *e);                           // Of answers that are not JSON.
// What a lane refuses with: http_lane.tell.
void api_tell(struct http_response *rs, const char *text);
void api_empty(struct http_response *rs); // 204

void api_write_labels(struct jsonw *w, struct labels ls);
void api_write_point(struct jsonw *w, const struct promql_point *p); // [t,"v"] or [t,{…}]
void api_write_time(struct jsonw *w, i64 t_ms);   // RFC 3339; upstream's zero time for 0.
void api_write_duration(struct jsonw *w, i64 ms); // "15s"
// Text of a histogram sample.
void api_write_hist(struct jsonw *w, const struct hist *h);

// ---- api_param.c: parameters; false: the answer (bad_data) has been given ----

bool api_param_time(struct http_request *rq, struct http_response *rs, const char *name,
                    i64 fallback_ms, i64 *t_ms);
bool api_param_must_time(struct http_request *rq, struct http_response *rs, const char *name,
                         i64 *t_ms);
bool api_param_duration(struct http_request *rq, struct http_response *rs, const char *name,
                        i64 fallback_ms, i64 *ms);
bool api_param_u32(struct http_request *rq, struct http_response *rs, const char *name,
                   u32 fallback, u32 *value);
// At most so many; UINT64_MAX without the parameter, or below 0.
bool api_param_count(struct http_request *rq, struct http_response *rs, const char *name,
                     u64 *value);
// A "seconds or 5m" text; ERR_INVALID.
bool api_duration_parse(str text, i64 *ms, struct error *e);

// Has somebody still use for an answer? Asked between pieces of work that each may take long.
bool api_wanted(const struct http_request *rq, struct error *e) MUST_USE;

// One match[] of a request.
struct api_matchers {
    const struct matcher *ms;
    u32 count;
};
#define API_MATCHERS_MAX     256U
#define API_ALTERNATIVES_MAX 50000U // Of all of them together.
bool api_matchers_read(struct http_request *rq, struct api_matchers **sets, u32 *count,
                       struct error *e) MUST_USE;
// The same with the answer; the second says which parameter was wrong, where upstream does.
bool api_param_matchers_bare(struct http_request *rq, struct http_response *rs,
                             struct api_matchers **sets, u32 *count);
bool api_param_matchers(struct http_request *rq, struct http_response *rs,
                        struct api_matchers **sets, u32 *count);
bool api_name_listed(const struct form *params, const char *name, str value); // Or none is given.
str api_label_unescape(struct arena *a, str name); // U__…; anything else as it is.

// timeout_ms: the client's own; 0 or less is over at once, API_NO_TIMEOUT leaves the server's.
#define API_NO_TIMEOUT INT64_MAX
struct query_budget api_budget(const struct api *api, const struct http_request *rq,
                               i64 timeout_ms);

// ---- handlers ----

http_handler api_query, api_query_range, api_explain, api_query_exemplars, api_format_query,
    api_parse_query;
http_handler api_active_queries, api_active_query_cancel;
http_handler api_labels, api_label_values, api_series, api_metadata;
http_handler api_targets, api_targets_metadata, api_scrape_pools;
http_handler api_rules, api_alerts, api_alertmanagers, api_deliveries;
http_handler api_status_config, api_status_flags, api_status_runtime, api_status_build,
    api_status_tsdb, api_status_blocks, api_status_walreplay, api_features, api_notifications;
http_handler api_write, api_federate, api_metrics, api_version;
http_handler api_healthy, api_readiness, api_reload, api_quit, api_debug, api_absent;
http_handler api_delete_series, api_undelete_series, api_clean_tombstones, api_snapshot;
http_handler api_graph, api_page;

#endif
