// wal_fragment.h: the row of a column group in the log; see wal_entry.h and docs/format/wal.md.
#ifndef TSDB_WAL_FRAGMENT_H
#define TSDB_WAL_FRAGMENT_H

#include "base/base.h"
#include "tsdb/head_plan.h"

struct buf;
struct error;
struct head;
struct wal_decoder;

#define WAL_ORDINAL_MAX ((1U << 28) - 1) // 268 million series: no larger number is believed.

// Writes as they stand in a plan, or in another order. Threads: a value.
struct wal_writes {
    const struct head_write *first;
    const struct head_write *const *order; // NULL = from the first on.
};

static inline const struct head_write *wal_write_at(const struct wal_writes *w, u32 i)
{
    return w->order ? w->order[i] : w->first + i;
}
static inline struct wal_writes wal_writes_from(struct wal_writes w, u32 from)
{
    return w.order ? (struct wal_writes){.order = w.order + from}
                   : (struct wal_writes){.first = w.first + from};
}

// The writes share group and time; ordinals rise.
void wal_put_fragment(struct buf *out, struct head *h, struct wal_writes writes, u32 n, u64 place,
                      u32 salt);
bool wal_get_fragment(struct wal_decoder *d, str payload, struct error *e) MUST_USE;

#endif
