#include "tsdb/box_chunk.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/dec.h"
#include "base/error.h"
#include "model/hist.h"
#include "tsdb/chunk_pack.h"
#include "tsdb/int_pack.h"

#define COLUMN_BYTES_MAX ((size_t)CHUNK_VALUES_MAX * 16 + 1024)
#define SHAPE_BYTES_MAX  ((size_t)1 << 20)
// Buckets of all samples of a run: the writer's chunks stay far below.
#define RUN_BUCKETS_MAX 65536U
static_assert(RUN_BUCKETS_MAX > BOX_WEIGHT_MAX / 16 + (size_t)2 * HIST_BUCKETS_MAX,
              "by box_weight");

// Threads: owned by one call.
struct run_writer {
    const f64 *values;
    const struct box_list *list;
    struct buf *out;
    struct buf column;
    f64 numbers[CHUNK_VALUES_MAX];
};

static struct box box_at(const struct run_writer *w, u32 i)
{
    return is_box(w->values[i]) ? *box_list_get(w->list, w->values[i])
                                : (struct box){.value = w->values[i]};
}

static void shape_put(const struct box *b, struct buf *out)
{
    buf_byte(out, box_flags(b));
    if (b->hist) {
        hist_layout_put(out, b->hist);
    }
}

static void column_put(struct run_writer *w, u32 n)
{
    buf_clear(&w->column);
    chunk_pack_encode(w->numbers, n, &w->column);
    CHECK(buf_ok(&w->column));
    buf_lenstr(w->out, buf_get(&w->column));
}

static void starts_put(struct run_writer *w, u32 from, u32 n)
{
    i64 starts[CHUNK_VALUES_MAX];
    for (u32 i = 0; i < n; i++) {
        starts[i] = box_at(w, from + i).start_ms;
    }
    ts_pack_encode(starts, n, w->out);
}

// Which number of a histogram a column holds: zero count, count, sum, then the buckets.
enum { COLUMN_ZERO, COLUMN_COUNT, COLUMN_SUM, COLUMN_BUCKETS };

static f64 hist_number(const struct hist *h, u32 which)
{
    switch (which) {
    case COLUMN_ZERO:
        return h->zero_count;
    case COLUMN_COUNT:
        return h->count;
    case COLUMN_SUM:
        return h->sum;
    default:
        which -= COLUMN_BUCKETS;
        return which < h->positive.bucket_count
                   ? h->positive.buckets[which]
                   : h->negative.buckets[which - h->positive.bucket_count];
    }
}

static void run_put(struct run_writer *w, u32 from, u32 n, str shape)
{
    struct box first = box_at(w, from);
    buf_varint(w->out, n);
    buf_add(w->out, shape.ptr, shape.len);
    if (first.has_start) {
        starts_put(w, from, n);
    }
    u32 columns = 1;
    if (first.hist) {
        columns =
            COLUMN_BUCKETS + first.hist->positive.bucket_count + first.hist->negative.bucket_count;
    }
    for (u32 k = 0; k < columns; k++) {
        for (u32 i = 0; i < n; i++) {
            struct box b = box_at(w, from + i);
            w->numbers[i] = b.hist ? hist_number(b.hist, k) : b.value;
        }
        column_put(w, n);
    }
}

void box_chunk_encode(const f64 *values, u32 n, const struct box_list *list, struct buf *out)
{
    CHECK(n > 0 && n <= CHUNK_VALUES_MAX);
    struct run_writer *w = MEM_NEW(struct run_writer);
    struct buf shapes[2];
    w->values = values;
    w->list = list;
    w->out = out;
    buf_init(&w->column, COLUMN_BYTES_MAX);
    buf_init(&shapes[0], SHAPE_BYTES_MAX);
    buf_init(&shapes[1], SHAPE_BYTES_MAX);
    u32 from = 0;
    u32 now = 0; // The shape of the run.
    for (u32 i = 0; i <= n; i++) {
        struct buf *shape = &shapes[i == 0 ? 0 : 1 - now];
        buf_clear(shape);
        if (i < n) {
            struct box b = box_at(w, i);
            shape_put(&b, shape);
            CHECK(buf_ok(shape));
        }
        const struct buf *was = &shapes[now];
        if (i > from &&
            (shape->len != was->len || memcmp(shape->bytes, was->bytes, was->len) != 0)) {
            run_put(w, from, i - from, buf_get(was));
            now = 1 - now;
            from = i;
        }
    }
    buf_fini(&shapes[0]);
    buf_fini(&shapes[1]);
    buf_fini(&w->column);
    mem_free(w);
}

// Threads: owned by one call.
struct run_reader {
    struct dec d;
    struct box_list *list;
    u32 n; // Samples of the run.
    u8 flags;
    bool full; // The list's arena is: what failed is no damage.
    struct hist layout;
    i64 starts[CHUNK_VALUES_MAX];
    f64 numbers[CHUNK_VALUES_MAX];
};

