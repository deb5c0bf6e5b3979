#include "ingest/push_native.h"

#include "base/arena.h"
#include "base/dec.h"
#include "base/str.h"
#include "model/hist.h"
#include "wire/pb.h"

#include <stdlib.h>

#define EXEMPLAR_LABELS_MAX 64U // More are nobody's: names and values have 128 characters in all.

// A repeated number of a message, growing. Threads: owned by one call.
struct numbers {
    f64 *items;
    u32 n;
    u32 cap;
};

// Threads: owned by one call.
struct hist_read {
    struct arena *a;
    struct hist h;
    i64 t_ms;
    struct numbers deltas[2]; // Negative, positive.
    struct numbers counts[2];
    struct numbers bounds;
    struct hist_span *spans[2];
    u32 span_counts[2];
    u32 span_caps[2];
    bool full;
};

static void number_add(struct hist_read *r, struct numbers *to, f64 v)
{
    if (to->n == to->cap) {
        const u32 cap = MAX(16U, to->cap * 2);
        f64 *items = arena_try(r->a, cap, sizeof(*items));
        if (!items) {
            r->full = true;
            return;
        }
        if (to->n > 0) {
            memcpy(items, to->items, to->n * sizeof(*items));
        }
        to->items = items;
        to->cap = cap;
    }
    to->items[to->n++] = v;
}

static void doubles_read(struct hist_read *r, struct pb_reader *pb, struct numbers *to)
{
    if (pb->wire != PB_BYTES) {
        number_add(r, to, pb_f64(pb));
        return;
    }
    struct dec d = pb_packed(pb);
    while (dec_left(&d) > 0 && !r->full) {
        number_add(r, to, dec_f64(&d));
    }
    (void)!pb_packed_done(pb, &d); // A failure ends pb_next.
}

// Deltas become counts when all are there.
static void deltas_read(struct hist_read *r, struct pb_reader *pb, struct numbers *to)
{
    if (pb->wire != PB_BYTES) {
        number_add(r, to, (f64)pb_sint(pb));
        return;
    }
    struct dec d = pb_packed(pb);
    while (dec_left(&d) > 0 && !r->full) {
        number_add(r, to, (f64)dec_varsint(&d));
    }
    (void)!pb_packed_done(pb, &d);
}

static void span_read(struct hist_read *r, struct pb_reader *outer, u32 side)
{
    struct pb_reader pb = pb_enter(outer);
    struct hist_span span = {0};
    while (pb_next(&pb)) {
        if (pb.field == 1) {
            span.offset = (i32)pb_sint(&pb);
        } else if (pb.field == 2) {
            span.length = (u32)pb_varint(&pb);
        }
    }
    if (!pb_leave(outer, &pb)) {
        return;
    }
    if (r->span_counts[side] == r->span_caps[side]) {
        const u32 cap = MAX(8U, r->span_caps[side] * 2);
        struct hist_span *spans = arena_try(r->a, cap, sizeof(*spans));
        if (!spans) {
            r->full = true;
            return;
        }
        if (r->span_counts[side] > 0) {
            memcpy(spans, r->spans[side], r->span_counts[side] * sizeof(*spans));
        }
        r->spans[side] = spans;
        r->span_caps[side] = cap;
    }
    r->spans[side][r->span_counts[side]++] = span;
}

static void head_field(struct hist_read *r, struct pb_reader *pb)
{
    switch (pb->field) {
    case 1:
        r->h.count = (f64)pb_varint(pb);
        break;
    case 2:
        r->h.count = pb_f64(pb);
        r->h.is_float = true;
        break;
    case 3:
        r->h.sum = pb_f64(pb);
        break;
    case 4:
        r->h.schema = (i32)pb_sint(pb);
        break;
    case 5:
        r->h.zero_threshold = pb_f64(pb);
        break;
    case 6:
        r->h.zero_count = (f64)pb_varint(pb);
        break;
    case 7:
        r->h.zero_count = pb_f64(pb);
        break;
    default:
        break;
    }
}

