// collect_vmstat.c: node_vmstat_*: paging, faults and kills from /proc/vmstat.
#include "base/str.h"
#include "collect/collect_run.h"

#include <stdio.h>

enum { FIELD_BYTES_MAX = 64 };

// node_exporter's default: ^(oom_kill|pgpg|pswp|pg.*fault).*
static bool field_kept(str field)
{
    return str_starts(field, STR("oom_kill")) || str_starts(field, STR("pgpg")) ||
           str_starts(field, STR("pswp")) ||
           (str_starts(field, STR("pg")) && str_contains(field, STR("fault")));
}

static bool is_name(str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_')) {
            return false;
        }
    }
    return s.len > 0 && s.len < FIELD_BYTES_MAX;
}

static bool vmstat_collect(struct run *r, UNUSED void *state, struct error *e)
{
    str text;
    str line;
    str field;
    u32 lines = 0;
    if (!run_read(r, ROOT_PROC, "vmstat", &text, e)) {
        return false;
    }
    while (line_next(&text, &line)) {
        char metric[FIELD_BYTES_MAX + 16];
        char help[FIELD_BYTES_MAX + 40];
        u64 v = 0;
        if (!word_next(&line, &field) || !is_name(field)) {
            return err_set(e, ERR_CORRUPT, "vmstat: line %u begins with no name", lines + 1);
        }
        lines++;
        if (!field_kept(field)) {
            continue;
        }
        (void)snprintf(metric, sizeof(metric), "node_vmstat_%.*s", STR_ARG(field));
        (void)snprintf(help, sizeof(help), "/proc/vmstat information field %.*s.", STR_ARG(field));
        const struct family f = {str_c(metric), METRIC_UNKNOWN, str_c(help), {{0}}};
        if (!word_u64(&line, "vmstat", &v, e) || !run_add(r, &f, (f64)v, e)) {
            return false;
        }
    }
    return lines > 0 || err_set(e, ERR_CORRUPT, "vmstat: empty");
}

const struct collector collector_vmstat = {"vmstat", 0, vmstat_collect};
