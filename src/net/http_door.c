// http_door.c: lets connections in and keeps the time of all of them.
//
// The door thread sleeps on the listening socket. Ten times a second it goes through the open
// connections: who is over its deadline is shut down (its I/O thread then sees the end), whose
// handler is over it is cancelled. Connections whose handler runs are suspended, so the library
// does not look at them: the door asks the kernel whether their client has left (POLLRDHUP).
// (I1) shutdown is called under the lock and only on a socket whose slot is taken; door_leave,
//      which the library calls before it closes the socket, takes the same lock. So it never hits a
//      descriptor that has been given to somebody else.
// Cost: O(connections) every HTTP_DOOR_TICK_MS, one poll of the suspended ones.
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "client/tidemark.h"
#include "net/http_inner.h"
#include "os/clk.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define HTTP_DOOR_TICK_MS 100
#define ADDRESS_BYTES_MAX 300

u32 door_enter(struct http_server *s, int fd)
{
    struct http_door *d = &s->door;
    const i64 now_ns = clk_mono_ns(s->opts.clk);
    lock_take(&d->lock);
    const u32 slot = d->free_first;
    if (slot != SLOT_NONE) {
        struct http_conn *c = &d->conns[slot];
        d->free_first = c->next_free;
        d->conn_count++;
        *c = (struct http_conn){.fd = fd, .serial = ++d->serial_next, .phase = PHASE_HEAD};
        c->since_ns = now_ns;
        c->deadline_ns = now_ns + (i64)s->opts.header_ms * 1000000;
    }
    lock_drop(&d->lock);
    return slot;
}

void door_leave(struct http_server *s, u32 slot)
{
    struct http_door *d = &s->door;
    lock_take(&d->lock);
    struct http_conn *c = &d->conns[slot];
    CHECK(c->fd >= 0);
    c->fd = -1;
    c->x = NULL;
    c->next_free = d->free_first;
    d->free_first = slot;
    d->conn_count--;
    lock_drop(&d->lock);
}

void door_phase(struct http_server *s, u32 slot, enum http_phase phase, i64 deadline_ns,
                struct http_exchange *x)
{
    struct http_door *d = &s->door;
    const i64 now_ns = clk_mono_ns(s->opts.clk);
    lock_take(&d->lock);
    struct http_conn *c = &d->conns[slot];
    if (c->phase != phase) {
        c->since_ns = now_ns;
    }
    c->phase = phase;
    c->deadline_ns = deadline_ns;
    c->x = x;
    lock_drop(&d->lock);
}

void door_head(struct http_server *s, u32 slot)
{
    struct http_door *d = &s->door;
    const i64 now_ns = clk_mono_ns(s->opts.clk);
    lock_take(&d->lock);
    struct http_conn *c = &d->conns[slot];
    if (c->phase != PHASE_HEAD) { // Else the clock has run since accept.
        c->phase = PHASE_HEAD;
        c->since_ns = now_ns;
        c->deadline_ns = now_ns + (i64)s->opts.header_ms * 1000000;
    }
    lock_drop(&d->lock);
}

u32 door_count(struct http_server *s, enum http_phase phase)
{
    struct http_door *d = &s->door;
    u32 count = 0;
    lock_take(&d->lock);
    for (u32 i = 0; i < d->conn_max; i++) {
        count += d->conns[i].fd >= 0 && d->conns[i].phase == phase;
    }
    lock_drop(&d->lock);
    return count;
}

void door_cancel_all(struct http_server *s, bool abandon)
{
    struct http_door *d = &s->door;
    u32 abandoned = 0;
    lock_take(&d->lock);
    for (u32 i = 0; i < d->conn_max; i++) {
        struct http_exchange *x = d->conns[i].fd >= 0 ? d->conns[i].x : NULL;
        if (x != NULL) {
            __atomic_store_n(&x->rq.cancelled, 1, __ATOMIC_RELAXED);
        }
        if (x != NULL && abandon) {
            abandoned += exchange_abandon(x);
        }
    }
    lock_drop(&d->lock);
    if (abandoned > 0) {
        LOGF(s->opts.log, LOG_WARN, "%u requests were not finished before the server stopped",
             abandoned);
    }
}

// Under the lock: (I1).
static void conn_evict(struct http_server *s, struct http_conn *c)
{
    c->evicted = true;
    (void)shutdown(c->fd, SHUT_RDWR);
    gauge_evicted(s, c->phase);
}

