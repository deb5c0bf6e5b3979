// index_select.h: from matchers to a set of series, over any index.
//
// An index_source is what the head and each block offer: label name → values, value → postings.
// Matchers are taken cheapest first: equalities begin with the rarest pair and narrow from there,
// lists of alternatives look values up, a prefix narrows the walk over a label's values, other
// expressions look at every value once, and matchers that also accept a missing label take away the
// values that they refuse. Once few series are left, an expression looks at the labels of those
// instead. Work stops when nothing is left. The hidden label "" holds the tenant, so that tenants
// never meet (I22) and "all series" is a posting set as well.
// Threads: sources take their own locks inside each call; a selection is owned.
#ifndef TSDB_INDEX_SELECT_H
#define TSDB_INDEX_SELECT_H

#include "base/base.h"
#include "model/labels.h"
#include "model/match.h"
#include "model/sample.h"

struct error;
struct index_source;
struct match_cache;
struct postings;

// Series whose labels are asked for. Threads: a value.
struct index_wanted {
    const u32 *ordinals;
    u32 n;
    str name; // Empty: all labels.
};

// The value's text is borrowed for the call. false stops the walk.
typedef bool index_value_fn(void *ctx, str value, u64 handle);
// A label of the at-th series asked for; borrowed likewise. false stops the walk.
typedef bool index_label_fn(void *ctx, u32 at, struct label l);

struct index_ops {
    // The postings' handle of one pair; false if there is none.
    bool (*pair)(struct index_source *s, str name, str value, u64 *handle);
    // Every value of a name that begins with prefix (the source may yield more).
    bool (*values)(struct index_source *s, str name, str prefix, index_value_fn *fn, void *ctx,
                   struct error *e);
    u32 (*value_count)(struct index_source *s, str name);
    bool (*names)(struct index_source *s, index_value_fn *fn, void *ctx, struct error *e);
    // Adds the postings of the handles to a set.
    bool (*gather)(struct index_source *s, const u64 *handles, u32 n, struct postings *into,
                   struct error *e);
    u64 (*weight)(struct index_source *s, u64 handle); // Its series, about.
    // Leaves in a set what is in the handle's postings.
    bool (*narrow)(struct index_source *s, u64 handle, struct postings *set, struct error *e);
    bool (*touches)(struct index_source *s, u64 handle, const struct postings *set, bool *yes,
                    struct error *e);
    // Whether everything said so far can be believed. NULL: always.
    bool (*whole)(struct index_source *s, struct error *e);
    // The labels of n series, or with a name that one alone; never the hidden one.
    bool (*labels)(struct index_source *s, const struct index_wanted *wanted, index_label_fn *fn,
                   void *ctx, struct error *e);
};
// cache: what matchers found before, for a source that never changes; else NULL.
struct index_source {
    const struct index_ops *ops;
    struct match_cache *cache;
};

static inline bool index_whole(struct index_source *s, struct error *e)
{
    return !s->ops->whole || s->ops->whole(s, e);
}

// The text that stands for a tenant under the hidden label; at most 11 bytes into out.
str index_tenant(struct tenant_id tenant, char out[16]);

// A new set, the caller's; NULL on failure.
struct postings *index_select(struct index_source *s, struct tenant_id tenant,
                              const struct matcher *ms, u32 count, struct error *e) MUST_USE;

#endif
