// query_share_test.c: who joins a run, who waits for it, and who ends it.
#include "api/query_share.h"
#include "base/arena.h"
#include "base/str.h"
#include "base/test.h"
#include "os/clk.h"

#include <time.h>

enum { FOLLOWERS = 6 };

// Threads: what a thread found is its own until it is joined.
struct follower {
    struct query_share *share;
    struct clk *clk;
    struct share_key key;
    struct query_budget budget;
    struct thr *thr;
    bool led;
    enum share_end end;
    u64 seen; // Of the answer.
};

static void follow(void *arg)
{
    struct follower *f = arg;
    struct share_run *run = query_share_join(f->share, &f->key, &f->led);
    if (f->led) {
        run->ok = true;
        query_share_done(f->share, run);
    } else {
        f->end = query_share_wait(f->share, run, &f->budget, f->clk);
        f->seen = f->end == SHARE_ANSWERED && run->ok ? run->result.stats.samples_total : 0;
    }
    query_share_leave(f->share, run);
}

static struct share_key key_of(const char *text)
{
    return (struct share_key){
        .tenant = TENANT_DEFAULT, .canonical = str_c(text), .end_ms = 9, .step_ms = 1};
}

static void start(struct follower *f, struct query_share *s, struct clk *clk, const int *cancel)
{
    struct error e;
    *f = (struct follower){
        .share = s, .clk = clk, .key = key_of("up"), .budget = {.cancel = cancel}};
    f->thr = thr_start("follower", follow, f, &e);
    ASSERT_OK(f->thr != NULL, e);
}

// Until so many wait: nothing here depends on how soon that is.
static void await_waiting(const struct share_run *run, int count)
{
    while (__atomic_load_n(&run->waiting, __ATOMIC_RELAXED) != count) {
        const struct timespec pause = {.tv_nsec = 1000000};
        (void)nanosleep(&pause, NULL);
    }
}

static struct share_run *lead(struct query_share *s)
{
    bool leads = false;
    const struct share_key key = key_of("up");
    struct share_run *run = query_share_join(s, &key, &leads);
    assert_true(leads);
    return run;
}

TEST(who_asks_the_same_gets_the_answer_of_one)
{
    struct follower followers[FOLLOWERS];
    struct query_share *s = query_share_new();
    struct share_run *run = lead(s);
    for (int i = 0; i < FOLLOWERS; i++) {
        start(&followers[i], s, clk_real(), NULL);
    }
    await_waiting(run, FOLLOWERS);
    run->arena = arena_new(4096);
    run->ok = true;
    run->result.stats.samples_total = 7;
    query_share_done(s, run);
    query_share_leave(s, run);
    for (int i = 0; i < FOLLOWERS; i++) {
        thr_join(followers[i].thr);
        assert_false(followers[i].led);
        assert_int_equal(followers[i].end, SHARE_ANSWERED);
        assert_int_equal(followers[i].seen, 7);
    }
    query_share_free(s);
}

TEST(nobody_joins_what_is_done_or_is_another)
{
    struct query_share *s = query_share_new();
    struct share_run *run = lead(s);
    struct share_key keys[] = {key_of("up"), key_of("up"), key_of("up"),  key_of("up"),
                               key_of("up"), key_of("up"), key_of("down")};
    keys[0].tenant.v++;
    keys[1].start_ms++;
    keys[2].end_ms++;
    keys[3].step_ms++;
    keys[4].lookback_ms++;
    keys[5].wants_stats = true;
    for (u32 i = 0; i < ARRAY_LEN(keys); i++) {
        bool leads = false;
        struct share_run *other = query_share_join(s, &keys[i], &leads);
        assert_true(leads && other != run);
        query_share_done(s, other);
        query_share_leave(s, other);
    }
    query_share_done(s, run);
    struct share_run *later = lead(s);
    assert_true(later != run);
    query_share_done(s, later);
    query_share_leave(s, later);
    query_share_leave(s, run);
    query_share_free(s);
}

TEST(a_leader_that_is_ended_leaves_the_others_to_begin_anew)
{
    static const enum err codes[] = {ERR_CANCELLED, ERR_TIMEOUT, ERR_LIMIT};
    for (u32 i = 0; i < ARRAY_LEN(codes); i++) {
        struct follower f;
        struct query_share *s = query_share_new();
        struct share_run *run = lead(s);
        start(&f, s, clk_real(), NULL);
        await_waiting(run, 1);
        run->error.code = codes[i];
        query_share_done(s, run);
        query_share_leave(s, run);
        thr_join(f.thr);
        assert_int_equal(f.end, codes[i] == ERR_LIMIT ? SHARE_ANSWERED : SHARE_ENDED);
        query_share_free(s);
    }
}

TEST(a_cancel_does_not_count_while_others_wait)
{
    struct follower f;
    int cancel_leader = 0;
    int cancel_follower = 0;
    struct query_share *s = query_share_new();
    struct share_run *run = lead(s);
    const struct query_budget b = {.cancel = &cancel_leader, .wanted = &run->waiting};
    start(&f, s, clk_real(), &cancel_follower);
    await_waiting(run, 1);
    __atomic_store_n(&cancel_leader, 1, __ATOMIC_RELAXED);
    assert_false(query_is_cancelled(&b));
    __atomic_store_n(&cancel_follower, 1, __ATOMIC_RELAXED);
    thr_join(f.thr);
    assert_int_equal(f.end, SHARE_CANCELLED);
    assert_true(query_is_cancelled(&b));
    query_share_done(s, run);
    query_share_leave(s, run);
    query_share_free(s);
}

TEST(who_waits_has_a_deadline_of_his_own)
{
    struct query_share *s = query_share_new();
    struct share_run *run = lead(s);
    bool leads = true;
    const struct share_key key = key_of("up");
    struct share_run *same = query_share_join(s, &key, &leads);
    assert_false(leads);
    assert_true(same == run);
    const struct query_budget over = {.deadline_mono_ns = 1}; // Long ago.
    assert_int_equal(query_share_wait(s, same, &over, clk_real()), SHARE_TIMED_OUT);
    assert_int_equal(run->waiting, 0);
    query_share_leave(s, same);
    query_share_done(s, run);
    query_share_leave(s, run);
    query_share_free(s);
}
