// head_image_read.c: a head image as a head: its frame, then series and rows in step.
//
// Rows of a slice are taken in once its series are in the table. Where a thread helps it takes them
// in, after the windows, which stand behind them in the file, while the caller makes the series of
// the next slices. Rows may speak of slots that were there when they came; from then on nothing
// comes to those, so that it does not matter when they are taken in:
//   caller   │ series 1 │ series 2 │ series 3 │ …
//   thread   │ windows       │ rows 1 │ rows 2 │ …
#include "base/arena.h"
#include "base/dec.h"
#include "base/error.h"
#include "base/hash.h"
#include "os/pages.h"
#include "os/thr.h"
#include "tsdb/head.h"
#include "tsdb/head_cold.h"
#include "tsdb/head_image.h"
#include "tsdb/head_image_form.h"
#include "tsdb/head_image_parts.h"
#include "tsdb/head_image_rows.h"
#include "tsdb/head_restore.h"

#include <stdio.h>

#define ROW_BYTES_MIN 12 // Of a series in a record of rows.
#ifdef TIDEMARK_SMALL
#    define SLICES_AT_ONCE 1U
#else
#    define SLICES_AT_ONCE 8U // Of 256 series: told to who takes in their rows.
#endif

static bool corrupt(struct error *e, const char *what)
{
    return err_set(e, ERR_CORRUPT, "a head image contradicts itself in its %s", what);
}

// Threads: a value.
struct image_header {
    u64 first;
    u64 alias_segment;
    u32 salt;
};

static bool header_get(str bytes, const struct head *h, struct image_header *out, struct error *e)
{
    if (bytes.len < WAL_HEADER_BYTES) {
        return err_set(e, ERR_CORRUPT, "a head image of %zu bytes has no header", bytes.len);
    }
    struct dec d = dec_of((str){bytes.ptr, WAL_HEADER_BYTES});
    str magic = dec_bytes(&d, sizeof(IMAGE_MAGIC) - 1);
    u32 version = dec_le32(&d);
    u32 stream = dec_le32(&d);
    out->first = dec_le64(&d);
    u64 range_ms = dec_le64(&d);
    u32 rows = dec_le32(&d);
    u32 extent = dec_le32(&d);
    out->salt = dec_le32(&d);
    out->alias_segment = dec_le64(&d);
    i64 floor = (i64)dec_le64(&d);
    if (memcmp(magic.ptr, IMAGE_MAGIC, sizeof(IMAGE_MAGIC) - 1) != 0 ||
        dec_le32(&d) != crc32c(0, bytes.ptr, IMAGE_HEADER_USED)) {
        return err_set(e, ERR_CORRUPT, "the header of a head image is damaged");
    }
    if (version != IMAGE_VERSION) {
        return err_set(e, ERR_UNSUPPORTED,
                       "a head image has format version %u; this release reads %u", version,
                       IMAGE_VERSION);
    }
    if (range_ms != (u64)h->range_ms || rows != ROWS_MAX || extent != EXTENT_BYTES) {
        return err_set(e, ERR_UNSUPPORTED,
                       "a head image is of a build or a block range of other sizes");
    }
    if (h->t_floor < floor) {
        return err_set(e, ERR_UNSUPPORTED,
                       "a head image leaves to blocks what those that can be read do not hold");
    }
    return stream == h->id && out->first > 0 ? true : corrupt(e, "header");
}

static bool log_get(struct head_image_file *f, str payload, struct arena *a)
{
    struct dec d = dec_of(payload);
    u64 n = dec_varint(&d);
    if (n > dec_left(&d) / 4) {
        return false;
    }
    f->kept = ARENA_NEW_N(a, struct wal_kept, n + 1);
    for (u64 i = 0; i < n; i++) {
        struct wal_kept *k = &f->kept[i];
        k->number = dec_varint(&d);
        k->bytes = dec_varint(&d);
        k->t_max = dec_varsint(&d);
        k->continues = dec_u8(&d) != 0;
        if (k->number >= f->first || (i > 0 && k->number <= f->kept[i - 1].number)) {
            return false;
        }
    }
    f->kept_count = (u32)n;
    return dec_ok(&d) && dec_left(&d) == 0;
}

// Every record, by its checksum; whole only if the first and the last are what they have to be.
static bool records_get(struct head_image_file *f, u32 salt, struct arena *a, struct error *e)
{
    struct wal_reader r;
    u32 cap = 0;
    wal_reader_init(&r, (str){(const char *)f->map.bytes, f->map.len}, f->map.len, salt);
    while (wal_reader_next(&r) && r.bad_bytes == 0) {
        if (f->record_count == cap) {
            cap = MAX(1024U, cap * 2);
            f->records = MEM_GROW(f->records, cap, struct image_record);
        }
        f->records[f->record_count++] =
            (struct image_record){.kind = (u8)r.kind, .payload = r.payload};
    }
    if (r.bad_bytes != 0 || f->record_count < 2) {
        return err_set(e, ERR_CORRUPT, "a head image is damaged at offset %llu",
                       (unsigned long long)r.bad_at);
    }
    const struct image_record *last = &f->records[f->record_count - 1];
    struct dec d = dec_of(last->payload);
    f->series = (u32)dec_varint(&d);
    return f->records[0].kind == WAL_IMAGE_LOG && log_get(f, f->records[0].payload, a) &&
                   last->kind == WAL_IMAGE_END && dec_ok(&d)
               ? true
               : corrupt(e, "frame");
}

