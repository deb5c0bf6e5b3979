// http_server_test.c: the server on loopback: requests, lanes, streams, deadlines, stopping.
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "net/http_rig.h"
#include "os/clk.h"
#include "os/thr.h"
#include "wire/gzip.h"
#include "wire/zst.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define GET(path) STR("GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

static void expect(str answer, const char *part)
{
    if (!str_contains(answer, str_c(part))) {
        fail_msg("no \"%s\" in: %.*s", part, STR_ARG(str_sub(answer, 0, 2000)));
    }
}

static void nap(i64 ms)
{
    struct stop *s = stop_new();
    (void)stop_sleep_ms(s, ms);
    stop_free(s);
}

static void wait_for(u32 (*count)(const struct http_rig *rig), struct http_rig *rig, u32 want)
{
    for (int i = 0; i < 6000 && count(rig) != want; i++) {
        nap(10);
    }
    assert_int_equal(count(rig), want);
}

static void wait_metric(struct http_rig *rig, const char *line)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 6000 && !str_contains(http_rig_metrics(rig, &b), str_c(line)); i++) {
        nap(10);
    }
    expect(buf_get(&b), line);
    buf_fini(&b);
}

TEST(server_answers_inline_and_lane_routes)
{
    struct http_rig *rig = http_rig_new(NULL);
    struct buf b;
    buf_init(&b, 1 << 20);
    str a = http_rig_talk(rig, GET("/hello"), &b);
    expect(a, "HTTP/1.1 200 OK\r\n");
    expect(a, "Content-Length: 6\r\n");
    expect(a, "\r\n\r\nhello\n");
    a = http_rig_talk(rig, GET("/label/a%2Fb%25/values"), &b);
    expect(a, "\r\n\r\na/b%");
    a = http_rig_talk(rig,
                      STR("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
                          "Connection: close\r\n\r\nabcd"),
                      &b);
    expect(a, "X-Peer: 127.0.0.1\r\n");
    expect(a, "\r\n\r\nabcd");
    buf_fini(&b);
    http_rig_free(rig);
}

TEST(server_merges_form_and_query)
{
    struct http_rig *rig = http_rig_new(NULL);
    struct buf b;
    buf_init(&b, 1 << 20);
    str a = http_rig_talk(
        rig,
        STR("POST /form?query=b&x=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nConnection: "
            "close\r\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\r\n\r\n"
            "query=a%2B+b"),
        &b);
    expect(a, "\r\n\r\nquery=a+ b;query=b;x=1;");
    a = http_rig_talk(rig, GET("/form?a=%zz"), &b);
    expect(a, "HTTP/1.1 400 ");
    a = http_rig_talk(rig, GET("/form?a=1;b=2"), &b);
    expect(a, "HTTP/1.1 400 ");
    buf_fini(&b);
    http_rig_free(rig);
}

