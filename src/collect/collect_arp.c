// collect_arp.c: node_arp_entries: neighbours per device, from /proc/net/arp.
#include "base/str.h"
#include "collect/collect_run.h"

enum { DEVICES_MAX = 256, COLUMNS = 6 };

static const struct family arp_entries = {
    STR("node_arp_entries"), METRIC_GAUGE, STR("ARP entries by device"), {STR("device")}};

// Threads: owned by the collecting thread.
struct arp_count {
    str device;
    u64 entries;
};

static bool arp_line(str line, struct arp_count counts[DEVICES_MAX], u32 *devices, struct error *e)
{
    str word = STR_EMPTY;
    for (int i = 0; i < COLUMNS; i++) { // the device is the last
        if (!word_next(&line, &word)) {
            return err_set(e, ERR_CORRUPT, "net/arp: a line of %d columns", i);
        }
    }
    u32 at = 0;
    while (at < *devices && !str_eq(counts[at].device, word)) {
        at++;
    }
    if (at == DEVICES_MAX) {
        return err_set(e, ERR_LIMIT, "net/arp: more than %d devices", DEVICES_MAX);
    }
    if (at == *devices) {
        counts[(*devices)++] = (struct arp_count){.device = word};
    }
    counts[at].entries++;
    return true;
}

static bool arp_collect(struct run *r, UNUSED void *state, struct error *e)
{
    struct arp_count counts[DEVICES_MAX];
    u32 devices = 0;
    str text;
    str line;
    if (!run_read(r, ROOT_PROC, "net/arp", &text, e)) {
        return false;
    }
    if (!line_next(&text, &line) || !str_starts(line, STR("IP address"))) {
        return err_set(e, ERR_CORRUPT, "net/arp: no head");
    }
    while (line_next(&text, &line)) {
        if (!arp_line(line, counts, &devices, e)) {
            return false;
        }
    }
    for (u32 i = 0; i < devices; i++) {
        if (!rows_add(r->rows, &arp_entries, &counts[i].device, (f64)counts[i].entries, e)) {
            return false;
        }
    }
    return true;
}

const struct collector collector_arp = {"arp", 0, arp_collect};
