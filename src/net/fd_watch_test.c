#include "base/test.h"
#include "net/fd_watch.h"
#include "os/thr.h"

#include <unistd.h>

// Longer than any test may last: a wait that is to end ends for another reason.
#define LONG_MS 600000

static struct fd_watch *watch_new(void)
{
    struct error e = {0};
    struct fd_watch *w = fd_watch_new(&e);
    assert_non_null(w);
    return w;
}

TEST(fd_watch_tells_what_is_ready)
{
    struct fd_watch *w = watch_new();
    struct fd_event ev[4];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fd_watch_set(w, ends[0], false, FD_READ);
    assert_int_equal(fd_watch_wait(w, 0, ev, 4), 0);
    fd_watch_set(w, ends[1], false, FD_WRITE);
    assert_int_equal(fd_watch_wait(w, LONG_MS, ev, 4), 1);
    assert_true(ev[0].fd == ends[1] && ev[0].what == FD_WRITE);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(fd_watch_wait(w, LONG_MS, ev, 4), 2);
    assert_int_equal(fd_watch_wait(w, LONG_MS, ev, 1), 1);
    fd_watch_set(w, ends[1], true, 0);
    assert_int_equal(fd_watch_wait(w, LONG_MS, ev, 4), 1);
    assert_true(ev[0].fd == ends[0] && ev[0].what == FD_READ);
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(fd_watch_wait(w, 0, ev, 4), 0);
    (void)close(ends[1]); // The other end is gone.
    assert_int_equal(fd_watch_wait(w, LONG_MS, ev, 4), 1);
    assert_true(ev[0].fd == ends[0] && (ev[0].what & FD_BROKEN) != 0);
    fd_watch_set(w, ends[0], true, 0);
    assert_int_equal(fd_watch_wait(w, 0, ev, 4), 0);
    (void)close(ends[0]);
    fd_watch_free(w);
}

static void wake(void *arg)
{
    fd_watch_wake(arg);
}

TEST(fd_watch_wakes_whoever_waits_or_will)
{
    struct fd_watch *w = watch_new();
    struct fd_event ev[1];
    struct error e = {0};
    fd_watch_wake(w);
    fd_watch_wake(w);
    assert_int_equal(fd_watch_wait(w, LONG_MS, ev, 1), 0);
    assert_int_equal(fd_watch_wait(w, 0, ev, 1), 0);
    struct thr *t = thr_start("wake", wake, w, &e);
    assert_non_null(t);
    assert_int_equal(fd_watch_wait(w, LONG_MS, ev, 1), 0);
    thr_join(t);
    fd_watch_free(w);
}
