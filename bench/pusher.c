// pusher.c: sends remote write 1.0 to any receiver, as fast as it answers. The same arguments give
// the same bytes, so that several servers can be compared.
//
//   bench_pusher PORT SHAPE SERIES FIRST STEPS STEP_MS START_MS
//
// SHAPE is "node" (40 metrics, 200 series an instance, as a scraped host has) or "cpu" (one
// counter, 16 series an instance). Samples FIRST to FIRST + STEPS - 1 of every series, sample k at
// START_MS + k * STEP_MS. Requests of 2000 samples, one of each series, over CONNS connections;
// everything is encoded before the first byte leaves. Prints one JSON object: samples, requests,
// bytes, wall_s, refused (requests that were not answered 2xx), sum (of all values sent).
//
// Memory: all requests, some 16 bytes a sample.
// Threads: one for each connection, with requests of its own.
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "wire/pb.h"
#include "wire/snappy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNS = 2, BATCH = 2000, REQUEST_MAX = 4 << 20, ANSWER_MAX = 65536 };

// Threads: frozen while the threads run.
struct plan {
    u16 port;
    bool cpu;
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

static const char *const modes[8] = {"idle",    "iowait", "irq",    "nice",
                                     "softirq", "steal",  "system", "user"};

static u64 mix(u64 x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ULL;
    return x ^ (x >> 33);
}

// Of ten series four never change, four are whole counters, two are seconds with two decimals.
static f64 value_at(const struct plan *p, u32 series, u64 k)
{
    // Far from zero, near which versions of Prometheus extrapolate differently.
    u64 base = 10000000 + mix(series) % 1000000;
    u64 kind = p->cpu ? 9 : series % 10;
    if (kind < 4) {
        return (f64)base;
    }
    u64 step = 20 + mix(series + 77) % 1500;
    u64 v = base + k * step + mix((u64)series << 32 | k) % step;
    return kind < 8 ? (f64)v : (f64)v / 100;
}

static void label_put(struct buf *out, const char *name, const char *value)
{
    size_t mark = pbw_begin(out, 1);
    pbw_bytes(out, 1, str_c(name));
    pbw_bytes(out, 2, str_c(value));
    pbw_end(out, mark);
}

static void labels_put(struct buf *out, const struct plan *p, u32 series)
{
    char name[64];
    char instance[64];
    char value[32];
    u32 in_instance = p->cpu ? 16 : 200;
    u32 at = series % in_instance;
    (void)snprintf(instance, sizeof(instance), "host-%04u.example.internal:9100",
                   series / in_instance);
    if (p->cpu) {
        (void)snprintf(value, sizeof(value), "%u", at / 8);
        label_put(out, "__name__", "bench_cpu_seconds_total");
        label_put(out, "cpu", value);
        label_put(out, "instance", instance);
        label_put(out, "job", "rate");
        label_put(out, "mode", modes[at % 8]);
        return;
    }
    (void)snprintf(name, sizeof(name), "bench_node_network_metric_%02u_total", at / 5);
    // Without its name a series must still be one of a kind: rates and sums over time drop it.
    (void)snprintf(value, sizeof(value), "eth%u", at);
    label_put(out, "__name__", name);
    label_put(out, "device", value);
    label_put(out, "instance", instance);
    label_put(out, "job", "push");
}

static void request_make(struct lane *l, struct buf *raw, u32 from, u64 k)
{
    const struct plan *p = l->plan;
    buf_clear(raw);
    u32 to = MIN(from + BATCH, p->series);
    for (u32 s = from; s < to; s++) {
        f64 v = value_at(p, s, k);
        size_t series = pbw_begin(raw, 1);
        labels_put(raw, p, s);
        size_t sample = pbw_begin(raw, 2);
        pbw_f64(raw, 1, v);
        pbw_varint(raw, 2, (u64)(p->start_ms + (i64)k * p->step_ms));
        pbw_end(raw, sample);
        pbw_end(raw, series);
        l->sum += v;
        l->samples++;
    }
    CHECK(buf_ok(raw));
    struct buf body;
    struct buf *out = &l->requests[l->count++];
    buf_init(&body, REQUEST_MAX);
    buf_init(out, REQUEST_MAX);
    snappy_encode(buf_get(raw), &body);
    buf_printf(out,
               "POST /api/v1/write HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: "
               "application/x-protobuf\r\nContent-Encoding: snappy\r\n"
               "X-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: %zu\r\n\r\n",
               p->port, body.len);
    buf_str(out, buf_get(&body));
    CHECK(buf_ok(&body) && buf_ok(out));
    l->bytes += body.len;
    buf_fini(&body);
}

// A lane has the same blocks of series in every step, so that each series stays in order.
static void *lane_encode(void *arg)
{
    struct lane *l = arg;
    const struct plan *p = l->plan;
    u32 blocks = (p->series + BATCH - 1) / BATCH;
    struct buf raw;
    buf_init(&raw, REQUEST_MAX);
    l->requests = MEM_NEW_N(struct buf, (blocks / CONNS + 1) * p->steps);
    for (u64 k = p->first; k < p->first + p->steps; k++) {
        for (u32 b = l->number; b < blocks; b += CONNS) {
            request_make(l, &raw, b * BATCH, k);
        }
    }
    buf_fini(&raw);
    return NULL;
}

static bool send_all(int fd, str bytes)
{
    for (size_t at = 0; at < bytes.len;) {
        ssize_t n = send(fd, bytes.ptr + at, bytes.len - at, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        at += (size_t)n;
    }
    return true;
}

// Reads one answer whole; its status, or 0 when the connection broke or the answer is none.
static u32 answer_read(int fd)
{
    static _Thread_local char text[ANSWER_MAX];
    size_t len = 0;
    for (;;) {
        ssize_t n = recv(fd, text + len, sizeof(text) - len, 0);
        if (n <= 0) {
            return 0;
        }
        len += (size_t)n;
        str all = {text, len};
        size_t head = str_find_str(all, STR("\r\n\r\n"));
        if (head == STR_NONE) {
            continue;
        }
        u64 status = 0;
        u64 body = 0;
        size_t at = str_find_str(str_sub(all, 0, head), STR("\r\nContent-Length: "));
        if (at != STR_NONE) {
            str number = str_sub(all, at + 18, head);
            size_t end = str_find(number, '\r');
            if (!parse_u64(end == STR_NONE ? number : str_sub(number, 0, end), &body)) {
                return 0;
            }
        }
        if (len >= head + 4 + body) {
            return parse_u64(str_sub(all, 9, 12), &status) ? (u32)status : 0;
        }
    }
}

static void *lane_send(void *arg)
{
    struct lane *l = arg;
    int one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(l->plan->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
              setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0;
    for (u32 i = 0; i < l->count; i++) {
        u32 status = ok && send_all(fd, buf_get(&l->requests[i])) ? answer_read(fd) : 0;
        ok = status != 0;
        l->refused += status / 100 != 2;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
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

static f64 now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (f64)t.tv_sec + (f64)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    u64 n[8] = {0};
    bool ok = argc == 8 && (strcmp(argv[2], "node") == 0 || strcmp(argv[2], "cpu") == 0);
    for (int i = 1; ok && i < 8; i++) {
        ok = i == 2 || parse_u64(str_c(argv[i]), &n[i]);
    }
    if (!ok || n[1] > UINT16_MAX || n[3] > 1000000 || n[3] * n[5] > 20000000) {
        (void)fprintf(stderr,
                      "usage: bench_pusher PORT node|cpu SERIES FIRST STEPS STEP_MS START_MS\n");
        return 2;
    }
    struct plan p = {.port = (u16)n[1],
                     .cpu = argv[2][0] == 'c',
                     .series = (u32)n[3],
                     .first = n[4],
                     .steps = n[5],
                     .step_ms = (i64)n[6],
                     .start_ms = (i64)n[7]};
    struct lane lanes[CONNS] = {0};
    for (u32 i = 0; i < CONNS; i++) {
        lanes[i] = (struct lane){.plan = &p, .number = i};
    }
    lanes_run(lanes, lane_encode);
    f64 start = now_s();
    lanes_run(lanes, lane_send);
    f64 wall = now_s() - start;
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
