// sock_real.c: TCP through the kernel. Every descriptor is non-blocking; waiting is poll's.
#include "base/error.h"
#include "os/clk.h"
#include "os/sock.h"
#include "os/sock_inner.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST_MAX 256

// Threads: owned; the descriptor is frozen.
struct real_sock {
    struct sock base;
    int fd;
};

static struct real_sock *real_of(struct sock *s)
{
    return CONTAINER_OF(s, struct real_sock, base);
}

// When a wait ends; INT64_MAX for never.
static i64 deadline_of(i64 timeout_ms)
{
    i64 now = clk_mono_ms(clk_real());
    return timeout_ms < 0 || timeout_ms > INT64_MAX - now ? INT64_MAX : now + timeout_ms;
}

static bool fail(struct error *e, int errno_value, const char *doing)
{
    if (errno_value == ETIMEDOUT) {
        return err_set(e, ERR_TIMEOUT, "%s: no answer within the time-out", doing);
    }
    if (errno_value == ECONNREFUSED || errno_value == ECONNRESET || errno_value == EPIPE ||
        errno_value == EHOSTUNREACH || errno_value == ENETUNREACH || errno_value == ECONNABORTED) {
        (void)err_errno(e, errno_value, "%s", doing);
        if (e) {
            e->code = ERR_UNAVAILABLE;
        }
        return false;
    }
    return err_errno(e, errno_value, "%s", doing);
}

// Waits until the descriptor is ready; 0, ETIMEDOUT or another errno.
static int wait_for(int fd, short events, i64 deadline)
{
    for (;;) {
        i64 left = deadline == INT64_MAX ? INT_MAX : deadline - clk_mono_ms(clk_real());
        struct pollfd p = {.fd = fd, .events = events};
        int ready = poll(&p, 1, (int)MIN(MAX(left, 0), INT_MAX));
        if (ready > 0) {
            return 0;
        }
        if (ready < 0 && errno != EINTR) {
            return errno;
        }
        if (ready == 0 && deadline != INT64_MAX && left <= INT_MAX) {
            return ETIMEDOUT;
        }
    }
}

static const struct net_ops real_ops;

static struct sock *sock_of_fd(int fd)
{
    struct real_sock *s = MEM_NEW(struct real_sock);
    s->base.ops = &real_ops;
    s->fd = fd;
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); // Small answers go at once.
    return &s->base;
}

static struct addrinfo *look_up(str host, u16 port, int flags, struct error *e)
{
    char name[HOST_MAX];
    char service[8];
    if (host.len >= sizeof(name) || (host.len > 0 && memchr(host.ptr, '\0', host.len))) {
        return err_null(e, ERR_INVALID, "a host name of %zu bytes is no host name", host.len);
    }
    (void)snprintf(name, sizeof(name), "%.*s", STR_ARG(host));
    (void)snprintf(service, sizeof(service), "%u", (unsigned)port);
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    struct addrinfo *found = NULL;
    int status = getaddrinfo(name, service, &hints, &found);
    if (status != 0) {
        return err_null(e, ERR_UNAVAILABLE, "looking up %s: %s", name, gai_strerror(status));
    }
    return found;
}

