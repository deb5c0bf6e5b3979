// collect_test.c: what a healthy host looks like, and what happens when it is not.
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "client/tidemark.h"
#include "collect/collect_test_host.h"
#include "os/clk.h"
#include "storage/memstore.h"

#include <stdio.h>
#include <stdlib.h>

static struct test_host host;
#define T1 INT64_C(1700000000000)
#define T2 (T1 + 5000)
#define T3 (T1 + 10000)

static void assert_line(i64 t_ms, const char *name, const char *labels, const char *value)
{
    char line[600];
    // Labels before "instance" and after "job" in the alphabet are given around a '|'.
    const char *bar = strchr(labels, '|');
    int before = bar ? (int)(bar - labels) : (int)strlen(labels);
    const char *after = bar ? bar + 1 : "";
    snprintf(line, sizeof(line), "%s{%.*s%sinstance=\"box\",job=\"host\"%s%s} %s", name, before,
             labels, before ? "," : "", *after ? "," : "", after, value);
    if (!test_host_has(&host, t_ms, line)) {
        const char *at = strstr(test_host_page(&host, t_ms), name);
        fail_msg("no line %s\nbut %.400s", line, at ? at : "none of that name");
    }
}

static void host_up(void)
{
    test_host_init(&host);
    test_host_open(&host);
}

