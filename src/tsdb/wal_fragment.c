#include "tsdb/wal_fragment.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/dec.h"
#include "base/error.h"
#include "tsdb/head.h"
#include "tsdb/wal_entry.h"
#include "tsdb/wal_record.h"

#define FLAG_BASE   1U
#define FLAG_BITMAP 2U
#define FLAGS_KNOWN (FLAG_BASE | FLAG_BITMAP)

// A changed value has a nibble that says how its bytes read.
enum value_tag {
    TAG_DELTA_1, // Integer difference from the last value, zigzag, so many bytes.
    TAG_DELTA_2,
    TAG_DELTA_3,
    TAG_DELTA_4,
    TAG_DELTA_6,
    TAG_INT_1, // An integer on its own, zigzag.
    TAG_INT_3,
    TAG_INT_6,
    TAG_XOR_1, // The highest bytes of bits XOR last bits; the others are equal.
    TAG_XOR_2,
    TAG_XOR_3,
    TAG_XOR_4,
    TAG_XOR_5,
    TAG_XOR_6,
    TAG_XOR_7,
    TAG_RAW, // Eight bytes.
};
static const u8 tag_bytes[16] = {1, 2, 3, 4, 6, 1, 3, 6, 1, 2, 3, 4, 5, 6, 7, 8};

#define INT_LIMIT 9007199254740992.0 // 2^53

static bool whole_number(f64 v, i64 *out)
{
    if (!(v > -INT_LIMIT && v < INT_LIMIT)) {
        return false;
    }
    i64 i = (i64)v;
    if (bits_of_f64((f64)i) != bits_of_f64(v)) {
        return false;
    }
    *out = i;
    return true;
}

#define NOT_A_DELTA 0xffU

// Of a difference of so many bytes.
static const u8 delta_tags[] = {TAG_DELTA_1, TAG_DELTA_1, TAG_DELTA_2, TAG_DELTA_3, TAG_DELTA_4,
                                TAG_DELTA_6, TAG_DELTA_6, NOT_A_DELTA, NOT_A_DELTA};

// The tag and the bits to store of a value whose last one, another one, the reader knows. Both ways
// are worked out, since nobody can guess which of them a value takes.
static inline enum value_tag value_tag_known(f64 v, f64 last, u64 *bits)
{
    i64 i = 0;
    i64 before = 0;
    const u32 whole = (u32)whole_number(v, &i) & (u32)whole_number(last, &before);
    const u64 z = bits_zigzag(i - before);
    const u8 delta = whole ? delta_tags[(bits_width(z) + 7) / 8] : NOT_A_DELTA;
    const u64 x = bits_of_f64(v) ^ bits_of_f64(last);
    const u32 low = (u32)__builtin_ctzll(x) / 8;
    const u64 told = low == 0 ? bits_of_f64(v) : x >> (low * 8);
    static_assert(TAG_XOR_1 + 7 == TAG_RAW, "no byte of it is equal");
    *bits = delta == NOT_A_DELTA ? told : z;
    return (enum value_tag)(delta == NOT_A_DELTA ? TAG_XOR_1 + 7 - low : delta);
}

// The same if the reader knows nothing.
static enum value_tag value_tag_new(f64 v, u64 *bits)
{
    i64 i;
    if (whole_number(v, &i) && bits_width(bits_zigzag(i)) <= 48) {
        *bits = bits_zigzag(i);
        u32 width = bits_width(*bits);
        return width <= 8 ? TAG_INT_1 : width <= 24 ? TAG_INT_3 : TAG_INT_6;
    }
    *bits = bits_of_f64(v);
    return TAG_RAW;
}

// A row's writes, and how their ordinals lie. Threads: a value.
struct row {
    struct wal_writes writes;
    u32 n;
    u32 first;
    u32 span;
    bool bitmap; // Is smaller than runs.
};

static inline u32 ordinal_at(const struct row *r, u32 i)
{
    return wal_write_at(&r->writes, i)->ordinal;
}

