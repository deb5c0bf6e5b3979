#include "tsdb/head_image.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "tsdb/head.h"
#include "tsdb/head_cold.h"
#include "tsdb/head_image_form.h"
#include "tsdb/head_image_parts.h"
#include "tsdb/head_pack.h"
#include "tsdb/outfile.h"

#include <stdio.h>

#define SLICE           IMAGE_SLICE_MAX // Series copied per hold of the turn.
#define SLICE_BYTES_MAX ((size_t)1 << 30)
#define LABEL_BYTES_MAX (4ULL << 20) // Of a slice: one more series may begin.
#define OUT_BYTES_MAX   ((size_t)64 << 20)
#define TIMES_SLICE     1024U // Segments copied per hold of the lock.

// A chunk position, or late samples, of a series in one window. Threads: owned by one slice.
struct row_part {
    i64 window; // start_ms / range_ms
    u32 position;
    u32 late_n;
    i64 *late_t;
    f64 *late_values;
};

// What a series was at one moment. Threads: owned by one slice.
struct row_copy {
    u32 ordinal;
    i64 t_last;
    f64 v_last;
    struct open_chunk open;
    i64 open_window;
    u32 open_segment;
    u8 *tokens;
    struct row_part *parts;
    u32 part_count;
};

// Threads: owned by the call.
struct image_writer {
    const struct head_image *job;
    struct head *head;
    struct outfile file;
    struct buf out;
    struct buf packed;
    struct arena *arena; // Reset for each slice.
    struct row_copy rows[SLICE];
    struct image_parts_out parts;
    u32 series;
};

static void header_put(const struct image_writer *w, struct buf *b)
{
    const struct head_image *job = w->job;
    buf_c(b, IMAGE_MAGIC);
    buf_le32(b, IMAGE_VERSION);
    buf_le32(b, w->head->id);
    buf_le64(b, job->first);
    buf_le64(b, (u64)w->head->range_ms);
    buf_le32(b, ROWS_MAX);
    buf_le32(b, EXTENT_BYTES);
    buf_le32(b, job->salt);
    buf_le64(b, job->alias_segment);
    buf_le64(b, (u64)job->floor);
    CHECK(b->len == IMAGE_HEADER_USED);
    buf_le32(b, crc32c(0, b->bytes, b->len));
}

static void record_end(struct image_writer *w, size_t mark, enum wal_kind kind)
{
    wal_record_end(&w->out, mark, kind, w->job->salt);
}

static void out_flush(struct image_writer *w)
{
    CHECK(buf_ok(&w->out));
    outfile_add(&w->file, w->out.bytes, w->out.len);
    buf_clear(&w->out);
}

static void log_put(struct image_writer *w)
{
    u32 n = 0;
    while (n < w->job->kept_count && w->job->kept[n].number < w->job->first) {
        n++;
    }
    size_t mark = wal_record_begin(&w->out);
    buf_varint(&w->out, n);
    for (u32 i = 0; i < n; i++) {
        const struct wal_kept *k = &w->job->kept[i];
        buf_varint(&w->out, k->number);
        buf_varint(&w->out, k->bytes);
        buf_varsint(&w->out, k->t_max);
        buf_byte(&w->out, k->continues);
    }
    record_end(w, mark, WAL_IMAGE_LOG);
    out_flush(w);
}

static i64 window_number(const struct head *h, const struct head_window *w)
{
    return w->start_ms / h->range_ms;
}

static bool late_copy(struct image_writer *w, const struct late_run *late, struct row_part *p)
{
    p->late_n = late->n;
    p->late_t = arena_try(w->arena, late->n, sizeof(i64));
    p->late_values = arena_try(w->arena, late->n, sizeof(f64));
    if (!p->late_t || !p->late_values) {
        return false;
    }
    memcpy(p->late_t, late->t, late->n * sizeof(i64));
    memcpy(p->late_values, late->values, late->n * sizeof(f64));
    return true;
}

