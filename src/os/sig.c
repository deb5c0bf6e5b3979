// sig.c: see sig.h. A handler sets a bit and makes one descriptor readable; nothing else.
#include "os/sig.h"

#include "os/clk.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

// The process has one set of signals, so this is one of the few globals.
static _Atomic(u32) pending; // A bit per event. Threads: atomic.
static int wake_fd = -1;     // Threads: frozen after sig_init.

void sig_raise(enum sig_event event)
{
    CHECK(wake_fd >= 0 && event != SIG_EVENT_NONE);
    atomic_fetch_or(&pending, 1U << event);
    u64 one = 1;
    ssize_t written = write(wake_fd, &one, sizeof(one));
    (void)written; // EAGAIN: the counter is full, so it is readable already.
}

static enum sig_event event_of(int signal_number)
{
    return signal_number == SIGHUP ? SIG_EVENT_RELOAD : SIG_EVENT_STOP;
}

static void on_signal(int signal_number)
{
    int saved = errno;
    sig_raise(event_of(signal_number));
    errno = saved;
}

void sig_init(void)
{
    if (wake_fd < 0) {
        wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        CHECK(wake_fd >= 0);
    }
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        CHECK(sigemptyset(&action.sa_mask) == 0);
        CHECK(sigaction(numbers[i], &action, NULL) == 0);
    }
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    CHECK(sigemptyset(&ignore.sa_mask) == 0);
    CHECK(sigaction(SIGPIPE, &ignore, NULL) == 0);
}

// Takes the most urgent pending event.
static enum sig_event event_take(void)
{
    static const enum sig_event by_urgency[] = {SIG_EVENT_STOP, SIG_EVENT_RELOAD};
    for (size_t i = 0; i < ARRAY_LEN(by_urgency); i++) {
        u32 bit = 1U << by_urgency[i];
        if (atomic_fetch_and(&pending, ~bit) & bit) {
            return by_urgency[i];
        }
    }
    return SIG_EVENT_NONE;
}

enum sig_event sig_wait(i64 timeout_ms)
{
    CHECK(wake_fd >= 0);
    i64 start = clk_mono_ms(clk_real());
    for (;;) {
        // Emptied before asking: what comes in between makes it readable again.
        u64 drained = 0;
        ssize_t got = read(wake_fd, &drained, sizeof(drained));
        (void)got;
        enum sig_event event = event_take();
        i64 passed = clk_mono_ms(clk_real()) - start;
        if (event != SIG_EVENT_NONE || (timeout_ms >= 0 && passed >= timeout_ms)) {
            return event;
        }
        struct pollfd wait = {.fd = wake_fd, .events = POLLIN};
        int ms = timeout_ms < 0 ? -1 : (int)MIN(timeout_ms - passed, INT_MAX);
        int ready = poll(&wait, 1, ms);
        CHECK(ready >= 0 || errno == EINTR);
    }
}
