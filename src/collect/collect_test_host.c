// collect_test_host.c: see collect_test_host.h.
#include "collect/collect_test_host.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/num.h"
#include "base/str.h"
#include "base/test.h"
#include "client/tidemark.h"
#include "model/labels.h"
#include "model/match.h"
#include "model/sample.h"
#include "os/clk.h"
#include "storage/memstore.h"

#include <stdio.h>

static const struct tree_file healthy[] = {
    {"/p/stat", STR("cpu  30 0 30 300 0 0 0 0 0 0\n"
                    "cpu0 1000 20 300 40000 50 6 7 8 9 10\n"
                    "cpu1 2000 0 0 0 0 0 0 0 0 0\n"
                    "intr 12345 1 2 3\nctxt 777\nbtime 1700000000\nprocesses 99\n"
                    "procs_running 3\nprocs_blocked 1\nsoftirq 5 1 2\n")},
    {"/p/meminfo", STR("MemTotal:       16384 kB\nMemFree:            1 kB\n"
                       "Active(anon):       2 kB\nHugePages_Total:       7\n")},
    {"/p/diskstats", STR("   8       0 sda 100 2 300 4000 5 6 7 8 9 1000 1100 12 13 14 15 16 17\n"
                         "   8       1 sda1 1 1 1 1 1 1 1 1 1 1 1\n"
                         "   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
                         " 259       0 nvme0n1 1 2 3 4 5 6 7 8 9 10 11\n"
                         " 259       1 nvme0n1p1 1 2 3 4 5 6 7 8 9 10 11\n")},
    {"/u/b8:0", STR("S:disk/by-id/x\nE:ID_MODEL=QEMU_DISK\nE:ID_SERIAL_SHORT=S1\nE:ID_PATH=pci-1\n"
                    "E:ID_WWN=0x5\nE:ID_REVISION=2.5\n")},
    {"/p/1/mounts", STR("/dev/sda1 / ext4 rw,relatime 0 0\nproc /proc proc rw 0 0\n"
                        "/dev/sdb1 /mnt/a\\040b xfs ro,nosuid 0 0\n"
                        "srv:/x /nfs nfs4 rw 0 0\nsshfs /ssh fuse.sshfs rw 0 0\n"
                        "tmpfs /dev/shm tmpfs rw 0 0\ntmpfs /run tmpfs rw 0 0\n"
                        "overlay /var/lib/docker/overlay2/x/merged overlay rw 0 0\n")},
    {"/p/net/dev", STR("Inter-|   Receive |  Transmit\n face |bytes packets|bytes packets\n"
                       "    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
                       "  eth0:100 2 3 4 5 6 7 8 900 10 11 12 13 14 15 16\n")},
    {"/s/class/net/eth0/statistics/rx_nohandler", STR("21\n")},
    {"/s/class/net/eth0/address", STR("02:fc:00:00:00:01\n")},
    {"/s/class/net/eth0/broadcast", STR("ff:ff:ff:ff:ff:ff\n")},
    {"/s/class/net/eth0/operstate", STR("up\n")},
    {"/s/class/net/eth0/duplex", STR("full\n")},
    {"/s/class/net/eth0/ifalias", STR("\n")},
    {"/s/class/net/eth0/flags", STR("0x1003\n")},
    {"/s/class/net/eth0/speed", STR("1000\n")},
    {"/s/class/net/eth0/mtu", STR("1500\n")},
    {"/s/class/net/eth0/carrier_changes", STR("2\n")},
    {"/s/class/net/lo/operstate", STR("unknown\n")},
    {"/p/net/netstat", STR("TcpExt: SyncookiesSent ListenDrops TCPTimeouts PruneCalled\n"
                           "TcpExt: 1 2 3 4\nIpExt: InOctets OutOctets InMcastPkts\n"
                           "IpExt: 5 6 7\n")},
    {"/p/net/snmp", STR("Ip: Forwarding DefaultTTL\nIp: 2 64\n"
                        "Tcp: MaxConn ActiveOpens CurrEstab InErrs\nTcp: -1 8 9 10\n"
                        "UdpLite: InDatagrams InErrors\nUdpLite: 1 11\n")},
    {"/p/net/snmp6", STR("Ip6InOctets   \t12\nIp6InReceives \t1\nUdpLite6InErrors 13\n")},
    {"/p/net/sockstat", STR("sockets: used 24\nTCP: inuse 9 orphan 0 tw 3 alloc 9 mem 81\n"
                            "FRAG: inuse 0 memory 0\n")},
    {"/p/net/sockstat6", STR("TCP6: inuse 4\n")},
    {"/p/net/arp", STR("IP address  HW type Flags HW address Mask Device\n"
                       "192.0.2.1 0x1 0x2 02:fc:00:00:00:05 * eth0\n"
                       "192.0.2.2 0x1 0x2 02:fc:00:00:00:06 * eth0\n")},
    {"/p/net/softnet_stat", STR("00001ebb 00000000 00000002\n"
                                "0000000f 1 2 0 0 0 0 0 0 0 0 0 00000007 0 0\n")},
    {"/p/net/stat/nf_conntrack", STR("entries found drop\n00000001 00000002 00000003\n"
                                     "00000001 0000000a 00000010\n")},
    {"/p/sys/net/netfilter/nf_conntrack_count", STR("5\n")},
    {"/p/sys/net/netfilter/nf_conntrack_max", STR("262144\n")},
    {"/p/loadavg", STR("0.50 1.25 2 1/200 12345\n")},
    {"/p/pressure/cpu", STR("some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n")},
    {"/p/pressure/io", STR("some avg10=0 avg60=0 avg300=0 total=2\n"
                           "full avg10=0 avg60=0 avg300=0 total=1\n")},
    {"/p/pressure/memory", STR("some avg10=0 avg60=0 avg300=0 total=4\n"
                               "full avg10=0 avg60=0 avg300=0 total=3\n")},
    {"/p/vmstat", STR("nr_free_pages 1\npgpgin 2\npswpout 3\npgmajfault 4\npgfree 5\n"
                      "oom_kill 6\n")},
    {"/p/sys/fs/file-nr", STR("364\t0\t9223372036854775807\n")},
    {"/p/sys/kernel/random/entropy_avail", STR("256\n")},
    {"/p/sys/kernel/random/poolsize", STR("4096\n")},
    {"/s/devices/system/clocksource/clocksource0/available_clocksource", STR("tsc hpet \n")},
    {"/s/devices/system/clocksource/clocksource0/current_clocksource", STR("tsc\n")},
    {"/r/etc/os-release", STR("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n"
                              "NAME='Debian GNU/Linux'\nVERSION_ID=\"12.5.1\"\n")},
};

