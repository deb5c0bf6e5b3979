// golden_fixture.h: a small store with one of everything, the same bytes each time it is made; and
// files as columns of memory, so that tests can compare and damage them.
#ifndef TSDB_GOLDEN_FIXTURE_H
#define TSDB_GOLDEN_FIXTURE_H

#include "base/base.h"
#include "tsdb/tsdb_fixture.h"

struct arena;
struct fs;

// --- Files ---------------------------------------------------------------------------------------

#define TREE_FILES_MAX 256U
#define TREE_PATH      120

// Threads: owned.
struct tree_file {
    char path[TREE_PATH]; // Below the folder.
    u8 *bytes;            // In the tree's arena; those of a borrowed one are written to by nobody.
    u64 len;
};
struct tree {
    struct arena *a;
    struct tree_file files[TREE_FILES_MAX];
    u32 n;
};
void tree_init(struct tree *t);
void tree_fini(struct tree *t);
void tree_read(struct tree *t, struct fs *fs, const char *dir); // But for the lock. Sorted.
void tree_write(const struct tree *t, struct fs *fs, const char *dir);
struct tree_file *tree_find(struct tree *t, const char *path); // NULL if there is none.

// --- The store -----------------------------------------------------------------------------------

#define GOLDEN_SERIES   20U
#define GOLDEN_TICKS    760U // Of half a second; whole ones, and halves where samples came late.
#define GOLDEN_EXEMPLAR 200U // The tick of one that is in a block.
#define GOLDEN_START    (FIXTURE_NOW - FIXTURE_NOW % FIXTURE_RANGE - 6 * FIXTURE_RANGE)

enum golden_state { GOLDEN_NONE, GOLDEN_THERE, GOLDEN_DELETED };

// What the store holds, sample by sample. Threads: frozen once made.
struct golden {
    u8 state[GOLDEN_SERIES][GOLDEN_TICKS];
    u64 hash[GOLDEN_SERIES][GOLDEN_TICKS]; // fixture_sample_hash
    u64 there;
};
void golden_init(struct golden *g);
void golden_options(struct fixture *f);
// Feeds an opened store: blocks of two levels, deletions in a block and in the head, retention's
// floor, both logs with a checkpoint, histograms, start timestamps, late samples.
void golden_feed(struct fixture *f);
// The number of a series; GOLDEN_SERIES if nobody sent it.
u32 golden_series(struct labels ls);
// The place of a time; GOLDEN_TICKS if nothing was sent at such a time.
u32 golden_tick(i64 t);

#endif
