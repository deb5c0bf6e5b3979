// head_image_rows.c: see head_image_rows.h.
#include "tsdb/head_image_rows.h"

#include "base/arena.h"
#include "base/dec.h"
#include "base/error.h"
#include "tsdb/chunk_pack.h"
#include "tsdb/head.h"
#include "tsdb/head_image.h"
#include "tsdb/head_image_form.h"
#include "tsdb/head_spill.h"

#define PARTS_MAX ((u64)SEALED_EXTENTS_MAX)

void image_rows_init(struct image_rows *r, const struct head_image_file *f, const char *spill_dir,
                     struct head *h)
{
    *r = (struct image_rows){.file = f, .spill_dir = spill_dir, .head = h};
    r->scratch = arena_new(IMAGE_SCRATCH_MAX);
}

void image_rows_fini(struct image_rows *r)
{
    arena_free(r->scratch);
    *r = (struct image_rows){0};
}

static bool corrupt(struct error *e, const char *what)
{
    return err_set(e, ERR_CORRUPT, "a head image contradicts itself in its %s", what);
}

// Everything that the record of a window promised is there, and chunks speak of rows that are.
static bool window_whole(const struct image_rows *r, struct error *e)
{
    const struct head_window *w = r->window;
    u64 place = 0;
    u64 n = 0;
    u64 end = 0; // Of the chunk before: one of the same series lies before it.
    if (!w) {
        return true;
    }
    if (w->segment_count != r->segments || w->sealed.extents != r->extents ||
        w->boxes.count != r->boxes) {
        return corrupt(e, "windows");
    }
    for (const struct sealed *c; (c = sealed_walk(&w->sealed, &place)) != NULL; n++) {
        u32 rows = (u32)c->last - c->first + 1;
        if (c->segment >= w->segment_count || c->first > c->last ||
            c->last >= window_segment_at(w, c->segment)->n || c->n == 0 || c->n > rows ||
            c->older > end / 8) {
            return corrupt(e, "sealed chunks");
        }
        end = place;
    }
    return n == r->chunks ? true : corrupt(e, "sealed chunks");
}

static bool parts_get(struct image_rows *r, struct dec *d, struct error *e)
{
    struct head_window *w = r->window;
    char stem[400];
    u64 n = dec_varint(d);
    u32 before = 0;
    if (n > PARTS_MAX) {
        return corrupt(e, "files");
    }
    for (u64 i = 0; i < n; i++) {
        const struct sealed_part part = {
            .number = (u32)dec_varint(d), .extents = (u32)dec_varint(d), .crc = dec_le32(d)};
        if (!dec_ok(d) || part.extents == 0 || part.number == UINT32_MAX ||
            (i > 0 && part.number <= before)) {
            return corrupt(e, "files");
        }
        before = part.number;
        if (!w) {
            continue;
        }
        head_spill_stem(stem, r->spill_dir, r->head->id, w->start_ms);
        if (!sealed_load_file(&w->sealed, r->file->fs, stem, &part, e)) {
            return false;
        }
    }
    return dec_ok(d) && dec_left(d) == 0 ? true : corrupt(e, "files");
}

static bool window_begin(struct image_rows *r, str payload, struct error *e)
{
    struct head *h = r->head;
    struct dec d = dec_of(payload);
    if (!window_whole(r, e)) {
        return false;
    }
    i64 number = dec_varsint(&d);
    r->segments = (u32)dec_varint(&d);
    r->extents = (u32)dec_varint(&d);
    r->chunks = dec_varint(&d);
    r->boxes = (u32)dec_varint(&d);
    r->window = NULL;
    r->skipped = true;
    i64 start;
    i64 end;
    if (!dec_ok(&d) || __builtin_mul_overflow(number, h->range_ms, &start) ||
        __builtin_add_overflow(start, h->range_ms, &end)) {
        return corrupt(e, "windows");
    }
    if (end <= h->t_floor) {
        return parts_get(r, &d, e);
    }
    if (start < h->t_floor) {
        return err_set(e, ERR_UNSUPPORTED, "blocks end inside a window of a head image");
    }
    if (h->window_count == HEAD_WINDOWS_MAX ||
        (h->window_count > 0 && h->windows[h->window_count - 1]->start_ms >= start)) {
        return corrupt(e, "windows");
    }
    r->skipped = false;
    r->window = window_new(start, end);
    r->window->boxes.held = &h->limits->box_bytes[h->id];
    h->windows[h->window_count++] = r->window;
    return parts_get(r, &d, e);
}