static struct tree_file *tree_find(struct test_host *h, const char *path)
{
    for (u32 i = 0; i < h->file_count; i++) {
        if (strcmp(h->files[i].path, path) == 0) {
            return &h->files[i];
        }
    }
    return NULL;
}

// The file of a test: which text, of which host.
struct tree_open {
    struct test_host *host;
    str text;
};

static struct file *tree_open(struct fs *fs, const char *path, enum fs_open how, struct error *e)
{
    struct test_host *h = CONTAINER_OF(fs, struct test_host, fs);
    const struct tree_file *f = tree_find(h, path);
    CHECK(how == FS_READ);
    if (!f || !f->text.ptr) {
        return err_null(e, ERR_NOT_FOUND, "opening %s: no such file", path);
    }
    struct tree_open *o = MEM_NEW(struct tree_open);
    *o = (struct tree_open){h, f->text};
    return (struct file *)(void *)o;
}

static void tree_close(struct file *f)
{
    mem_free(f);
}

static bool tree_read_at(struct file *f, u64 offset, void *out, size_t len, size_t *got,
                         struct error *e)
{
    const struct tree_open *o = (const struct tree_open *)(const void *)f;
    if (++o->host->reads == o->host->read_fails_at) {
        return err_set(e, ERR_IO, "reading: planted failure");
    }
    const str rest = str_sub(o->text, offset, o->text.len);
    *got = MIN(rest.len, len);
    if (*got) {
        memcpy(out, rest.ptr, *got);
    }
    return true;
}

