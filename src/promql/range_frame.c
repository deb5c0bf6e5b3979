// range_frame.c: see range_frame.h.
#include "promql/range_frame.h"

#include "base/checked.h"
#include "promql/query_run.h"

bool range_frame_init(struct range_frame *f, struct run *r, const struct grid *g,
                      const struct range_source *source, struct range_frame_need need)
{
    u32 steps = g->steps;
    *f = (struct range_frame){
        .grid = *g,
        .ref = source->ref,
        .range_ms = source->range_ms,
        .before_ms = source->anchored || source->smoothed ? r->lookback_ms : 0,
        .behind_ms = source->smoothed ? r->lookback_ms : 0,
        .least = need.least,
        .from = RUN_NEW_N(r, u32, steps),
        .to = RUN_NEW_N(r, u32, steps),
        .first = RUN_NEW_N(r, u32, steps),
        .last = RUN_NEW_N(r, u32, steps),
        .present = RUN_NEW_N(r, u64, column_words(steps)),
        .factor = need.has_factors ? RUN_NEW_N(r, f64, steps) : NULL,
        .limit = need.has_factors ? RUN_NEW_N(r, f64, steps) : NULL,
        .sampled = need.has_factors ? RUN_NEW_N(r, f64, steps) : NULL,
        .to_start = need.has_factors ? RUN_NEW_N(r, f64, steps) : NULL,
        .to_end = need.has_factors ? RUN_NEW_N(r, f64, steps) : NULL,
    };
    return !r->failed;
}

void range_frame_fill(struct range_frame *f, const i64 *t_ms, u32 count)
{
    u32 from = 0;
    u32 to = 0;
    f->samples = 0;
    memset(f->present, 0, column_words(f->grid.steps) * sizeof(u64));
    for (u32 step = 0; step < f->grid.steps; step++) {
        i64 end = time_ref_get(&f->ref, &f->grid, step);
        i64 start = sat_sub_i64(sat_sub_i64(end, f->range_ms), f->before_ms);
        end = sat_add_i64(end, f->behind_ms);
        while (to < count && t_ms[to] <= end) {
            to++;
        }
        while (from < to && t_ms[from] <= start) {
            from++;
        }
        f->from[step] = from;
        f->to[step] = to;
        f->samples += to - from;
        bool enough = to - from >= f->least;
        f->first[step] = enough ? from : 0;
        f->last[step] = enough ? to - 1 : 0;
        if (enough) {
            bits_set(f->present, step);
        }
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

void range_frame_stretch(struct range_frame *f, const struct range_call *c, const i64 *t_ms,
                         struct rate_kind k)
{
    for (u32 step = 0; step < f->grid.steps; step++) {
        f->factor[step] = 0;
        f->limit[step] = 0;
        if (!bits_has(f->present, step)) {
            continue;
        }
        const struct window w = range_frame_window(f, step);
        const struct stretch s = {
            .first_ms = t_ms[f->from[step]], .last_ms = t_ms[f->to[step] - 1], .count = w.count};
        f->factor[step] = stretch_factor(c, &w, &s, k);
        if (k.is_counter) {
            // A little more than what rounding could take away again.
            f->sampled[step] = (f64)(s.last_ms - s.first_ms) / 1000;
            f->to_start[step] = stretch_to_start(&w, &s);
            f->to_end[step] = stretch_to_end(&w, &s);
            f->limit[step] = f->to_start[step] * (1 + 0x1p-40) / f->sampled[step];
        }
    }
}
