// collect_netstat.c: node_netstat_* from /proc/net/{netstat,snmp,snmp6}: the fields that
// node_exporter keeps by default.
#include "base/str.h"
#include "collect/collect_run.h"

#include <stdio.h>

enum { FIELD_BYTES_MAX = 64 };

// One "*" at either end stands for anything.
static const str kept[] = {
    STR("*_InErrors"),         STR("*_InErrs"),
    STR("Ip_Forwarding"),      STR("Ip6_InOctets"),
    STR("Ip6_OutOctets"),      STR("IpExt_InOctets"),
    STR("IpExt_OutOctets"),    STR("Icmp_InMsgs"),
    STR("Icmp_OutMsgs"),       STR("Icmp6_InMsgs"),
    STR("Icmp6_OutMsgs"),      STR("TcpExt_Listen*"),
    STR("TcpExt_Syncookies*"), STR("TcpExt_TCPSynRetrans"),
    STR("TcpExt_TCPTimeouts"), STR("Tcp_ActiveOpens"),
    STR("Tcp_InSegs"),         STR("Tcp_OutSegs"),
    STR("Tcp_OutRsts"),        STR("Tcp_PassiveOpens"),
    STR("Tcp_RetransSegs"),    STR("Tcp_CurrEstab"),
    STR("Udp_InDatagrams"),    STR("Udp_OutDatagrams"),
    STR("Udp_NoPorts"),        STR("Udp_RcvbufErrors"),
    STR("Udp_SndbufErrors"),   STR("Udp6_InDatagrams"),
    STR("Udp6_OutDatagrams"),  STR("Udp6_NoPorts"),
    STR("Udp6_RcvbufErrors"),  STR("Udp6_SndbufErrors"),
};

static bool field_kept(str field)
{
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        const str k = kept[i];
        bool same = k.ptr[0] == '*'           ? str_ends(field, str_sub(k, 1, k.len))
                    : k.ptr[k.len - 1] == '*' ? str_starts(field, str_sub(k, 0, k.len - 1))
                                              : str_eq(field, k);
        if (same) {
            return true;
        }
    }
    return false;
}

static bool is_plain(str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))) {
            return false;
        }
    }
    return s.len > 0 && s.len < FIELD_BYTES_MAX;
}

static bool field_add(struct run *r, str protocol, str name, str number, struct error *e)
{
    char field[2 * FIELD_BYTES_MAX];
    char metric[2 * FIELD_BYTES_MAX + 16];
    char help[2 * FIELD_BYTES_MAX + 16];
    i64 v = 0;
    if (!is_plain(protocol) || !is_plain(name) || !parse_i64(number, &v)) {
        return err_set(e, ERR_CORRUPT, "netstat: \"%.*s %.*s\" is not a field and its value",
                       (int)MIN(name.len, 40), name.ptr ? name.ptr : "", (int)MIN(number.len, 40),
                       number.ptr ? number.ptr : "");
    }
    (void)snprintf(field, sizeof(field), "%.*s_%.*s", STR_ARG(protocol), STR_ARG(name));
    if (!field_kept(str_c(field))) {
        return true;
    }
    (void)snprintf(metric, sizeof(metric), "node_netstat_%s", field);
    (void)snprintf(help, sizeof(help), "Statistic %.*s%.*s.", STR_ARG(protocol), STR_ARG(name));
    const struct family f = {str_c(metric), METRIC_UNKNOWN, str_c(help), {{0}}};
    return run_add(r, &f, (f64)v, e);
}

// "Tcp: A B" over "Tcp: 1 2".
static bool pair_add(struct run *r, str names, str numbers, struct error *e)
{
    str protocol;
    str again;
    str name;
    str number;
    if (!word_next(&names, &protocol) || !word_next(&numbers, &again) || !str_eq(protocol, again) ||
        !str_ends(protocol, STR(":"))) {
        return err_set(e, ERR_CORRUPT, "netstat: names and numbers do not belong together");
    }
    protocol = str_sub(protocol, 0, protocol.len - 1);
    while (word_next(&names, &name)) {
        if (!word_next(&numbers, &number)) {
            return err_set(e, ERR_CORRUPT, "netstat: more names than numbers in %.*s",
                           (int)MIN(protocol.len, 40), protocol.ptr);
        }
        if (!field_add(r, protocol, name, number, e)) {
            return false;
        }
    }
    return true;
}

static bool pairs_collect(struct run *r, const char *path, struct error *e)
{
    str text;
    str names;
    str numbers;
    if (!run_read(r, ROOT_PROC, path, &text, e)) {
        return false;
    }
    if (!text.len) {
        return err_set(e, ERR_CORRUPT, "%s: empty", path);
    }
    while (line_next(&text, &names)) {
        if (!line_next(&text, &numbers)) {
            return err_set(e, ERR_CORRUPT, "%s: names without numbers", path);
        }
        if (!pair_add(r, names, numbers, e)) {
            return false;
        }
    }
    return true;
}

// "Udp6InErrors 0": the protocol ends with its 6. A host without IPv6 has no such file.
static bool snmp6_collect(struct run *r, struct error *e)
{
    struct error why = {0};
    str text;
    str line;
    str field;
    str number;
    if (!run_read(r, ROOT_PROC, "net/snmp6", &text, &why)) {
        if (why.code != ERR_NOT_FOUND && e) {
            *e = why;
        }
        return why.code == ERR_NOT_FOUND;
    }
    while (line_next(&text, &line)) {
        size_t six = str_find(line, '6');
        if (six == STR_NONE || !word_next(&line, &field) || !word_next(&line, &number) ||
            six >= field.len) {
            return err_set(e, ERR_CORRUPT, "net/snmp6: a line that is no field and number");
        }
        if (!field_add(r, str_sub(field, 0, six + 1), str_sub(field, six + 1, field.len), number,
                       e)) {
            return false;
        }
    }
    return true;
}

static bool netstat_collect(struct run *r, UNUSED void *state, struct error *e)
{
    return pairs_collect(r, "net/netstat", e) && pairs_collect(r, "net/snmp", e) &&
           snmp6_collect(r, e);
}

const struct collector collector_netstat = {"netstat", 0, netstat_collect};