// With the turn. false: there is no room for it.
static bool row_copy(struct image_writer *w, u32 ordinal, struct row_copy *out)
{
    const struct head *h = w->head;
    const struct head_row *r = &h->rows[ordinal];
    *out = (struct row_copy){.ordinal = ordinal,
                             .t_last = head_row_bare(r) ? T_NEVER : r->t_last,
                             .v_last = r->v_last,
                             .open = r->open};
    out->parts = arena_try(w->arena, h->window_count + 1, sizeof(struct row_part));
    if (!out->parts) {
        return false;
    }
    for (u32 i = 0; i < h->window_count; i++) {
        const struct head_window *window = h->windows[i];
        const struct late_run *late = window_late(window, ordinal);
        struct row_part p = {.window = window_number(h, window),
                             .position = window_chunk(window, ordinal)};
        if (late && late->n > 0 && !late_copy(w, late, &p)) {
            return false;
        }
        if (p.position != SEALED_NONE || p.late_n > 0) {
            out->parts[out->part_count++] = p;
        }
    }
    if (!r->open.segment || r->open.n == 0) {
        out->open.n = 0;
        return true;
    }
    out->open_window = window_number(h, r->open.segment->window);
    out->open_segment = r->open.segment->index;
    out->tokens = arena_try(w->arena, r->open.bytes, 1);
    if (out->tokens) {
        open_chunk_copy(&h->cells, &r->open, out->tokens);
    }
    return out->tokens != NULL;
}

// With the turn: the live series from *from on; *n of them, with their labels in `out`.
static bool slice_copy(struct image_writer *w, u32 *from, u32 *n)
{
    const struct head *h = w->head;
    u32 ordinals[SLICE];
    u64 bytes = 0;
    u32 at = *from;
    struct cells_ahead ahead;
    cells_ahead_init(&ahead);
    *n = 0;
    for (; at < h->count && at < *from + SLICE && bytes < LABEL_BYTES_MAX; at++) {
        cells_ahead_step(&ahead, &h->cells, at,
                         h->count - at > CELLS_AHEAD ? &h->rows[at + CELLS_AHEAD].open : NULL);
        if (!head_live(h, at)) {
            continue;
        }
        if (!row_copy(w, at, &w->rows[*n])) {
            return false;
        }
        bytes += head_label_bytes(h, at);
        ordinals[(*n)++] = at;
    }
    *from = at;
    image_parts_put(&w->parts, &w->out, ordinals, *n, w->job->salt);
    return true;
}

static void open_put(struct image_writer *w, const struct row_copy *r)
{
    u8 present[PRESENCE_BYTES] = {0};
    const struct open_chunk *o = &r->open;
    const bool gaps = open_chunk_gaps(o);
    buf_byte(&w->out, o->n);
    if (o->n == 0) {
        return;
    }
    buf_clear(&w->packed);
    open_tokens_pack(PACK_QUICK, (str){(const char *)r->tokens, o->bytes}, o->n,
                     gaps ? present : NULL, o->first, &w->packed);
    CHECK(buf_ok(&w->packed));
    buf_varsint(&w->out, r->open_window);
    buf_varint(&w->out, r->open_segment);
    buf_byte(&w->out, o->first);
    buf_byte(&w->out, o->last);
    if (gaps) {
        buf_add(&w->out, present, sizeof(present));
    }
    buf_lenstr(&w->out, buf_get(&w->packed));
}

static void rows_put(struct image_writer *w, u32 n)
{
    u32 ordinal = 0;
    size_t mark = wal_record_begin(&w->out);
    buf_varint(&w->out, n);
    for (u32 i = 0; i < n; i++) {
        const struct row_copy *r = &w->rows[i];
        buf_varint(&w->out, r->ordinal - ordinal);
        buf_varsint(&w->out, r->t_last);
        buf_f64(&w->out, r->v_last);
        u32 positions = 0;
        for (u32 k = 0; k < r->part_count; k++) {
            positions += r->parts[k].position != SEALED_NONE;
        }
        buf_varint(&w->out, positions);
        for (u32 k = 0; k < r->part_count; k++) {
            if (r->parts[k].position != SEALED_NONE) {
                buf_varsint(&w->out, r->parts[k].window);
                buf_varint(&w->out, r->parts[k].position);
            }
        }
        open_put(w, r);
        ordinal = r->ordinal;
    }
    record_end(w, mark, WAL_IMAGE_ROWS);
    w->series += n;
}

static void late_put(struct image_writer *w, u32 ordinal, const struct row_part *p)
{
    for (u32 from = 0; from < p->late_n; from += IMAGE_LATE_MAX) {
        u32 n = MIN(p->late_n - from, IMAGE_LATE_MAX);
        i64 t = 0;
        size_t mark = wal_record_begin(&w->out);
        buf_varint(&w->out, ordinal);
        buf_varsint(&w->out, p->window);
        buf_varint(&w->out, n);
        for (u32 i = from; i < from + n; i++) {
            buf_varsint(&w->out, p->late_t[i] - t);
            buf_f64(&w->out, p->late_values[i]);
            t = p->late_t[i];
        }
        record_end(w, mark, WAL_IMAGE_LATE);
        out_flush(w);
    }
}

