#include "tsdb/head_image_parts.h"

#include "base/buf.h"
#include "base/dec.h"
#include "base/hash.h"
#include "base/str.h"
#include "tsdb/head.h"
#include "tsdb/head_restore.h"
#include "tsdb/wal_entry.h"
#include "tsdb/wal_record.h"

#define DROP_SLICE 1024U // References given back per hold of the lock.

static const struct labels_limits no_limits;

void image_parts_out_init(struct image_parts_out *p, struct head *h)
{
    *p = (struct image_parts_out){.head = h};
}

void image_parts_out_fini(struct image_parts_out *p)
{
    struct head *h = p->head;
    for (u32 from = 0; from < p->count; from += DROP_SLICE) {
        head_turn_take(h);
        lock_take(&h->lock);
        for (u32 i = from; i < p->count && i < from + DROP_SLICE; i++) {
            head_part_unref(&h->parts, p->held[i]);
        }
        lock_drop(&h->lock);
        head_turn_drop(h);
    }
    mem_free(p->numbers);
    mem_free(p->names);
    mem_free(p->held);
    *p = (struct image_parts_out){0};
}

static void numbers_grow(u32 **numbers, u32 *cap, u32 index)
{
    if (index >= *cap) {
        u32 count = MAX(64U, index + 1 + index / 4);
        *numbers = MEM_GROW(*numbers, count, u32);
        memset(*numbers + *cap, 0, (count - *cap) * sizeof(u32));
        *cap = count;
    }
}

static void name_put(struct image_parts_out *p, struct buf *out, u32 name)
{
    const struct head_index *x = &p->head->index;
    numbers_grow(&p->names, &p->name_cap, name);
    buf_varint(out, p->names[name]);
    if (p->names[name] == 0) {
        buf_lenstr(out, symtab_get(x->symbols, x->names[name].symbol));
        p->names[name] = ++p->name_count;
    }
}

static void part_put(struct image_parts_out *p, struct buf *out, u32 part, u32 target_of)
{
    const struct head *h = p->head;
    const struct label_part *l = &h->parts.parts[part];
    const bool target = target_of != PART_NONE;
    buf_byte(out, target);
    buf_varint(out, target ? h->rows[target_of].tenant : l->mask);
    buf_varint(out, l->count - target); // The tenant's label is known by that.
    for (u32 i = target; i < l->count; i++) {
        const struct head_pair *pair = &h->index.pairs[h->parts.pool[l->at + i]];
        name_put(p, out, pair->name);
        buf_lenstr(out, symtab_get(h->index.symbols, pair->value));
    }
}

// With turn and lock. Told and held if it is new.
static bool part_take(struct image_parts_out *p, u32 part)
{
    numbers_grow(&p->numbers, &p->cap, part);
    if (p->numbers[part] != 0) {
        return false;
    }
    if (p->count == p->held_cap) {
        p->held_cap = MAX(64U, p->held_cap * 2);
        p->held = MEM_GROW(p->held, p->held_cap, u32);
    }
    p->held[p->count++] = part;
    p->numbers[part] = p->count;
    head_part_ref(&p->head->parts, part);
    return true;
}

static void parts_put(struct image_parts_out *p, struct buf *out, const u32 *ordinals, u32 n,
                      u32 salt)
{
    struct head *h = p->head;
    u32 fresh[2 * IMAGE_SLICE_MAX];
    u32 targets_of[2 * IMAGE_SLICE_MAX]; // A series of the target; PART_NONE: an own part.
    u32 count = 0;
    lock_take(&h->lock);
    for (u32 i = 0; i < n; i++) {
        const u32 at = ordinals[i];
        if (part_take(p, h->target[at])) {
            targets_of[count] = at;
            fresh[count++] = h->target[at];
        }
        if (part_take(p, h->rows[at].own - 1)) {
            targets_of[count] = PART_NONE;
            fresh[count++] = h->rows[at].own - 1;
        }
    }
    lock_drop(&h->lock);
    if (count == 0) {
        return;
    }
    size_t mark = wal_record_begin(out);
    buf_varint(out, count);
    for (u32 i = 0; i < count; i++) {
        part_put(p, out, fresh[i], targets_of[i]);
    }
    wal_record_end(out, mark, WAL_IMAGE_PARTS, salt);
}

