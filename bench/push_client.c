#include "bench/push_client.h"

#include "base/buf.h"
#include "base/str.h"
#include "wire/pb.h"
#include "wire/snappy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MAX = 65536 };

f64 push_now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (f64)t.tv_sec + (f64)t.tv_nsec / 1e9;
}

void push_label_put(struct buf *out, const char *name, const char *value)
{
    size_t mark = pbw_begin(out, 1);
    pbw_bytes(out, 1, str_c(name));
    pbw_bytes(out, 2, str_c(value));
    pbw_end(out, mark);
}

void push_request_make(struct buf *out, u16 port, str message, u64 *bytes)
{
    struct buf body;
    buf_init(&body, PUSH_REQUEST_MAX);
    snappy_encode(message, &body);
    buf_printf(out,
               "POST /api/v1/write HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: "
               "application/x-protobuf\r\nContent-Encoding: snappy\r\n"
               "X-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: %zu\r\n\r\n",
               port, body.len);
    buf_str(out, buf_get(&body));
    CHECK(buf_ok(&body) && buf_ok(out));
    *bytes = body.len;
    buf_fini(&body);
}

void push_client_open(struct push_client *c, u16 port)
{
    int one = 1;
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *c = (struct push_client){.port = port, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    bool ok = c->fd >= 0 && connect(c->fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
              setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0;
    if (!ok) {
        push_client_close(c);
    }
}

void push_client_close(struct push_client *c)
{
    if (c->fd >= 0) {
        (void)close(c->fd);
    }
    c->fd = -1;
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

u32 push_client_ask(struct push_client *c, str request)
{
    u32 status = c->fd >= 0 && send_all(c->fd, request) ? answer_read(c->fd) : 0;
    if (status == 0) {
        push_client_close(c);
    }
    return status;
}
