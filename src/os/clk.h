// clk.h: time as a replaceable seam. Wall time only stamps data; every wait and deadline is
// monotonic (I20).
// Threads: a struct clk is frozen and may be shared; the manual clock is guarded inside.
#ifndef OS_CLK_H
#define OS_CLK_H

#include "base/base.h"

struct clk {
    const struct clk_ops *ops;
};
struct clk_ops {
    i64 (*wall_ms)(struct clk *c); // Unix milliseconds.
    i64 (*mono_ns)(struct clk *c);
};

static inline i64 clk_wall_ms(struct clk *c)
{
    return c->ops->wall_ms(c);
}
static inline i64 clk_mono_ns(struct clk *c)
{
    return c->ops->mono_ns(c);
}
static inline i64 clk_mono_ms(struct clk *c)
{
    return c->ops->mono_ns(c) / 1000000;
}

struct clk *clk_real(void);  // Never freed.
i64 clk_thread_cpu_ns(void); // CPU time of the calling thread.
i64 clk_process_cpu_ns(void);

struct clk *clk_manual_new(i64 wall_ms);
void clk_manual_free(struct clk *c);
void clk_manual_advance(struct clk *c, i64 ms);   // Both clocks.
void clk_manual_step_wall(struct clk *c, i64 ms); // The wall alone, as an operator would.

#endif
