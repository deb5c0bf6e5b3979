// query_class.c: see query_class.h.
#include "api/api_inner.h"
#include "base/str.h"

static const char *const class_texts[QUERY_CLASS_COUNT] = {
    [QUERY_DASHBOARD] = "dashboard", [QUERY_ADHOC] = "adhoc", [QUERY_EXPORT] = "export"};

const char *query_class_text(enum query_class c)
{
    return class_texts[c];
}

static bool gives_away_many(const struct http_route *route)
{
    return route != NULL && (route->handler == api_series || route->handler == api_federate ||
                             route->handler == api_query_exemplars);
}

enum query_class query_class_of(const struct http_request *rq)
{
    const str said = http_header_get(rq, STR("X-Tidemark-Lane"));
    for (u32 c = 0; c < QUERY_CLASS_COUNT; c++) {
        if (str_eq_c(said, class_texts[c])) {
            return (enum query_class)c;
        }
    }
    if (http_header_get(rq, STR("X-Dashboard-Uid")).len > 0) {
        return QUERY_DASHBOARD;
    }
    return gives_away_many(rq->route) ? QUERY_EXPORT : QUERY_ADHOC;
}

void query_classes_fill(struct http_class out[QUERY_CLASS_COUNT], u32 threads, u32 queue_max)
{
    const u32 t = threads;
    const u32 q = queue_max;
    out[QUERY_DASHBOARD] = (struct http_class){class_texts[QUERY_DASHBOARD], 4, t, q};
    out[QUERY_ADHOC] =
        (struct http_class){class_texts[QUERY_ADHOC], 2, t - t / 4, MAX(q - q / 4, 1U)};
    out[QUERY_EXPORT] =
        (struct http_class){class_texts[QUERY_EXPORT], 1, MAX(t / 2, 1U), MAX(q / 4, 1U)};
}
