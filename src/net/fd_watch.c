// fd_watch.c: see fd_watch.h. Over epoll, woken by an eventfd.
#include "net/fd_watch.h"

#include "base/alloc_fault.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define READY_MAX 64U // Of one wait; the rest comes with the next.

// Threads: frozen; the descriptors are the kernel's to guard.
struct fd_watch {
    int epoll;
    int wake;
};

struct fd_watch *fd_watch_new(struct error *e)
{
    struct fd_watch *w = MEM_NEW(struct fd_watch);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = w->wake};
    if (w->epoll < 0 || w->wake < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->wake, &ev) != 0) {
        const int why = errno;
        fd_watch_free(w);
        return err_null(e, ERR_UNAVAILABLE, "no descriptor to wait with: %s", strerrordesc_np(why));
    }
    return w;
}

void fd_watch_free(struct fd_watch *w)
{
    if (!w) {
        return;
    }
    if (w->wake >= 0) {
        (void)close(w->wake);
    }
    if (w->epoll >= 0) {
        (void)close(w->epoll);
    }
    mem_free(w);
}

// What its user knows of a number may be of a descriptor that is closed: the kernel knows better.
static int watch(const struct fd_watch *w, int fd, bool known, struct epoll_event *ev)
{
    if (!known && alloc_refused()) {
        return ENOSPC;
    }
    if (epoll_ctl(w->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, ev) == 0) {
        return 0;
    }
    if (errno != (known ? ENOENT : EEXIST)) {
        return errno;
    }
    return epoll_ctl(w->epoll, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, ev) == 0 ? 0 : errno;
}

bool fd_watch_set(struct fd_watch *w, int fd, bool known, u32 what, struct error *e)
{
    struct epoll_event ev = {.data.fd = fd};
    ev.events = (what & FD_READ ? (u32)EPOLLIN : 0) | (what & FD_WRITE ? (u32)EPOLLOUT : 0);
    if (what == 0) {
        (void)epoll_ctl(w->epoll, EPOLL_CTL_DEL, fd, &ev);
        return true;
    }
    const int failed = watch(w, fd, known, &ev);
    return failed == 0 ||
           err_set(e, ERR_UNAVAILABLE, "the kernel watches no more sockets: %s%s",
                   strerrordesc_np(failed), failed == ENOSPC ? " (fs.epoll.max_user_watches)" : "");
}

void fd_watch_wake(struct fd_watch *w)
{
    const u64 one = 1;
    const ssize_t written = write(w->wake, &one, sizeof(one));
    CHECK(written == (ssize_t)sizeof(one) || errno == EAGAIN); // Full is awake.
}

u32 fd_watch_wait(struct fd_watch *w, i64 ms, struct fd_event *events, u32 max)
{
    struct epoll_event ready[READY_MAX];
    const int n =
        epoll_wait(w->epoll, ready, (int)MIN(max, READY_MAX), (int)MAX(0, MIN(ms, INT_MAX)));
    CHECK(n >= 0 || errno == EINTR);
    u32 out = 0;
    for (int i = 0; i < n; i++) {
        const int fd = ready[i].data.fd;
        const u32 bits = ready[i].events;
        if (fd == w->wake) {
            u64 count;
            const ssize_t got = read(w->wake, &count, sizeof(count));
            CHECK(got == (ssize_t)sizeof(count) || errno == EAGAIN || errno == EINTR);
            continue;
        }
        events[out++] = (struct fd_event){fd, (bits & EPOLLIN ? FD_READ : 0U) |
                                                  (bits & EPOLLOUT ? FD_WRITE : 0U) |
                                                  (bits & (EPOLLERR | EPOLLHUP) ? FD_BROKEN : 0U)};
    }
    return out;
}
