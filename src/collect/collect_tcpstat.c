// collect_tcpstat.c: node_tcp_connection_states, asked from the kernel through sock_diag.
//
// Every state has a row in every collection, zeros too: an alert on close_wait needs a series that
// does not come and go.
#include "collect/collect_run.h"
#include "collect/collect_sys.h"

static const struct family connection_states = {STR("node_tcp_connection_states"),
                                                METRIC_GAUGE,
                                                STR("Number of connection states."),
                                                {STR("state")}};

static const str states[TCP_STATES] = {
    STR_EMPTY,         STR("established"), STR("syn_sent"),  STR("syn_recv"),
    STR("fin_wait1"),  STR("fin_wait2"),   STR("time_wait"), STR("close"),
    STR("close_wait"), STR("last_ack"),    STR("listen"),    STR("closing"),
};

static bool tcpstat_collect(struct run *r, UNUSED void *state, struct error *e)
{
    static const str rx = STR("rx_queued_bytes");
    static const str tx = STR("tx_queued_bytes");
    struct tcp_counts counts = {0};
    if (!r->sys->ops->tcp_counts(r->sys, &counts, e)) {
        return false;
    }
    for (int i = 1; i < TCP_STATES; i++) {
        if (!rows_add(r->rows, &connection_states, &states[i], (f64)counts.states[i], e)) {
            return false;
        }
    }
    return rows_add(r->rows, &connection_states, &rx, (f64)counts.rx_queued_bytes, e) &&
           rows_add(r->rows, &connection_states, &tx, (f64)counts.tx_queued_bytes, e);
}

const struct collector collector_tcpstat = {"tcpstat", 0, tcpstat_collect};
