// tool_blocks.h: `tidemark tool tsdb create-blocks-from` and `analyze`: blocks made of a file, and
// what a block is made of.
//
// Threads: on the main thread.
#ifndef CMD_TOOL_BLOCKS_H
#define CMD_TOOL_BLOCKS_H

#include "base/base.h"

struct fs;
struct tsdb_block_info;

// The words behind each; an enum exit_code.
int tool_blocks_create(struct fs *fs, int argc, char **argv);
int tool_blocks_analyze(struct fs *fs, int argc, char **argv);
// A table of blocks: its head, and a line of it.
void tool_blocks_head(void);
void tool_blocks_line(const struct tsdb_block_info *b);

#endif
