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

// Of n threads. 0 stays 0.
static u32 running_share(enum query_class c, u32 n)
{
    const u32 share = c == QUERY_DASHBOARD ? n : c == QUERY_ADHOC ? n - n / 4 : n / 2;
    return MAX(share, MIN(n, 1U));
}

// Of n places to wait.
static u32 waiting_share(enum query_class c, u32 n)
{
    return c == QUERY_EXPORT ? MAX(n / 4, MIN(n, 1U)) : running_share(c, n);
}

void query_classes_fill(struct http_class out[QUERY_CLASS_COUNT], const struct query_room *room)
{
    static const u32 weights[QUERY_CLASS_COUNT] = {
        [QUERY_DASHBOARD] = 4, [QUERY_ADHOC] = 2, [QUERY_EXPORT] = 1};
    for (u32 i = 0; i < QUERY_CLASS_COUNT; i++) {
        const enum query_class c = (enum query_class)i;
        const u32 running = running_share(c, room->threads);
        const u32 waiting = waiting_share(c, room->queue_max);
        out[i] = (struct http_class){
            .name = class_texts[i],
            .weight = weights[i],
            .running_max = running,
            .waiting_max = waiting,
            .tenant_running_max = MIN(running, running_share(c, room->tenant_threads)),
            .tenant_waiting_max = MIN(waiting, waiting_share(c, room->tenant_queue_max))};
    }
}