TEST(collect_healthy_host_shows_every_value)
{
    static const char *const lines[][3] = {
        {"node_cpu_seconds_total", "cpu=\"0\"|mode=\"idle\"", "400"},
        {"node_cpu_seconds_total", "cpu=\"0\"|mode=\"steal\"", "0.08"},
        {"node_cpu_guest_seconds_total", "cpu=\"0\"|mode=\"nice\"", "0.1"},
        {"node_cpu_seconds_total", "cpu=\"1\"|mode=\"user\"", "20"},
        {"node_intr_total", "", "12345"},
        {"node_context_switches_total", "", "777"},
        {"node_forks_total", "", "99"},
        {"node_boot_time_seconds", "", "1700000000"},
        {"node_procs_running", "", "3"},
        {"node_procs_blocked", "", "1"},
        {"node_memory_MemTotal_bytes", "", "16777216"},
        {"node_memory_Active_anon_bytes", "", "2048"},
        {"node_memory_HugePages_Total", "", "7"},
        {"node_disk_reads_completed_total", "device=\"sda\"", "100"},
        {"node_disk_read_bytes_total", "device=\"sda\"", "153600"},
        {"node_disk_read_time_seconds_total", "device=\"sda\"", "4"},
        {"node_disk_io_now", "device=\"sda\"", "9"},
        {"node_disk_io_time_weighted_seconds_total", "device=\"sda\"", "1.1"},
        {"node_disk_flush_requests_time_seconds_total", "device=\"sda\"", "0.017"},
        {"node_disk_io_time_weighted_seconds_total", "device=\"nvme0n1\"", "0.011"},
        {"node_disk_info",
         "device=\"sda\"|major=\"8\",minor=\"0\",model=\"QEMU_DISK\",path=\"pci-1\","
         "revision=\"2.5\",serial=\"S1\",wwn=\"0x5\"",
         "1"},
        {"node_disk_info", "device=\"nvme0n1\"|major=\"259\",minor=\"0\"", "1"},
        {"node_filesystem_size_bytes", "device=\"/dev/sda1\",fstype=\"ext4\"|mountpoint=\"/\"",
         "4096000"},
        {"node_filesystem_free_bytes", "device=\"/dev/sda1\",fstype=\"ext4\"|mountpoint=\"/\"",
         "2048000"},
        {"node_filesystem_avail_bytes", "device=\"/dev/sda1\",fstype=\"ext4\"|mountpoint=\"/\"",
         "1638400"},
        {"node_filesystem_files_free", "device=\"/dev/sda1\",fstype=\"ext4\"|mountpoint=\"/\"",
         "50"},
        {"node_filesystem_readonly", "device=\"/dev/sdb1\",fstype=\"xfs\"|mountpoint=\"/mnt/a b\"",
         "1"},
        {"node_filesystem_device_error", "device=\"/dev/sda1\",fstype=\"ext4\"|mountpoint=\"/\"",
         "0"},
        {"node_network_receive_bytes_total", "device=\"eth0\"", "100"},
        {"node_network_receive_nohandler_total", "device=\"eth0\"", "21"},
        {"node_network_transmit_compressed_total", "device=\"lo\"", "16"},
        {"node_network_transmit_bytes_total", "device=\"eth0\"", "900"},
        {"node_network_up", "device=\"eth0\"", "1"},
        {"node_network_up", "device=\"lo\"", "0"},
        {"node_network_speed_bytes", "device=\"eth0\"", "125000000"},
        {"node_network_flags", "device=\"eth0\"", "4099"},
        {"node_network_info",
         "address=\"02:fc:00:00:00:01\",broadcast=\"ff:ff:ff:ff:ff:ff\",device=\"eth0\","
         "duplex=\"full\"|operstate=\"up\"",
         "1"},
        {"node_netstat_TcpExt_SyncookiesSent", "", "1"},
        {"node_netstat_TcpExt_ListenDrops", "", "2"},
        {"node_netstat_IpExt_OutOctets", "", "6"},
        {"node_netstat_Ip_Forwarding", "", "2"},
        {"node_netstat_Tcp_InErrs", "", "10"},
        {"node_netstat_UdpLite_InErrors", "", "11"},
        {"node_netstat_Ip6_InOctets", "", "12"},
        {"node_netstat_UdpLite6_InErrors", "", "13"},
        {"node_sockstat_sockets_used", "", "24"},
        {"node_sockstat_TCP_mem", "", "81"},
        {"node_sockstat_TCP_mem_bytes", "", "331776"},
        {"node_sockstat_TCP6_inuse", "", "4"},
        {"node_tcp_connection_states", "|state=\"close_wait\"", "2001"},
        {"node_tcp_connection_states", "|state=\"established\"", "8"},
        {"node_tcp_connection_states", "|state=\"closing\"", "0"},
        {"node_tcp_connection_states", "|state=\"tx_queued_bytes\"", "77"},
        {"node_arp_entries", "device=\"eth0\"", "2"},
        {"node_softnet_processed_total", "cpu=\"0\"", "7867"},
        {"node_softnet_times_squeezed_total", "cpu=\"7\"", "2"},
        {"node_nf_conntrack_entries_limit", "", "262144"},
        {"node_nf_conntrack_stat_drop", "", "19"},
        {"node_load1", "", "0.5"},
        {"node_load15", "", "2"},
        {"node_pressure_cpu_waiting_seconds_total", "", "1.5"},
        {"node_pressure_io_stalled_seconds_total", "", "0.000001"},
        {"node_vmstat_pgpgin", "", "2"},
        {"node_vmstat_pgmajfault", "", "4"},
        {"node_vmstat_oom_kill", "", "6"},
        {"node_filefd_allocated", "", "364"},
        {"node_filefd_maximum", "", "9223372036854776000"},
        {"node_entropy_available_bits", "", "256"},
        {"node_uname_info",
         "domainname=\"(none)\"|machine=\"x86_64\",nodename=\"box\",release=\"6.1.0\","
         "sysname=\"Linux\",version=\"#1 SMP\"",
         "1"},
        {"node_time_seconds", "", "1700000000"},
        {"node_time_zone_offset_seconds", "|time_zone=\"CET\"", "3600"},
        {"node_time_clocksource_available_info", "clocksource=\"hpet\",device=\"0\"", "1"},
        {"node_time_clocksource_current_info", "clocksource=\"tsc\",device=\"0\"", "1"},
        {"node_timex_offset_seconds", "", "0.0015"},
        {"node_timex_frequency_adjustment_ratio", "", "1.000001"},
        {"node_timex_sync_status", "", "1"},
        {"node_timex_tai_offset_seconds", "", "37"},
        {"node_os_version", "id=\"debian\"|name=\"Debian GNU/Linux\"", "12.5"},
        {"node_scrape_collector_success", "collector=\"pressure\"", "1"},
        {"up", "", "1"},
        {"scrape_duration_seconds", "", "0"},
    };
    host_up();
    test_host_collect(&host, T1);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        assert_line(T1, lines[i][0], lines[i][1], lines[i][2]);
    }
    struct collect_status s;
    collect_status(host.collect, &s);
    assert_true(s.ok);
    for (u32 i = 0; i < s.collector_count; i++) {
        if (!s.collectors[i].ok) {
            fail_msg("%s: %s", s.collectors[i].name, s.collectors[i].error);
        }
        assert_true(s.collectors[i].rows > 0);
    }
    assert_int_equal(s.rows, s.series);
    assert_string_equal(s.error, "");
    test_host_fini(&host);
}

