// head_image_rows.h: the samples of a head image: its windows with their sealed chunks, the rows of
// its series, late samples.
//
// They need of a series that its row is in the table, nothing of its labels or sets, so a thread of
// its own may take them in while another one makes the series of slices further on (I1).
// (I1) Of the head only windows, t_max, segment_id and, in rows below `slots`, the newest sample
// are written here; slots rises by whoever makes series, who never comes back to rows below it, and
// the table does not move meanwhile.
// Cost: O(bytes of the image). Memory: the windows', and an arena for histograms.
// Bytes: docs/format/head-image.md. Threads: owned by one thread of open.
#ifndef TSDB_HEAD_IMAGE_ROWS_H
#define TSDB_HEAD_IMAGE_ROWS_H

#include "base/base.h"

struct arena;
struct error;
struct head;
struct head_image_file;
struct head_window;
struct image_record;

#define IMAGE_SCRATCH_MAX ((size_t)64 << 20)

// Threads: owned by one thread of open.
struct image_rows {
    const struct head_image_file *file;
    const char *spill_dir;
    struct head *head;
    struct arena *scratch; // IMAGE_SCRATCH_MAX
    u32 slots;             // Of the head's table, that hold what series they will.
    u32 series;            // Rows that were read.
    // Of the window being read.
    struct head_window *window; // NULL: blocks hold it.
    bool skipped;
    u32 segments;
    u32 extents;
    u64 chunks;
    u32 boxes;
};
void image_rows_init(struct image_rows *r, const struct head_image_file *f, const char *spill_dir,
                     struct head *h);
void image_rows_fini(struct image_rows *r);
// How many slots the series of a file need at most: those of a record of rows lie close together,
// and records rise.
#define IMAGE_SLOTS_MAX 256U
u32 image_rows_slots(const struct head_image_file *f, u32 slots_max);
bool image_rows_windows(struct image_rows *r, struct error *e) MUST_USE; // Before any rows.
// Rows and late samples; others are passed over.
bool image_rows_get(struct image_rows *r, const struct image_record *record,
                    struct error *e) MUST_USE;

#endif
