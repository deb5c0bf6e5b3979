// collect_thread_test.c: the thread collects by itself, and the real kernel answers.
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "collect/collect.h"
#include "collect/collect_sys.h"
#include "os/clk.h"
#include "os/fs.h"
#include "storage/memstore.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void pause_ms(long ms)
{
    const struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

TEST(collect_thread_collects_the_real_host)
{
    struct error e = {0};
    struct collect_status s = {0};
    struct storage *store = memstore_new((struct memstore_opts){.clk = clk_real()});
    const struct collect_opts opts = {
        .storage = store, .fs = fs_real(), .clk = clk_real(), .interval_ms = 50};
    struct collect *c = collect_new(&opts, &e);
    assert_non_null(c);
    assert_true(collect_instance(c).len > 0);
    ASSERT_OK(collect_start(c, &e), e);
    i64 first_ms = 0;
    for (int i = 0; i < 400 && (!first_ms || s.last_ms == first_ms); i++) {
        pause_ms(25);
        collect_status(c, &s);
        first_ms = first_ms ? first_ms : s.last_ms;
    }
    assert_true(s.last_ms > first_ms);
    assert_true(s.ok);
    assert_true(s.rows > 100);
    static const char *const needed[] = {"cpu",     "stat",    "meminfo", "filesystem", "netdev",
                                         "netstat", "loadavg", "vmstat",  "uname",      "time"};
    for (u32 i = 0; i < s.collector_count; i++) {
        for (size_t k = 0; k < ARRAY_LEN(needed); k++) {
            if (strcmp(s.collectors[i].name, needed[k]) == 0 && !s.collectors[i].ok) {
                fail_msg("%s: %s", needed[k], s.collectors[i].error);
            }
        }
    }
    collect_stop(c);
    collect_stop(c);
    ASSERT_OK(collect_start(c, &e), e); // may start again
    collect_free(c);                    // stops by itself
    memstore_free(store);
}

TEST(collect_real_sock_diag_sees_a_close_wait)
{
    struct error e = {0};
    struct tcp_counts before = {0};
    struct tcp_counts after = {0};
    struct collect_sys *sys = collect_sys_real();
    ASSERT_OK(sys->ops->tcp_counts(sys, &before, &e), e);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&at, len), 0);
    int server = accept(listener, NULL, NULL);
    assert_true(server >= 0);
    close(client); // the server's side now waits for its own close
    for (int i = 0; i < 100 && after.states[8] <= before.states[8]; i++) {
        pause_ms(10);
        ASSERT_OK(sys->ops->tcp_counts(sys, &after, &e), e);
    }
    assert_true(after.states[8] > before.states[8]);
    assert_true(after.states[10] >= 1);
    close(server);
    close(listener);
}

TEST(collect_real_kernel_answers_the_rest)
{
    struct error e = {0};
    struct collect_sys *sys = collect_sys_real();
    struct mount_space m = {0};
    struct uname_words u = {0};
    char zone[32] = "";
    i64 offset = -1;
    ASSERT_OK(sys->ops->mount_space(sys, "/", &m, &e), e);
    assert_true(m.blocks > 0 && m.block_bytes >= 512);
    assert_false(sys->ops->mount_space(sys, "/nonexistent", &m, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    ASSERT_OK(sys->ops->uname(sys, &u, &e), e);
    assert_string_equal(u.sysname, "Linux");
    ASSERT_OK(sys->ops->zone(sys, 1700000000, &offset, zone, &e), e);
    assert_true(zone[0] != '\0' && offset % 60 == 0);
    assert_true(sys->ops->page_bytes(sys) >= 4096);
}
