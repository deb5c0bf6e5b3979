// query_share.h: identical queries that come while one of them runs are answered by its run.
//
// The first is the leader: it evaluates, and its answer is there for all who came meanwhile. Each
// of them waits with a deadline and a cancel of its own. While anybody waits, the leader's own
// cancel does not end the run (query_budget.wanted); what ends the leader alone, its deadline or a
// cancel that came before, leaves the others to begin anew, one of them as leader.
// Cost: a text compared with those that run. Memory: one answer per run, until the last one who
// asked has sent it; there are no more runs than threads that ask.
// Invariants:
//   (I1) Nobody joins a run that is done: an answer is never older than the run it came from.
//   (I2) A run that is done is frozen.
// Threads: guarded inside; a run as its fields say.
#ifndef API_QUERY_SHARE_H
#define API_QUERY_SHARE_H

#include "base/error.h"
#include "os/thr.h"
#include "promql/promql.h"

struct arena;
struct clk;
struct query_share;

// What makes two queries identical. Threads: value.
struct share_key {
    struct tenant_id tenant;
    str canonical; // Text of the query.
    i64 start_ms;
    i64 end_ms;
    i64 step_ms;
    i64 lookback_ms;
    bool wants_stats;
    bool is_as_given; // canonical is the text as it came: notes name its places.
};

// Threads: the first group is the leader's until the run is done, then frozen; waiting is atomic;
// the rest is guarded by the lock of the query_share.
struct share_run {
    struct arena *arena; // Of the answer; freed with the run.
    str text;            // As the leader gave it.
    bool ok;
    struct promql_result result;
    struct error error; // If not ok.

    int waiting; // For query_budget.wanted.

    struct share_key key; // Text in memory of its own.
    struct cond done_cond;
    bool is_done;
    u32 refs;
    struct share_run *next;
};

struct query_share *query_share_new(void);
void query_share_free(struct query_share *s); // Nothing runs any more. Accepts NULL.

// The run of this query; *leads says that the caller is to evaluate it.
struct share_run *query_share_join(struct query_share *s, const struct share_key *key, bool *leads);
// The leader: what it found stands in run.
void query_share_done(struct query_share *s, struct share_run *run);

enum share_end {
    SHARE_ANSWERED,
    SHARE_ENDED,     // The leader was: begin anew.
    SHARE_CANCELLED, // By b->cancel.
    SHARE_TIMED_OUT, // b's deadline.
};
// Others. The budget is the caller's own.
enum share_end query_share_wait(struct query_share *s, struct share_run *run,
                                const struct query_budget *b, struct clk *clk);
// Each who joined, at the end.
void query_share_leave(struct query_share *s, struct share_run *run);

#endif
