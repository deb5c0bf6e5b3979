// http_client_test.c: the client against the server, against peers that misbehave, and its fake.
#include "base/alloc_fault.h"
#include "base/arena.h"
#include "base/str.h"
#include "base/test.h"
#include "net/http_client.h"
#include "net/http_rig.h"
#include "os/clk.h"
#include "os/thr.h"
#include "wire/gzip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void expect(str text, const char *part)
{
    if (!str_contains(text, str_c(part))) {
        fail_msg("no \"%s\" in: %.*s", part, STR_ARG(str_sub(text, 0, 2000)));
    }
}

// One server, one client, one arena for the replies. Threads: owned.
struct bench {
    struct http_rig *rig;
    struct http_client *client;
    struct arena *arena;
    char url[128];
};

static struct bench bench_open(void)
{
    struct bench b = {.rig = http_rig_new(NULL), .arena = arena_new((size_t)256 << 20)};
    struct error e = {0};
    b.client = http_client_new(0, &e);
    assert_non_null(b.client);
    (void)snprintf(b.url, sizeof(b.url), "http://127.0.0.1:%u", http_rig_port(b.rig));
    return b;
}

static void bench_close(struct bench *b)
{
    http_client_free(b->client);
    http_rig_free(b->rig);
    arena_free(b->arena);
}

static struct http_target *target(struct bench *b, struct http_target_opts opts)
{
    struct error e = {0};
    opts.url = opts.url.len > 0 ? opts.url : str_c(b->url);
    struct http_target *t = http_target_new(b->client, &opts, &e);
    if (t == NULL) {
        fail_msg("target: %s", e.text);
    }
    return t;
}

static struct http_reply get(struct bench *b, struct http_target *t, const char *path)
{
    struct http_reply reply = {0};
    const struct http_fetch f = {.method = HTTP_GET, .path_query = str_c(path), .timeout_ms = 5000};
    (void)!http_fetch_wait(t, &f, b->arena, &reply, NULL);
    return reply;
}

TEST(client_gets_and_keeps_the_connection)
{
    struct bench b = bench_open();
    struct http_target *t = target(&b, (struct http_target_opts){0});
    struct http_reply r = get(&b, t, "/hello");
    assert_int_equal(r.status, 200);
    ASSERT_STR_EQ(r.body, STR("hello\n"));
    assert_true(r.phases.connect > 0 && r.phases.first_byte > 0);
    assert_true(r.phases.total >= r.phases.first_byte);
    r = get(&b, t, "/hello");
    assert_int_equal(r.phases.connect, 0);
    assert_int_equal(r.phases.resolve, 0);
    r = get(&b, t, "/nothing");
    assert_int_equal(r.status, 404);
    assert_int_equal(r.failure, HTTP_FAIL_NONE);
    http_target_free(t);
    bench_close(&b);
}

TEST(client_sends_methods_headers_bodies_and_credentials)
{
    struct bench b = bench_open();
    const struct http_pair fixed[] = {{STR("X-Fixed"), STR("1")}, {STR("X-Empty"), STR_EMPTY}};
    const struct http_pair own[] = {{STR("Content-Type"), STR("application/json")}};
    struct http_target *t = target(
        &b, (struct http_target_opts){
                .headers = fixed, .header_count = 2, .user = STR("ann"), .password = STR("pw:x")});
    static const enum http_method methods[] = {HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_GET};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        struct http_reply r = {0};
        struct error e = {0};
        const bool has_body = methods[i] != HTTP_GET;
        const struct http_fetch f = {.method = methods[i],
                                     .path_query = STR("/headers"),
                                     .headers = own,
                                     .header_count = 1,
                                     .body = has_body ? STR("{\"a\":1}") : STR_EMPTY};
        ASSERT_OK(http_fetch_wait(t, &f, b.arena, &r, &e), e);
        assert_true(str_starts(r.body, str_c(http_method_text(methods[i]))));
        expect(r.body, "X-Fixed: 1\n");
        expect(r.body, "X-Empty: \n");
        expect(r.body, "Content-Type: application/json\n");
        expect(r.body, "Authorization: Basic YW5uOnB3Ong=\n");
        assert_false(str_contains(r.body, STR("Expect:")));
        assert_int_equal(str_contains(r.body, STR("{\"a\":1}")), has_body);
    }
    http_target_free(t);
    t = target(&b, (struct http_target_opts){.bearer = STR("tok")});
    expect(get(&b, t, "/headers").body, "Authorization: Bearer tok\n");
    http_target_free(t);
    bench_close(&b);
}

