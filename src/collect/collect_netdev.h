// collect_netdev.h: the list of network devices, for netdev and netclass.
#ifndef COLLECT_COLLECT_NETDEV_H
#define COLLECT_COLLECT_NETDEV_H

#include "collect/collect_run.h"

// Opens /proc/net/dev and skips its head. rest is borrowed until the next run_read.
bool netdev_read(struct run *r, str *rest, struct error *e) MUST_USE;
// The next device, whose name is safe as one part of a path. False at the end, or with e set.
bool netdev_next(str *rest, str *device, str *numbers, struct error *e) MUST_USE;

#endif
