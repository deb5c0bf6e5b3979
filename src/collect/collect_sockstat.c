// collect_sockstat.c: node_sockstat_* from /proc/net/{sockstat,sockstat6}.
#include "base/str.h"
#include "collect/collect_run.h"
#include "collect/collect_sys.h"

#include <stdio.h>

enum { WORD_BYTES_MAX = 24, PAIRS_MAX = 32 };

static const struct family sockets_used = {
    STR("node_sockstat_sockets_used"), METRIC_GAUGE, STR("Number of IPv4 sockets in use."), {{0}}};

static bool is_plain(str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))) {
            return false;
        }
    }
    return s.len > 0 && s.len < WORD_BYTES_MAX;
}

static bool pair_add(struct run *r, str protocol, const char *key, f64 v, struct error *e)
{
    char metric[2 * WORD_BYTES_MAX + 32];
    char help[2 * WORD_BYTES_MAX + 48];
    (void)snprintf(metric, sizeof(metric), "node_sockstat_%.*s_%s", STR_ARG(protocol), key);
    (void)snprintf(help, sizeof(help), "Number of %.*s sockets in state %s.", STR_ARG(protocol),
                   key);
    const struct family f = {str_c(metric), METRIC_GAUGE, str_c(help), {{0}}};
    return run_add(r, &f, v, e);
}

// "TCP: inuse 9 orphan 0 …"; mem is in pages and is also told in bytes.
static bool line_add(struct run *r, str line, struct error *e)
{
    str protocol;
    str key;
    u64 v = 0;
    if (!word_next(&line, &protocol) || !str_ends(protocol, STR(":")) ||
        !is_plain(str_sub(protocol, 0, protocol.len - 1))) {
        return err_set(e, ERR_CORRUPT, "sockstat: a line without a protocol");
    }
    protocol = str_sub(protocol, 0, protocol.len - 1);
    for (int i = 0; word_next(&line, &key); i++) {
        char word[WORD_BYTES_MAX];
        if (i == PAIRS_MAX || !is_plain(key)) {
            return err_set(e, ERR_CORRUPT, "sockstat: bad field of %.*s", STR_ARG(protocol));
        }
        (void)snprintf(word, sizeof(word), "%.*s", STR_ARG(key));
        if (!word_u64(&line, "sockstat", &v, e)) {
            return false;
        }
        bool used = str_eq(protocol, STR("sockets"));
        bool ok = used ? !str_eq(key, STR("used")) || run_add(r, &sockets_used, (f64)v, e)
                       : pair_add(r, protocol, word, (f64)v, e);
        if (ok && !used && str_eq(key, STR("mem"))) {
            ok = pair_add(r, protocol, "mem_bytes", (f64)v * (f64)r->sys->ops->page_bytes(r->sys),
                          e);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

static bool file_collect(struct run *r, const char *path, struct error *e)
{
    str text;
    str line;
    if (!run_read(r, ROOT_PROC, path, &text, e)) {
        return false;
    }
    if (!text.len) {
        return err_set(e, ERR_CORRUPT, "%s: empty", path);
    }
    while (line_next(&text, &line)) {
        if (!line_add(r, line, e)) {
            return false;
        }
    }
    return true;
}

static bool sockstat_collect(struct run *r, UNUSED void *state, struct error *e)
{
    struct error why = {0};
    if (!file_collect(r, "net/sockstat", e)) {
        return false;
    }
    if (!file_collect(r, "net/sockstat6", &why) && why.code != ERR_NOT_FOUND) {
        if (e) {
            *e = why;
        }
        return false;
    }
    return true;
}

const struct collector collector_sockstat = {"sockstat", 0, sockstat_collect};
