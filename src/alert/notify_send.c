// notify_send.c: pages on their way: connections of a receiver, tries, answers, pauses.
//
//   waiting ──sends_start──▶ in flight ──sends_finish──▶ over
//      ▲                                      │ failed, and may pass
//      └───────────── pause, doubling ────────┘
//
// An integration has NOTIFY_SLOTS connections, so that a page that hangs keeps no other waiting.
// When all are taken the oldest page goes first.
// Threads: the notifier's, but for reply_done, which the HTTP client calls.
#include "alert/notify_inner.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "os/clk.h"

enum { BACKOFF_FIRST_MS = 500, BACKOFF_MAX_MS = 60000 };

void send_free(struct send *s)
{
    buf_fini(&s->payload);
    mem_free(s->firing);
    mem_free(s->resolved);
    mem_free(s);
}

void sends_add(struct notify *n, struct send *s)
{
    struct send **at = &n->sends;
    while (*at) {
        at = &(*at)->next;
    }
    *at = s;
    s->group->sends++;
}

bool sends_fly(const struct notify *n)
{
    for (const struct send *s = n->sends; s; s = s->next) {
        if (s->slot) {
            return true;
        }
    }
    return false;
}

void sends_cancel(struct notify *n)
{
    for (const struct send *s = n->sends; s; s = s->next) {
        if (s->slot) {
            http_fetch_cancel(s->slot->http);
        }
    }
}

void sends_drop(struct notify *n)
{
    for (struct send *s = n->sends; s;) {
        struct send *next = s->next;
        s->group->sends = 0;
        send_free(s);
        s = next;
    }
    n->sends = NULL;
}

// ---- one try ----

static void reply_done(void *ctx, const struct http_reply *reply)
{
    struct send *s = ctx;
    struct notify *n = s->owner;
    s->status = reply->status;
    s->failed = reply->failure != HTTP_FAIL_NONE || reply->status / 100 != 2;
    const str why = reply->failure != HTTP_FAIL_NONE
                        ? str_c(reply->error.text)
                        : str_sub(reply->body, 0, sizeof(s->error) - 1);
    const size_t len = s->failed ? MIN(why.len, sizeof(s->error) - 1) : 0;
    memcpy(s->error, why.ptr ? why.ptr : "", len);
    s->error[len] = '\0';
    s->finished = true; // From here on s is the notifier's thread's, which may free it.
    notify_poke(n);
}

// A free connection. NULL with e->code ERR_NONE if all are taken.
static struct page_slot *slot_get(struct notify *n, struct integration *in, struct error *e)
{
    struct page_slot *empty = NULL;
    u32 busy = 0;
    for (u32 i = 0; i < NOTIFY_SLOTS; i++) {
        struct page_slot *slot = &in->slots[i];
        if (slot->busy) {
            busy++;
        } else if (slot->http && slot->generation == in->generation) {
            return slot;
        } else {
            empty = slot;
        }
    }
    if (empty && integration_slot_make(n, in, empty, e)) {
        return empty;
    }
    if (busy > 0) {
        *e = (struct error){0}; // Those that there are must do.
    }
    return NULL;
}

static void send_fail(struct send *s, const struct error *e)
{
    s->status = 0;
    s->failed = true;
    memcpy(s->error, e->text, sizeof(s->error) - 1);
    s->finished = true;
}

// Sends the page if there is a connection for it.
static void send_start(struct notify *n, struct send *s)
{
    static const struct http_pair headers[] = {
        {{"Content-Type", 12}, {"application/json", 16}},
        {{"User-Agent", 10},
         {"Tidemark/" TIDEMARK_VERSION, sizeof("Tidemark/" TIDEMARK_VERSION) - 1}}};
    struct integration *in = &n->plan->integrations[s->integration];
    const i64 timeout_ms =
        in->section->timeout_ms > 0 ? in->section->timeout_ms : NOTIFY_TIMEOUT_MS;
    const struct http_fetch fetch = {.method = HTTP_POST,
                                     .headers = headers,
                                     .header_count = ARRAY_LEN(headers),
                                     .body = buf_get(&s->payload),
                                     .timeout_ms = (u32)MIN(timeout_ms, (i64)UINT32_MAX),
                                     .done = reply_done,
                                     .ctx = s};
    struct error e = {0};
    integration_url_look(n, in);
    struct page_slot *slot = slot_get(n, in, &e);
    if (!slot && e.code == ERR_NONE) {
        return; // The next answer frees one, and wakes us.
    }
    s->attempt++;
    s->finished = false;
    s->started = true;
    notify_count(n->metrics, NOTIFY_COUNT_SENT, 1);
    if (slot) {
        s->slot = slot;
        slot->busy = true;
    }
    if (!slot || !http_fetch_start(slot->http, &fetch, &e)) {
        send_fail(s, &e);
    }
}

// A 4xx says that the same page will fail again; everything else may pass (429 too).
static bool may_retry(const struct send *s)
{
    return s->status / 100 != 4 || s->status == 429;
}

static i64 backoff_ms(u32 attempt)
{
    i64 ms = BACKOFF_FIRST_MS;
    for (u32 i = 1; i < attempt && ms < BACKOFF_MAX_MS; i++) {
        ms *= 2;
    }
    return MIN(ms, BACKOFF_MAX_MS);
}

// Looks at an answer. true: this page is over, well or not.
static bool send_finish(struct notify *n, struct send *s, i64 now_ms, i64 mono_ms)
{
    s->started = false;
    if (s->slot) {
        s->slot->busy = false;
        s->slot = NULL;
    }
    if (!s->failed) {
        notify_log_put(n, s, now_ms);
        notify_delivery_note(n, s, DELIVERY_OK, now_ms);
        return true;
    }
    notify_count(n->metrics, NOTIFY_COUNT_FAILED, 1);
    const i64 next_ms = mono_ms + backoff_ms(s->attempt);
    const bool again = may_retry(s) && next_ms < MIN(s->give_up_mono_ms, n->stop_by_mono_ms);
    notify_delivery_note(n, s, again ? DELIVERY_RETRYING : DELIVERY_FAILED, now_ms);
    LOGF(n->deps.log, again ? LOG_WARN : LOG_ERROR,
         "page to receiver %.*s failed (attempt %u, status %u): %s",
         STR_ARG(n->plan->receiver->name), s->attempt, s->status, s->error);
    s->next_try_mono_ms = next_ms;
    return !again;
}

void sends_finish(struct notify *n, i64 now_ms, i64 mono_ms)
{
    for (struct send **at = &n->sends; *at;) {
        struct send *s = *at;
        if (!s->started || !s->finished || !send_finish(n, s, now_ms, mono_ms)) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        s->group->sends--;
        (void)alert_group_tidy(n, s->group);
        send_free(s);
    }
}

i64 sends_start(struct notify *n, i64 mono_ms)
{
    i64 next_ms = INT64_MAX;
    for (struct send *s = n->sends; s; s = s->next) {
        if (s->started) {
            continue;
        }
        if (s->next_try_mono_ms > mono_ms) {
            next_ms = MIN(next_ms, s->next_try_mono_ms);
            continue;
        }
        send_start(n, s);
        if (s->started && s->finished) {
            next_ms = mono_ms; // It is over already.
        }
    }
    return next_ms;
}
