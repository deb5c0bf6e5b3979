// tool_promql.h: `tidemark tool promql …`: what is done with the text of an expression.
//
// Threads: on the main thread.
#ifndef CMD_TOOL_PROMQL_H
#define CMD_TOOL_PROMQL_H

#include "base/base.h"

// The words behind `tool promql`; an enum exit_code.
int tool_promql_run(int argc, char **argv);
extern const char tool_promql_usage[];

#endif
