// collect_hostile_test.c: cut, broken and failing files at every place: nobody crashes, no marker
// is lost, and whoever is not concerned goes on.
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "collect/collect_test_host.h"

#include <stdlib.h>

static struct test_host host;
#define T1 INT64_C(1700000000000)

static const char *const paths[] = {"/p/stat",
                                    "/p/meminfo",
                                    "/p/diskstats",
                                    "/u/b8:0",
                                    "/p/1/mounts",
                                    "/p/net/dev",
                                    "/p/net/netstat",
                                    "/p/net/snmp",
                                    "/p/net/snmp6",
                                    "/p/net/sockstat",
                                    "/p/net/sockstat6",
                                    "/p/loadavg",
                                    "/p/pressure/cpu",
                                    "/p/vmstat",
                                    "/p/sys/fs/file-nr",
                                    "/r/etc/os-release",
                                    "/s/class/net/eth0/flags",
                                    "/p/net/arp",
                                    "/p/net/softnet_stat",
                                    "/p/net/stat/nf_conntrack"};

static u32 failures(void)
{
    struct collect_status s;
    u32 n = 0;
    collect_status(host.collect, &s);
    for (u32 i = 0; i < s.collector_count; i++) {
        n += !s.collectors[i].ok;
    }
    return n;
}

TEST(collect_files_cut_anywhere_harm_two_collectors_at_most)
{
    i64 t_ms = T1;
    test_host_init(&host);
    test_host_open(&host);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        const str whole = test_host_get(&host, paths[i]);
        for (size_t len = 0; len < whole.len; len += 3) {
            // A copy of its own size, so that reading past the end is seen.
            char *cut = malloc(len + 1);
            assert_non_null(cut);
            memcpy(cut, whole.ptr, len);
            test_host_put_str(&host, paths[i], str_make(cut, len));
            t_ms += 5000;
            test_host_collect(&host, t_ms);
            assert_in_range(failures(), 0, 2);
            free(cut);
        }
        test_host_put_str(&host, paths[i], whole);
    }
    t_ms += 5000;
    test_host_collect(&host, t_ms);
    assert_int_equal(failures(), 0);
    test_host_fini(&host);
}

TEST(collect_changed_bytes_harm_two_collectors_at_most)
{
    u64 x = 88172645463325252U;
    i64 t_ms = T1;
    test_host_init(&host);
    test_host_open(&host);
    for (int round = 0; round < 1500; round++) {
        const char *path = paths[(size_t)round % ARRAY_LEN(paths)];
        const str whole = test_host_get(&host, path);
        char *copy = malloc(whole.len + 1);
        assert_non_null(copy);
        memcpy(copy, whole.ptr, whole.len);
        for (int k = 0; k < 1 + round % 4; k++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            static const char nasty[] = "\n \t:-0919{\"\\/=|\0\xff.";
            copy[x % whole.len] = nasty[(x >> 32) % (sizeof(nasty) - 1)];
        }
        test_host_put_str(&host, path, str_make(copy, whole.len));
        t_ms += 5000;
        test_host_collect(&host, t_ms);
        assert_in_range(failures(), 0, 2);
        free(copy);
        test_host_put_str(&host, path, whole);
    }
    test_host_fini(&host);
}

TEST(collect_each_failing_read_is_told)
{
    struct collect_status s;
    test_host_init(&host);
    test_host_open(&host);
    test_host_collect(&host, T1);
    const u64 reads = host.reads;
    assert_in_range(reads, 30, 200);
    for (u64 n = 1; n <= reads; n++) {
        host.reads = 0;
        host.read_fails_at = n;
        test_host_collect(&host, T1 + (i64)n * 5000);
        collect_status(host.collect, &s);
        assert_in_range(failures(), 0, 1); // files in /sys may be absent: those give no row
        assert_true(s.ok);
    }
    test_host_fini(&host);
}