static void series_put(const struct image_parts_out *p, struct buf *out, const u32 *ordinals, u32 n,
                       u32 salt)
{
    const struct head *h = p->head;
    u32 ordinal = 0;
    i64 target = 0;
    i64 own = 0;
    size_t mark = wal_record_begin(out);
    buf_varint(out, n);
    for (u32 i = 0; i < n; i++) {
        const i64 t = p->numbers[h->target[ordinals[i]]];
        const i64 o = p->numbers[h->rows[ordinals[i]].own - 1];
        buf_varint(out, ordinals[i] - ordinal);
        buf_varsint(out, t - target);
        buf_varsint(out, o - own);
        ordinal = ordinals[i];
        target = t;
        own = o;
    }
    wal_record_end(out, mark, WAL_IMAGE_SERIES, salt);
}

void image_parts_put(struct image_parts_out *p, struct buf *out, const u32 *ordinals, u32 n,
                     u32 salt)
{
    const struct head *h = p->head;
    u32 split[IMAGE_SLICE_MAX];
    u32 whole[IMAGE_SLICE_MAX] = {0};
    u32 split_n = 0;
    u32 whole_n = 0;
    CHECK(n <= IMAGE_SLICE_MAX);
    for (u32 i = 0; i < n; i++) {
        if (h->target[ordinals[i]] != PART_NONE) {
            split[split_n++] = ordinals[i];
        } else {
            whole[whole_n++] = ordinals[i];
        }
    }
    wal_put_series(out, h, whole, whole_n, salt);
    if (split_n > 0) {
        parts_put(p, out, split, split_n, salt);
        series_put(p, out, split, split_n, salt);
    }
}

// A part as the reader knows it; it holds one reference. Threads: owned by the reader.
struct image_part {
    u64 mask;
    struct tenant_id tenant; // Of a target.
    u32 part;
    u32 group; // 0: an own part.
    u32 shape; // Of a target; of an own part, the one it was found to fit last.
    u32 hash_at;
    u32 count; // Labels, without the tenant's.
};

void image_parts_in_init(struct image_parts_in *p, struct head *h, u32 slots_max)
{
    *p = (struct image_parts_in){.head = h, .slots_max = slots_max};
}

void image_parts_in_fini(struct image_parts_in *p)
{
    for (u32 i = 0; i < p->count; i++) {
        head_restore_drop(p->head, p->parts[i].part);
    }
    mem_free(p->names);
    mem_free(p->parts);
    mem_free(p->hashes);
    *p = (struct image_parts_in){0};
}

static str name_get(struct image_parts_in *p, struct dec *d)
{
    u64 number = dec_varint(d);
    if (number > p->name_count) {
        dec_fail(d);
        return STR_EMPTY;
    }
    if (number > 0) {
        return p->names[number - 1];
    }
    if (p->name_count == p->name_cap) {
        p->name_cap = MAX(64U, p->name_cap * 2);
        p->names = MEM_GROW(p->names, p->name_cap, str);
    }
    return p->names[p->name_count++] = dec_lenstr(d);
}

static void hash_add(struct image_parts_in *p, str text)
{
    if (p->hash_count == p->hash_cap) {
        p->hash_cap = MAX(1024U, p->hash_cap * 2);
        p->hashes = MEM_GROW(p->hashes, p->hash_cap, u64);
    }
    p->hashes[p->hash_count++] = hash_str(text);
}

static u32 name_at(const struct head *h, u32 part, u32 i)
{
    return h->index.pairs[h->parts.pool[h->parts.parts[part].at + i]].name;
}

static bool names_same(const struct head *h, u32 a, u32 b)
{
    const u32 n = h->parts.parts[a].count;
    bool same = n == h->parts.parts[b].count;
    for (u32 i = 0; same && i < n; i++) {
        same = name_at(h, a, i) == name_at(h, b, i);
    }
    return same;
}

