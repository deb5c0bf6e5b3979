#include "tsdb/head_sort.h"

#include "tsdb/head_read.h"

#define RUN_LEAST 16U // Shorter runs are made this long by insertion.

// Numbers of series on their way into order. Threads: owned by the call.
struct sorting {
    const struct head_series *series;
    u32 *order;
    u32 *spare; // As many places.
};

static bool is_before(const struct sorting *s, u32 a, u32 b)
{
    return labels_cmp(s->series[a].labels, s->series[b].labels) < 0;
}

// Places [from, to), of which those before `sorted` are in order.
static void run_insert(const struct sorting *s, u32 from, u32 sorted, u32 to)
{
    u32 *order = s->order;
    for (u32 i = sorted; i < to; i++) {
        const u32 moved = order[i];
        u32 at = i;
        for (; at > from && is_before(s, moved, order[at - 1]); at--) {
            order[at] = order[at - 1];
        }
        order[at] = moved;
    }
}

static void runs_make(const struct sorting *s, u32 n)
{
    for (u32 from = 0; from < n; from += RUN_LEAST) {
        run_insert(s, from, from + 1, MIN(n, from + RUN_LEAST));
    }
}

// Where one belongs among places [low, high): after those that are equal, or before them.
static u32 place_of(const struct sorting *s, u32 one, u32 low, u32 high, bool after)
{
    while (low < high) {
        const u32 mid = low + (high - low) / 2;
        const u32 there = s->order[mid];
        if (after ? !is_before(s, one, there) : is_before(s, there, one)) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

// Joins [from, middle) and [middle, to), each in order.
static void runs_join(const struct sorting *s, u32 from, u32 middle, u32 to)
{
    u32 *order = s->order;
    if (!is_before(s, order[middle], order[middle - 1])) {
        return;
    }
    from = place_of(s, order[middle], from, middle, true);
    to = place_of(s, order[middle - 1], middle, to, false);
    const u32 left = middle - from;
    memcpy(s->spare, order + from, left * sizeof(*order));
    u32 out = from;
    u32 right = middle;
    for (u32 i = 0; i < left; out++) {
        const bool takes_right = right < to && is_before(s, order[right], s->spare[i]);
        order[out] = takes_right ? order[right++] : s->spare[i++];
    }
}

// Each goes where it belongs, circle by circle.
static void series_move(struct head_series *series, u32 *order, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        const struct head_series first = series[i];
        u32 at = i;
        while (order[at] != i) {
            const u32 from = order[at];
            series[at] = series[from];
            order[at] = at;
            at = from;
        }
        series[at] = first;
        order[at] = at;
    }
}

void head_series_sort(struct head_series *series, u32 n)
{
    struct sorting s = {.series = series,
                        .order = MEM_NEW_N(u32, (size_t)n + 1),
                        .spare = MEM_NEW_N(u32, (size_t)n + 1)};
    for (u32 i = 0; i < n; i++) {
        s.order[i] = i;
    }
    runs_make(&s, n);
    for (u64 width = RUN_LEAST; width < n; width *= 2) {
        for (u64 from = 0; from + width < n; from += 2 * width) {
            runs_join(&s, (u32)from, (u32)(from + width), (u32)MIN(n, from + 2 * width));
        }
    }
    series_move(series, s.order, n);
    mem_free(s.order);
    mem_free(s.spare);
}
