// http_client.h: requests to others: many targets, few threads, never a blocked caller.
//
// A client is a set of shards: one thread and one connection cache each, for at most
// HTTP_SHARD_TARGETS targets (the cost of one transfer grows with the hosts of its cache). A target
// keeps its connection and its settings between requests; it has one request in flight at a time.
// The answer comes to a callback on the shard's thread, which must not wait.
// Memory: per target some KiB and its answer, which never exceeds bytes_max, compressed or not.
// Invariants:
//   (I1) Every started request ends in exactly one call of done.
//   (I2) Only http and https, also after redirects; credentials and the headers given never follow
//        to another origin.
//   (I3) After http_target_free returned, none of its callbacks runs.
// Threads: a client may be shared; a target is owned by one thread at a time, callbacks aside.
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include "base/base.h"
#include "base/error.h"
#include "net/http_msg.h"

struct arena;
struct clk;
struct http_client;
struct http_target;

#define HTTP_SHARD_TARGETS 250U

// Why a request failed, for counters and pages.
enum http_failure {
    HTTP_FAIL_NONE,
    HTTP_FAIL_URL,
    HTTP_FAIL_RESOLVE,
    HTTP_FAIL_CONNECT,
    HTTP_FAIL_TLS,
    HTTP_FAIL_TIMEOUT,
    HTTP_FAIL_RESET,    // The peer closed or broke the protocol.
    HTTP_FAIL_TOO_BIG,  // bytes_max, on the wire or unpacked.
    HTTP_FAIL_ENCODING, // The packed body is broken, or packed as we did not ask.
    HTTP_FAIL_REDIRECT,
    HTTP_FAIL_SINK, // The sink said no.
    HTTP_FAIL_CANCELLED,
    HTTP_FAIL_INTERNAL,
    HTTP_FAIL_COUNT
};
const char *http_failure_text(enum http_failure f); // "connect", "timeout", …

// Nanoseconds spent in each phase; those of a kept connection are 0.
struct http_phases {
    u64 resolve;
    u64 connect;
    u64 tls;
    u64 first_byte; // From the request to the first byte of the answer.
    u64 transfer;
    u64 total;
};

// Borrowed for the call of done.
struct http_reply {
    u32 status; // 0 if there was no answer.
    str content_type;
    str content_encoding;
    str retry_after;
    str location;
    str body; // Unpacked. What came before a failure is here as well.
    enum http_failure failure;
    struct error error; // A sentence; set with failure.
    struct http_phases phases;
    u64 bytes_wire;
    u64 bytes_body;
};

struct http_tls_opts {
    str ca_pem;   // Empty: the system's.
    str cert_pem; // With key_pem: the client certificate.
    str key_pem;
    str server_name; // Empty: the URL's host.
    bool insecure;   // Take any certificate.
    u32 min_version; // 0: 1.2; else 10, 11, 12, 13
};

// What stays the same between a target's requests. Copied; secrets are wiped on free.
struct http_target_opts {
    str url; // http or https
    const struct http_pair *headers;
    u32 header_count;
    str user; // Basic authentication, with password.
    str password;
    str bearer; // Or a bearer token.
    str proxy;  // URL; empty: none, whatever the environment says.
    struct http_tls_opts tls;
    u32 redirects_max; // 0: a redirect is an answer like any other.
    u64 bytes_max;     // Of the body, wire and unpacked each; 0: 16 MiB
    bool gzip;         // Offer it, and unpack.
};

struct http_fetch {
    enum http_method method;         // GET, HEAD, POST, PUT, DELETE
    str path_query;                  // Appended to the target's URL as it is; usually empty.
    const struct http_pair *headers; // Beside the target's; copied.
    u32 header_count;
    str body;       // Borrowed until done.
    u32 timeout_ms; // Of the whole; 0: 30 s
    // Takes the unpacked body piece by piece instead of reply.body; false ends the request.
    bool (*sink)(void *ctx, str bytes);
    void (*done)(void *ctx, const struct http_reply *reply);
    void *ctx;
};

struct http_client_ops {
    struct http_target *(*target_new)(struct http_client *c, const struct http_target_opts *opts,
                                      struct error *e);
    void (*target_free)(struct http_target *t); // Cancels; done has been called on return.
    bool (*start)(struct http_target *t, const struct http_fetch *f, struct error *e);
    void (*cancel)(struct http_target *t); // done follows soon with HTTP_FAIL_CANCELLED.
};
struct http_client {
    const struct http_client_ops *ops;
};
struct http_target {
    struct http_client *client;
};

// Over libcurl. shards_max threads at most, started as targets come; 0: 64.
struct http_client *http_client_new(u32 shards_max, struct error *e) MUST_USE;
void http_client_free(struct http_client *c); // All targets must be freed. Accepts NULL.

// NULL with ERR_INVALID for a URL that cannot be used, ERR_LIMIT when the shards are full.
struct http_target *http_target_new(struct http_client *c, const struct http_target_opts *opts,
                                    struct error *e) MUST_USE;
void http_target_free(struct http_target *t); // Accepts NULL. Not from a callback.
// false: a request is still in flight (ERR_OUT_OF_ORDER), or the fetch makes no sense.
bool http_fetch_start(struct http_target *t, const struct http_fetch *f, struct error *e) MUST_USE;
void http_fetch_cancel(struct http_target *t);
// Starts and waits; for threads that have nothing else to do. body is copied into the arena.
bool http_fetch_wait(struct http_target *t, const struct http_fetch *f, struct arena *a,
                     struct http_reply *reply, struct error *e) MUST_USE;

// A client whose answers come from a function: what tests of its users plug in.
typedef void http_answer_fn(void *ctx, const struct http_target_opts *target,
                            const struct http_fetch *f, struct http_reply *reply);
struct http_client *http_client_fake_new(http_answer_fn *answer, void *ctx);
void http_client_fake_free(struct http_client *c);

#endif
