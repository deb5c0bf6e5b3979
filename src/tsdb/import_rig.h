// import_rig.h: samples in memory as the source of an import, for this folder's tests.
#ifndef TSDB_IMPORT_RIG_H
#define TSDB_IMPORT_RIG_H

#include "tsdb/tsdb_files.h"
#include "tsdb/tsdb_fixture.h"

struct rig_sample {
    const char *series; // As of fixture_labels; the sample's place + 1 is its line.
    i64 t_ms;
    f64 value;
};

// Threads: owned by the test.
struct import_rig {
    struct tsdb_import_source base;
    const struct rig_sample *samples;
    u32 n;
    u32 at;
    u32 passes_begun;
    u32 passes_ended;
    bool fails; // Where the samples end.
    struct tsdb_import_opts opts;
    struct tsdb_imported done;
    struct label items[16];
    char bytes[512];
};
void import_rig_init(struct import_rig *r, const struct fixture *f,
                     const struct rig_sample *samples, u32 n);
bool import_rig_run(struct import_rig *r, struct error *e);

#endif
