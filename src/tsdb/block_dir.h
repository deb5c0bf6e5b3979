// block_dir.h: a new block's folder: filled under a name that ends in .tmp, listed by one rename.
//
//   make ─► index, data and more are written ─► finish (both, then meta) ─► list
// What a crash leaves behind ends in .tmp and is swept at the next start.
// Threads: owned.
#ifndef TSDB_BLOCK_DIR_H
#define TSDB_BLOCK_DIR_H

#include "tsdb/block.h"

struct clk;
struct data_writer;
struct index_writer;
struct rng;
struct tombstone_list;

#define BLOCK_PATH 560

// Threads: owned.
struct block_dir {
    struct fs *fs;
    const char *dir; // Where blocks are listed.
    char path[480];
    char tmp[500];
};

void block_id_make(struct clk *clk, struct rng *rng, char out[BLOCK_ID_LEN + 1]);
bool block_dir_make(struct block_dir *d, struct fs *fs, const char *dir, const struct block_meta *m,
                    struct error *e) MUST_USE;
void block_dir_file(const struct block_dir *d, const char *name, char out[BLOCK_PATH]);
// Finishes both files, fills in what they count and writes meta.
bool block_dir_finish(const struct block_dir *d, struct index_writer *index,
                      struct data_writer *data, struct block_meta *m, struct error *e) MUST_USE;
// Writes the file of deletions if there are any.
bool block_dir_dead(const struct block_dir *d, struct tombstone_list *dead,
                    struct error *e) MUST_USE;
// Writes the file of exemplars if there are any: these, or what those blocks have.
bool block_dir_exemplars(const struct block_dir *d, const struct exemplar_group *groups, u32 n,
                         struct error *e) MUST_USE;
bool block_dir_exemplars_of(const struct block_dir *d, struct block *const *blocks, u32 n,
                            struct error *e) MUST_USE;
// On failure nothing is listed and nothing is left.
bool block_dir_list(const struct block_dir *d, struct error *e) MUST_USE;
void block_dir_drop(const struct block_dir *d); // Removes what was not listed.

#endif