static struct row row_of(struct wal_writes writes, u32 n)
{
    struct row r = {.writes = writes, .n = n};
    r.first = ordinal_at(&r, 0);
    r.span = ordinal_at(&r, n - 1) - r.first + 1;
    u64 runs = 1;
    for (u32 i = 1; r.span > n && i < n; i++) {
        runs += ordinal_at(&r, i) != ordinal_at(&r, i - 1) + 1;
    }
    r.bitmap = r.span / 8 + 3ULL < runs * 2;
    return r;
}

static void put_bitmap(struct buf *out, const struct row *r)
{
    const size_t bytes = ((size_t)r->span + 7) / 8;
    char *room = buf_room(out, bytes);
    if (!room) {
        return;
    }
    memset(room, 0, bytes);
    for (u32 i = 0; i < r->n; i++) {
        u32 at = ordinal_at(r, i) - r->first;
        room[at / 8] = (char)((u8)room[at / 8] | 1U << (at % 8));
    }
    buf_commit(out, bytes);
}

static void put_presence(struct buf *out, const struct row *r)
{
    buf_varint(out, r->first);
    buf_varint(out, r->n);
    if (r->bitmap) {
        buf_varint(out, r->span);
        put_bitmap(out, r);
        return;
    }
    u32 i = 0;
    while (i < r->n) { // Runs: length, then the gap to the next.
        u32 to = r->span == r->n ? r->n : i + 1;
        while (to < r->n && ordinal_at(r, to) == ordinal_at(r, to - 1) + 1) {
            to++;
        }
        buf_varint(out, to - i);
        if (to < r->n) {
            buf_varint(out, ordinal_at(r, to) - ordinal_at(r, to - 1) - 1);
        }
        i = to;
    }
}

static void put_values(struct buf *out, struct head *h, const struct row *r, u32 epoch)
{
    const size_t changed_bytes = ((size_t)r->n + 7) / 8;
    const size_t tags_max = ((size_t)r->n + 1) / 2;
    u8 *changed = (u8 *)buf_room(out, changed_bytes + tags_max + r->n * sizeof(u64));
    if (!changed) {
        return;
    }
    u8 *tags = changed + changed_bytes;
    u8 *body = tags + tags_max; // Moves down when the tags are counted.
    u8 *at = body;
    u32 tag_count = 0;
    memset(changed, 0, changed_bytes + tags_max);
    for (u32 i = 0; i < r->n; i++) {
        const struct head_write *w = wal_write_at(&r->writes, i);
        u32 *told = &h->rows[w->ordinal].wal_epoch;
        // A box is told elsewhere: the chain does not know it.
        bool known = *told == epoch && !is_box(w->v_was);
        *told = epoch;
        if (known && bits_of_f64(w->value) == bits_of_f64(w->v_was)) {
            continue;
        }
        u64 bits = 0;
        const enum value_tag tag =
            known ? value_tag_known(w->value, w->v_was, &bits) : value_tag_new(w->value, &bits);
        changed[i / 8] |= (u8)(1U << (i % 8));
        tags[tag_count / 2] |= (u8)((u32)tag << (tag_count % 2 * 4));
        tag_count++;
        memcpy(at, &bits, sizeof(bits));
        at += tag_bytes[tag];
    }
    const size_t tags_bytes = ((size_t)tag_count + 1) / 2;
    memmove(tags + tags_bytes, body, (size_t)(at - body));
    buf_commit(out, changed_bytes + tags_bytes + (size_t)(at - body));
}

void wal_put_fragment(struct buf *out, struct head *h, struct wal_writes writes, u32 n, u64 place,
                      u32 salt)
{
    const struct row r = row_of(writes, n);
    struct head_group *g = &h->groups[wal_write_at(&writes, 0)->group - 1];
    const i64 t = wal_write_at(&writes, 0)->t;
    bool base = g->base_place != place || g->rows >= WAL_ROWS_PER_BASE || g->sequence == UINT32_MAX;
    if (base) {
        g->base_place = place;
        g->epoch = g->epoch == UINT32_MAX ? 1 : g->epoch + 1; // 0 is "unknown" in wal_epoch.
        g->rows = 0;
        g->t_row = 0;
    }
    if (base || t != g->t_row) {
        g->rows++;
    }
    g->sequence = g->sequence == UINT32_MAX ? 1 : g->sequence + 1;
    size_t mark = wal_record_begin(out);
    buf_varint(out, wal_write_at(&writes, 0)->group - 1);
    buf_byte(out, (u8)((base ? FLAG_BASE : 0U) | (r.bitmap ? FLAG_BITMAP : 0U)));
    buf_varint(out, g->sequence);
    buf_varsint(out, (i64)((u64)t - (u64)g->t_row));
    g->t_row = t;
    put_presence(out, &r);
    put_values(out, h, &r, g->epoch);
    wal_record_end(out, mark, WAL_FRAGMENT, salt);
}

