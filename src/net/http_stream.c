// http_stream.c: a window of bytes between the lane thread that writes an answer and the I/O thread
// that sends it.
//
//   lane: put ─► filling ─(swap)─► draining ─► take :I/O
// The writer waits while the window is full; the reader never waits: it suspends its connection,
// and the writer resumes it. (A reader that answered "nothing yet" without suspending would be
// asked again at once, for ever.)
// Memory: two windows.
#include "base/buf.h"
#include "net/http_inner.h"

#define WAIT_STEP_MS 100U

// Threads: lock guards filling and the marks; draining and drained are the I/O thread's.
struct http_stream {
    struct lock lock;
    struct cond room;
    struct buf filling;
    bool reader_waits; // Suspended; whoever adds something resumes.
    bool ended;
    bool broken;  // The writer gave up: the answer must not look complete.
    bool aborted; // The reader is gone.
    u32 window_bytes;
    struct buf draining;
    size_t drained;
};

struct http_stream *stream_new(u32 window_bytes)
{
    struct http_stream *st = MEM_NEW(struct http_stream);
    lock_init(&st->lock, LOCK_HTTP_STREAM, "http_stream");
    cond_init(&st->room);
    buf_init(&st->filling, window_bytes);
    buf_init(&st->draining, window_bytes);
    st->window_bytes = window_bytes;
    return st;
}

void stream_free(struct http_stream *st)
{
    if (st == NULL) {
        return;
    }
    buf_fini(&st->filling);
    buf_fini(&st->draining);
    cond_fini(&st->room);
    lock_fini(&st->lock);
    mem_free(st);
}

// Appends as much of bytes as fits, having waited for room. false: aborted or stalled.
static bool put_some(struct http_stream *st, struct http_exchange *x, str *bytes, u32 stall_ms,
                     bool *wake)
{
    u32 waited_ms = 0;
    lock_take(&st->lock);
    while (!st->aborted && st->filling.len == st->window_bytes) {
        (void)cond_wait_ms(&st->room, &st->lock, WAIT_STEP_MS);
        waited_ms += WAIT_STEP_MS; // Wakes come once a window, so this counts time well enough.
        st->aborted = st->aborted || http_is_cancelled(&x->rq) ||
                      (waited_ms >= stall_ms && st->filling.len == st->window_bytes);
    }
    const bool ok = !st->aborted;
    if (ok) {
        const size_t n = MIN(bytes->len, st->window_bytes - st->filling.len);
        buf_add(&st->filling, bytes->ptr, n);
        bytes->ptr += n;
        bytes->len -= n;
    }
    *wake = st->reader_waits;
    st->reader_waits = false;
    lock_drop(&st->lock);
    return ok;
}

bool stream_put(struct http_stream *st, struct http_exchange *x, str bytes, u32 stall_ms)
{
    bool ok = true;
    while (ok && bytes.len > 0) {
        bool wake;
        ok = put_some(st, x, &bytes, stall_ms, &wake);
        if (wake) {
            engine_resume(x);
        }
    }
    return ok;
}

void stream_end(struct http_stream *st, struct http_exchange *x, bool broken)
{
    lock_take(&st->lock);
    st->ended = true;
    st->broken = st->broken || broken || st->aborted;
    const bool wake = st->reader_waits;
    st->reader_waits = false;
    lock_drop(&st->lock);
    if (wake) {
        engine_resume(x);
    }
}

// Refills draining; suspends x when there is nothing.
static enum stream_state refill(struct http_stream *st, struct http_exchange *x)
{
    enum stream_state state = STREAM_BYTES;
    lock_take(&st->lock);
    buf_clear(&st->draining);
    st->drained = 0;
    if (st->broken) {
        state = STREAM_BROKEN;
    } else if (st->filling.len > 0) {
        const struct buf full = st->filling;
        st->filling = st->draining;
        st->draining = full;
        cond_signal(&st->room);
    } else if (st->ended) {
        state = STREAM_END;
    } else {
        // Under the lock, so that no writer can resume before this suspends.
        state = STREAM_WAIT;
        st->reader_waits = true;
        engine_suspend(x);
    }
    lock_drop(&st->lock);
    return state;
}

enum stream_state stream_take(struct http_stream *st, struct http_exchange *x, char *out,
                              size_t max, size_t *n)
{
    *n = 0;
    if (st->drained == st->draining.len) {
        const enum stream_state state = refill(st, x);
        if (state != STREAM_BYTES) {
            return state;
        }
    }
    *n = MIN(max, st->draining.len - st->drained);
    memcpy(out, st->draining.bytes + st->drained, *n);
    st->drained += *n;
    return STREAM_BYTES;
}

void stream_abort(struct http_stream *st)
{
    lock_take(&st->lock);
    st->aborted = true;
    st->reader_waits = false;
    cond_broadcast(&st->room);
    lock_drop(&st->lock);
}