// What a handle was told for one request must not show in the next, whichever way they differ.
TEST(client_asks_its_own_url_again_as_if_for_the_first_time)
{
    struct bench b = bench_open();
    const struct http_pair fixed[] = {{STR("X-Fixed"), STR("1")}};
    const struct http_pair own[] = {{STR("X-Own"), STR("2")}};
    char url[160];
    (void)snprintf(url, sizeof(url), "%s/headers", b.url);
    struct http_target *t =
        target(&b, (struct http_target_opts){
                       .url = str_c(url), .headers = fixed, .header_count = 1, .user = STR("ann")});
    const struct http_fetch others[] = {
        {.method = HTTP_GET},
        {.method = HTTP_POST, .body = STR("a body")},
        {.method = HTTP_GET, .headers = own, .header_count = 1},
        {.method = HTTP_HEAD},
        {.method = HTTP_GET, .path_query = STR("?x=1")},
        {.method = HTTP_PUT, .body = STR("a body")},
        {.method = HTTP_GET, .path_query = STR("/nowhere")},
    };
    str first = STR_EMPTY;
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        const struct http_fetch again = {.method = HTTP_GET};
        struct http_reply r = {0};
        struct error e = {0};
        ASSERT_OK(http_fetch_wait(t, &others[i], b.arena, &r, &e), e);
        assert_int_equal(str_contains(r.body, STR("a body")), others[i].body.len > 0);
        assert_int_equal(str_contains(r.body, STR("X-Own")), others[i].header_count > 0);
        for (u32 k = 0; k < 2; k++) {
            ASSERT_OK(http_fetch_wait(t, &again, b.arena, &r, &e), e);
            expect(r.body, "X-Fixed: 1\n");
            expect(r.body, "Authorization: Basic ");
            first = first.len > 0 ? first : r.body;
            ASSERT_STR_EQ(r.body, first);
        }
    }
    http_target_free(t);
    bench_close(&b);
}

TEST(client_unpacks_gzip_and_caps_bodies)
{
    struct bench b = bench_open();
    struct http_target *t = target(&b, (struct http_target_opts){.gzip = true});
    struct http_reply r = get(&b, t, "/stream?kib=128");
    assert_int_equal(r.body.len, 128 * 1024);
    assert_int_equal(r.bytes_body, 128 * 1024);
    assert_true(r.bytes_wire > 0 && r.bytes_wire < 16384);
    ASSERT_STR_EQ(r.content_encoding, STR("gzip"));
    r = get(&b, t, "/stream?kib=4096"); // Streamed, and so packed piece by piece.
    assert_int_equal(r.body.len, 4096 * 1024);
    assert_true(r.bytes_wire < 262144);
    http_target_free(t);
    t = target(&b, (struct http_target_opts){.gzip = true, .bytes_max = 100000});
    r = get(&b, t, "/stream?kib=4096");
    assert_int_equal(r.failure, HTTP_FAIL_TOO_BIG);
    expect(str_c(r.error.text), "100000 bytes");
    http_target_free(t);
    t = target(&b, (struct http_target_opts){.bytes_max = 5});
    assert_int_equal(get(&b, t, "/hello").failure, HTTP_FAIL_TOO_BIG);
    http_target_free(t);
    bench_close(&b);
}

TEST(client_says_why_it_failed)
{
    struct bench b = bench_open();
    struct http_target *t = target(&b, (struct http_target_opts){.url = STR("http://127.0.0.1:1")});
    struct http_reply r = get(&b, t, "/");
    assert_int_equal(r.failure, HTTP_FAIL_CONNECT);
    expect(str_c(r.error.text), "Connection refused");
    http_target_free(t);
    t = target(&b, (struct http_target_opts){.url = STR("http://no-such-host.invalid/")});
    r = get(&b, t, "");
    assert_int_equal(r.failure, HTTP_FAIL_RESOLVE);
    http_target_free(t);
    char https[128];
    (void)snprintf(https, sizeof(https), "https://127.0.0.1:%u/", http_rig_port(b.rig));
    t = target(&b, (struct http_target_opts){.url = str_c(https)});
    assert_int_equal(get(&b, t, "").failure, HTTP_FAIL_TLS);
    http_target_free(t);
    t = target(&b, (struct http_target_opts){0});
    const struct http_fetch f = {.method = HTTP_GET, .path_query = STR("/slow"), .timeout_ms = 200};
    struct error e = {0};
    assert_false(http_fetch_wait(t, &f, b.arena, &r, &e));
    assert_int_equal(r.failure, HTTP_FAIL_TIMEOUT);
    assert_int_equal(e.code, ERR_TIMEOUT);
    http_target_free(t);
    bench_close(&b);
}

