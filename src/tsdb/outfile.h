// outfile.h: a new file written from front to back, once.
//
// add O(bytes), one write per OUTFILE_BUFFER; the first failure sticks and finish tells it.
// Threads: owned.
#ifndef TSDB_OUTFILE_H
#define TSDB_OUTFILE_H

#include "base/base.h"
#include "base/error.h"

struct file;
struct fs;

#define OUTFILE_BUFFER ((size_t)256 << 10)

// Threads: owned.
struct outfile {
    struct fs *fs;
    struct file *file;
    u8 *buffer;
    size_t used;
    u64 written;
    u32 crc; // CRC-32C of what was added since the last outfile_crc.
    bool failed;
    struct error error;
};

bool outfile_open(struct outfile *o, struct fs *fs, const char *path, struct error *e) MUST_USE;
void outfile_add(struct outfile *o, const void *bytes, size_t len);
u64 outfile_offset(const struct outfile *o); // Where the next byte goes.
u32 outfile_crc(struct outfile *o);          // Returns it and begins anew.
// Writes what is left and syncs.
bool outfile_finish(struct outfile *o, struct error *e) MUST_USE;
void outfile_close(struct outfile *o); // Accepts zeroed, finished or not.

// The folder that a name stands in, which is synced once the name is there.
void folder_parent(const char *path, char *out, size_t size);

#endif
