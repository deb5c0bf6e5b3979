// range_frame.c: see range_frame.h.
#include "promql/range_frame.h"

#include "base/checked.h"
#include "promql/kahan_pair.h"
#include "promql/query_run.h"

bool range_frame_init(struct range_frame *f, struct run *r, const struct grid *g,
                      const struct range_source *source, struct range_frame_need need)
{
    const u32 steps = g->steps;
    const u64 pairs = (u64)steps + steps % 2;
    *f = (struct range_frame){
        .grid = *g,
        .ref = source->ref,
        .range_ms = source->range_ms,
        .before_ms = source->anchored || source->smoothed ? r->lookback_ms : 0,
        .behind_ms = source->smoothed ? r->lookback_ms : 0,
        .least = need.least,
        .from = RUN_NEW_N(r, u32, pairs),
        .to = RUN_NEW_N(r, u32, pairs),
        .first = RUN_NEW_N(r, u32, pairs),
        .last = RUN_NEW_N(r, u32, pairs),
        .present = RUN_NEW_N(r, u64, column_words(steps)),
        .strides = RUN_NEW_N(r, u32, column_words(steps)),
        .factor = need.has_factors ? RUN_NEW_N(r, f64, pairs) : NULL,
        .limit = need.has_factors ? RUN_NEW_N(r, f64, pairs) : NULL,
        .sampled = need.has_factors ? RUN_NEW_N(r, f64, pairs) : NULL,
        .to_start = need.has_factors ? RUN_NEW_N(r, f64, pairs) : NULL,
        .to_end = need.has_factors ? RUN_NEW_N(r, f64, pairs) : NULL,
    };
    return !r->failed;
}

// How many samples stand at or before t; `at` of them do for sure. Steps are alike: what the one
// before went on by is tried first.
static u32 rank_from(const i64 *t_ms, u32 count, u32 at, u32 stride, i64 t)
{
    if (stride <= count - at && stride > 0 && t_ms[at + stride - 1] <= t) {
        at += stride;
    }
    while (at < count && t_ms[at] <= t) {
        at++;
    }
    return at;
}

static i64 window_end(const struct range_frame *f, u32 step)
{
    return sat_add_i64(time_ref_get(&f->ref, &f->grid, step), f->behind_ms);
}

static i64 window_start(const struct range_frame *f, u32 step)
{
    i64 end = time_ref_get(&f->ref, &f->grid, step);
    return sat_sub_i64(sat_sub_i64(end, f->range_ms), f->before_ms);
}

static void find_ends(struct range_frame *f, const i64 *t_ms, u32 count)
{
    u32 at = 0;
    u32 stride = 0;
    for (u32 step = 0; step < f->grid.steps; step++) {
        u32 next = rank_from(t_ms, count, at, stride, window_end(f, step));
        stride = next - at;
        at = next;
        f->to[step] = at;
    }
}

// How many steps a window is long, if its start is the end of another; else as many as there are.
static u32 steps_apart(const struct range_frame *f)
{
    const u32 steps = f->grid.steps;
    const i64 whole = sat_add_i64(sat_add_i64(f->range_ms, f->before_ms), f->behind_ms);
    if (f->ref.fixed || steps == 0 || whole % f->grid.step_ms != 0 ||
        window_start(f, 0) == INT64_MIN || window_end(f, steps - 1) == INT64_MAX) {
        return steps;
    }
    return (u32)MIN((i64)steps, whole / f->grid.step_ms);
}

static void find_starts(struct range_frame *f, const i64 *t_ms, u32 count)
{
    const u32 apart = steps_apart(f);
    u32 at = 0;
    u32 stride = 0;
    for (u32 step = 0; step < apart; step++) {
        u32 next = rank_from(t_ms, count, at, stride, window_start(f, step));
        stride = next - at;
        at = next;
        f->from[step] = at;
    }
    if (apart < f->grid.steps) {
        memcpy(f->from + apart, f->to, (f->grid.steps - apart) * sizeof(*f->to));
    }
}

// What follows from [from, to) of 64 steps.
static u64 settle_word(struct range_frame *f, u32 begin, u32 end)
{
    u64 present = 0;
    u64 samples = 0;
    for (u32 step = begin; step < end; step++) {
        u32 count = f->to[step] - f->from[step];
        bool enough = count >= f->least;
        u32 all = 0U - (u32)enough;
        samples += count;
        f->first[step] = f->from[step] & all;
        f->last[step] = (f->to[step] - 1) & all;
        present |= (u64)enough << (step - begin);
    }
    f->samples += samples;
    return present;
}

