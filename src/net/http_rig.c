// http_rig.c: see http_rig.h.
#include "net/http_rig.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "client/tidemark.h"
#include "os/clk.h"
#include "os/thr.h"
#include "text/re.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

// Threads: lock guards gate, deferred and the counts; the rest is frozen.
struct http_rig {
    struct http_server *server;
    struct http_route *routes;
    struct tmk_registry *registry;
    struct re *origin;
    struct lock lock;
    struct cond changed;
    bool gate_open;
    u32 slow_running;
    u32 slow_cancelled;
    struct http_response *deferred;
};

static void hello(UNUSED struct http_request *rq, struct http_response *rs)
{
    (void)http_write(rs, STR("hello\n"));
}

static void echo(struct http_request *rq, struct http_response *rs)
{
    (void)http_header_set(rs, STR("X-Peer"), rq->peer);
    (void)http_write(rs, rq->body);
}

static void form(struct http_request *rq, struct http_response *rs)
{
    for (u32 i = 0; i < rq->params.count; i++) {
        (void)http_write(rs, rq->params.fields[i].name);
        (void)http_write(rs, STR("="));
        (void)http_write(rs, rq->params.fields[i].value);
        (void)http_write(rs, STR(";"));
    }
}

static void param(struct http_request *rq, struct http_response *rs)
{
    (void)http_write(rs, http_route_param(rq, STR("name")));
}

static void slow(struct http_request *rq, struct http_response *rs)
{
    struct http_rig *rig = rq->ctx;
    lock_take(&rig->lock);
    rig->slow_running++;
    while (!rig->gate_open && !http_is_cancelled(rq)) {
        (void)cond_wait_ms(&rig->changed, &rig->lock, 10);
    }
    rig->slow_running--;
    rig->slow_cancelled += http_is_cancelled(rq);
    lock_drop(&rig->lock);
    (void)http_write(rs, STR("slow done\n"));
}

// Waits for its cancellation, then answers more than a socket that nobody reads takes.
static void deaf(struct http_request *rq, struct http_response *rs)
{
    static char much[32 << 20];
    struct http_rig *rig = rq->ctx;
    lock_take(&rig->lock);
    while (!rig->gate_open && !http_is_cancelled(rq)) {
        (void)cond_wait_ms(&rig->changed, &rig->lock, 10);
    }
    lock_drop(&rig->lock);
    http_body_fixed(rs, (str){much, sizeof(much)}, true);
}

static void stream(struct http_request *rq, struct http_response *rs)
{
    static char line[4096];
    u64 kib = 0;
    (void)parse_u64(http_param_get(rq, STR("kib")), &kib);
    memset(line, 'x', sizeof(line));
    (void)http_header_set(rs, STR("Content-Type"), STR("text/plain"));
    for (u64 i = 0; i < kib / 4; i++) {
        if (!http_write(rs, (str){line, sizeof(line)})) {
            return;
        }
    }
    if (form_has(&rq->params, STR("fail"))) {
        http_fail(rs, "it broke");
    }
}

static void defer(struct http_request *rq, struct http_response *rs)
{
    struct http_rig *rig = rq->ctx;
    lock_take(&rig->lock);
    http_defer(rs);
    rig->deferred = rs;
    cond_broadcast(&rig->changed);
    lock_drop(&rig->lock);
}

static void headers(struct http_request *rq, struct http_response *rs)
{
    (void)http_write_c(rs, http_method_text(rq->method));
    (void)http_write_c(rs, "\n");
    for (u32 i = 0; i < rq->header_count; i++) {
        (void)http_write(rs, rq->headers[i].name);
        (void)http_write(rs, STR(": "));
        (void)http_write(rs, rq->headers[i].value);
        (void)http_write(rs, STR("\n"));
    }
    (void)http_write(rs, rq->body);
}

static void redirect(struct http_request *rq, struct http_response *rs)
{
    u64 status = 302;
    (void)parse_u64(http_param_get(rq, STR("status")), &status);
    http_status_set(rs, (u32)status);
    (void)http_header_set(rs, STR("Location"), http_param_get(rq, STR("to")));
    (void)http_header_set(rs, STR("Retry-After"), STR("7"));
}

