// plan_share.h: which parts of a query are equal, so that they are evaluated once a run.
//
// Two subtrees are equal if their canonical texts, the grid they are evaluated on and what
// functions around them ask of resets are: then every time and every option in them resolves
// alike. Which are is found by a survey: the tree is planned once with equal parts looked into
// only once, so that what stands within a shared part does not count as shared itself. Then it is
// planned again, with a reader (op_shared.c) at each place of a shared part.
// Left alone are what reads no data, and what counts how often it had something to tell
// (histogram_quantile).
// Cost: the text of each subtree, twice; nothing where no selector comes twice, or where the texts
// together might pass SHARE_TEXT_BYTES_MAX. Memory: texts and the survey's plan, in the run's.
// Invariants: (I1) uses counts places in the plan, those within further uses of one part left out.
// Threads: owned by the run.
#ifndef PROMQL_PLAN_SHARE_H
#define PROMQL_PLAN_SHARE_H

#include "base/base.h"
#include "promql/ast.h"
#include "promql/op.h"

struct explain_node;
struct run;

#define SHARE_TEXT_BYTES_MAX ((u64)1 << 20)

enum shared_state { SHARED_UNOPENED, SHARED_HELD, SHARED_APART };

// One part of the plan that may stand at several places. Threads: owned by the run.
struct shared {
    str text;
    struct grid grid;
    u8 context; // What functions around it ask.
    u64 hash;
    u32 uses;
    struct op *source;         // Of the place planned last, which notes name.
    struct explain_node *told; // Its first place, where the run is explained.
    struct shared *next;
    // Of the run (op_shared.c).
    enum shared_state state;
    struct column *held;
    u64 *looked_at; // Samples, by column.
    u64 looked_at_open;
    u32 held_count;
    u32 places_read; // That have its columns: 1 until they are held.
};

// Threads: owned by the run.
struct plan_share {
    bool surveys;
    struct shared **slots;
    u32 slot_mask;
};

// Can anything in the tree be worth a survey?
bool share_is_likely(struct run *r, const struct expr *x);
// Begins a survey; r->share is set.
bool share_begin(struct run *r, const struct expr *x) MUST_USE;
// The part that this subtree is; NULL if it is none, or the run failed.
struct shared *share_find(struct run *r, const struct expr *x, const struct grid *g);

#endif
