// collect_uname.c: node_uname_info.
#include "base/str.h"
#include "collect/collect_run.h"
#include "collect/collect_sys.h"

static const struct family uname_info = {
    STR("node_uname_info"),
    METRIC_GAUGE,
    STR("Labeled system information as provided by the uname system call."),
    {STR("domainname"), STR("machine"), STR("nodename"), STR("release"), STR("sysname"),
     STR("version")}};

static bool uname_collect(struct run *r, UNUSED void *state, struct error *e)
{
    struct uname_words u;
    if (!r->sys->ops->uname(r->sys, &u, e)) {
        return false;
    }
    const str values[] = {str_c(u.domainname), str_c(u.machine), str_c(u.nodename),
                          str_c(u.release),    str_c(u.sysname), str_c(u.version)};
    return rows_add(r->rows, &uname_info, values, 1, e);
}

const struct collector collector_uname = {"uname", 0, uname_collect};
