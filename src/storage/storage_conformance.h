// storage_conformance.h: what every storage must do, as checks that run against any maker of one.
//
// Linked by tests only. Each check makes a store, works on it through the waist alone, and asserts
// with cmocka. Where storage.h leaves room (order of unsorted series, extra series without data),
// the checks leave it too.
#ifndef STORAGE_STORAGE_CONFORMANCE_H
#define STORAGE_STORAGE_CONFORMANCE_H

#include "storage/storage.h"

struct clk;

// Threads: owned by the test.
struct storage_factory {
    // clk tells the time that APPEND_TOO_NEW is judged by; ooo_window_ms as in memstore_opts.
    struct storage *(*make)(void *ctx, struct clk *clk, i64 ooo_window_ms);
    void (*dispose)(void *ctx, struct storage *s);
    void *ctx;
    bool keeps_exemplars; // false: exemplars are taken and dropped.
};

// All checks, each against a new store; prints the name of each before it runs.
void storage_conformance_run(const struct storage_factory *f);

#endif