bool head_image_open(struct fs *fs, const char *dir, const struct head *h, struct arena *a,
                     struct head_image_file *out, struct error *e)
{
    char path[512];
    struct image_header header = {0};
    (void)snprintf(path, sizeof(path), "%.450s/image", dir);
    *out = (struct head_image_file){.fs = fs};
    if (!fs_map_open(fs, path, &out->map, e)) {
        return false;
    }
    bool ok = header_get((str){(const char *)out->map.bytes, out->map.len}, h, &header, e);
    if (ok) {
        out->first = header.first;
        out->alias_segment = header.alias_segment;
        ok = records_get(out, header.salt, a, e);
    }
    if (!ok) {
        head_image_close(out);
        return err_in(e, "%s", path);
    }
    return true;
}

void head_image_close(struct head_image_file *f)
{
    if (f->map.bytes) {
        fs_map_close(f->fs, &f->map);
    }
    mem_free(f->records);
    *f = (struct head_image_file){0};
}

// The two halves of a load: series, with their labels, and rows, which follow in their own thread
// if there is one. Threads: series, parts and decoder owned by the caller; rows and rows_error by
// whoever follows; the rest guarded by the lock.
struct image_load {
    const struct head_image_file *file;
    struct head *head;
    struct wal_sink sink;
    struct wal_decoder decoder;
    struct image_parts_in parts;
    u32 slots_max;
    u32 rows_there; // At most so many series come: a file has bytes for each.
    u32 at;         // The record being read.
    u32 *slots;     // For each record that speaks of rows: how many of them there may be.
    struct image_rows rows;
    struct error rows_error;
    struct thr *thread; // NULL: the caller follows itself.
    struct lock lock;
    struct cond moved;
    u32 known;  // Records of which the series are in the table.
    u32 taken;  // Records of which the rows are.
    bool ended; // No more records become known.
    bool failed;
};

// Of all records before the one at hand.
static void known_tell(struct image_load *l, bool ended)
{
    lock_take(&l->lock);
    l->known = l->at;
    l->ended = ended;
    cond_broadcast(&l->moved);
    lock_drop(&l->lock);
}

// Until all rows of the records before the one at hand are taken in: then nobody else looks at the
// table. false: they stopped at something.
static bool rows_wait(struct image_load *l)
{
    lock_take(&l->lock);
    if (l->known < l->at) {
        l->known = l->at;
        cond_broadcast(&l->moved);
    }
    while (!l->failed && l->taken < l->at) {
        cond_wait(&l->moved, &l->lock);
    }
    const bool ok = !l->failed;
    lock_drop(&l->lock);
    return ok;
}

// How many records are known, more than there were; the same: there will be no more.
static u32 known_wait(struct image_load *l, u32 taken)
{
    lock_take(&l->lock);
    l->taken = taken;
    cond_broadcast(&l->moved);
    while (!l->ended && l->known == taken) {
        cond_wait(&l->moved, &l->lock);
    }
    const u32 known = l->known;
    lock_drop(&l->lock);
    return known;
}

static bool records_follow(struct image_load *l, u32 from, u32 to)
{
    bool ok = true;
    for (u32 i = from; ok && i < to; i++) {
        l->rows.slots = l->slots[i];
        ok = image_rows_get(&l->rows, &l->file->records[i], &l->rows_error);
    }
    return ok;
}

// So that the caller, who has more to do, finds the pages of rows when it comes to them. They will
// all be written: a slot between series is, too.
static void rows_fetch(struct image_load *l)
{
    (void)pages_fetch(l->head->rows, l->rows_there * sizeof(struct head_row));
}

static void rows_follow(void *arg)
{
    struct image_load *l = arg;
    rows_fetch(l);
    bool ok = image_rows_windows(&l->rows, &l->rows_error);
    bool more = ok;
    u32 taken = 0;
    while (more) {
        const u32 known = known_wait(l, taken);
        more = known > taken;
        ok = records_follow(l, taken, known);
        more = more && ok;
        taken = known;
    }
    lock_take(&l->lock);
    l->failed = !ok;
    cond_broadcast(&l->moved);
    lock_drop(&l->lock);
}

// A slot that went to a cold block. They come after all rows, and the table may have to move.
static bool gone_set(struct image_load *l, u32 ordinal)
{
    if (l->thread && !rows_wait(l)) { // It waits once for all of a record.
        return false;
    }
    head_gone_set(l->head, ordinal);
    return true;
}

static bool on_series(void *ctx, struct tenant_id tenant, struct labels set, u32 ordinal)
{
    struct image_load *l = ctx;
    if (set.count == 0) {
        return gone_set(l, ordinal);
    }
    return ordinal >= l->parts.slots_min && ordinal < l->slots_max &&
           head_restore_new(l->head, tenant, set, ordinal);
}

