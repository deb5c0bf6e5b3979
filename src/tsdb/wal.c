#include "tsdb/wal.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/rng.h"
#include "os/thr.h"
#include "tsdb/wal_entry.h"

#include <stdio.h>

// Threads: guarded by the log's lock.
struct wal_segment {
    u64 number;
    u64 bytes;  // Written and whole.
    u64 synced; // Of them on disk; == bytes once void or old.
    i64 t_max;
    bool continues;
};

#define UNSYNCED_KEPT ((size_t)1 << 20) // Room that stays when nothing is unsynced.

// Threads: guarded by the log's lock.
struct wal_waiter {
    u64 position;
    void (*fn)(void *arg, const struct error *e);
    void *arg;
};

struct wal {
    struct wal_opts opts;
    char dir[448];
    u32 salt;
    // Owned by the turn.
    struct file *file;
    u64 place;
    u64 next_number;
    u64 resume_segment; // For the header of the next segment; 0 = nothing void.
    u64 resume_offset;
    bool tail_dirty; // A failed write may have left bytes behind the end.
    bool leave;      // The file refuses writes for another reason than a full disk.
    // Owned by the sync that runs: a handle of its own on the segment it synced last.
    struct file *sync_handle; // NULL = none.
    u64 sync_number;

    struct lock lock;
    // Guarded by lock from here on.
    struct cond sync_done;
    bool syncing;
    bool poisoned;
    bool dir_dirty;
    u64 written; // Position: bytes of records ever written.
    u64 durable;
    u64 marked;
    u64 mark_segment; // Up to here the disk has it all.
    u64 mark_offset;
    struct buf unsynced; // The bytes [durable, written).
    struct wal_segment *segments;
    u32 segment_count;
    u32 segment_cap;
    struct wal_waiter *waiters;
    u32 waiter_count;
    u32 waiter_cap;
};

void wal_path(const char *dir, const char *kind, u64 number, char out[512])
{
    (void)snprintf(out, 512, "%s/%s-%08llu", dir, kind, (unsigned long long)number);
}

struct wal *wal_new(struct wal_opts opts, u64 first, u64 resume_segment, u64 resume_offset)
{
    struct wal *w = MEM_NEW(struct wal);
    w->opts = opts;
    (void)snprintf(w->dir, sizeof(w->dir), "%s", opts.dir);
    w->salt = (u32)rng_u64(opts.rng);
    w->next_number = first;
    w->resume_segment = resume_segment;
    w->resume_offset = resume_offset;
    lock_init(&w->lock, LOCK_WAL, "wal");
    cond_init(&w->sync_done);
    buf_init(&w->unsynced, (size_t)opts.unsynced_max + (WAL_RECORD_MAX * 4ULL));
    return w;
}

static struct wal_segment *segment_push(struct wal *w)
{
    if (w->segment_count == w->segment_cap) {
        w->segment_cap = MAX(16U, w->segment_cap * 2);
        w->segments = MEM_GROW(w->segments, w->segment_cap, struct wal_segment);
    }
    return &w->segments[w->segment_count++];
}

void wal_keep(struct wal *w, struct wal_kept segment)
{
    CHECK(!w->file);
    *segment_push(w) = (struct wal_segment){.number = segment.number,
                                            .bytes = segment.bytes,
                                            .synced = segment.bytes,
                                            .t_max = segment.t_max,
                                            .continues = segment.continues};
}

static void sync_handle_close(struct wal *w)
{
    if (w->sync_handle) {
        fs_close(w->opts.fs, w->sync_handle);
        w->sync_handle = NULL;
    }
}

void wal_free(struct wal *w)
{
    if (!w) {
        return;
    }
    CHECK(w->waiter_count == 0);
    if (w->file) {
        fs_close(w->opts.fs, w->file);
    }
    sync_handle_close(w);
    buf_fini(&w->unsynced);
    mem_free(w->segments);
    mem_free(w->waiters);
    cond_fini(&w->sync_done);
    lock_fini(&w->lock);
    mem_free(w);
}

static u64 last_number(const struct wal *w)
{
    return w->segment_count > 0 ? w->segments[w->segment_count - 1].number : 0;
}

static u32 last_bytes(const struct wal *w)
{
    u64 bytes = w->segment_count > 0 ? w->segments[w->segment_count - 1].bytes : 0;
    return bytes <= UINT32_MAX ? (u32)bytes : 0;
}

