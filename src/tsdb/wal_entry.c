// wal_entry.c: payloads of series, samples, metadata; the dispatch of a replay. Rows of groups are
// in wal_fragment.c.
#include "tsdb/wal_entry.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/dec.h"
#include "base/error.h"
#include "base/str.h"
#include "tsdb/head.h"
#include "tsdb/head_series.h"
#include "tsdb/wal_fragment.h"
#include "tsdb/wal_record.h"

#include <stdlib.h>

#define SERIES_PER_RECORD  256U
#define STRING_PLACES      1024U
#define SAMPLES_PER_RECORD 1024U
#define BOX_RECORD_BYTES   ((size_t)1 << 20) // Closes a record of boxes.
#define FRAGMENT_MIN       3U                // Fewer values of a row are cheaper as single samples.
#define DECODE_BYTES_MAX   ((size_t)1 << 30) // More than any record of WAL_RECORD_MAX needs.

// Strings of one series record: each is written once and named by its number afterwards, unless
// another one with the same place in the table came in between. Threads: owned by one call.
struct string_table {
    u32 n;
    u32 record; // Places filled in for an earlier record do not count.
    struct string_place {
        u32 symbol;
        u32 record;
        u32 number;
    } places[STRING_PLACES];
};

#define VARINT_MAX       ((size_t)5)      // Bytes of a number of 32 bits.
#define SERIES_BYTES_MAX (3 * VARINT_MAX) // Of one, before its strings.
#define LABEL_BYTES_MAX  (4 * VARINT_MAX) // Of one, beside its texts.

// Where there is room for it.
static inline u8 *varint_put(u8 *at, u32 v)
{
    while (v >= 0x80) {
        *at++ = (u8)(v | 0x80);
        v >>= 7;
    }
    *at++ = (u8)v;
    return at;
}

static inline u8 *string_put(u8 *at, struct string_table *t, const struct head *h, u32 symbol)
{
    struct string_place *p = &t->places[symbol % STRING_PLACES];
    if (LIKELY(p->record == t->record && p->symbol == symbol)) {
        return varint_put(at, t->n - p->number);
    }
    const str text = symtab_get(h->index.symbols, symbol);
    *at++ = 0;
    at = varint_put(at, (u32)text.len);
    memcpy(at, text.ptr, text.len);
    *p = (struct string_place){.symbol = symbol, .record = t->record, .number = t->n++};
    return at + text.len;
}

static void put_series(struct buf *out, struct string_table *t, const struct head *h, u32 ordinal)
{
    const struct head_index *x = &h->index;
    const u32 count = head_label_count(h, ordinal);
    struct pair_walk w = head_pair_walk(h, ordinal);
    char *room =
        buf_room(out, SERIES_BYTES_MAX + count * LABEL_BYTES_MAX + head_label_bytes(h, ordinal));
    u8 *at = (u8 *)room;
    if (!room) {
        return;
    }
    at = varint_put(at, ordinal);
    at = varint_put(at, h->rows[ordinal].tenant);
    at = varint_put(at, count);
    (void)pair_walk_next(&w); // The tenant's.
    for (u32 i = 0; i < count; i++) {
        const struct head_pair *p = &x->pairs[pair_walk_next(&w)];
        at = string_put(at, t, h, x->names[p->name].symbol);
        at = string_put(at, t, h, p->value);
    }
    buf_commit(out, (size_t)(at - (u8 *)room));
}

static void put_series_record(struct buf *out, struct string_table *t, const struct head *h,
                              const u32 *ordinals, u32 n)
{
    t->n = 0;
    t->record++;
    buf_varint(out, n);
    for (u32 i = 0; i < n; i++) {
        put_series(out, t, h, ordinals[i]);
    }
}

// Records stay small: the series of one are at most SERIES_PER_RECORD and a quarter of the limit.
void wal_put_series(struct buf *out, const struct head *h, const u32 *ordinals, u32 n, u32 salt)
{
    struct string_table *strings = n > 0 ? MEM_NEW(struct string_table) : NULL;
    u32 from = 0;
    while (from < n) {
        u64 bytes = 0;
        u32 to = from;
        while (to < n && to - from < SERIES_PER_RECORD && bytes < WAL_RECORD_MAX / 4) {
            bytes += head_label_bytes(h, ordinals[to]) + head_label_count(h, ordinals[to]) * 20ULL;
            to++;
        }
        size_t mark = wal_record_begin(out);
        put_series_record(out, strings, h, ordinals + from, to - from);
        wal_record_end(out, mark, WAL_SERIES, salt);
        from = to;
    }
    mem_free(strings);
}

