// collect_meminfo.c: every line of /proc/meminfo as node_memory_<field>[_bytes].
#include "base/str.h"
#include "collect/collect_run.h"

#include <stdio.h>

enum { FIELD_BYTES_MAX = 64, LINES_MAX = 256 };

// "Active(anon)" becomes "Active_anon"; any other byte that no name may hold makes the file broken.
static bool field_name(str field, char out[FIELD_BYTES_MAX], struct error *e)
{
    size_t n = 0;
    bool ok = field.len > 0 && field.len < FIELD_BYTES_MAX;
    for (size_t i = 0; ok && i < field.len; i++) {
        char c = field.ptr[i];
        bool name =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        ok = name || c == '(' || (c == ')' && i + 1 == field.len);
        if (ok && name) {
            out[n++] = c;
        } else if (ok && c == '(') {
            out[n++] = '_';
        }
    }
    out[n] = '\0';
    return ok || err_set(e, ERR_CORRUPT, "meminfo: bad field \"%.*s\"", (int)MIN(field.len, 40),
                         field.ptr ? field.ptr : "");
}

static bool meminfo_line(struct run *r, str field, str line, struct error *e)
{
    char name[FIELD_BYTES_MAX];
    char metric[FIELD_BYTES_MAX + 32];
    char help[FIELD_BYTES_MAX + 48];
    str unit;
    u64 v = 0;
    if (!field_name(str_sub(field, 0, field.len - 1), name, e) ||
        !word_u64(&line, "meminfo", &v, e)) {
        return false;
    }
    bool bytes = word_next(&line, &unit);
    if (bytes && !str_eq(unit, STR("kB"))) {
        return err_set(e, ERR_CORRUPT, "meminfo: %s is in \"%.*s\", not kB", name,
                       (int)MIN(unit.len, 20), unit.ptr);
    }
    (void)snprintf(metric, sizeof(metric), "node_memory_%s%s", name, bytes ? "_bytes" : "");
    (void)snprintf(help, sizeof(help), "Memory information field %s%s.", name,
                   bytes ? "_bytes" : "");
    const struct family f = {str_c(metric), METRIC_GAUGE, str_c(help), {{0}}};
    return run_add(r, &f, (f64)v * (bytes ? 1024 : 1), e);
}

static bool meminfo_collect(struct run *r, UNUSED void *state, struct error *e)
{
    str text;
    str line;
    str word;
    u32 lines = 0;
    if (!run_read(r, ROOT_PROC, "meminfo", &text, e)) {
        return false;
    }
    while (line_next(&text, &line)) {
        if (!word_next(&line, &word)) {
            continue;
        }
        if (!str_ends(word, STR(":"))) {
            return err_set(e, ERR_CORRUPT, "meminfo: line %u has no \":\"", lines + 1);
        }
        if (++lines > LINES_MAX) {
            return err_set(e, ERR_LIMIT, "meminfo: more than %d lines", LINES_MAX);
        }
        if (!meminfo_line(r, word, line, e)) {
            return false;
        }
    }
    return lines > 0 || err_set(e, ERR_CORRUPT, "meminfo: empty");
}

const struct collector collector_meminfo = {"meminfo", 0, meminfo_collect};
