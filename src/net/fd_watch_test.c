#include "base/alloc_fault.h"
#include "base/error.h"
#include "base/test.h"
#include "net/fd_watch.h"
#include "os/thr.h"

#include <fcntl.h>
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
    assert_true(fd_watch_set(w, ends[0], false, FD_READ, NULL));
    assert_int_equal(fd_watch_wait(w, 0, ev, 4), 0);
    assert_true(fd_watch_set(w, ends[1], false, FD_WRITE, NULL));
    assert_int_equal(fd_watch_wait(w, LONG_MS, ev, 4), 1);
    assert_true(ev[0].fd == ends[1] && ev[0].what == FD_WRITE);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(fd_watch_wait(w, LONG_MS, ev, 4), 2);
    assert_int_equal(fd_watch_wait(w, LONG_MS, ev, 1), 1);
    assert_true(fd_watch_set(w, ends[1], true, 0, NULL));
    assert_int_equal(fd_watch_wait(w, LONG_MS, ev, 4), 1);
    assert_true(ev[0].fd == ends[0] && ev[0].what == FD_READ);
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(fd_watch_wait(w, 0, ev, 4), 0);
    (void)close(ends[1]); // The other end is gone.
    assert_int_equal(fd_watch_wait(w, LONG_MS, ev, 4), 1);
    assert_true(ev[0].fd == ends[0] && (ev[0].what & FD_BROKEN) != 0);
    assert_true(fd_watch_set(w, ends[0], true, 0, NULL));
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

TEST(fd_watch_says_what_the_kernel_refuses)
{
    struct fd_watch *w = watch_new();
    struct fd_event ev[1];
    struct error e = {0};
    int ends[2];
    const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0 && pipe(ends) == 0);
    assert_false(fd_watch_set(w, file, false, FD_READ, &e)); // Files are always ready.
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    alloc_fault_arm(1);
    assert_false(fd_watch_set(w, ends[1], false, FD_WRITE, &e));
    alloc_fault_disarm();
    assert_non_null(strstr(e.text, "max_user_watches"));
    assert_int_equal(fd_watch_wait(w, 0, ev, 1), 0);
    assert_true(fd_watch_set(w, ends[1], false, FD_WRITE, &e));
    assert_int_equal(fd_watch_wait(w, LONG_MS, ev, 1), 1);
    (void)close(file);
    (void)close(ends[0]);
    (void)close(ends[1]);
    fd_watch_free(w);
}

// A number that was closed without a word, and is another descriptor's by now.
TEST(fd_watch_follows_a_number_to_its_new_descriptor)
{
    struct fd_watch *w = watch_new();
    struct fd_event ev[2];
    struct error e = {0};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    ASSERT_OK(fd_watch_set(w, ends[0], false, FD_READ, &e), e);
    const int number = ends[0];
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(ends[0], number);
    ASSERT_OK(fd_watch_set(w, ends[0], true, FD_READ, &e), e);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(fd_watch_wait(w, LONG_MS, ev, 2), 1);
    assert_true(ev[0].fd == number && ev[0].what == FD_READ);
    ASSERT_OK(fd_watch_set(w, ends[0], false, FD_READ, &e), e); // It was forgotten that it is.
    assert_int_equal(fd_watch_wait(w, LONG_MS, ev, 2), 1);
    assert_true(fd_watch_set(w, ends[0], true, 0, NULL));
    assert_int_equal(fd_watch_wait(w, 0, ev, 2), 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
    fd_watch_free(w);
}