TEST(collect_leaves_out_what_node_exporter_leaves_out)
{
    static const char *const unwanted[] = {"device=\"sda1\"",
                                           "device=\"loop0\"",
                                           "device=\"nvme0n1p1\"",
                                           "mountpoint=\"/dev/shm\"",
                                           "mountpoint=\"/proc\"",
                                           "mountpoint=\"/nfs\"",
                                           "mountpoint=\"/ssh\"",
                                           "docker",
                                           "DefaultTTL",
                                           "PruneCalled",
                                           "pgfree",
                                           "nr_free_pages"};
    host_up();
    test_host_collect(&host, T1);
    const char *page = test_host_page(&host, T1);
    for (size_t i = 0; i < ARRAY_LEN(unwanted); i++) {
        if (strstr(page, unwanted[i])) {
            fail_msg("%s is there", unwanted[i]);
        }
    }
    assert_non_null(strstr(page, "mountpoint=\"/run\""));
    assert_false(host.remote_asked);
    test_host_fini(&host);
}

TEST(collect_gone_series_get_one_marker)
{
    host_up();
    test_host_collect(&host, T1);
    test_host_put(&host, "/p/diskstats", " 259 0 nvme0n1 1 2 3 4 5 6 7 8 9 10 11\n");
    test_host_collect(&host, T2);
    // sda: 17 columns and its info.
    assert_int_equal(test_host_stale(&host, T2), 18);
    assert_line(T2, "node_disk_io_now", "device=\"sda\"", "stale");
    assert_line(T2, "node_disk_io_now", "device=\"nvme0n1\"", "9");
    test_host_collect(&host, T3);
    assert_int_equal(test_host_stale(&host, T3), 0);
    assert_null(strstr(test_host_page(&host, T3), "sda\""));
    test_host_put(&host, "/p/diskstats", " 8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n");
    test_host_collect(&host, T3 + 5000);
    assert_line(T3 + 5000, "node_disk_io_now", "device=\"sda\"", "9");
    assert_line(T3 + 5000, "node_disk_io_now", "device=\"nvme0n1\"", "stale");
    test_host_fini(&host);
}

TEST(collect_stopping_writes_no_marker)
{
    host_up();
    test_host_collect(&host, T1);
    collect_free(host.collect);
    host.collect = NULL;
    assert_int_equal(test_host_stale(&host, T1), 0);
    assert_int_equal(strlen(test_host_page(&host, T2)), 1);
    test_host_fini(&host);
}

TEST(collect_refused_commit_loses_no_marker)
{
    struct error e = {0};
    struct collect_status s;
    host_up();
    test_host_collect(&host, T1);
    test_host_put(&host, "/p/loadavg", NULL);
    host.commit_fails = true;
    assert_false(collect_once(host.collect, T2, &e));
    assert_string_equal(e.text, "writing the host's samples: planted: disk full");
    collect_status(host.collect, &s);
    assert_false(s.ok);
    assert_string_equal(s.error, e.text);
    assert_int_equal(strlen(test_host_page(&host, T2)), 1);
    host.commit_fails = false;
    test_host_collect(&host, T3);
    assert_int_equal(test_host_stale(&host, T3), 3);
    assert_line(T3, "node_load1", "", "stale");
    test_host_collect(&host, T3 + 5000);
    assert_int_equal(test_host_stale(&host, T3 + 5000), 0);
    test_host_fini(&host);
}