// Deals with the deadlines; lists who is suspended. Returns how many.
static u32 sweep_deadlines(struct http_server *s)
{
    struct http_door *d = &s->door;
    const i64 now_ns = clk_mono_ns(s->opts.clk);
    u32 suspended = 0;
    lock_take(&d->lock);
    for (u32 i = 0; i < d->conn_max; i++) {
        struct http_conn *c = &d->conns[i];
        if (c->fd < 0) {
            continue;
        }
        const bool late = c->deadline_ns != 0 && now_ns >= c->deadline_ns;
        if (c->phase == PHASE_HANDLER) {
            // A handler's time being up only cancels: its answer tells the client why.
            if (late && c->x != NULL) {
                __atomic_store_n(&c->x->rq.cancelled, 1, __ATOMIC_RELAXED);
            }
            d->polls[suspended] = (struct pollfd){.fd = c->fd, .events = POLLRDHUP};
            d->poll_serials[suspended] = c->serial;
            d->poll_slots[suspended++] = i;
        } else if (late && !c->evicted) {
            conn_evict(s, c);
        }
    }
    lock_drop(&d->lock);
    return suspended;
}

// A descriptor may have been closed and given away since it was listed: what the kernel says of it
// counts only if its slot still has the same serial, which means that it was open all the time.
static void sweep_leavers(struct http_server *s, u32 suspended)
{
    struct http_door *d = &s->door;
    if (suspended == 0 || poll(d->polls, suspended, 0) <= 0) {
        return;
    }
    lock_take(&d->lock);
    for (u32 i = 0; i < suspended; i++) {
        struct http_conn *c = &d->conns[d->poll_slots[i]];
        const bool left = (d->polls[i].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
        if (left && c->fd >= 0 && c->serial == d->poll_serials[i] && c->x != NULL &&
            c->phase == PHASE_HANDLER && !c->left) {
            c->left = true; // Not evicted: it may still read its answer, and must do so in time.
            __atomic_store_n(&c->x->rq.cancelled, 1, __ATOMIC_RELAXED);
            tmk_counter_inc(s->gauge.left);
        }
    }
    lock_drop(&d->lock);
}

static void refuse_fd(struct http_server *s, int fd)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
                                 "Retry-After: 10\r\nContent-Length: 21\r\n\r\n"
                                 "too many connections\n";
    gauge_refused(s, REFUSED_CONNECTIONS);
    (void)send(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)close(fd);
}

static bool door_is_full(struct http_server *s)
{
    lock_take(&s->door.lock);
    const bool full = s->door.conn_count >= s->door.conn_max;
    lock_drop(&s->door.lock);
    return full;
}

// Takes what waits at the listening socket, a bounded number at a time so that deadlines are kept.
static void accept_some(struct http_server *s)
{
    for (u32 i = 0; i < 256; i++) {
        struct sockaddr_storage address;
        socklen_t bytes = sizeof(address);
        const int fd = accept4(s->door.listen_fd, (struct sockaddr *)&address, &bytes,
                               SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
                gauge_refused(s, REFUSED_FILES);
                (void)stop_sleep_ms(s->door.stop, HTTP_DOOR_TICK_MS);
            }
            return;
        }
        const int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (door_is_full(s)) {
            refuse_fd(s, fd);
        } else if (!engine_add(s, fd, &address, bytes)) { // It has closed fd.
            gauge_refused(s, REFUSED_CONNECTIONS);
        }
    }
}

static void door_run(void *arg)
{
    struct http_server *s = arg;
    struct http_door *d = &s->door;
    i64 next_ms = clk_mono_ms(s->opts.clk);
    while (!stop_is_set(d->stop)) {
        const i64 now_ms = clk_mono_ms(s->opts.clk);
        if (now_ms >= next_ms) {
            sweep_leavers(s, sweep_deadlines(s));
            exchange_sweep(s);
            next_ms = now_ms + HTTP_DOOR_TICK_MS;
        }
        const bool open = !__atomic_load_n(&s->stopping, __ATOMIC_SEQ_CST);
        if (!open && d->listen_fd >= 0) { // Nobody shall wait in the backlog of a dying server.
            (void)close(d->listen_fd);
            d->listen_fd = -1;
        }
        struct pollfd fds[2] = {{.fd = stop_fd(d->stop), .events = POLLIN},
                                {.fd = d->listen_fd, .events = POLLIN}};
        const i64 wait_ms = MAX(next_ms - clk_mono_ms(s->opts.clk), 0);
        if (poll(fds, open ? 2 : 1, (int)MIN(wait_ms, HTTP_DOOR_TICK_MS)) > 0 && open &&
            (fds[1].revents & POLLIN) != 0) {
            accept_some(s);
        }
    }
}

