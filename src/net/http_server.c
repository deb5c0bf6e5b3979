// http_server.c: builds the server from its options and takes it apart in the right order.
//
// Start: gauges, lanes, library, door (from then on requests come). Stop: the door lets nobody in;
// running requests end, or are cancelled, or (deferred and never completed) abandoned; then the
// library, the lanes and the rest go.
#include "net/http_server.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "net/http_lane_gauge.h"
#include "net/http_queue.h"
#include "os/clk.h"

#include <errno.h>

#define WAIT_STEP_MS       10
#define CANCEL_PATIENCE_MS 2000
#define SEND_PATIENCE_MS   2000

static void defaults_fill(struct http_server_opts *o)
{
    const struct {
        u32 *value;
        u32 fallback;
    } table[] = {
        {&o->io_threads, 2},    {&o->connections_max, 10000}, {&o->head_bytes_max, 32768},
        {&o->header_ms, 10000}, {&o->idle_ms, 60000},         {&o->body_bytes_per_s, 1024},
        {&o->stall_ms, 30000},  {&o->deadline_ms, 150000},    {&o->stream_window_bytes, 2U << 20},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        *table[i].value = *table[i].value ? *table[i].value : table[i].fallback;
    }
    o->body_budget_bytes = o->body_budget_bytes ? o->body_budget_bytes : (u64)256 << 20;
    o->clk = o->clk ? o->clk : clk_real();
}

static void server_free(struct http_server *s)
{
    door_close(s);
    engine_close(s);
    lane_gauges_fini(s);
    for (u32 i = 0; s->pools != NULL && i < s->opts.lane_count; i++) {
        pool_free(s->pools[i]);
        http_queue_free(s->queues[i]);
    }
    gauge_fini(s);
    mem_free(s->pools);
    mem_free(s->queues);
    mem_free(s->door.conns);
    mem_free(s->door.polls);
    mem_free(s->door.poll_serials);
    mem_free(s->door.poll_slots);
    lock_fini(&s->door.lock);
    mem_free(s->address);
    mem_free(s);
}

static bool lanes_open(struct http_server *s, struct error *e)
{
    s->pools = MEM_NEW_N(struct pool *, MAX(s->opts.lane_count, 1));
    s->queues = MEM_NEW_N(struct http_queue *, MAX(s->opts.lane_count, 1));
    for (u32 i = 0; i < s->opts.lane_count; i++) {
        const struct http_lane *lane = &s->opts.lanes[i];
        s->queues[i] = http_queue_new(lane);
        s->pools[i] = pool_new(lane->name, lane->threads, lane->queue_max, e);
        if (s->pools[i] == NULL) {
            return false;
        }
    }
    return true;
}

struct http_server *http_server_start(const struct http_server_opts *opts, struct error *e)
{
    struct http_server *s = MEM_NEW(struct http_server);
    const size_t bytes = strlen(opts->address) + 1;
    s->opts = *opts;
    defaults_fill(&s->opts);
    s->address = MEM_NEW_N(char, bytes);
    memcpy(s->address, opts->address, bytes);
    s->router = (struct http_router){opts->routes, opts->route_count, opts->prefix};
    s->door.listen_fd = -1;
    lock_init(&s->door.lock, LOCK_HTTP_DOOR, "http_door");
    if (!http_routes_check(&s->router, opts->lane_count, e) || !gauge_init(s, e) ||
        !lanes_open(s, e) || !lane_gauges_init(s, e) || !engine_open(s, e) || !door_open(s, e)) {
        server_free(s);
        return NULL;
    }
    return s;
}

u16 http_server_port(const struct http_server *s)
{
    return s->door.port;
}

// Waits until nothing runs; false when patience_ms is over first.
static bool running_wait(struct http_server *s, u32 patience_ms)
{
    const i64 end_ms = clk_mono_ms(s->opts.clk) + patience_ms;
    while (__atomic_load_n(&s->running, __ATOMIC_SEQ_CST) > 0) {
        if (clk_mono_ms(s->opts.clk) >= end_ms) {
            return false;
        }
        (void)stop_sleep_ms(s->door.stop, WAIT_STEP_MS);
    }
    return true;
}

void http_server_stop(struct http_server *s, u32 drain_ms)
{
    if (s == NULL) {
        return;
    }
    __atomic_store_n(&s->stopping, 1, __ATOMIC_SEQ_CST);
    door_shut(s);
    bool abandon = false;
    for (u32 patience_ms = drain_ms; !running_wait(s, patience_ms);
         patience_ms = CANCEL_PATIENCE_MS) {
        // First cancel; what is still deferred after that belongs to somebody who is gone.
        door_cancel_all(s, abandon);
        abandon = true;
    }
    // Nothing is suspended by a handler any more; let the answers go out.
    const i64 end_ms = clk_mono_ms(s->opts.clk) + SEND_PATIENCE_MS;
    while (door_count(s, PHASE_SEND) + door_count(s, PHASE_HANDLER) > 0 &&
           clk_mono_ms(s->opts.clk) < end_ms) {
        (void)stop_sleep_ms(s->door.stop, WAIT_STEP_MS);
    }
    server_free(s);
}