void wal_put_gone(struct buf *out, const u32 *ordinals, u32 n, u32 salt)
{
    CHECK(n <= WAL_GONE_MAX);
    size_t mark = wal_record_begin(out);
    buf_varint(out, n);
    for (u32 i = 0; i < n; i++) {
        buf_varint(out, ordinals[i]);
        buf_varint(out, 0); // Tenant.
        buf_varint(out, 0); // Pairs.
    }
    wal_record_end(out, mark, WAL_SERIES, salt);
}

void wal_put_metadata(struct buf *out, struct tenant_id tenant, const struct metadata *m, u32 n,
                      u32 salt)
{
    for (u32 i = 0; i < n; i++) {
        size_t mark = wal_record_begin(out);
        buf_varint(out, tenant.v);
        buf_byte(out, (u8)m[i].type);
        buf_lenstr(out, m[i].name);
        buf_lenstr(out, m[i].help);
        buf_lenstr(out, m[i].unit);
        wal_record_end(out, mark, WAL_METADATA, salt);
    }
}

static void put_labels(struct buf *out, struct labels ls)
{
    buf_varint(out, ls.count);
    for (u32 i = 0; i < ls.count; i++) {
        buf_lenstr(out, ls.items[i].name);
        buf_lenstr(out, ls.items[i].value);
    }
}

void wal_put_exemplar(struct buf *out, struct tenant_id tenant, struct labels set,
                      const struct exemplar *x, u32 salt)
{
    size_t mark = wal_record_begin(out);
    buf_varint(out, tenant.v);
    put_labels(out, set);
    put_labels(out, x->labels);
    buf_f64(out, x->value);
    buf_varsint(out, x->t_ms);
    buf_byte(out, x->has_t);
    wal_record_end(out, mark, WAL_EXEMPLARS, salt);
}

void wal_put_synced(struct buf *out, u64 segment, u64 offset, u32 salt)
{
    size_t mark = wal_record_begin(out);
    buf_le64(out, segment);
    buf_le64(out, offset);
    wal_record_end(out, mark, WAL_SYNCED, salt);
}

bool wal_get_synced(str payload, u64 *segment, u64 *offset)
{
    struct dec d = dec_of(payload);
    u64 s = dec_le64(&d);
    u64 o = dec_le64(&d);
    if (!dec_ok(&d) || dec_left(&d) != 0) {
        return false;
    }
    *segment = s;
    *offset = o;
    return true;
}

static void put_samples(struct buf *out, struct head *h, const struct head_write *const *writes,
                        u32 n, u32 salt)
{
    for (u32 from = 0; from < n; from += SAMPLES_PER_RECORD) {
        size_t mark = wal_record_begin(out);
        u32 to = MIN(n, from + SAMPLES_PER_RECORD);
        i64 t = 0;
        i64 ordinal = 0;
        buf_varint(out, to - from);
        for (u32 i = from; i < to; i++) {
            const struct head_write *w = writes[i];
            buf_varsint(out, (i64)w->ordinal - ordinal);
            buf_varsint(out, w->t - t);
            buf_f64(out, w->value);
            ordinal = w->ordinal;
            t = w->t;
            h->rows[w->ordinal].wal_epoch = 0; // The next fragment states it whole.
        }
        wal_record_end(out, mark, WAL_SAMPLES, salt);
    }
}

static bool boxes_end(const struct buf *out, size_t mark, u32 n)
{
    return n == SAMPLES_PER_RECORD || out->len - mark >= BOX_RECORD_BYTES;
}

static void put_boxes(struct buf *out, const struct head_plan *plan, u32 salt)
{
    u32 n = 0; // Of the record at hand.
    size_t mark = 0;
    i64 t = 0;
    i64 ordinal = 0;
    for (u32 i = 0; i < plan->n; i++) {
        const struct head_write *w = &plan->writes[i];
        if (!is_box(w->value)) {
            continue;
        }
        if (n == 0) {
            mark = wal_record_begin(out);
            t = 0;
            ordinal = 0;
        }
        buf_varsint(out, (i64)w->ordinal - ordinal);
        buf_varsint(out, w->t - t);
        buf_lenstr(out, head_plan_bytes(plan, w->value));
        ordinal = w->ordinal;
        t = w->t;
        n++;
        if (boxes_end(out, mark, n)) {
            wal_record_end(out, mark, WAL_BOXES, salt);
            n = 0;
        }
    }
    if (n > 0) {
        wal_record_end(out, mark, WAL_BOXES, salt);
    }
}

