// fs_inner.h: what the three file systems share: the head of every open file, and error texts.
#ifndef OS_FS_INNER_H
#define OS_FS_INNER_H

#include "os/fs.h"

// The first member of each implementation's open file. Threads: as fs.h says.
struct file {
    char *path;    // For messages; a copy.
    bool poisoned; // (I7) A sync failed.
};

void fs_file_init(struct file *f, const char *path);
void fs_file_fini(struct file *f);

// "<doing> <path>: <reason>" with the code that callers tell apart (exists, not found, no space).
bool fs_fail(struct error *e, int errno_value, const char *doing, const char *path);

#endif
