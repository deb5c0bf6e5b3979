// sock_mem.c: sockets within the process: two bounded pipes per connection, one lock for all.
#include "base/error.h"
#include "os/clk.h"
#include "os/sock.h"
#include "os/sock_inner.h"
#include "os/thr.h"

#include <stdio.h>

#define PIPE_BYTES    ((size_t)64 << 10)
#define BACKLOG_MAX   16
#define PORT_FIRST    49152
#define HOST_PORT_MAX 280

// Threads: guarded by the lock of the net_mem around it.
struct pipe {
    u8 bytes[PIPE_BYTES];
    size_t first;
    size_t count;
    bool writer_gone;
    bool reader_gone;
};

// Both pipes of a connection; counted by its two ends. Threads: guarded by the same lock.
struct link {
    struct pipe pipes[2];
    u32 ends;
};

// Threads: guarded by lock.
struct net_mem {
    struct net_seam base;
    struct lock lock;
    struct cond changed;
    struct mem_sock *listeners;
    u16 next_port;
    u32 open;
};

// A listener (link NULL) or one end of a link. Threads: guarded by the lock of its net_mem.
struct mem_sock {
    struct sock base;
    struct net_mem *net;
    struct link *link;
    u32 side; // Reads pipes[side], writes pipes[1 - side].
    u16 port;
    char name[HOST_PORT_MAX]; // host:port, of a listener.
    struct mem_sock *waiting[BACKLOG_MAX];
    u32 waiting_count;
    struct mem_sock *next;
};

static const struct net_ops mem_ops;

static struct mem_sock *mem_of(struct sock *s)
{
    return CONTAINER_OF(s, struct mem_sock, base);
}

static struct net_mem *net_of(struct net_seam *n)
{
    return CONTAINER_OF(n, struct net_mem, base);
}

static struct mem_sock *mem_sock_new(struct net_mem *n, u16 port)
{
    struct mem_sock *s = MEM_NEW(struct mem_sock);
    s->base.ops = &mem_ops;
    s->net = n;
    s->port = port;
    n->open++;
    return s;
}

// Waits for a change until the deadline; false once it has passed. Called under the lock.
static bool await(struct net_mem *n, i64 timeout_ms, i64 start)
{
    if (timeout_ms < 0) {
        cond_wait(&n->changed, &n->lock);
        return true;
    }
    i64 passed = clk_mono_ms(clk_real()) - start;
    if (passed >= timeout_ms) {
        return false;
    }
    (void)cond_wait_ms(&n->changed, &n->lock, timeout_ms - passed);
    return true;
}

static struct mem_sock *listener_find(const struct net_mem *n, const char *name)
{
    struct mem_sock *l = n->listeners;
    while (l && strcmp(l->name, name) != 0) {
        l = l->next;
    }
    return l;
}

static struct sock *mem_dial(struct net_seam *seam, str host, u16 port, i64 timeout_ms,
                             struct error *e)
{
    (void)timeout_ms; // It is decided at once.
    struct net_mem *n = net_of(seam);
    char name[HOST_PORT_MAX];
    (void)snprintf(name, sizeof(name), "%.*s:%u", STR_ARG(host), (unsigned)port);
    struct mem_sock *near = NULL;
    lock_take(&n->lock);
    struct mem_sock *listener = listener_find(n, name);
    if (listener && listener->waiting_count < BACKLOG_MAX) {
        near = mem_sock_new(n, n->next_port++);
        struct mem_sock *far = mem_sock_new(n, port);
        near->link = far->link = MEM_NEW(struct link);
        near->link->ends = 2;
        far->side = 1;
        listener->waiting[listener->waiting_count++] = far;
        cond_broadcast(&n->changed);
    }
    lock_drop(&n->lock);
    if (!near) {
        return err_null(e, ERR_UNAVAILABLE, "%s: connecting: Connection refused", name);
    }
    return &near->base;
}

static struct sock *mem_listen(struct net_seam *seam, str host, u16 port, struct error *e)
{
    struct net_mem *n = net_of(seam);
    lock_take(&n->lock);
    struct mem_sock *s = mem_sock_new(n, port ? port : n->next_port++);
    (void)snprintf(s->name, sizeof(s->name), "%.*s:%u", STR_ARG(host), (unsigned)s->port);
    bool taken = listener_find(n, s->name) != NULL;
    if (taken) {
        n->open--;
        mem_free(s);
    } else {
        s->next = n->listeners;
        n->listeners = s;
    }
    lock_drop(&n->lock);
    if (taken) {
        return err_null(e, ERR_IO, "%.*s:%u: listening: Address already in use", STR_ARG(host),
                        (unsigned)port);
    }
    return &s->base;
}

