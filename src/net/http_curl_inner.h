// http_curl_inner.h: what the files of the client over libcurl share; the only one that names it.
//
//   target: IDLE ─start─► QUEUED ─shard─► RUNNING ─► IDLE, then done
//                            └──────cancel──┴──────► IDLE, then done
// Targets are easy handles, shards are multi handles, each with a thread.
// All calls into a multi handle, and into the easy handles that it holds, come from the shard's
// thread; others put their wish under the shard's lock and wake it. The library says which sockets
// and which time it waits for, and looks at no others: a wake costs what is ready.
// A target asks for the same again and again: what its handle was told is told once.
// Redirects are followed here, not by the library: it would take our headers to other hosts.
// The DNS cache never ages for literal addresses and 30 s for names: the library walks the whole
// cache after every transfer unless told never to (-1), and names do move.
#ifndef NET_HTTP_CURL_INNER_H
#define NET_HTTP_CURL_INNER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "net/http_client.h"
#include "net/url.h"
#include "os/thr.h"

#include <curl/curl.h>

struct fd_watch;
struct http_shard;

#define SPARES_MAX       8U
#define CONNECTIONS_KEPT (4L * HTTP_SHARD_TARGETS)

enum target_state { TARGET_IDLE, TARGET_QUEUED, TARGET_RUNNING };

// Threads: state, in_done, cancel, queued and next guarded by shard->lock; the rest is the owner's
// while IDLE, the shard thread's else.
struct curl_target {
    struct http_target base;
    struct http_shard *shard;
    enum target_state state;
    bool in_done; // The callback runs.
    bool cancel;
    bool queued;              // In the shard's queue.
    struct curl_target *next; // There.

    struct arena *arena; // Of the options.
    struct http_target_opts opts;
    struct url own_url; // Of the options, in `arena`.
    bool own_url_good;
    bool is_plain; // The handle was told of its own URL by GET with its own headers, and no more.
    CURL *easy;
    char reason[CURL_ERROR_SIZE];

    struct http_fetch fetch;
    struct arena *run;             // Of one request: URL, headers; NULL until it is needed.
    struct curl_slist *connect_to; // With tls.server_name.
    struct curl_slist *headers;    // That the handle was told of.
    struct url url;                // Of this hop.
    u32 redirects;
    bool foreign; // Redirected to another origin.
    struct buf body;
    u64 bytes_body;
    bool too_big;
    bool sink_refused;
    bool is_unwatched; // Its socket; then it is in the shard's list.
    struct curl_target *next_unwatched;
};

// Threads: lock guards queue, targets and stopping; watch takes wakes from all; the rest is the
// shard thread's.
struct http_shard {
    struct lock lock;
    struct cond changed;
    struct curl_target *queue;
    u32 targets;
    bool stopping;
    CURLM *multi;
    struct fd_watch *watch;
    i64 timer_ms;                  // When the library wants to be called, by the monotonic clock.
    struct curl_target *unwatched; // Running, and to be ended.
    struct error unwatched_why;    // Of the newest of them.
    struct thr *thr;
    struct buf spares[SPARES_MAX];
    u32 spare_count;
};

// The library's setters are variadic and fail only when memory is out or the option is unknown.
#define SET(t, option, value) CHECK(curl_easy_setopt((t)->easy, option, value) == CURLE_OK)

// ---- http_curl_handle.c ----

// Makes the target's handle, and tells it what holds for all of its requests.
void http_handle_init(struct curl_target *t);
// What every scrape is: the target's own URL by GET, with its own headers.
bool http_fetch_is_plain(const struct http_fetch *f);
// Of one request; made when it is first needed.
struct arena *http_run_arena(struct curl_target *t);
// Puts the hop that t->url names under way. Shard thread.
void http_hop_start(struct curl_target *t);

// ---- http_curl_reply.c ----

// Of a transfer that has ended so, while its handle is still there. Texts live until the next one.
void http_reply_fill(struct curl_target *t, CURLcode code, struct http_reply *reply);

// ---- http_curl_transfer.c: on the shard's thread ----

void http_transfer_start(struct curl_target *t);
// Goes on with a redirect, or calls done.
void http_transfer_end(struct curl_target *t, CURLcode code);
void http_transfer_cancel(struct curl_target *t, bool running);
// The transfer of a handle cannot go on, and is to be ended. A handle of the library's own has no
// target.
void http_unwatched_add(struct http_shard *s, CURL *easy, const struct error *why);
// Ends those whose sockets would never get ready, instead of letting their time pass.
void http_unwatched_end(struct http_shard *s);

// ---- http_curl_shard.c ----

struct http_shard *http_shard_new(struct error *e);
void http_shard_free(struct http_shard *s); // Its targets must be free.
// Under the lock: puts t into the queue, once.
void http_wish_put(struct curl_target *t);

#endif
