// pusher.c: sends remote write 1.0 to any receiver, as fast as it answers. The same arguments give
// the same bytes, so that several servers can be compared.
//
//   bench_pusher PORT SERIES FIRST STEPS STEP_MS START_MS
//
// 40 metrics, 200 series an instance, as a scraped host has. Samples FIRST to FIRST + STEPS - 1 of
// every series, sample k at START_MS + k * STEP_MS. Requests of 2000 samples, one of each series,
// over CONNS connections, as the agents of some hosts send them; everything is encoded before the
// first byte leaves. Prints one JSON object: samples, requests, bytes, wall_s, refused (requests
// that were not answered 2xx), sum (of all values sent).
//
// Memory: all requests, some 16 bytes a sample.
// Threads: one for each connection, with requests of its own.
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "bench/push_client.h"
#include "wire/pb.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONNS = 10, BATCH = 2000 };

// Threads: frozen while the threads run.
struct plan {
    u16 port;
    u32 series;
    u64 first;
    u64 steps;
    i64 step_ms;
    i64 start_ms;
};

// Threads: owned by its thread; main looks before and after.
struct lane {
    const struct plan *plan;
    pthread_t thread;
    u32 number;
    struct buf *requests;
    u32 count;
    u64 samples;
    u64 bytes;
    u64 refused;
    f64 sum;
};

// Of ten series four never change, four are whole counters, two are seconds with two decimals.
static f64 value_at(u32 series, u64 k)
{
    u64 base = 10000000 + push_mix(series) % 1000000;
    u64 kind = series % 10;
    if (kind < 4) {
        return (f64)base;
    }
    u64 step = 20 + push_mix(series + 77) % 1500;
    u64 v = base + k * step + push_mix((u64)series << 32 | k) % step;
    return kind < 8 ? (f64)v : (f64)v / 100;
}

static void labels_put(struct buf *out, u32 series)
{
    enum { PER_INSTANCE = 200 };
    char name[64];
    char instance[64];
    char value[32];
    u32 at = series % PER_INSTANCE;
    (void)snprintf(instance, sizeof(instance), "host-%04u.example.internal:9100",
                   series / PER_INSTANCE);
    (void)snprintf(name, sizeof(name), "bench_node_network_metric_%02u_total", at / 5);
    // Without its name a series must still be one of a kind: rates and sums over time drop it.
    (void)snprintf(value, sizeof(value), "eth%u", at);
    push_label_put(out, "__name__", name);
    push_label_put(out, "device", value);
    push_label_put(out, "instance", instance);
    push_label_put(out, "job", "push");
}

static void request_make(struct lane *l, struct buf *raw, u32 from, u64 k)
{
    const struct plan *p = l->plan;
    buf_clear(raw);
    u32 to = MIN(from + BATCH, p->series);
    for (u32 s = from; s < to; s++) {
        f64 v = value_at(s, k);
        size_t series = pbw_begin(raw, 1);
        labels_put(raw, s);
        size_t sample = pbw_begin(raw, 2);
        pbw_f64(raw, 1, v);
        pbw_varint(raw, 2, (u64)(p->start_ms + (i64)k * p->step_ms));
        pbw_end(raw, sample);
        pbw_end(raw, series);
        l->sum += v;
        l->samples++;
    }
    CHECK(buf_ok(raw));
    struct buf *out = &l->requests[l->count++];
    u64 bytes;
    buf_init(out, PUSH_REQUEST_MAX);
    push_request_make(out, p->port, buf_get(raw), &bytes);
    l->bytes += bytes;
}

// A lane has the same blocks of series in every step, so that each series stays in order.
static void *lane_encode(void *arg)
{
    struct lane *l = arg;
    const struct plan *p = l->plan;
    u32 blocks = (p->series + BATCH - 1) / BATCH;
    struct buf raw;
    buf_init(&raw, PUSH_REQUEST_MAX);
    l->requests = MEM_NEW_N(struct buf, (blocks / CONNS + 1) * p->steps);
    for (u64 k = p->first; k < p->first + p->steps; k++) {
        for (u32 b = l->number; b < blocks; b += CONNS) {
            request_make(l, &raw, b * BATCH, k);
        }
    }
    buf_fini(&raw);
    return NULL;
}

static void *lane_send(void *arg)
{
    struct lane *l = arg;
    struct push_client client;
    push_client_open(&client, l->plan->port);
    for (u32 i = 0; i < l->count; i++) {
        l->refused += push_client_ask(&client, buf_get(&l->requests[i])) / 100 != 2;
    }
    push_client_close(&client);
    return NULL;
}

static void lanes_run(struct lane *lanes, void *(*fn)(void *))
{
    for (u32 i = 0; i < CONNS; i++) {
        CHECK(pthread_create(&lanes[i].thread, NULL, fn, &lanes[i]) == 0);
    }
    for (u32 i = 0; i < CONNS; i++) {
        CHECK(pthread_join(lanes[i].thread, NULL) == 0);
    }
}

int main(int argc, char **argv)
{
    u64 n[7] = {0};
    bool ok = argc == 7;
    for (int i = 1; ok && i < 7; i++) {
        ok = parse_u64(str_c(argv[i]), &n[i]);
    }
    if (!ok || n[1] > UINT16_MAX || n[2] > 1000000 || n[2] * n[4] > 20000000) {
        (void)fprintf(stderr, "usage: bench_pusher PORT SERIES FIRST STEPS STEP_MS START_MS\n");
        return 2;
    }
    struct plan p = {.port = (u16)n[1],
                     .series = (u32)n[2],
                     .first = n[3],
                     .steps = n[4],
                     .step_ms = (i64)n[5],
                     .start_ms = (i64)n[6]};
    struct lane lanes[CONNS] = {0};
    for (u32 i = 0; i < CONNS; i++) {
        lanes[i] = (struct lane){.plan = &p, .number = i};
    }
    lanes_run(lanes, lane_encode);
    f64 start = push_now_s();
    lanes_run(lanes, lane_send);
    f64 wall = push_now_s() - start;
    struct lane all = {0};
    for (u32 i = 0; i < CONNS; i++) {
        all.samples += lanes[i].samples;
        all.count += lanes[i].count;
        all.bytes += lanes[i].bytes;
        all.refused += lanes[i].refused;
        all.sum += lanes[i].sum;
    }
    (void)printf("{\"samples\": %llu, \"requests\": %u, \"bytes\": %llu, \"wall_s\": %.6f, "
                 "\"refused\": %llu, \"sum\": %.17g}\n",
                 (unsigned long long)all.samples, all.count, (unsigned long long)all.bytes, wall,
                 (unsigned long long)all.refused, all.sum);
    return 0;
}
