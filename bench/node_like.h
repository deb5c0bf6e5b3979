// node_like.h: series and values like those of node_exporter, from their numbers alone, so that
// every run is the same and nothing has to be kept to know what is right.
//
// Targets of 1000 series each: ten labels, of which six are the target's own; values in the shares
// that a capture shows (three fifths never move, a tenth moves at times, the rest are busy counters
// and gauges of whole and decimal numbers), and two in a hundred that use every bit.
// Threads: pure functions, but for node_like_resolve, whose appender has one owner.
#ifndef BENCH_NODE_LIKE_H
#define BENCH_NODE_LIKE_H

#include "base/base.h"
#include "model/labels.h"

struct arena;
struct error;
struct series_ref;
struct storage_appender;

f64 node_like_value(u32 series, u32 row);
struct labels node_like_labels(struct arena *a, u32 series); // Sorted; texts in the arena.
// Makes n series from a number on, in commits of 2000. cpu_ns: the processor's time for it is
// added, that for their labels aside; may be NULL. false: a commit failed, or one was refused.
bool node_like_resolve(struct storage_appender *a, u32 from, u32 n, struct series_ref *refs,
                       u64 *cpu_ns, struct error *e);

#endif