static const struct fs_ops tree_ops = {
    .open = tree_open, .close = tree_close, .read_at = tree_read_at};

static struct test_host *host_of(struct collect_sys *s)
{
    return CONTAINER_OF(s, struct test_host, sys);
}

static bool fake_mount_space(struct collect_sys *s, const char *path, struct mount_space *out,
                             struct error *e)
{
    const char *broken = host_of(s)->mount_broken;
    if (broken && strcmp(path, broken) == 0) {
        return err_set(e, ERR_IO, "statvfs %s: planted failure", path);
    }
    host_of(s)->remote_asked =
        host_of(s)->remote_asked || strstr(path, "nfs") || strstr(path, "ssh");
    *out = (struct mount_space){4096, 1000, 500, 400, 100, 50};
    return true;
}

static bool fake_tcp_counts(struct collect_sys *s, struct tcp_counts *out, struct error *e)
{
    if (host_of(s)->tcp_broken) {
        return err_set(e, ERR_IO, "asking sock_diag: planted failure");
    }
    *out = host_of(s)->tcp;
    return true;
}

static bool fake_uname(UNUSED struct collect_sys *s, struct uname_words *out,
                       UNUSED struct error *e)
{
    *out = (struct uname_words){"Linux", "6.1.0", "#1 SMP", "x86_64", "box", "(none)"};
    return true;
}

static bool fake_clock_state(UNUSED struct collect_sys *s, struct clock_state *out,
                             UNUSED struct error *e)
{
    *out = (struct clock_state){.synced = true,
                                .nano = true,
                                .offset = 1500000,
                                .freq = 65536,
                                .maxerror = 500,
                                .tick = 10000,
                                .tai = 37};
    return true;
}

static bool fake_zone(UNUSED struct collect_sys *s, UNUSED i64 t_s, i64 *offset_s, char name[32],
                      UNUSED struct error *e)
{
    memcpy(name, "CET", 4);
    *offset_s = 3600;
    return true;
}

static u64 fake_page_bytes(UNUSED struct collect_sys *s)
{
    return 4096;
}

static const struct collect_sys_ops fake_ops = {.mount_space = fake_mount_space,
                                                .tcp_counts = fake_tcp_counts,
                                                .uname = fake_uname,
                                                .clock_state = fake_clock_state,
                                                .zone = fake_zone,
                                                .page_bytes = fake_page_bytes};

// An appender that hands on to the store's, but for commits that are told to fail.
struct front {
    struct storage_appender appender;
    struct storage_appender *inner;
    struct test_host *host;
};

static struct front *front_of(struct storage_appender *a)
{
    return CONTAINER_OF(a, struct front, appender);
}

static void labels_assert(struct labels ls)
{
    struct error e = {0};
    ASSERT_OK(labels_check(ls, &(struct labels_limits){0}, &e), e);
}

static void front_resolve(struct storage_appender *a, const struct labels *sets, u32 n,
                          struct series_ref *refs, u8 *outcomes)
{
    struct storage_appender *inner = front_of(a)->inner;
    for (u32 i = 0; i < n; i++) {
        labels_assert(sets[i]);
    }
    if (!front_of(a)->host->forgetful) {
        inner->ops->resolve(inner, sets, n, refs, outcomes);
        return;
    }
    for (u32 i = 0; i < n; i++) {
        refs[i] = (struct series_ref){i + 1, 1};
        outcomes[i] = APPEND_STORED;
    }
}

static bool front_append(struct storage_appender *a, const struct append_batch *b, struct error *e)
{
    struct storage_appender *inner = front_of(a)->inner;
    if (front_of(a)->host->forgetful) {
        memset(b->outcomes, APPEND_STORED, b->n);
        return true;
    }
    return inner->ops->append(inner, b, e);
}

