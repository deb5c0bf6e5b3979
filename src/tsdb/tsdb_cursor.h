// tsdb_cursor.h: walks the selected series over shards and blocks as one.
//
//   sources: block … block, main shard, rules shard; each sorted by labels if an order is asked
//   for or a block is among them
//   next: the smallest labels of all sources, or the next of the first source that has one left →
//   its parts by time → counted, charged
//   run:  one part (decoded), or, where parts overlap or times are hidden, all of them merged once
//
// Memory: the head's series of the selection, and of the rest one series at a time, charged to the
// query's budget. Threads: owned.
#ifndef TSDB_TSDB_CURSOR_H
#define TSDB_TSDB_CURSOR_H

#include "os/thr.h"
#include "storage/storage.h"

struct arena;
struct postings;
struct tsdb;
struct tsdb_pin;

// Texts of warnings, until the querier is closed: its cursors may be with several threads.
// Threads: guarded by lock.
struct query_texts {
    struct lock lock;
    struct arena *arena;
};
str query_text_keep(struct query_texts *t, str text); // A copy.

// Threads: owned by the call.
struct tsdb_selection {
    struct tsdb *db;
    const struct tsdb_pin *pin;
    struct query_texts *texts; // Of the querier: warnings outlive the cursor.
    struct tenant_id tenant;
    const struct matcher *ms;
    u32 matcher_count;
    // Of each block of the pin, then of each shard: what was selected already. NULL: matchers do.
    struct postings *const *given;
    i64 min_ms;
    i64 max_ms;
    bool sorted;
    bool no_data;
    u32 limit;
    struct query_budget *budget; // May be NULL.
};
struct series_cursor *tsdb_cursor_open(const struct tsdb_selection *s, struct error *e);

#endif