bool http_rig_undefer(struct http_rig *rig)
{
    struct http_response *rs = NULL;
    lock_take(&rig->lock);
    for (int i = 0; i < 200 && rig->deferred == NULL; i++) {
        (void)cond_wait_ms(&rig->changed, &rig->lock, 10);
    }
    rs = rig->deferred;
    rig->deferred = NULL;
    lock_drop(&rig->lock);
    if (rs == NULL) {
        return false;
    }
    (void)http_write(rs, STR("durable\n"));
    http_complete(rs);
    return true;
}

static struct http_place place_of(UNUSED const struct http_request *rq)
{
    return (struct http_place){.class_index = 1, .tenant = 7};
}

static void tell_kindly(struct http_response *rs, const char *text)
{
    (void)http_write_c(rs, "sorry: ");
    (void)http_write_c(rs, text);
}

static const struct http_class few_classes[] = {{"rest", 4, 1, 4, 0, 0}, {"few", 1, 1, 2, 0, 0}};
static const struct http_lane lanes[] = {
    {.name = "work", .threads = 2, .queue_max = 4},
    {.name = "tiny", .threads = 1, .queue_max = 1},
    {.name = "few",
     .threads = 2,
     .queue_max = 4,
     .classes = few_classes,
     .class_count = 2,
     .place = place_of,
     .wait_ms_max = 1000,
     .threads_option = "--few",
     .queue_option = "--few-queued",
     .wait_option = "--few-wait",
     .tell = tell_kindly},
    {.name = "pair",
     .threads = 2,
     .queue_max = 4,
     .classes = few_classes,
     .class_count = 2,
     .place = place_of},
};

static const struct http_route route_table[] = {
    {HTTP_GET, "/hello", HTTP_LANE_INLINE, 0, HTTP_PUBLIC, 0, 0, hello, NULL},
    {HTTP_POST, "/echo", 0, 100000, HTTP_READ, 0, 0, echo, NULL},
    {HTTP_GET | HTTP_POST, "/form", 0, 100000, HTTP_READ, HTTP_FORM | HTTP_CORS, 0, form, NULL},
    {HTTP_GET, "/label/:name/values", 0, 0, HTTP_READ, 0, 0, param, NULL},
    {HTTP_GET, "/slow", 0, 0, HTTP_READ, 0, 0, slow, NULL},
    {HTTP_GET, "/hasty", 0, 0, HTTP_READ, 0, 300, slow, NULL},
    {HTTP_GET, "/tiny", 1, 0, HTTP_READ, 0, 0, slow, NULL},
    {HTTP_POST, "/tiny", 1, 10, HTTP_READ, HTTP_SHED_429, 0, slow, NULL},
    {HTTP_GET, "/few", 2, 0, HTTP_READ, 0, 0, slow, NULL},
    {HTTP_GET, "/pair", 3, 0, HTTP_READ, 0, 0, slow, NULL},
    {HTTP_GET, "/deaf", 0, 0, HTTP_READ, 0, 0, deaf, NULL},
    {HTTP_GET, "/stream", 0, 0, HTTP_READ, 0, 0, stream, NULL},
    {HTTP_GET, "/defer", 0, 0, HTTP_READ, 0, 0, defer, NULL},
    {HTTP_GET | HTTP_POST | HTTP_PUT | HTTP_DELETE, "/headers", 0, 100000, HTTP_READ, 0, 0, headers,
     NULL},
    {HTTP_GET | HTTP_POST, "/redirect", 0, 100000, HTTP_READ, 0, 0, redirect, NULL},
    {HTTP_POST, "/admin", 0, 0, HTTP_ADMIN, 0, 0, hello, NULL},
};

