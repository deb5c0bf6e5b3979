// collect_pressure.c: node_pressure_* from /proc/pressure: stalls for want of CPU, memory and I/O.
#include "base/str.h"
#include "collect/collect_run.h"

static const struct {
    const char *path;
    str line;
    struct family family;
} facts[] = {
    {"pressure/cpu",
     STR("some"),
     {STR("node_pressure_cpu_waiting_seconds_total"),
      METRIC_COUNTER,
      STR("Total time in seconds that processes have waited for CPU time"),
      {{0}}}},
    {"pressure/io",
     STR("some"),
     {STR("node_pressure_io_waiting_seconds_total"),
      METRIC_COUNTER,
      STR("Total time in seconds that processes have waited due to IO congestion"),
      {{0}}}},
    {"pressure/io",
     STR("full"),
     {STR("node_pressure_io_stalled_seconds_total"),
      METRIC_COUNTER,
      STR("Total time in seconds no process could make progress due to IO congestion"),
      {{0}}}},
    {"pressure/memory",
     STR("some"),
     {STR("node_pressure_memory_waiting_seconds_total"),
      METRIC_COUNTER,
      STR("Total time in seconds that processes have waited for memory"),
      {{0}}}},
    {"pressure/memory",
     STR("full"),
     {STR("node_pressure_memory_stalled_seconds_total"),
      METRIC_COUNTER,
      STR("Total time in seconds no process could make progress due to memory congestion"),
      {{0}}}},
};

// The microseconds after "total=" in the line that begins with wanted.
static bool total_find(str text, str wanted, u64 *out)
{
    str line;
    str word;
    while (line_next(&text, &line)) {
        if (!word_next(&line, &word) || !str_eq(word, wanted)) {
            continue;
        }
        while (word_next(&line, &word)) {
            if (str_starts(word, STR("total="))) {
                return parse_u64(str_sub(word, 6, word.len), out);
            }
        }
    }
    return false;
}

static bool pressure_collect(struct run *r, UNUSED void *state, struct error *e)
{
    for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
        str text;
        u64 micros = 0;
        if (!run_read(r, ROOT_PROC, facts[i].path, &text, e)) {
            return false;
        }
        if (!total_find(text, facts[i].line, &micros)) {
            return err_set(e, ERR_CORRUPT, "%s: no total of \"%.*s\"", facts[i].path,
                           STR_ARG(facts[i].line));
        }
        if (!run_add(r, &facts[i].family, (f64)micros / 1e6, e)) {
            return false;
        }
    }
    return true;
}

const struct collector collector_pressure = {"pressure", 0, pressure_collect};