// It used to pass its whole time and tell of that alone.
TEST(client_says_at_once_that_the_kernel_watches_no_more_sockets)
{
    struct bench b = bench_open();
    struct http_target *t = target(&b, (struct http_target_opts){0});
    const struct http_fetch f = {
        .method = HTTP_GET, .path_query = STR("/hello"), .timeout_ms = 600000};
    struct http_reply r = {0};
    struct error e = {0};
    alloc_fault_arm(1);
    assert_false(http_fetch_wait(t, &f, b.arena, &r, &e));
    alloc_fault_disarm();
    assert_int_equal(r.failure, HTTP_FAIL_INTERNAL);
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    expect(str_c(e.text), "the kernel watches no more sockets: No space left on device");
    assert_int_equal(get(&b, t, "/hello").status, 200);
    assert_int_equal(get(&b, t, "/hello").phases.connect, 0); // The connection is kept again.
    http_target_free(t);
    bench_close(&b);
}

TEST(client_refuses_what_it_cannot_send)
{
    struct bench b = bench_open();
    static const char *const urls[] = {"", "localhost:9090", "ftp://h/", "file:///etc/passwd",
                                       "http://h\r\nX: y/"};
    struct error e = {0};
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        const struct http_target_opts o = {.url = str_c(urls[i])};
        assert_null(http_target_new(b.client, &o, &e));
    }
    const struct http_pair bad[] = {{STR("X-A"), STR("a\r\nX-B: b")}};
    const struct http_target_opts o = {.url = str_c(b.url), .headers = bad, .header_count = 1};
    assert_null(http_target_new(b.client, &o, &e));
    bench_close(&b);
}

TEST(client_follows_redirects_and_leaves_credentials_behind)
{
    struct bench b = bench_open();
    struct bench other = bench_open();
    const struct http_pair fixed[] = {{STR("X-Key"), STR("hush")}, {STR("Accept"), STR("a/b")}};
    const struct http_target_opts opts = {
        .redirects_max = 2, .bearer = STR("tok"), .headers = fixed, .header_count = 2};
    struct http_target *t = target(&b, opts);
    struct http_reply r = get(&b, t, "/redirect?to=/headers");
    assert_int_equal(r.status, 200);
    expect(r.body, "Bearer tok");
    expect(r.body, "X-Key: hush");
    char path[256];
    (void)snprintf(path, sizeof(path), "/redirect?to=%s/headers", other.url);
    r = get(&b, t, path);
    assert_int_equal(r.status, 200);
    assert_false(str_contains(r.body, STR("tok")));
    assert_false(str_contains(r.body, STR("hush")));
    expect(r.body, "Accept: a/b");
    r = get(&b, t, "/redirect?to=/redirect?to=/redirect?to=/redirect");
    assert_int_equal(r.failure, HTTP_FAIL_REDIRECT);
    r = get(&b, t, "/redirect?to=file:///etc/passwd");
    assert_int_equal(r.failure, HTTP_FAIL_REDIRECT);
    http_target_free(t);
    char own[512];
    (void)snprintf(own, sizeof(own), "%s%s", b.url, path);
    struct http_target_opts away = opts;
    away.url = str_c(own);
    t = target(&b, away);
    for (u32 i = 0; i < 3; i++) { // Asked again, it begins again at its own origin.
        r = get(&b, t, "");
        assert_int_equal(r.status, 200);
        assert_false(str_contains(r.body, STR("tok")));
        expect(r.body, "Accept: a/b");
    }
    http_target_free(t);
    t = target(&b, (struct http_target_opts){0});
    r = get(&b, t, "/redirect?to=/headers");
    assert_int_equal(r.status, 302);
    ASSERT_STR_EQ(r.location, STR("/headers"));
    ASSERT_STR_EQ(r.retry_after, STR("7"));
    http_target_free(t);
    bench_close(&other);
    bench_close(&b);
}

