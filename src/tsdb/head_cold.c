#include "tsdb/head_cold.h"

#include "base/checked.h"
#include "base/hash.h"
#include "tsdb/head_series.h"
#include "tsdb/head_settle.h"

void cold_list_fini(struct cold_list *l)
{
    mem_free(l->items);
    *l = (struct cold_list){0};
}

static void list_add(struct cold_list *l, struct cold_series s)
{
    if (l->n == l->cap) {
        l->cap = MAX(256U, l->cap * 2);
        l->items = MEM_GROW(l->items, l->cap, struct cold_series);
    }
    l->items[l->n++] = s;
}

static bool is_left_alone(const struct head_row *r)
{
    return (r->open.flags & ROW_IDLE) && !head_row_asked(r);
}

// With the lock. *t: its newest sample.
static bool may_leave(const struct head *h, const struct cold_rule *rule, u32 ordinal, i64 *t)
{
    const struct head_row *r = &h->rows[ordinal];
    f64 value;
    return r->own != 0 && is_left_alone(r) && head_row_newest(r, t, &value) &&
           *t < (is_stale_nan(value) ? rule->ended_before : rule->silent_before);
}

u32 head_cold_count(struct head *h, const struct cold_rule *rule)
{
    u32 n = 0;
    i64 t;
    bool more = true;
    for (u32 from = 0; more; from += HEAD_SLICE) {
        lock_take(&h->lock);
        for (u32 i = from; i < h->count && i < from + HEAD_SLICE; i++) {
            n += may_leave(h, rule, i, &t);
        }
        more = h->idle > 0 && from + HEAD_SLICE < h->count;
        lock_drop(&h->lock);
    }
    return n;
}

// With the turn and the lock: of whom the log is still to hear stays.
static void pending_keep(struct head *h)
{
    for (u32 i = 0; i < h->pending_count; i++) {
        struct head_row *r = &h->rows[h->pending[i]];
        r->open.flags |= r->open.flags & ROW_IDLE ? ROW_ASKED : 0;
    }
}

static u64 check_begin(struct tenant_id tenant)
{
    return hash_mix(tenant.v, 0x636f6c64); // Another beginning than that of head_key_hash.
}

static u64 check_add(u64 check, str name, str value)
{
    return hash_mix(hash_mix(check, hash_xxh64(name.ptr, name.len)),
                    hash_xxh64(value.ptr, value.len));
}

u64 head_key_check(struct tenant_id tenant, struct labels set)
{
    u64 check = check_begin(tenant);
    for (u32 i = 0; i < set.count; i++) {
        check = check_add(check, set.items[i].name, set.items[i].value);
    }
    return check;
}

static u64 row_check(const struct head *h, u32 ordinal)
{
    const struct head_index *x = &h->index;
    struct pair_walk w = head_pair_walk(h, ordinal);
    u64 check = check_begin((struct tenant_id){h->rows[ordinal].tenant});
    (void)pair_walk_next(&w); // The tenant's.
    for (u32 n = head_label_count(h, ordinal); n > 0; n--) {
        const struct head_pair *p = &x->pairs[pair_walk_next(&w)];
        check = check_add(check, symtab_get(x->symbols, x->names[p->name].symbol),
                          symtab_get(x->symbols, p->value));
    }
    return check;
}

static bool row_end(const struct head *h, u32 ordinal, i64 *t)
{
    return head_ends_maybe(&h->ends, h->hash[ordinal]) &&
           head_ends_find(&h->ends, h->hash[ordinal], row_check(h, ordinal), t);
}

void head_cold_pick(struct head *h, const struct cold_rule *rule, struct cold_list *out)
{
    head_turn_take(h);
    for (u32 from = 0; from < h->count; from += HEAD_SLICE) {
        if (from > 0) {
            head_turn_drop(h);
            head_turn_take(h);
        }
        lock_take(&h->lock);
        pending_keep(h);
        for (u32 i = from; i < h->count && i < from + HEAD_SLICE; i++) {
            i64 t;
            if (may_leave(h, rule, i, &t)) {
                list_add(out, (struct cold_series){i, h->rows[i].generation, t});
                head_ends_put(&h->ends, (struct head_end){h->hash[i], row_check(h, i), t});
            }
        }
        lock_drop(&h->lock);
    }
    head_turn_drop(h);
}

bool head_cold_still(const struct head *h, const struct cold_series *s)
{
    i64 t;
    f64 value;
    const struct head_row *r = s->ordinal < h->count ? &h->rows[s->ordinal] : NULL;
    return r && r->own != 0 && r->generation == s->generation && is_left_alone(r) &&
           head_row_newest(r, &t, &value) && t == s->t_end;
}

// With the turn and the lock: the windows know nothing of it any more.
static void row_clear(struct head *h, u32 ordinal)
{
    for (u32 i = 0; i < h->window_count; i++) {
        struct head_window *w = h->windows[i];
        if (window_chunk(w, ordinal) != SEALED_NONE) {
            *window_chunk_place(w, ordinal) = SEALED_NONE;
        }
        window_late_drop(w, ordinal);
    }
}

// With the turn and the lock. Returns how many of the slice left.
static u32 slice_forget(struct head *h, const struct cold_series *items, u32 n, u64 segment)
{
    u32 ordinals[HEAD_SLICE];
    u32 left = 0;
    pending_keep(h);
    for (u32 i = 0; i < n; i++) {
        if (head_cold_still(h, &items[i])) {
            row_clear(h, items[i].ordinal);
            head_series_leave(h, items[i].ordinal);
            ordinals[left++] = items[i].ordinal;
        }
    }
    head_gone_add(h, ordinals, left, segment);
    return left;
}

u32 head_cold_forget(struct head *h, const struct cold_list *l, u64 segment)
{
    u32 left = 0;
    for (u32 from = 0; from < l->n; from += HEAD_SLICE) {
        head_turn_take(h);
        lock_take(&h->lock);
        left += slice_forget(h, l->items + from, MIN(HEAD_SLICE, l->n - from), segment);
        lock_drop(&h->lock);
        head_turn_drop(h);
    }
    head_turn_take(h);
    lock_take(&h->lock);
    head_parts_pack(&h->parts);
    lock_drop(&h->lock);
    head_turn_drop(h);
    return left;
}

void head_end_take(struct head *h, u32 ordinal)
{
    i64 t;
    if (row_end(h, ordinal, &t)) {
        h->rows[ordinal].t_last = t;
        h->rows[ordinal].open.flags |= ROW_COLD;
    }
}

void head_ends_take(struct head *h)
{
    lock_take(&h->lock);
    for (u32 i = 0; h->ends.n > 0 && i < h->count; i++) {
        struct head_row *r = &h->rows[i];
        i64 t;
        if (r->own == 0 || !row_end(h, i, &t) || (r->t_last != T_NEVER && r->t_last > t)) {
            continue;
        }
        CHECK(r->open.n == 0); // An image seals it.
        row_clear(h, i);
        r->t_last = t;
        r->v_last = 0;
        r->open.flags |= ROW_COLD;
    }
    lock_drop(&h->lock);
}

bool head_end_covers(const struct head *h, u32 ordinal, i64 t)
{
    i64 end;
    return row_end(h, ordinal, &end) && t <= end;
}

i64 head_end_of(const struct head *h, u32 ordinal, i64 t_last)
{
    i64 end;
    return row_end(h, ordinal, &end) ? MAX(end, t_last) : t_last;
}

void head_ends_short(struct head *h)
{
    for (u32 i = 0; i < h->ends.n; i++) {
        h->t_short = MAX(h->t_short, sat_add_i64(h->ends.items[i].t, 1));
    }
}
