// http_fake.h: one request through a route table without a socket: what tests of handlers use.
//
// The handler runs on the calling thread; a deferred answer is waited for. The body may be of any
// size (up to 1 GiB), nothing is compressed.
// Threads: owned by the caller.
#ifndef NET_HTTP_FAKE_H
#define NET_HTTP_FAKE_H

#include "net/http_route.h"

struct clk;

struct http_fake_opts {
    const char *method; // "GET"
    const char *target; // "/api/v1/query?query=up"
    const struct http_pair *headers;
    u32 header_count;
    str body;
    struct clk *clk; // NULL: start_mono_ns is 0.
    i64 deadline_mono_ns;
    bool is_cancelled; // The client has left before it was handled.
};

struct http_fake; // The exchange and all its memory.

struct http_fake *http_fake_run(const struct http_router *r, const struct http_fake_opts *opts);
void http_fake_free(struct http_fake *f); // Accepts NULL.
u32 http_fake_status(const struct http_fake *f);
str http_fake_header(const struct http_fake *f, str name);
str http_fake_body(const struct http_fake *f);
bool http_fake_was_cut(const struct http_fake *f); // http_fail after it had begun to stream.

#endif
