// storage.c: the fronts of the waist, the texts of outcomes, and the wait for durability.
#include "storage/storage.h"

#include "base/bits.h"
#include "base/error.h"
#include "os/thr.h"

const char *append_outcome_text(enum append_outcome o)
{
    switch (o) {
    case APPEND_STORED:
        return "stored";
    case APPEND_STORED_OOO:
        return "stored_ooo";
    case APPEND_DUPLICATE:
        return "duplicate";
    case APPEND_CONFLICT:
        return "conflict";
    case APPEND_OUT_OF_ORDER:
        return "out_of_order";
    case APPEND_TOO_OLD:
        return "too_old";
    case APPEND_TOO_NEW:
        return "too_new";
    case APPEND_LIMIT_SERIES:
        return "series_limit";
    case APPEND_LIMIT_TENANT:
        return "tenant_limit";
    case APPEND_LIMIT_JOB:
        return "job_limit";
    case APPEND_LIMIT_METRIC:
        return "metric_limit";
    case APPEND_LIMIT_MEMORY:
        return "memory_limit";
    case APPEND_LIMIT_STARTS:
        return "starts_limit";
    case APPEND_LIMIT_SYMBOLS:
        return "symbol_limit";
    case APPEND_LIMIT_LABELS:
        return "label_limit";
    case APPEND_LIMIT_HISTOGRAMS:
        return "histogram_limit";
    case APPEND_LIMIT_WINDOWS:
        return "window_limit";
    case APPEND_INVALID:
        return "invalid";
    case APPEND_OUTCOME_COUNT:
        break;
    }
    CHECK(false && "an outcome outside the enum");
    return "";
}

const char *append_limit_text(enum append_outcome o)
{
    static const char *const texts[APPEND_OUTCOME_COUNT] = {
        [APPEND_LIMIT_SERIES] =
            "there are as many series as --storage.tsdb.series-limit allows, so no new ones",
        [APPEND_LIMIT_TENANT] =
            "the tenant has as many series as --storage.tsdb.series-limit-per-tenant allows",
        [APPEND_LIMIT_JOB] =
            "their job has as many series as --storage.tsdb.series-limit-per-job allows",
        [APPEND_LIMIT_METRIC] =
            "their metric has as many series as --storage.tsdb.series-limit-per-metric allows",
        [APPEND_LIMIT_MEMORY] = "the memory of series is used up (--memory.limit), so no new ones",
        [APPEND_LIMIT_STARTS] =
            "starts before this one crashed (--storage.tsdb.unclean-starts), so no new ones yet",
        [APPEND_LIMIT_SYMBOLS] = "the memory of label texts is used up, so no new ones",
        [APPEND_LIMIT_LABELS] = "the labels of one series are longer than 8 MiB",
        [APPEND_LIMIT_HISTOGRAMS] = "the memory of histograms is used up (--memory.limit)",
        [APPEND_LIMIT_WINDOWS] = "their times lie in more than 256 block ranges at once",
    };
    CHECK(append_is_limited(o));
    return texts[o];
}

static_assert(APPEND_STORED == 0, "append_outcomes_add looks at eight at once");

void append_outcomes_add(const u8 *outcomes, u32 n, u64 counts[APPEND_OUTCOME_COUNT])
{
    u32 i = 0;
    while (i < n) {
        // Nearly all are stored; one count after the other would wait for the one before.
        while (n - i >= sizeof(u64) && load_le64(outcomes + i) == 0) {
            counts[APPEND_STORED] += sizeof(u64);
            i += (u32)sizeof(u64);
        }
        for (u32 end = i + MIN(n - i, (u32)sizeof(u64)); i < end; i++) {
            counts[outcomes[i]]++;
        }
    }
}

u64 append_limited_count(const u64 counts[APPEND_OUTCOME_COUNT], enum append_outcome *most)
{
    u64 sum = 0;
    *most = APPEND_LIMIT_SERIES;
    for (u32 o = 0; o < APPEND_OUTCOME_COUNT; o++) {
        if (append_is_limited((enum append_outcome)o)) {
            sum += counts[o];
            *most = counts[o] > counts[*most] ? (enum append_outcome)o : *most;
        }
    }
    return sum;
}

struct storage_appender *storage_appender_open(struct storage *s, struct tenant_id tenant,
                                               enum storage_stream stream, struct error *e)
{
    CHECK(stream < STREAM_COUNT);
    return s->ops->appender(s, tenant, stream, e);
}

void storage_appender_close(struct storage_appender *a)
{
    if (a) {
        a->ops->close(a);
    }
}

struct storage_querier *storage_querier_open(struct storage *s, struct tenant_id tenant, i64 min_ms,
                                             i64 max_ms, struct error *e)
{
    if (min_ms > max_ms) {
        return err_null(e, ERR_INVALID, "end timestamp must not be before start timestamp");
    }
    return s->ops->querier(s, tenant, min_ms, max_ms, e);
}

void storage_querier_close(struct storage_querier *q)
{
    if (q) {
        q->ops->close(q);
    }
}

// One waiter for one position. Threads: guarded by `lock`; it lives on the waiter's stack, so the
// callback's last touch of it is the drop of the lock, which the waiter takes once more.
struct durable_wait {
    struct cond told;
    struct lock lock;
    bool done;
    bool failed;
    struct error error;
};

static void durable_told(void *arg, const struct error *e)
{
    struct durable_wait *w = arg;
    lock_take(&w->lock);
    w->done = true;
    if (e) {
        w->failed = true;
        w->error = *e;
    }
    cond_signal(&w->told);
    lock_drop(&w->lock);
}

bool storage_wait_durable(struct storage *s, u64 wal_position, struct error *e)
{
    struct durable_wait w = {.done = false};
    lock_init(&w.lock, 0, "durable_wait");
    cond_init(&w.told);
    s->ops->when_durable(s, wal_position, durable_told, &w);
    lock_take(&w.lock);
    while (!w.done) {
        cond_wait(&w.told, &w.lock);
    }
    lock_drop(&w.lock);
    cond_fini(&w.told);
    lock_fini(&w.lock);
    if (w.failed && e) {
        *e = w.error;
    }
    return !w.failed;
}
