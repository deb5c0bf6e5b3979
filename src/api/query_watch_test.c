// query_watch_test.c: the list, the cancel, the journal over a crash, the line of a slow query.
#include "api/api_rig.h"
#include "api/query_watch.h"
#include "base/arena.h"
#include "base/log.h"
#include "base/str.h"
#include "base/test.h"
#include "net/http_msg.h"
#include "os/fs.h"

#include <string.h>

// Threads: owned.
struct rig {
    struct clk *clk;
    struct fs *fs;
    struct log *log;
    struct arena *arena;
    struct http_request requests[2];
    char logged[16384];
};

static void keep_line(void *ctx, str line)
{
    struct rig *r = ctx;
    const size_t used = strlen(r->logged);
    assert_true(used + line.len < sizeof(r->logged));
    memcpy(r->logged + used, line.ptr, line.len);
}

static i64 no_time(UNUSED void *ctx)
{
    return 0;
}

static void rig_up(struct rig *r)
{
    memset(r, 0, sizeof(*r));
    r->clk = clk_manual_new(RIG_NOW_MS);
    r->fs = fs_mem_new((u64)1 << 20);
    r->log = log_new((struct log_opts){.sink = keep_line, .sink_ctx = r, .now_ms = no_time});
    r->arena = arena_new((size_t)1 << 20);
    for (u32 i = 0; i < ARRAY_LEN(r->requests); i++) {
        r->requests[i] = (struct http_request){.arena = r->arena, .peer = STR("127.0.0.1")};
    }
}

static void rig_down(struct rig *r)
{
    arena_free(r->arena);
    log_free(r->log);
    fs_mem_free(r->fs);
    clk_manual_free(r->clk);
}

static struct query_watch *watch_new(struct rig *r, struct fs *fs)
{
    return query_watch_new(&(struct query_watch_opts){
        .clk = r->clk, .log = r->log, .fs = fs, .path = "queries", .slots = 2, .slow_ms = 5000});
}

static struct watch_ticket begin(struct query_watch *w, struct http_request *rq, const char *text)
{
    struct watched_query q = {.text = str_c(text), .start_ms = 1000, .end_ms = 2000};
    return query_watch_begin(w, rq, &q, NULL);
}

TEST(query_watch_lists_and_cancels_by_id)
{
    struct rig r;
    struct watched_query *list;
    rig_up(&r);
    const struct http_pair headers[] = {{STR("X-Dashboard-Uid"), STR("host")},
                                        {STR("X-Panel-Id"), STR("3")}};
    r.requests[1].headers = headers;
    r.requests[1].header_count = 2;
    struct query_watch *w = watch_new(&r, NULL);
    assert_int_equal(query_watch_list(w, r.arena, &list), 0);
    struct watch_ticket first = begin(w, &r.requests[0], "up");
    clk_manual_advance(r.clk, 1500);
    struct watch_ticket second = begin(w, &r.requests[1], "sum(up)");
    assert_int_equal(query_watch_list(w, r.arena, &list), 2);
    ASSERT_STR_EQ(list[0].text, STR("up"));
    ASSERT_STR_EQ(list[0].peer, STR("127.0.0.1"));
    assert_int_equal(list[0].running_ms, 1500);
    ASSERT_STR_EQ(list[1].origin, STR("dashboard host, panel 3"));
    assert_true(query_watch_cancel(w, list[1].id));
    assert_true(http_is_cancelled(&r.requests[1]));
    assert_false(http_is_cancelled(&r.requests[0]));
    query_watch_end(second, NULL, "cancelled");
    assert_false(query_watch_cancel(w, list[1].id));
    const u64 old = list[1].id;
    second = begin(w, &r.requests[1], "again");
    assert_int_equal(query_watch_list(w, r.arena, &list), 2);
    assert_true(list[1].id > old); // (I1)
    assert_false(query_watch_cancel(w, 0));
    query_watch_end(first, NULL, NULL);
    query_watch_end(second, NULL, NULL);
    assert_int_equal(query_watch_list(w, r.arena, &list), 0);
    query_watch_free(w);
    rig_down(&r);
}

