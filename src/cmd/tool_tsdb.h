// tool_tsdb.h: `tidemark tool tsdb …`: looking at a store's folder from outside.
//
// Threads: on the main thread.
#ifndef CMD_TOOL_TSDB_H
#define CMD_TOOL_TSDB_H

#include "base/base.h"

struct fs;

// The words behind `tool tsdb`; an enum exit_code. Damage found is EXIT_RUNTIME.
int tool_tsdb_run(struct fs *fs, int argc, char **argv);
int tool_tsdb_misused(const char *why); // Says why and how it is used; EXIT_USAGE.
extern const char tool_tsdb_usage[];

#endif
