// http_lane_gauge.c: see http_lane_gauge.h.
#include "net/http_lane_gauge.h"

#include "base/error.h"
#include "client/tidemark.h"
#include "net/http_queue.h"

// One class of one lane: what its callbacks are given. Threads: frozen.
struct lane_gauge {
    struct http_queue *queue;
    u32 class_index;
    struct tmk_counter *full;
    struct tmk_counter *late;
    struct tmk_counter *tenant;
};

static double waiting_value(void *ctx)
{
    const struct lane_gauge *g = ctx;
    return http_queue_count(g->queue, g->class_index).waiting;
}

static double running_value(void *ctx)
{
    const struct lane_gauge *g = ctx;
    return http_queue_count(g->queue, g->class_index).running;
}

// Threads: owned.
struct lane_families {
    struct tmk_family *waiting;
    struct tmk_family *running;
    struct tmk_family *refused;
};

static bool families_init(struct tmk_registry *r, struct lane_families *f, struct tmk_error *te)
{
    static const char *const labels[] = {"lane", "class", "reason"};
    const struct tmk_desc waiting = {.kind = TMK_GAUGE,
                                     .name = "tidemark_http_lane_waiting",
                                     .help = "Requests that wait for a thread of their lane.",
                                     .labels = labels,
                                     .label_count = 2};
    const struct tmk_desc running = {.kind = TMK_GAUGE,
                                     .name = "tidemark_http_lane_running",
                                     .help = "Requests that a thread of their lane handles.",
                                     .labels = labels,
                                     .label_count = 2};
    const struct tmk_desc refused = {.kind = TMK_COUNTER,
                                     .name = "tidemark_http_lane_refused_total",
                                     .help = "Requests that found their lane, or their tenant's "
                                             "share of it, full, or waited too long for a thread.",
                                     .labels = labels,
                                     .label_count = 3};
    f->waiting = tmk_family_register(r, &waiting, te);
    f->running = tmk_family_register(r, &running, te);
    f->refused = tmk_family_register(r, &refused, te);
    return f->waiting != NULL && f->running != NULL && f->refused != NULL;
}

static bool class_init(struct lane_gauge *g, const char *lane, const struct lane_families *f,
                       struct tmk_error *te)
{
    const char *name = http_queue_count(g->queue, g->class_index).of->name;
    g->full = tmk_counter_with(f->refused, TMK_VALUES(lane, name, "full"));
    g->late = tmk_counter_with(f->refused, TMK_VALUES(lane, name, "wait"));
    g->tenant = tmk_counter_with(f->refused, TMK_VALUES(lane, name, "tenant"));
    return tmk_family_fn(f->waiting, TMK_VALUES(lane, name), waiting_value, g, te) &&
           tmk_family_fn(f->running, TMK_VALUES(lane, name), running_value, g, te);
}

bool lane_gauges_init(struct http_server *s, struct error *e)
{
    struct lane_families f;
    struct tmk_error te = {{0}};
    if (s->opts.registry == NULL) {
        return true;
    }
    bool ok = families_init(s->opts.registry, &f, &te);
    s->gauge.lanes = MEM_NEW_N(struct lane_gauge *, MAX(s->opts.lane_count, 1));
    for (u32 i = 0; ok && i < s->opts.lane_count; i++) {
        const u32 classes = http_queue_classes(s->queues[i]);
        s->gauge.lanes[i] = MEM_NEW_N(struct lane_gauge, classes);
        for (u32 c = 0; ok && c < classes; c++) {
            struct lane_gauge *g = &s->gauge.lanes[i][c];
            *g = (struct lane_gauge){.queue = s->queues[i], .class_index = c};
            ok = class_init(g, s->opts.lanes[i].name, &f, &te);
        }
    }
    return ok || err_set(e, ERR_INTERNAL, "the lanes' own metrics: %s", te.text);
}

void lane_gauges_fini(struct http_server *s)
{
    for (u32 i = 0; s->gauge.lanes != NULL && i < s->opts.lane_count; i++) {
        struct lane_gauge *of = s->gauge.lanes[i];
        for (u32 c = 0; of != NULL && c < http_queue_classes(s->queues[i]); c++) {
            tmk_fn_remove(s->opts.registry, &of[c]);
        }
        mem_free(of);
    }
    mem_free(s->gauge.lanes);
    s->gauge.lanes = NULL;
}

void lane_gauge_refused(const struct http_exchange *x, const struct http_class *of,
                        enum http_refusal why)
{
    const struct http_server *s = x->server;
    const u32 lane = x->rq.route->lane;
    for (u32 c = 0; s->gauge.lanes != NULL && c < http_queue_classes(s->queues[lane]); c++) {
        const struct lane_gauge *g = &s->gauge.lanes[lane][c];
        if (http_queue_count(g->queue, c).of == of) {
            tmk_counter_inc(why == REFUSED_LANE_FULL     ? g->full
                            : why == REFUSED_LANE_TENANT ? g->tenant
                                                         : g->late);
        }
    }
}