static struct file *segment_make(struct wal *w, u64 number, bool continues, struct error *e)
{
    char path[512];
    wal_path(w->dir, "seg", number, path);
    struct file *f = fs_open(w->opts.fs, path, FS_TRUNCATE, e);
    if (!f) {
        return NULL;
    }
    struct wal_header h = {.stream = w->opts.stream,
                           .salt = w->salt,
                           .number = number,
                           .previous = last_number(w),
                           .previous_bytes = last_bytes(w),
                           .resume_segment = w->resume_segment,
                           .resume_offset = w->resume_offset,
                           .continues = continues};
    u8 header[WAL_HEADER_BYTES];
    wal_header_encode(&h, header);
    // So that a full disk is met here and not in the middle; if there is no room for a whole
    // segment, the writes themselves will tell.
    struct error reserve_error;
    (void)!fs_reserve(w->opts.fs, f, w->opts.segment_bytes, &reserve_error);
    if (!fs_write_at(w->opts.fs, f, 0, (str){(const char *)header, sizeof(header)}, e)) {
        fs_close(w->opts.fs, f);
        (void)!fs_unlink(w->opts.fs, path, &reserve_error);
        return NULL;
    }
    return f;
}

// With the turn. Opens the next segment; `carry` is written into it first.
static bool roll(struct wal *w, str carry, struct error *e)
{
    u64 number = w->next_number;
    bool continues = carry.len > 0;
    struct file *f = segment_make(w, number, continues, e);
    if (!f) {
        return false;
    }
    if (carry.len > 0 && !fs_write_at(w->opts.fs, f, WAL_HEADER_BYTES, carry, e)) {
        char path[512];
        struct error ignored;
        fs_close(w->opts.fs, f);
        wal_path(w->dir, "seg", number, path);
        (void)!fs_unlink(w->opts.fs, path, &ignored);
        return false;
    }
    if (w->file) {
        struct error ignored; // Gives back what was reserved behind the end.
        (void)!fs_truncate(w->opts.fs, w->file, w->segments[w->segment_count - 1].bytes, &ignored);
        fs_close(w->opts.fs, w->file);
    }
    w->file = f;
    w->next_number = number + 1;
    w->place++;
    w->tail_dirty = false;
    w->leave = false;
    w->resume_segment = 0;
    w->resume_offset = 0;
    lock_take(&w->lock);
    struct wal_segment *s = segment_push(w);
    *s = (struct wal_segment){.number = number,
                              .bytes = WAL_HEADER_BYTES + carry.len,
                              .t_max = INT64_MIN,
                              .continues = continues};
    if (w->poisoned) {
        for (u32 i = 0; i + 1 < w->segment_count; i++) { // Void, or synced long ago.
            s->t_max = w->segments[i].synced < w->segments[i].bytes
                           ? MAX(s->t_max, w->segments[i].t_max)
                           : s->t_max;
            w->segments[i].synced = w->segments[i].bytes;
        }
        w->poisoned = false;
    }
    w->dir_dirty = true;
    lock_drop(&w->lock);
    return true;
}

bool wal_repair(struct wal *w, struct error *e)
{
    lock_take(&w->lock);
    while (w->syncing) {
        cond_wait(&w->sync_done, &w->lock);
    }
    bool poisoned = w->poisoned;
    if (poisoned) {
        u32 i = 0;
        while (i < w->segment_count && w->segments[i].synced == w->segments[i].bytes) {
            i++;
        }
        w->resume_segment = i < w->segment_count ? w->segments[i].number : 0;
        w->resume_offset = i < w->segment_count ? w->segments[i].synced : 0;
    }
    lock_drop(&w->lock);
    if (!poisoned) {
        return true;
    }
    LOGF(w->opts.log, LOG_WARN, "wal: moving on to segment %llu of stream %u after a failed sync",
         (unsigned long long)w->next_number, w->opts.stream);
    // Only the holder of the turn adds to unsynced, and no sync runs that could trim it.
    return roll(w, buf_get(&w->unsynced), e);
}

// With the turn. After a failed write: the file ends again where the last good record ends.
static bool tail_clean(struct wal *w, struct error *e)
{
    if (!w->tail_dirty) {
        return true;
    }
    const struct wal_segment *s = &w->segments[w->segment_count - 1];
    struct error ignored;
    if (fs_truncate(w->opts.fs, w->file, s->bytes, &ignored)) {
        w->tail_dirty = false;
        return true;
    }
    w->resume_segment = s->number; // The next header says where this one ends.
    w->resume_offset = s->bytes;
    return roll(w, STR_EMPTY, e);
}

