// server_metrics.h: what the process says of itself, beside what each part counts.
// Threads: register once; server_metrics_reload from whoever reloads.
#ifndef CMD_SERVER_METRICS_H
#define CMD_SERVER_METRICS_H

#include "base/base.h"

struct tmk_registry;

void server_metrics_register(struct tmk_registry *r, u64 memory_limit);
void server_metrics_ready(bool is_ready);
void server_metrics_reload(bool ok);

#endif
