// stored_file.h: the small files of a store that are replaced as a whole: read as one.
//
// What is larger than any release has written is damage like any other. That the reader has no room
// for it is not, and must never be taken for it: who drops what could not be read loses it.
// Threads: pure.
#ifndef TSDB_STORED_FILE_H
#define TSDB_STORED_FILE_H

#include "base/base.h"

struct arena;
struct error;
struct fs;

// At most bytes_max bytes, into a fresh arena. ERR_NOT_FOUND: there is none; ERR_CORRUPT: it is
// larger; ERR_LIMIT: it does not fit the arena.
bool stored_file_read(struct fs *fs, const char *path, size_t bytes_max, struct arena *a, str *out,
                      struct error *e) MUST_USE;

#endif
