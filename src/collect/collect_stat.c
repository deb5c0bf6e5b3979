// collect_stat.c: interrupts, context switches, forks, boot time and processes from /proc/stat.
#include "base/str.h"
#include "collect/collect_run.h"

static const struct {
    str word;
    struct family family;
} facts[] = {
    {STR("intr"),
     {STR("node_intr_total"), METRIC_COUNTER, STR("Total number of interrupts serviced."), {{0}}}},
    {STR("ctxt"),
     {STR("node_context_switches_total"),
      METRIC_COUNTER,
      STR("Total number of context switches."),
      {{0}}}},
    {STR("processes"),
     {STR("node_forks_total"), METRIC_COUNTER, STR("Total number of forks."), {{0}}}},
    {STR("btime"),
     {STR("node_boot_time_seconds"), METRIC_GAUGE, STR("Node boot time, in unixtime."), {{0}}}},
    {STR("procs_running"),
     {STR("node_procs_running"),
      METRIC_GAUGE,
      STR("Number of processes in runnable state."),
      {{0}}}},
    {STR("procs_blocked"),
     {STR("node_procs_blocked"),
      METRIC_GAUGE,
      STR("Number of processes blocked waiting for I/O to complete."),
      {{0}}}},
};

static bool stat_collect(struct run *r, UNUSED void *state, struct error *e)
{
    str text;
    str line;
    str word;
    u32 found = 0;
    if (!run_read(r, ROOT_PROC, "stat", &text, e)) {
        return false;
    }
    while (line_next(&text, &line)) {
        if (!word_next(&line, &word)) {
            continue;
        }
        for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
            u64 v = 0;
            if (!str_eq(word, facts[i].word)) {
                continue;
            }
            // The first number after "intr" is the sum of all that follow.
            if (!word_u64(&line, "stat", &v, e) || !run_add(r, &facts[i].family, (f64)v, e)) {
                return false;
            }
            found++;
        }
    }
    return found >= ARRAY_LEN(facts) ||
           err_set(e, ERR_CORRUPT, "stat: %u of %zu lines found", found, ARRAY_LEN(facts));
}

const struct collector collector_stat = {"stat", 0, stat_collect};
