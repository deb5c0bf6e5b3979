#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "os/clk.h"
#include "os/sock.h"
#include "os/thr.h"

#define HOST STR("127.0.0.1")

// Runs check on TCP and in memory.
static void on_both(void (*check)(struct net_seam *n))
{
    check(net_real());
    struct net_seam *mem = net_mem_new();
    check(mem);
    net_mem_free(mem);
}

// A connected pair.
struct pair {
    struct sock *listener;
    struct sock *near;
    struct sock *far;
};

static void pair_init(struct pair *p, struct net_seam *n)
{
    struct error e = {0};
    p->listener = sock_listen(n, HOST, 0, &e);
    ASSERT_OK(p->listener != NULL, e);
    u16 port = sock_local_port(p->listener);
    assert_true(port != 0);
    p->near = sock_dial(n, HOST, port, 5000, &e);
    ASSERT_OK(p->near != NULL, e);
    p->far = sock_accept(p->listener, 5000, &e);
    ASSERT_OK(p->far != NULL, e);
}

static void pair_fini(struct pair *p)
{
    sock_close(p->near);
    sock_close(p->far);
    sock_close(p->listener);
}

static void check_talk(struct net_seam *n)
{
    struct pair p;
    struct error e = {0};
    pair_init(&p, n);
    ASSERT_OK(sock_write(p.near, STR("question"), 1000, &e), e);
    char bytes[100];
    size_t got = 0;
    ASSERT_OK(sock_read(p.far, bytes, sizeof(bytes), &got, 1000, &e), e);
    ASSERT_STR_EQ(str_make(bytes, got), STR("question"));
    ASSERT_OK(sock_write(p.far, STR("answer"), 1000, &e), e);
    ASSERT_OK(sock_read(p.near, bytes, 3, &got, 1000, &e), e);
    ASSERT_STR_EQ(str_make(bytes, got), STR("ans"));
    ASSERT_OK(sock_read(p.near, bytes, sizeof(bytes), &got, 1000, &e), e);
    ASSERT_STR_EQ(str_make(bytes, got), STR("wer"));
    sock_close(p.far);
    p.far = NULL;
    ASSERT_OK(sock_read(p.near, bytes, sizeof(bytes), &got, 1000, &e), e);
    assert_int_equal(got, 0); // The end.
    bool ok = true;
    for (int i = 0; ok && i < 100; i++) {
        ok = sock_write(p.near, STR("into the void"), 1000, &e);
    }
    assert_false(ok);
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    pair_fini(&p);
}

static void check_timeouts(struct net_seam *n)
{
    struct pair p;
    struct error e = {0};
    pair_init(&p, n);
    i64 start = clk_mono_ms(clk_real());
    char bytes[10];
    size_t got = 0;
    assert_false(sock_read(p.near, bytes, sizeof(bytes), &got, 0, &e));
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_false(sock_read(p.near, bytes, sizeof(bytes), &got, 20, &e));
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_null(sock_accept(p.listener, 20, &e));
    assert_int_equal(e.code, ERR_TIMEOUT);
    char *lot = mem_new((size_t)32 << 20, 1); // Nobody reads it.
    assert_false(sock_write(p.near, str_make(lot, (size_t)32 << 20), 50, &e));
    assert_int_equal(e.code, ERR_TIMEOUT);
    mem_free(lot);
    i64 passed = clk_mono_ms(clk_real()) - start;
    assert_true(passed >= 85 && passed < 20000);
    pair_fini(&p);
}

static void check_refusals(struct net_seam *n)
{
    struct pair p;
    struct error e = {0};
    pair_init(&p, n);
    u16 port = sock_local_port(p.listener);
    assert_null(sock_listen(n, HOST, port, &e));
    assert_non_null(strstr(e.text, "Address already in use"));
    assert_non_null(strstr(e.text, "127.0.0.1:"));
    pair_fini(&p);
    assert_null(sock_dial(n, HOST, port, 1000, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    sock_close(NULL);
}

TEST(sock_talks_both_ways)
{
    on_both(check_talk);
}

TEST(sock_times_out)
{
    on_both(check_timeouts);
}

TEST(sock_refuses_plainly)
{
    on_both(check_refusals);
}

// Sends a megabyte; the main thread reads it.
static void send_much(void *arg)
{
    char block[1000];
    for (int i = 0; i < 1000; i++) {
        memset(block, i & 0x7F, sizeof(block));
        (void)!sock_write(arg, str_make(block, sizeof(block)), 10000, NULL);
    }
}

static void check_stream(struct net_seam *n)
{
    struct pair p;
    struct error e = {0};
    pair_init(&p, n);
    struct thr *t = thr_start("sender", send_much, p.near, &e);
    size_t total = 0;
    while (total < 1000000) {
        char bytes[7777];
        size_t got = 0;
        ASSERT_OK(sock_read(p.far, bytes, sizeof(bytes), &got, 10000, &e), e);
        assert_true(got > 0);
        for (size_t i = 0; i < got; i++) {
            assert_int_equal(bytes[i], ((total + i) / 1000) & 0x7F);
        }
        total += got;
    }
    thr_join(t);
    pair_fini(&p);
}

TEST(sock_streams_in_order_between_threads)
{
    on_both(check_stream);
}

TEST(sock_real_bad_hosts)
{
    struct error e = {0};
    assert_null(sock_listen(net_real(), STR("no-address"), 0, &e));
    char lengthy[300];
    memset(lengthy, 'a', sizeof(lengthy));
    assert_null(sock_dial(net_real(), str_make(lengthy, sizeof(lengthy)), 1, 100, &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_null(sock_dial(net_real(), STR("127.0.0.1\0.example"), 1, 100, &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_null(sock_dial(net_real(), STR("127.0.0.1.invalid."), 1, 2000, &e));
}

TEST(sock_faulty_resets_the_nth_call)
{
    for (u64 nth = 1; nth <= 6; nth++) {
        struct error e = {0};
        struct net_seam *mem = net_mem_new();
        struct net_seam *n = net_faulty_new(mem);
        net_faulty_arm(n, nth);
        struct sock *listener = sock_listen(n, HOST, 80, &e);
        struct sock *near = listener ? sock_dial(n, HOST, 80, 100, &e) : NULL;
        struct sock *far = near ? sock_accept(listener, 100, &e) : NULL;
        char byte = 0;
        size_t got = 0;
        bool wrote = far && sock_write(near, STR("x"), 100, &e);
        bool ok = wrote && sock_read(far, &byte, 1, &got, 100, &e);
        assert_int_equal(ok, nth == 6);
        if (!ok) {
            assert_int_equal(e.code, ERR_UNAVAILABLE);
        }
        if (far && !wrote) {
            assert_false(sock_write(near, STR("x"), 100, &e)); // It stays reset.
        }
        sock_close(near);
        sock_close(far);
        sock_close(listener);
        net_faulty_free(n);
        net_mem_free(mem);
    }
}