TEST(collect_broken_file_fails_its_collector_only)
{
    static const struct {
        const char *path;
        const char *text;
        const char *collector;
        const char *says;
    } cases[] = {
        {"/p/stat", "cpu0 1 2 x 4 5 6 7 8\n", "cpu", "stat: cpu: \"x\" is not a whole number"},
        {"/p/stat", "cpu0 1 2 3\n", "cpu", "stat: cpu: \"\""},
        {"/p/stat", "cpu4096 1 2 3 4 5 6 7 8\n", "cpu", "0 to 4095 allowed"},
        {"/p/stat", "", "cpu", "no processor"},
        {"/p/stat", "cpu0 1 2 3 4 5 6 7\nctxt 1\n", "stat", "1 of 6 lines found"},
        {"/p/stat", NULL, "stat", "no such file"},
        {"/p/meminfo", "", "meminfo", "empty"},
        {"/p/meminfo", "MemTotal 1 kB\n", "meminfo", "no \":\""},
        {"/p/meminfo", "MemTotal: 1 MB\n", "meminfo", "not kB"},
        {"/p/meminfo", "Mem{Total: 1 kB\n", "meminfo", "bad field"},
        {"/p/meminfo", "MemTotal: -1 kB\n", "meminfo", "not a whole number"},
        {"/p/meminfo", "MemTotal: 99999999999999999999 kB\n", "meminfo", "not a whole number"},
        {"/p/diskstats", "8 0\n", "diskstats", "without major, minor and device"},
        {"/p/diskstats", "8 0 sda 1 2 3\n", "diskstats", "not a whole number"},
        {"/p/diskstats", "../../x 0 sda 1 2 3\n", "diskstats", "without major"},
        {"/p/1/mounts", "", "filesystem", "empty"},
        {"/p/1/mounts", "/dev/sda1 /\n", "filesystem", "fewer than four words"},
        {"/p/1/mounts", "/dev/sda1 /a\\000b ext4 rw 0 0\n", "filesystem", "NUL"},
        {"/p/net/dev", "no head\n", "netdev", "no head"},
        {"/p/net/dev", "a|b\nc|d\n eth0 1 2\n", "netdev", "without \":\""},
        {"/p/net/dev", "a|b\nc|d\n eth0: 1 2\n", "netdev", "not a whole number"},
        {"/p/net/dev", "a|b\nc|d\n ../../../etc: 1 2\n", "netclass", "bad device name"},
        {"/p/net/netstat", "TcpExt: A B\nTcpExt: 1\n", "netstat", "more names than numbers"},
        {"/p/net/netstat", "TcpExt: A\nIpExt: 1\n", "netstat", "do not belong together"},
        {"/p/net/netstat", "TcpExt: A\n", "netstat", "names without numbers"},
        {"/p/net/snmp", "Tcp: In\"Segs\nTcp: 1\n", "netstat", "not a field"},
        {"/p/net/snmp", "", "netstat", "empty"},
        {"/p/net/snmp6", "Ip6InOctets x\n", "netstat", "not a field and its value"},
        {"/p/net/sockstat", "TCP inuse 1\n", "sockstat", "without a protocol"},
        {"/p/net/sockstat", "TCP: inuse\n", "sockstat", "not a whole number"},
        {"/p/net/sockstat6", "TCP6: in{use 1\n", "sockstat", "bad field"},
        {"/p/net/arp", "", "arp", "no head"},
        {"/p/net/arp", "IP address\n1 2 3\n", "arp", "3 columns"},
        {"/p/net/softnet_stat", "0 0\n", "softnet", "2 columns"},
        {"/p/net/softnet_stat", "0 0 g\n", "softnet", "\"g\" is not a hexadecimal"},
        {"/p/net/stat/nf_conntrack", "found\n00000000000000001\n", "conntrack", "hexadecimal"},
        {"/p/sys/net/netfilter/nf_conntrack_max", NULL, "conntrack", "no such file"},
        {"/p/loadavg", "0.5 1.25\n", "loadavg", "not a number"},
        {"/p/loadavg", "0x 1.25 2\n", "loadavg", "\"0x\" is not a number"},
        {"/p/pressure/io", "some total=1\n", "pressure", "no total of \"full\""},
        {"/p/pressure/cpu", NULL, "pressure", "no such file"},
        {"/p/vmstat", "pgpgin\n", "vmstat", "not a whole number"},
        {"/p/vmstat", "pgpg{in 1\n", "vmstat", "begins with no name"},
        {"/p/sys/fs/file-nr", "1 2", "filefd", "not a whole number"},
        {"/p/sys/kernel/random/poolsize", "", "entropy", "not a whole number"},
        {"/r/etc/os-release", NULL, "os", "no such file"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct collect_status s;
        u32 failed = 0;
        host_up();
        test_host_put(&host, cases[i].path, cases[i].text);
        test_host_collect(&host, T1);
        const struct collector_status *c = test_host_collector(&host, cases[i].collector);
        if (c->ok || c->rows != 0 || !strstr(c->error, cases[i].says)) {
            fail_msg("case %zu, %s: \"%s\"", i, cases[i].path, c->error);
        }
        collect_status(host.collect, &s);
        for (u32 k = 0; k < s.collector_count; k++) {
            failed += !s.collectors[k].ok;
        }
        assert_in_range(failed, 1, 2); // two collectors share a file
        assert_line(T1, "up", "", "1");
        char labels[64];
        snprintf(labels, sizeof(labels), "collector=\"%s\"", cases[i].collector);
        assert_line(T1, "node_scrape_collector_success", labels, "0");
        test_host_fini(&host);
    }
}

TEST(collect_kernel_that_will_not_tell)
{
    host_up();
    host.tcp_broken = true;
    host.mount_broken = "/r/";
    test_host_collect(&host, T1);
    assert_false(test_host_collector(&host, "tcpstat")->ok);
    assert_true(test_host_collector(&host, "filesystem")->ok);
    assert_line(T1, "node_filesystem_device_error",
                "device=\"/dev/sda1\",fstype=\"ext4\"|mountpoint=\"/\"", "1");
    assert_null(strstr(test_host_page(&host, T1), "node_filesystem_size_bytes{device=\"/dev/sda1"));
    assert_line(T1, "node_filesystem_size_bytes",
                "device=\"/dev/sdb1\",fstype=\"xfs\"|mountpoint=\"/mnt/a b\"", "4096000");
    test_host_fini(&host);
}

TEST(collect_mounts_of_self_serve_when_those_of_1_are_hidden)
{
    host_up();
    test_host_put(&host, "/p/1/mounts", NULL);
    test_host_put(&host, "/p/self/mounts", "/dev/vda /data ext4 rw 0 0\n");
    test_host_collect(&host, T1);
    assert_line(T1, "node_filesystem_readonly",
                "device=\"/dev/vda\",fstype=\"ext4\"|mountpoint=\"/data\"", "0");
    test_host_fini(&host);
}

TEST(collect_hosts_without_ipv6_are_well)
{
    host_up();
    test_host_put(&host, "/p/net/snmp6", NULL);
    test_host_put(&host, "/p/net/sockstat6", NULL);
    test_host_collect(&host, T1);
    assert_true(test_host_collector(&host, "netstat")->ok);
    assert_true(test_host_collector(&host, "sockstat")->ok);
    test_host_fini(&host);
}

TEST(collect_huge_file_is_refused_by_its_limit)
{
    const size_t bytes = (1 << 20) + 1;
    char *huge = malloc(bytes);
    assert_non_null(huge);
    for (size_t i = 0; i < bytes; i++) {
        huge[i] = "A: 1\n"[i % 5];
    }
    host_up();
    test_host_put_str(&host, "/p/meminfo", str_make(huge, bytes));
    test_host_collect(&host, T1);
    const struct collector_status *c = test_host_collector(&host, "meminfo");
    assert_non_null(strstr(c->error, "/p/meminfo is longer than 1048576 bytes"));
    test_host_put_str(&host, "/p/meminfo", str_make(huge, bytes - 1));
    test_host_collect(&host, T2);
    c = test_host_collector(&host, "meminfo");
    assert_non_null(strstr(c->error, "more than 256 lines"));
    test_host_put_str(&host, "/s/class/net/eth0/mtu", str_make(huge, 100000));
    test_host_collect(&host, T3);
    assert_true(test_host_collector(&host, "netclass")->ok);
    assert_line(T3, "node_network_mtu_bytes", "device=\"eth0\"", "stale");
    test_host_fini(&host);
    free(huge);
}

TEST(collect_too_many_series_silence_one_collector_not_the_host)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_c(&b, "a|b\nc|d\n");
    for (int i = 0; i < 60; i++) {
        buf_printf(&b, "veth%d: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n", i);
    }
    test_host_init(&host);
    host.series_max = 400;
    test_host_open(&host);
    test_host_put_str(&host, "/p/net/dev", buf_get(&b));
    test_host_collect(&host, T1);
    const struct collector_status *c = test_host_collector(&host, "netdev");
    assert_false(c->ok);
    assert_non_null(strstr(c->error, "series_max 400"));
    assert_true(test_host_collector(&host, "tcpstat")->ok);
    assert_line(T1, "up", "", "1");
    assert_line(T1, "node_tcp_connection_states", "|state=\"close_wait\"", "2001");
    test_host_fini(&host);
    buf_fini(&b);
}

