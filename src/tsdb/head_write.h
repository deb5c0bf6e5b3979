// head_write.h: how one sample enters its series; of head_write.c, for whoever replays a log.
//
// Threads: with the turn; what changes the head with the lock as well.
#ifndef TSDB_HEAD_WRITE_H
#define TSDB_HEAD_WRITE_H

#include "tsdb/head.h"

// Threads: a value.
struct head_sample {
    i64 t;
    f64 value;
};

// Where the sample before went, which the next ones mostly share. Threads: a value.
struct row_at {
    i64 t;
    struct head_window *window; // Of t; NULL = nothing is known.
    u32 group;                  // 0 = none.
    u32 row;
    struct segment *segment; // NULL = the group has no row at t.
};

// The window of t, made if it is not there; NULL: there are too many. Without the lock.
struct head_window *head_window_ensure(struct head *h, i64 t);
// The group's row at t, made if t is the newest; NULL if the group has none to share.
struct segment *head_group_row(struct head *h, u32 group, struct head_window *w, i64 t, u32 *row);
// An in-order sample, and the one before it (T_NEVER: none), in a window that is there.
void head_value_add(struct head *h, u32 ordinal, struct head_sample before, struct head_sample now,
                    struct row_at *at);
// What is stored at t, the own writes of a plan (may be NULL) included. Without the lock.
bool head_stored_find(const struct head *h, const struct head_plan *plan, u32 ordinal, i64 t,
                      f64 *value);

// What head_value_add makes of the usual one: the next of a row that others have begun, into the
// chunk that is open.
static inline bool head_value_next(struct head *h, struct head_row *r, const struct head_write *w,
                                   const struct row_at *at)
{
    struct open_chunk *o = &r->open;
    if (at->t != w->t || !at->segment || o->segment != at->segment || r->group != at->group ||
        at->row + 1U == at->segment->cap || (o->flags & ROW_ALONE)) {
        return false;
    }
    o->flags &= ROW_YOUNG;
    open_chunk_add(&h->cells, o, at->row, w->v_was, w->value);
    return true;
}

#endif
