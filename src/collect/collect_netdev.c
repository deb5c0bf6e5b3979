// collect_netdev.c: node_network_{receive,transmit}_* from /proc/net/dev.
//
// Packets that no protocol took (nohandler) stand in /sys only; a device without that file has
// none.
#include "collect/collect_netdev.h"

#include "base/str.h"

#include <stdio.h>

enum { COLUMNS = 16, DEVICES_MAX = 4096, HEAD_LINES = 2 };

#define COLUMN(name)                                                                               \
    {                                                                                              \
        STR("node_network_" name "_total"), METRIC_COUNTER,                                        \
            STR("Network device statistic " name "."),                                             \
        {                                                                                          \
            STR("device")                                                                          \
        }                                                                                          \
    }
static const struct family columns[COLUMNS] = {
    COLUMN("receive_bytes"),       COLUMN("receive_packets"),   COLUMN("receive_errs"),
    COLUMN("receive_drop"),        COLUMN("receive_fifo"),      COLUMN("receive_frame"),
    COLUMN("receive_compressed"),  COLUMN("receive_multicast"), COLUMN("transmit_bytes"),
    COLUMN("transmit_packets"),    COLUMN("transmit_errs"),     COLUMN("transmit_drop"),
    COLUMN("transmit_fifo"),       COLUMN("transmit_colls"),    COLUMN("transmit_carrier"),
    COLUMN("transmit_compressed"),
};
static const struct family nohandler = COLUMN("receive_nohandler");

bool netdev_next(str *rest, str *device, str *numbers, struct error *e)
{
    str line;
    if (!line_next(rest, &line)) {
        return false;
    }
    size_t colon = str_find_last(line, ':'); // names of old aliases hold one themselves
    if (colon == STR_NONE) {
        return err_set(e, ERR_CORRUPT, "net/dev: a line without \":\"");
    }
    *device = str_trim(str_sub(line, 0, colon));
    *numbers = str_sub(line, colon + 1, line.len);
    // The name becomes part of a path.
    if (!device->len || device->len >= RUN_NETDEV_NAME_MAX || str_find(*device, '/') != STR_NONE ||
        str_eq(*device, STR(".")) || str_eq(*device, STR("..")) ||
        str_find(*device, '\0') != STR_NONE) {
        return err_set(e, ERR_CORRUPT, "net/dev: bad device name");
    }
    return true;
}

bool netdev_read(struct run *r, str *rest, struct error *e)
{
    str line;
    if (!run_read(r, ROOT_PROC, "net/dev", rest, e)) {
        return false;
    }
    for (int i = 0; i < HEAD_LINES; i++) {
        if (!line_next(rest, &line) || str_find(line, '|') == STR_NONE) {
            return err_set(e, ERR_CORRUPT, "net/dev: line %d is no head", i + 1);
        }
    }
    return true;
}

static bool device_add(struct run *r, str device, str numbers, bool look_in_sys, struct error *e)
{
    u64 v = 0;
    for (int i = 0; i < COLUMNS; i++) {
        if (!word_u64(&numbers, "net/dev", &v, e) ||
            !rows_add(r->rows, &columns[i], &device, (f64)v, e)) {
            return false;
        }
    }
    if (!look_in_sys) {
        return true;
    }
    struct attr a;
    char path[64];
    (void)snprintf(path, sizeof(path), "class/net/%.*s/statistics/rx_nohandler", STR_ARG(device));
    return !run_attr(r, ROOT_SYS, path, &a, NULL) || !parse_u64(a.value, &v) ||
           rows_add(r->rows, &nohandler, &device, (f64)v, e);
}

static bool netdev_collect(struct run *r, UNUSED void *state, struct error *e)
{
    struct error why = {0};
    str text;
    str device;
    str numbers;
    u32 devices = 0;
    if (!netdev_read(r, &text, e)) {
        return false;
    }
    while (netdev_next(&text, &device, &numbers, &why)) {
        if (++devices > DEVICES_MAX) {
            return err_set(e, ERR_LIMIT, "net/dev: more than %d devices", DEVICES_MAX);
        }
        if (!device_add(r, device, numbers, devices <= RUN_NETDEVS_MAX, e)) {
            return false;
        }
    }
    if (why.code != ERR_NONE && e) {
        *e = why;
    }
    return why.code == ERR_NONE;
}

const struct collector collector_netdev = {"netdev", 0, netdev_collect};
