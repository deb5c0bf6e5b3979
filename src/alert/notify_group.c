// notify_group.c: alerts into groups, and the log of what each receiver was told.
#include "alert/notify_inner.h"
#include "base/arena.h"
#include "base/hash.h"
#include "base/str.h"

#include <stdlib.h>

#define ALERT_BYTES_MAX ((size_t)16 << 20) // A key may be twice its labels, escaped.

// ---- alerts ----

static size_t labels_bytes(struct labels ls)
{
    size_t bytes = 0;
    for (u32 i = 0; i < ls.count; i++) {
        bytes += sizeof(struct label) + ls.items[i].name.len + ls.items[i].value.len;
    }
    return bytes;
}

struct held_alert *held_alert_new(const struct alert *alert, i64 now_ms)
{
    if (labels_bytes(alert->labels) + labels_bytes(alert->annotations) + alert->generator_url.len >
        NOTIFY_ALERT_BYTES_MAX) {
        return NULL;
    }
    struct arena *memory = arena_new(ALERT_BYTES_MAX);
    struct held_alert *a = ARENA_NEW(memory, struct held_alert);
    a->memory = memory;
    a->labels = labels_copy(memory, alert->labels);
    a->annotations = labels_copy(memory, alert->annotations);
    a->generator_url = arena_str(memory, alert->generator_url);
    a->fingerprint = labels_fingerprint(a->labels);
    a->starts_at_ms = alert->starts_at_ms > 0 ? alert->starts_at_ms : now_ms;
    a->ends_at_ms = alert->ends_at_ms;
    a->updated_ms = now_ms;
    return a;
}

void held_alert_free(struct held_alert *a)
{
    if (a) {
        arena_free(a->memory);
    }
}

// ---- groups ----

static struct labels group_labels(const struct notify_plan *p, struct labels ls, struct arena *a)
{
    if (p->group_by_all) {
        return labels_copy(a, ls);
    }
    struct labels_builder b;
    labels_builder_init(&b, a, (struct labels){0});
    for (u32 i = 0; i < p->conf.route.group_by_count; i++) {
        const str name = p->conf.route.group_by[i];
        labels_builder_set(&b, name, labels_get(ls, name));
    }
    return labels_copy(a, labels_builder_take(&b));
}

static struct alert_group *group_of(struct notify *n, const struct held_alert *a)
{
    struct arena *memory = arena_new(ALERT_BYTES_MAX);
    const struct labels labels = group_labels(n->plan, a->labels, memory);
    for (u32 i = 0; i < n->group_count; i++) {
        if (labels_eq(n->groups[i]->labels, labels)) {
            arena_free(memory);
            return n->groups[i];
        }
    }
    struct alert_group *g = ARENA_NEW(memory, struct alert_group);
    struct buf key;
    buf_init(&key, ALERT_BYTES_MAX);
    buf_c(&key, "{}:");
    labels_print(&key, labels);
    g->memory = memory;
    g->labels = labels;
    g->key = arena_str(memory, buf_get(&key));
    buf_fini(&key);
    if (n->group_count == n->group_cap) {
        n->group_cap = MAX(16, n->group_cap * 2);
        n->groups = MEM_GROW(n->groups, n->group_cap, struct alert_group *);
    }
    n->groups[n->group_count++] = g;
    return g;
}

void alert_group_free(struct alert_group *g)
{
    for (u32 i = 0; i < g->count; i++) {
        held_alert_free(g->alerts[i]);
    }
    mem_free(g->alerts);
    arena_free(g->memory);
}

static void group_add(struct notify *n, struct alert_group *g, struct held_alert *a)
{
    if (g->count == g->cap) {
        g->cap = MAX(4, g->cap * 2);
        g->alerts = MEM_GROW(g->alerts, g->cap, struct held_alert *);
    }
    g->alerts[g->count++] = a;
    n->alert_count++;
}

// The same alert again: the earlier start stays while it goes on.
static void alert_replace(struct held_alert **slot, struct held_alert *a)
{
    struct held_alert *old = *slot;
    const bool goes_on = old->ends_at_ms == 0 || old->ends_at_ms >= a->starts_at_ms;
    if (goes_on && old->starts_at_ms < a->starts_at_ms) {
        a->starts_at_ms = old->starts_at_ms;
    }
    held_alert_free(old);
    *slot = a;
}

void groups_insert(struct notify *n, struct held_alert *a, i64 now_ms, i64 mono_ms)
{
    if (!n->plan || !n->plan->has_receivers || n->alert_count >= NOTIFY_ALERTS_MAX) {
        if (n->alert_count >= NOTIFY_ALERTS_MAX) {
            notify_count(n->metrics, NOTIFY_COUNT_DROPPED, 1);
        }
        held_alert_free(a);
        return;
    }
    if (a->ends_at_ms == 0) {
        a->ends_at_ms = now_ms + n->plan->conf.global.resolve_timeout_ms;
    }
    const u32 groups_before = n->group_count;
    struct alert_group *g = group_of(n, a);
    for (u32 i = 0; i < g->count; i++) {
        if (g->alerts[i]->fingerprint == a->fingerprint &&
            labels_eq(g->alerts[i]->labels, a->labels)) {
            alert_replace(&g->alerts[i], a);
            return;
        }
    }
    group_add(n, g, a);
    if (n->group_count > groups_before) {
        const i64 wait_ms = n->plan->conf.route.group_wait_ms;
        // An alert that is older than the wait has waited enough (a restart).
        g->due_mono_ms = mono_ms + (a->starts_at_ms + wait_ms < now_ms ? 0 : wait_ms);
    }
}