TEST(collect_foreign_bytes_become_utf8_labels)
{
    static char point[900];
    memset(point, 0, sizeof(point));
    snprintf(point, sizeof(point),
             "/dev/sda1 /bad\xff\xc3\xa9\\134\xe2\x82 ext4 rw 0 0\n"
             "/dev/q\"uote / ext4 rw 0 0\n"
             "/dev/q\"uote / ext4 rw 0 0\n");
    host_up();
    test_host_put(&host, "/p/1/mounts", point);
    test_host_collect(&host, T1);
    const char *page = test_host_page(&host, T1);
    assert_non_null(strstr(page, "mountpoint=\"/bad\xef\xbf\xbd\xc3\xa9\\\\\xef\xbf\xbd"));
    assert_non_null(strstr(page, "device=\"/dev/q\\\"uote\""));
    test_host_fini(&host);
}

TEST(collect_cpu_counters_do_not_fall_but_for_hotplug)
{
    host_up();
    test_host_collect(&host, T1);
    test_host_put(&host, "/p/stat", "cpu0 1000 20 300 39900 40 6 7 8 9 10\nctxt 1\n");
    test_host_collect(&host, T2);
    assert_line(T2, "node_cpu_seconds_total", "cpu=\"0\"|mode=\"idle\"", "400");
    assert_line(T2, "node_cpu_seconds_total", "cpu=\"0\"|mode=\"iowait\"", "0.5");
    test_host_put(&host, "/p/stat", "cpu0 10 0 0 100 0 0 0 0 0 0\nctxt 1\n");
    test_host_collect(&host, T3);
    assert_line(T3, "node_cpu_seconds_total", "cpu=\"0\"|mode=\"idle\"", "1");
    assert_line(T3, "node_cpu_seconds_total", "cpu=\"0\"|mode=\"user\"", "0.1");
    test_host_fini(&host);
}

