#include "tsdb/box.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/dec.h"
#include "base/str.h"
#include "model/hist.h"
#include "model/sample.h"

// Two doubles, the lower half of each first.
typedef u32 u32_quad __attribute__((vector_size(16)));
#define HIGH_HALVES ((u32_quad){0, ~3U, 0, ~3U}) // Less the two bits of the place.
#define TAGS        ((u32_quad){1, BOX_TAG, 1, BOX_TAG})

static inline u32_quad tagged(const f64 *values)
{
    u32_quad v;
    memcpy(&v, values, sizeof(v));
    return (u32_quad)((v & HIGH_HALVES) == TAGS);
}

bool box_any(const f64 *values, u32 n)
{
    u32_quad found = {0};
    bool any = false;
    u32 i = 0;
    for (; i + 8 <= n; i += 8) {
        found |= (tagged(values + i) | tagged(values + i + 2)) |
                 (tagged(values + i + 4) | tagged(values + i + 6));
    }
    for (; i < n; i++) {
        any = any || is_box(values[i]);
    }
    return any || (found[1] | found[3]) != 0;
}

#define WHOLE_LIMIT 9007199254740992.0 // 2^53

void number_put(struct buf *out, f64 v)
{
    if (v >= 0 && v < WHOLE_LIMIT && bits_of_f64((f64)(u64)v) == bits_of_f64(v)) {
        buf_varint(out, (u64)v << 1);
        return;
    }
    buf_varint(out, 1);
    buf_f64(out, v);
}

f64 number_get(struct dec *d)
{
    u64 v = dec_varint(d);
    if (v == 1) {
        return dec_f64(d);
    }
    if (v & 1 || v >> 1 >= (u64)1 << 53) {
        dec_fail(d);
    }
    return (f64)(v >> 1);
}

u8 box_flags(const struct box *b)
{
    u32 flags = b->has_start ? BOX_START : 0;
    if (b->hist) {
        flags |= (u32)BOX_HIST | (u32)b->hist->reset * BOX_RESET;
        flags |= b->hist->is_float ? BOX_HIST_FLOAT : 0;
    }
    return (u8)flags;
}

static void spans_put(struct buf *out, const struct hist_side *s)
{
    buf_varint(out, s->span_count);
    for (u32 i = 0; i < s->span_count; i++) {
        buf_varsint(out, s->spans[i].offset);
        buf_varint(out, s->spans[i].length);
    }
}

void hist_layout_put(struct buf *out, const struct hist *h)
{
    buf_varsint(out, h->schema);
    number_put(out, h->zero_threshold);
    spans_put(out, &h->positive);
    spans_put(out, &h->negative);
    buf_varint(out, h->custom_bound_count);
    for (u32 i = 0; i < h->custom_bound_count; i++) {
        number_put(out, h->custom_bounds[i]);
    }
}

static bool spans_get(struct dec *d, struct arena *a, struct hist_side *s, bool *full)
{
    u64 n = dec_varint(d);
    u64 buckets = 0;
    if (n > HIST_BUCKETS_MAX || n > dec_left(d) / 2) {
        return false;
    }
    struct hist_span *spans = n > 0 ? arena_try(a, n, sizeof(*spans)) : NULL;
    if (n > 0 && !spans) {
        *full = true;
        return false;
    }
    for (u64 i = 0; i < n; i++) {
        i64 offset = dec_varsint(d);
        u64 length = dec_varint(d);
        buckets += MIN(length, HIST_BUCKETS_MAX + 1);
        if (offset < INT32_MIN || offset > INT32_MAX || buckets > HIST_BUCKETS_MAX) {
            return false;
        }
        spans[i] = (struct hist_span){.offset = (i32)offset, .length = (u32)length};
    }
    *s = (struct hist_side){.spans = spans, .span_count = (u32)n, .bucket_count = (u32)buckets};
    return dec_ok(d);
}