static int by_write(const void *a, const void *b)
{
    const struct head_write *const *x = a;
    const struct head_write *const *y = b;
    return head_write_order(*x, *y);
}

// The writes of rows, in the order of groups, times and ordinals. Boxes have records of their own.
// *singles: how many there are besides.
static u32 rows_of(const struct head_plan *plan, const struct head_write **rows, u32 *singles)
{
    u32 n = 0;
    bool sorted = true;
    *singles = 0;
    for (u32 i = 0; i < plan->n; i++) {
        const struct head_write *w = &plan->writes[i];
        if (is_box(w->value)) {
            continue;
        }
        if (head_write_single(w)) {
            ++*singles;
            continue;
        }
        sorted = sorted && (n == 0 || head_write_follows(rows[n - 1], w));
        rows[n++] = w;
    }
    if (!sorted) {
        qsort(rows, n, sizeof(struct head_write *), by_write);
    }
    return n;
}

// In the order in which they came.
static void singles_of(const struct head_plan *plan, const struct head_write **singles)
{
    u32 n = 0;
    for (u32 i = 0; i < plan->n; i++) {
        const struct head_write *w = &plan->writes[i];
        if (!is_box(w->value) && head_write_single(w)) {
            singles[n++] = w;
        }
    }
}

static bool is_of_row(const struct wal_writes *row, u32 i)
{
    const struct head_write *first = wal_write_at(row, 0);
    const struct head_write *w = wal_write_at(row, i);
    return w->group == first->group && w->t == first->t;
}

// How many of n writes in the order of the log, at least one, are of the first one's row. Looked
// for in leaps: a row is mostly all there is.
static u32 row_count(const struct wal_writes *row, u32 n)
{
    u32 in = 0;
    u32 out = n; // The first that is not.
    for (u32 leap = n - 1; in + 1 < out; leap = (out - in) / 2) {
        if (is_of_row(row, in + leap)) {
            in += leap;
        } else {
            out = in + leap;
        }
    }
    return out;
}

// Of n writes in the order of the log: those of one group and time make a record.
static void put_rows(struct buf *out, struct head *h, struct wal_writes rows, u32 n, u64 place,
                     u32 salt)
{
    u32 from = 0;
    while (from < n) {
        const struct wal_writes row = wal_writes_from(rows, from);
        const u32 count = row_count(&row, n - from);
        if (count < FRAGMENT_MIN) {
            const struct head_write *few[FRAGMENT_MIN];
            for (u32 i = 0; i < count; i++) {
                few[i] = wal_write_at(&row, i);
            }
            put_samples(out, h, few, count, salt);
        } else {
            wal_put_fragment(out, h, row, count, place, salt);
        }
        from += count;
    }
}

// Singles, boxes, or an order that is not the log's: the writes are picked and sorted first.
static void put_strewn(struct buf *out, struct head *h, const struct head_plan *plan, u64 place,
                       u32 salt)
{
    const struct head_write **rows = MEM_GROW(NULL, plan->n, const struct head_write *);
    u32 singles;
    const u32 total = rows_of(plan, rows, &singles);
    if (singles > 0) {
        singles_of(plan, rows + total);
        put_samples(out, h, rows + total, singles, salt);
    }
    put_rows(out, h, (struct wal_writes){.order = rows}, total, place, salt);
    if (total + singles < plan->n) {
        put_boxes(out, plan, salt);
    }
    mem_free(rows);
}

void wal_put_plan(struct buf *out, struct head *h, const struct head_plan *plan, u64 place,
                  u32 salt)
{
    if (plan->n == 0) {
        return;
    }
    if (!plan->strewn && plan->box_count == 0) {
        put_rows(out, h, (struct wal_writes){.first = plan->writes}, plan->n, place, salt);
    } else {
        put_strewn(out, h, plan, place, salt);
    }
}

