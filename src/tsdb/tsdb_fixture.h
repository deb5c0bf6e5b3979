// tsdb_fixture.h: a store over a file system in memory, for this folder's tests.
#ifndef TSDB_TSDB_FIXTURE_H
#define TSDB_TSDB_FIXTURE_H

#include "base/base.h"
#include "base/test.h"
#include "model/hist.h"
#include "model/labels.h"
#include "os/rng.h"
#include "storage/storage.h"
#include "tsdb/tsdb.h"
#include "tsdb/tsdb_admin.h"

struct clk;
struct fs;

#define FIXTURE_NOW   1700000000000 // A multiple of nothing in particular.
#define FIXTURE_RANGE ((i64)60000)  // Blocks of a minute, so that tests meet many.

// Threads: owned by the test.
struct fixture {
    struct fs *fs;
    struct fs *own_fs; // What fixture_init made.
    struct clk *clk;
    struct rng rng;
    struct tsdb_opts opts;
    struct tsdb *db;
    struct storage *s;
};
void fixture_init(struct fixture *f, u64 seed);
void fixture_fini(struct fixture *f);
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);
void fixture_reopen(struct fixture *f);

// A label set "name{a=b,…}" from a text like "up,job=x,instance=y", in static memory of the call.
struct labels fixture_labels(const char *text, struct label items[16], char bytes[512]);
// Appends one sample and commits it; its outcome.
enum append_outcome fixture_put(struct fixture *f, enum storage_stream stream, const char *series,
                                i64 t, f64 value);
// The value of a series at a time; false if there is none. Fails the test on a partial answer
// unless partial is given.
bool fixture_get(struct fixture *f, const char *series, i64 t, f64 *value, bool *partial);
u64 fixture_count(struct fixture *f, i64 min_ms, i64 max_ms); // Samples of all series.
// A histogram told by a number: few layouts, many counts; sometimes the staleness marker.
// Threads: owned; frozen once made.
struct fixture_hist {
    struct hist h;
    struct hist_span spans[3];
    f64 buckets[8];
    f64 bounds[8];
};
void fixture_hist_make(u64 seed, struct fixture_hist *out);
enum append_outcome fixture_put_hist(struct fixture *f, enum storage_stream stream,
                                     const char *series, i64 t, const struct fixture_hist *made);
// All of a sample but its time.
u64 fixture_sample_hash(const struct series_run *run, u32 i);
void fixture_keep(struct fixture *f, struct tsdb_retention r);
u64 fixture_env(const char *name,
                u64 fallback); // A number from the environment: long forms, seeds.
// Of the store's registry: the whole part of a metric, named with its labels; 0 if there is none.
u64 fixture_metric(struct fixture *f, const char *name);
void fixture_steps(struct fixture *f); // Until nothing is left to do.

#endif
