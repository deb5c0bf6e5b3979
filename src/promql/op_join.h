// op_join.h: what the files of the join share: its entries, its "one" side, one pair at a step.
//
// op_join.c says how they work together. Private to the join.
// Threads: owned by the run.
#ifndef PROMQL_OP_JOIN_H
#define PROMQL_OP_JOIN_H

#include "promql/grouping.h"
#include "promql/ops.h"
#include "promql/query_run.h"

// One signature's side of the "one". Threads: owned.
struct join_side {
    struct column column;
    u32 *owner;  // By step: which series gave the value. NULL while there is but one.
    u32 first;   // That one.
    u64 *twice;  // Steps with more than one value; NULL while there are none.
    u32 twice_a; // The two that met first.
    u32 twice_b;
    u64 *matched; // Steps at which a partner was found.
    bool exists;
};

// One output series. Threads: owned.
struct join_entry {
    struct labels labels;
    u64 *taken; // Shared by entries of the same signature and labels; NULL if it is alone.
    u32 many;   // The many side's series, or of the one side for a filled entry.
    bool is_fill;
};

// Threads: owned by the run.
struct op_join {
    struct op base;
    const struct expr *expr;
    const struct vector_matching *matching;
    enum binary_op op;
    struct op *many;
    struct op *one;
    bool swapped; // The many side stands on the right.
    struct label_rule rule;
    struct slots slots;
    u32 *many_slot;
    u32 *one_slot;
    struct join_side *sides; // By signature.
    struct join_entry *entries;
    u32 entry_count;
    u32 entry_cap;
    u64 *many_any; // Steps at which either side has anything at all.
    u64 *one_any;
    struct column many_column; // Of the series that the current entries belong to.
    u32 many_loaded;           // How many of the many side's series were pulled.
    u32 words;
    bool is_folded;
    bool is_checked;
};

// The left fill value is the many side's, also where sides are swapped: so has upstream decided.
static inline bool join_has_many_fill(const struct op_join *o)
{
    return o->matching->has_fill_left;
}

static inline bool join_has_one_fill(const struct op_join *o)
{
    return o->matching->has_fill_right;
}

static inline bool join_is_one_to_one(const struct op_join *o)
{
    return o->matching->card == CARD_ONE_TO_ONE;
}

// The labels that a side which is not there would have: those of the signature.
static inline struct labels join_filled_labels(const struct op_join *o, u32 slot)
{
    return o->slots.labels[slot];
}

// join_entries.c: the signatures of both sides and the series of the answer; everything that is
// known from labels alone.
MUST_USE bool join_entries_make(struct op_join *o, struct run *r);

// join_sides.c: folds the "one" side into a column per signature.
MUST_USE bool join_sides_fold(struct op_join *o, struct run *r);

// Once both sides have been seen: two values of one signature matter where there is something to be
// matched at all.
MUST_USE bool join_sides_check(struct op_join *o, struct run *r);

// join_pair.c. Threads: value.
struct join_operand {
    f64 value;
    const struct hist *hist;
};

// A pair at a step. Threads: value.
struct join_meeting {
    const struct join_entry *entry;
    u64 *matched; // The signature's.
    u32 step;
    struct join_operand many;
    struct join_operand one;
};

// Calculates it and puts what comes out into the column; two that meet the same partner are an
// error.
MUST_USE bool join_meet(struct op_join *o, struct run *r, const struct join_meeting *m,
                        struct column *out);

#endif
