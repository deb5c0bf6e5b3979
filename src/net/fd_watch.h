// fd_watch.h: one thread waits for many descriptors at once, and others can wake it.
//
// set O(1), one call into the kernel; wait O(what is ready), whatever is watched.
// A descriptor must be taken out before it is closed.
// Memory: the kernel's, some 200 bytes a descriptor.
// Threads: owned by the one that waits; wake comes from any.
#ifndef NET_FD_WATCH_H
#define NET_FD_WATCH_H

#include "base/base.h"
#include "base/error.h"

struct fd_watch;

// What a descriptor is ready for, or shall be waited for. FD_BROKEN is always waited for.
enum { FD_READ = 1, FD_WRITE = 2, FD_BROKEN = 4 };

// Threads: a value.
struct fd_event {
    int fd;
    u32 what;
};

struct fd_watch *fd_watch_new(struct error *e) MUST_USE;
void fd_watch_free(struct fd_watch *w); // Accepts NULL.
// Waits for FD_READ or FD_WRITE or both from now on; 0: for nothing any more, which never fails.
// known: it is watched already, as far as is known; where that is wrong it costs a second call.
// false: the kernel has no room for it, and it never gets ready.
bool fd_watch_set(struct fd_watch *w, int fd, bool known, u32 what, struct error *e);
// The wait that is under way, else the next one, returns at once.
void fd_watch_wake(struct fd_watch *w);
// Returns how many events there are, at most max; 0 after `ms` or when woken.
u32 fd_watch_wait(struct fd_watch *w, i64 ms, struct fd_event *events, u32 max);

#endif