static bool segment_get(struct image_rows *r, struct dec *d)
{
    struct head_window *w = r->window;
    bool shared = dec_u8(d) != 0;
    u64 n = dec_varint(d);
    if (!dec_ok(d) || n > ROWS_MAX || w->segment_count == r->segments) {
        return false;
    }
    struct segment *s =
        window_segment(w, ++r->head->segment_id, shared ? SEGMENT_OF_IMAGE : 0, MAX(1U, (u32)n));
    u64 t = 0;
    u64 step = 0;
    for (u32 i = 0; i < n; i++) {
        u64 more = (u64)dec_varsint(d) + step;
        i64 at = (i64)(t + more);
        if (at < w->start_ms || at >= w->end_ms || (i > 0 && at <= s->t[i - 1])) {
            return false;
        }
        step = i > 0 ? more : 0;
        t = (u64)at;
        s->t[i] = at;
    }
    s->n = (u16)n;
    return true;
}

static bool times_get(struct image_rows *r, str payload)
{
    struct dec d = dec_of(payload);
    u64 n = dec_varint(&d);
    bool ok = true;
    for (u64 i = 0; ok && i < n; i++) {
        ok = segment_get(r, &d);
    }
    return ok && dec_ok(&d) && dec_left(&d) == 0;
}

static bool extent_get(struct image_rows *r, str payload)
{
    struct sealed_store *s = &r->window->sealed;
    // Only the last may be filled in part, by whole units.
    if (s->extents >= r->extents || payload.len > EXTENT_BYTES || payload.len % 8 != 0 ||
        (payload.len < EXTENT_BYTES && s->extents + 1 != r->extents)) {
        return false;
    }
    sealed_load_extent(s, payload);
    s->chunks = r->chunks;
    return true;
}

static bool window_part(struct image_rows *r, const struct image_record *record, struct error *e)
{
    if (r->skipped) {
        return true;
    }
    if (!r->window) {
        return corrupt(e, "windows");
    }
    switch (record->kind) {
    case WAL_IMAGE_TIMES:
        return times_get(r, record->payload) || corrupt(e, "times");
    case WAL_IMAGE_EXTENT:
        return extent_get(r, record->payload) || corrupt(e, "sealed chunks");
    default:
        return (r->window->boxes.count < r->boxes &&
                box_store_load(&r->window->boxes, record->payload, r->scratch)) ||
               corrupt(e, "histograms");
    }
}

bool image_rows_windows(struct image_rows *r, struct error *e)
{
    bool ok = true;
    for (u32 i = 0; ok && i < r->file->record_count; i++) {
        const struct image_record *record = &r->file->records[i];
        switch (record->kind) {
        case WAL_IMAGE_WINDOW:
            ok = window_begin(r, record->payload, e);
            break;
        case WAL_IMAGE_TIMES:
        case WAL_IMAGE_EXTENT:
        case WAL_IMAGE_BOXES:
            ok = window_part(r, record, e);
            break;
        default:
            break;
        }
    }
    return ok && window_whole(r, e);
}

// *out: NULL if blocks hold that window. false: there is none such.
static bool window_of(const struct image_rows *r, i64 number, struct head_window **out)
{
    i64 start;
    *out = NULL;
    if (__builtin_mul_overflow(number, r->head->range_ms, &start)) {
        return false;
    }
    *out = start >= r->head->t_floor ? head_window_at(r->head, start) : NULL;
    return *out || start < r->head->t_floor;
}

static bool positions_get(struct image_rows *r, struct dec *d, u32 ordinal, bool wanted)
{
    u64 n = dec_varint(d);
    for (u64 i = 0; i < n && dec_ok(d); i++) {
        struct head_window *w;
        i64 number = dec_varsint(d);
        u64 position = dec_varint(d);
        if (!dec_ok(d) || !window_of(r, number, &w)) {
            return false;
        }
        if (w && wanted) {
            // Every chunk of the store was walked: that one stands there is all there is to see.
            if (position == SEALED_NONE || !sealed_within(&w->sealed, position) ||
                !sealed_at(&w->sealed, (u32)position)) {
                return false;
            }
            *window_chunk_place(w, ordinal) = (u32)position;
        }
    }
    return dec_ok(d);
}

static bool presence_good(str bits, u32 n, u32 first, u32 last)
{
    const u8 *present = (const u8 *)bits.ptr;
    u32 found = 0;
    for (u32 row = first; row <= last && last < PRESENCE_BYTES * 8; row++) {
        found += presence_has(present, row);
    }
    return found == n;
}