static bool front_metadata(struct storage_appender *a, const struct metadata *m, u32 n,
                           struct error *e)
{
    struct storage_appender *inner = front_of(a)->inner;
    return inner->ops->metadata(inner, m, n, e);
}

static void front_rollback(struct storage_appender *a)
{
    struct storage_appender *inner = front_of(a)->inner;
    inner->ops->rollback(inner);
}

static bool front_commit(struct storage_appender *a, enum durability d, u64 *position,
                         struct error *e)
{
    struct storage_appender *inner = front_of(a)->inner;
    if (front_of(a)->host->commit_fails) {
        return err_set(e, ERR_NO_SPACE, "planted: disk full");
    }
    return inner->ops->commit(inner, d, position, e);
}

static void front_close(struct storage_appender *a)
{
    storage_appender_close(front_of(a)->inner);
    mem_free(front_of(a));
}

static const struct storage_appender_ops front_ops = {.resolve = front_resolve,
                                                      .append = front_append,
                                                      .metadata = front_metadata,
                                                      .commit = front_commit,
                                                      .rollback = front_rollback,
                                                      .close = front_close};

static struct storage_appender *front_open(struct storage *s, struct tenant_id tenant,
                                           enum storage_stream stream, struct error *e)
{
    struct test_host *h = CONTAINER_OF(s, struct test_host, storage);
    struct front *f = MEM_NEW(struct front);
    assert_int_equal(stream, STREAM_OWN);
    f->appender.ops = &front_ops;
    f->host = h;
    f->inner = storage_appender_open(h->store, tenant, stream, e);
    return &f->appender;
}

static const struct storage_ops storage_front_ops = {.appender = front_open};

void test_host_init(struct test_host *h)
{
    memset(h, 0, sizeof(*h));
    h->fs.ops = &tree_ops;
    h->sys.ops = &fake_ops;
    memcpy(h->files, healthy, sizeof(healthy));
    h->file_count = ARRAY_LEN(healthy);
    h->tcp.states[1] = 8;
    h->tcp.states[8] = 2001;
    h->tcp.tx_queued_bytes = 77;
    h->storage.ops = &storage_front_ops;
    h->store = memstore_new((struct memstore_opts){0});
    h->clk = clk_manual_new(1700000000000);
    h->registry = tmk_registry_new(NULL);
    buf_init(&h->page, 64 << 20);
}

void test_host_open(struct test_host *h)
{
    struct error e = {0};
    const struct collect_opts opts = {.storage = &h->storage,
                                      .fs = &h->fs,
                                      .clk = h->clk,
                                      .sys = &h->sys,
                                      .registry = h->registry,
                                      .procfs = "/p",
                                      .sysfs = "/s",
                                      .rootfs = "/r",
                                      .udev = "/u",
                                      .instance = STR("box"),
                                      .series_max = h->series_max};
    h->collect = collect_new(&opts, &e);
    if (!h->collect) {
        fail_msg("%s", e.text);
    }
}

void test_host_fini(struct test_host *h)
{
    collect_free(h->collect);
    tmk_registry_free(h->registry);
    clk_manual_free(h->clk);
    memstore_free(h->store);
    buf_fini(&h->page);
}

void test_host_put_str(struct test_host *h, const char *path, str text)
{
    struct tree_file *f = tree_find(h, path);
    if (!f) {
        assert_true(h->file_count < TREE_FILES_MAX);
        f = &h->files[h->file_count++];
        f->path = path;
    }
    f->text = text;
}

void test_host_put(struct test_host *h, const char *path, const char *text)
{
    test_host_put_str(h, path, text ? str_make(text, strlen(text)) : STR_EMPTY);
}

str test_host_get(struct test_host *h, const char *path)
{
    const struct tree_file *f = tree_find(h, path);
    assert_non_null(f);
    return f->text;
}

