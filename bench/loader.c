// loader.c: fills a receiver of remote write 1.0 with hours of data for queries, in order of time.
//
//   bench_loader PORT END_S FROM_S SHAPE:SERIES:STEP_S:SPAN_S …
//
// Every shape (shape.h) has SPAN_S / STEP_S rows of SERIES series, the last of them before END_S
// (seconds since 1970); those before FROM_S (0: none) are left out. The load goes by slabs of
// half an hour, all shapes in each, so that a receiver that takes nothing old takes all; a request
// has some rows of each of its series, as after an outage of the sender. Prints one JSON object:
// samples, requests, bytes, wall_s, refused.
//
// Memory: one request a connection.
// Threads: one for each connection; they wait for each other after every slab.
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "bench/push_client.h"
#include "bench/shape.h"
#include "wire/pb.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONNS = 2, SHAPES_MAX = 8, SLAB_S = 1800, SAMPLES = 10000, SERIES_MOST = 2000 };

// Threads: frozen while the lanes run, but for the barrier.
struct plan {
    u16 port;
    u64 begin_s;
    u64 end_s;
    u32 count;
    struct shape_load loads[SHAPES_MAX];
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

static void hist_put(struct buf *out, u64 series, u64 k, u64 t_ms)
{
    u64 counts[SHAPE_CELLS];
    u64 count = shape_counts(series, k, counts);
    size_t mark = pbw_begin(out, 4);
    pbw_varint(out, 1, count);
    pbw_f64(out, 3, (f64)count / 8);
    pbw_sint(out, 4, 3);
    pbw_f64(out, 5, 1e-128);
    pbw_varint(out, 6, 0);
    size_t span = pbw_begin(out, 11);
    pbw_sint(out, 1, 1);
    pbw_varint(out, 2, SHAPE_CELLS);
    pbw_end(out, span);
    size_t deltas = pbw_begin(out, 12);
    for (u32 i = 0; i < SHAPE_CELLS; i++) {
        buf_varsint(out, (i64)counts[i] - (i64)(i > 0 ? counts[i - 1] : 0));
    }
    pbw_end(out, deltas);
    pbw_varint(out, 15, t_ms);
    pbw_end(out, mark);
}

static void labels_put(struct buf *out, const struct shape_load *l, u64 series)
{
    struct shape_labels labels;
    shape_labels_get(l, series, &labels);
    for (u32 i = 0; i < labels.n; i++) {
        push_label_put(out, labels.names[i], labels.values[i]);
    }
}

static void sample_put(struct buf *out, const struct shape_load *l, u64 series, u64 k)
{
    u64 t_ms = shape_time_ms(l, series, k);
    if (shape_is_native(l)) {
        hist_put(out, series, k, t_ms);
        return;
    }
    size_t mark = pbw_begin(out, 2);
    pbw_f64(out, 1, shape_value(l, series, k));
    pbw_varint(out, 2, t_ms);
    pbw_end(out, mark);
}

// How many series a request has.
static u64 series_of_request(const struct shape_load *l)
{
    u64 rows = MIN(l->rows, SLAB_S / l->step_s);
    return MAX(1U, MIN(SAMPLES / MAX(1U, rows), SERIES_MOST));
}

// Rows [from, to) of the series of one request.
static void request_send(struct lane *lane, const struct shape_load *l, u64 first, u64 from, u64 to)
{
    u64 bytes;
    buf_clear(&lane->message);
    buf_clear(&lane->request);
    for (u64 s = first; s < MIN(first + series_of_request(l), l->series); s++) {
        size_t series = pbw_begin(&lane->message, 1);
        labels_put(&lane->message, l, s);
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

static void slab_send(struct lane *lane, const struct shape_load *l, u64 t_s)
{
    u64 from = shape_row_at(l, t_s);
    u64 to = shape_row_at(l, t_s + SLAB_S);
    u64 number = 0;
    for (u64 s = 0; from < to && s < l->series; s += series_of_request(l)) {
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

static bool load_add(struct plan *p, const char *text)
{
    if (p->count == SHAPES_MAX || !shape_load_parse(text, p->end_s, &p->loads[p->count])) {
        return false;
    }
    p->begin_s = MIN(p->begin_s, p->loads[p->count].begin_s);
    p->count++;
    return true;
}

int main(int argc, char **argv)
{
    static struct plan p;
    static struct lane lanes[CONNS];
    u64 port = 0;
    u64 from_s = 0;
    bool ok = argc > 4 && parse_u64(str_c(argv[1]), &port) && port <= UINT16_MAX &&
              parse_u64(str_c(argv[2]), &p.end_s) && parse_u64(str_c(argv[3]), &from_s);
    p.begin_s = p.end_s;
    p.port = (u16)port;
    for (int i = 4; ok && i < argc; i++) {
        ok = load_add(&p, argv[i]);
    }
    if (!ok) {
        (void)fprintf(stderr,
                      "usage: bench_loader PORT END_S FROM_S SHAPE:SERIES:STEP_S:SPAN_S …\n");
        return 2;
    }
    p.begin_s = MAX(p.begin_s, from_s);
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
