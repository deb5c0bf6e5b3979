#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/proc.h"
#include "os/proc_limits.h"
#include "os/sig.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

TEST(sig_turns_signals_into_events)
{
    sig_init();
    sig_init();
    assert_int_equal(sig_wait(0), SIG_EVENT_NONE);
    static const struct {
        int number;
        enum sig_event event;
    } cases[] = {{SIGTERM, SIG_EVENT_STOP}, {SIGINT, SIG_EVENT_STOP}, {SIGHUP, SIG_EVENT_RELOAD}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(raise(cases[i].number), 0);
        assert_int_equal(sig_wait(-1), cases[i].event);
        assert_int_equal(sig_wait(0), SIG_EVENT_NONE); // Told once.
    }
    assert_int_equal(raise(SIGPIPE), 0); // Ignored: we are still here.
    sig_raise(SIG_EVENT_RELOAD);
    sig_raise(SIG_EVENT_STOP);
    sig_raise(SIG_EVENT_RELOAD);
    assert_int_equal(sig_wait(1000), SIG_EVENT_STOP); // The most urgent first.
    assert_int_equal(sig_wait(1000), SIG_EVENT_RELOAD);
    i64 start = clk_mono_ms(clk_real());
    assert_int_equal(sig_wait(30), SIG_EVENT_NONE);
    assert_true(clk_mono_ms(clk_real()) - start >= 29);
}

TEST(proc_facts_of_this_process_are_sensible)
{
    assert_true(proc_memory_limit_bytes() > (u64)16 << 20);
    assert_true(proc_cpu_count() >= 1 && proc_cpu_count() < 100000);
    assert_true(proc_resident_bytes() > (u64)1 << 20);
    assert_true(proc_resident_bytes() < proc_memory_limit_bytes());
    u64 anonymous = proc_anonymous_bytes();
    assert_true(anonymous == 0 || anonymous <= proc_resident_bytes() * 2);
    u64 before = proc_open_fds();
    assert_true(before >= 3);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(proc_open_fds(), before + 1);
    assert_int_equal(close(fd), 0);
    assert_true(proc_max_fds() > before);
    i64 age_ms = clk_wall_ms(clk_real()) - proc_start_ms();
    assert_true(age_ms > -100 && age_ms < 3600 * 1000);
    assert_int_equal(proc_start_ms(), proc_start_ms());
    char name[256];
    assert_true(proc_hostname(name).len > 0);
    char cwd[PROC_PATH_MAX];
    assert_true(proc_cwd(cwd).len > 0 && cwd[0] == '/');
    assert_null(proc_env("TIDEMARK_NO_SUCH_VARIABLE"));
    assert_non_null(proc_env("PATH"));
    assert_int_equal(proc_pid(), getpid());
}

static void lay(struct fs *fs, const char *path, const char *text)
{
    struct error e = {0};
    char dir[200] = {0};
    for (size_t i = 1; path[i]; i++) { // Every folder on the way.
        memcpy(dir, path, i);
        dir[i] = '\0';
        if (path[i] == '/') {
            ASSERT_OK(fs_make_dir(fs, dir, &e), e);
        }
    }
    ASSERT_OK(fs_replace_file(fs, path, str_c(text), &e), e);
}

TEST(proc_limits_without_anything_to_read)
{
    struct fs *fs = fs_mem_new(1 << 20);
    assert_int_equal(proc_memory_limit_of(fs), 0);
    assert_true(proc_cpu_quota_of(fs) == UINT32_MAX);
    lay(fs, "/proc/meminfo", "MemFree: 1 kB\nMemTotal:       16384 kB\n");
    assert_int_equal(proc_memory_limit_of(fs), 16384 * 1024);
    fs_mem_free(fs);
}

TEST(proc_limits_of_a_version_2_group)
{
    struct fs *fs = fs_mem_new(1 << 20);
    lay(fs, "/proc/meminfo", "MemTotal:       16384 kB\n");
    lay(fs, "/proc/self/cgroup", "0::/a/b\n");
    lay(fs, "/sys/fs/cgroup/a/b/memory.max", "max\n");
    lay(fs, "/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    assert_int_equal(proc_memory_limit_of(fs), 16384 * 1024);
    assert_true(proc_cpu_quota_of(fs) == UINT32_MAX);
    lay(fs, "/sys/fs/cgroup/a/memory.max", "8000000\n"); // The parent's counts as well.
    lay(fs, "/sys/fs/cgroup/a/cpu.max", "150000 100000\n");
    assert_int_equal(proc_memory_limit_of(fs), 8000000);
    assert_int_equal(proc_cpu_quota_of(fs), 2); // One and a half, rounded up.
    lay(fs, "/sys/fs/cgroup/a/b/memory.max", "1000000\n");
    lay(fs, "/sys/fs/cgroup/a/b/cpu.max", "1000 100000\n");
    assert_int_equal(proc_memory_limit_of(fs), 1000000);
    assert_int_equal(proc_cpu_quota_of(fs), 1);
    lay(fs, "/proc/self/cgroup", "0::/\n"); // As inside a container.
    lay(fs, "/sys/fs/cgroup/memory.max", "3000000\n");
    assert_int_equal(proc_memory_limit_of(fs), 3000000);
    fs_mem_free(fs);
}

TEST(proc_limits_of_a_version_1_group)
{
    struct fs *fs = fs_mem_new(1 << 20);
    lay(fs, "/proc/meminfo", "MemTotal:       16384 kB\n");
    lay(fs, "/proc/self/cgroup", "5:memory:/pod\n3:cpu,cpuacct:/pod\n0::/ignored\n");
    lay(fs, "/sys/fs/cgroup/memory/pod/memory.limit_in_bytes", "4000000\n");
    lay(fs, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    lay(fs, "/sys/fs/cgroup/cpu/pod/cpu.cfs_quota_us", "-1\n");
    lay(fs, "/sys/fs/cgroup/cpu/pod/cpu.cfs_period_us", "100000\n");
    assert_int_equal(proc_memory_limit_of(fs), 4000000);
    assert_true(proc_cpu_quota_of(fs) == UINT32_MAX);
    lay(fs, "/sys/fs/cgroup/cpu/pod/cpu.cfs_quota_us", "300000\n");
    assert_int_equal(proc_cpu_quota_of(fs), 3);
    fs_mem_free(fs);
}
