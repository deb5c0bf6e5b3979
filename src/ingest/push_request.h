// push_request.h: one remote-write request on its way from bytes to storage.
//
// push_read.c reads the bytes into columns, push_rw1.c makes a commit of them.
// Private to ingest. Memory: see push_rw1.c. Threads: owned by the call.
#ifndef INGEST_PUSH_REQUEST_H
#define INGEST_PUSH_REQUEST_H

#include "base/arena.h"
#include "ingest/ingest.h"
#include "ingest/push_cache.h"
#include "ingest/push_usual.h"

#define PUSH_NOT_READ   0xffU // In refusals: the labels of the series were not read,
#define PUSH_NOT_HASHED 0xfeU // nor was its key hashed: it was where it is expected.

// Everything of one request as columns. Threads: owned.
struct push_request {
    struct arena *a;
    const struct push_opts *opts;
    str decoded;
    struct label *found;     // PUSH_LABELS_MAX labels of the series that is being read.
    struct push_key *keys;   // Label fields of each series; unfit: other fields stand between them.
    struct series_ref *refs; // Of each series; none = not known yet, or refused.
    u8 *refusals;            // enum append_outcome of each series while its ref is none.
    u32 series_count;
    u32 series_cap;
    u32 *owner; // Series of each sample.
    i64 *t_ms;
    f64 *values;
    const struct hist **hists; // NULL until there is one.
    u32 sample_count;
    u32 sample_cap;
    u32 *exemplar_owner; // Series of each.
    struct exemplar *exemplars;
    u32 exemplar_count;
    u32 exemplar_cap;
    struct metadata *metadata;
    u32 metadata_count;
    u32 metadata_cap;
    struct push_walk walk;
    struct usual_last last;
    u32 strays;     // Series that the walk did not expect.
    u32 found_upto; // Series that were looked for in the cache.
    bool reordered; // The others are looked for at the end.
    bool lost;      // A sample is invalid whose ref the cache knew: it may be dead.
    bool committed; // Something is stored.
    bool full;      // The arena is: nothing of the request is stored.
};

// Reads q->decoded into the columns; of the labels only where they stand.
bool push_request_read(struct push_request *q, struct push_result *out, struct error *e) MUST_USE;
// Errors that say what is wrong with the request; false, as err_set.
bool push_broken_tell(const struct push_request *q, const char *at, struct error *e);
bool push_full_tell(const struct push_request *q, struct error *e);

#endif
