// sock.c: the fronts of sock.h.
#include "os/sock.h"

#include "os/sock_inner.h"

struct sock *sock_dial(struct net_seam *n, str host, u16 port, i64 timeout_ms, struct error *e)
{
    return n->ops->dial(n, host, port, timeout_ms, e);
}

struct sock *sock_listen(struct net_seam *n, str host, u16 port, struct error *e)
{
    return n->ops->listen(n, host, port, e);
}

struct sock *sock_accept(struct sock *listener, i64 timeout_ms, struct error *e)
{
    return listener->ops->accept(listener, timeout_ms, e);
}

bool sock_read(struct sock *s, void *out, size_t len, size_t *got, i64 timeout_ms, struct error *e)
{
    return s->ops->read(s, out, len, got, timeout_ms, e);
}

bool sock_write(struct sock *s, str bytes, i64 timeout_ms, struct error *e)
{
    return s->ops->write(s, bytes.ptr, bytes.len, timeout_ms, e);
}

u16 sock_local_port(struct sock *s)
{
    return s->ops->local_port(s);
}

void sock_close(struct sock *s)
{
    if (s) {
        s->ops->close(s);
    }
}