// Threads: guarded by lock.
struct tally {
    struct lock lock;
    struct cond changed;
    u32 done;
    u32 ok;
    u32 cancelled;
    u64 bytes;
    u64 bytes_wanted;
};

static void tally_done(void *ctx, const struct http_reply *r)
{
    struct tally *t = ctx;
    lock_take(&t->lock);
    t->done++;
    t->ok += r->failure == HTTP_FAIL_NONE && r->status == 200;
    t->cancelled += r->failure == HTTP_FAIL_CANCELLED || r->failure == HTTP_FAIL_SINK;
    cond_broadcast(&t->changed);
    lock_drop(&t->lock);
}

static bool tally_sink(void *ctx, str bytes)
{
    struct tally *t = ctx;
    lock_take(&t->lock);
    t->bytes += bytes.len;
    const bool more = t->bytes_wanted == 0 || t->bytes < t->bytes_wanted;
    lock_drop(&t->lock);
    return more;
}

static void tally_wait(struct tally *t, u32 done)
{
    lock_take(&t->lock);
    // A wait ends with each answer; only those that end for want of one are counted: 30 s of them.
    for (int i = 0; i < 300 && t->done < done;) {
        i += !cond_wait_ms(&t->changed, &t->lock, 100);
    }
    assert_int_equal(t->done, done);
    lock_drop(&t->lock);
}

static void tally_init(struct tally *t)
{
    *t = (struct tally){0};
    lock_init(&t->lock, 0, "tally");
    cond_init(&t->changed);
}

static void tally_fini(struct tally *t)
{
    cond_fini(&t->changed);
    lock_fini(&t->lock);
}

TEST(client_streams_into_a_sink_until_it_says_no)
{
    struct bench b = bench_open();
    struct tally n;
    struct error e = {0};
    tally_init(&n);
    struct http_target *t = target(&b, (struct http_target_opts){.gzip = true});
    const struct http_fetch f = {.method = HTTP_GET,
                                 .path_query = STR("/stream?kib=1024"),
                                 .sink = tally_sink,
                                 .done = tally_done,
                                 .ctx = &n};
    ASSERT_OK(http_fetch_start(t, &f, &e), e);
    tally_wait(&n, 1);
    assert_int_equal(n.ok, 1);
    assert_int_equal(n.bytes, 1024 * 1024);
    n.bytes = 0;
    n.bytes_wanted = 1000;
    ASSERT_OK(http_fetch_start(t, &f, &e), e);
    tally_wait(&n, 2);
    assert_int_equal(n.cancelled, 1);
    http_target_free(t);
    tally_fini(&n);
    bench_close(&b);
}

TEST(client_runs_many_targets_over_shards)
{
    struct bench b = bench_open();
    struct tally n;
    struct error e = {0};
    struct http_target *targets[HTTP_SHARD_TARGETS + 30];
    tally_init(&n);
    const struct http_fetch f = {
        .method = HTTP_GET, .path_query = STR("/hello"), .done = tally_done, .ctx = &n};
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        targets[i] = target(&b, (struct http_target_opts){0});
    }
    for (u32 round = 1; round <= 3; round++) {
        for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
            ASSERT_OK(http_fetch_start(targets[i], &f, &e), e);
        }
        tally_wait(&n, round * (u32)ARRAY_LEN(targets));
    }
    assert_int_equal(n.ok, 3 * ARRAY_LEN(targets));
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        http_target_free(targets[i]);
    }
    tally_fini(&n);
    bench_close(&b);
}

TEST(client_cancels_and_frees_what_runs)
{
    struct bench b = bench_open();
    struct tally n;
    struct error e = {0};
    tally_init(&n);
    const struct http_fetch f = {
        .method = HTTP_GET, .path_query = STR("/slow"), .done = tally_done, .ctx = &n};
    struct http_target *t = target(&b, (struct http_target_opts){0});
    ASSERT_OK(http_fetch_start(t, &f, &e), e);
    assert_false(http_fetch_start(t, &f, &e));
    assert_int_equal(e.code, ERR_OUT_OF_ORDER);
    http_fetch_cancel(t);
    tally_wait(&n, 1);
    assert_int_equal(n.cancelled, 1);
    http_fetch_cancel(t); // Nothing runs.
    ASSERT_OK(http_fetch_start(t, &f, &e), e);
    http_target_free(t);
    assert_int_equal(n.done, 2);
    assert_int_equal(n.cancelled, 2);
    tally_fini(&n);
    bench_close(&b);
}

