// import_page.h: a file of OpenMetrics as the source of an import: mapped, and read anew for each
// pass. Every sample must have a time. Memory: the parser's. Threads: owned.
#ifndef CMD_IMPORT_PAGE_H
#define CMD_IMPORT_PAGE_H

#include "ingest/ingest.h"
#include "os/fs.h"
#include "tsdb/tsdb_files.h"

struct import_page {
    struct tsdb_import_source base;
    struct fs *fs;
    struct fs_map map;
    struct expo *x;
    struct expo_entry entry;
    u32 timeless; // The line of a sample without a time; 0 = none so far.
};

// path is borrowed: errors begin with it.
bool import_page_open(struct import_page *p, struct fs *fs, const char *path,
                      struct error *e) MUST_USE;
void import_page_close(struct import_page *p);

#endif