TEST(query_watch_shows_class_and_cost_of_what_runs)
{
    struct rig r;
    struct watched_query *list;
    struct query_budget budget = {.bytes_max = 1};
    struct watched_query q = {.text = STR("up")};
    rig_up(&r);
    const struct http_pair headers[] = {{STR("X-Tidemark-Lane"), STR("export")}};
    r.requests[0].headers = headers;
    r.requests[0].header_count = 1;
    struct query_watch *w = watch_new(&r, NULL);
    struct watch_ticket t = query_watch_begin(w, &r.requests[0], &q, &budget);
    query_progress_tell(budget.progress, (struct query_progress){3, 70, 4096});
    assert_int_equal(query_watch_list(w, r.arena, &list), 1);
    assert_int_equal(list[0].of_class, QUERY_EXPORT);
    assert_int_equal(list[0].progress.series, 3);
    assert_int_equal(list[0].progress.samples, 70);
    assert_int_equal(list[0].progress.bytes, 4096);
    query_watch_end(t, NULL, NULL);
    t = begin(w, &r.requests[1], "another in its place");
    assert_int_equal(query_watch_list(w, r.arena, &list), 1);
    assert_int_equal(list[0].of_class, QUERY_ADHOC);
    assert_int_equal(list[0].progress.samples, 0);
    query_watch_end(t, NULL, NULL);
    query_watch_free(w);
    rig_down(&r);
}

TEST(query_watch_tells_what_a_crash_interrupted)
{
    struct rig r;
    rig_up(&r);
    struct query_watch *w = watch_new(&r, r.fs);
    char text[20000];
    memset(text, '"', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    struct watch_ticket done = begin(w, &r.requests[0], "finished");
    struct watch_ticket hung = begin(w, &r.requests[1], text);
    query_watch_end(done, NULL, NULL);
    done = begin(w, &r.requests[0], "deadly{a=\"\n\"}");
    assert_string_equal(r.logged, "");
    struct query_watch *next = watch_new(&r, r.fs); // The other one has died.
    assert_non_null(strstr(r.logged, "deadly"));
    assert_non_null(strstr(r.logged, "was running when the last process ended"));
    assert_null(strstr(r.logged, "finished"));
    u32 lines = 0;
    for (const char *at = r.logged; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    assert_int_equal(lines, 2);
    memset(r.logged, 0, sizeof(r.logged));
    query_watch_free(next);
    query_watch_free(watch_new(&r, r.fs)); // It left nothing behind.
    assert_string_equal(r.logged, "");
    query_watch_end(done, NULL, NULL);
    query_watch_end(hung, NULL, NULL);
    query_watch_free(w);
    rig_down(&r);
}

TEST(query_watch_runs_on_without_its_journal)
{
    struct rig r;
    rig_up(&r);
    struct fs *faulty = fs_faulty_new(r.fs);
    for (u64 nth = 1; nth < 12; nth++) {
        memset(r.logged, 0, sizeof(r.logged));
        fs_faulty_arm(faulty, nth, FS_FAULT_EIO, true);
        struct query_watch *w = watch_new(&r, faulty);
        for (u32 i = 0; i < 3; i++) {
            query_watch_end(begin(w, &r.requests[0], "up"), NULL, NULL);
        }
        assert_true(fs_faulty_calls(faulty) < nth || strstr(r.logged, "cannot be kept") != NULL);
        query_watch_free(w);
    }
    fs_faulty_free(faulty);
    rig_down(&r);
}

TEST(query_watch_logs_slow_queries)
{
    struct rig r;
    rig_up(&r);
    struct query_watch *w = watch_new(&r, NULL);
    struct watch_ticket t = begin(w, &r.requests[0], "quick");
    clk_manual_advance(r.clk, 4999);
    query_watch_end(t, NULL, NULL);
    assert_string_equal(r.logged, "");
    struct query_budget budget = {.bytes_max = 1};
    struct watched_query q = {.text = STR("lazy")};
    t = query_watch_begin(w, &r.requests[0], &q, &budget);
    clk_manual_advance(r.clk, 5200);
    query_progress_tell(budget.progress, (struct query_progress){3, 70, 4096});
    query_watch_end(t, NULL, "timed out");
    assert_non_null(strstr(r.logged, "slow query: 5.2 s, 3 series, 70 samples read, 4096 bytes"));
    assert_non_null(strstr(r.logged, "class=adhoc"));
    assert_non_null(strstr(r.logged, "lazy"));
    assert_non_null(strstr(r.logged, "timed out"));
    query_watch_free(w);
    rig_down(&r);
}

TEST(api_lists_and_cancels_queries)
{
    struct api_rig *rig = api_rig_new();
    api_rig_expect(rig, "/api/v1/status/active_queries", 200,
                   "{\"status\":\"success\",\"data\":[]}");
    struct http_fake *f = api_rig_ask(rig, "DELETE", "/api/v1/status/active_queries/7", STR_EMPTY);
    assert_int_equal(http_fake_status(f), 404);
    http_fake_free(f);
    f = api_rig_ask(rig, "DELETE", "/api/v1/status/active_queries/x", STR_EMPTY);
    assert_int_equal(http_fake_status(f), 400);
    http_fake_free(f);
    api_rig_free(rig);
}
