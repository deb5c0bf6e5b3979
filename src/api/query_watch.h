// query_watch.h: which queries run now: a list, a cancel for each, a journal that outlives a crash,
// and a line in the log for each that took long.
//
// A query takes a slot when it begins and leaves it when it ends; there are as many slots as lanes
// let run, so that none is ever missing. Each slot has a line of its own in the journal, written
// when it is taken and blanked when it is left: what stands there at the next start was running
// when the process died. Cost: two small writes a query, no sync: the page cache outlives the
// process, and nothing else is promised.
// Invariants:
//   (I1) A cancel reaches only the query of that id: ids are never used twice by one process.
//   (I2) Trouble with the journal is logged once and never keeps a query from running.
// Threads: guarded inside; a slot is owned by the thread whose query it holds.
#ifndef API_QUERY_WATCH_H
#define API_QUERY_WATCH_H

#include "api/query_class.h"
#include "base/base.h"
#include "model/sample.h"
#include "os/clk.h"
#include "storage/storage.h"

struct arena;
struct fs;
struct http_request;
struct log;
struct promql_stats;
struct query_watch;

// Threads: frozen.
struct query_watch_opts {
    struct clk *clk;
    struct log *log;  // NULL: silent.
    struct fs *fs;    // NULL: no journal.
    const char *path; // Of the journal; copied.
    u32 slots;        // Queries that may run at once.
    i64 slow_ms;      // From here on a query is logged; 0: never.
};
// Tells in the log what the last process left unfinished, and begins a journal of its own.
struct query_watch *query_watch_new(const struct query_watch_opts *opts);
void query_watch_free(struct query_watch *w); // Nothing runs any more. Accepts NULL.

// What is known of a query. In the list, text and origin are copies in its arena.
struct watched_query {
    u64 id; // From 1.
    str text;
    str peer;
    str origin; // "dashboard x, panel 3", as the client's headers say; empty if they do not.
    i64 start_ms;
    i64 end_ms;
    i64 step_ms;       // 0: instant.
    i64 began_wall_ms; // When it left the queue.
    i64 running_ms;
    bool is_cancelled;
    enum query_class of_class;
    struct tenant_id tenant;
    struct query_progress progress; // What it has cost so far.
};

// Threads: owned.
struct watch_ticket {
    struct query_watch *watch; // NULL: not watched.
    u32 slot;
};
// The request must stay until the end; q's id, class and times of running are filled here. What
// charges the budget tells its progress from now on; b may be NULL.
struct watch_ticket query_watch_begin(struct query_watch *w, struct http_request *rq,
                                      struct watched_query *q, struct query_budget *b);
// stats of a query that failed may be NULL; error is NULL if it did not.
void query_watch_end(struct watch_ticket t, const struct promql_stats *stats, const char *error);

u32 query_watch_list(struct query_watch *w, struct arena *a, struct watched_query **out);
u64 query_watch_bytes(struct query_watch *w);           // Of all that run, as they told last.
bool query_watch_cancel(struct query_watch *w, u64 id); // false: it does not run.

#endif
