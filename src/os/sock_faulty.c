// sock_faulty.c: passes every call on to another seam and fails the chosen one as a reset would.
#include "base/error.h"
#include "os/sock.h"
#include "os/sock_inner.h"

#include <stdatomic.h>

// Threads: nth is set while no call is under way; the count is atomic.
struct net_faulty {
    struct net_seam base;
    struct net_seam *inner;
    u64 nth;
    _Atomic(u64) calls;
};

// Threads: owned.
struct faulty_sock {
    struct sock base;
    struct net_faulty *net;
    struct sock *inner;
    bool reset; // Once reset, a connection stays so.
};

static const struct net_ops faulty_ops;

static struct net_faulty *net_of(struct net_seam *n)
{
    return CONTAINER_OF(n, struct net_faulty, base);
}

static struct faulty_sock *faulty_of(struct sock *s)
{
    return CONTAINER_OF(s, struct faulty_sock, base);
}

static bool passes(struct net_faulty *n, const char *doing, struct error *e)
{
    u64 call = atomic_fetch_add(&n->calls, 1) + 1;
    return call != n->nth || err_set(e, ERR_UNAVAILABLE, "%s: Connection reset by peer", doing);
}

static bool sock_passes(struct faulty_sock *f, const char *doing, struct error *e)
{
    if (f->reset) {
        return err_set(e, ERR_UNAVAILABLE, "%s: Connection reset by peer", doing);
    }
    f->reset = !passes(f->net, doing, e);
    return !f->reset;
}

static struct sock *wrap(struct net_faulty *n, struct sock *inner)
{
    if (!inner) {
        return NULL;
    }
    struct faulty_sock *f = MEM_NEW(struct faulty_sock);
    f->base.ops = &faulty_ops;
    f->net = n;
    f->inner = inner;
    return &f->base;
}

static struct sock *faulty_dial(struct net_seam *seam, str host, u16 port, i64 timeout_ms,
                                struct error *e)
{
    struct net_faulty *n = net_of(seam);
    return passes(n, "connecting", e) ? wrap(n, sock_dial(n->inner, host, port, timeout_ms, e))
                                      : NULL;
}

static struct sock *faulty_listen(struct net_seam *seam, str host, u16 port, struct error *e)
{
    struct net_faulty *n = net_of(seam);
    return passes(n, "listening", e) ? wrap(n, sock_listen(n->inner, host, port, e)) : NULL;
}

static struct sock *faulty_accept(struct sock *listener, i64 timeout_ms, struct error *e)
{
    const struct faulty_sock *f = faulty_of(listener);
    return passes(f->net, "accepting", e) ? wrap(f->net, sock_accept(f->inner, timeout_ms, e))
                                          : NULL;
}

static bool faulty_read(struct sock *s, void *out, size_t len, size_t *got, i64 timeout_ms,
                        struct error *e)
{
    struct faulty_sock *f = faulty_of(s);
    return sock_passes(f, "reading from the peer", e) &&
           sock_read(f->inner, out, len, got, timeout_ms, e);
}

static bool faulty_write(struct sock *s, const void *bytes, size_t len, i64 timeout_ms,
                         struct error *e)
{
    struct faulty_sock *f = faulty_of(s);
    return sock_passes(f, "writing to the peer", e) &&
           sock_write(f->inner, (str){bytes, len}, timeout_ms, e);
}

static u16 faulty_local_port(struct sock *s)
{
    return sock_local_port(faulty_of(s)->inner);
}

static void faulty_close(struct sock *s)
{
    sock_close(faulty_of(s)->inner);
    mem_free(faulty_of(s));
}

static const struct net_ops faulty_ops = {
    .dial = faulty_dial,
    .listen = faulty_listen,
    .accept = faulty_accept,
    .read = faulty_read,
    .write = faulty_write,
    .local_port = faulty_local_port,
    .close = faulty_close,
};

struct net_seam *net_faulty_new(struct net_seam *inner)
{
    struct net_faulty *n = MEM_NEW(struct net_faulty);
    n->base.ops = &faulty_ops;
    n->inner = inner;
    return &n->base;
}

void net_faulty_free(struct net_seam *n)
{
    if (n) {
        mem_free(net_of(n));
    }
}

void net_faulty_arm(struct net_seam *n, u64 nth)
{
    net_of(n)->nth = nth;
    atomic_store(&net_of(n)->calls, 0);
}
