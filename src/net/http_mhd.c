// http_mhd.c: the only file that knows libmicrohttpd: its callbacks become calls of http_exchange.c.
//
// Measured on 0.9.75, and why this file looks as it does:
//   - its time-out counts inactivity only, so it is off and the door keeps all deadlines;
//   - a client that leaves while suspended goes unnoticed: the door polls for it;
//   - a content reader that answers 0 is asked again at once: stream_take suspends instead;
//   - it takes bare LF, folded lines, two Content-Lengths, Content-Length beside Transfer-Encoding:
//     head_check refuses them. The library keeps the head's bytes where it received them and only
//     writes NULs over the delimiters, so pieces and delimiters must tile the head exactly:
//
//       method NUL uri NUL version NUL NUL (name NUL blanks value NUL NUL)* NUL NUL
//
//     With a bare LF one NUL is missing; a folded line leaves a gap. A library that copied the
//     pieces elsewhere would have every request refused, which no test could overlook.
#include "base/arena.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "net/http_inner.h"
#include "os/clk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

// The door counts connections. The library must never find too many: where it does, 0.9.75 leaves a
// lock taken and one of its threads stands still for ever.
#define LIBRARY_CONNECTIONS_MAX ((unsigned)INT32_MAX)
#define POOL_BYTES              ((size_t)64 << 10)
#define BLOCK_BYTES             ((size_t)64 << 10)

// The slot rides in the socket's context as slot + 1: NULL means none.
static u32 slot_get(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    const uintptr_t value = info ? (uintptr_t)info->socket_context : 0;
    return value == 0 ? SLOT_NONE : (u32)(value - 1);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http_server *s = cls;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        const u32 slot = door_enter(s, info->connect_fd);
        *context = slot == SLOT_NONE ? NULL : (void *)((uintptr_t)slot + 1); // NOLINT
        if (slot == SLOT_NONE) {
            gauge_refused(s, REFUSED_CONNECTIONS);
            (void)shutdown(info->connect_fd, SHUT_RDWR);
        }
    } else if (*context != NULL) {
        door_leave(s, (u32)((uintptr_t)*context - 1));
        *context = NULL;
    }
}

// The first sign of a request; what is returned comes back as *context everywhere.
static void *on_request_line(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct http_server *s = cls;
    const u32 slot = slot_get(connection);
    if (slot == SLOT_NONE) {
        return NULL;
    }
    door_head(s, slot);
    struct http_exchange *x = exchange_new(s, slot, str_c(uri));
    x->connection = connection;
    x->raw_uri = str_c(uri);
    return x;
}

static size_t on_unescape(UNUSED void *cls, UNUSED struct MHD_Connection *connection, char *text)
{
    return strlen(text); // http_route.c decodes, once.
}

static const char *peer_text(struct MHD_Connection *connection, char out[INET6_ADDRSTRLEN])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    const char *text = NULL;
    if (address != NULL && address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;
        text = inet_ntop(AF_INET, &v4->sin_addr, out, INET6_ADDRSTRLEN);
    } else if (address != NULL && address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)address;
        text = inet_ntop(AF_INET6, &v6->sin6_addr, out, INET6_ADDRSTRLEN);
    }
    return text ? text : "";
}

// What is learnt while walking the head. Threads: owned by the I/O thread, on its stack.
struct head_walk {
    struct http_exchange *x;
    struct http_pair *pairs;
    const char *at; // Where the next name must begin.
    u32 hosts;
    u32 lengths;
    u32 encodings;
    bool chunked;
    bool bad;
    bool too_many;
    u64 length;
};

static bool is_token(str name)
{
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && str_find(STR("!#$%&'*+-.^_`|~"), c) == STR_NONE) {
            return false;
        }
    }
    return name.len > 0;
}

