// loader.c: fills a receiver of remote write 1.0 with hours of data for queries, in order of time.
//
//   bench_loader PORT END_S SHAPE:SERIES:STEP_S:SPAN_S …
//
// Every shape has SPAN_S / STEP_S rows of SERIES series, the last of them before END_S (seconds
// since 1970). Samples stand 7 s behind whole steps, so that no window begins or ends at one. The
// load goes by slabs of half an hour, all shapes in each, so that a receiver that takes nothing old
// takes all; a request has some rows of each of its series, as after an outage of the sender.
// Shapes: day, panel (counters, 4 an instance, one in 16 starts again half way), wide (the same,
// 100 an instance, each instance up to 3 s later and some ms off), latency (12 buckets of a classic
// histogram each), temperature (gauges, 1 an instance), many (gauges, 223 an instance), native
// (histograms of 8 buckets, 4 an instance). The same arguments give the same bytes. Prints one JSON
// object: samples, requests, bytes, wall_s, refused.
//
// Memory: one request a connection.
// Threads: one for each connection; they wait for each other after every slab.
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "bench/push_client.h"
#include "wire/pb.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CONNS = 2,
    SHAPES_MAX = 8,
    SLAB_S = 1800,
    SAMPLES = 10000,
    SERIES_MOST = 2000,
    SPAN_MAX_S = 40 * 86400,
    LATE_S = 7,
    LATER_MS = 3000, // Of instances that are scraped each at a time of its own,
    OFF_MS = 9,      // never quite the same.
    BUCKETS = 12,
    CELLS = 8
};

enum kind { COUNTER, GAUGE, CLASSIC, NATIVE };

// Threads: frozen.
struct shape {
    const char *name;
    const char *metric;
    u32 per_instance;
    enum kind kind;
    bool own_times;
};
static const struct shape shapes[] = {
    {"day", "bench_day_total", 4, COUNTER, false},
    {"panel", "bench_panel_total", 4, COUNTER, false},
    {"wide", "bench_wide_total", 100, COUNTER, true},
    {"latency", "bench_latency_seconds_bucket", BUCKETS, CLASSIC, false},
    {"temperature", "bench_temperature", 1, GAUGE, false},
    {"many", "bench_many", 223, GAUGE, false},
    {"native", "bench_native_seconds", 4, NATIVE, false},
};

// One shape of this run. Threads: frozen while the lanes run.
struct load {
    const struct shape *shape;
    u64 series;
    u64 step_s;
    u64 rows;
    u64 begin_s;
    u64 per_request; // Series.
};

// Threads: frozen while the lanes run, but for the barrier.
struct plan {
    u16 port;
    u64 begin_s;
    u64 end_s;
    u32 count;
    struct load loads[SHAPES_MAX];
    pthread_barrier_t slab_done;
};

// Threads: owned by its thread; main looks before and after.
struct lane {
    struct plan *plan;
    pthread_t thread;
    u32 number;
    struct push_client client;
    struct buf message;
    struct buf request;
    u64 samples;
    u64 requests;
    u64 bytes;
    u64 refused;
};

// In the order of their names, as senders have them.
static void labels_put(struct buf *out, const struct shape *shape, u64 series)
{
    static const char *const modes[] = {"idle",    "iowait", "irq",    "nice",
                                        "softirq", "steal",  "system", "user"};
    static const char *const bounds[BUCKETS] = {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
                                                "0.5",   "1",    "2.5",   "5",    "10",  "+Inf"};
    u64 host = series / shape->per_instance;
    u64 at = series % shape->per_instance;
    char instance[64];
    char number[32];
    (void)snprintf(instance, sizeof(instance), "host-%04llu", (unsigned long long)host);
    (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)at);
    push_label_put(out, "__name__", shape->metric);
    push_label_put(out, "instance", instance);
    push_label_put(out, "job", shape->name);
    if (shape->kind == CLASSIC) {
        push_label_put(out, "le", bounds[at]);
        return;
    }
    push_label_put(out, "mode", modes[host % ARRAY_LEN(modes)]);
    push_label_put(out, "path", number);
}

