// collect_fuzz.c: any bytes as any one of the host's files; the first byte chooses which.
#include "base/base.h"
#include "base/error.h"
#include "collect/collect_test_host.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static struct test_host host;
    static i64 t_ms = INT64_C(1700000000000);
    static const char *const paths[] = {
        "/p/stat",         "/p/meminfo",          "/p/diskstats",
        "/u/b8:0",         "/p/1/mounts",         "/p/net/dev",
        "/p/net/netstat",  "/p/net/snmp",         "/p/net/snmp6",
        "/p/net/sockstat", "/p/loadavg",          "/p/pressure/io",
        "/p/vmstat",       "/p/sys/fs/file-nr",   "/r/etc/os-release",
        "/p/net/arp",      "/p/net/softnet_stat", "/p/net/stat/nf_conntrack",
    };
    if (size == 0) {
        return 0;
    }
    struct error e = {0};
    const char *path = paths[data[0] % ARRAY_LEN(paths)];
    test_host_init(&host);
    test_host_put_str(&host, path, (str){(const char *)data + 1, size - 1});
    host.series_max = 2000;
    test_host_open(&host);
    CHECK(collect_once(host.collect, t_ms, &e));
    test_host_put(&host, path, "");
    CHECK(collect_once(host.collect, t_ms + 5000, &e));
    test_host_fini(&host);
    return 0;
}