// Targets of one kind are offered the same few sets of names, each narrower than the one before, so
// those met lately are looked through.
static u32 shape_of(struct image_parts_in *p, u32 part)
{
    const u32 kept = MIN(p->shape, IMAGE_SHAPES);
    for (u32 i = 0; i < kept; i++) {
        const u32 shape = p->shape - i;
        if (names_same(p->head, p->shapes[shape % IMAGE_SHAPES], part)) {
            return shape;
        }
    }
    p->shape++;
    p->shapes[p->shape % IMAGE_SHAPES] = part;
    return p->shape;
}

static bool target_add(struct image_parts_in *p, struct labels set, struct image_part *new)
{
    struct head_target target;
    if (!head_restore_target(p->head, new->tenant, set, &target)) {
        return false;
    }
    new->part = target.part;
    new->group = target.group;
    new->shape = shape_of(p, new->part);
    return true;
}

// Its labels at their places in the whole set.
static bool own_add(struct image_parts_in *p, struct labels set, struct image_part *new)
{
    struct label items[PART_BITS];
    u32 n = 0;
    u32 at = 0;
    if (set.count + (u32)__builtin_popcountll(new->mask) > PART_BITS) {
        return false;
    }
    while (at < set.count || (n < PART_BITS && new->mask >> n != 0)) {
        bool theirs = new->mask >> n & 1;
        if (!theirs && at == set.count) {
            return false; // It speaks of labels behind a gap.
        }
        items[n++] = theirs ? (struct label){0} : set.items[at++];
    }
    new->part = head_restore_own(p->head, items, n, new->mask);
    return new->part != PART_NONE;
}

// Nobody holds it but its reader, and its group if it is a target: it was not told before. So a
// part that more hold than these has a series (image_parts_whole).
static bool part_is_new(const struct image_parts_in *p, const struct image_part *new)
{
    const bool of_group = new->group != 0 && p->head->groups[new->group - 1].target == new->part;
    return p->head->parts.parts[new->part].refs == 1U + of_group;
}

static bool part_get(struct image_parts_in *p, struct dec *d)
{
    struct label items[PART_BITS];
    struct image_part new = {.hash_at = p->hash_count};
    u8 target = dec_u8(d);
    u64 word = dec_varint(d);
    u64 n = dec_varint(d);
    if (!dec_ok(d) || target > 1 || n > PART_BITS - target || (target && word > UINT32_MAX)) {
        return false;
    }
    new.count = (u32)n;
    for (u32 i = 0; i < new.count; i++) {
        items[i].name = name_get(p, d);
        items[i].value = dec_lenstr(d);
        hash_add(p, items[i].name);
        hash_add(p, items[i].value);
    }
    const struct labels set = {.items = items, .count = new.count};
    if (!dec_ok(d) || !labels_check(set, &no_limits, NULL)) {
        return false;
    }
    if (p->count == p->cap) {
        p->cap = MAX(256U, p->cap * 2);
        p->parts = MEM_GROW(p->parts, p->cap, struct image_part);
    }
    new.tenant.v = target ? (u32)word : 0;
    new.mask = target ? 0 : word;
    bool ok = target ? target_add(p, set, &new) : own_add(p, set, &new);
    if (ok) {
        p->parts[p->count++] = new;
    }
    return ok && part_is_new(p, &new);
}

bool image_parts_get(struct image_parts_in *p, str payload)
{
    struct dec d = dec_of(payload);
    u64 n = dec_varint(&d);
    bool ok = true;
    for (u64 i = 0; ok && i < n; i++) {
        ok = part_get(p, &d);
    }
    return ok && dec_ok(&d) && dec_left(&d) == 0;
}

bool image_parts_whole(const struct image_parts_in *p)
{
    for (u32 i = 0; i < p->count; i++) {
        const struct image_part *part = &p->parts[i];
        if (p->head->parts.parts[part->part].refs < 2 ||
            (part->group != 0 && p->head->groups[part->group - 1].series == 0)) {
            return false;
        }
    }
    return true;
}