static bool series_put(struct image_writer *w, struct error *e)
{
    struct head *h = w->head;
    u32 from = 0;
    bool more = true;
    while (more && !w->file.failed) {
        u32 n;
        arena_reset(w->arena);
        head_turn_take(h);
        bool ok = slice_copy(w, &from, &n);
        more = from < h->count;
        head_turn_drop(h);
        if (!ok) {
            return err_set(e, ERR_LIMIT, "%u series hold more than %zu bytes of late samples",
                           SLICE, SLICE_BYTES_MAX);
        }
        if (w->job->interrupts && atomic_load(w->job->interrupts) > 0) {
            return err_set(e, ERR_CANCELLED, "somebody waits");
        }
        rows_put(w, n);
        out_flush(w);
        for (u32 i = 0; i < n; i++) {
            for (u32 k = 0; k < w->rows[i].part_count; k++) {
                late_put(w, w->rows[i].ordinal, &w->rows[i].parts[k]);
            }
        }
    }
    return true;
}

// The log behind the image says nothing of them; that before it may be asked again.
static void gone_put(struct image_writer *w)
{
    u32 ordinals[WAL_GONE_MAX];
    u32 from = 0;
    bool more = true;
    while (more) {
        lock_take(&w->head->lock);
        const u32 n = head_gone_list(w->head, &from, ordinals, WAL_GONE_MAX);
        more = from < w->head->count;
        lock_drop(&w->head->lock);
        if (n > 0) {
            wal_put_gone(&w->out, ordinals, n, w->job->salt);
            out_flush(w);
        }
    }
}

// A window as it was once all series were copied: what they speak of is in it. Threads: owned by
// one call.
struct window_copy {
    struct head_window *window;
    i64 number;
    u32 segments;
    u32 extents;
    u32 used;
    u64 chunks;
    u32 boxes;
    u32 boxes_used;
};

static u32 windows_copy(struct head *h, struct window_copy copies[HEAD_WINDOWS_MAX])
{
    lock_take(&h->lock);
    for (u32 i = 0; i < h->window_count; i++) {
        struct head_window *w = h->windows[i];
        copies[i] = (struct window_copy){.window = w,
                                         .number = window_number(h, w),
                                         .segments = w->segment_count,
                                         .extents = w->sealed.extents,
                                         .used = w->sealed.used,
                                         .chunks = w->sealed.chunks,
                                         .boxes = w->boxes.count,
                                         .boxes_used = w->boxes.used};
    }
    u32 n = h->window_count;
    lock_drop(&h->lock);
    return n;
}

static void window_put(struct image_writer *w, const struct window_copy *c)
{
    const struct sealed_store *s = &c->window->sealed;
    arena_reset(w->arena);
    u32 parts = sealed_parts(s, NULL, 0);
    struct sealed_part *list = ARENA_NEW_N(w->arena, struct sealed_part, (size_t)parts + 1);
    (void)sealed_parts(s, list, parts);
    size_t mark = wal_record_begin(&w->out);
    buf_varsint(&w->out, c->number);
    buf_varint(&w->out, c->segments);
    buf_varint(&w->out, c->extents);
    buf_varint(&w->out, c->chunks);
    buf_varint(&w->out, c->boxes);
    buf_varint(&w->out, parts);
    for (u32 i = 0; i < parts; i++) {
        buf_varint(&w->out, list[i].number);
        buf_varint(&w->out, list[i].extents);
        buf_le32(&w->out, list[i].crc);
    }
    record_end(w, mark, WAL_IMAGE_WINDOW);
    out_flush(w);
}