static bool is_field_value(str value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (((u8)value.ptr[i] < 0x20 && value.ptr[i] != '\t') || value.ptr[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool are_blanks(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t')) {
        from++;
    }
    return from == to;
}

static enum MHD_Result on_header(void *cls, UNUSED enum MHD_ValueKind kind, const char *name,
                                 size_t name_bytes, const char *value, size_t value_bytes)
{
    struct head_walk *w = cls;
    const str n = {name, name_bytes};
    const str v = str_trim((str){value, value ? value_bytes : 0});
    w->bad = w->bad || name != w->at || value == NULL || !is_token(n) || !is_field_value(v) ||
             value <= name + name_bytes || !are_blanks(name + name_bytes + 1, value);
    w->too_many = w->x->rq.header_count == HTTP_HEADERS_MAX;
    if (w->bad || w->too_many) {
        return MHD_NO;
    }
    w->at = value + value_bytes + 2;
    w->pairs[w->x->rq.header_count++] =
        (struct http_pair){arena_str(w->x->rq.arena, n), arena_str(w->x->rq.arena, v)};
    if (str_eq_nocase(n, STR("Host"))) {
        w->hosts++;
    } else if (str_eq_nocase(n, STR("Content-Length"))) {
        w->lengths++;
        w->bad = !parse_u64(v, &w->length);
    } else if (str_eq_nocase(n, STR("Transfer-Encoding"))) {
        w->encodings++;
        w->chunked = str_eq_nocase(v, STR("chunked"));
    }
    return MHD_YES;
}

// (I1) of http_server.h. Fills headers and body_declared.
static bool head_check(struct http_exchange *x, const char *method, const char *version)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const bool is_11 = strcmp(version, "HTTP/1.1") == 0;
    struct head_walk w = {.x = x, .at = version + strlen(version) + 2};
    if (info == NULL || info->header_size > x->server->opts.head_bytes_max) {
        exchange_refuse(x, REFUSED_HEAD_TOO_LARGE, 431, "the request's head is too large");
        x->close_after = true;
        return false;
    }
    w.pairs = ARENA_NEW_N(x->rq.arena, struct http_pair, HTTP_HEADERS_MAX);
    x->rq.headers = w.pairs;
    (void)MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, on_header, &w);
    if (w.too_many) {
        exchange_refuse(x, REFUSED_HEAD_TOO_LARGE, 431, "the request has too many header fields");
        x->close_after = true;
        return false;
    }
    const bool line_ok = is_token(str_c(method)) && x->raw_uri.ptr == method + strlen(method) + 1 &&
                         version == x->raw_uri.ptr + x->raw_uri.len + 1 &&
                         (is_11 || strcmp(version, "HTTP/1.0") == 0);
    const bool tiled = !w.bad && w.at + 2 == method + info->header_size;
    const bool framed = w.lengths + w.encodings <= 1 && (w.encodings == 0 || (w.chunked && is_11));
    if (!line_ok || !tiled || !framed || w.hosts > 1 || (is_11 && w.hosts != 1)) {
        x->body_declared = w.encodings ? UINT64_MAX : w.length;
        exchange_refuse(x, REFUSED_MALFORMED, 400, "the request's head is malformed");
        return false;
    }
    x->body_declared = w.encodings ? UINT64_MAX : w.length;
    return true;
}

static bool head_take(struct http_exchange *x, const char *method, const char *version)
{
    char peer[INET6_ADDRSTRLEN];
    x->rq.method = http_method_parse(str_c(method));
    x->rq.peer = arena_str(x->rq.arena, str_c(peer_text(x->connection, peer)));
    return head_check(x, method, version) && exchange_head(x);
}

