// collect_diskstats.c: node_disk_* from /proc/diskstats, node_disk_info with what udev knows.
//
// Partitions, loop and RAM devices are left out, as node_exporter's default pattern does.
#include "base/str.h"
#include "collect/collect_run.h"

#include <stdio.h>

enum { COLUMNS = 17, COLUMNS_OLD = 11, DISKS_MAX = 2048 };
#define LABEL_DEVICE                                                                               \
    {                                                                                              \
        STR("device")                                                                              \
    }

#define COUNTER_ROW(name, help, scale)                                                             \
    {                                                                                              \
        {STR(name), METRIC_COUNTER, STR(help), LABEL_DEVICE}, scale                                \
    }
// In the order of the columns after the device's name.
static const struct {
    struct family family;
    f64 scale;
} columns[COLUMNS] = {
    COUNTER_ROW("node_disk_reads_completed_total",
                "The total number of reads completed successfully.", 1),
    COUNTER_ROW("node_disk_reads_merged_total", "The total number of reads merged.", 1),
    COUNTER_ROW("node_disk_read_bytes_total", "The total number of bytes read successfully.", 512),
    COUNTER_ROW("node_disk_read_time_seconds_total",
                "The total number of seconds spent by all reads.", 0.001),
    COUNTER_ROW("node_disk_writes_completed_total",
                "The total number of writes completed successfully.", 1),
    COUNTER_ROW("node_disk_writes_merged_total", "The number of writes merged.", 1),
    COUNTER_ROW("node_disk_written_bytes_total", "The total number of bytes written successfully.",
                512),
    COUNTER_ROW("node_disk_write_time_seconds_total",
                "This is the total number of seconds spent by all writes.", 0.001),
    {{STR("node_disk_io_now"), METRIC_GAUGE, STR("The number of I/Os currently in progress."),
      LABEL_DEVICE},
     1},
    COUNTER_ROW("node_disk_io_time_seconds_total", "Total seconds spent doing I/Os.", 0.001),
    COUNTER_ROW("node_disk_io_time_weighted_seconds_total",
                "The weighted # of seconds spent doing I/Os.", 0.001),
    COUNTER_ROW("node_disk_discards_completed_total",
                "The total number of discards completed successfully.", 1),
    COUNTER_ROW("node_disk_discards_merged_total", "The total number of discards merged.", 1),
    COUNTER_ROW("node_disk_discarded_sectors_total",
                "The total number of sectors discarded successfully.", 1),
    COUNTER_ROW("node_disk_discard_time_seconds_total",
                "This is the total number of seconds spent by all discards.", 0.001),
    COUNTER_ROW("node_disk_flush_requests_total",
                "The total number of flush requests completed successfully", 1),
    COUNTER_ROW("node_disk_flush_requests_time_seconds_total",
                "This is the total number of seconds spent by all flush requests.", 0.001),
};

static const struct family disk_info = {STR("node_disk_info"),
                                        METRIC_GAUGE,
                                        STR("Info of /sys/block/<block_device>."),
                                        {STR("device"), STR("major"), STR("minor"), STR("path"),
                                         STR("wwn"), STR("model"), STR("serial"), STR("revision")}};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

// The pattern ^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$, read from the end.
static bool disk_left_out(str name)
{
    size_t end = name.len;
    while (end > 0 && is_digit(name.ptr[end - 1])) {
        end--;
    }
    const str stem = str_sub(name, 0, end);
    if (end == name.len || !stem.len) {
        return false;
    }
    if (str_eq(stem, STR("ram")) || str_eq(stem, STR("loop")) || str_eq(stem, STR("fd"))) {
        return true;
    }
    static const str drives[] = {STR("hd"), STR("sd"), STR("vd"), STR("xvd")};
    for (size_t i = 0; i < ARRAY_LEN(drives); i++) {
        if (stem.len == drives[i].len + 1 && str_starts(stem, drives[i]) &&
            is_letter(stem.ptr[stem.len - 1])) {
            return true;
        }
    }
    // Namespaces end in a digit (nvme0n1), their partitions have "p" and a number behind it.
    return str_starts(stem, STR("nvme")) && str_ends(stem, STR("p")) && stem.len > 6 &&
           is_digit(stem.ptr[stem.len - 2]);
}

// The value of E:<key>= in a udev record.
static str udev_get(str record, str key)
{
    str line;
    while (line_next(&record, &line)) {
        if (str_starts(line, STR("E:")) && str_starts(str_sub(line, 2, line.len), key) &&
            line.len > key.len + 2 && line.ptr[key.len + 2] == '=') {
            return str_sub(line, key.len + 3, line.len);
        }
    }
    return STR_EMPTY;
}

static bool disk_info_add(struct run *r, str device, str major, str minor, struct error *e)
{
    struct attr udev;
    char path[64];
    (void)snprintf(path, sizeof(path), "b%.*s:%.*s", STR_ARG(major), STR_ARG(minor));
    if (!run_attr(r, ROOT_UDEV, path, &udev, NULL)) {
        udev.value = STR_EMPTY; // no udev, as in a container: the labels stay empty
    }
    str serial = udev_get(udev.value, STR("SCSI_IDENT_SERIAL"));
    if (!serial.len) {
        serial = udev_get(udev.value, STR("ID_SERIAL_SHORT"));
    }
    const str values[] = {device,
                          major,
                          minor,
                          udev_get(udev.value, STR("ID_PATH")),
                          udev_get(udev.value, STR("ID_WWN")),
                          udev_get(udev.value, STR("ID_MODEL")),
                          serial,
                          udev_get(udev.value, STR("ID_REVISION"))};
    return rows_add(r->rows, &disk_info, values, 1, e);
}

static bool disk_line(struct run *r, str line, struct error *e)
{
    str major;
    str minor;
    str device;
    u64 number = 0;
    if (!word_next(&line, &major) || !word_next(&line, &minor) || !word_next(&line, &device) ||
        !parse_u64(major, &number) || number > UINT32_MAX || !parse_u64(minor, &number) ||
        number > UINT32_MAX) {
        return err_set(e, ERR_CORRUPT, "diskstats: a line without major, minor and device");
    }
    if (disk_left_out(device)) {
        return true;
    }
    if (!disk_info_add(r, device, major, minor, e)) {
        return false;
    }
    for (int i = 0; i < COLUMNS; i++) {
        str probe = line;
        str word;
        if (i >= COLUMNS_OLD && !word_next(&probe, &word)) {
            break; // kernels before 4.18 and 5.5 know less
        }
        if (!word_u64(&line, "diskstats", &number, e)) {
            return false;
        }
        // Divided, as node_exporter does: the nearest double to the decimal number.
        f64 v = columns[i].scale < 1 ? (f64)number / 1000 : (f64)number * columns[i].scale;
        if (!rows_add(r->rows, &columns[i].family, &device, v, e)) {
            return false;
        }
    }
    return true;
}

static bool diskstats_collect(struct run *r, UNUSED void *state, struct error *e)
{
    str text;
    str line;
    u32 disks = 0;
    if (!run_read(r, ROOT_PROC, "diskstats", &text, e)) {
        return false;
    }
    while (line_next(&text, &line)) {
        if (!str_trim(line).len) {
            continue;
        }
        if (++disks > DISKS_MAX) {
            return err_set(e, ERR_LIMIT, "diskstats: more than %d devices", DISKS_MAX);
        }
        if (!disk_line(r, line, e)) {
            return false;
        }
    }
    return true;
}

const struct collector collector_diskstats = {"diskstats", 0, diskstats_collect};
