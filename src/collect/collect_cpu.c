// collect_cpu.c: node_cpu_seconds_total and node_cpu_guest_seconds_total from /proc/stat.
//
// The kernel lets single modes fall a little (iowait, idle with steal), which a reader would take
// for a restart: a mode keeps its highest value. Only when idle falls by more than three seconds
// was the processor taken out and put back, and all its modes start anew.
#include "base/str.h"
#include "collect/collect_run.h"

enum { CPUS_MAX = 4096, MODES = 8, COLUMNS = 10, MODE_IDLE = 3 };
#define TICKS_PER_SECOND 100.0 // USER_HZ, part of the kernel's promise to programs
#define IDLE_FALL_MAX_S  3.0

// The columns of a line of /proc/stat; guest time is also counted as user or nice.
static const str modes[MODES] = {STR("user"),   STR("nice"), STR("system"),  STR("idle"),
                                 STR("iowait"), STR("irq"),  STR("softirq"), STR("steal")};

static const struct family cpu_seconds = {STR("node_cpu_seconds_total"),
                                          METRIC_COUNTER,
                                          STR("Seconds the CPUs spent in each mode."),
                                          {STR("cpu"), STR("mode")}};
static const struct family guest_seconds = {
    STR("node_cpu_guest_seconds_total"),
    METRIC_COUNTER,
    STR("Seconds the CPUs spent in guests (VMs) for each mode."),
    {STR("cpu"), STR("mode")}};

// Threads: owned by the collecting thread. Grown to the highest processor seen, at most CPUS_MAX.
struct cpu_state {
    f64 seconds[CPUS_MAX][COLUMNS];
};

static void cpu_settle(f64 kept[COLUMNS], const f64 now[COLUMNS])
{
    bool anew = now[MODE_IDLE] < kept[MODE_IDLE] - IDLE_FALL_MAX_S;
    for (int i = 0; i < COLUMNS; i++) {
        kept[i] = anew ? now[i] : MAX(kept[i], now[i]);
    }
}

static bool cpu_line(struct run *r, struct cpu_state *s, str cpu, str line, struct error *e)
{
    u64 number = 0;
    f64 now[COLUMNS] = {0};
    if (!parse_u64(cpu, &number) || number >= CPUS_MAX) {
        return err_set(e, ERR_CORRUPT, "stat: processor \"%.*s\", 0 to %d allowed",
                       (int)MIN(cpu.len, 20), cpu.ptr ? cpu.ptr : "", CPUS_MAX - 1);
    }
    for (int i = 0; i < COLUMNS; i++) {
        str probe = line;
        str word;
        u64 ticks = 0;
        if (i >= MODES - 1 && !word_next(&probe, &word)) {
            break; // old kernels have fewer columns
        }
        if (!word_u64(&line, "stat: cpu", &ticks, e)) {
            return false;
        }
        now[i] = (f64)ticks / TICKS_PER_SECOND;
    }
    f64 *kept = s->seconds[number];
    cpu_settle(kept, now);
    for (int i = 0; i < MODES; i++) {
        const str values[] = {cpu, modes[i]};
        if (!rows_add(r->rows, &cpu_seconds, values, kept[i], e)) {
            return false;
        }
    }
    for (int i = 0; i < 2; i++) {
        const str values[] = {cpu, modes[i]};
        if (!rows_add(r->rows, &guest_seconds, values, kept[MODES + i], e)) {
            return false;
        }
    }
    return true;
}

static bool cpu_collect(struct run *r, void *state, struct error *e)
{
    str text;
    str line;
    str word;
    u32 cpus = 0;
    if (!run_read(r, ROOT_PROC, "stat", &text, e)) {
        return false;
    }
    while (line_next(&text, &line)) {
        if (!word_next(&line, &word) || !str_starts(word, STR("cpu")) || word.len == 3) {
            continue; // "cpu" alone is the sum of all
        }
        if (!cpu_line(r, state, str_sub(word, 3, word.len), line, e)) {
            return false;
        }
        cpus++;
    }
    return cpus > 0 || err_set(e, ERR_CORRUPT, "stat: no processor in it");
}

const struct collector collector_cpu = {"cpu", sizeof(struct cpu_state), cpu_collect};