static ssize_t on_read(void *cls, UNUSED uint64_t position, char *out, size_t max)
{
    struct http_exchange *x = cls;
    struct http_server *s = x->server;
    size_t n;
    const i64 stall_ns = (i64)s->opts.stall_ms * 1000000;
    switch (stream_take(x->stream, x, out, max, &n)) {
    case STREAM_BYTES:
        door_phase(s, x->slot, PHASE_SEND, clk_mono_ns(s->opts.clk) + stall_ns, x);
        return (ssize_t)n;
    case STREAM_WAIT:
        return 0;
    case STREAM_END:
        return MHD_CONTENT_READER_END_OF_STREAM;
    case STREAM_BROKEN:
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static struct MHD_Response *response_make(struct http_exchange *x, bool is_stream)
{
    if (is_stream) {
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, on_read, x, NULL);
    }
    const str body = exchange_answer(x);
    // Persistent: the bytes live in x, which outlives the sending.
    return MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.ptr, // NOLINT
                                           MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result abandoned_answer(struct MHD_Connection *connection)
{
    static char text[] = "the server is stopping\n";
    struct MHD_Response *r =
        MHD_create_response_from_buffer(sizeof(text) - 1, text, MHD_RESPMEM_PERSISTENT);
    if (r == NULL) {
        return MHD_NO;
    }
    (void)MHD_add_response_header(r, "Connection", "close");
    const enum MHD_Result queued = MHD_queue_response(connection, 503, r);
    MHD_destroy_response(r);
    return queued;
}

static enum MHD_Result answer(struct http_exchange *x)
{
    struct http_server *s = x->server;
    const int state = __atomic_load_n(&x->state, __ATOMIC_SEQ_CST);
    if (state == X_ABANDONED) {
        return abandoned_answer(x->connection);
    }
    const bool is_stream = state == X_STREAM || (x->rs.streaming && x->rq.method == HTTP_HEAD);
    struct MHD_Response *r = response_make(x, is_stream);
    if (r == NULL) {
        return MHD_NO;
    }
    for (u32 i = 0; i < x->rs.header_count; i++) {
        // Both are NUL-terminated copies of the arena's.
        (void)MHD_add_response_header(r, x->rs.headers[i].name.ptr, x->rs.headers[i].value.ptr);
    }
    if (x->close_after || __atomic_load_n(&s->stopping, __ATOMIC_SEQ_CST)) {
        (void)MHD_add_response_header(r, "Connection", "close");
    }
    const u64 bytes = is_stream ? 0 : exchange_answer(x).len;
    const i64 earned_ns = (i64)(bytes * 1000000000 / s->opts.body_bytes_per_s);
    door_phase(s, x->slot, PHASE_SEND,
               clk_mono_ns(s->opts.clk) + (i64)s->opts.stall_ms * 1000000 + earned_ns,
               is_stream ? x : NULL);
    const enum MHD_Result queued = MHD_queue_response(x->connection, x->rs.status, r);
    MHD_destroy_response(r);
    return queued;
}

static enum MHD_Result on_body(struct http_exchange *x, const char *bytes, size_t *len)
{
    const str piece = {bytes, *len};
    *len = 0;
    return exchange_body(x, piece) ? MHD_YES : MHD_NO;
}

// Called with the head, with each piece of the body, when the request is whole, and after a resume.
// NOLINTNEXTLINE(readability-function-size): the library's signature
static enum MHD_Result on_access(UNUSED void *cls, struct MHD_Connection *connection,
                                 UNUSED const char *url, const char *method, const char *version,
                                 const char *upload, size_t *upload_bytes, void **context)
{
    struct http_exchange *x = *context;
    if (x == NULL) {
        return MHD_NO;
    }
    CHECK(x->connection == connection);
    switch ((enum exchange_state)__atomic_load_n(&x->state, __ATOMIC_SEQ_CST)) {
    case X_HEAD:
        if (!head_take(x, method, version)) {
            return answer(x);
        }
        if (x->body_declared > 0) {
            const i64 patience_ns = (i64)x->server->opts.header_ms * 1000000;
            door_phase(x->server, x->slot, PHASE_BODY, x->rq.start_mono_ns + patience_ns, NULL);
        }
        return MHD_YES;
    case X_BODY:
        if (*upload_bytes > 0) {
            return on_body(x, upload, upload_bytes);
        }
        return exchange_ready(x) ? MHD_YES : answer(x);
    case X_RUNNING:
        return MHD_YES;
    case X_STREAM:
    case X_ANSWER:
    case X_ABANDONED:
        *upload_bytes = 0;
        return answer(x);
    }
    return MHD_NO;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **context,
                         UNUSED enum MHD_RequestTerminationCode why)
{
    struct http_server *s = cls;
    struct http_exchange *x = *context;
    if (x == NULL) {
        return;
    }
    *context = NULL;
    if (__atomic_load_n(&x->state, __ATOMIC_SEQ_CST) == X_HEAD &&
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_HTTP_STATUS) != NULL) {
        gauge_refused(s, REFUSED_LIBRARY);
    }
    const i64 idle_ns = (i64)s->opts.idle_ms * 1000000;
    door_phase(s, x->slot, PHASE_IDLE, clk_mono_ns(s->opts.clk) + idle_ns, NULL);
    exchange_done(x);
    exchange_unref(x);
}

static void on_log(void *cls, const char *format, va_list args)
{
    struct http_server *s = cls;
    char text[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)vsnprintf(text, sizeof(text), format, args);
#pragma GCC diagnostic pop
    LOG_AT(s->opts.log, LOG_DEBUG, "libmicrohttpd", LOG_STR("text", str_trim(str_c(text))));
}

bool engine_open(struct http_server *s, struct error *e)
{
    const unsigned flags = MHD_USE_EPOLL | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC |
                           MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG;
    sigset_t all;
    sigset_t old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old); // Its threads take no signals.
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_access, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, s,
        MHD_OPTION_THREAD_POOL_SIZE, s->opts.io_threads, MHD_OPTION_CONNECTION_LIMIT,
        LIBRARY_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, POOL_BYTES,
        MHD_OPTION_CONNECTION_TIMEOUT, 0U, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_URI_LOG_CALLBACK, on_request_line, s, MHD_OPTION_UNESCAPE_CALLBACK, on_unescape,
        s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, s, MHD_OPTION_END);
    const int reason = errno;
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (s->daemon == NULL) {
        return err_errno(e, reason ? reason : EINVAL, "cannot start the HTTP server's threads");
    }
    return true;
}

bool engine_add(struct http_server *s, int fd, const void *address, u32 address_bytes)
{
    return MHD_add_connection(s->daemon, fd, address, address_bytes) == MHD_YES;
}

void engine_close(struct http_server *s)
{
    if (s->daemon != NULL) {
        MHD_stop_daemon(s->daemon);
        s->daemon = NULL;
    }
}

void engine_suspend(struct http_exchange *x)
{
    if (x->stream != NULL) {
        door_phase(x->server, x->slot, PHASE_HANDLER, x->rq.deadline_mono_ns, x);
    }
    MHD_suspend_connection(x->connection);
}

void engine_resume(struct http_exchange *x)
{
    MHD_resume_connection(x->connection);
}