TEST(collect_scrape_series_tell_the_numbers)
{
    struct collect_status s;
    char text[32];
    host_up();
    test_host_collect(&host, T1);
    collect_status(host.collect, &s);
    snprintf(text, sizeof(text), "%u", s.rows - 5);
    assert_line(T1, "scrape_samples_scraped", "", text);
    assert_line(T1, "scrape_samples_post_metric_relabeling", "", text);
    assert_line(T1, "scrape_series_added", "", text);
    test_host_collect(&host, T2);
    assert_line(T2, "scrape_series_added", "", "0");
    test_host_fini(&host);
}

struct caught {
    char text[65536];
    size_t n;
};

static bool caught_write(void *ctx, const char *bytes, size_t n)
{
    struct caught *c = ctx;
    assert_true(c->n + n < sizeof(c->text));
    memcpy(c->text + c->n, bytes, n);
    c->n += n;
    return true;
}

TEST(collect_counts_itself)
{
    static struct caught page;
    char want[128];
    struct collect_status s;
    memset(&page, 0, sizeof(page));
    host_up();
    test_host_put(&host, "/p/vmstat", NULL);
    test_host_collect(&host, T1);
    test_host_collect(&host, T1); // every sample a duplicate or a conflict
    collect_status(host.collect, &s);
    assert_true(tmk_expose(host.registry, TMK_TEXT, caught_write, &page));
    snprintf(want, sizeof(want), "tidemark_collect_samples_total{outcome=\"stored\"} %u\n", s.rows);
    assert_non_null(strstr(page.text, want));
    assert_non_null(strstr(page.text, "tidemark_collect_samples_total{outcome=\"duplicate\"}"));
    assert_null(strstr(page.text, "tidemark_collect_samples_total{outcome=\"duplicate\"} 0\n"));
    assert_non_null(strstr(page.text, "tidemark_collect_failures_total{collector=\"vmstat\"} 2\n"));
    assert_non_null(strstr(page.text, "tidemark_collect_mounts_skipped 2\n"));
    test_host_fini(&host);
}

