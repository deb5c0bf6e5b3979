// tool_query.h: `tidemark tool query …`: asks a running server, as promtool's does.
//
// Threads: on the main thread; the client's own thread fetches.
#ifndef CMD_TOOL_QUERY_H
#define CMD_TOOL_QUERY_H

#include "base/base.h"

struct clk;

// The words behind `tool query`; an enum exit_code.
int tool_query_run(struct clk *clk, int argc, char **argv);
extern const char tool_query_usage[];

#endif