bool wal_begin(struct wal *w, struct buf *out, u64 *place, u32 *salt, struct error *e)
{
    if (wal_poisoned(w) && !wal_repair(w, e)) {
        return false;
    }
    if (!w->file || w->leave || w->segments[w->segment_count - 1].bytes >= w->opts.segment_bytes) {
        // A dirty tail must be declared void by the header that follows it.
        if (w->file && w->tail_dirty) {
            w->resume_segment = last_number(w);
            w->resume_offset = w->segments[w->segment_count - 1].bytes;
        }
        if (!roll(w, STR_EMPTY, e)) {
            return false;
        }
    }
    if (!tail_clean(w, e)) {
        return false;
    }
    *place = w->place;
    *salt = w->salt;
    lock_take(&w->lock);
    u64 unsynced = w->unsynced.len;
    bool full = unsynced >= w->opts.unsynced_max;
    if (!full && w->marked < w->durable) {
        wal_put_synced(out, w->mark_segment, w->mark_offset, w->salt);
        w->marked = w->durable;
    }
    lock_drop(&w->lock);
    if (full) {
        return err_set(e, ERR_UNAVAILABLE,
                       "the log has %llu bytes that the disk has not taken (limit %llu); try later",
                       (unsigned long long)unsynced, (unsigned long long)w->opts.unsynced_max);
    }
    return true;
}

void wal_abandon(struct wal *w)
{
    w->place++;
    lock_take(&w->lock);
    w->marked = 0; // The word about the disk went with it.
    lock_drop(&w->lock);
}

bool wal_write(struct wal *w, str records, i64 t_max, u64 *position, struct error *e)
{
    struct wal_segment *s = &w->segments[w->segment_count - 1];
    if (records.len == 0) {
        lock_take(&w->lock);
        *position = w->written;
        lock_drop(&w->lock);
        return true;
    }
    struct error why;
    if (!fs_write_at(w->opts.fs, w->file, s->bytes, records, &why)) {
        struct error ignored;
        w->leave = why.code != ERR_NO_SPACE;
        w->tail_dirty = !fs_truncate(w->opts.fs, w->file, s->bytes, &ignored);
        wal_abandon(w);
        return err_set(e, why.code, "log segment %llu: %s", (unsigned long long)s->number,
                       why.text);
    }
    lock_take(&w->lock);
    s->bytes += records.len;
    s->t_max = MAX(s->t_max, t_max);
    w->written += records.len;
    buf_str(&w->unsynced, records);
    CHECK(buf_ok(&w->unsynced));
    *position = w->written;
    lock_drop(&w->lock);
    return true;
}

bool wal_part(struct wal *w, u64 *first, struct error *e)
{
    lock_take(&w->lock);
    const bool poisoned = w->poisoned;
    const bool empty = w->segment_count > 0 &&
                       w->segments[w->segment_count - 1].bytes == WAL_HEADER_BYTES &&
                       !w->segments[w->segment_count - 1].continues;
    lock_drop(&w->lock);
    if (poisoned || w->tail_dirty || w->resume_segment != 0) {
        return err_set(e, ERR_UNAVAILABLE, "the log is being repaired");
    }
    if (w->file && !empty && !roll(w, STR_EMPTY, e)) {
        return false;
    }
    *first = w->file ? w->next_number - 1 : w->next_number;
    return true;
}

struct wal_kept *wal_segments(struct wal *w, struct arena *a, u32 *n)
{
    lock_take(&w->lock);
    struct wal_kept *kept = ARENA_NEW_N(a, struct wal_kept, w->segment_count + 1);
    for (u32 i = 0; i < w->segment_count; i++) {
        const struct wal_segment *s = &w->segments[i];
        kept[i] = (struct wal_kept){
            .number = s->number, .bytes = s->bytes, .t_max = s->t_max, .continues = s->continues};
    }
    *n = w->segment_count;
    lock_drop(&w->lock);
    return kept;
}

bool wal_dirty(struct wal *w)
{
    lock_take(&w->lock);
    bool dirty = w->durable < w->written;
    lock_drop(&w->lock);
    return dirty;
}

