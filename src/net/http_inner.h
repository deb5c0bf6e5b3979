// http_inner.h: the server as its own files see it.
//
//   http_server.c    options, start, stop
//   http_door.c      accepts, watches deadlines and leavers    (door thread)
//   http_mhd.c       the library, and nothing else knows it    (I/O threads)
//   http_exchange.c  one request from head to answer           (I/O and lane threads)
//   http_stream.c    the bounded way of bytes from lane to I/O (I/O and lane threads)
//   http_queue.c     who of a lane's waiting requests is next  (I/O, lane and door threads)
//   http_gauge.c     what is counted; http_lane_gauge.c: of lanes
//
//   exchange:  HEAD ─► BODY ─► RUNNING ─► ANSWER ─► (sent)
//                │       │        ├─────► STREAM ─► (sent)      http_write beyond the window
//                └───────┴────────┼─────► ANSWER               refused
//                                 └─────► ABANDONED ─► (503)    stop outlived the deferral
// By exchange_head, _body, _ready; response ops on the lane's thread, which resume; http_server_stop.
#ifndef NET_HTTP_INNER_H
#define NET_HTTP_INNER_H

#include "net/http_server.h"
#include "os/thr.h"

struct http_queue;
struct MHD_Connection;
struct MHD_Daemon;
struct tmk_counter;
struct tmk_family;
struct tmk_histogram;

enum http_phase {
    PHASE_HEAD,
    PHASE_BODY,
    PHASE_HANDLER, // Suspended, or about to be.
    PHASE_SEND,
    PHASE_IDLE,
    PHASE_COUNT
};

enum http_refusal {
    REFUSED_MALFORMED,
    REFUSED_HEAD_TOO_LARGE,
    REFUSED_NOT_FOUND,
    REFUSED_METHOD,
    REFUSED_ORIGIN,
    REFUSED_BODY_TOO_LARGE,
    REFUSED_BODY_BUDGET,
    REFUSED_LANE_FULL,
    REFUSED_LANE_WAIT,
    REFUSED_LANE_TENANT,
    REFUSED_STOPPING,
    REFUSED_CONNECTIONS,
    REFUSED_FILES,
    REFUSED_LIBRARY, // The library answered by itself.
    REFUSED_COUNT
};

// One open socket. Threads: guarded by http_door.lock.
struct http_conn {
    int fd; // -1: the slot is free.
    u32 next_free;
    u64 serial; // Tells a slot's tenants apart.
    enum http_phase phase;
    i64 since_ns;            // When the phase began.
    i64 deadline_ns;         // 0: none
    struct http_exchange *x; // While its handler runs: whom to cancel.
    bool left;               // Its client half-closed; its answer's deadline still holds.
    bool evicted;
};

// Threads: lock guards conns and the free list; the rest is frozen, or the door thread's own.
struct http_door {
    struct lock lock;
    struct http_conn *conns;
    u32 conn_max;
    u32 conn_count;
    u32 free_first;
    u64 serial_next;
    int listen_fd;
    u16 port;
    struct stop *stop;
    struct thr *thr;
    struct pollfd *polls; // The door thread's own.
    u64 *poll_serials;
    u32 *poll_slots;
};

#define HTTP_STATUSES_COUNTED 32U

// Threads: counters atomic (resolved on first use), the rest frozen.
struct http_gauge {
    struct tmk_family *requests;
    struct tmk_family *durations;
    struct tmk_counter **by_status;  // [route][status]
    struct tmk_histogram **by_route; // [route]
    struct tmk_counter *refused[REFUSED_COUNT];
    struct tmk_counter *evicted[PHASE_COUNT];
    struct tmk_counter *left;
    struct lane_gauge **lanes; // [lane][class]
};

// Threads: body_bytes, running and stopping atomic; the rest frozen after start.
struct http_server {
    struct http_server_opts opts; // Defaults filled in.
    char *address;
    struct http_router router;
    struct pool **pools;        // Of each lane.
    struct http_queue **queues; // Of each lane.
    struct MHD_Daemon *daemon;
    struct http_door door;
    struct http_gauge gauge;
    u64 body_bytes; // In flight, charged.
    u32 running;    // Exchanges between dispatch and completion.
    int stopping;
};

enum exchange_state { X_HEAD, X_BODY, X_RUNNING, X_STREAM, X_ANSWER, X_ABANDONED };

