// push_client.h: what the load generators of remote write have in common: requests and a
// connection.
//
// Threads: a client is owned by its thread.
#ifndef BENCH_PUSH_CLIENT_H
#define BENCH_PUSH_CLIENT_H

#include "base/base.h"

struct buf;

#define PUSH_REQUEST_MAX ((size_t)16 << 20)

// Threads: owned.
struct push_client {
    u16 port;
    int fd; // -1: the connection is broken, and stays so.
};
void push_client_open(struct push_client *c, u16 port);
void push_client_close(struct push_client *c);
// Sends one request and waits for the answer: its status, 0 when the connection broke.
u32 push_client_ask(struct push_client *c, str request);

// The whole request of a WriteRequest (protobuf); *bytes are those of its body.
void push_request_make(struct buf *out, u16 port, str message, u64 *bytes);
void push_label_put(struct buf *out, const char *name, const char *value);
f64 push_now_s(void);

static inline u64 push_mix(u64 x) // What values are made of.
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ULL;
    return x ^ (x >> 33);
}

#endif