static void on_metadata(void *ctx, struct tenant_id tenant, const struct metadata *m)
{
    struct image_load *l = ctx;
    l->sink.metadata(l->sink.ctx, tenant, m);
}

static void on_exemplar(void *ctx, struct tenant_id tenant, struct labels set,
                        const struct exemplar *x)
{
    struct image_load *l = ctx;
    l->sink.exemplar(l->sink.ctx, tenant, set, x);
}

static bool record_get(struct image_load *l, const struct image_record *record, struct error *e)
{
    switch (record->kind) {
    case WAL_SERIES:
    case WAL_METADATA:
    case WAL_EXEMPLARS:
        return wal_decode(&l->decoder, record->kind, record->payload, e) &&
               (l->decoder.series_refused == 0 || corrupt(e, "series"));
    case WAL_IMAGE_PARTS:
        return image_parts_get(&l->parts, record->payload) || corrupt(e, "labels");
    case WAL_IMAGE_SERIES:
        return image_series_get(&l->parts, record->payload) || corrupt(e, "series");
    case WAL_IMAGE_ROWS:
    case WAL_IMAGE_LATE:
        l->slots[l->at] = l->head->count;
        l->parts.slots_min = l->head->count;
        return true;
    default:
        return true;
    }
}

// Series of some slices; those after them stand in higher slots. false: at is the one refused.
static bool slices_get(struct image_load *l, struct error *e)
{
    u32 slices = 0;
    while (l->at < l->file->record_count && slices < SLICES_AT_ONCE) {
        const struct image_record *record = &l->file->records[l->at];
        if (!record_get(l, record, e)) {
            return false;
        }
        slices += record->kind == WAL_IMAGE_ROWS;
        l->at++;
    }
    return true;
}

static bool load_alone(struct image_load *l, struct error *e)
{
    bool ok = true;
    l->failed = !image_rows_windows(&l->rows, &l->rows_error);
    while (ok && !l->failed && l->at < l->file->record_count) {
        const u32 from = l->at;
        ok = slices_get(l, e);
        l->failed = !records_follow(l, from, l->at);
    }
    return ok;
}

static bool rows_failed(struct image_load *l)
{
    lock_take(&l->lock);
    const bool failed = l->failed;
    lock_drop(&l->lock);
    return failed;
}

static bool load_together(struct image_load *l, struct error *e)
{
    bool ok = true;
    while (ok && !rows_failed(l) && l->at < l->file->record_count) {
        ok = slices_get(l, e);
        known_tell(l, false);
    }
    known_tell(l, true);
    thr_join(l->thread);
    return ok;
}

// What stopped the rows stands before what stopped the series.
static bool records_load(struct image_load *l, bool threaded, struct error *e)
{
    struct error ignored; // Then nobody helps.
    l->thread = threaded ? thr_start("image", rows_follow, l, &ignored) : NULL;
    const bool ok = l->thread ? load_together(l, e) : load_alone(l, e);
    if (l->failed && e) {
        *e = l->rows_error;
    }
    return ok && !l->failed;
}

static void load_init(struct image_load *l, const char *spill_dir)
{
    const struct head_image_file *f = l->file;
    struct head *h = l->head;
    const struct wal_sink own = {
        .ctx = l, .series = on_series, .metadata = on_metadata, .exemplar = on_exemplar};
    const u32 slots_max = head_slots_max(h->limits->series_max);
    l->slots_max = image_rows_slots(f, slots_max);
    l->slots = MEM_NEW_N(u32, f->record_count);
    wal_decoder_init(&l->decoder, own, slots_max);
    image_parts_in_init(&l->parts, h, l->slots_max);
    image_rows_init(&l->rows, f, spill_dir, h);
    lock_init(&l->lock, LOCK_LEAF, "image_load");
    cond_init(&l->moved);
    l->rows_there = (u32)MIN(f->series, MIN(f->map.len / ROW_BYTES_MIN, l->slots_max));
    head_restore_reserve(h, l->rows_there, l->slots_max);
}

static void load_fini(struct image_load *l)
{
    mem_free(l->slots);
    image_rows_fini(&l->rows);
    image_parts_in_fini(&l->parts);
    wal_decoder_fini(&l->decoder);
    cond_fini(&l->moved);
    lock_fini(&l->lock);
}

bool head_image_load(const struct head_image_file *f, const struct head_image_target *to,
                     struct error *e)
{
    struct image_load l = {.file = f, .head = to->head, .sink = to->sink};
    CHECK(to->head->live == 0 && to->head->window_count == 0);
    load_init(&l, to->spill_dir);
    bool ok = records_load(&l, to->threaded, e);
    ok = ok && ((l.rows.series == f->series && image_parts_whole(&l.parts)) ||
                corrupt(e, "number of series"));
    if (!ok && arena_was_full(l.rows.scratch)) {
        ok = err_set(e, ERR_LIMIT, "a head image needs more than %zu bytes of memory",
                     IMAGE_SCRATCH_MAX);
    }
    load_fini(&l);
    if (ok && !to->sets_later) {
        head_restore_sets(to->head);
    }
    return ok;
}