void test_host_collect(struct test_host *h, i64 t_ms)
{
    struct error e = {0};
    ASSERT_OK(collect_once(h->collect, t_ms, &e), e);
}

typedef void sample_fn(void *ctx, struct labels ls, f64 v);

static void run_walk(const struct series_run *run, struct labels ls, i64 t_ms, sample_fn *fn,
                     void *ctx)
{
    for (u32 i = 0; i < run->n; i++) {
        if (run->t_ms[i] == t_ms) {
            fn(ctx, ls, run->values[i]);
        }
    }
}

// Calls fn for each sample at t_ms.
static void samples_walk(struct test_host *h, i64 t_ms, sample_fn *fn, void *ctx)
{
    struct error e = {0};
    struct arena *a = arena_new(16 << 20);
    struct matcher m;
    struct storage_warnings w = {0};
    struct query_budget budget = {0};
    const struct select_hints hints = {.start_ms = t_ms, .end_ms = t_ms, .sorted = true};
    ASSERT_OK(matcher_init(&m, a, MATCH_EQ, LABEL_JOB, STR("host"), &e), e);
    struct storage_querier *q = storage_querier_open(h->store, TENANT_DEFAULT, t_ms, t_ms, &e);
    assert_non_null(q);
    struct series_cursor *c = q->ops->select(q, &m, 1, &hints, &budget, &e);
    assert_non_null(c);
    while (c->ops->next(c)) {
        struct series_run run;
        while (c->ops->run(c, &run)) {
            run_walk(&run, c->ops->labels(c), t_ms, fn, ctx);
        }
    }
    ASSERT_OK(c->ops->close(c, &w, &e), e);
    storage_querier_close(q);
    arena_free(a);
}

static void value_add(struct buf *page, str v, bool escaped)
{
    for (size_t i = 0; i < v.len; i++) {
        if (escaped && (v.ptr[i] == '"' || v.ptr[i] == '\\')) {
            buf_byte(page, '\\');
        }
        buf_byte(page, (u8)v.ptr[i]);
    }
}

static void page_add(void *ctx, struct labels ls, f64 v)
{
    struct buf *page = ctx;
    char text[NUM_TEXT_MAX];
    for (u32 i = 0; i < ls.count; i++) {
        // __name__ sorts before all others here.
        buf_str(page, i ? ls.items[i].name : STR_EMPTY);
        buf_c(page, i ? "=\"" : "");
        value_add(page, ls.items[i].value, i > 0);
        buf_c(page, i == 0 ? "{" : i + 1 < ls.count ? "\"," : "\"");
    }
    buf_c(page, "} ");
    if (is_stale_nan(v)) {
        buf_c(page, "stale");
    } else {
        buf_add(page, text, num_plain(text, v));
    }
    buf_byte(page, '\n');
}

const char *test_host_page(struct test_host *h, i64 t_ms)
{
    buf_clear(&h->page);
    buf_byte(&h->page, '\n');
    samples_walk(h, t_ms, page_add, &h->page);
    return h->page.bytes;
}

bool test_host_has(struct test_host *h, i64 t_ms, const char *line)
{
    char want[512];
    (void)snprintf(want, sizeof(want), "\n%s\n", line);
    return strstr(test_host_page(h, t_ms), want) != NULL;
}

static void stale_count(void *ctx, UNUSED struct labels ls, f64 v)
{
    *(u32 *)ctx += is_stale_nan(v);
}

u32 test_host_stale(struct test_host *h, i64 t_ms)
{
    u32 n = 0;
    samples_walk(h, t_ms, stale_count, &n);
    return n;
}

const struct collector_status *test_host_collector(struct test_host *h, const char *name)
{
    static struct collect_status s;
    collect_status(h->collect, &s);
    for (u32 i = 0; i < s.collector_count; i++) {
        if (strcmp(s.collectors[i].name, name) == 0) {
            return &s.collectors[i];
        }
    }
    fail_msg("no collector %s", name);
    return NULL;
}
