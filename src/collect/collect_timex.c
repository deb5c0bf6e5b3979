// collect_timex.c: node_timex_*: how well the kernel's clock is kept.
#include "collect/collect_run.h"
#include "collect/collect_sys.h"

// Frequencies come in parts per million with a 16-bit fraction.
#define PPM16  (1e6 * 65536)
#define MICROS 1e6

enum unit { PLAIN, IN_MICROS, IN_CLOCK, IN_PPM16, IN_PPM16_RATIO };

#define FACT(field, name, kind, help, unit)                                                        \
    {                                                                                              \
        offsetof(struct clock_state, field), unit,                                                 \
        {                                                                                          \
            STR("node_timex_" name), kind, STR(help),                                              \
            {                                                                                      \
                {                                                                                  \
                    0                                                                              \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }
static const struct {
    size_t offset;
    enum unit unit;
    struct family family;
} facts[] = {
    FACT(offset, "offset_seconds", METRIC_GAUGE,
         "Time offset in between local system and reference clock.", IN_CLOCK),
    FACT(freq, "frequency_adjustment_ratio", METRIC_GAUGE, "Local clock frequency adjustment.",
         IN_PPM16_RATIO),
    FACT(maxerror, "maxerror_seconds", METRIC_GAUGE, "Maximum error in seconds.", IN_MICROS),
    FACT(esterror, "estimated_error_seconds", METRIC_GAUGE, "Estimated error in seconds.",
         IN_MICROS),
    FACT(status, "status", METRIC_GAUGE, "Value of the status array bits.", PLAIN),
    FACT(constant, "loop_time_constant", METRIC_GAUGE, "Phase-locked loop time constant.", PLAIN),
    FACT(tick, "tick_seconds", METRIC_GAUGE, "Seconds between clock ticks.", IN_MICROS),
    FACT(ppsfreq, "pps_frequency_hertz", METRIC_GAUGE, "Pulse per second frequency.", IN_PPM16),
    FACT(jitter, "pps_jitter_seconds", METRIC_GAUGE, "Pulse per second jitter.", IN_CLOCK),
    FACT(shift, "pps_shift_seconds", METRIC_GAUGE, "Pulse per second interval duration.", PLAIN),
    FACT(stabil, "pps_stability_hertz", METRIC_GAUGE,
         "Pulse per second stability, average of recent frequency changes.", IN_PPM16),
    FACT(jitcnt, "pps_jitter_total", METRIC_COUNTER,
         "Pulse per second count of jitter limit exceeded events.", PLAIN),
    FACT(calcnt, "pps_calibration_total", METRIC_COUNTER,
         "Pulse per second count of calibration intervals.", PLAIN),
    FACT(errcnt, "pps_error_total", METRIC_COUNTER, "Pulse per second count of calibration errors.",
         PLAIN),
    FACT(stbcnt, "pps_stability_exceeded_total", METRIC_COUNTER,
         "Pulse per second count of stability limit exceeded events.", PLAIN),
    FACT(tai, "tai_offset_seconds", METRIC_GAUGE, "International Atomic Time (TAI) offset.", PLAIN),
};
static const struct family sync_status = {
    STR("node_timex_sync_status"),
    METRIC_GAUGE,
    STR("Is clock synchronized to a reliable server (1 = yes, 0 = no)."),
    {{0}}};

static f64 fact_value(i64 raw, enum unit unit, bool nano)
{
    switch (unit) {
    case PLAIN:
        return (f64)raw;
    case IN_MICROS:
        return (f64)raw / MICROS;
    case IN_CLOCK:
        return (f64)raw / (nano ? 1e9 : MICROS);
    case IN_PPM16:
        return (f64)raw / PPM16;
    case IN_PPM16_RATIO:
        return 1 + (f64)raw / PPM16;
    }
    return 0;
}

static bool timex_collect(struct run *r, UNUSED void *state, struct error *e)
{
    struct clock_state clock = {0};
    if (!r->sys->ops->clock_state(r->sys, &clock, e)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
        i64 raw = 0;
        memcpy(&raw, (const char *)&clock + facts[i].offset, sizeof(raw));
        if (!run_add(r, &facts[i].family, fact_value(raw, facts[i].unit, clock.nano), e)) {
            return false;
        }
    }
    return run_add(r, &sync_status, clock.synced, e);
}

const struct collector collector_timex = {"timex", 0, timex_collect};