static void times_put(struct image_writer *w, const struct window_copy *c)
{
    for (u32 from = 0; from < c->segments; from += TIMES_SLICE) {
        u32 n = MIN(c->segments - from, TIMES_SLICE);
        u32 rows[TIMES_SLICE];
        lock_take(&w->head->lock);
        for (u32 i = 0; i < n; i++) {
            rows[i] = window_segment_at(c->window, from + i)->n;
        }
        lock_drop(&w->head->lock);
        size_t mark = wal_record_begin(&w->out);
        buf_varint(&w->out, n);
        for (u32 i = 0; i < n; i++) {
            const struct segment *s = window_segment_at(c->window, from + i);
            buf_byte(&w->out, s->group != 0);
            buf_varint(&w->out, rows[i]);
            i64 t = 0;
            i64 step = 0;
            for (u32 k = 0; k < rows[i]; k++) {
                buf_varsint(&w->out, s->t[k] - t - step);
                step = k > 0 ? s->t[k] - t : 0;
                t = s->t[k];
            }
        }
        record_end(w, mark, WAL_IMAGE_TIMES);
        out_flush(w);
    }
}

static void bytes_put(struct image_writer *w, enum wal_kind kind, const u8 *bytes, size_t len)
{
    size_t mark = wal_record_begin(&w->out);
    buf_add(&w->out, bytes, len);
    record_end(w, mark, kind);
    out_flush(w);
}

// The files hold the first extents; of the last one and of the last boxes a part is filled.
static void window_bytes_put(struct image_writer *w, const struct window_copy *c)
{
    const struct sealed_store *s = &c->window->sealed;
    for (u32 i = s->spilled; i < c->extents; i++) {
        bytes_put(w, WAL_IMAGE_EXTENT, sealed_extent(s, i),
                  i + 1 == c->extents ? c->used : EXTENT_BYTES);
    }
    for (u32 i = 0; i < c->boxes; i++) {
        bytes_put(w, WAL_IMAGE_BOXES, box_store_extent(&c->window->boxes, i),
                  i + 1 == c->boxes ? c->boxes_used : BOX_EXTENT);
    }
}

static void windows_put(struct image_writer *w)
{
    struct window_copy copies[HEAD_WINDOWS_MAX];
    u32 n = windows_copy(w->head, copies);
    for (u32 i = 0; i < n && !w->file.failed; i++) {
        window_put(w, &copies[i]);
        times_put(w, &copies[i]);
        window_bytes_put(w, &copies[i]);
    }
}

static void rest_put(struct image_writer *w)
{
    u64 place = 0;
    bool more = w->job->extra != NULL;
    while (more) {
        more = w->job->extra(w->job->extra_ctx, &w->out, w->job->salt, &place);
        out_flush(w);
    }
    size_t mark = wal_record_begin(&w->out);
    buf_varint(&w->out, w->series);
    record_end(w, mark, WAL_IMAGE_END);
    out_flush(w);
}

static bool image_put(struct image_writer *w, struct error *e)
{
    header_put(w, &w->out);
    out_flush(w);
    log_put(w);
    if (!series_put(w, e)) {
        return false;
    }
    gone_put(w);
    windows_put(w);
    rest_put(w);
    return outfile_finish(&w->file, e);
}

static void image_path(const char *dir, const char *suffix, char path[512])
{
    (void)snprintf(path, 512, "%.450s/image%s", dir, suffix);
}

bool head_image_write(const struct head_image *job, struct error *e)
{
    char tmp[512];
    image_path(job->dir, ".tmp", tmp);
    struct image_writer *w = MEM_NEW(struct image_writer);
    w->job = job;
    w->head = job->head;
    bool ok = outfile_open(&w->file, job->fs, tmp, e);
    if (ok) {
        w->arena = arena_new(SLICE_BYTES_MAX);
        buf_init(&w->out, OUT_BYTES_MAX);
        buf_init(&w->packed, OPEN_PACKED_MAX);
        image_parts_out_init(&w->parts, w->head);
        ok = image_put(w, e);
        image_parts_out_fini(&w->parts);
        buf_fini(&w->out);
        buf_fini(&w->packed);
        arena_free(w->arena);
        outfile_close(&w->file);
    }
    mem_free(w);
    if (!ok) {
        struct error ignored;
        (void)!fs_unlink(job->fs, tmp, &ignored);
        return err_in(e, "writing the head image");
    }
    return true;
}

bool head_image_publish(const struct head_image *job, struct error *e)
{
    char tmp[512];
    char path[512];
    image_path(job->dir, ".tmp", tmp);
    image_path(job->dir, "", path);
    return (fs_rename(job->fs, tmp, path, e) && fs_sync_dir(job->fs, job->dir, e)) ||
           err_in(e, "listing a head image");
}

void head_image_remove(struct fs *fs, const char *dir)
{
    char path[512];
    struct error ignored;
    image_path(dir, "", path);
    (void)!fs_unlink(fs, path, &ignored);
}