bool wal_poisoned(struct wal *w)
{
    lock_take(&w->lock);
    bool poisoned = w->poisoned;
    lock_drop(&w->lock);
    return poisoned;
}

// Mostly it is the segment of the last time.
static bool sync_file(struct wal *w, u64 number, struct error *e)
{
    if (!w->sync_handle || w->sync_number != number) {
        char path[512];
        sync_handle_close(w);
        wal_path(w->dir, "seg", number, path);
        w->sync_handle = fs_open(w->opts.fs, path, FS_WRITE, e);
        w->sync_number = number;
    }
    if (w->sync_handle && fs_sync(w->opts.fs, w->sync_handle, e)) {
        return true;
    }
    sync_handle_close(w); // (I3)
    return false;
}

// What one sync covers, copied under the lock. Threads: owned by the sync.
struct sync_job {
    struct wal_segment *segments;
    u32 n;
    u64 target;
    bool dir;
};

static void job_take(struct wal *w, struct sync_job *job)
{
    *job = (struct sync_job){.target = w->written, .dir = w->dir_dirty};
    job->segments = MEM_NEW_N(struct wal_segment, w->segment_count + 1);
    for (u32 i = 0; i < w->segment_count; i++) {
        if (w->segments[i].synced < w->segments[i].bytes) {
            job->segments[job->n++] = w->segments[i];
        }
    }
    w->dir_dirty = false;
}

static bool job_run(struct wal *w, const struct sync_job *job, struct error *e)
{
    for (u32 i = 0; i < job->n; i++) {
        if (!sync_file(w, job->segments[i].number, e)) {
            return false;
        }
    }
    return !job->dir || fs_sync_dir(w->opts.fs, w->dir, e);
}

static void job_done(struct wal *w, const struct sync_job *job)
{
    for (u32 k = 0; k < job->n; k++) {
        for (u32 i = w->segment_count; i > 0; i--) {
            struct wal_segment *s = &w->segments[i - 1];
            if (s->number == job->segments[k].number) {
                s->synced = job->segments[k].bytes;
                w->mark_segment = s->number;
                w->mark_offset = s->synced;
                break;
            }
        }
    }
    size_t done = (size_t)(job->target - w->durable);
    w->durable = job->target;
    if (done > 0) {
        memmove(w->unsynced.bytes, w->unsynced.bytes + done, w->unsynced.len - done);
        w->unsynced.len -= done;
    }
    if (w->unsynced.len == 0 && w->unsynced.cap > UNSYNCED_KEPT) {
        const size_t max = w->unsynced.max;
        buf_fini(&w->unsynced);
        buf_init(&w->unsynced, max);
    }
}

// Takes the waiters up to limit out of the list and calls them without the lock.
static void waiters_call(struct wal *w, u64 limit, const struct error *e)
{
    lock_take(&w->lock);
    struct wal_waiter *ready = MEM_NEW_N(struct wal_waiter, w->waiter_count + 1);
    u32 n = 0;
    u32 kept = 0;
    for (u32 i = 0; i < w->waiter_count; i++) {
        if (w->waiters[i].position <= limit) {
            ready[n++] = w->waiters[i];
        } else {
            w->waiters[kept++] = w->waiters[i];
        }
    }
    w->waiter_count = kept;
    lock_drop(&w->lock);
    for (u32 i = 0; i < n; i++) {
        ready[i].fn(ready[i].arg, e);
    }
    mem_free(ready);
}

bool wal_sync(struct wal *w, bool last, struct error *e)
{
    struct error why = {0};
    lock_take(&w->lock);
    while (w->syncing) {
        cond_wait(&w->sync_done, &w->lock);
    }
    if (w->poisoned) {
        u64 written = w->written;
        lock_drop(&w->lock);
        (void)err_set(&why, ERR_IO, "the log could not be written to disk");
        if (last) {
            waiters_call(w, written, &why);
        }
        return err_set(e, ERR_IO, "%s", why.text);
    }
    if (w->durable == w->written && !w->dir_dirty) {
        u64 durable = w->durable;
        lock_drop(&w->lock);
        waiters_call(w, durable, NULL);
        return true;
    }
    w->syncing = true;
    struct sync_job job;
    job_take(w, &job);
    lock_drop(&w->lock);

    i64 began = clk_mono_ns(w->opts.clk);
    bool ok = job_run(w, &job, &why);
    f64 seconds = (f64)(clk_mono_ns(w->opts.clk) - began) / 1e9;
    if (w->opts.synced) {
        w->opts.synced(w->opts.synced_ctx, seconds);
    }
    lock_take(&w->lock);
    w->syncing = false;
    if (ok) {
        job_done(w, &job);
    } else {
        w->poisoned = true;
        w->dir_dirty = true;
    }
    cond_broadcast(&w->sync_done);
    lock_drop(&w->lock);
    mem_free(job.segments);
    if (ok || last) {
        waiters_call(w, job.target, ok ? NULL : &why);
    }
    if (!ok && e) {
        *e = why;
    }
    return ok;
}

