// collect_time.c: node_time_seconds, the zone's offset and the clock sources.
#include "base/str.h"
#include "collect/collect_run.h"
#include "collect/collect_sys.h"

#include <stdio.h>

enum { CLOCKSOURCES_MAX = 4 };

static const struct family time_seconds = {STR("node_time_seconds"),
                                           METRIC_GAUGE,
                                           STR("System time in seconds since epoch (1970)."),
                                           {{0}}};
static const struct family zone_offset = {STR("node_time_zone_offset_seconds"),
                                          METRIC_GAUGE,
                                          STR("System time zone offset in seconds."),
                                          {STR("time_zone")}};
static const struct {
    const char *file;
    struct family family;
} sources[] = {
    {"available_clocksource",
     {STR("node_time_clocksource_available_info"),
      METRIC_GAUGE,
      STR("Available clocksources read from '/sys/devices/system/clocksource'."),
      {STR("clocksource"), STR("device")}}},
    {"current_clocksource",
     {STR("node_time_clocksource_current_info"),
      METRIC_GAUGE,
      STR("Current clocksource read from '/sys/devices/system/clocksource'."),
      {STR("clocksource"), STR("device")}}},
};

// One row per word of the file; an absent file (no such device) gives none.
static bool sources_add(struct run *r, int device, size_t which, struct error *e)
{
    struct attr a;
    char path[96];
    char number[12];
    str word;
    (void)snprintf(path, sizeof(path), "devices/system/clocksource/clocksource%d/%s", device,
                   sources[which].file);
    (void)snprintf(number, sizeof(number), "%d", device);
    if (!run_attr(r, ROOT_SYS, path, &a, NULL)) {
        return true;
    }
    while (word_next(&a.value, &word)) {
        const str values[] = {word, str_c(number)};
        if (!rows_add(r->rows, &sources[which].family, values, 1, e)) {
            return false;
        }
    }
    return true;
}

static bool time_collect(struct run *r, UNUSED void *state, struct error *e)
{
    i64 offset = 0;
    char zone[32];
    if (!run_add(r, &time_seconds, (f64)r->t_ms / 1000, e) ||
        !r->sys->ops->zone(r->sys, r->t_ms / 1000, &offset, zone, e)) {
        return false;
    }
    const str name = str_c(zone);
    if (!rows_add(r->rows, &zone_offset, &name, (f64)offset, e)) {
        return false;
    }
    for (int device = 0; device < CLOCKSOURCES_MAX; device++) {
        for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
            if (!sources_add(r, device, i, e)) {
                return false;
            }
        }
    }
    return true;
}

const struct collector collector_time = {"time", 0, time_collect};