static bool numbers_get(struct dec *d, struct arena *a, u64 n, const f64 **out, bool *full)
{
    if (n > HIST_BUCKETS_MAX || n > dec_left(d)) {
        return false;
    }
    f64 *numbers = n > 0 ? arena_try(a, n, sizeof(*numbers)) : NULL;
    *full = *full || (n > 0 && !numbers);
    for (u64 i = 0; numbers && i < n; i++) {
        numbers[i] = number_get(d);
    }
    *out = numbers;
    return dec_ok(d) && (n == 0 || numbers);
}

bool hist_layout_get(struct dec *d, struct arena *a, struct hist *out, bool *full)
{
    struct hist h = {0};
    i64 schema = dec_varsint(d);
    h.zero_threshold = number_get(d);
    if (schema < INT8_MIN || schema > INT8_MAX || !spans_get(d, a, &h.positive, full) ||
        !spans_get(d, a, &h.negative, full)) {
        return false;
    }
    u64 bounds = dec_varint(d);
    if (!numbers_get(d, a, bounds, &h.custom_bounds, full)) {
        return false;
    }
    h.schema = (i32)schema;
    h.custom_bound_count = (u32)bounds;
    *out = h;
    return true;
}

static void buckets_put(struct buf *out, const struct hist_side *s)
{
    for (u32 i = 0; i < s->bucket_count; i++) {
        number_put(out, s->buckets[i]);
    }
}

void box_encode(const struct box *b, struct buf *out)
{
    const struct hist *h = b->hist;
    buf_byte(out, box_flags(b));
    if (b->has_start) {
        buf_varsint(out, b->start_ms);
    }
    if (!h) {
        buf_f64(out, b->value);
        return;
    }
    hist_layout_put(out, h);
    number_put(out, h->zero_count);
    number_put(out, h->count);
    buf_f64(out, h->sum);
    buckets_put(out, &h->positive);
    buckets_put(out, &h->negative);
}

static bool hist_get(struct dec *d, u8 flags, struct arena *a, struct box *b)
{
    bool full = false;
    struct hist *h = arena_try(a, 1, sizeof(*h));
    if (!h || !hist_layout_get(d, a, h, &full)) {
        return false;
    }
    h->is_float = flags & BOX_HIST_FLOAT;
    h->reset = (enum hist_reset)(flags / BOX_RESET);
    h->zero_count = number_get(d);
    h->count = number_get(d);
    h->sum = dec_f64(d);
    b->hist = h;
    return numbers_get(d, a, h->positive.bucket_count, &h->positive.buckets, &full) &&
           numbers_get(d, a, h->negative.bucket_count, &h->negative.buckets, &full) &&
           hist_check(h, NULL);
}

bool box_decode(str bytes, struct arena *a, struct box *out)
{
    struct dec d = dec_of(bytes);
    u8 flags = dec_u8(&d);
    struct box b = {.has_start = flags & BOX_START};
    b.start_ms = b.has_start ? dec_varsint(&d) : 0;
    if (flags & ~BOX_FLAGS_KNOWN || (!(flags & BOX_HIST) && flags & ~BOX_START)) {
        return false;
    }
    if (!(flags & BOX_HIST)) {
        b.value = dec_f64(&d);
    } else if (!hist_get(&d, flags, a, &b)) {
        return false;
    }
    if (!dec_ok(&d) || dec_left(&d) != 0) {
        return false;
    }
    *out = b;
    return true;
}

// What is behind the start timestamp; *flags without it.
static str value_of(str bytes, u8 *flags)
{
    struct dec d = dec_of(bytes);
    u8 f = dec_u8(&d);
    if (f & BOX_START) {
        (void)dec_varsint(&d);
    }
    *flags = f & (u8)~BOX_START;
    return str_sub(bytes, dec_offset(&d), bytes.len);
}

bool box_same(str a, str b)
{
    u8 x;
    u8 y;
    str p = value_of(a, &x);
    str q = value_of(b, &y);
    return x == y && p.len == q.len && memcmp(p.ptr, q.ptr, p.len) == 0;
}