// Both fill up to n ordinals and return how many there are.
static u64 get_bitmap(struct dec *d, u64 first, u64 n, u32 *ordinals)
{
    u64 found = 0;
    u64 span = dec_varint(d);
    str bits = dec_bytes(d, span / 8 + (span % 8 != 0));
    for (u64 at = 0; dec_ok(d) && at < span && found <= n; at++) {
        if (!((u8)bits.ptr[at / 8] >> (at % 8) & 1)) {
            continue;
        }
        if (found < n) {
            ordinals[found] = (u32)(first + at);
        }
        found++;
    }
    return found;
}

static u64 get_runs(struct dec *d, u64 first, u64 n, u32 *ordinals)
{
    u64 found = 0;
    u64 at = first;
    while (dec_ok(d) && found < n) {
        u64 run = dec_varint(d);
        if (run == 0 || run > n - found || at + run > WAL_ORDINAL_MAX + 1ULL) {
            return 0;
        }
        for (u64 i = 0; i < run; i++) {
            ordinals[found++] = (u32)at++;
        }
        u64 gap = found < n ? dec_varint(d) : 0;
        at = gap > WAL_ORDINAL_MAX ? (u64)WAL_ORDINAL_MAX + 1 : at + gap;
    }
    return found;
}

// The ordinals that a presence names; NULL if it contradicts itself.
static u32 *get_presence(struct wal_decoder *w, struct dec *d, bool bitmap, u32 *count)
{
    u64 first = dec_varint(d);
    u64 n = dec_varint(d);
    // A value takes at least its bit in "changed", so the payload bounds n.
    if (!dec_ok(d) || n == 0 || n > dec_left(d) * 8 || first > WAL_ORDINAL_MAX) {
        return NULL;
    }
    u32 *ordinals = arena_try(w->scratch, n, sizeof(u32));
    if (!ordinals) {
        return NULL;
    }
    u64 found = bitmap ? get_bitmap(d, first, n, ordinals) : get_runs(d, first, n, ordinals);
    *count = (u32)n;
    return dec_ok(d) && found == n && ordinals[n - 1] < w->slots_max ? ordinals : NULL;
}

static void values_grow(struct wal_decoder *w, u32 ordinal)
{
    if (ordinal < w->value_count) {
        return;
    }
    u32 count = (u32)bits_pow2_up((u64)ordinal + 1);
    w->values = MEM_GROW(w->values, count, f64);
    memset(w->values + w->value_count, 0, (count - w->value_count) * sizeof(f64));
    w->value_count = count;
}

// The lowest bytes at a place that has them.
static inline u64 bytes_load(const char *at, const char *end, u32 bytes)
{
    u64 bits = 0;
    if (LIKELY(end - at >= 8)) {
        return load_le64(at) & (UINT64_MAX >> (64 - 8 * bytes));
    }
    memcpy(&bits, at, bytes);
    return bits;
}

// false: a difference from what is no integer.
static inline bool value_read(u8 tag, u64 bits, f64 last, f64 *out)
{
    i64 before = 0;
    if (tag <= TAG_DELTA_6) {
        if (!whole_number(last, &before)) {
            return false;
        }
        *out = (f64)(i64)((u64)before + (u64)bits_unzigzag(bits));
    } else if (tag <= TAG_INT_6) {
        *out = (f64)bits_unzigzag(bits);
    } else if (tag == TAG_RAW) {
        *out = f64_of_bits(bits);
    } else {
        *out = f64_of_bits(bits_of_f64(last) ^ bits << (64 - 8 * tag_bytes[tag]));
    }
    return true;
}

static inline u8 tag_at(str tags, u32 i)
{
    return (u8)tags.ptr[i / 2] >> (i % 2 * 4) & 15;
}