bool wal_seal(struct wal *w, struct error *e)
{
    if (!w->file || w->marked == w->durable) {
        return true;
    }
    struct buf mark;
    buf_init(&mark, 256);
    u64 place;
    u64 position;
    u32 salt;
    bool ok = wal_begin(w, &mark, &place, &salt, e) &&
              wal_write(w, buf_get(&mark), INT64_MIN, &position, e) && wal_sync(w, true, e);
    buf_fini(&mark);
    return ok;
}

bool wal_when_durable(struct wal *w, u64 position, void (*fn)(void *arg, const struct error *e),
                      void *arg)
{
    struct error full;
    lock_take(&w->lock);
    bool durable = position <= w->durable;
    bool room = w->waiter_count < WAL_WAITERS_MAX;
    if (!durable && room) {
        if (w->waiter_count == w->waiter_cap) {
            w->waiter_cap = MAX(64U, w->waiter_cap * 2);
            w->waiters = MEM_GROW(w->waiters, w->waiter_cap, struct wal_waiter);
        }
        w->waiters[w->waiter_count++] =
            (struct wal_waiter){.position = position, .fn = fn, .arg = arg};
    }
    lock_drop(&w->lock);
    if (durable) {
        fn(arg, NULL);
    } else if (!room) {
        (void)err_set(&full, ERR_UNAVAILABLE, "more than %u requests wait for the log; try later",
                      WAL_WAITERS_MAX);
        fn(arg, &full);
    }
    return !durable && room;
}

u64 wal_needed_from(struct wal *w, i64 floor)
{
    lock_take(&w->lock);
    u32 keep = 0;
    while (keep + 1 < w->segment_count && w->segments[keep].t_max < floor &&
           w->segments[keep].synced == w->segments[keep].bytes) {
        keep++;
    }
    while (keep > 0 && w->segments[keep].continues) {
        keep--;
    }
    u64 number = w->segment_count > 0 ? w->segments[keep].number : w->next_number;
    lock_drop(&w->lock);
    return number;
}

bool wal_truncate(struct wal *w, u64 first, struct error *e)
{
    u64 gone[64];
    u32 n = 0;
    lock_take(&w->lock);
    while (n < ARRAY_LEN(gone) && n + 1 < w->segment_count && w->segments[n].number < first) {
        gone[n] = w->segments[n].number;
        n++;
    }
    memmove(w->segments, w->segments + n, (w->segment_count - n) * sizeof(*w->segments));
    w->segment_count -= n;
    lock_drop(&w->lock);
    for (u32 i = 0; i < n; i++) {
        char path[512];
        wal_path(w->dir, "seg", gone[i], path);
        if (!fs_unlink(w->opts.fs, path, e)) {
            return false;
        }
    }
    return true;
}

u64 wal_first(struct wal *w)
{
    lock_take(&w->lock);
    u64 number = w->segment_count > 0 ? w->segments[0].number : w->next_number;
    lock_drop(&w->lock);
    return number;
}

u64 wal_segment_now(struct wal *w)
{
    lock_take(&w->lock);
    u64 number = last_number(w);
    lock_drop(&w->lock);
    return number;
}

u64 wal_segment_next(struct wal *w)
{
    return w->next_number;
}

u64 wal_memory(struct wal *w)
{
    lock_take(&w->lock);
    u64 bytes = w->unsynced.cap;
    lock_drop(&w->lock);
    return bytes;
}

u64 wal_bytes(struct wal *w)
{
    return wal_bytes_from(w, 0);
}

u64 wal_bytes_from(struct wal *w, u64 first)
{
    u64 bytes = 0;
    lock_take(&w->lock);
    for (u32 i = 0; i < w->segment_count; i++) {
        bytes += w->segments[i].number >= first ? w->segments[i].bytes : 0;
    }
    lock_drop(&w->lock);
    return bytes;
}
