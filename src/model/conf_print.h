// conf_print.h: decoded values as YAML again, along the table that decoded them.
//
// A key is printed if it is required, if its table gives it a default, or if it holds something;
// in the table's order. What was printed decodes to the same values, but for secrets: they are
// <secret>. O(values).
// Memory: the tree of what is printed, in the caller's arena; ERR_LIMIT when it or `out` is full.
// Threads: none of its own.
#ifndef MODEL_CONF_PRINT_H
#define MODEL_CONF_PRINT_H

#include "base/base.h"

struct arena;
struct buf;
struct conf_struct;
struct error;

// Threads: owned.
struct conf_print_opts {
    struct arena *memory;
    // May be NULL. Entries of a CONF_NODE_LIST with a `sub` are decoded by it; this fills in what
    // such an entry takes from elsewhere.
    void (*inherit)(void *ctx, const struct conf_struct *t, void *value);
    void *ctx;
};

// A CONF_NODE, and a CONF_NODE_LIST without `sub`, are printed as they were written: nothing secret
// may stand in them.
bool conf_print(struct buf *out, const struct conf_struct *t, const void *value,
                const struct conf_print_opts *opts, struct error *e) MUST_USE;
// A size in the largest unit that leaves no rest: 10GiB, 1500MiB, 7B.
void conf_print_bytes(struct buf *b, u64 v);

#endif