bool box_is_float(str bytes, f64 value)
{
    u8 flags;
    str v = value_of(bytes, &flags);
    return flags == 0 && v.len == sizeof(value) && load_le64(v.ptr) == bits_of_f64(value);
}

// Of one side, without the numbers in them.
static u64 spans_buckets(struct dec *d)
{
    u64 buckets = 0;
    for (u64 n = dec_varint(d); n > 0 && dec_ok(d); n--) {
        (void)dec_varsint(d);
        const u64 length = dec_varint(d);
        buckets += MIN(length, HIST_BUCKETS_MAX + 1);
    }
    return buckets;
}

bool box_is_hist(str bytes, struct box_brief *brief)
{
    u8 flags;
    struct dec d = dec_of(value_of(bytes, &flags));
    if (!(flags & BOX_HIST)) {
        return false;
    }
    (void)dec_varsint(&d);
    (void)number_get(&d);
    u64 n = spans_buckets(&d);
    n += spans_buckets(&d);
    for (u64 bounds = dec_varint(&d); bounds > 0 && dec_ok(&d); bounds--) {
        (void)number_get(&d);
    }
    (void)number_get(&d); // How many are zero, and how many there are.
    (void)number_get(&d);
    *brief =
        (struct box_brief){.buckets = (u32)MIN(n, UINT32_MAX), .ends = is_stale_nan(dec_f64(&d))};
    return dec_ok(&d);
}

u64 box_weight(const struct box *b)
{
    const struct hist *h = b->hist;
    return 2 * sizeof(*b) +
           (h ? sizeof(*h) +
                    16 * ((u64)h->positive.bucket_count + h->negative.bucket_count +
                          h->positive.span_count + h->negative.span_count) +
                    16 * (u64)h->custom_bound_count
              : 0);
}

bool box_list_add(struct box_list *l, struct box b, f64 *ref)
{
    if (l->n == l->cap) {
        u32 cap = MAX(64U, l->cap * 2);
        struct box *items = arena_try(l->arena, cap, sizeof(*items));
        if (!items) {
            return false;
        }
        if (l->n > 0) {
            memcpy(items, l->items, l->n * sizeof(*items));
        }
        l->items = items;
        l->cap = cap;
    }
    l->items[l->n] = b;
    *ref = box_ref(BOX_KEPT, l->n++);
    return true;
}

static const void *piece_copy(struct arena *a, const void *from, size_t n, size_t size, bool *ok)
{
    void *copy = n > 0 ? arena_try(a, n, size) : NULL;
    if (copy) {
        memcpy(copy, from, n * size);
    }
    *ok = *ok && (n == 0 || copy);
    return copy;
}

static void side_copy(struct arena *a, struct hist_side *s, bool *ok)
{
    s->spans = piece_copy(a, s->spans, s->span_count, sizeof(*s->spans), ok);
    s->buckets = piece_copy(a, s->buckets, s->bucket_count, sizeof(*s->buckets), ok);
}

bool box_list_copy(struct box_list *l, const struct box *b, f64 *ref)
{
    struct box copy = *b;
    bool ok = true;
    if (b->hist) {
        struct hist h = *b->hist;
        side_copy(l->arena, &h.positive, &ok);
        side_copy(l->arena, &h.negative, &ok);
        h.custom_bounds = piece_copy(l->arena, h.custom_bounds, h.custom_bound_count,
                                     sizeof(*h.custom_bounds), &ok);
        copy.hist = piece_copy(l->arena, &h, 1, sizeof(h), &ok);
    }
    return ok && box_list_add(l, copy, ref);
}

void box_list_forget(struct box_list *l)
{
    if (l->n > 0) {
        arena_reset(l->arena);
        *l = (struct box_list){.arena = l->arena};
    }
}

const struct box *box_list_get(const struct box_list *l, f64 ref)
{
    u32 at = box_index(ref);
    CHECK(at < l->n);
    return &l->items[at];
}

bool box_list_escape(struct box_list *l, f64 *values, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        if (is_box(values[i]) && !box_list_add(l, (struct box){.value = values[i]}, &values[i])) {
            return false;
        }
    }
    return true;
}
