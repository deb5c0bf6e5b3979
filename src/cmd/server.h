// server.h: everything of `tidemark server`, joined.
//
// server_run starts the parts from the bottom up, waits for signals, stops them from the top down.
// A reload prepares every part and swaps only when all are good.
// Threads: server_run on the main thread; the callbacks it gives to the API may come from any lane
// and are guarded inside.
#ifndef CMD_SERVER_H
#define CMD_SERVER_H

#include "base/base.h"

struct options;

enum exit_code { EXIT_OK = 0, EXIT_RUNTIME = 1, EXIT_USAGE = 2, EXIT_CONFIG = 3 };

int server_run(const struct options *o);

#endif