// True once every integration that tells resolves has told this one.
static bool resolve_told(struct notify *n, const struct alert_group *g, u64 fingerprint)
{
    for (u32 i = 0; i < n->plan->integration_count; i++) {
        const struct log_entry *entry = notify_log_get(n, notify_log_key(n, g, i));
        for (u32 k = 0; entry && k < entry->firing_count; k++) {
            if (entry->firing[k] == fingerprint) {
                return false; // Still told firing.
            }
        }
    }
    return true;
}

bool alert_group_tidy(struct notify *n, struct alert_group *g)
{
    u32 kept = 0;
    for (u32 i = 0; i < g->count; i++) {
        struct held_alert *a = g->alerts[i];
        const bool done = g->flushed && held_alert_is_resolved(a, g->flush_t_ms) &&
                          a->updated_ms <= g->flush_t_ms && resolve_told(n, g, a->fingerprint);
        if (done) {
            held_alert_free(a);
            n->alert_count--;
        } else {
            g->alerts[kept++] = a;
        }
    }
    g->count = kept;
    if (kept > 0 || g->sends > 0) {
        return false;
    }
    for (u32 i = 0; i < n->group_count; i++) {
        if (n->groups[i] == g) {
            n->groups[i] = n->groups[--n->group_count];
            break;
        }
    }
    alert_group_free(g);
    return true;
}

void groups_regroup(struct notify *n, i64 now_ms, i64 mono_ms)
{
    struct alert_group **old = n->groups;
    const u32 count = n->group_count;
    n->groups = NULL;
    n->group_count = 0;
    n->group_cap = 0;
    n->alert_count = 0;
    for (u32 i = 0; i < count; i++) {
        for (u32 k = 0; k < old[i]->count; k++) {
            groups_insert(n, old[i]->alerts[k], now_ms, mono_ms);
        }
        old[i]->count = 0;
        alert_group_free(old[i]);
    }
    mem_free(old);
}

// ---- the notification log ----

u64 notify_log_key(const struct notify *n, const struct alert_group *g, u32 integration)
{
    return hash_mix(hash_mix(hash_str(g->key), hash_str(n->plan->receiver->name)), integration);
}

struct log_entry *notify_log_get(struct notify *n, u64 key)
{
    for (u32 i = 0; i < n->log_count; i++) {
        if (n->log[i].key == key) {
            return &n->log[i];
        }
    }
    return NULL;
}

static void log_entry_fini(struct log_entry *entry)
{
    mem_free(entry->firing);
    mem_free(entry->resolved);
}

// What is older than twice the repeat interval can decide nothing any more.
static void log_expire(struct notify *n, i64 now_ms)
{
    const i64 old_ms = now_ms - 2 * n->plan->conf.route.repeat_interval_ms;
    u32 kept = 0;
    for (u32 i = 0; i < n->log_count; i++) {
        if (n->log[i].t_ms < old_ms) {
            log_entry_fini(&n->log[i]);
        } else {
            n->log[kept++] = n->log[i];
        }
    }
    n->log_count = kept;
}

static void log_forget_oldest(struct notify *n)
{
    u32 oldest = 0;
    for (u32 i = 1; i < n->log_count; i++) {
        oldest = n->log[i].t_ms < n->log[oldest].t_ms ? i : oldest;
    }
    log_entry_fini(&n->log[oldest]);
    n->log[oldest] = n->log[--n->log_count];
}

static u64 *hashes_copy(const u64 *from, u32 count)
{
    u64 *copy = MEM_NEW_N(u64, count + 1U);
    if (count > 0) {
        memcpy(copy, from, count * sizeof(u64));
    }
    return copy;
}

void notify_log_put(struct notify *n, const struct send *s, i64 now_ms)
{
    const u64 key = notify_log_key(n, s->group, s->integration);
    struct log_entry *entry = notify_log_get(n, key);
    if (entry) {
        log_entry_fini(entry);
    } else {
        if (n->log_count == NOTIFY_LOG_MAX) {
            log_expire(n, now_ms);
        }
        if (n->log_count == NOTIFY_LOG_MAX) { // Then the oldest: at worst it is told again.
            log_forget_oldest(n);
        }
        if (n->log_count == n->log_cap) {
            n->log_cap = MAX(64, n->log_cap * 2);
            n->log = MEM_GROW(n->log, n->log_cap, struct log_entry);
        }
        entry = &n->log[n->log_count++];
    }
    *entry = (struct log_entry){.key = key,
                                .firing = hashes_copy(s->firing, s->firing_count),
                                .firing_count = s->firing_count,
                                .resolved = hashes_copy(s->resolved, s->resolved_count),
                                .resolved_count = s->resolved_count,
                                .t_ms = now_ms};
}

static bool is_subset(const u64 *part, u32 part_count, const u64 *whole, u32 whole_count)
{
    for (u32 i = 0; i < part_count; i++) {
        bool found = false;
        for (u32 k = 0; k < whole_count && !found; k++) {
            found = whole[k] == part[i];
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

bool notify_needed(const struct log_entry *entry, const struct send *s, bool send_resolved,
                   i64 repeat_ms, i64 now_ms)
{
    if (!entry) {
        return s->firing_count > 0;
    }
    if (!is_subset(s->firing, s->firing_count, entry->firing, entry->firing_count)) {
        return true; // Somebody new fires.
    }
    if (s->firing_count == 0) {
        return entry->firing_count > 0; // All is well again, told once.
    }
    if (send_resolved &&
        !is_subset(s->resolved, s->resolved_count, entry->resolved, entry->resolved_count)) {
        return true;
    }
    return entry->t_ms < now_ms - repeat_ms;
}