// "host:port", "[v6]:port", ":port" apart. host is empty for all addresses.
static bool address_split(const char *address, char *host, char *port, struct error *e)
{
    const str text = str_c(address);
    const size_t colon = str_find_last(text, ':');
    str name = str_sub(text, 0, colon == STR_NONE ? 0 : colon);
    const str number = colon == STR_NONE ? STR_EMPTY : str_sub(text, colon + 1, text.len);
    u64 value;
    if (name.len >= 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']') {
        name = str_sub(name, 1, name.len - 1);
    }
    if (!parse_u64(number, &value) || value > UINT16_MAX || name.len >= ADDRESS_BYTES_MAX - 1) {
        return err_set(e, ERR_INVALID, "listen address \"%s\" is not host:port", address);
    }
    (void)snprintf(host, ADDRESS_BYTES_MAX, "%.*s", STR_ARG(name));
    (void)snprintf(port, 16, "%u", (unsigned)value);
    return true;
}

static bool bind_one(struct http_server *s, const struct addrinfo *ai, struct error *e)
{
    const int on = 1;
    const int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return err_errno(e, errno, "cannot listen on %s", s->address);
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0) {
        const int reason = errno;
        (void)close(fd);
        return err_errno(e, reason, "cannot listen on %s", s->address);
    }
    struct sockaddr_storage bound;
    socklen_t bytes = sizeof(bound);
    char port[16];
    u64 value = 0;
    if (getsockname(fd, (struct sockaddr *)&bound, &bytes) == 0 &&
        getnameinfo((struct sockaddr *)&bound, bytes, NULL, 0, port, sizeof(port),
                    NI_NUMERICSERV) == 0 &&
        parse_u64(str_c(port), &value)) {
        s->door.port = (u16)value;
    }
    s->door.listen_fd = fd;
    return true;
}

static bool listen_open(struct http_server *s, struct error *e)
{
    char host[ADDRESS_BYTES_MAX] = "";
    char port[16];
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    if (!address_split(s->address, host, port, e)) {
        return false;
    }
    const int failed = getaddrinfo(host[0] ? host : NULL, port, &hints, &found);
    if (failed != 0 || found == NULL) {
        return err_set(e, ERR_INVALID, "listen address \"%s\": %s", s->address,
                       gai_strerror(failed));
    }
    // For all addresses prefer the family that takes both.
    const struct addrinfo *best = found;
    for (const struct addrinfo *ai = found; ai != NULL && host[0] == '\0'; ai = ai->ai_next) {
        best = ai->ai_family == AF_INET6 ? ai : best;
    }
    struct error first = {0};
    bool ok = bind_one(s, best, &first);
    if (!ok && best != found) {
        ok = bind_one(s, found, &first); // A machine without IPv6.
    }
    freeaddrinfo(found);
    if (!ok && e != NULL) {
        *e = first;
    }
    return ok;
}

bool door_open(struct http_server *s, struct error *e)
{
    struct http_door *d = &s->door;
    d->conn_max = s->opts.connections_max;
    d->conns = MEM_NEW_N(struct http_conn, d->conn_max);
    d->polls = MEM_NEW_N(struct pollfd, d->conn_max);
    d->poll_serials = MEM_NEW_N(u64, d->conn_max);
    d->poll_slots = MEM_NEW_N(u32, d->conn_max);
    for (u32 i = 0; i < d->conn_max; i++) {
        d->conns[i].fd = -1;
        d->conns[i].next_free = i + 1 < d->conn_max ? i + 1 : SLOT_NONE;
    }
    if (!listen_open(s, e)) {
        return false;
    }
    d->stop = stop_new();
    d->thr = thr_start("http-door", door_run, s, e);
    return d->thr != NULL;
}

void door_shut(struct http_server *s)
{
    struct http_door *d = &s->door;
    lock_take(&d->lock);
    for (u32 i = 0; i < d->conn_max; i++) {
        struct http_conn *c = &d->conns[i];
        if (c->fd >= 0 && c->phase == PHASE_IDLE && !c->evicted) {
            c->evicted = true;
            (void)shutdown(c->fd, SHUT_RDWR);
        }
    }
    lock_drop(&d->lock);
}

void door_close(struct http_server *s)
{
    struct http_door *d = &s->door;
    if (d->stop != NULL) {
        stop_set(d->stop);
    }
    thr_join(d->thr);
    d->thr = NULL;
    if (d->stop != NULL) {
        stop_free(d->stop);
        d->stop = NULL;
    }
    if (d->listen_fd >= 0) {
        (void)close(d->listen_fd);
        d->listen_fd = -1;
    }
}
