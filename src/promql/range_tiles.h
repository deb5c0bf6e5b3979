// range_tiles.h: the windows of a selector of much data, calculated by several threads.
//
// Its series are cut into tiles: neighbours, each tile with a cursor of its own. A thread that
// takes a tile reads series after series, calculates their columns and keeps both in memory of its
// own; what all tiles came to is put together in the order of the series. Each thread has a run of
// its own (struct run), so that what is noted, counted and held is put together in that order, too,
// and does not tell who did what.
// Who streams has the columns of each tile taken as soon as all tiles before it are: by the thread
// that has done the tile, unless another is just at it, which goes on with this one then. A tile
// that is early waits; so does its thread, once it has as much ahead as its memory allows. Of the
// tile whose turn it is, a few series are taken at a time, and histograms go with the columns.
// Whatever goes wrong in a tile, a limit for instance, nothing of any tile is kept, and the run's
// own thread begins again alone: what it says is what is told.
// Invariants: (I1) What is early never takes the memory of what comes next: that is asked for
// before tiles are handed out, and again before each column.
// Memory: all columns, an eighth of the run's limit at most, or, streamed, those of tiles that are
// early; labels of all series, also of those that were taken, until the run ends; and frames and
// buffers by thread.
// Threads: called by the run's; see above.
#ifndef PROMQL_RANGE_TILES_H
#define PROMQL_RANGE_TILES_H

#include "base/base.h"
#include "promql/feed.h"
#include "promql/range_eval.h"

// f is not open. *done: it is, all its series are taken, and columns are theirs; else it is as it
// was, because there is too little to do, nobody to help, or something went wrong.
bool range_tiles_open(struct feed *f, struct run *r, const struct range_task *task,
                      struct column **columns, bool *done) MUST_USE;
// The same, but that a taker has the series, with their labels as they were read, and the columns.
// *done: f->series_count of them; f->series is nobody's.
bool range_tiles_stream(struct feed *f, struct run *r, const struct range_task *task,
                        const struct op_taker *taker, bool *done) MUST_USE;

#endif
