// query_watch.c: see query_watch.h.
#include "api/query_watch.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "model/duration.h"
#include "net/http_msg.h"
#include "os/fs.h"
#include "os/thr.h"
#include "promql/promql.h"
#include "text/quote.h"

#include <stdio.h>

#define LINE_BYTES     4096U // Of the journal, the newline among them.
#define TEXT_MAX       3000U // Of a query, in the journal and the log; quoted it may be longer.
#define SLOTS_READ_MAX 1024U

// Threads: journal and its buffer are owned by the slot's thread; progress is atomic; the rest is
// guarded by the lock.
struct watch_slot {
    struct file *journal; // Its own handle; NULL: none.
    struct buf line;
    struct watched_query q; // Borrowed from the request; id 0: free.
    int *cancelled;
    i64 began_mono_ns;
    struct query_progress progress;
};

struct query_watch {
    struct query_watch_opts opts;
    struct lock lock;
    u64 id_last;
    bool journal_failed;
    struct watch_slot *slots;
};

// ---- the journal ----

static void journal_trouble(struct query_watch *w, const struct error *e)
{
    lock_take(&w->lock);
    const bool first = !w->journal_failed;
    w->journal_failed = true;
    lock_drop(&w->lock);
    if (first) { // (I2)
        LOG_AT(w->opts.log, LOG_WARN, "the journal of running queries cannot be kept",
               LOG_CSTR("error", e->text));
    }
}

static void tell_unfinished(struct query_watch *w, str rest)
{
    str line;
    while (str_split_next(&rest, '\n', &line)) {
        line = str_trim(line);
        if (line.len > 0) {
            LOG_AT(w->opts.log, LOG_WARN, "a query was running when the last process ended",
                   LOG_STR("query", line));
        }
    }
}

static void read_unfinished(struct query_watch *w, const char *path)
{
    struct arena *a = arena_new((size_t)SLOTS_READ_MAX * LINE_BYTES + 4096);
    struct error e = {0};
    str text;
    if (fs_read_file(w->opts.fs, path, (size_t)SLOTS_READ_MAX * LINE_BYTES, a, &text, &e)) {
        tell_unfinished(w, text);
    } else if (e.code != ERR_NOT_FOUND) {
        journal_trouble(w, &e);
    }
    arena_free(a);
}

// Puts what stands in the slot's buffer on its line, with blanks behind.
static void line_write(struct query_watch *w, u32 slot)
{
    struct watch_slot *s = &w->slots[slot];
    char line[LINE_BYTES];
    const str text = buf_get(&s->line);
    struct error e;
    memset(line, ' ', sizeof(line));
    if (text.len > 0) {
        memcpy(line, text.ptr, MIN(text.len, sizeof(line) - 1));
    }
    line[sizeof(line) - 1] = '\n';
    if (!fs_write_at(w->opts.fs, s->journal, (u64)slot * LINE_BYTES, (str){line, sizeof(line)},
                     &e)) {
        journal_trouble(w, &e);
    }
}

static void journal_open(struct query_watch *w, const char *path)
{
    struct error e = {0};
    read_unfinished(w, path);
    for (u32 i = 0; i < w->opts.slots; i++) {
        w->slots[i].journal = fs_open(w->opts.fs, path, i == 0 ? FS_TRUNCATE : FS_WRITE, &e);
        if (w->slots[i].journal == NULL) {
            journal_trouble(w, &e);
            return;
        }
        buf_clear(&w->slots[i].line);
        line_write(w, i); // The room is taken now, not when the disk is full.
    }
}

static void describe(struct buf *b, const struct watched_query *q)
{
    char began[40];
    const size_t len = time_print_rfc3339(began, q->began_wall_ms);
    const bool is_cut = q->text.len > TEXT_MAX;
    buf_printf(b, "began=%.*s peer=%.*s class=%s start_ms=%lld end_ms=%lld step_ms=%lld query=",
               (int)len, began, STR_ARG(q->peer), query_class_text(q->of_class),
               (long long)q->start_ms, (long long)q->end_ms, (long long)q->step_ms);
    quote_go(b, str_sub(q->text, 0, TEXT_MAX));
    buf_c(b, is_cut ? " (cut)" : "");
    if (q->origin.len > 0) {
        buf_c(b, " from=");
        quote_go(b, q->origin);
    }
}

// ---- life ----

struct query_watch *query_watch_new(const struct query_watch_opts *opts)
{
    struct query_watch *w = MEM_NEW(struct query_watch);
    w->opts = *opts;
    w->opts.path = NULL; // Read below only.
    lock_init(&w->lock, LOCK_LEAF, "query_watch");
    w->slots = MEM_NEW_N(struct watch_slot, opts->slots);
    for (u32 i = 0; i < opts->slots; i++) {
        buf_init(&w->slots[i].line, (size_t)8 * TEXT_MAX);
    }
    if (opts->fs != NULL) {
        journal_open(w, opts->path);
    }
    return w;
}

void query_watch_free(struct query_watch *w)
{
    if (w == NULL) {
        return;
    }
    for (u32 i = 0; i < w->opts.slots; i++) {
        CHECK(w->slots[i].q.id == 0);
        if (w->slots[i].journal != NULL) {
            fs_close(w->opts.fs, w->slots[i].journal);
        }
        buf_fini(&w->slots[i].line);
    }
    lock_fini(&w->lock);
    mem_free(w->slots);
    mem_free(w);
}

