// sock.h: stream sockets as a replaceable seam: real loopback and TCP, in memory, faulty.
//
// Used where no library owns the socket. Reads and writes honour a deadline in milliseconds.
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
    void (*close)(struct sock *s); // Accepts NULL.
};

struct net_seam *net_real(void);
struct net_seam *net_mem_new(void);
void net_mem_free(struct net_seam *n);
// Fails the n-th call after arming with a reset (1-based; 0 = never).
struct net_seam *net_faulty_new(struct net_seam *inner);
void net_faulty_free(struct net_seam *n);
void net_faulty_arm(struct net_seam *n, u64 nth);

#endif
