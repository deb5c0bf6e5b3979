// tsdb_cold.h: idle series leave memory for blocks of their own, before their window is cut.
//
//   enough are idle ─► pick (ends are noted) ─► a block for each window ─► listed ─► no older
//   reader is left ─► their rows leave, and what is deleted of them stands in the blocks alone
//
// Such a block lies in the range of which the head answers; readers put both together, and who has
// samples in both has the same in both. Once its window is cut it is a block like any other.
// At a start its series' ends come back from it: what the log or an image says up to them is passed
// over, so a series that left stays out, and what was deleted of it stays deleted.
// Invariants: (I1) of head_ends.h. docs/adr/0009-cold-blocks.md
// Threads: the step and open, which exclude each other.
#ifndef TSDB_TSDB_COLD_H
#define TSDB_TSDB_COLD_H

#include "base/base.h"

struct error;
struct tsdb;

bool tsdb_cold_step(struct tsdb *db, struct error *e) MUST_USE;
// Of a shard that is being opened: where the series of cold blocks ended. Damage is passed over.
bool tsdb_cold_ends(struct tsdb *db, u32 shard, struct error *e) MUST_USE;

#endif
