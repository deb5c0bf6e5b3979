// grouping.h: which group each series belongs to: by (…) and without (…), found once per series.
//
// Threads: owned by the run.
#ifndef PROMQL_GROUPING_H
#define PROMQL_GROUPING_H

#include "base/base.h"
#include "promql/op.h"
#include "promql/slots.h"

struct run;

// Sorted label names and what they mean.
struct label_rule {
    const str *names;
    u32 count;
    bool keep; // Only these; else all but these.
};

// Sorts a copy of names and adds extra (empty = nothing).
bool label_rule_make(struct run *r, const str *names, u32 count, str extra, bool keep,
                     struct label_rule *out) MUST_USE;
// In scratch; texts borrowed.
bool label_rule_apply(const struct label_rule *rule, struct run *r, struct labels from,
                      struct labels *to) MUST_USE;

struct group_memo;

struct grouping {
    struct label_rule rule;
    struct slots slots; // One per group; its labels are the group's.
    struct group_memo *memo;
    u32 *group_of; // By series; of grouping_make alone.
};
// All series at once.
bool grouping_make(struct grouping *g, struct run *r, const struct op_series *series,
                   u32 count) MUST_USE;
// Or one after the other: begin, then the group of each. Texts of their labels must stay.
bool grouping_begin(struct grouping *g, struct run *r) MUST_USE;
bool grouping_add(struct grouping *g, struct run *r, struct labels ls, u32 *group) MUST_USE;

#endif