// Threads: state and refs atomic; rq and rs as http_msg.h says; the rest belongs to the I/O thread of
// the connection, and while the handler runs to nobody.
struct http_exchange {
    struct http_request rq;
    struct http_response rs;
    struct http_server *server; // Dead once abandoned.
    struct MHD_Connection *connection;
    u32 slot;
    int state; // enum exchange_state
    u32 refs;  // The connection's, the handler's run, its completion.
    str version;
    str raw_uri; // Where the library keeps it: for the check of the head alone.
    struct buf body_buf;
    u64 body_declared; // Content-Length; UINT64_MAX: chunked.
    u64 body_charged;
    u64 body_seen;
    bool body_overrun;
    bool close_after;
    bool is_inline;
    struct buf packed; // The answer's compressed form.
    bool is_packed;
    struct http_stream *stream;
    struct http_pack *pack;    // Of a stream.
    enum http_refusal refusal; // REFUSED_COUNT: none
};

// http_exchange.c. On the connection's I/O thread:
struct http_exchange *exchange_new(struct http_server *s, u32 slot, str target);
void exchange_unref(struct http_exchange *x);
bool exchange_head(struct http_exchange *x);            // false: refused, x->rs is the answer.
bool exchange_body(struct http_exchange *x, str bytes); // false: end the connection.
// The request is whole. true: it runs in a lane and the connection was suspended.
bool exchange_ready(struct http_exchange *x);
void exchange_refuse(struct http_exchange *x, enum http_refusal why, u32 status, const char *text);
void exchange_done(struct http_exchange *x);  // Sent, or the connection ended: counts.
str exchange_answer(struct http_exchange *x); // The bytes to send of a whole answer.
// On the door thread: answers who waits for a lane and shall not any longer.
void exchange_sweep(struct http_server *s);
// On the thread that stops the server.
bool exchange_abandon(struct http_exchange *x);

// http_stream.c
struct http_stream;
struct http_stream *stream_new(u32 window_bytes);
void stream_free(struct http_stream *st); // Accepts NULL.
// Lane thread. Waits while the window is full; false: aborted, or no byte was taken for stall_ms.
bool stream_put(struct http_stream *st, struct http_exchange *x, str bytes, u32 stall_ms);
void stream_end(struct http_stream *st, struct http_exchange *x, bool broken);
// I/O thread.
enum stream_state { STREAM_BYTES, STREAM_WAIT, STREAM_END, STREAM_BROKEN };
enum stream_state stream_take(struct http_stream *st, struct http_exchange *x, char *out,
                              size_t max, size_t *n); // STREAM_WAIT: it has suspended x.
void stream_abort(struct http_stream *st);

// http_mhd.c
bool engine_open(struct http_server *s, struct error *e) MUST_USE;
bool engine_add(struct http_server *s, int fd, const void *address, u32 address_bytes) MUST_USE;
void engine_close(struct http_server *s);
void engine_suspend(struct http_exchange *x); // On the connection's I/O thread only.
void engine_resume(struct http_exchange *x);

// http_door.c
bool door_open(struct http_server *s, struct error *e) MUST_USE;
void door_shut(struct http_server *s);  // Accepts no more; ends idle connections.
void door_close(struct http_server *s); // Stops the thread, frees.
#define SLOT_NONE UINT32_MAX
u32 door_enter(struct http_server *s, int fd); // SLOT_NONE: full.
void door_leave(struct http_server *s, u32 slot);
// Sets the phase and its deadline (0: none); x is whom to cancel in PHASE_HANDLER.
void door_phase(struct http_server *s, u32 slot, enum http_phase phase, i64 deadline_ns,
                struct http_exchange *x);
void door_head(struct http_server *s, u32 slot); // A request line has come.
u32 door_count(struct http_server *s, enum http_phase phase);
// For stop: cancels (or abandons) what runs.
void door_cancel_all(struct http_server *s, bool abandon);

// http_gauge.c
bool gauge_init(struct http_server *s, struct error *e) MUST_USE;
void gauge_fini(struct http_server *s);
void gauge_request(struct http_server *s, const struct http_exchange *x, u32 status);
void gauge_refused(struct http_server *s, enum http_refusal why);
void gauge_evicted(struct http_server *s, enum http_phase phase);

#endif
