// head_replay.h: samples of a log enter the head again: judged by time alone, since whoever wrote
// the log had judged them. Stored by time, in order or late; known times are passed over.
//
// Cost: O(1) a sample; rows at once are the cheapest by far. Threads: with the turn, at open.
#ifndef TSDB_HEAD_REPLAY_H
#define TSDB_HEAD_REPLAY_H

#include "base/base.h"

struct head;
struct wal_row;
struct wal_rows;

void head_replay(struct head *h, u32 ordinal, i64 t, f64 value);
u32 head_replay_row(struct head *h, const struct wal_row *row);      // How many have no series.
u32 head_replay_rows(struct head *h, const struct wal_rows *rows);   // The same of all values.
void head_replay_box(struct head *h, u32 ordinal, i64 t, str bytes); // The bytes of a good box.

#endif