// The values that were open are one more sealed chunk.
static bool open_get(struct image_rows *r, struct dec *d, u32 ordinal, bool wanted)
{
    struct head_window *w;
    u32 n = dec_u8(d);
    if (n == 0) {
        return dec_ok(d);
    }
    i64 number = dec_varsint(d);
    u64 segment = dec_varint(d);
    u32 first = dec_u8(d);
    u32 last = dec_u8(d);
    bool gaps = last - first + 1 != n;
    str present = dec_bytes(d, gaps ? PRESENCE_BYTES : 0);
    str packed = dec_lenstr(d);
    if (!dec_ok(d) || !window_of(r, number, &w) || first > last || n > last - first + 1 ||
        (gaps && !presence_good(present, n, first, last))) {
        return false;
    }
    if (!w || !wanted) {
        return true;
    }
    UNINIT f64 values[ROWS_MAX];
    if (segment >= w->segment_count || last >= window_segment_at(w, (u32)segment)->n ||
        !chunk_pack_decode(packed, n, values, NULL)) {
        return false;
    }
    u32 *place = window_chunk_place(w, ordinal);
    const struct sealed_new c = {.segment = (u32)segment,
                                 .packed = packed,
                                 .present = gaps ? (const u8 *)present.ptr : NULL,
                                 .older = *place,
                                 .n = (u8)n,
                                 .first = (u8)first,
                                 .last = (u8)last};
    *place = sealed_add(&w->sealed, &c);
    return true;
}

// The head's own count may be changing.
static bool row_known(const struct image_rows *r, u64 ordinal)
{
    return ordinal < r->slots && r->head->rows[ordinal].own != 0;
}

static bool row_get(struct image_rows *r, struct dec *d, u32 ordinal)
{
    struct head *h = r->head;
    i64 t_last = dec_varsint(d);
    f64 v_last = dec_f64(d);
    // What blocks hold is as if it had never been here, as when the log is read.
    bool wanted = t_last != T_NEVER && t_last >= h->t_floor;
    if (!dec_ok(d) || !row_known(r, ordinal) || h->rows[ordinal].t_last != T_NEVER) {
        return false;
    }
    if (wanted) {
        h->rows[ordinal].t_last = t_last;
        h->rows[ordinal].v_last = v_last;
        h->t_max = MAX(h->t_max, t_last);
        const struct head_window *w = head_window_at(h, t_last);
        if (!w || (is_box(v_last) && box_store_empty(&w->boxes))) {
            return false;
        }
    }
    r->series++;
    return positions_get(r, d, ordinal, wanted) && open_get(r, d, ordinal, wanted);
}

static bool rows_get(struct image_rows *r, str payload)
{
    struct dec d = dec_of(payload);
    u64 n = dec_varint(&d);
    u64 ordinal = 0;
    bool ok = true;
    for (u64 i = 0; ok && i < n; i++) {
        ordinal += dec_varint(&d);
        ok = ordinal < r->slots && row_get(r, &d, (u32)ordinal);
    }
    return ok && dec_ok(&d) && dec_left(&d) == 0;
}

static bool late_get(struct image_rows *r, str payload)
{
    struct head_window *w;
    struct dec d = dec_of(payload);
    u64 ordinal = dec_varint(&d);
    i64 number = dec_varsint(&d);
    u64 n = dec_varint(&d);
    u64 t = 0;
    if (!dec_ok(&d) || !row_known(r, ordinal) || !window_of(r, number, &w)) {
        return false;
    }
    for (u64 i = 0; w && i < n; i++) {
        t += (u64)dec_varsint(&d);
        f64 value = dec_f64(&d);
        if (!dec_ok(&d) || (i64)t < w->start_ms || (i64)t >= w->end_ms ||
            (is_box(value) && box_store_empty(&w->boxes)) ||
            !window_late_add(w, (u32)ordinal, (i64)t, value)) {
            return false;
        }
    }
    return true;
}

// The first ordinal of a record of rows; false: it has none.
static bool rows_first(str payload, u64 *ordinal)
{
    struct dec d = dec_of(payload);
    const u64 n = dec_varint(&d);
    *ordinal = dec_varint(&d);
    return dec_ok(&d) && n > 0;
}

u32 image_rows_slots(const struct head_image_file *f, u32 slots_max)
{
    u64 first;
    for (u32 i = f->record_count; i > 0; i--) {
        const struct image_record *record = &f->records[i - 1];
        if (record->kind == WAL_IMAGE_ROWS && rows_first(record->payload, &first)) {
            return first < slots_max ? MIN(slots_max, (u32)first + IMAGE_SLOTS_MAX) : 0;
        }
    }
    return 0;
}

bool image_rows_get(struct image_rows *r, const struct image_record *record, struct error *e)
{
    if (record->kind == WAL_IMAGE_ROWS) {
        return rows_get(r, record->payload) || corrupt(e, "rows");
    }
    return record->kind != WAL_IMAGE_LATE || late_get(r, record->payload) ||
           corrupt(e, "late samples");
}