// Of a counter after k rows: whole hundredths.
static u64 counted(u64 series, u64 k)
{
    u64 step = 20 + push_mix(series + 77) % 1500;
    return k * step + push_mix(series << 32 | k) % step;
}

static f64 value_at(const struct load *l, u64 series, u64 k)
{
    u64 base = push_mix(series);
    if (l->shape->kind == GAUGE) {
        return (f64)(2000 + push_mix(series << 32 | k) % 900 + base % 500) / 100;
    }
    if (l->shape->kind == CLASSIC) { // Observations, of which a larger bucket has a larger share.
        u64 observed = counted(series / BUCKETS, k) * (series % BUCKETS + 1) / BUCKETS;
        return (f64)observed;
    }
    bool again = base % 16 == 0 && k > l->rows / 2;
    // Far from zero, near which versions of Prometheus extrapolate differently; and so far down
    // that VictoriaMetrics, too, takes it for a new start.
    u64 before = again ? 2000000 : 50000000 + base % 1000000;
    return (f64)(before + counted(series, again ? k - l->rows / 2 : k)) / 100;
}

static void hist_put(struct buf *out, u64 series, u64 k, u64 t_ms)
{
    u64 counts[CELLS];
    u64 count = 0;
    for (u32 i = 0; i < CELLS; i++) {
        counts[i] = 10 + k * (1 + push_mix(series * CELLS + i) % 9);
        count += counts[i];
    }
    size_t mark = pbw_begin(out, 4);
    pbw_varint(out, 1, count);
    pbw_f64(out, 3, (f64)count / 8);
    pbw_sint(out, 4, 3);
    pbw_f64(out, 5, 1e-128);
    pbw_varint(out, 6, 0);
    size_t span = pbw_begin(out, 11);
    pbw_sint(out, 1, 1);
    pbw_varint(out, 2, CELLS);
    pbw_end(out, span);
    size_t deltas = pbw_begin(out, 12);
    for (u32 i = 0; i < CELLS; i++) {
        buf_varsint(out, (i64)counts[i] - (i64)(i > 0 ? counts[i - 1] : 0));
    }
    pbw_end(out, deltas);
    pbw_varint(out, 15, t_ms);
    pbw_end(out, mark);
}

static u64 time_of(const struct load *l, u64 series, u64 k)
{
    u64 t_ms = (l->begin_s + k * l->step_s + LATE_S) * 1000;
    u64 host = series / l->shape->per_instance;
    return l->shape->own_times
               ? t_ms + push_mix(host) % LATER_MS + push_mix(host << 32 | k) % OFF_MS
               : t_ms;
}

static void sample_put(struct buf *out, const struct load *l, u64 series, u64 k)
{
    u64 t_ms = time_of(l, series, k);
    if (l->shape->kind == NATIVE) {
        hist_put(out, series, k, t_ms);
        return;
    }
    size_t mark = pbw_begin(out, 2);
    pbw_f64(out, 1, value_at(l, series, k));
    pbw_varint(out, 2, t_ms);
    pbw_end(out, mark);
}

// Rows [from, to) of the series of one request.
static void request_send(struct lane *lane, const struct load *l, u64 first, u64 from, u64 to)
{
    u64 bytes;
    buf_clear(&lane->message);
    buf_clear(&lane->request);
    for (u64 s = first; s < MIN(first + l->per_request, l->series); s++) {
        size_t series = pbw_begin(&lane->message, 1);
        labels_put(&lane->message, l->shape, s);
        for (u64 k = from; k < to; k++) {
            sample_put(&lane->message, l, s, k);
            lane->samples++;
        }
        pbw_end(&lane->message, series);
    }
    CHECK(buf_ok(&lane->message));
    push_request_make(&lane->request, lane->plan->port, buf_get(&lane->message), &bytes);
    lane->bytes += bytes;
    lane->requests++;
    lane->refused += push_client_ask(&lane->client, buf_get(&lane->request)) / 100 != 2;
}

// The first row of a load at or behind a time.
static u64 row_at(const struct load *l, u64 t_s)
{
    return t_s <= l->begin_s ? 0 : MIN((t_s - l->begin_s + l->step_s - 1) / l->step_s, l->rows);
}

