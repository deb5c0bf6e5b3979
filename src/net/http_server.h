// http_server.h: the HTTP/1.1 server: two I/O threads that never wait, lanes that may.
//
//   socket ── door thread (accepts, watches every deadline, sees clients leave)
//     └── I/O thread: reads the request ── lane thread: runs the handler ── I/O thread: sends
//
// A connection is suspended while its handler runs, so a slow query holds a thread of its own lane
// and nothing else. A full lane answers 503 (429 to writers, and to a tenant who has filled what is
// his of it) with Retry-After at once, and who has waited too long for a thread of it the same.
// Phases, each with a deadline of the door's: head (header_ms from the first byte of the line, or
// from accept), body (at least body_bytes_per_s after header_ms), handler (deadline_ms: cancelled,
// not killed), send (stall_ms for each window of a stream; a whole answer at body_bytes_per_s),
// idle between requests (idle_ms).
// Memory: 64 KiB a connection, bodies within body_budget_bytes in all, a stream window each.
// Invariants:
//   (I1) A request head is byte-exact (CRLF, no folding, one Content-Length or chunked alone, one
//        Host), or it is answered 400 and the connection ends.
//   (I2) Nothing is queued without a bound; every refusal is counted with its reason.
//   (I3) After http_server_stop no handler runs and no callback will come.
// Threads: the functions here may be called from any thread; start and stop from one.
#ifndef NET_HTTP_SERVER_H
#define NET_HTTP_SERVER_H

#include "net/http_route.h"

struct clk;
struct error;
struct http_server;
struct log;
struct re;
struct tmk_registry;

// Requests of one kind within a lane.
struct http_class {
    const char *name;
    u32 weight;      // Of its share of the threads, from 1.
    u32 running_max; // ≤ threads
    u32 waiting_max; // ≤ queue_max
    // Of one tenant; 0: no bound of its own.
    u32 tenant_running_max;
    u32 tenant_waiting_max;
};

struct http_place {
    u32 class_index;
    u64 tenant;
};

struct http_lane {
    const char *name; // ≤ 10 bytes
    u32 threads;
    u32 queue_max;
    // Optional: who waits is let in by class and tenant (http_queue.h), not in order of coming.
    const struct http_class *classes;
    u32 class_count;
    struct http_place (*place)(const struct http_request *rq); // By its head; on the I/O thread.
    u32 wait_ms_max; // Who has waited so long for a thread is answered 503; 0: the deadline's.
    // What sets threads, queue_max and wait_ms_max, for the texts of refusals; or NULL.
    const char *threads_option;
    const char *queue_option;
    const char *wait_option;
    const char *tenant_threads_option;
    const char *tenant_queue_option;
    // Writes a refusal's body and type; NULL: plain text.
    void (*tell)(struct http_response *rs, const char *text);
};

// Zero means the default that is said here. Everything pointed to must outlive the server.
struct http_server_opts {
    const char *address; // "127.0.0.1:9090", "[::1]:9090", ":9090" (all), port 0: any free one
    const struct http_lane *lanes;
    u32 lane_count;
    const struct http_route *routes;
    u32 route_count;
    str prefix;                   // Of all paths: "" or "/prom"
    const struct re *cors_origin; // Anchored; NULL: no other origin
    u32 io_threads;               // 2
    u32 connections_max;          // 10000
    u32 head_bytes_max;           // 32 KiB
    u32 header_ms;                // 10 s
    u32 idle_ms;                  // 60 s
    u32 body_bytes_per_s;         // 1 KiB
    u32 stall_ms;                 // 30 s
    u32 deadline_ms;              // 150 s
    u64 body_budget_bytes;        // 256 MiB: bodies in flight
    u32 stream_window_bytes;      // 2 MiB
    struct clk *clk;
    struct log *log;
    struct tmk_registry *registry; // NULL: unmeasured
};

// Binds, starts all threads, serves. NULL with one clear line: address in use, not permitted, …
struct http_server *http_server_start(const struct http_server_opts *opts, struct error *e);
// Refuses new connections and requests, lets running ones finish for drain_ms, then cancels them,
// waits for the handlers to return and frees everything. Accepts NULL.
void http_server_stop(struct http_server *s, u32 drain_ms);
u16 http_server_port(const struct http_server *s);

#endif
