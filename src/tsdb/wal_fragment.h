// wal_fragment.h: the row of a column group in the log; see wal_entry.h and docs/format/wal.md.
#ifndef TSDB_WAL_FRAGMENT_H
#define TSDB_WAL_FRAGMENT_H

#include "base/base.h"

struct buf;
struct error;
struct head;
struct head_write;
struct wal_decoder;

#define WAL_ORDINAL_MAX ((1U << 28) - 1) // 268 million series: no larger number is believed.

// The writes share group and time; ordinals rise.
void wal_put_fragment(struct buf *out, struct head *h, const struct head_write *const *writes,
                      u32 n, u64 place, u32 salt);
bool wal_get_fragment(struct wal_decoder *d, str payload, struct error *e) MUST_USE;

#endif
