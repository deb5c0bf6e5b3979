// proc_limits.h: what the machine's and the control group's files say about memory and processors,
// read through any file system so that tests can lay the files out themselves.
#ifndef OS_PROC_LIMITS_H
#define OS_PROC_LIMITS_H

#include "base/base.h"

struct fs;

// The least of MemTotal and every memory limit from the process's group up to the root; 0 if
// nothing could be read.
u64 proc_memory_limit_of(struct fs *fs);
// The least processor quota on that path, rounded up; UINT32_MAX without one.
u32 proc_cpu_quota_of(struct fs *fs);

#endif
