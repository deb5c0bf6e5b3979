// memstore.h: the slow, obvious store: the tests' oracle and the stand-in for any storage.
//
// Everything in sorted arrays under one lock; every rule of storage.h followed literally.
// Not for serving: O(n) inserts, no disk. commit is durable at once.
// Threads: shared, as storage.h says; opts are frozen.
#ifndef STORAGE_MEMSTORE_H
#define STORAGE_MEMSTORE_H

#include "storage/storage.h"

struct clk;

struct memstore_opts {
    struct clk *clk;   // For APPEND_TOO_NEW; NULL switches that check off.
    u32 series_max;    // 0 = no limit.
    i64 ooo_window_ms; // 0 = refuse what is older than the newest.
};
struct storage *memstore_new(struct memstore_opts opts);
void memstore_free(struct storage *s);
// Every ref given so far is dead from now on, as when a head forgets its series; the samples stay.
void memstore_forget(struct storage *s);
// The next n commits are refused with ERR_LIMIT, as by a log that is full.
void memstore_refuse(struct storage *s, u32 n);

#endif