static void body_field(struct hist_read *r, struct pb_reader *pb)
{
    const u32 side = pb->field >= 11;
    u64 hint;
    switch (pb->field) {
    case 8:
    case 11:
        span_read(r, pb, side);
        break;
    case 9:
    case 12:
        deltas_read(r, pb, &r->deltas[side]);
        break;
    case 10:
    case 13:
        doubles_read(r, pb, &r->counts[side]);
        break;
    case 14:
        hint = pb_varint(pb);
        r->h.reset = hint <= HIST_RESET_GAUGE ? (enum hist_reset)hint : HIST_RESET_UNKNOWN;
        break;
    case 15:
        r->t_ms = pb_i64(pb);
        break;
    case 16:
        doubles_read(r, pb, &r->bounds);
        break;
    default:
        break;
    }
}

static void side_make(const struct hist_read *r, u32 side, struct hist_side *out)
{
    const struct numbers *from = r->h.is_float ? &r->counts[side] : &r->deltas[side];
    f64 count = 0;
    for (u32 i = 0; !r->h.is_float && i < from->n; i++) {
        count += from->items[i];
        from->items[i] = count;
    }
    *out = (struct hist_side){.spans = r->spans[side],
                              .span_count = r->span_counts[side],
                              .buckets = from->items,
                              .bucket_count = from->n};
}

enum push_read push_hist_read(struct pb_reader *outer, struct arena *a, const struct hist **out,
                              i64 *t_ms)
{
    struct pb_reader pb = pb_enter(outer);
    struct hist_read r = {.a = a};
    while (!r.full && pb_next(&pb)) {
        if (pb.field < 8) {
            head_field(&r, &pb);
        } else {
            body_field(&r, &pb);
        }
    }
    struct hist *h = arena_try(a, 1, sizeof(*h));
    if (r.full || !h) {
        return PUSH_FULL;
    }
    if (!pb_leave(outer, &pb)) {
        return PUSH_BROKEN;
    }
    side_make(&r, 0, &r.h.negative);
    side_make(&r, 1, &r.h.positive);
    r.h.custom_bounds = r.bounds.items;
    r.h.custom_bound_count = r.bounds.n;
    *h = r.h;
    *out = h;
    *t_ms = r.t_ms;
    return PUSH_READ;
}

bool push_label_read(struct pb_reader *outer, struct label *out)
{
    struct pb_reader r = pb_enter(outer);
    *out = (struct label){0};
    while (pb_next(&r)) {
        if (r.field == 1) {
            out->name = pb_bytes(&r);
        } else if (r.field == 2) {
            out->value = pb_bytes(&r);
        }
    }
    return pb_leave(outer, &r);
}

int push_label_order(const void *a, const void *b)
{
    return str_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static void labels_sort(struct label *ls, u32 count)
{
    for (u32 i = 1; i < count; i++) {
        if (str_cmp(ls[i - 1].name, ls[i].name) >= 0) {
            qsort(ls, count, sizeof(*ls), push_label_order);
            return;
        }
    }
}

enum push_read push_exemplar_read(struct pb_reader *outer, struct arena *a, struct exemplar *out)
{
    struct pb_reader pb = pb_enter(outer);
    struct label found[EXEMPLAR_LABELS_MAX];
    struct exemplar x = {.has_t = true};
    u32 n = 0;
    while (pb_next(&pb)) {
        struct label l;
        if (pb.field == 1 && push_label_read(&pb, &l) && l.value.len > 0) {
            if (n == EXEMPLAR_LABELS_MAX) {
                dec_fail(&pb.dec);
                break;
            }
            found[n++] = l;
        } else if (pb.field == 2) {
            x.value = pb_f64(&pb);
        } else if (pb.field == 3) {
            x.t_ms = pb_i64(&pb);
        }
    }
    if (!pb_leave(outer, &pb)) {
        return PUSH_BROKEN;
    }
    struct label *kept = arena_try(a, n + (size_t)1, sizeof(*kept));
    if (!kept) {
        return PUSH_FULL;
    }
    labels_sort(found, n);
    memcpy(kept, found, n * sizeof(*kept));
    x.labels = (struct labels){.items = kept, .count = n};
    *out = x;
    return PUSH_READ;
}