void wal_decoder_init(struct wal_decoder *d, struct wal_sink sink, u32 slots_max)
{
    *d = (struct wal_decoder){.sink = sink, .slots_max = MIN(slots_max, WAL_ORDINAL_MAX)};
    d->scratch = arena_new(DECODE_BYTES_MAX);
}

void wal_decoder_segment(struct wal_decoder *d)
{
    for (u32 i = 0; i < d->chain_count; i++) {
        d->chains[i].whole = false;
    }
}

void wal_decoder_fini(struct wal_decoder *d)
{
    arena_free(d->scratch);
    mem_free(d->chains);
    mem_free(d->values);
    *d = (struct wal_decoder){0};
}

static bool bad(struct error *e, const char *what)
{
    return err_set(e, ERR_CORRUPT, "a log record of %s contradicts itself", what);
}

static bool get_string(struct dec *d, str *strings, u32 *n, str *out)
{
    u64 back = dec_varint(d);
    if (back == 0) {
        *out = dec_lenstr(d);
        strings[(*n)++] = *out;
    } else if (back <= *n) {
        *out = strings[*n - back];
    } else {
        dec_fail(d);
    }
    return dec_ok(d);
}

static bool get_series(struct wal_decoder *w, str payload, struct error *e)
{
    struct dec d = dec_of(payload);
    u64 n = dec_varint(&d);
    // Every string takes two bytes at least, which bounds both arrays by the payload.
    str *strings = arena_try(w->scratch, payload.len / 2 + 1, sizeof(str));
    struct label *items = arena_try(w->scratch, payload.len / 2 + 1, sizeof(struct label));
    if (!strings || !items) {
        return bad(e, "series");
    }
    u32 string_count = 0;
    for (u64 i = 0; i < n && dec_ok(&d); i++) {
        u64 ordinal = dec_varint(&d);
        u64 tenant = dec_varint(&d);
        u64 count = dec_varint(&d);
        if (ordinal >= w->slots_max || tenant > UINT32_MAX || count > dec_left(&d)) {
            return bad(e, "series");
        }
        if (count > payload.len / 2) {
            return bad(e, "series");
        }
        for (u64 k = 0; k < count && dec_ok(&d); k++) {
            if (!get_string(&d, strings, &string_count, &items[k].name) ||
                !get_string(&d, strings, &string_count, &items[k].value)) {
                return bad(e, "series");
            }
        }
        struct labels set = {.items = items, .count = (u32)count};
        if (dec_ok(&d) &&
            !w->sink.series(w->sink.ctx, (struct tenant_id){(u32)tenant}, set, (u32)ordinal)) {
            w->series_refused++;
        }
    }
    return dec_ok(&d) && dec_left(&d) == 0 ? true : bad(e, "series");
}

static bool get_samples(struct wal_decoder *w, str payload, struct error *e)
{
    struct dec d = dec_of(payload);
    u64 n = dec_varint(&d);
    i64 ordinal = 0;
    u64 t = 0; // Wraps: a difference may be any.
    for (u64 i = 0; i < n && dec_ok(&d); i++) {
        i64 step = dec_varsint(&d);
        t += (u64)dec_varsint(&d);
        f64 value = dec_f64(&d);
        if (step > (i64)WAL_ORDINAL_MAX || step < -(i64)WAL_ORDINAL_MAX) {
            return bad(e, "samples");
        }
        ordinal += step;
        if (ordinal < 0 || ordinal > (i64)WAL_ORDINAL_MAX) {
            return bad(e, "samples");
        }
        if (dec_ok(&d)) {
            w->samples++;
            w->t_max = MAX(w->t_max, (i64)t);
            w->sink.sample(w->sink.ctx, (u32)ordinal, (i64)t, value);
        }
    }
    return dec_ok(&d) && dec_left(&d) == 0 ? true : bad(e, "samples");
}

