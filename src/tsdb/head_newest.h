// head_newest.h: the newest samples of many series at once, told from the rows of the table alone.
//
// A row has the newest sample that was appended in order, and nothing stored is newer than that.
// So a reader knows his newest sample without reading any chunk, unless the row's lies behind his
// range, is not yet committed, came after his pin, is deleted, or is no plain double: then the
// series has to be read.
// Cost: O(series), a line of the cache each, and O(labels) of those wanted.
// Threads: takes the shard's lock for the call; what it fills is owned by the caller.
#ifndef TSDB_HEAD_NEWEST_H
#define TSDB_HEAD_NEWEST_H

#include "tsdb/head.h"
#include "tsdb/head_read.h"

struct tombstones;

#define HEAD_NEWEST_MAX 1024U // Series of one call.

enum newest_state {
    NEWEST_NONE, // Nothing in the range that the reader may see.
    NEWEST_KNOWN,
    NEWEST_READ, // Only reading tells.
};

// Threads: owned.
struct head_newest {
    u8 states[HEAD_NEWEST_MAX]; // enum newest_state
    i64 t_ms[HEAD_NEWEST_MAX];
    f64 values[HEAD_NEWEST_MAX];
    struct labels labels[HEAD_NEWEST_MAX]; // Of those known.
};

// Which labels are wanted. Threads: a value.
struct newest_names {
    const str *names; // NULL: all.
    u32 count;
};

// n ordinals, at most HEAD_NEWEST_MAX. dead: what is deleted, or NULL. wanted NULL: no labels are
// written; else they are made in the reader's arena.
void head_newest_get(const struct head_read *r, const struct tombstones *dead, const u32 *ordinals,
                     u32 n, const struct newest_names *wanted, struct head_newest *out);

// What of that is the same for all series while the lock is held. Threads: guarded by that lock.
struct newest_look {
    const struct head_row *rows;
    u32 count;
    bool all_plain; // No series was written to after the pin, and none is deleted in part.
    i64 min_ms;
    i64 max_ms;
    const struct head_read *reader;
    const struct tombstones *dead;
};
// With the lock.
struct newest_look head_newest_look(const struct head_read *r, const struct tombstones *dead);
// With the lock: whether the series' newest sample, of this time, is there for the reader.
bool head_newest_there(const struct newest_look *l, u32 ordinal, i64 t);

// With the lock that it was begun under: one series; *t and *value, which may be a box, are set if
// it is known.
static inline enum newest_state head_newest_state(const struct newest_look *l, u32 ordinal, i64 *t,
                                                  f64 *value)
{
    i64 at;
    f64 v;
    if (ordinal >= l->count || l->rows[ordinal].own == 0) {
        return NEWEST_NONE;
    }
    if (!head_row_newest(&l->rows[ordinal], &at, &v) || at > l->max_ms) {
        return NEWEST_READ;
    }
    if (at == T_NEVER || at < l->min_ms || (l->rows[ordinal].open.flags & ROW_COLD)) {
        return NEWEST_NONE;
    }
    if (!l->all_plain && !head_newest_there(l, ordinal, at)) {
        return NEWEST_READ;
    }
    *t = at;
    *value = v;
    return NEWEST_KNOWN;
}

#endif
