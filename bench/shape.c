#include "bench/shape.h"

#include "base/str.h"
#include "bench/push_client.h"

#include <stdio.h>

enum {
    STEP_MAX_S = 1800,
    SPAN_MAX_S = 40 * 86400,
    SERIES_MAX = 5000000,
    LATER_MS = 3000, // Of instances that are scraped each at a time of its own,
    OFF_MS = 9,      // never quite the same.
    BUCKETS = 12
};

enum kind { COUNTER, GAUGE, CLASSIC, NATIVE };

// Threads: frozen.
struct shape {
    const char *name;
    const char *metric;
    u32 per_instance;
    enum kind kind;
    bool own_times;
};
static const struct shape shapes[] = {
    {"day", "bench_day_total", 4, COUNTER, false},
    {"panel", "bench_panel_total", 4, COUNTER, false},
    {"cpu", "bench_cpu_seconds_total", 16, COUNTER, false},
    {"wide", "bench_wide_total", 100, COUNTER, true},
    {"latency", "bench_latency_seconds_bucket", BUCKETS, CLASSIC, false},
    {"temperature", "bench_temperature", 1, GAUGE, false},
    {"many", "bench_many", 223, GAUGE, false},
    {"native", "bench_native_seconds", 4, NATIVE, false},
};

static bool number_next(str *rest, u64 most, u64 *n)
{
    str piece;
    return str_split_next(rest, ':', &piece) && parse_u64(piece, n) && *n > 0 && *n <= most;
}

bool shape_load_parse(const char *text, u64 end_s, struct shape_load *out)
{
    str rest = str_c(text);
    str name;
    u64 span;
    struct shape_load l = {0};
    if (!str_split_next(&rest, ':', &name)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        l.shape = str_eq(name, str_c(shapes[i].name)) ? &shapes[i] : l.shape;
    }
    if (!l.shape || !number_next(&rest, SERIES_MAX, &l.series) ||
        !number_next(&rest, STEP_MAX_S, &l.step_s) || !number_next(&rest, SPAN_MAX_S, &span) ||
        span > end_s) {
        return false;
    }
    l.rows = span / l.step_s;
    l.begin_s = end_s - span;
    *out = l;
    return true;
}

bool shape_is_native(const struct shape_load *l)
{
    return l->shape->kind == NATIVE;
}

u64 shape_row_at(const struct shape_load *l, u64 t_s)
{
    return t_s <= l->begin_s ? 0 : MIN((t_s - l->begin_s + l->step_s - 1) / l->step_s, l->rows);
}

u64 shape_time_ms(const struct shape_load *l, u64 series, u64 row)
{
    u64 t_ms = (l->begin_s + row * l->step_s + SHAPE_LATE_S) * 1000;
    u64 host = series / l->shape->per_instance;
    return l->shape->own_times
               ? t_ms + push_mix(host) % LATER_MS + push_mix(host << 32 | row) % OFF_MS
               : t_ms;
}

void shape_labels_get(const struct shape_load *l, u64 series, struct shape_labels *out)
{
    static const char *const modes[] = {"idle",    "iowait", "irq",    "nice",
                                        "softirq", "steal",  "system", "user"};
    static const char *const bounds[BUCKETS] = {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
                                                "0.5",   "1",    "2.5",   "5",    "10",  "+Inf"};
    static const char *const names[] = {"__name__", "instance", "job", "mode", "path"};
    const struct shape *shape = l->shape;
    u64 host = series / shape->per_instance;
    u64 at = series % shape->per_instance;
    out->n = shape->kind == CLASSIC ? 4 : ARRAY_LEN(names);
    memcpy(out->names, names, sizeof(names));
    (void)snprintf(out->values[0], sizeof(out->values[0]), "%s", shape->metric);
    (void)snprintf(out->values[1], sizeof(out->values[1]), "host-%04llu", (unsigned long long)host);
    (void)snprintf(out->values[2], sizeof(out->values[2]), "%s", shape->name);
    if (shape->kind == CLASSIC) {
        out->names[3] = "le";
        (void)snprintf(out->values[3], sizeof(out->values[3]), "%s", bounds[at]);
        return;
    }
    (void)snprintf(out->values[3], sizeof(out->values[3]), "%s", modes[host % ARRAY_LEN(modes)]);
    (void)snprintf(out->values[4], sizeof(out->values[4]), "%llu", (unsigned long long)at);
}

// Of a counter after k rows: whole hundredths.
static u64 counted(u64 series, u64 k)
{
    u64 step = 20 + push_mix(series + 77) % 1500;
    return k * step + push_mix(series << 32 | k) % step;
}

f64 shape_value(const struct shape_load *l, u64 series, u64 row)
{
    u64 base = push_mix(series);
    if (l->shape->kind == GAUGE) {
        return (f64)(2000 + push_mix(series << 32 | row) % 900 + base % 500) / 100;
    }
    if (l->shape->kind == CLASSIC) { // Observations, of which a larger bucket has a larger share.
        u64 observed = counted(series / BUCKETS, row) * (series % BUCKETS + 1) / BUCKETS;
        return (f64)observed;
    }
    bool again = base % 16 == 0 && row > l->rows / 2;
    // Far from zero, near which versions of Prometheus extrapolate differently; and so far down
    // that VictoriaMetrics, too, takes it for a new start.
    u64 before = again ? 2000000 : 50000000 + base % 1000000;
    return (f64)(before + counted(series, again ? row - l->rows / 2 : row)) / 100;
}

u64 shape_counts(u64 series, u64 row, u64 counts[SHAPE_CELLS])
{
    u64 count = 0;
    for (u32 i = 0; i < SHAPE_CELLS; i++) {
        counts[i] = 10 + row * (1 + push_mix(series * SHAPE_CELLS + i) % 9);
        count += counts[i];
    }
    return count;
}
