// http_msg.h: a request and its answer as handlers see them: no socket, no library.
//
// A handler reads the frozen request, sets status and headers, and writes the body; whoever runs it
// (the server, or http_fake for tests) decides where the bytes go. What is written stays in memory
// up to HTTP_WHOLE_BYTES_MAX and is then sent with its length; beyond it, it is streamed while the
// handler writes, and http_write waits for the reader.
// Memory: the request's arena, a body buffer of at most HTTP_WHOLE_BYTES_MAX, the stream's window.
// Invariants:
//   (I1) Header names and values with CR, LF or NUL never enter a message.
//   (I2) After the first streamed byte status and headers are fixed.
// Threads: a request is frozen when its handler runs, but for cancelled; request and response are
// owned by the thread that runs the handler, and after http_defer by whoever will complete it.
#ifndef NET_HTTP_MSG_H
#define NET_HTTP_MSG_H

#include "base/base.h"
#include "base/buf.h"
#include "net/form.h"

struct arena;
struct http_route;

#define HTTP_WHOLE_BYTES_MAX      ((size_t)256 << 10)
#define HTTP_HEADERS_MAX          100U
#define HTTP_RESPONSE_HEADERS_MAX 24U
#define HTTP_ROUTE_PARAMS_MAX     4U

enum http_method {
    HTTP_GET = 1,
    HTTP_HEAD = 2,
    HTTP_POST = 4,
    HTTP_PUT = 8,
    HTTP_DELETE = 16,
    HTTP_OPTIONS = 32,
    HTTP_OTHER = 64, // Known to nobody here: 405.
};
enum http_method http_method_parse(str s);
const char *http_method_text(enum http_method m);
const char *http_status_text(u32 status); // "Not Found"; "" if unknown.

struct http_pair {
    str name;
    str value;
};

struct http_request {
    enum http_method method;
    str target; // As it was sent, with the query.
    str path;   // Decoded once, without the external prefix.
    const struct http_route *route;
    struct http_pair route_params[HTTP_ROUTE_PARAMS_MAX]; // Decoded.
    u32 route_param_count;
    struct form params; // Of a form body first, then of the query, as upstream merges them.
    const struct http_pair *headers;
    u32 header_count;
    str body; // Whole; still compressed if it came so.
    str peer; // Address without port.
    struct arena *arena;
    i64 start_mono_ns;
    i64 deadline_mono_ns; // 0 = none.
    int cancelled;        // Set by another thread when the client has left or time is up.
    void *ctx;            // The route's.
};

str http_header_get(const struct http_request *rq, str name); // First; empty if absent.
str http_param_get(const struct http_request *rq, str name);  // First; empty if absent.
str http_route_param(const struct http_request *rq, str name);
const int *http_cancel_flag(const struct http_request *rq); // For query_budget.cancel.
bool http_is_cancelled(const struct http_request *rq);
// How much coding (gzip, zstd) is wanted by the request's Accept-Encoding: q in thousandths; 0 if
// it is not named.
u32 http_accept_weight(const struct http_request *rq, str coding);
bool http_accepts(const struct http_request *rq, str coding); // With q > 0.

struct http_response;

// What a response is plugged into. Threads: called by the response's owner.
struct http_response_ops {
    // The whole window is full or the handler is done: from now on bytes are streamed.
    bool (*stream_begin)(struct http_response *rs);
    bool (*stream_write)(struct http_response *rs, str bytes); // false: the client is gone.
    void (*complete)(struct http_response *rs); // Whole or stream: nothing more will come.
};

struct http_response {
    const struct http_response_ops *ops;
    struct http_request *rq;
    u32 status; // 200 until set.
    struct http_pair headers[HTTP_RESPONSE_HEADERS_MAX];
    u32 header_count;
    struct buf body; // The whole answer, until it streams.
    str fixed_body;  // Instead of body: bytes that outlive the server (assets).
    bool has_fixed_body;
    bool plain; // Never compressed (it is already, or must not be).
    bool streaming;
    bool broken; // The client is gone or too slow: writes are dropped.
    bool deferred;
    bool truncated;    // A stream that must not look complete.
    u64 bytes_written; // Of the body, before compression.
};

void http_status_set(struct http_response *rs, u32 status);
// Copies both; replaces a header of that name. false: CR, LF, NUL or too many, nothing was set.
bool http_header_set(struct http_response *rs, str name, str value);
str http_response_header(const struct http_response *rs, str name);
// false: the reader is gone or too slow, the rest is pointless. May wait for the reader.
bool http_write(struct http_response *rs, str bytes);
bool http_write_c(struct http_response *rs, const char *text);
// Status, Content-Type text/plain and the text with a newline behind it.
void http_text(struct http_response *rs, u32 status, const char *format, ...) PRINTF_LIKE(3, 4);
// The body is bytes that live as long as the server; nothing may be written beside it.
void http_body_fixed(struct http_response *rs, str bytes, bool is_encoded);
// The answer cannot be finished: a whole one becomes 500, a stream is cut so that it cannot be
// taken for complete.
void http_fail(struct http_response *rs, const char *text);
// The handler returns without an answer; somebody calls http_complete later, exactly once.
void http_defer(struct http_response *rs);
void http_complete(struct http_response *rs); // From any thread; rs and its request are dead after.

void http_response_init(struct http_response *rs, struct http_request *rq,
                        const struct http_response_ops *ops);
void http_response_fini(struct http_response *rs);

#endif