static bool get_boxes(struct wal_decoder *w, str payload, struct error *e)
{
    struct dec d = dec_of(payload);
    i64 ordinal = 0;
    u64 t = 0; // Wraps: a difference may be any.
    while (dec_ok(&d) && dec_left(&d) > 0) {
        i64 step = dec_varsint(&d);
        t += (u64)dec_varsint(&d);
        str bytes = dec_lenstr(&d);
        struct box b;
        if (!dec_ok(&d) || step > (i64)WAL_ORDINAL_MAX || step < -(i64)WAL_ORDINAL_MAX) {
            return bad(e, "boxes");
        }
        ordinal += step;
        if (ordinal < 0 || ordinal > (i64)WAL_ORDINAL_MAX || !box_decode(bytes, w->scratch, &b)) {
            return bad(e, "boxes");
        }
        w->samples++;
        w->t_max = MAX(w->t_max, (i64)t);
        w->sink.box(w->sink.ctx, (u32)ordinal, (i64)t, bytes);
    }
    return dec_ok(&d) ? true : bad(e, "boxes");
}

static bool get_metadata(struct wal_decoder *w, str payload, struct error *e)
{
    struct dec d = dec_of(payload);
    u64 tenant = dec_varint(&d);
    u8 type = dec_u8(&d);
    struct metadata m = {.name = dec_lenstr(&d)};
    m.help = dec_lenstr(&d);
    m.unit = dec_lenstr(&d);
    if (!dec_ok(&d) || dec_left(&d) != 0 || tenant > UINT32_MAX || type >= METRIC_TYPE_COUNT) {
        return bad(e, "metadata");
    }
    m.type = (enum metric_type)type;
    w->sink.metadata(w->sink.ctx, (struct tenant_id){(u32)tenant}, &m);
    return true;
}

static bool get_labels(struct dec *d, struct arena *a, struct labels *out)
{
    u64 n = dec_varint(d);
    struct label *items = n <= dec_left(d) / 2 ? arena_try(a, n + 1, sizeof(*items)) : NULL;
    if (!items) {
        return false;
    }
    for (u64 i = 0; i < n; i++) {
        items[i].name = dec_lenstr(d);
        items[i].value = dec_lenstr(d);
    }
    *out = (struct labels){.items = items, .count = (u32)n};
    return dec_ok(d);
}

static bool get_exemplar(struct wal_decoder *w, str payload, struct error *e)
{
    static const struct labels_limits no_limits;
    struct dec d = dec_of(payload);
    struct labels set;
    struct exemplar x;
    u64 tenant = dec_varint(&d);
    if (tenant > UINT32_MAX || !get_labels(&d, w->scratch, &set) ||
        !get_labels(&d, w->scratch, &x.labels) || !labels_check(set, &no_limits, NULL)) {
        return bad(e, "exemplars");
    }
    x.value = dec_f64(&d);
    x.t_ms = dec_varsint(&d);
    x.has_t = dec_u8(&d) != 0;
    if (!dec_ok(&d) || dec_left(&d) != 0) {
        return bad(e, "exemplars");
    }
    w->sink.exemplar(w->sink.ctx, (struct tenant_id){(u32)tenant}, set, &x);
    return true;
}

static bool decode(struct wal_decoder *d, u8 kind, str payload, struct error *e)
{
    switch ((enum wal_kind)kind) {
    case WAL_SYNCED:
        return true; // Read in the first pass.
    case WAL_SERIES:
        return get_series(d, payload, e);
    case WAL_FRAGMENT:
        return wal_get_fragment(d, payload, e);
    case WAL_SAMPLES:
        return get_samples(d, payload, e);
    case WAL_METADATA:
        return get_metadata(d, payload, e);
    case WAL_BOXES:
        return get_boxes(d, payload, e);
    case WAL_EXEMPLARS:
        return get_exemplar(d, payload, e);
    case WAL_IMAGE_LOG:
    case WAL_IMAGE_ROWS:
    case WAL_IMAGE_LATE:
    case WAL_IMAGE_WINDOW:
    case WAL_IMAGE_TIMES:
    case WAL_IMAGE_EXTENT:
    case WAL_IMAGE_BOXES:
    case WAL_IMAGE_END:
    case WAL_IMAGE_PARTS:
    case WAL_IMAGE_SERIES:
    case WAL_KIND_COUNT:
        break; // Not of a log.
    }
    return bad(e, "an unknown kind");
}

bool wal_decode(struct wal_decoder *d, u8 kind, str payload, struct error *e)
{
    arena_reset(d->scratch);
    return decode(d, kind, payload, e) ||
           (arena_was_full(d->scratch)
                ? err_set(e, ERR_LIMIT, "a log record needs more than %zu bytes of memory",
                          DECODE_BYTES_MAX)
                : false);
}
