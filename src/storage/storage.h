// storage.h: the thin waist: who writes has an appender, who reads a querier; tsdb, memstore and
// later tiers and clusters implement both.
//
// Writing: open → resolve* → append* → commit | rollback → (again) → close. A batch is columns.
// append only stages: commit checks every sample against its series under the store's lock,
// writes the log, makes the good ones visible together and fills each batch's outcomes.
// Reading: a querier pins a snapshot; a cursor walks series and runs of columns; its close tells
// the truth: error, warnings, partial.
//
// Invariants:
//   (W1) A sample is visible to queries opened after its commit, never before, never half a batch.
//   (W2) First write wins: the same value at the same time is APPEND_DUPLICATE, another
//        APPEND_CONFLICT. Order is per series only.
//   (W3) Storage never invents a sample; staleness is a sample with STALE_NAN_BITS.
//   (W4) Every staged sample gets exactly one outcome (I1); the caller, who knows the job, counts.
// Threads: a struct storage is shared; what it opens is owned by one thread at a time. Cursors of
// one querier may be walked by several threads at once, each by one.
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H

#include "base/base.h"
#include "model/labels.h"
#include "model/match.h"
#include "model/sample.h"
#include "storage/append_outcome.h"
#include "storage/query_budget.h"

struct arena;
struct error;
struct hist;
struct series_cursor;
struct storage;
struct storage_appender;
struct storage_querier;

// A series of one store. generation changes with the ordinal's owner, so that an old ref is refused
// (APPEND_INVALID), never mistaken. Both zero is no series; an ordinal of 0 alone may be one.
struct series_ref {
    u32 ordinal;
    u32 generation;
};
static inline bool series_ref_is_none(struct series_ref r)
{
    return r.ordinal == 0 && r.generation == 0;
}

enum durability {
    DURABILITY_PERIODIC, // In the log's buffer of the kernel at return; on disk within 1 s.
    DURABILITY_SYNC,     // On disk when storage_when_durable calls back for the position.
};
// Who writes. Rule results have a head shard of their own; new series of OWN (up, scrape_*, this
// host) are let in where ingestion finds its limit: without them no page goes out.
enum storage_stream { STREAM_SCRAPE, STREAM_PUSH, STREAM_RULES, STREAM_OWN, STREAM_COUNT };
// n samples as columns, which must live until commit or rollback returns.
struct append_batch {
    const struct series_ref *refs;
    const i64 *t_ms;
    const i64 *start_t_ms;           // Start timestamps; NULL = none known.
    const u8 *kinds;                 // enum sample_kind; NULL = all floats.
    const f64 *values;               // Ignored where the kind is SAMPLE_HIST.
    const struct hist *const *hists; // NULL when kinds is NULL.
    u32 n;
    u8 *outcomes; // enum append_outcome, n of them, filled by commit.
};

struct storage_appender_ops {
    // Finds or makes each set's series. Refused: a zero ref, a limit or APPEND_INVALID.
    void (*resolve)(struct storage_appender *a, const struct labels *sets, u32 n,
                    struct series_ref *refs, u8 *outcomes);
    bool (*append)(struct storage_appender *a, const struct append_batch *b, struct error *e);
    bool (*exemplars)(struct storage_appender *a, const struct series_ref *refs,
                      const struct exemplar *exemplars, u32 n, struct error *e);
    // Type, help and unit of metric families; the last word wins. Copied.
    bool (*metadata)(struct storage_appender *a, const struct metadata *m, u32 n, struct error *e);
    // false: nothing of it is visible or durable (ERR_NO_SPACE, ERR_IO, ERR_LIMIT…).
    bool (*commit)(struct storage_appender *a, enum durability d, u64 *position, struct error *e);
    void (*rollback)(struct storage_appender *a);
    void (*close)(struct storage_appender *a); // Rolls back what is staged.
};
struct storage_appender {
    const struct storage_appender_ops *ops;
};

// One stretch of a series: equal column_id = the same t (and start_t), of other series, jobs and
// instances too; 0 = private. Times rise strictly, also from run to run. Valid until the next call;
// the histograms themselves until the cursor leaves the series.
struct series_run {
    u64 column_id;
    const i64 *t_ms;
    const i64 *start_t_ms;           // NULL = none known.
    const f64 *values;               // For SAMPLE_FLOAT runs.
    const struct hist *const *hists; // For SAMPLE_HIST runs.
    enum sample_kind kind;
    u32 n;
    bool rises; // Known of values: each is a number, and none is less than the one before it.
};

struct select_hints {
    i64 start_ms; // Inclusive; samples outside need not be returned.
    i64 end_ms;   // Inclusive.
    i64 step_ms;  // 0 if unknown.
    bool sorted;  // Series in labels_cmp order; else any order, the same each time.
    bool no_data; // Labels only; run yields nothing.
    u32 limit;    // Series; 0 = none.
    bool newest;  // newest is called, in place of next, labels, run and slices.
    // The labels that newest gives, if it is known which are wanted; names NULL = all.
    const str *names;
    u32 name_count;
};