static void slab_send(struct lane *lane, const struct load *l, u64 t_s)
{
    u64 from = row_at(l, t_s);
    u64 to = row_at(l, t_s + SLAB_S);
    u64 number = 0;
    for (u64 s = 0; from < to && s < l->series; s += l->per_request) {
        if (number++ % CONNS == lane->number) { // A series stays with its lane, in order.
            request_send(lane, l, s, from, to);
        }
    }
}

static void *lane_run(void *arg)
{
    struct lane *lane = arg;
    struct plan *p = lane->plan;
    push_client_open(&lane->client, p->port);
    buf_init(&lane->message, PUSH_REQUEST_MAX);
    buf_init(&lane->request, PUSH_REQUEST_MAX);
    for (u64 t = p->begin_s; t < p->end_s; t += SLAB_S) {
        for (u32 i = 0; i < p->count; i++) {
            slab_send(lane, &p->loads[i], t);
        }
        (void)pthread_barrier_wait(&p->slab_done);
    }
    buf_fini(&lane->message);
    buf_fini(&lane->request);
    push_client_close(&lane->client);
    return NULL;
}

static bool number_next(str *rest, u64 most, u64 *n)
{
    str piece;
    return str_split_next(rest, ':', &piece) && parse_u64(piece, n) && *n > 0 && *n <= most;
}

static const struct shape *shape_find(str name)
{
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        if (str_eq(name, str_c(shapes[i].name))) {
            return &shapes[i];
        }
    }
    return NULL;
}

static bool load_parse(struct plan *p, const char *text)
{
    str rest = str_c(text);
    str name;
    u64 span;
    struct load *l = &p->loads[p->count];
    if (p->count == SHAPES_MAX || !str_split_next(&rest, ':', &name)) {
        return false;
    }
    l->shape = shape_find(name);
    if (!l->shape || !number_next(&rest, 5000000, &l->series) ||
        !number_next(&rest, SLAB_S, &l->step_s) || !number_next(&rest, SPAN_MAX_S, &span) ||
        span > p->end_s) {
        return false;
    }
    l->rows = span / l->step_s;
    l->begin_s = p->end_s - span;
    u64 rows = MIN(l->rows, SLAB_S / l->step_s);
    l->per_request = MAX(1U, MIN(SAMPLES / MAX(1U, rows), SERIES_MOST));
    p->begin_s = MIN(p->begin_s, l->begin_s);
    p->count++;
    return true;
}

int main(int argc, char **argv)
{
    static struct plan p;
    static struct lane lanes[CONNS];
    u64 port = 0;
    bool ok = argc > 3 && parse_u64(str_c(argv[1]), &port) && port <= UINT16_MAX &&
              parse_u64(str_c(argv[2]), &p.end_s);
    p.begin_s = p.end_s;
    p.port = (u16)port;
    for (int i = 3; ok && i < argc; i++) {
        ok = load_parse(&p, argv[i]);
    }
    if (!ok) {
        (void)fprintf(stderr, "usage: bench_loader PORT END_S SHAPE:SERIES:STEP_S:SPAN_S …\n");
        return 2;
    }
    CHECK(pthread_barrier_init(&p.slab_done, NULL, CONNS) == 0);
    f64 begun = push_now_s();
    for (u32 i = 0; i < CONNS; i++) {
        lanes[i] = (struct lane){.plan = &p, .number = i};
        CHECK(pthread_create(&lanes[i].thread, NULL, lane_run, &lanes[i]) == 0);
    }
    for (u32 i = 0; i < CONNS; i++) {
        CHECK(pthread_join(lanes[i].thread, NULL) == 0);
    }
    (void)printf("{\"samples\": %llu, \"requests\": %llu, \"bytes\": %llu, \"wall_s\": %.3f, "
                 "\"refused\": %llu}\n",
                 (unsigned long long)(lanes[0].samples + lanes[1].samples),
                 (unsigned long long)(lanes[0].requests + lanes[1].requests),
                 (unsigned long long)(lanes[0].bytes + lanes[1].bytes), push_now_s() - begun,
                 (unsigned long long)(lanes[0].refused + lanes[1].refused));
    (void)pthread_barrier_destroy(&p.slab_done);
    return 0;
}
