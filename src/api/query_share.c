// query_share.c: see query_share.h.
#include "api/query_share.h"

#include "base/arena.h"
#include "base/str.h"
#include "os/clk.h"

// How soon a cancel of one who waits is noticed: nobody wakes him for it.
#define LOOK_MS 20

struct query_share {
    struct lock lock;
    struct share_run *running;
};

struct query_share *query_share_new(void)
{
    struct query_share *s = MEM_NEW(struct query_share);
    lock_init(&s->lock, LOCK_LEAF, "query_share");
    return s;
}

void query_share_free(struct query_share *s)
{
    if (s != NULL) {
        CHECK(s->running == NULL);
        lock_fini(&s->lock);
        mem_free(s);
    }
}

static bool key_eq(const struct share_key *a, const struct share_key *b)
{
    return a->tenant.v == b->tenant.v && a->start_ms == b->start_ms && a->end_ms == b->end_ms &&
           a->step_ms == b->step_ms && a->lookback_ms == b->lookback_ms &&
           a->wants_stats == b->wants_stats && a->is_as_given == b->is_as_given &&
           str_eq(a->canonical, b->canonical);
}

static struct share_run *run_new(const struct share_key *key)
{
    struct share_run *run = MEM_NEW(struct share_run);
    char *text = MEM_NEW_N(char, key->canonical.len + 1);
    if (key->canonical.len > 0) {
        memcpy(text, key->canonical.ptr, key->canonical.len);
    }
    run->key = *key;
    run->key.canonical = (str){text, key->canonical.len};
    run->refs = 1;
    cond_init(&run->done_cond);
    return run;
}

static void run_free(struct share_run *run)
{
    arena_free(run->arena);
    cond_fini(&run->done_cond);
    mem_free(run->key.canonical.ptr);
    mem_free(run);
}

static void waiting_add(struct share_run *run, int more)
{
    __atomic_fetch_add(&run->waiting, more, __ATOMIC_RELAXED);
}

struct share_run *query_share_join(struct query_share *s, const struct share_key *key, bool *leads)
{
    struct share_run *own = run_new(key); // Made before the lock is taken.
    lock_take(&s->lock);
    struct share_run *run = s->running;
    while (run != NULL && !key_eq(&run->key, key)) {
        run = run->next;
    }
    *leads = run == NULL;
    if (run == NULL) {
        own->next = s->running;
        s->running = own;
    } else {
        run->refs++;
        waiting_add(run, 1);
    }
    lock_drop(&s->lock);
    if (run != NULL) {
        run_free(own);
    }
    return run != NULL ? run : own;
}

void query_share_done(struct query_share *s, struct share_run *run)
{
    lock_take(&s->lock);
    struct share_run **at = &s->running;
    while (*at != run) {
        at = &(*at)->next;
    }
    *at = run->next; // (I1)
    run->is_done = true;
    cond_broadcast(&run->done_cond);
    lock_drop(&s->lock);
}

static enum share_end end_of(const struct share_run *run)
{
    bool was_ended =
        !run->ok && (run->error.code == ERR_CANCELLED || run->error.code == ERR_TIMEOUT);
    return was_ended ? SHARE_ENDED : SHARE_ANSWERED;
}

enum share_end query_share_wait(struct query_share *s, struct share_run *run,
                                const struct query_budget *b, struct clk *clk)
{
    enum share_end end = SHARE_ANSWERED;
    bool is_done = false;
    while (!is_done && end == SHARE_ANSWERED) {
        if (query_is_cancelled(b)) {
            end = SHARE_CANCELLED;
        } else if (b->deadline_mono_ns != 0 && clk_mono_ns(clk) > b->deadline_mono_ns) {
            end = SHARE_TIMED_OUT;
        }
        lock_take(&s->lock);
        if (!run->is_done && end == SHARE_ANSWERED) {
            (void)cond_wait_ms(&run->done_cond, &s->lock, LOOK_MS);
        }
        is_done = run->is_done;
        lock_drop(&s->lock);
    }
    waiting_add(run, -1);
    return end == SHARE_ANSWERED ? end_of(run) : end;
}

void query_share_leave(struct query_share *s, struct share_run *run)
{
    lock_take(&s->lock);
    bool is_last = --run->refs == 0;
    lock_drop(&s->lock);
    if (is_last) {
        run_free(run);
    }
}