static bool column_get(struct run_reader *r)
{
    str packed = dec_lenstr(&r->d);
    return dec_ok(&r->d) && packed.len > 0 && chunk_pack_decode(packed, r->n, r->numbers, NULL);
}

static bool buckets_get(struct run_reader *r, u32 count, f64 **out)
{
    f64 *buckets = count > 0 ? arena_try(r->list->arena, (size_t)count * r->n, sizeof(f64)) : NULL;
    r->full = r->full || (count > 0 && !buckets);
    for (u32 k = 0; buckets && k < count; k++) {
        if (!column_get(r)) {
            return false;
        }
        for (u32 i = 0; i < r->n; i++) {
            buckets[(size_t)i * count + k] = r->numbers[i];
        }
    }
    *out = buckets;
    return count == 0 || buckets;
}

static void side_at(struct hist_side *s, const f64 *buckets, u32 i)
{
    s->buckets = buckets ? buckets + (size_t)i * s->bucket_count : NULL;
}

static bool hists_get(struct run_reader *r, f64 *values)
{
    struct arena *a = r->list->arena;
    if (!hist_layout_get(&r->d, a, &r->layout, &r->full)) {
        return false;
    }
    u32 n = r->n;
    u64 buckets = (u64)r->layout.positive.bucket_count + r->layout.negative.bucket_count;
    if (buckets * n > RUN_BUCKETS_MAX) {
        return false;
    }
    struct hist *hists = arena_try(a, n, sizeof(*hists));
    r->full = r->full || !hists;
    if (!hists || (r->flags & BOX_START && !ts_pack_decode(&r->d, n, r->starts))) {
        return false;
    }
    r->layout.is_float = r->flags & BOX_HIST_FLOAT;
    r->layout.reset = (enum hist_reset)(r->flags / BOX_RESET);
    f64 *sides[2];
    for (u32 k = 0; k < COLUMN_BUCKETS; k++) {
        if (!column_get(r)) {
            return false;
        }
        for (u32 i = 0; i < n; i++) {
            struct hist *h = &hists[i];
            *(k == COLUMN_ZERO    ? &h->zero_count
              : k == COLUMN_COUNT ? &h->count
                                  : &h->sum) = r->numbers[i];
        }
    }
    if (!buckets_get(r, r->layout.positive.bucket_count, &sides[0]) ||
        !buckets_get(r, r->layout.negative.bucket_count, &sides[1])) {
        return false;
    }
    for (u32 i = 0; i < n; i++) {
        struct hist h = r->layout;
        h.zero_count = hists[i].zero_count;
        h.count = hists[i].count;
        h.sum = hists[i].sum;
        side_at(&h.positive, sides[0], i);
        side_at(&h.negative, sides[1], i);
        hists[i] = h;
        if (!hist_check(&h, NULL)) {
            return false;
        }
        struct box b = {
            .hist = &hists[i], .start_ms = r->starts[i], .has_start = r->flags & BOX_START};
        if (!box_list_add(r->list, b, &values[i])) {
            r->full = true;
            return false;
        }
    }
    return true;
}

static bool floats_get(struct run_reader *r, f64 *values)
{
    if (r->flags & ~BOX_START ||
        (r->flags & BOX_START && !ts_pack_decode(&r->d, r->n, r->starts)) || !column_get(r)) {
        return false;
    }
    for (u32 i = 0; i < r->n; i++) {
        bool boxed = r->flags & BOX_START || is_box(r->numbers[i]);
        struct box b = {
            .value = r->numbers[i], .start_ms = r->starts[i], .has_start = r->flags & BOX_START};
        values[i] = r->numbers[i];
        if (boxed && !box_list_add(r->list, b, &values[i])) {
            r->full = true;
            return false;
        }
    }
    return true;
}

static bool run_get(struct run_reader *r, u32 left, f64 *values)
{
    u64 n = dec_varint(&r->d);
    r->flags = dec_u8(&r->d);
    if (n == 0 || n > left || r->flags & ~BOX_FLAGS_KNOWN) {
        return false;
    }
    r->n = (u32)n;
    memset(r->starts, 0, r->n * sizeof(i64));
    return r->flags & BOX_HIST ? hists_get(r, values) : floats_get(r, values);
}

bool box_chunk_decode(str bytes, u32 n, struct box_list *list, f64 *values, struct error *e)
{
    CHECK(n > 0 && n <= CHUNK_VALUES_MAX);
    struct run_reader *r = MEM_NEW(struct run_reader);
    r->d = dec_of(bytes);
    r->list = list;
    u32 at = 0;
    bool ok = true;
    while (ok && at < n) {
        ok = run_get(r, n - at, values + at);
        at += r->n;
    }
    ok = ok && dec_ok(&r->d) && dec_left(&r->d) == 0;
    bool full = r->full;
    mem_free(r);
    if (!ok && full) {
        return err_set(e, ERR_LIMIT, "a chunk of histograms needs more memory than is left");
    }
    return ok || err_set(e, ERR_CORRUPT, "a chunk of boxed samples contradicts itself");
}