// Connects to one address; a descriptor, or -1 and an errno in *reason.
static int connect_one(const struct addrinfo *to, i64 deadline, int *reason)
{
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        *reason = errno;
        return -1;
    }
    *reason = connect(fd, to->ai_addr, to->ai_addrlen) == 0 ? 0 : errno;
    if (*reason == EINPROGRESS || *reason == EINTR) {
        *reason = wait_for(fd, POLLOUT, deadline);
        socklen_t len = sizeof(*reason);
        if (*reason == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, reason, &len) != 0) {
            *reason = errno;
        }
    }
    if (*reason != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static struct sock *real_dial(struct net_seam *n, str host, u16 port, i64 timeout_ms,
                              struct error *e)
{
    (void)n;
    i64 deadline = deadline_of(timeout_ms);
    struct addrinfo *found = look_up(host, port, 0, e);
    if (!found) {
        return NULL;
    }
    int reason = EHOSTUNREACH;
    int fd = -1;
    for (const struct addrinfo *to = found; to && fd < 0; to = to->ai_next) {
        fd = connect_one(to, deadline, &reason);
    }
    freeaddrinfo(found);
    if (fd < 0) {
        (void)fail(e, reason, "connecting");
        (void)err_in(e, "%.*s:%u", STR_ARG(host), (unsigned)port);
        return NULL;
    }
    return sock_of_fd(fd);
}

static struct sock *real_listen(struct net_seam *n, str host, u16 port, struct error *e)
{
    (void)n;
    struct addrinfo *found = look_up(host, port, AI_PASSIVE | AI_NUMERICHOST, e);
    if (!found) {
        return NULL;
    }
    int on = 1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
              bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 128) == 0;
    int reason = errno;
    freeaddrinfo(found);
    if (ok) {
        return sock_of_fd(fd);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    (void)fail(e, reason, "listening");
    (void)err_in(e, "%.*s:%u", STR_ARG(host), (unsigned)port);
    return NULL;
}

static struct sock *real_accept(struct sock *listener, i64 timeout_ms, struct error *e)
{
    i64 deadline = deadline_of(timeout_ms);
    for (;;) {
        int fd = accept4(real_of(listener)->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            return sock_of_fd(fd);
        }
        int reason = errno;
        if (reason == EAGAIN) {
            reason = wait_for(real_of(listener)->fd, POLLIN, deadline);
        } else if (reason == EINTR || reason == ECONNABORTED) {
            reason = 0; // That one is gone; the next may stand behind it.
        }
        if (reason != 0) {
            (void)fail(e, reason, "accepting");
            return NULL;
        }
    }
}

static bool real_read(struct sock *s, void *out, size_t len, size_t *got, i64 timeout_ms,
                      struct error *e)
{
    i64 deadline = deadline_of(timeout_ms);
    for (;;) {
        ssize_t count = recv(real_of(s)->fd, out, len, 0);
        if (count >= 0) {
            *got = (size_t)count;
            return true;
        }
        int reason = errno;
        if (reason == EAGAIN) {
            reason = wait_for(real_of(s)->fd, POLLIN, deadline);
        }
        if (reason != 0 && reason != EINTR) {
            return fail(e, reason, "reading from the peer");
        }
    }
}

static bool real_write(struct sock *s, const void *bytes, size_t len, i64 timeout_ms,
                       struct error *e)
{
    i64 deadline = deadline_of(timeout_ms);
    const u8 *at = bytes;
    while (len > 0) {
        ssize_t count = send(real_of(s)->fd, at, len, MSG_NOSIGNAL);
        if (count >= 0) {
            at += count;
            len -= (size_t)count;
            continue;
        }
        int reason = errno;
        if (reason == EAGAIN) {
            reason = wait_for(real_of(s)->fd, POLLOUT, deadline);
        }
        if (reason != 0 && reason != EINTR) {
            return fail(e, reason, "writing to the peer");
        }
    }
    return true;
}

static u16 real_local_port(struct sock *s)
{
    struct sockaddr_storage address;
    memset(&address, 0, sizeof(address));
    socklen_t len = sizeof(address);
    if (getsockname(real_of(s)->fd, (struct sockaddr *)&address, &len) != 0) {
        return 0;
    }
    if (address.ss_family == AF_INET6) {
        return ntohs(((const struct sockaddr_in6 *)&address)->sin6_port);
    }
    return ntohs(((const struct sockaddr_in *)&address)->sin_port);
}

static void real_close(struct sock *s)
{
    (void)close(real_of(s)->fd);
    mem_free(real_of(s));
}

static const struct net_ops real_ops = {
    .dial = real_dial,
    .listen = real_listen,
    .accept = real_accept,
    .read = real_read,
    .write = real_write,
    .local_port = real_local_port,
    .close = real_close,
};

struct net_seam *net_real(void)
{
    static struct net_seam real = {&real_ops};
    return &real;
}
