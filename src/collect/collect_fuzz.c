// collect_fuzz.c: any bytes as any one of the host's files; the first byte chooses which.
#include "base/base.h"
#include "base/error.h"
#include "collect/collect_test_host.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
const char *__asan_default_options(void);

// The host lives on between inputs, which looks like a leak and would cost 30 ms an input to deny;
// the unit tests look for leaks.
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

enum { ROUNDS_PER_HOST = 500 };

static struct test_host host;
static u32 rounds;
static i64 t_ms = INT64_C(1700000000000);

static const char *const paths[] = {
    "/p/stat",         "/p/meminfo",          "/p/diskstats",
    "/u/b8:0",         "/p/1/mounts",         "/p/net/dev",
    "/p/net/netstat",  "/p/net/snmp",         "/p/net/snmp6",
    "/p/net/sockstat", "/p/loadavg",          "/p/pressure/io",
    "/p/vmstat",       "/p/sys/fs/file-nr",   "/r/etc/os-release",
    "/p/net/arp",      "/p/net/softnet_stat", "/p/net/stat/nf_conntrack",
};

// A new host now and then, so that metadata does not pile up.
static void host_ready(void)
{
    if (rounds++ % ROUNDS_PER_HOST == 0) {
        if (host.collect) {
            test_host_fini(&host);
        }
        test_host_init(&host);
        host.series_max = 2000;
        host.forgetful = true;
        test_host_open(&host);
    }
}

static void host_collect(void)
{
    struct error e = {0};
    t_ms += 5000;
    CHECK(collect_once(host.collect, t_ms, &e));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    host_ready();
    const char *path = paths[data[0] % ARRAY_LEN(paths)];
    const str healthy = test_host_get(&host, path);
    test_host_put_str(&host, path, (str){(const char *)data + 1, size - 1});
    host_collect();
    test_host_put_str(&host, path, healthy);
    host_collect();
    return 0;
}