TEST(server_says_404_405_head_options_and_cors)
{
    struct http_rig *rig = http_rig_new(NULL);
    struct buf b;
    buf_init(&b, 1 << 20);
    expect(http_rig_talk(rig, GET("/nothing"), &b), "HTTP/1.1 404 ");
    str a =
        http_rig_talk(rig, STR("POST /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), &b);
    expect(a, "HTTP/1.1 405 ");
    expect(a, "Allow: GET, HEAD\r\n");
    a = http_rig_talk(rig, STR("HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), &b);
    expect(a, "Content-Length: 6\r\n");
    assert_true(str_ends(a, STR("\r\n\r\n")));
    a = http_rig_talk(rig,
                      STR("OPTIONS /form HTTP/1.1\r\nHost: x\r\nOrigin: http://friend\r\n"
                          "Connection: close\r\n\r\n"),
                      &b);
    expect(a, "HTTP/1.1 204 ");
    expect(a, "Access-Control-Allow-Origin: http://friend\r\n");
    a = http_rig_talk(rig,
                      STR("GET /form HTTP/1.1\r\nHost: x\r\nOrigin: http://friend.evil\r\n"
                          "Connection: close\r\n\r\n"),
                      &b);
    assert_false(str_contains(a, STR("Allow-Origin")));
    a = http_rig_talk(rig,
                      STR("POST /admin HTTP/1.1\r\nHost: x\r\nOrigin: http://friend\r\n"
                          "Connection: close\r\n\r\n"),
                      &b);
    expect(a, "HTTP/1.1 403 ");
    a = http_rig_talk(rig,
                      STR("POST /admin HTTP/1.1\r\nHost: x:1\r\nOrigin: http://x:1\r\n"
                          "Connection: close\r\n\r\n"),
                      &b);
    expect(a, "HTTP/1.1 200 ");
    buf_fini(&b);
    http_rig_free(rig);
}

TEST(server_keeps_connections_and_answers_pipelined_requests_in_order)
{
    struct http_rig *rig = http_rig_new(NULL);
    struct buf b;
    buf_init(&b, 1 << 20);
    const int fd = http_rig_dial(rig);
    http_rig_send(fd, STR("GET /label/one/values HTTP/1.1\r\nHost: x\r\n\r\n"
                          "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
                          "GET /label/two/values HTTP/1.1\r\nHost: x\r\n\r\n"));
    const str a = http_rig_read(fd, &b, "\r\n\r\ntwo", 3000);
    const size_t one = str_find_str(a, STR("\r\n\r\none"));
    const size_t hello = str_find_str(a, STR("\r\n\r\nhello"));
    const size_t two = str_find_str(a, STR("\r\n\r\ntwo"));
    assert_true(one < hello && hello < two && two != STR_NONE);
    (void)close(fd);
    buf_fini(&b);
    http_rig_free(rig);
}

TEST(server_takes_chunked_bodies_trailers_and_expect)
{
    struct http_rig *rig = http_rig_new(NULL);
    struct buf b;
    buf_init(&b, 1 << 20);
    const str a = http_rig_talk(rig,
                                STR("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                    "Transfer-Encoding: chunked\r\n\r\n"
                                    "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-T: 1\r\n\r\n"),
                                &b);
    expect(a, "\r\n\r\nabcdefg");
    const int fd = http_rig_dial(rig);
    buf_clear(&b);
    http_rig_send(fd, STR("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                          "Content-Length: 2\r\n\r\n"));
    expect(http_rig_read(fd, &b, "\r\n\r\n", 2000), "HTTP/1.1 100 Continue\r\n\r\n");
    http_rig_send(fd, STR("ok"));
    expect(http_rig_read(fd, &b, "\r\n\r\nok", 2000), "\r\n\r\nok");
    (void)close(fd);
    // Refused before the body is sent.
    expect(http_rig_talk(rig,
                         STR("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                             "Content-Length: 100001\r\n\r\n"),
                         &b),
           "HTTP/1.1 413 ");
    buf_fini(&b);
    http_rig_free(rig);
}

TEST(server_lets_a_slow_handler_block_nobody)
{
    struct http_rig *rig = http_rig_new(NULL);
    struct buf b;
    buf_init(&b, 1 << 20);
    const int slow = http_rig_dial(rig);
    http_rig_send(slow, GET("/slow"));
    wait_for(http_rig_slow_running, rig, 1);
    const i64 start_ms = clk_mono_ms(clk_real());
    for (int i = 0; i < 50; i++) {
        expect(http_rig_talk(rig, i % 2 ? GET("/hello") : GET("/label/q/values"), &b),
               "HTTP/1.1 200 ");
    }
    assert_true(clk_mono_ms(clk_real()) - start_ms < 5000);
    assert_int_equal(http_rig_slow_running(rig), 1);
    http_rig_open_gate(rig);
    buf_clear(&b);
    expect(http_rig_read(slow, &b, NULL, 3000), "slow done");
    (void)close(slow);
    buf_fini(&b);
    http_rig_free(rig);
}

// The body of a chunked answer.
static void dechunk(str answer, struct buf *out)
{
    str rest = str_sub(answer, str_find_str(answer, STR("\r\n\r\n")) + 4, SIZE_MAX);
    for (;;) {
        const size_t end = str_find_str(rest, STR("\r\n"));
        assert_true(end != STR_NONE && end < 16);
        char digits[16] = {0};
        memcpy(digits, rest.ptr, end);
        const size_t len = strtoul(digits, NULL, 16);
        assert_true(rest.len >= end + 2 + len + 2);
        buf_str(out, str_sub(rest, end + 2, end + 2 + len));
        rest = str_sub(rest, end + 2 + len + 2, SIZE_MAX);
        if (len == 0) {
            return;
        }
    }
}

// 128 KiB are answered whole, 8 MiB as a stream.
TEST(server_packs_with_what_the_client_would_rather_have)
{
    static const struct {
        const char *accepts;
        const char *coding;
    } cases[] = {{"gzip, zstd", "zstd"},
                 {"gzip;q=1, zstd;q=0.5", "gzip"},
                 {"zstd", "zstd"},
                 {"zstd;q=0, gzip", "gzip"}};
    struct http_rig *rig = http_rig_new(NULL);
    for (u32 i = 0; i < 2 * ARRAY_LEN(cases); i++) {
        const size_t kib = i % 2 == 0 ? 128 : 8192;
        struct buf ask;
        struct buf got;
        struct buf packed;
        struct buf body;
        struct error e = {0};
        buf_init(&ask, 1024);
        buf_init(&got, 32 << 20);
        buf_init(&packed, 32 << 20);
        buf_init(&body, 32 << 20);
        buf_printf(&ask,
                   "GET /stream?kib=%zu HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                   "Accept-Encoding: %s\r\n\r\n",
                   kib, cases[i / 2].accepts);
        const str a = http_rig_talk(rig, buf_get(&ask), &got);
        const str coding = str_c(cases[i / 2].coding);
        buf_clear(&ask);
        buf_printf(&ask, "Content-Encoding: %.*s\r\n", STR_ARG(coding));
        buf_byte(&ask, '\0');
        expect(a, ask.bytes);
        assert_true(a.len < kib * 64);
        if (kib > 128) {
            dechunk(a, &packed);
        } else {
            buf_str(&packed, str_sub(a, str_find_str(a, STR("\r\n\r\n")) + 4, SIZE_MAX));
        }
        const bool ok = str_eq_c(coding, "zstd")
                            ? zst_decode(buf_get(&packed), 32 << 20, &body, &e)
                            : gzip_decode(buf_get(&packed), 32 << 20, &body, &e);
        ASSERT_OK(ok, e);
        assert_int_equal(body.len, kib * 1024);
        assert_int_equal(body.bytes[body.len - 1], 'x');
        buf_fini(&ask);
        buf_fini(&got);
        buf_fini(&packed);
        buf_fini(&body);
    }
    http_rig_free(rig);
}

TEST(server_sheds_when_a_lane_is_full)
{
    struct http_rig *rig = http_rig_new(NULL);
    struct buf b;
    buf_init(&b, 1 << 20);
    const int running = http_rig_dial(rig);
    http_rig_send(running, GET("/tiny"));
    wait_for(http_rig_slow_running, rig, 1);
    const int queued = http_rig_dial(rig);
    http_rig_send(queued, GET("/tiny"));
    wait_metric(rig, "tidemark_http_lane_waiting{lane=\"tiny\",class=\"tiny\"} 1");
    str a = http_rig_talk(rig, GET("/tiny"), &b);
    expect(a, "HTTP/1.1 503 ");
    expect(a, "Retry-After: 1\r\n");
    a = http_rig_talk(rig,
                      STR("POST /tiny HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
                          "Connection: close\r\n\r\n"),
                      &b);
    expect(a, "HTTP/1.1 429 ");
    http_rig_open_gate(rig);
    buf_clear(&b);
    expect(http_rig_read(queued, &b, NULL, 3000), "slow done");
    expect(http_rig_metrics(rig, &b), "tidemark_http_refused_total{reason=\"lane_full\"} 2");
    expect(http_rig_metrics(rig, &b),
           "tidemark_http_lane_refused_total{lane=\"tiny\",class=\"tiny\",reason=\"full\"} 2");
    (void)close(running);
    (void)close(queued);
    buf_fini(&b);
    http_rig_free(rig);
}

// Of its class one runs at once, though the lane has two threads. Only the test moves the clock, so
// that nobody waits too long by chance.
TEST(server_answers_who_has_waited_too_long_for_a_thread)
{
    struct clk *clk = clk_manual_new(1000);
    const struct http_server_opts opts = {.clk = clk, .header_ms = 3600000, .deadline_ms = 3600000};
    struct http_rig *rig = http_rig_new(&opts);
    struct buf b;
    buf_init(&b, 1 << 20);
    const int running = http_rig_dial(rig);
    http_rig_send(running, GET("/few"));
    wait_for(http_rig_slow_running, rig, 1);
    const int waiting = http_rig_dial(rig);
    http_rig_send(waiting, GET("/few"));
    for (int i = 0; i < 3000 && b.len == 0; i++) {
        clk_manual_advance(clk, 100);
        (void)http_rig_read(waiting, &b, "\r\n\r\n", 20);
    }
    const str a = http_rig_read(waiting, &b, NULL, 60000);
    expect(a, "HTTP/1.1 503 ");
    expect(a, "Retry-After: 1\r\n");
    expect(a, "sorry: no thread was free within 1 s (--few-wait), try again later: of \"few\" at "
              "most 1 run at once, of all kinds 2 (--few)");
    assert_int_equal(http_rig_slow_running(rig), 1);
    http_rig_open_gate(rig);
    buf_clear(&b);
    expect(http_rig_read(running, &b, NULL, 60000), "slow done");
    expect(http_rig_metrics(rig, &b), "tidemark_http_refused_total{reason=\"lane_wait\"} 1");
    expect(http_rig_metrics(rig, &b),
           "tidemark_http_lane_refused_total{lane=\"few\",class=\"few\",reason=\"wait\"} 1");
    expect(http_rig_metrics(rig, &b),
           "tidemark_http_lane_refused_total{lane=\"few\",class=\"rest\",reason=\"wait\"} 0");
    (void)close(running);
    (void)close(waiting);
    buf_fini(&b);
    http_rig_free(rig);
    clk_manual_free(clk);
}

// The second finds no thread until the first has ended: then it is that one's thread.
TEST(server_runs_what_waits_for_its_class_when_one_of_it_ends)
{
    struct http_rig *rig = http_rig_new(NULL);
    struct buf b;
    buf_init(&b, 1 << 20);
    http_rig_open_gate(rig);
    for (int i = 0; i < 20; i++) {
        const int first = http_rig_dial(rig);
        const int second = http_rig_dial(rig);
        http_rig_send(first, GET("/pair"));
        http_rig_send(second, GET("/pair"));
        buf_clear(&b);
        expect(http_rig_read(first, &b, NULL, 60000), "slow done");
        buf_clear(&b);
        expect(http_rig_read(second, &b, NULL, 60000), "slow done");
        (void)close(first);
        (void)close(second);
    }
    buf_fini(&b);
    http_rig_free(rig);
}

TEST(server_cancels_the_request_of_a_client_that_left)
{
    struct http_rig *rig = http_rig_new(NULL);
    struct buf b;
    buf_init(&b, 1 << 20);
    const int fd = http_rig_dial(rig);
    http_rig_send(fd, GET("/slow"));
    wait_for(http_rig_slow_running, rig, 1);
    (void)close(fd);
    wait_for(http_rig_slow_cancelled, rig, 1);
    expect(http_rig_metrics(rig, &b), "tidemark_http_clients_left_total 1");
    buf_fini(&b);
    http_rig_free(rig);
}

TEST(server_cancels_a_handler_at_its_deadline)
{
    struct http_rig *rig = http_rig_new(NULL);
    struct buf b;
    buf_init(&b, 1 << 20);
    const i64 start_ms = clk_mono_ms(clk_real());
    expect(http_rig_talk(rig, GET("/hasty"), &b), "slow done");
    const i64 took_ms = clk_mono_ms(clk_real()) - start_ms;
    assert_true(took_ms >= 290 && took_ms < 3000);
    assert_int_equal(http_rig_slow_cancelled(rig), 1);
    buf_fini(&b);
    http_rig_free(rig);
}

static u64 chunked_bytes(str answer)
{
    const size_t head = str_find_str(answer, STR("\r\n\r\n"));
    u64 count = 0;
    for (size_t i = head; i < answer.len; i++) {
        count += answer.ptr[i] == 'x';
    }
    return count;
}

TEST(server_streams_large_answers_through_a_small_window)
{
    const struct http_server_opts opts = {.stream_window_bytes = 65536};
    struct http_rig *rig = http_rig_new(&opts);
    struct buf b;
    buf_init(&b, 64 << 20);
    str a = http_rig_talk(rig, GET("/stream?kib=20480"), &b);
    expect(a, "Transfer-Encoding: chunked\r\n");
    assert_int_equal(chunked_bytes(a), 20480 * 1024);
    assert_true(str_ends(a, STR("\r\n0\r\n\r\n")));
    a = http_rig_talk(rig, GET("/stream?kib=128"), &b);
    expect(a, "Content-Length: 131072\r\n");
    a = http_rig_talk(rig, GET("/stream?kib=2048&fail=1"), &b);
    assert_false(str_ends(a, STR("0\r\n\r\n")));
    a = http_rig_talk(rig, GET("/stream?kib=8&fail=1"), &b);
    expect(a, "HTTP/1.1 500 ");
    a = http_rig_talk(
        rig, STR("HEAD /stream?kib=2048 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), &b);
    expect(a, "HTTP/1.1 200 ");
    assert_true(str_ends(a, STR("\r\n\r\n")));
    buf_fini(&b);
    http_rig_free(rig);
}

TEST(server_gives_up_on_a_reader_that_stalls)
{
    const struct http_server_opts opts = {.stream_window_bytes = 65536, .stall_ms = 300};
    struct http_rig *rig = http_rig_new(&opts);
    struct buf b;
    buf_init(&b, 1 << 20);
    const int fd = http_rig_dial(rig);
    const int small = 4096;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    http_rig_send(fd, GET("/stream?kib=200000"));
    for (int i = 0; i < 300; i++) {
        nap(20);
        if (str_contains(http_rig_metrics(rig, &b), STR("tidemark_http_requests_running 0"))) {
            break;
        }
    }
    expect(http_rig_metrics(rig, &b), "tidemark_http_requests_running 0");
    expect(http_rig_talk(rig, GET("/hello"), &b), "hello");
    (void)close(fd);
    buf_fini(&b);
    http_rig_free(rig);
}

TEST(server_frees_the_lane_of_a_deferred_request)
{
    struct http_rig *rig = http_rig_new(NULL);
    struct buf b;
    buf_init(&b, 1 << 20);
    const int fd = http_rig_dial(rig);
    http_rig_send(fd, GET("/defer"));
    nap(100);
    expect(http_rig_talk(rig, GET("/label/q/values"), &b), "\r\n\r\nq");
    assert_true(http_rig_undefer(rig));
    buf_clear(&b);
    expect(http_rig_read(fd, &b, NULL, 3000), "durable");
    (void)close(fd);
    buf_fini(&b);
    http_rig_free(rig);
}

TEST(server_finishes_what_runs_when_stopped)
{
    struct http_rig *rig = http_rig_new(NULL);
    struct buf b;
    buf_init(&b, 1 << 20);
    const int fd = http_rig_dial(rig);
    const int idle = http_rig_dial(rig);
    http_rig_send(fd, GET("/slow"));
    http_rig_send(idle, STR("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
    (void)http_rig_read(idle, &b, "hello", 2000);
    wait_for(http_rig_slow_running, rig, 1);
    http_rig_stop(rig, 200); // Too short for /slow: it is cancelled and still answers.
    assert_int_equal(http_rig_slow_cancelled(rig), 1);
    buf_clear(&b);
    expect(http_rig_read(fd, &b, NULL, 1000), "slow done");
    assert_true(http_rig_is_closed(idle, 1000));
    (void)close(fd);
    (void)close(idle);
    buf_fini(&b);
    http_rig_free(rig);
}

TEST(server_abandons_a_deferred_request_when_stopped)
{
    struct http_rig *rig = http_rig_new(NULL);
    struct buf b;
    buf_init(&b, 1 << 20);
    const int fd = http_rig_dial(rig);
    http_rig_send(fd, GET("/defer"));
    nap(100);
    http_rig_stop(rig, 50);
    expect(http_rig_read(fd, &b, NULL, 1000), "HTTP/1.1 503 ");
    assert_true(http_rig_undefer(rig)); // Too late, harmless.
    (void)close(fd);
    buf_fini(&b);
    http_rig_free(rig);
}

TEST(server_refuses_a_taken_port_and_bad_addresses_in_one_line)
{
    struct http_rig *rig = http_rig_new(NULL);
    char address[32];
    struct error e = {0};
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", http_rig_port(rig));
    struct http_server_opts opts = {.address = address};
    assert_null(http_server_start(&opts, &e));
    assert_true(str_contains(str_c(e.text), STR("Address already in use")));
    opts.address = "nonsense";
    assert_null(http_server_start(&opts, &e));
    assert_int_equal(e.code, ERR_INVALID);
    http_rig_free(rig);
}

TEST(server_counts_by_route_and_status)
{
    struct http_rig *rig = http_rig_new(NULL);
    struct buf b;
    buf_init(&b, 1 << 20);
    (void)http_rig_talk(rig, GET("/label/a/values"), &b);
    (void)http_rig_talk(rig, GET("/label/b/values"), &b);
    (void)http_rig_talk(rig, GET("/nothing"), &b);
    nap(100);
    const str m = http_rig_metrics(rig, &b);
    expect(m, "prometheus_http_requests_total{handler=\"/label/:name/values\",code=\"200\"} 2");
    expect(m, "prometheus_http_requests_total{handler=\"other\",code=\"404\"} 1");
    expect(m, "prometheus_http_request_duration_seconds_count{handler=\"/label/:name/values\"} 2");
    buf_fini(&b);
    http_rig_free(rig);
}
