// sock.h: stream sockets as a replaceable seam: real loopback and TCP, in memory, faulty.
//
// Used where no library owns the socket. Reads and writes honour a time-out in milliseconds and
// then say ERR_TIMEOUT; 0 only asks, < 0 waits on. A peer that went away is ERR_UNAVAILABLE.
// Threads: a struct net_seam is frozen; a struct sock is owned.
#ifndef OS_SOCK_H
#define OS_SOCK_H

#include "base/base.h"

struct error;
struct sock;

struct net_seam {
    const struct net_ops *ops;
};
struct net_ops {
    struct sock *(*dial)(struct net_seam *n, str host, u16 port, i64 timeout_ms, struct error *e);
    struct sock *(*listen)(struct net_seam *n, str host, u16 port, struct error *e);
    struct sock *(*accept)(struct sock *listener, i64 timeout_ms, struct error *e);
    // Up to len bytes; *got 0 at the end of the stream.
    bool (*read)(struct sock *s, void *out, size_t len, size_t *got, i64 timeout_ms,
                 struct error *e);
    bool (*write)(struct sock *s, const void *bytes, size_t len, i64 timeout_ms, struct error *e);
    u16 (*local_port)(struct sock *s);
    void (*close)(struct sock *s); // Not NULL; sock_close takes it.
};

// Fronts: sock_dial(n, …) calls n->ops->dial(n, …) and so on.
struct sock *sock_dial(struct net_seam *n, str host, u16 port, i64 timeout_ms,
                       struct error *e) MUST_USE;
struct sock *sock_listen(struct net_seam *n, str host, u16 port, struct error *e) MUST_USE;
struct sock *sock_accept(struct sock *listener, i64 timeout_ms, struct error *e) MUST_USE;
bool sock_read(struct sock *s, void *out, size_t len, size_t *got, i64 timeout_ms,
               struct error *e) MUST_USE;
bool sock_write(struct sock *s, str bytes, i64 timeout_ms, struct error *e) MUST_USE;
u16 sock_local_port(struct sock *s);
void sock_close(struct sock *s); // Accepts NULL.

// TCP. host is an address or a name; a name is looked up by the system's resolver, whose own
// time-out comes on top. To listen, host must be an address.
struct net_seam *net_real(void);
// In memory: host and port are only names, port 0 takes the next free one.
struct net_seam *net_mem_new(void);
void net_mem_free(struct net_seam *n);
// Fails the n-th call after arming with a reset (1-based; 0 = never).
struct net_seam *net_faulty_new(struct net_seam *inner);
void net_faulty_free(struct net_seam *n);
void net_faulty_arm(struct net_seam *n, u64 nth);

#endif