// The dashboard and panel that a page of Grafana names with its requests.
static str origin_of(struct http_request *rq)
{
    const str dashboard = http_header_get(rq, STR("X-Dashboard-Uid"));
    const str panel = http_header_get(rq, STR("X-Panel-Id"));
    if (dashboard.len == 0) {
        return STR_EMPTY;
    }
    return arena_printf(rq->arena, "dashboard %.*s, panel %.*s", STR_ARG(dashboard),
                        STR_ARG(panel));
}

// The lanes let no more run than there are slots.
static u32 slot_take(struct query_watch *w, struct http_request *rq, struct watched_query *q)
{
    const i64 now_ns = clk_mono_ns(w->opts.clk);
    u32 slot = 0;
    lock_take(&w->lock);
    while (slot < w->opts.slots && w->slots[slot].q.id != 0) {
        slot++;
    }
    CHECK(slot < w->opts.slots);
    q->id = ++w->id_last; // (I1)
    struct watch_slot *s = &w->slots[slot];
    s->q = *q;
    s->cancelled = &rq->cancelled;
    s->began_mono_ns = now_ns;
    query_progress_tell(&s->progress, (struct query_progress){0});
    lock_drop(&w->lock);
    return slot;
}

struct watch_ticket query_watch_begin(struct query_watch *w, struct http_request *rq,
                                      struct watched_query *q, struct query_budget *b)
{
    if (w == NULL) {
        return (struct watch_ticket){.watch = NULL};
    }
    q->peer = rq->peer;
    q->origin = origin_of(rq);
    q->of_class = query_class_of(rq);
    q->began_wall_ms = clk_wall_ms(w->opts.clk);
    const u32 slot = slot_take(w, rq, q);
    struct watch_slot *s = &w->slots[slot];
    if (b != NULL) {
        b->progress = &s->progress;
    }
    if (s->journal != NULL) {
        buf_clear(&s->line);
        describe(&s->line, q);
        line_write(w, slot);
    }
    return (struct watch_ticket){.watch = w, .slot = slot};
}

static void tell_slow(struct query_watch *w, struct watch_slot *s, i64 ms,
                      const struct promql_stats *stats, const char *error)
{
    char told[128];
    struct query_progress cost = query_progress_get(&s->progress); // As far as it came.
    if (stats != NULL) {
        cost.samples = stats->samples_given;
        cost.bytes = stats->bytes_peak;
    }
    buf_clear(&s->line);
    describe(&s->line, &s->q);
    (void)snprintf(told, sizeof(told),
                   "slow query: %.1f s, %llu series, %llu samples read, %llu bytes",
                   (double)ms / 1000, (unsigned long long)cost.series,
                   (unsigned long long)cost.samples, (unsigned long long)cost.bytes);
    LOG_AT(w->opts.log, LOG_WARN, told, LOG_STR("query", buf_get(&s->line)),
           LOG_CSTR("error", error != NULL ? error : ""));
}

void query_watch_end(struct watch_ticket t, const struct promql_stats *stats, const char *error)
{
    struct query_watch *w = t.watch;
    if (w == NULL) {
        return;
    }
    struct watch_slot *s = &w->slots[t.slot];
    const i64 ms = (clk_mono_ns(w->opts.clk) - s->began_mono_ns) / 1000000;
    if (w->opts.slow_ms > 0 && ms >= w->opts.slow_ms) {
        tell_slow(w, s, ms, stats, error);
    }
    if (s->journal != NULL) {
        buf_clear(&s->line);
        line_write(w, t.slot);
    }
    lock_take(&w->lock);
    s->q = (struct watched_query){.id = 0};
    s->cancelled = NULL;
    lock_drop(&w->lock);
}

// ---- list and cancel ----

u32 query_watch_list(struct query_watch *w, struct arena *a, struct watched_query **out)
{
    *out = ARENA_NEW_N(a, struct watched_query, w->opts.slots);
    const i64 now_ns = clk_mono_ns(w->opts.clk);
    u32 count = 0;
    lock_take(&w->lock);
    for (u32 i = 0; i < w->opts.slots; i++) {
        const struct watch_slot *s = &w->slots[i];
        if (s->q.id == 0) {
            continue;
        }
        struct watched_query *q = &(*out)[count++];
        *q = s->q;
        q->text = arena_str(a, s->q.text);
        q->peer = arena_str(a, s->q.peer);
        q->origin = arena_str(a, s->q.origin);
        q->progress = query_progress_get(&s->progress);
        q->running_ms = (now_ns - s->began_mono_ns) / 1000000;
        q->is_cancelled = __atomic_load_n(s->cancelled, __ATOMIC_RELAXED) != 0;
    }
    lock_drop(&w->lock);
    return count;
}

u64 query_watch_bytes(struct query_watch *w)
{
    u64 bytes = 0;
    lock_take(&w->lock);
    for (u32 i = 0; i < w->opts.slots; i++) {
        bytes += w->slots[i].q.id != 0 ? query_progress_get(&w->slots[i].progress).bytes : 0;
    }
    lock_drop(&w->lock);
    return bytes;
}

bool query_watch_cancel(struct query_watch *w, u64 id)
{
    bool found = false;
    lock_take(&w->lock);
    for (u32 i = 0; i < w->opts.slots && !found && id != 0; i++) {
        struct watch_slot *s = &w->slots[i];
        found = s->q.id == id;
        if (found) {
            __atomic_store_n(s->cancelled, 1, __ATOMIC_RELAXED);
        }
    }
    lock_drop(&w->lock);
    return found;
}
