// head_gone.h: the slots of series that left for cold blocks (head_cold.h) while the log may still
// mention them: nobody gets them, what the log says of them is no loss, and their memory goes back.
//
// Once no segment is left that can mention them they are free like any other.
// Memory: a set for each time that some left. Threads: as struct head.
#ifndef TSDB_HEAD_GONE_H
#define TSDB_HEAD_GONE_H

#include "base/base.h"

struct head;
struct postings;

// Those that left while the same segment was written. Threads: as struct head.
struct gone_slots {
    u64 segment;
    struct postings *set;
};
// Threads: as struct head.
struct head_gone {
    struct gone_slots *items; // Rising by segment.
    u32 n;
    u32 cap;
};
void head_gone_fini(struct head_gone *g);
bool head_gone_is(const struct head *h, u32 ordinal);
// With the turn and the lock. Rising; free by now.
void head_gone_add(struct head *h, const u32 *ordinals, u32 n, u64 segment);
// With the turn: of a replay. Nothing if a series is there.
void head_gone_set(struct head *h, u32 ordinal);
// With the turn and the lock, after a replay: who came back is not gone.
void head_gone_restored(struct head *h, u64 segment);
// With the turn: takes those from before the segment out, for the caller, who frees them; *n of
// them. NULL: there are none.
u32 *head_gone_release(struct head *h, u64 segment_first, u32 *n);
// With the lock: up to max of them from *from on, which moves behind them.
u32 head_gone_list(const struct head *h, u32 *from, u32 *ordinals, u32 max);
// Takes the turn by slices: gives the memory of runs of such slots back to the system.
void head_gone_drop(struct head *h);

#endif
