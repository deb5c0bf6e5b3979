// collect_softnet.c: node_softnet_* from /proc/net/softnet_stat: packets that the processors could
// not take in time.
#include "base/str.h"
#include "collect/collect_run.h"

#include <stdio.h>

enum { COLUMNS = 3, CPUS_MAX = 4096, COLUMN_CPU = 12 };

static const struct family columns[COLUMNS] = {
    {STR("node_softnet_processed_total"),
     METRIC_COUNTER,
     STR("Number of processed packets"),
     {STR("cpu")}},
    {STR("node_softnet_dropped_total"),
     METRIC_COUNTER,
     STR("Number of dropped packets"),
     {STR("cpu")}},
    {STR("node_softnet_times_squeezed_total"),
     METRIC_COUNTER,
     STR("Number of times processing packets ran out of quota"),
     {STR("cpu")}},
};

// Since Linux 5.10 the thirteenth column names the processor; before, the lines are in order.
static bool softnet_line(struct run *r, str line, u64 order, struct error *e)
{
    u64 numbers[COLUMN_CPU + 1] = {0};
    char name[24];
    str word;
    int n = 0;
    for (; n <= COLUMN_CPU && word_next(&line, &word); n++) {
        if (!hex_u64(word, &numbers[n])) {
            return err_set(e, ERR_CORRUPT, "softnet_stat: \"%.*s\" is not a hexadecimal number",
                           (int)MIN(word.len, 40), word.ptr);
        }
    }
    if (n < COLUMNS) {
        return err_set(e, ERR_CORRUPT, "softnet_stat: %d columns", n);
    }
    (void)snprintf(name, sizeof(name), "%llu",
                   (unsigned long long)(n > COLUMN_CPU ? numbers[COLUMN_CPU] : order));
    const str cpu = str_c(name);
    for (int i = 0; i < COLUMNS; i++) {
        if (!rows_add(r->rows, &columns[i], &cpu, (f64)numbers[i], e)) {
            return false;
        }
    }
    return true;
}

static bool softnet_collect(struct run *r, UNUSED void *state, struct error *e)
{
    str text;
    str line;
    u64 lines = 0;
    if (!run_read(r, ROOT_PROC, "net/softnet_stat", &text, e)) {
        return false;
    }
    for (; line_next(&text, &line); lines++) {
        if (lines == CPUS_MAX) {
            return err_set(e, ERR_LIMIT, "softnet_stat: more than %d lines", CPUS_MAX);
        }
        if (!softnet_line(r, line, lines, e)) {
            return false;
        }
    }
    return lines > 0 || err_set(e, ERR_CORRUPT, "softnet_stat: empty");
}

const struct collector collector_softnet = {"softnet", 0, softnet_collect};
