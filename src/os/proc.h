// proc.h: facts about this process and its machine, and what is inherited from the environment.
#ifndef OS_PROC_H
#define OS_PROC_H

#include "base/base.h"

struct error;

// The smaller of physical memory and the cgroup's limit (v2, then v1).
u64 proc_memory_limit_bytes(void);
u32 proc_cpu_count(void); // From the affinity mask and the cgroup's quota, at least 1.
u64 proc_resident_bytes(void);
u64 proc_anonymous_bytes(void); // smaps_rollup Anonymous; 0 if the kernel does not tell.
u64 proc_open_fds(void);
u64 proc_max_fds(void);
i64 proc_start_ms(void); // Unix milliseconds.
str proc_hostname(char out[256]);
#define PROC_PATH_MAX 4096
str proc_cwd(char out[PROC_PATH_MAX]);  // Empty if the system does not tell.
const char *proc_env(const char *name); // NULL if unset.
char *const *proc_environ(void);        // NAME=value texts, NULL at the end.
i64 proc_pid(void);

#endif