static struct sock *mem_accept(struct sock *listener, i64 timeout_ms, struct error *e)
{
    struct mem_sock *l = mem_of(listener);
    struct net_mem *n = l->net;
    i64 start = clk_mono_ms(clk_real());
    struct mem_sock *taken = NULL;
    lock_take(&n->lock);
    while (l->waiting_count == 0 && await(n, timeout_ms, start)) {
    }
    if (l->waiting_count > 0) {
        taken = l->waiting[0];
        l->waiting_count--;
        memmove(&l->waiting[0], &l->waiting[1], l->waiting_count * sizeof(struct mem_sock *));
    }
    lock_drop(&n->lock);
    if (!taken) {
        return err_null(e, ERR_TIMEOUT, "accepting: no answer within the time-out");
    }
    return &taken->base;
}

static bool mem_read(struct sock *s, void *out, size_t len, size_t *got, i64 timeout_ms,
                     struct error *e)
{
    struct mem_sock *m = mem_of(s);
    struct net_mem *n = m->net;
    struct pipe *p = &m->link->pipes[m->side];
    i64 start = clk_mono_ms(clk_real());
    lock_take(&n->lock);
    bool in_time = true;
    while (p->count == 0 && !p->writer_gone && in_time) {
        in_time = await(n, timeout_ms, start);
    }
    size_t count = MIN(len, p->count);
    bool ok = p->count > 0 || p->writer_gone;
    for (size_t i = 0; i < count; i++) {
        ((u8 *)out)[i] = p->bytes[(p->first + i) % PIPE_BYTES];
    }
    p->first = (p->first + count) % PIPE_BYTES;
    p->count -= count;
    cond_broadcast(&n->changed);
    lock_drop(&n->lock);
    if (!ok) {
        return err_set(e, ERR_TIMEOUT, "reading from the peer: no answer within the time-out");
    }
    *got = count;
    return true;
}

static bool mem_write(struct sock *s, const void *bytes, size_t len, i64 timeout_ms,
                      struct error *e)
{
    struct mem_sock *m = mem_of(s);
    struct net_mem *n = m->net;
    struct pipe *p = &m->link->pipes[1 - m->side];
    const u8 *in = bytes;
    i64 start = clk_mono_ms(clk_real());
    size_t done = 0;
    lock_take(&n->lock);
    bool in_time = true;
    while (done < len && !p->reader_gone && in_time) {
        size_t count = MIN(len - done, PIPE_BYTES - p->count);
        for (size_t i = 0; i < count; i++) {
            p->bytes[(p->first + p->count + i) % PIPE_BYTES] = in[done + i];
        }
        p->count += count;
        done += count;
        cond_broadcast(&n->changed);
        in_time = done == len || await(n, timeout_ms, start);
    }
    bool gone = p->reader_gone;
    lock_drop(&n->lock);
    if (done == len) {
        return true;
    }
    return gone ? err_set(e, ERR_UNAVAILABLE, "writing to the peer: Broken pipe")
                : err_set(e, ERR_TIMEOUT, "writing to the peer: no answer within the time-out");
}

static u16 mem_local_port(struct sock *s)
{
    return mem_of(s)->port;
}

// Called under the lock.
static void end_close(struct mem_sock *m)
{
    struct link *l = m->link;
    l->pipes[m->side].reader_gone = true;
    l->pipes[1 - m->side].writer_gone = true;
    if (--l->ends == 0) {
        mem_free(l);
    }
    m->net->open--;
    mem_free(m);
}

static void mem_close(struct sock *s)
{
    struct mem_sock *m = mem_of(s);
    struct net_mem *n = m->net;
    lock_take(&n->lock);
    if (m->link) {
        end_close(m);
    } else {
        for (u32 i = 0; i < m->waiting_count; i++) {
            end_close(m->waiting[i]);
        }
        struct mem_sock **at = &n->listeners;
        while (*at != m) {
            at = &(*at)->next;
        }
        *at = m->next;
        n->open--;
        mem_free(m);
    }
    cond_broadcast(&n->changed);
    lock_drop(&n->lock);
}

static const struct net_ops mem_ops = {
    .dial = mem_dial,
    .listen = mem_listen,
    .accept = mem_accept,
    .read = mem_read,
    .write = mem_write,
    .local_port = mem_local_port,
    .close = mem_close,
};

struct net_seam *net_mem_new(void)
{
    struct net_mem *n = MEM_NEW(struct net_mem);
    n->base.ops = &mem_ops;
    n->next_port = PORT_FIRST;
    lock_init(&n->lock, LOCK_LEAF, "net_mem");
    cond_init(&n->changed);
    return &n->base;
}

void net_mem_free(struct net_seam *n)
{
    if (n) {
        struct net_mem *m = net_of(n);
        CHECK(m->open == 0 && "a socket is still open");
        cond_fini(&m->changed);
        lock_fini(&m->lock);
        mem_free(m);
    }
}