// Which values of a row changed, and how. Threads: owned by the call.
struct row_changes {
    str changed; // A bit for each value.
    str tags;
    str body;
};

// All lengths agree: what is in there can be read without a look at them.
static bool changes_get(struct dec *d, u32 n, struct row_changes *out)
{
    out->changed = dec_bytes(d, (n + 7) / 8);
    u32 count = 0;
    for (size_t i = 0; i < out->changed.len; i++) {
        count += (u32)__builtin_popcount((u8)out->changed.ptr[i]);
    }
    out->tags = dec_bytes(d, (count + 1) / 2);
    if (!dec_ok(d)) {
        return false;
    }
    u64 bytes = 0;
    for (u32 i = 0; i < count; i++) {
        bytes += tag_bytes[tag_at(out->tags, i)];
    }
    out->body = dec_bytes(d, dec_left(d));
    return bytes == out->body.len && (n % 8 == 0 || (u8)out->changed.ptr[n / 8] >> (n % 8) == 0);
}

static bool get_values(struct wal_decoder *w, struct dec *d, const u32 *ordinals, u32 n, i64 t)
{
    struct row_changes c;
    f64 *values = arena_try(w->scratch, n, sizeof(f64));
    if (!values || !changes_get(d, n, &c)) {
        return false;
    }
    values_grow(w, ordinals[n - 1]);
    const char *at = c.body.ptr;
    const char *end = at + c.body.len;
    u32 tag_next = 0;
    for (u32 i = 0; i < n; i++) {
        values[i] = w->values[ordinals[i]];
        if ((u8)c.changed.ptr[i / 8] >> (i % 8) & 1) {
            u8 tag = tag_at(c.tags, tag_next++);
            u64 bits = bytes_load(at, end, tag_bytes[tag]);
            at += tag_bytes[tag];
            if (!value_read(tag, bits, values[i], &values[i])) {
                return false;
            }
        }
    }
    for (u32 i = 0; i < n; i++) { // Only now: a bad record changes nothing.
        w->values[ordinals[i]] = values[i];
    }
    const struct wal_row row = {.t = t, .ordinals = ordinals, .values = values, .n = n};
    w->sink.row(w->sink.ctx, &row);
    w->samples += n;
    w->t_max = MAX(w->t_max, t);
    return true;
}

static struct wal_chain *chain_get(struct wal_decoder *w, u32 group)
{
    if (group >= w->chain_count) {
        u32 count = (u32)bits_pow2_up((u64)group + 1);
        w->chains = MEM_GROW(w->chains, count, struct wal_chain);
        memset(w->chains + w->chain_count, 0, (count - w->chain_count) * sizeof(struct wal_chain));
        w->chain_count = count;
    }
    return &w->chains[group];
}

bool wal_get_fragment(struct wal_decoder *w, str payload, struct error *e)
{
    struct dec d = dec_of(payload);
    u64 group = dec_varint(&d);
    u8 flags = dec_u8(&d);
    u64 sequence = dec_varint(&d);
    i64 t_step = dec_varsint(&d);
    u32 n = 0;
    const u32 *ordinals = NULL;
    if (dec_ok(&d) && group < w->slots_max && sequence <= UINT32_MAX &&
        (flags & ~FLAGS_KNOWN) == 0) {
        ordinals = get_presence(w, &d, (flags & FLAG_BITMAP) != 0, &n);
    }
    if (!ordinals) {
        return err_set(e, ERR_CORRUPT, "a row fragment in the log contradicts itself");
    }
    struct wal_chain *c = chain_get(w, (u32)group);
    if ((flags & FLAG_BASE) != 0) {
        *c = (struct wal_chain){.whole = true};
    } else if (!c->whole || sequence != (u64)c->sequence + 1) {
        c->whole = false; // What it leans on is lost; the next base heals it.
        w->samples_lost += n;
        return true;
    }
    c->sequence = (u32)sequence;
    c->t_row = (i64)((u64)c->t_row + (u64)t_step);
    if (!get_values(w, &d, ordinals, n, c->t_row)) {
        c->whole = false;
        return err_set(e, ERR_CORRUPT, "the values of a row fragment in the log are damaged");
    }
    return true;
}
