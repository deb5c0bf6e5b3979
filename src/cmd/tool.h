// tool.h: `tidemark tool …`: promtool's checks of files, by the code the server loads them with.
// `query …` is in tool_query.h, `tsdb …` in tool_tsdb.h.
// Threads: on the main thread.
#ifndef CMD_TOOL_H
#define CMD_TOOL_H

// argv[0..argc) are the words behind "tool". 0: all is good; 1: something is not, told on standard
// error; 2: wrong usage.
int tool_run(int argc, char **argv);

#endif
