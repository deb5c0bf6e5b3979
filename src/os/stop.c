// stop.c: a latch that can be polled. Declared in thr.h.
#include "os/clk.h"
#include "os/thr.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

// Threads: atomic; the descriptor is frozen and only ever becomes readable.
struct stop {
    _Atomic(bool) set;
    int fd;
};

struct stop *stop_new(void)
{
    struct stop *s = MEM_NEW(struct stop);
    s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(s->fd >= 0 && "no descriptor is left for a stop latch");
    return s;
}

void stop_free(struct stop *s)
{
    if (s) {
        (void)close(s->fd);
        mem_free(s);
    }
}

void stop_set(struct stop *s)
{
    if (!atomic_exchange(&s->set, true)) {
        u64 one = 1;
        ssize_t written = write(s->fd, &one, sizeof(one));
        CHECK(written == (ssize_t)sizeof(one));
    }
}

bool stop_is_set(const struct stop *s)
{
    return atomic_load(&s->set);
}

bool stop_sleep_ms(struct stop *s, i64 ms)
{
    i64 now = clk_mono_ms(clk_real());
    i64 until = ms > INT64_MAX - now ? INT64_MAX : now + ms;
    while (!stop_is_set(s)) {
        i64 left = until - clk_mono_ms(clk_real());
        if (ms <= 0 || left <= 0) {
            return false;
        }
        struct pollfd wait = {.fd = s->fd, .events = POLLIN};
        int ready = poll(&wait, 1, (int)MIN(left, INT_MAX));
        CHECK(ready >= 0 || errno == EINTR);
    }
    return true;
}

int stop_fd(const struct stop *s)
{
    return s->fd;
}
