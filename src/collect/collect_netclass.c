// collect_netclass.c: what /sys/class/net says of each device.
//
// Files that the driver refuses (speed of a bridge, carrier of a device that is down) give no row.
// A device costs 22 files, 120 us; so only the first RUN_NETDEVS_MAX are looked at: a host of a
// thousand containers has a thousand of them, and this is all that is left out of those: see
// netdev.
#include "base/str.h"
#include "collect/collect_netdev.h"

#include <stdio.h>

#define PROPERTY(name, kind)                                                                       \
    {                                                                                              \
        STR("node_network_" name), kind, STR("Network device property: " name),                    \
        {                                                                                          \
            STR("device")                                                                          \
        }                                                                                          \
    }
static const struct {
    const char *file;
    struct family family;
    f64 scale;
} properties[] = {
    {"addr_assign_type", PROPERTY("address_assign_type", METRIC_GAUGE), 1},
    {"carrier", PROPERTY("carrier", METRIC_GAUGE), 1},
    {"carrier_changes", PROPERTY("carrier_changes_total", METRIC_COUNTER), 1},
    {"carrier_up_count", PROPERTY("carrier_up_changes_total", METRIC_COUNTER), 1},
    {"carrier_down_count", PROPERTY("carrier_down_changes_total", METRIC_COUNTER), 1},
    {"dev_id", PROPERTY("device_id", METRIC_GAUGE), 1},
    {"dormant", PROPERTY("dormant", METRIC_GAUGE), 1},
    {"flags", PROPERTY("flags", METRIC_GAUGE), 1},
    {"ifindex", PROPERTY("iface_id", METRIC_GAUGE), 1},
    {"iflink", PROPERTY("iface_link", METRIC_GAUGE), 1},
    {"link_mode", PROPERTY("iface_link_mode", METRIC_GAUGE), 1},
    {"mtu", PROPERTY("mtu_bytes", METRIC_GAUGE), 1},
    {"name_assign_type", PROPERTY("name_assign_type", METRIC_GAUGE), 1},
    {"netdev_group", PROPERTY("net_dev_group", METRIC_GAUGE), 1},
    {"speed", PROPERTY("speed_bytes", METRIC_GAUGE), 125000}, // from Mbit/s; unknown is -1
    {"tx_queue_len", PROPERTY("transmit_queue_length", METRIC_GAUGE), 1},
    {"type", PROPERTY("protocol_type", METRIC_GAUGE), 1},
};

static const struct family device_info = {
    STR("node_network_info"),
    METRIC_GAUGE,
    STR("Non-numeric data from /sys/class/net/<iface>, value is always 1."),
    {STR("address"), STR("broadcast"), STR("device"), STR("duplex"), STR("ifalias"),
     STR("operstate")}};
static const struct family device_up = {STR("node_network_up"),
                                        METRIC_GAUGE,
                                        STR("Value is 1 if operstate is 'up', 0 otherwise."),
                                        {STR("device")}};

static bool property_parse(str s, f64 *out)
{
    u64 hex = 0;
    i64 v = 0;
    if (str_starts(s, STR("0x")) && hex_u64(str_sub(s, 2, s.len), &hex)) {
        *out = (f64)hex;
        return true;
    }
    if (!parse_i64(s, &v)) {
        return false;
    }
    *out = (f64)v;
    return true;
}

// What stands in the file, or nothing.
static str attr_text(struct run *r, str device, const char *file, struct attr *a)
{
    char path[96];
    (void)snprintf(path, sizeof(path), "class/net/%.*s/%s", STR_ARG(device), file);
    return run_attr(r, ROOT_SYS, path, a, NULL) ? a->value : STR_EMPTY;
}

static bool device_info_add(struct run *r, str device, struct error *e)
{
    struct attr a[5];
    const str operstate = attr_text(r, device, "operstate", &a[0]);
    const str values[] = {attr_text(r, device, "address", &a[1]),
                          attr_text(r, device, "broadcast", &a[2]),
                          device,
                          attr_text(r, device, "duplex", &a[3]),
                          attr_text(r, device, "ifalias", &a[4]),
                          operstate};
    return rows_add(r->rows, &device_info, values, 1, e) &&
           rows_add(r->rows, &device_up, &device, str_eq(operstate, STR("up")), e);
}

static bool device_look(struct run *r, str device, struct error *e)
{
    for (size_t i = 0; i < ARRAY_LEN(properties); i++) {
        struct attr a;
        f64 v = 0;
        if (property_parse(attr_text(r, device, properties[i].file, &a), &v) &&
            !rows_add(r->rows, &properties[i].family, &device, v * properties[i].scale, e)) {
            return false;
        }
    }
    return device_info_add(r, device, e);
}

static bool netclass_collect(struct run *r, UNUSED void *state, struct error *e)
{
    struct error why = {0};
    str text;
    str device;
    str numbers;
    if (!netdev_read(r, &text, e)) {
        return false;
    }
    for (int i = 0; i < RUN_NETDEVS_MAX && netdev_next(&text, &device, &numbers, &why); i++) {
        if (!device_look(r, device, e)) {
            return false;
        }
    }
    if (why.code != ERR_NONE && e) {
        *e = why;
    }
    return why.code == ERR_NONE;
}

const struct collector collector_netclass = {"netclass", 0, netclass_collect};
