// collect_filefd.c: node_filefd_* from /proc/sys/fs/file-nr: allocated, unused, maximum.
#include "collect/collect_run.h"

static const struct family allocated = {STR("node_filefd_allocated"),
                                        METRIC_GAUGE,
                                        STR("File descriptor statistics: allocated."),
                                        {{0}}};
static const struct family maximum = {
    STR("node_filefd_maximum"), METRIC_GAUGE, STR("File descriptor statistics: maximum."), {{0}}};

static bool filefd_collect(struct run *r, UNUSED void *state, struct error *e)
{
    struct attr a;
    u64 numbers[3] = {0};
    if (!run_attr(r, ROOT_PROC, "sys/fs/file-nr", &a, e)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (!word_u64(&a.value, "sys/fs/file-nr", &numbers[i], e)) {
            return false;
        }
    }
    return run_add(r, &allocated, (f64)numbers[0], e) && run_add(r, &maximum, (f64)numbers[2], e);
}

const struct collector collector_filefd = {"filefd", 0, filefd_collect};
