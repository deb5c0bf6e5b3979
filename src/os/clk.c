// clk.c: the real clocks and one that a test turns by hand.
#include "os/clk.h"

#include "base/checked.h"
#include "os/thr.h"

#include <time.h>

static i64 read_ns(clockid_t id)
{
    struct timespec now;
    CHECK(clock_gettime(id, &now) == 0);
    return (i64)now.tv_sec * 1000000000 + now.tv_nsec;
}

static i64 real_wall_ms(struct clk *c)
{
    (void)c;
    return read_ns(CLOCK_REALTIME) / 1000000;
}

static i64 real_mono_ns(struct clk *c)
{
    (void)c;
    return read_ns(CLOCK_MONOTONIC);
}

struct clk *clk_real(void)
{
    static const struct clk_ops ops = {real_wall_ms, real_mono_ns};
    static struct clk real = {&ops};
    return &real;
}

i64 clk_thread_cpu_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

i64 clk_process_cpu_ns(void)
{
    return read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

// Threads: guarded by lock.
struct clk_manual {
    struct clk base;
    struct lock lock;
    i64 wall_ms;
    i64 mono_ns;
};

static struct clk_manual *manual_of(struct clk *c)
{
    return CONTAINER_OF(c, struct clk_manual, base);
}

static i64 manual_wall_ms(struct clk *c)
{
    struct clk_manual *m = manual_of(c);
    lock_take(&m->lock);
    i64 now = m->wall_ms;
    lock_drop(&m->lock);
    return now;
}

static i64 manual_mono_ns(struct clk *c)
{
    struct clk_manual *m = manual_of(c);
    lock_take(&m->lock);
    i64 now = m->mono_ns;
    lock_drop(&m->lock);
    return now;
}

struct clk *clk_manual_new(i64 wall_ms)
{
    static const struct clk_ops ops = {manual_wall_ms, manual_mono_ns};
    struct clk_manual *m = MEM_NEW(struct clk_manual);
    m->base.ops = &ops;
    lock_init(&m->lock, LOCK_LEAF, "clk_manual");
    m->wall_ms = wall_ms;
    m->mono_ns = 1000000000; // Not 0, which callers may use for "never".
    return &m->base;
}

void clk_manual_free(struct clk *c)
{
    if (c) {
        struct clk_manual *m = manual_of(c);
        lock_fini(&m->lock);
        mem_free(m);
    }
}

void clk_manual_advance(struct clk *c, i64 ms)
{
    CHECK(ms >= 0 && ms < INT64_MAX / 1000000);
    struct clk_manual *m = manual_of(c);
    lock_take(&m->lock);
    m->wall_ms = sat_add_i64(m->wall_ms, ms);
    m->mono_ns = sat_add_i64(m->mono_ns, ms * 1000000);
    lock_drop(&m->lock);
}

void clk_manual_step_wall(struct clk *c, i64 ms)
{
    struct clk_manual *m = manual_of(c);
    lock_take(&m->lock);
    m->wall_ms = sat_add_i64(m->wall_ms, ms);
    lock_drop(&m->lock);
}
