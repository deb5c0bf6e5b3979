// op.h: operators: the nodes of a plan. Each answers its series once, then a column per series.
//
// op_open makes series and series_count (and may pull its children whole where labels depend on
// values); op_next gives the columns of series 0, 1, 2, … in that order, each once. A series may
// turn out to have no value at any step.
// Cost: labels once per series, never per step. Memory: the run's.
// Invariants: (I1) series and series_count do not change after op_open. (I2) A column given out is
// as long as grid.steps.
// Threads: owned by the run.
#ifndef PROMQL_OP_H
#define PROMQL_OP_H

#include "base/base.h"
#include "model/labels.h"
#include "promql/column.h"

struct explain_node;
struct hist;
struct op;
struct run;

struct op_series {
    struct labels labels;
    bool drop_name; // Delayed name removal: the name goes at the end of the run.
};

// The values of all series of an operator of one step, at which each has one. Threads: owned by the
// run.
struct instants {
    const f64 *values;
    const struct hist *const *hists; // NULL = all are floats; else NULL where a float stands.
};

// Who takes the series of an operator and their columns as they come, 0, 1, 2, …, and keeps none.
// Threads: called by one at a time, which need not be the run's; r is not the run then but one like
// it, whose memory stays until the run's goes.
struct op_taker {
    bool (*take)(void *arg, struct run *r, const struct op_series *s, const struct column *c);
    // Columns without histograms stay as they are until then. Not called for what failed.
    void (*flush)(void *arg);
    void *arg;
    // Of its labels those that are looked at, sorted; of others only what says what a metric is is
    // there for certain. NULL: all.
    const str *names;
    u32 name_count;
};
// What says what a metric is, sorted.
#define IDENTITY_LABELS 3U
extern const str identity_labels[IDENTITY_LABELS];

struct op_ops {
    const char *name;
    bool (*open)(struct op *o, struct run *r);
    // out is empty and belongs to the caller; its arrays may become others of the same length.
    bool (*next)(struct op *o, struct run *r, struct column *out);
    // In place of next, once, after open. NULL: it cannot.
    void (*instants)(struct op *o, struct instants *out);
    // In place of open and next: all series and columns go to a taker. *done false: what it was
    // given counts for nothing, and open is next. series stays NULL. NULL: it cannot.
    bool (*stream)(struct op *o, struct run *r, const struct op_taker *t, bool *done);
    // Before open: only these labels are wanted (names is not NULL). Then series may be NULL, if it
    // is none; labels of those that have histograms are there all the same. NULL: it cannot.
    void (*narrow)(struct op *o, const str *names, u32 count);
};

struct op {
    const struct op_ops *ops;
    struct grid grid;
    struct op_series *series;
    u32 series_count;
    u32 at;           // Columns given so far.
    bool is_distinct; // No two series have the same labels; told where it is known for nothing.
    struct explain_node *node; // Where what it takes is counted; NULL: where its caller's is.
    u32 order;                 // Children come before their parents, left before right.
};

void op_init(struct op *o, struct run *r, const struct op_ops *ops, const struct grid *g);

bool op_open(struct op *o, struct run *r) MUST_USE;
bool op_next(struct op *o, struct run *r, struct column *out) MUST_USE; // Clears out first.
// If it can; *done says whether it did.
bool op_stream(struct op *o, struct run *r, const struct op_taker *t, bool *done) MUST_USE;

// All values at once; false: it cannot, and op_next gives them.
bool op_instants(struct op *o, struct instants *out);
void op_narrow(struct op *o, const str *names, u32 count); // If it can.

// All columns at once, in the run's memory.
bool op_collect(struct op *o, struct run *r, struct column **out) MUST_USE;
// The one column of a scalar. A scalar has a value at every step.
bool op_collect_scalar(struct op *o, struct run *r, struct column *out) MUST_USE;
// Allocates o's series.
bool op_make_series(struct op *o, struct run *r, u32 count) MUST_USE;
// All series of o, which may be told apart as before if they had one name.
bool op_drop_names(struct op *o, struct run *r, const struct op_series *from) MUST_USE;
// The labels after an operation that changes what a metric is: without name, or marked so.
bool op_drop_name(struct run *r, const struct op_series *from, struct op_series *to) MUST_USE;
// The same at once if its name, and what follows it, stand where those of a series before it do, of
// which that took but a view. viewed: that one, or none; false: nothing was written, and this one
// is it from now on if it begins with its name.
bool op_drop_alike(const struct run *r, struct labels ls, struct labels *viewed,
                   struct op_series *to);
// Have they the same __name__, __type__ and __unit__?
bool op_is_same_metric(struct labels a, struct labels b);
// Without __name__, __type__ and __unit__.
bool op_strip_name(struct run *r, struct labels from, struct labels *to) MUST_USE;
bool op_keep_labels(struct op *o, struct run *r, const struct op *child) MUST_USE; // As child's.

// Puts all of child's series at a place of o's.
void op_copy_series(struct op *o, u32 at, const struct op *child);

#endif
