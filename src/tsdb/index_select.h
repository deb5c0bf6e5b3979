// index_select.h: from matchers to a set of series, over any index.
//
// An index_source is what the head and each block offer: label name → values, value → postings.
// Matchers are taken cheapest first: equality and lists of alternatives look values up, a prefix
// narrows the walk over a label's values, other expressions look at every value, and matchers that
// also accept a missing label take away the values that they refuse. Work stops when nothing is
// left. The hidden label "" holds the tenant, so that tenants never meet (I22) and "all series" is
// a posting set as well.
// Threads: sources take their own locks inside each call; a selection is owned.
#ifndef TSDB_INDEX_SELECT_H
#define TSDB_INDEX_SELECT_H

#include "base/base.h"
#include "model/match.h"
#include "model/sample.h"

struct error;
struct index_source;
struct postings;

// The value's text is borrowed for the call. false stops the walk.
typedef bool index_value_fn(void *ctx, str value, u64 handle);

struct index_ops {
    // The postings' handle of one pair; false if there is none.
    bool (*pair)(struct index_source *s, str name, str value, u64 *handle);
    // Every value of a name that begins with prefix (the source may yield more).
    bool (*values)(struct index_source *s, str name, str prefix, index_value_fn *fn, void *ctx,
                   struct error *e);
    bool (*names)(struct index_source *s, index_value_fn *fn, void *ctx, struct error *e);
    // Adds the postings of the handles to a set.
    bool (*gather)(struct index_source *s, const u64 *handles, u32 n, struct postings *into,
                   struct error *e);
};
struct index_source {
    const struct index_ops *ops;
};

// The text that stands for a tenant under the hidden label; at most 11 bytes into out.
str index_tenant(struct tenant_id tenant, char out[16]);

// A new set, the caller's; NULL on failure.
struct postings *index_select(struct index_source *s, struct tenant_id tenant,
                              const struct matcher *ms, u32 count, struct error *e) MUST_USE;

#endif