// Whether both make one set, its names in order.
static bool parts_fit(const struct image_parts_in *p, const struct image_part *target,
                      struct image_part *own)
{
    const struct head_index *x = &p->head->index;
    if (own->shape == target->shape) {
        return true;
    }
    const u32 theirs = (u32)__builtin_popcountll(own->mask);
    if (theirs != target->count + 1 || !(own->mask & 1)) {
        return false;
    }
    struct pair_walk w = head_parts_walk(&p->head->parts, target->part, own->part);
    str before = STR_EMPTY; // The name of the tenant's label.
    (void)pair_walk_next(&w);
    for (u32 n = target->count + own->count; n > 0; n--) {
        str name = symtab_get(x->symbols, x->names[x->pairs[pair_walk_next(&w)].name].symbol);
        if (str_cmp(before, name) >= 0) {
            return false;
        }
        before = name;
    }
    own->shape = target->shape;
    return true;
}

// As labels_hash of the whole set.
static u64 parts_hash(const struct image_parts_in *p, const struct image_part *target,
                      const struct image_part *own)
{
    const u64 *theirs = p->hashes + target->hash_at;
    const u64 *mine = p->hashes + own->hash_at;
    u64 mask = own->mask >> 1;
    u64 hash = 0;
    for (u32 n = target->count + own->count; n > 0; n--, mask >>= 1) {
        const u64 **from = mask & 1 ? &theirs : &mine;
        hash = hash_mix(hash_mix(hash, (*from)[0]), (*from)[1]);
        *from += 2;
    }
    return hash;
}

// Series of one target that follow each other. Threads: owned by the call.
struct target_run {
    u32 ordinals[IMAGE_SLICE_MAX];
    u32 owns[IMAGE_SLICE_MAX];
    u64 hashes[IMAGE_SLICE_MAX];
    i64 target; // Its number; 0 = none yet.
    u32 n;
};

static bool run_end(struct image_parts_in *p, struct target_run *run)
{
    if (run->n == 0) {
        return true;
    }
    const struct image_part *target = &p->parts[run->target - 1];
    const struct head_restored_run done = {.tenant = target->tenant,
                                           .target = {target->part, target->group},
                                           .n = run->n,
                                           .ordinals = run->ordinals,
                                           .owns = run->owns,
                                           .hashes = run->hashes};
    run->n = 0;
    return head_restore_run(p->head, &done);
}

static bool run_add(struct image_parts_in *p, struct target_run *run, u32 ordinal, i64 own)
{
    const struct image_part *target = &p->parts[run->target - 1];
    struct image_part *part = &p->parts[own - 1];
    if (target->group == 0 || part->group != 0 || !parts_fit(p, target, part)) {
        return false;
    }
    run->ordinals[run->n] = ordinal;
    run->owns[run->n] = part->part;
    run->hashes[run->n++] = parts_hash(p, target, part);
    return true;
}

bool image_series_get(struct image_parts_in *p, str payload)
{
    struct target_run run = {.n = 0};
    struct dec d = dec_of(payload);
    u64 n = dec_varint(&d);
    u64 ordinal = 0;
    u64 target = 0;
    u64 own = 0;
    bool ok = true;
    for (u64 i = 0; ok && i < n; i++) {
        u64 step = dec_varint(&d);
        target += (u64)dec_varsint(&d); // Wraps: what is out of range is refused.
        own += (u64)dec_varsint(&d);
        ok = dec_ok(&d) && step < p->slots_max && (i == 0 || step > 0) && target - 1 < p->count &&
             own - 1 < p->count;
        ordinal += step;
        ok = ok && ordinal >= p->slots_min && ordinal < p->slots_max;
        if (ok && ((i64)target != run.target || run.n == IMAGE_SLICE_MAX)) {
            ok = run_end(p, &run);
            run.target = (i64)target;
        }
        ok = ok && run_add(p, &run, (u32)ordinal, (i64)own);
    }
    return ok && dec_ok(&d) && dec_left(&d) == 0 && run_end(p, &run);
}
