// http_hostile_test.c: what a server on the open net is sent: smuggling, drips, floods, leavers.
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "net/http_rig.h"
#include "os/clk.h"
#include "os/thr.h"

#include <sys/socket.h>
#include <unistd.h>

static void expect(str answer, const char *part)
{
    if (!str_contains(answer, str_c(part))) {
        fail_msg("no \"%s\" in: %.*s", part, STR_ARG(str_sub(answer, 0, 2000)));
    }
}

// Each must be answered 400 (or the connection closed without any answer), and what stands behind
// must never be taken for a second request.
static const char *const smuggled[] = {
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    "\r\n",
    "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n"
    "\r\n",
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 0\r\n\r\nabcd",
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nabcd",
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4,4\r\n\r\nabcd",
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0x4\r\n\r\nabcd",
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\nabcd",
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\nabcd",
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length : 4\r\n\r\nabcd",
    "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\nabcd",
    "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"
    "\r\n0\r\n\r\n",
    "POST /echo HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /hello HTTP/1.1\nHost: x\n\n",
    "GET /hello HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: x\r\nX: y\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: x\r\n\n",
    "GET /hello HTTP/1.1\nHost: x\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: x\r\nX: a\r\n\tb\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: x\r\n X: a\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: x\r\nX : a\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: x\r\nX\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: x\r\nX: a\x01"
    "b\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: x\r\nX(: a\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "GET /hello HTTP/1.1\r\n\r\n",
    "GET  /hello HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /hello  HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /hello HTTP/1.1 \r\nHost: x\r\n\r\n",
    "GET /hel lo HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /hello\r\nHost: x\r\n\r\n",
    "GET /hello HTTP/2.0\r\nHost: x\r\n\r\n",
    "GET /hello HTTP/1.2\r\nHost: x\r\n\r\n",
    "GET hello HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET http://x/hello HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /hello%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /hello%0d%0aX:y HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /hello%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    "\x16\x03\x01\x02\x01\x01\xfc\x03\x03\r\n\r\n",
    "\x16\x03\x01 /hello HTTP/1.1\r\nHost: x\r\n\r\n",
};

TEST(server_refuses_smuggling)
{
    struct http_rig *rig = http_rig_new(NULL);
    struct buf b;
    struct buf request;
    buf_init(&b, 1 << 20);
    buf_init(&request, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(smuggled); i++) {
        buf_clear(&request);
        buf_c(&request, smuggled[i]);
        // What a smuggler hides behind.
        buf_c(&request, "GET /label/HIDDEN/values HTTP/1.1\r\nHost: x\r\nConnection: "
                        "close\r\n\r\n");
        const str a = http_rig_talk(rig, buf_get(&request), &b);
        const bool refused = a.len == 0 || str_starts(a, STR("HTTP/1.1 400 ")) ||
                             str_starts(a, STR("HTTP/1.0 400 ")) ||
                             str_starts(a, STR("HTTP/1.1 413 ")) ||
                             str_starts(a, STR("HTTP/1.1 505 "));
        if (!refused || str_contains(a, STR("HIDDEN"))) {
            fail_msg("%s\nwas answered\n%.*s", smuggled[i], STR_ARG(a));
        }
    }
    expect(http_rig_talk(rig, STR("GET /hel\0lo HTTP/1.1\r\nHost: x\r\n\r\n"), &b), " 400 ");
    expect(http_rig_talk(rig, STR("GET /hello HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\n"), &b), " 400 ");
    // The same head, well made, passes: the table does not pass for a wrong reason.
    expect(http_rig_talk(rig,
                         STR("GET /hello HTTP/1.1\r\nHost: x\r\nX:a\r\nY: \t b \r\nZ:\r\n"
                             "Connection: close\r\n\r\n"),
                         &b),
           "\r\n\r\nhello");
    expect(http_rig_talk(rig, STR("GET /hello HTTP/1.0\r\n\r\n"), &b), "\r\n\r\nhello");
    buf_fini(&request);
    buf_fini(&b);
    http_rig_free(rig);
}

