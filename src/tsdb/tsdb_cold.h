// tsdb_cold.h: idle series leave memory for blocks of their own, before their window is cut.
//
//   enough are idle ─► pick (ends are noted) ─► a block for each window ─► listed (cold_known.h)
//   ─► no older reader is left ─► their rows leave
//
// Such a block lies in the range of which the head answers; readers put both together, and who has
// samples in both has the same in both. Once its window is cut it is a block like any other.
// At a start its series' ends come back from it: what the log or an image says up to them is passed
// over, so a series that left stays out, and what was deleted of it stays deleted. While one of
// them all is damaged or missing none is believed: the whole log is read, and what it still has
// comes back into memory; what is deleted of that deleted_list.h says. A sample that a block has as
// well is the same there. Ends count for new samples in any case.
// Invariants: (I1) of head_ends.h. docs/adr/0009-cold-blocks.md
// Threads: the step and open, which exclude each other.
#ifndef TSDB_TSDB_COLD_H
#define TSDB_TSDB_COLD_H

#include "base/base.h"

struct error;
struct tsdb;

bool tsdb_cold_step(struct tsdb *db, struct error *e) MUST_USE;
// Once the blocks are listed, before the logs are read: whether they can be believed (cold_lost),
// and if so, where their series ended. false: the system refuses to show them.
bool tsdb_cold_open(struct tsdb *db, struct error *e) MUST_USE;
// Puts the ends of a shard into its head. What is damaged is passed over, told, and lost.
bool tsdb_cold_ends(struct tsdb *db, u32 shard, struct error *e) MUST_USE;

#endif
