// explain.h: the plan of a run as people read it, and what each part of it took.
//
// While a run is explained, the planner says of each expression when it begins to make an operator
// of it and when it has (explain_enter, explain_leave). The operator keeps the node; op_open and
// op_next say when work goes over from one node to another (explain_to, explain_back). So what a
// node took is its own, without what its children took.
// Cost: where nothing is explained, a pointer is looked at per call; else two looks at the clock.
// Memory: the run's, O(nodes) while planning.
// Invariants:
//   (I1) Whatever a run does from explain_begin to explain_end counts for exactly one node.
//   (I2) Equal parts have one subtree, below the place that comes first: what any of their places
//        does counts there.
// Threads: owned by the run.
#ifndef PROMQL_EXPLAIN_H
#define PROMQL_EXPLAIN_H

#include "base/base.h"
#include "promql/ast.h"
#include "promql/op.h"
#include "promql/promql.h"

struct arena;
struct run;
struct selection;
struct shared;

// Threads: owned by the run.
struct explain_node {
    const struct expr *expr; // NULL: the query as a whole.
    struct grid grid;
    const struct expr *source; // The selector that it reads; NULL: none.
    i64 min_ms;                // What it needs of source.
    i64 max_ms;
    i64 range_ms;      // Of source, or of the subquery below; 0: none.
    struct grid inner; // Of the subquery below; steps 0: none.
    bool is_once;      // Evaluated once for all steps.
    bool is_constant;  // Known beforehand: value.
    bool is_again;     // Another place of a part, which stands below its first.
    f64 value;
    const struct shared *part; // NULL: stands here only.
    u32 part_number;
    struct explain_node *parent;
    struct explain_node *first;
    struct explain_node *last;
    struct explain_node *next;
    struct explain_node *twin; // Where what this one took is counted (I2); NULL: here.
    u32 child_count;
    struct promql_cost cost;
    i64 ns;
};

// Threads: owned by the run.
struct explain {
    struct explain_node *root;
    struct explain_node *planned; // The one whose children are being planned.
    struct explain_node *at;      // The one at work.
    struct promql_cost since;     // What the run had taken when that one began.
    i64 since_ns;
    u32 part_count;
};

// ---- while planning; nothing is done where nothing is explained ----

bool explain_begin(struct run *r) MUST_USE; // From now on the run is explained.
struct explain_node *explain_enter(struct run *r, const struct expr *x, const struct grid *g);
void explain_leave(struct run *r, struct explain_node *n, struct op *o); // Accepts NULLs.
// Of the node that is planned: what it reads; its subquery's steps; that it is known beforehand,
// with all below it; its value; once for all steps.
void explain_source(struct run *r, const struct expr *x, const struct selection *s);
void explain_window(struct run *r, const struct grid *inner, i64 range_ms);
void explain_constant(struct run *r);
void explain_value(struct run *r, f64 value);
void explain_once(struct run *r);
// The node that is planned is a place of this part; told says where the first one is.
void explain_shared(struct run *r, struct shared *part);
// The operator of a node is being made whose times are known only now.
void explain_times(struct run *r, i64 min_ms, i64 max_ms);

// ---- while running ----

// Work goes over to n; yields where it came from.
struct explain_node *explain_switch(struct run *r, struct explain_node *n);
static inline struct explain_node *explain_to(struct run *r, struct explain_node *n)
{
    return n ? explain_switch(r, n) : NULL;
}
static inline void explain_back(struct run *r, const struct explain_node *n,
                                struct explain_node *from)
{
    if (n) {
        (void)explain_switch(r, from);
    }
}
void explain_series(struct explain_node *n, u32 count); // Accepts NULL.
void explain_end(struct run *r);

// explain_print.c: the tree for people, in the arena.
struct promql_plan *explain_take(const struct run *r, struct arena *a);

#endif