// Of some series the newest sample each. Valid until the next call on the cursor.
struct series_newest {
    const struct labels *labels; // More than was asked for may come; of histograms all do.
    const i64 *t_ms;
    const f64 *values;
    const struct hist *const *hists; // NULL = all are floats; else NULL where a float stands.
    u32 n;                           // > 0
};

#define WARNINGS_MAX 16
struct storage_warnings { // Texts live in the cursor's or the caller's arena.
    str texts[WARNINGS_MAX];
    u32 count;
    bool partial; // Something that should be in the answer is not; never silent (I4).
};
struct series_cursor_ops {
    bool (*next)(struct series_cursor *c);            // false: the end, or failure (close tells).
    struct labels (*labels)(struct series_cursor *c); // Borrowed until next.
    bool (*run)(struct series_cursor *c, struct series_run *out); // false: no more of this series.
    bool (*close)(struct series_cursor *c, struct storage_warnings *w, struct error *e);
    // Before the first next: cuts what would come into count cursors, which give it one after the
    // other. Each charges its own budget, and is closed before c, which gives nothing itself any
    // more. false: it cannot be cut, and c is as it was. NULL: none can.
    bool (*slices)(struct series_cursor *c, u32 count, struct query_budget *budgets,
                   struct series_cursor **out);
    // The next series that have a sample in the selection's range. false: the end, or failure.
    bool (*newest)(struct series_cursor *c, struct series_newest *out);
};
struct series_cursor {
    const struct series_cursor_ops *ops;
    u64 series_about; // What the source with the most has of them; 0 = unknown.
    f64 *room;        // Where run puts values that it must write anyway; NULL: where it likes.
    u32 room_count;   // So many; what it does not tell of is garbage.
};
struct exemplar_series {
    struct labels labels;
    const struct exemplar *exemplars;
    u32 count;
};
struct storage_querier_ops {
    // The set of series matching all matchers; the cursor must be closed.
    struct series_cursor *(*select)(struct storage_querier *q, const struct matcher *ms, u32 count,
                                    const struct select_hints *h, struct query_budget *budget,
                                    struct error *e);
    // Sorted; of series that match all matchers and have data in the range. Gone with the querier.
    bool (*label_names)(struct storage_querier *q, const struct matcher *ms, u32 count,
                        struct arena *a, str **names, u32 *n, struct error *e);
    bool (*label_values)(struct storage_querier *q, str name, const struct matcher *ms, u32 count,
                         struct arena *a, str **values, u32 *n,
                         struct error *e); // NOLINT(readability-function-size): a wall
    bool (*series_count)(struct storage_querier *q, const struct matcher *ms, u32 count,
                         u64 *series, struct error *e);
    bool (*exemplars)(struct storage_querier *q, const struct matcher *ms, u32 count,
                      struct arena *a, struct exemplar_series **out, u32 *n, struct error *e);
    bool (*metadata)(struct storage_querier *q, str metric, u32 limit, struct arena *a,
                     struct metadata **out, u32 *n, struct error *e); // Empty metric = all.
    void (*close)(struct storage_querier *q);
};
struct storage_querier { // What calls without a cursor charge, and tell; NULL until set.
    const struct storage_querier_ops *ops;
    struct query_budget *budget;
    struct storage_warnings *warnings;
};
struct storage_ops {
    struct storage_appender *(*appender)(struct storage *s, struct tenant_id tenant,
                                         enum storage_stream stream, struct error *e);
    // Pins what is committed now for [min_ms, max_ms].
    struct storage_querier *(*querier)(struct storage *s, struct tenant_id tenant, i64 min_ms,
                                       i64 max_ms, struct error *e);
    // Calls fn when position is on disk (error NULL), or can never be: at once, or on the log's
    // thread, so fn must only wake somebody.
    void (*when_durable)(struct storage *s, u64 wal_position,
                         void (*fn)(void *arg, const struct error *e), void *arg);
};
struct storage {
    const struct storage_ops *ops;
};

// Fronts: storage_appender_open(s, …) calls s->ops->appender(s, …) and so on.
struct storage_appender *storage_appender_open(struct storage *s, struct tenant_id tenant,
                                               enum storage_stream stream,
                                               struct error *e) MUST_USE;
void storage_appender_close(struct storage_appender *a);
struct storage_querier *storage_querier_open(struct storage *s, struct tenant_id tenant, i64 min_ms,
                                             i64 max_ms, struct error *e) MUST_USE;
void storage_querier_close(struct storage_querier *q);
// Waits until position is durable.
bool storage_wait_durable(struct storage *s, u64 wal_position, struct error *e) MUST_USE;

#endif