// Answers one connection with fixed bytes and hangs up. Threads: owned by its thread once started.
struct liar {
    int fd;
    u16 port;
    str answer;
    struct thr *thr;
};

static void liar_run(void *arg)
{
    struct liar *l = arg;
    char request[4096];
    const int fd = accept(l->fd, NULL, NULL);
    if (fd >= 0) {
        (void)!recv(fd, request, sizeof(request), 0);
        http_rig_send(fd, l->answer);
        (void)shutdown(fd, SHUT_WR);
        (void)!recv(fd, request, sizeof(request), 0);
        (void)close(fd);
    }
}

static struct http_reply ask_liar(struct bench *b, str answer, struct http_target_opts opts)
{
    struct liar l = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .answer = answer};
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);
    struct error e = {0};
    char url[64];
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(l.fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(l.fd, 1), 0);
    assert_int_equal(getsockname(l.fd, (struct sockaddr *)&at, &len), 0);
    l.thr = thr_start("liar", liar_run, &l, &e);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(at.sin_port));
    opts.url = str_c(url);
    struct http_target *t = target(b, opts);
    const struct http_reply r = get(b, t, "");
    http_target_free(t);
    (void)shutdown(l.fd, SHUT_RDWR);
    thr_join(l.thr);
    (void)close(l.fd);
    return r;
}

TEST(client_survives_liars)
{
    static const struct {
        const char *answer;
        enum http_failure failure;
    } table[] = {
        {"", HTTP_FAIL_RESET},
        {"garbage\r\n\r\n", HTTP_FAIL_RESET},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", HTTP_FAIL_RESET},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nabc", HTTP_FAIL_TOO_BIG},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc", HTTP_FAIL_RESET},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", HTTP_FAIL_RESET},
        {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
         HTTP_FAIL_ENCODING},
    };
    struct bench b = bench_open();
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct http_reply r =
            ask_liar(&b, str_c(table[i].answer), (struct http_target_opts){.gzip = true});
        if (r.failure != table[i].failure) {
            fail_msg("%s: %s, %s", table[i].answer, http_failure_text(r.failure), r.error.text);
        }
    }
    bench_close(&b);
}

TEST(client_survives_a_gzip_bomb)
{
    struct bench b = bench_open();
    struct buf bomb;
    struct buf answer;
    char *zeroes = MEM_NEW_N(char, (size_t)64 << 20);
    buf_init(&bomb, (size_t)1 << 20);
    buf_init(&answer, (size_t)2 << 20);
    gzip_encode((str){zeroes, (size_t)64 << 20}, 6, &bomb);
    mem_free(zeroes);
    buf_printf(&answer, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
               bomb.len);
    buf_str(&answer, buf_get(&bomb));
    const struct http_reply r = ask_liar(
        &b, buf_get(&answer), (struct http_target_opts){.gzip = true, .bytes_max = 1000000});
    assert_int_equal(r.failure, HTTP_FAIL_TOO_BIG);
    assert_true(r.bytes_body <= 1000000);
    buf_fini(&bomb);
    buf_fini(&answer);
    bench_close(&b);
}

static void fake_answer(UNUSED void *ctx, const struct http_target_opts *opts,
                        const struct http_fetch *f, struct http_reply *reply)
{
    reply->status = 201;
    reply->body = str_ends(opts->url, STR("/a")) ? f->body : STR("other");
}

TEST(client_fake_answers_from_a_function)
{
    struct http_client *c = http_client_fake_new(fake_answer, NULL);
    const struct http_target_opts opts = {.url = STR("http://nowhere/a")};
    const struct http_fetch f = {.method = HTTP_POST, .body = STR("in")};
    struct arena *a = arena_new(1 << 20);
    struct http_reply r = {0};
    struct error e = {0};
    struct http_target *t = http_target_new(c, &opts, &e);
    ASSERT_OK(http_fetch_wait(t, &f, a, &r, &e), e);
    assert_int_equal(r.status, 201);
    ASSERT_STR_EQ(r.body, STR("in"));
    http_target_free(t);
    http_client_fake_free(c);
    arena_free(a);
}