struct http_rig *http_rig_new(const struct http_server_opts *given)
{
    struct http_rig *rig = MEM_NEW(struct http_rig);
    struct http_server_opts opts = given ? *given : (struct http_server_opts){0};
    struct error e = {0};
    lock_init(&rig->lock, LOCK_LEAF, "http_rig");
    cond_init(&rig->changed);
    rig->registry = tmk_registry_new(NULL);
    rig->origin = re_new(STR("https?://friend(\\.example)?"), &e);
    rig->routes = MEM_NEW_N(struct http_route, ARRAY_LEN(route_table));
    memcpy(rig->routes, route_table, sizeof(route_table));
    for (size_t i = 0; i < ARRAY_LEN(route_table); i++) {
        rig->routes[i].ctx = rig;
    }
    opts.address = "127.0.0.1:0";
    opts.lanes = lanes;
    opts.lane_count = ARRAY_LEN(lanes);
    opts.routes = rig->routes;
    opts.route_count = ARRAY_LEN(route_table);
    opts.cors_origin = rig->origin;
    opts.registry = rig->registry;
    rig->server = http_server_start(&opts, &e);
    if (rig->server == NULL) {
        fail_msg("server: %s", e.text);
    }
    return rig;
}

void http_rig_stop(struct http_rig *rig, u32 drain_ms)
{
    http_server_stop(rig->server, drain_ms);
    rig->server = NULL;
}

void http_rig_free(struct http_rig *rig)
{
    http_rig_open_gate(rig);
    http_server_stop(rig->server, 2000);
    tmk_registry_free(rig->registry);
    re_free(rig->origin);
    mem_free(rig->routes);
    cond_fini(&rig->changed);
    lock_fini(&rig->lock);
    mem_free(rig);
}

u16 http_rig_port(const struct http_rig *rig)
{
    return http_server_port(rig->server);
}

static bool take_text(void *ctx, const char *bytes, size_t n)
{
    buf_add(ctx, bytes, n);
    return true;
}

str http_rig_metrics(struct http_rig *rig, struct buf *out)
{
    buf_clear(out);
    (void)tmk_expose(rig->registry, TMK_TEXT, take_text, out);
    return buf_get(out);
}

void http_rig_open_gate(struct http_rig *rig)
{
    lock_take(&rig->lock);
    rig->gate_open = true;
    cond_broadcast(&rig->changed);
    lock_drop(&rig->lock);
}

u32 http_rig_slow_running(const struct http_rig *rig)
{
    struct http_rig *r = (struct http_rig *)(uintptr_t)rig;
    lock_take(&r->lock);
    const u32 count = r->slow_running;
    lock_drop(&r->lock);
    return count;
}

u32 http_rig_slow_cancelled(const struct http_rig *rig)
{
    struct http_rig *r = (struct http_rig *)(uintptr_t)rig;
    lock_take(&r->lock);
    const u32 count = r->slow_cancelled;
    lock_drop(&r->lock);
    return count;
}

int http_rig_dial(const struct http_rig *rig)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(http_rig_port(rig))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

void http_rig_send(int fd, str bytes)
{
    while (bytes.len > 0) {
        const ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n <= 0) {
            return; // The server hung up: the answer tells.
        }
        bytes = str_sub(bytes, (size_t)n, bytes.len);
    }
}

str http_rig_read(int fd, struct buf *out, const char *until, i64 timeout_ms)
{
    const i64 end_ms = clk_mono_ms(clk_real()) + timeout_ms;
    char piece[65536];
    while (until == NULL || !str_contains(buf_get(out), str_c(until))) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        const i64 left_ms = end_ms - clk_mono_ms(clk_real());
        if (left_ms <= 0 || poll(&p, 1, (int)left_ms) <= 0) {
            break;
        }
        const ssize_t n = recv(fd, piece, sizeof(piece), 0);
        if (n <= 0) {
            break;
        }
        buf_add(out, piece, (size_t)n);
    }
    return buf_get(out);
}

bool http_rig_is_closed(int fd, i64 timeout_ms)
{
    char byte;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, (int)timeout_ms) > 0 && recv(fd, &byte, 1, 0) <= 0;
}

str http_rig_talk(const struct http_rig *rig, str request, struct buf *out)
{
    const int fd = http_rig_dial(rig);
    buf_clear(out);
    http_rig_send(fd, request);
    const str answer = http_rig_read(fd, out, NULL, 5000);
    (void)close(fd);
    return answer;
}