// By how much the first and last samples of steps [begin, end) go on; 0 if not by the same each.
static u32 stride_of(const struct range_frame *f, u32 begin, u32 end)
{
    const u32 stride = begin + 1 < end ? f->last[begin + 1] - f->last[begin] : 0;
    u32 odd = 0;
    for (u32 step = begin + 1; step < end; step++) {
        odd |= (f->first[step] - f->first[step - 1]) ^ stride;
        odd |= (f->last[step] - f->last[step - 1]) ^ stride;
    }
    return odd == 0 ? stride : 0;
}

void range_frame_fill(struct range_frame *f, const i64 *t_ms, u32 count)
{
    const u32 steps = f->grid.steps;
    find_ends(f, t_ms, count);
    find_starts(f, t_ms, count);
    f->samples = 0;
    for (u32 step = 0; step < steps; step += 64) {
        const u32 end = MIN(steps, step + 64);
        f->present[step / 64] = settle_word(f, step, end);
        f->strides[step / 64] = f->factor ? stride_of(f, step, end) : 0;
    }
}

struct window range_frame_window(const struct range_frame *f, u32 step)
{
    i64 end = time_ref_get(&f->ref, &f->grid, step);
    return (struct window){.count = f->to[step] - f->from[step],
                           .start_ms = sat_sub_i64(end, f->range_ms),
                           .end_ms = end,
                           .eval_ms = grid_time(&f->grid, step)};
}

// As stretch_by.
static f64_pair stretch_pair(f64_pair distance, f64_pair average)
{
    return pair_choose(distance >= average * 1.1, average / 2, distance);
}

static f64_pair pair_seconds(i64_pair ms)
{
    return __builtin_convertvector(ms, f64_pair) / 1000;
}

static void find_limit_max(struct range_frame *f)
{
    f64 most = 0;
    bool odd = false;
    for (u32 step = 0; step < f->grid.steps; step++) {
        odd |= !(f->limit[step] >= 0);
        most = f->limit[step] > most ? f->limit[step] : most;
    }
    f->limit_max = odd ? INFINITY : most;
}

// As stretch_factor and what it calls, two steps at a time. What comes out where there is no window
// means nothing, but for factor and limit, which are 0.
void range_frame_stretch(struct range_frame *f, const struct range_call *c, const i64 *t_ms,
                         struct rate_kind k)
{
    const i64 step_ms = f->ref.fixed ? 0 : f->grid.step_ms;
    const i64_pair least = {f->least, f->least};
    const f64_pair zero = {0, 0};
    const f64_pair one = {1, 1};
    i64_pair end = {0, step_ms};
    end += f->grid.steps > 0 ? time_ref_get(&f->ref, &f->grid, 0) : 0;
    DCHECK(f->least >= 2);
    for (u32 step = 0; step < f->grid.steps; step += 2, end += 2 * step_ms) {
        const i64_pair count = {f->to[step] - f->from[step], f->to[step + 1] - f->from[step + 1]};
        const i64_pair enough = count >= least;
        if ((enough[0] | enough[1]) == 0) { // There may be no sample at all.
            pair_store(f->factor + step, zero);
            pair_store(f->limit + step, zero);
            continue;
        }
        const i64_pair first = {t_ms[f->first[step]], t_ms[f->first[step + 1]]};
        const i64_pair last = {t_ms[f->last[step]], t_ms[f->last[step + 1]]};
        const f64_pair sampled = pair_seconds(last - first);
        const f64_pair average = sampled / __builtin_convertvector(count - 1, f64_pair);
        const f64_pair to_start = stretch_pair(pair_seconds(first - (end - f->range_ms)), average);
        const f64_pair to_end = stretch_pair(pair_seconds(end - last), average);
        f64_pair factor = (sampled + to_start + to_end) / sampled;
        factor = pair_choose(sampled == zero, one, factor);
        factor = k.is_rate ? factor / c->range_seconds : factor;
        pair_store(f->factor + step, pair_choose(enough, factor, zero));
        pair_store(f->sampled + step, sampled);
        pair_store(f->to_start + step, to_start);
        pair_store(f->to_end + step, to_end);
        // A little more than what rounding could take away again.
        pair_store(f->limit + step, pair_choose(enough, to_start * (1 + 0x1p-40) / sampled, zero));
    }
    find_limit_max(f);
}