static u32 lines_count(i64 t_ms)
{
    u32 n = 0;
    for (const char *at = test_host_page(&host, t_ms); *at; at++) {
        n += *at == '\n';
    }
    return n - 1; // It begins with one.
}

TEST(collect_stores_rows_whose_series_storage_forgot)
{
    static struct caught page;
    char want[128];
    struct collect_status s;
    memset(&page, 0, sizeof(page));
    host_up();
    test_host_collect(&host, T1);
    collect_status(host.collect, &s);
    assert_int_equal(lines_count(T1), s.rows);
    memstore_forget(host.store);
    test_host_collect(&host, T2);
    assert_int_equal(lines_count(T2), s.rows);
    assert_line(T2, "up", "", "1");
    assert_line(T2, "scrape_series_added", "", "0");
    test_host_put(&host, "/p/loadavg", NULL);
    memstore_forget(host.store);
    test_host_collect(&host, T3);
    assert_line(T3, "node_load1", "", "stale");
    assert_int_equal(test_host_stale(&host, T3), 3);
    assert_int_equal(lines_count(T3), s.rows);
    test_host_collect(&host, T3 + 5000);
    assert_int_equal(test_host_stale(&host, T3 + 5000), 0);
    assert_int_equal(lines_count(T3 + 5000), s.rows - 3);
    assert_true(tmk_expose(host.registry, TMK_TEXT, caught_write, &page));
    snprintf(want, sizeof(want), "tidemark_collect_samples_total{outcome=\"stored\"} %u\n",
             s.rows * 4 - 3);
    assert_non_null(strstr(page.text, want));
    assert_non_null(strstr(page.text, "tidemark_collect_samples_total{outcome=\"invalid\"} 0\n"));
    test_host_fini(&host);
}

TEST(collect_announces_type_and_help)
{
    struct error e = {0};
    struct metadata *m = NULL;
    u32 n = 0;
    host_up();
    test_host_collect(&host, T1);
    struct arena *a = arena_new(1 << 20);
    struct storage_querier *q = storage_querier_open(host.store, TENANT_DEFAULT, T1, T1, &e);
    ASSERT_OK(q->ops->metadata(q, STR("node_cpu_seconds_total"), 0, a, &m, &n, &e), e);
    assert_int_equal(n, 1);
    assert_int_equal(m[0].type, METRIC_COUNTER);
    ASSERT_STR_EQ(m[0].help, STR("Seconds the CPUs spent in each mode."));
    ASSERT_OK(q->ops->metadata(q, STR("node_netstat_Tcp_InErrs"), 0, a, &m, &n, &e), e);
    assert_int_equal(n, 1);
    assert_int_equal(m[0].type, METRIC_UNKNOWN);
    storage_querier_close(q);
    arena_free(a);
    test_host_fini(&host);
}
