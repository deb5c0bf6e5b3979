// query_run.c: see query_run.h.
#include "promql/query_run.h"

#include "base/alloc_fault.h"
#include "base/arena.h"
#include "os/clk.h"

#include <stdarg.h>
#include <stdio.h>

#define WORK_PER_TICK ((u64)1 << 18)

bool run_fail(struct run *r, enum err code, const char *format, ...)
{
    if (r->failed) {
        return false;
    }
    char text[sizeof(r->error->text)];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    r->failed = true;
    return err_set(r->error, code, "%s", text);
}

static bool fail_cancelled(struct run *r)
{
    return run_fail(r, ERR_CANCELLED, "query was canceled in expression evaluation");
}

static bool fail_late(struct run *r)
{
    return run_fail(r, ERR_TIMEOUT, "query timed out in expression evaluation");
}

bool run_fail_with(struct run *r, const struct error *e)
{
    // Storage says them in words of its own; clients know these.
    if (e->code == ERR_CANCELLED) {
        return fail_cancelled(r);
    }
    if (e->code == ERR_TIMEOUT) {
        return fail_late(r);
    }
    return run_fail(r, e->code == ERR_NONE ? ERR_INTERNAL : e->code, "%s", e->text);
}

u64 run_bytes(const struct run *r)
{
    return arena_bytes(r->arena) + arena_bytes(r->scratch) + r->helper_bytes + r->passing_bytes +
           (r->made ? arena_bytes(r->made) : 0);
}

static void progress_tell(const struct run *r)
{
    if (r->budget.progress != NULL) {
        query_progress_tell(
            r->budget.progress,
            (struct query_progress){r->budget.series, r->budget.samples, run_bytes(r)});
    }
}

bool query_tick(struct run *r)
{
    if (r->failed) {
        return false;
    }
    progress_tell(r);
    if (query_is_cancelled(&r->budget)) {
        return fail_cancelled(r);
    }
    if (r->budget.deadline_mono_ns != 0 && r->opts->clk &&
        clk_mono_ns(r->opts->clk) > r->budget.deadline_mono_ns) {
        return fail_late(r);
    }
    return run_room(r, 0);
}

bool run_work(struct run *r, u64 units)
{
    r->work += units + 1;
    if (r->work < WORK_PER_TICK) {
        return !r->failed;
    }
    r->work = 0;
    return query_tick(r);
}

const char *run_advice(const struct run *r)
{
    return r->grid.steps > 1 ? "fewer series, a shorter range or a larger step would fit"
                             : "fewer series or shorter windows would fit";
}

static bool fail_memory(struct run *r)
{
    r->out_of_memory = r->out_of_memory || !r->failed;
    return run_fail(r, ERR_LIMIT, "the query needs more than %llu bytes of memory" RUN_SHARE "; %s",
                    (unsigned long long)r->bytes_limit, run_advice(r));
}

bool run_room(struct run *r, u64 bytes)
{
    u64 held = run_bytes(r);
    if (bytes > r->bytes_limit || held > r->bytes_limit - bytes || alloc_refused()) {
        return fail_memory(r);
    }
    return !r->failed;
}

// Room for an array of at least one; 0 and the run failed beyond the limit.
static u64 array_count(struct run *r, u64 count, u64 size)
{
    u64 bytes;
    count = MAX(count, 1U); // An empty array is an array too.
    if (__builtin_mul_overflow(count, size, &bytes) || !run_room(r, bytes)) {
        fail_memory(r);
        return 0;
    }
    return count;
}

static void *alloc_in(struct run *r, struct arena *a, u64 count, u64 size)
{
    count = array_count(r, count, size);
    void *p = count > 0 ? arena_try(a, count, size) : NULL;
    if (!p) {
        fail_memory(r);
    }
    return p;
}

void *run_alloc(struct run *r, u64 count, u64 size)
{
    return alloc_in(r, r->arena, count, size);
}

void *run_alloc_made(struct run *r, u64 count, u64 size)
{
    return alloc_in(r, run_made(r), count, size);
}

void *run_alloc_raw(struct run *r, u64 count, u64 size)
{
    count = array_count(r, count, size);
    void *p = count > 0 ? arena_try_raw(r->arena, count, size) : NULL;
    if (!p) {
        fail_memory(r);
    }
    return p;
}

void *run_grow(struct run *r, void *old, u64 count_old, u64 count_new, u64 size)
{
    u8 *grown = run_alloc(r, count_new, size);
    if (grown && count_old > 0) {
        memcpy(grown, old, count_old * size);
    }
    return grown;
}

void *run_grow_raw(struct run *r, const void *old, u64 count_old, u64 count_new, u64 size)
{
    u8 *grown = run_alloc_raw(r, count_new, size);
    if (grown && count_old > 0) {
        memcpy(grown, old, count_old * size);
    }
    return grown;
}

bool run_hold(struct run *r, u64 samples)
{
    r->samples_held += samples;
    r->samples_peak = MAX(r->samples_peak, r->samples_held);
    if (r->samples_held > r->opts->samples_max) {
        return run_fail(r, ERR_LIMIT,
                        "query processing would load too many samples into memory in query "
                        "execution: at most %llu may be held at once (--query.max-samples); %s",
                        (unsigned long long)r->opts->samples_max, run_advice(r));
    }
    return !r->failed;
}

void run_release(struct run *r, u64 samples)
{
    DCHECK(r->samples_held >= samples);
    r->samples_held -= samples;
}
