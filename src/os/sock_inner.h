// sock_inner.h: the head of every socket, so that one front can serve all kinds.
#ifndef OS_SOCK_INNER_H
#define OS_SOCK_INNER_H

#include "os/sock.h"

// The first member of each implementation's socket. Threads: frozen.
struct sock {
    const struct net_ops *ops;
};

#endif