TEST(server_limits_heads_and_bodies)
{
    struct http_rig *rig = http_rig_new(NULL);
    struct buf b;
    struct buf request;
    buf_init(&b, 1 << 20);
    buf_init(&request, 1 << 20);
    buf_c(&request, "GET /hello HTTP/1.1\r\nHost: x\r\nX: ");
    for (int i = 0; i < 33000; i++) {
        buf_byte(&request, 'a');
    }
    buf_c(&request, "\r\n\r\n");
    expect(http_rig_talk(rig, buf_get(&request), &b), " 431 ");
    buf_clear(&request);
    buf_c(&request, "GET /hello HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 100; i++) {
        buf_printf(&request, "X%d: a\r\n", i);
    }
    buf_c(&request, "\r\n");
    expect(http_rig_talk(rig, buf_get(&request), &b), " 431 ");
    buf_clear(&request);
    buf_c(&request, "GET /");
    for (int i = 0; i < 200000; i++) {
        buf_byte(&request, 'a');
    }
    buf_c(&request, " HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(http_rig_talk(rig, buf_get(&request), &b), " 414 ");
    // A chunked body cannot be refused by its length.
    buf_clear(&request);
    buf_c(&request, "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n1a000\r\n");
    for (int i = 0; i < 0x1a000; i++) {
        buf_byte(&request, 'a');
    }
    buf_c(&request, "\r\n0\r\n\r\n");
    expect(http_rig_talk(rig, buf_get(&request), &b), " 413 ");
    buf_fini(&request);
    buf_fini(&b);
    http_rig_free(rig);
}

TEST(server_bounds_bodies_in_flight)
{
    const struct http_server_opts opts = {.body_budget_bytes = 1000};
    struct http_rig *rig = http_rig_new(&opts);
    struct buf b;
    buf_init(&b, 1 << 20);
    const int half = http_rig_dial(rig);
    http_rig_send(half, STR("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nab"));
    for (int i = 0;
         i < 200 && !str_contains(http_rig_metrics(rig, &b), STR("tidemark_http_body_bytes 900"));
         i++) {
        (void)usleep(10000);
    }
    const str a = http_rig_talk(rig,
                                STR("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 200\r\n"
                                    "Connection: close\r\n\r\n"),
                                &b);
    expect(a, " 503 ");
    expect(a, "Retry-After: ");
    (void)close(half);
    for (int i = 0;
         i < 200 && !str_contains(http_rig_metrics(rig, &b), STR("tidemark_http_body_bytes 0\n"));
         i++) {
        (void)usleep(10000);
    }
    expect(http_rig_metrics(rig, &b), "tidemark_http_body_bytes 0\n");
    buf_fini(&b);
    http_rig_free(rig);
}

TEST(server_evicts_who_drips)
{
    const struct http_server_opts opts = {
        .header_ms = 400, .idle_ms = 500, .body_bytes_per_s = 10000};
    struct http_rig *rig = http_rig_new(&opts);
    struct buf b;
    buf_init(&b, 1 << 20);
    const int silent = http_rig_dial(rig);
    const int line = http_rig_dial(rig);
    const int head = http_rig_dial(rig);
    const int body = http_rig_dial(rig);
    const int idle = http_rig_dial(rig);
    http_rig_send(idle, STR("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
    expect(http_rig_read(idle, &b, "hello", 2000), "hello");
    http_rig_send(head, STR("GET /hello HTTP/1.1\r\nHost: x\r\n"));
    http_rig_send(body, STR("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n"));
    // Each keeps sending, so that inactivity alone would never end it.
    for (int i = 0; i < 8; i++) {
        (void)usleep(100000);
        http_rig_send(line, STR("G"));
        http_rig_send(head, STR("X: y\r\n"));
        http_rig_send(body, STR("z"));
    }
    assert_true(http_rig_is_closed(silent, 1000));
    assert_true(http_rig_is_closed(line, 1000));
    assert_true(http_rig_is_closed(head, 1000));
    assert_true(http_rig_is_closed(body, 1000));
    assert_true(http_rig_is_closed(idle, 1000));
    const str m = http_rig_metrics(rig, &b);
    expect(m, "tidemark_http_evicted_total{phase=\"head\"} 3");
    expect(m, "tidemark_http_evicted_total{phase=\"body\"} 1");
    expect(m, "tidemark_http_evicted_total{phase=\"idle\"} 1");
    (void)close(silent);
    (void)close(line);
    (void)close(head);
    (void)close(body);
    (void)close(idle);
    buf_fini(&b);
    http_rig_free(rig);
}

// Half-closed while its handler ran, then deaf: seen to have left, but its answer's deadline holds.
TEST(server_evicts_who_half_closes_and_never_reads)
{
    const struct http_server_opts opts = {.stall_ms = 300, .body_bytes_per_s = 1 << 30};
    struct http_rig *rig = http_rig_new(&opts);
    struct buf b;
    buf_init(&b, 1 << 20);
    const int fd = http_rig_dial(rig);
    http_rig_send(fd, STR("GET /deaf HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    // The cancelled handler's answer is more than the socket takes.
    bool evicted = false;
    for (int i = 0; i < 500 && !evicted; i++) {
        (void)usleep(10000);
        evicted = str_contains(http_rig_metrics(rig, &b),
                               STR("tidemark_http_evicted_total{phase=\"send\"} 1"));
    }
    assert_true(evicted);
    (void)close(fd);
    buf_fini(&b);
    http_rig_free(rig);
}

TEST(server_survives_leavers_at_every_byte)
{
    static const char request[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd";
    struct http_rig *rig = http_rig_new(NULL);
    struct buf b;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < sizeof(request); i++) {
        const int fd = http_rig_dial(rig);
        const struct linger now = {1, 0}; // A reset, not a polite end.
        http_rig_send(fd, (str){request, i});
        if (i % 2) {
            (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        }
        (void)close(fd);
    }
    expect(http_rig_talk(rig, STR("GET /hello HTTP/1.0\r\n\r\n"), &b), "hello");
    buf_fini(&b);
    http_rig_free(rig);
}

TEST(server_caps_connections)
{
    const struct http_server_opts opts = {.connections_max = 8};
    struct http_rig *rig = http_rig_new(&opts);
    struct buf b;
    int fds[12];
    u32 refused = 0;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) { // More at once than the door can have counted.
        fds[i] = http_rig_dial(rig);
    }
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        buf_clear(&b);
        http_rig_send(fds[i], STR("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
        const str a = http_rig_read(fds[i], &b, "\r\n\r\n", 30000);
        refused += !str_starts(a, STR("HTTP/1.1 200 "));
    }
    assert_int_equal(refused, 4);
    expect(http_rig_metrics(rig, &b), "tidemark_http_refused_total{reason=\"connections\"} 4");
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        (void)close(fds[i]);
    }
    buf_clear(&b); // There is room again once the server has seen them go.
    for (u32 i = 0; i < 600 && !str_contains(buf_get(&b), STR("hello")); i++) {
        (void)usleep(50000);
        (void)http_rig_talk(rig, STR("GET /hello HTTP/1.0\r\n\r\n"), &b);
    }
    expect(buf_get(&b), "hello");
    buf_fini(&b);
    http_rig_free(rig);
}
