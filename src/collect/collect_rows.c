// collect_rows.c: see collect_rows.h.
#include "collect/collect_rows.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/str.h"
#include "base/utf8.h"
#include "model/labels.h"
#include "storage/storage.h"

enum {
    LABELS_TOTAL_MAX = FAMILY_LABELS_MAX + 3,
    METADATA_BATCH = 256,
    RESOLVE_BATCH = 256,
    CLEAN_BYTES_MAX = 3, // Of a byte that is none of UTF-8.
    // A collection may write series_max rows and end as many series.
    COLUMN_FACTOR = 2
};

// Threads: as struct rows.
struct row_series {
    struct label *items; // One block with all bytes; NULL: a free slot.
    u32 count;
    u32 free_next;
    u64 hash;
    struct series_ref ref;
    u64 seen; // Number of the last collection with a row of it.
    bool committed;
    bool announced; // Its family's metadata went to storage.
    enum metric_type type;
    str help; // In the block of items.
};

// Threads: owned by the collecting thread.
struct rows {
    struct storage_appender *appender;
    str job;
    str instance;
    u32 series_max;

    struct row_series *series; // Slots; index = what map stores.
    u32 slot_count;
    u32 slot_cap;
    u32 free_first; // MAP_NONE: none.
    struct map map;

    i64 t_ms;
    u64 number; // Of this collection; 0 is never.
    u32 count;  // Rows.
    u32 cap;
    u32 *slots; // The columns, all of cap.
    f64 *values;
    i64 *times;
    struct series_ref *refs;
    u8 *outcomes;

    char clean[FAMILY_LABELS_MAX][ROW_VALUE_BYTES_MAX * CLEAN_BYTES_MAX]; // Of the row under way.
    struct rows_counts counts;
};

// What the map looks for: labels, sorted.
struct row_key {
    const struct label *items;
    u32 count;
};

static bool row_eq(const void *ctx, u32 index, const void *key)
{
    const struct rows *r = ctx;
    const struct row_key *k = key;
    const struct row_series *s = &r->series[index];
    return labels_eq((struct labels){s->items, s->count}, (struct labels){k->items, k->count});
}

static u64 row_hash_of(const void *ctx, u32 index)
{
    return ((const struct rows *)ctx)->series[index].hash;
}

static const struct map_ops row_map_ops = {.eq = row_eq, .hash_of = row_hash_of};

struct rows *rows_new(struct storage *s, str job, str instance, u32 series_max, struct error *e)
{
    struct storage_appender *a = storage_appender_open(s, TENANT_DEFAULT, STREAM_OWN, e);
    if (!a) {
        return NULL;
    }
    struct rows *r = MEM_NEW(struct rows);
    r->appender = a;
    r->job = job;
    r->instance = instance;
    r->series_max = series_max;
    r->free_first = MAP_NONE;
    map_init(&r->map, &row_map_ops, r);
    return r;
}

void rows_free(struct rows *r)
{
    if (!r) {
        return;
    }
    for (u32 i = 0; i < r->slot_count; i++) {
        mem_free(r->series[i].items);
    }
    storage_appender_close(r->appender);
    map_fini(&r->map);
    mem_free(r->series);
    mem_free(r->slots);
    mem_free(r->values);
    mem_free(r->times);
    mem_free(r->refs);
    mem_free(r->outcomes);
    mem_free(r);
}

void rows_limit(struct rows *r, u32 series_max)
{
    r->series_max = series_max;
}

void rows_begin(struct rows *r, i64 t_ms)
{
    r->t_ms = t_ms;
    r->number++;
    r->count = 0;
    r->counts.stale = 0;
}

u32 rows_count(const struct rows *r)
{
    return r->count;
}

u32 rows_fresh(const struct rows *r)
{
    u32 n = 0;
    for (u32 i = 0; i < r->count; i++) {
        n += !r->series[r->slots[i]].committed;
    }
    return n;
}

const struct rows_counts *rows_counts_get(const struct rows *r)
{
    return &r->counts;
}

static void columns_grow(struct rows *r)
{
    r->cap = r->cap ? r->cap * 2 : 1024;
    r->slots = MEM_GROW(r->slots, r->cap, u32);
    r->values = MEM_GROW(r->values, r->cap, f64);
    r->times = MEM_GROW(r->times, r->cap, i64);
    r->refs = MEM_GROW(r->refs, r->cap, struct series_ref);
    r->outcomes = MEM_GROW(r->outcomes, r->cap, u8);
}

static void row_push(struct rows *r, u32 slot, f64 v)
{
    if (r->count == r->cap) {
        columns_grow(r);
    }
    r->slots[r->count] = slot;
    r->values[r->count++] = v;
}

// The value itself, or a cleaned copy in `out`.
static str value_clean(str v, char out[ROW_VALUE_BYTES_MAX * CLEAN_BYTES_MAX])
{
    str cut = str_sub(v, 0, ROW_VALUE_BYTES_MAX);
    if (utf8_valid(cut)) {
        return cut;
    }
    size_t n = 0;
    for (size_t i = 0; i < cut.len;) {
        u32 code_point = 0;
        const size_t from = i;
        bool good = utf8_next(cut, &i, &code_point);
        const str piece = good ? str_sub(cut, from, i) : STR("\xef\xbf\xbd");
        memcpy(out + n, piece.ptr, piece.len);
        n += piece.len;
    }
    return str_make(out, n);
}

// Fills items with the row's labels, sorted, without empty ones; returns their number. They live
// until the next row.
static u32 row_labels(struct rows *r, const struct family *f, const str *values,
                      struct label items[LABELS_TOTAL_MAX])
{
    u32 n = 0;
    items[n++] = (struct label){LABEL_NAME, f->name};
    items[n++] = (struct label){LABEL_INSTANCE, r->instance};
    items[n++] = (struct label){LABEL_JOB, r->job};
    for (u32 i = 0; i < FAMILY_LABELS_MAX && f->labels[i].len; i++) {
        const str value = value_clean(values[i], r->clean[i]);
        if (!value.len) {
            continue;
        }
        u32 at = n++;
        for (; at > 0 && str_cmp(items[at - 1].name, f->labels[i]) > 0; at--) {
            items[at] = items[at - 1];
        }
        items[at] = (struct label){f->labels[i], value};
    }
    return n;
}

static char *bytes_put(char *at, str *s)
{
    if (s->len) {
        memcpy(at, s->ptr, s->len);
    }
    s->ptr = at;
    return at + s->len;
}

// One block: the label array, then all bytes.
static void series_fill(struct row_series *s, const struct row_key *k, const struct family *f)
{
    size_t bytes = f->help.len;
    for (u32 i = 0; i < k->count; i++) {
        bytes += k->items[i].name.len + k->items[i].value.len;
    }
    char *block = MEM_NEW_N(char, k->count * sizeof(struct label) + bytes + 1);
    s->items = (struct label *)(void *)block;
    s->count = k->count;
    char *at = block + k->count * sizeof(struct label);
    for (u32 i = 0; i < k->count; i++) {
        s->items[i] = k->items[i];
        at = bytes_put(at, &s->items[i].name);
        at = bytes_put(at, &s->items[i].value);
    }
    s->help = f->help;
    (void)bytes_put(at, &s->help);
    s->type = f->type;
}

static u32 slot_take(struct rows *r)
{
    u32 slot = r->free_first;
    if (slot != MAP_NONE) {
        r->free_first = r->series[slot].free_next;
        return slot;
    }
    if (r->slot_count == r->slot_cap) {
        r->slot_cap = r->slot_cap ? r->slot_cap * 2 : 1024;
        r->series = MEM_GROW(r->series, r->slot_cap, struct row_series);
    }
    return r->slot_count++;
}

static u32 series_make(struct rows *r, const struct row_key *k, u64 hash, const struct family *f)
{
    u32 slot = slot_take(r);
    struct row_series *s = &r->series[slot];
    *s = (struct row_series){.hash = hash};
    series_fill(s, k, f);
    map_put(&r->map, hash, slot);
    r->counts.series++;
    return slot;
}

static void series_drop(struct rows *r, u32 slot)
{
    struct row_series *s = &r->series[slot];
    const struct row_key k = {s->items, s->count};
    CHECK(map_del(&r->map, s->hash, &k));
    mem_free(s->items);
    *s = (struct row_series){.free_next = r->free_first};
    r->free_first = slot;
    r->counts.series--;
}

bool rows_add(struct rows *r, const struct family *f, const str *values, f64 v, struct error *e)
{
    struct label items[LABELS_TOTAL_MAX];
    const struct row_key k = {items, row_labels(r, f, values, items)};
    u64 hash = hash_mix(HASH_FNV64A_INIT, k.count);
    for (u32 i = 0; i < k.count; i++) {
        // Names come from few tables, values decide; eq looks at both.
        hash = hash_mix(hash, hash_str(items[i].value));
    }
    u32 slot = map_get(&r->map, hash, &k);
    if (slot == MAP_NONE) {
        if (r->counts.series >= r->series_max) {
            r->counts.dropped_limit++;
            return err_set(e, ERR_LIMIT, "the host has more than series_max %u series",
                           r->series_max);
        }
        slot = series_make(r, &k, hash, f);
    }
    if (r->series[slot].seen == r->number) {
        r->counts.dropped_duplicate++;
        return true;
    }
    r->series[slot].seen = r->number;
    row_push(r, slot, v);
    return true;
}

void rows_cut(struct rows *r, u32 count)
{
    for (u32 i = count; i < r->count; i++) {
        r->series[r->slots[i]].seen = 0;
        if (!r->series[r->slots[i]].committed) {
            series_drop(r, r->slots[i]); // gives its place to those that follow
        }
    }
    r->count = MIN(count, r->count);
}

static void batch_resolve(struct rows *r, const u32 *slots, const struct labels *sets, u32 n)
{
    struct series_ref refs[RESOLVE_BATCH];
    u8 outcomes[RESOLVE_BATCH];
    r->appender->ops->resolve(r->appender, sets, n, refs, outcomes);
    for (u32 i = 0; i < n; i++) {
        r->series[slots[i]].ref = refs[i];
        // What was refused now is counted now; its row still goes along as invalid and is not.
        r->counts.outcomes[outcomes[i]] += outcomes[i] != APPEND_STORED;
    }
}

// Gives every row without a ref one.
static void refs_resolve(struct rows *r)
{
    struct labels sets[RESOLVE_BATCH];
    u32 slots[RESOLVE_BATCH];
    u32 n = 0;
    for (u32 i = 0; i < r->count; i++) {
        const struct row_series *s = &r->series[r->slots[i]];
        if (!series_ref_is_none(s->ref)) {
            continue;
        }
        slots[n] = r->slots[i];
        sets[n++] = (struct labels){s->items, s->count};
        if (n == RESOLVE_BATCH) {
            batch_resolve(r, slots, sets, n);
            n = 0;
        }
    }
    if (n > 0) {
        batch_resolve(r, slots, sets, n);
    }
}

static bool metadata_flush(struct rows *r, const struct metadata *m, u32 n)
{
    struct error ignored = {0};
    bool ok = n == 0 || r->appender->ops->metadata(r->appender, m, n, &ignored);
    r->counts.metadata_failed += !ok;
    return ok;
}

// Type and help of families that have a series not yet announced; neighbours share a family, so
// that looking at the one before is enough to send most of them once.
static void metadata_send(struct rows *r)
{
    struct metadata batch[METADATA_BATCH];
    u32 n = 0;
    str before = STR_EMPTY;
    for (u32 i = 0; i < r->count; i++) {
        struct row_series *s = &r->series[r->slots[i]];
        if (s->announced) {
            continue;
        }
        s->announced = true;
        const str name = labels_get((struct labels){s->items, s->count}, LABEL_NAME);
        if (str_eq(name, before)) {
            continue;
        }
        before = name;
        batch[n++] = (struct metadata){.name = name, .type = s->type, .help = s->help};
        if (n == METADATA_BATCH) {
            (void)metadata_flush(r, batch, n);
            n = 0;
        }
    }
    (void)metadata_flush(r, batch, n);
}

// A marker for every committed series that has no row now.
static void markers_add(struct rows *r)
{
    for (u32 i = 0; i < r->slot_count; i++) {
        const struct row_series *s = &r->series[i];
        if (s->items && s->seen != r->number && s->committed) {
            row_push(r, i, stale_nan());
            r->counts.stale++;
        }
    }
}

// Counts what became of the rows. Those whose series storage no longer had stay as the rows if they
// are to be tried again.
static void outcomes_take(struct rows *r, bool again)
{
    u32 lost = 0;
    for (u32 i = 0; i < r->count; i++) {
        struct row_series *s = &r->series[r->slots[i]];
        const u8 outcome = r->outcomes[i];
        const bool refless = series_ref_is_none(s->ref); // Counted when resolving.
        if (append_is_stored(outcome) && s->seen == r->number) {
            s->committed = true;
        }
        if (outcome == APPEND_INVALID) {
            s->ref = (struct series_ref){0, 0}; // Dead: to be asked for again.
        }
        if (again && outcome == APPEND_INVALID && !refless) {
            r->slots[lost] = r->slots[i];
            r->values[lost++] = r->values[i];
        } else {
            r->counts.outcomes[outcome] += !refless;
        }
    }
    r->count = lost;
}

// Frees the series without a row: they have had their marker.
static void gone_drop(struct rows *r)
{
    for (u32 i = 0; i < r->slot_count; i++) {
        if (r->series[i].items && r->series[i].seen != r->number) {
            series_drop(r, i);
        }
    }
}

// Stages and commits the rows; those that are to be tried again stay.
static bool batch_commit(struct rows *r, bool again, struct error *e)
{
    u64 position = 0;
    refs_resolve(r);
    for (u32 i = 0; i < r->count; i++) {
        r->times[i] = r->t_ms;
        r->refs[i] = r->series[r->slots[i]].ref;
    }
    const struct append_batch batch = {.refs = r->refs,
                                       .t_ms = r->times,
                                       .values = r->values,
                                       .n = r->count,
                                       .outcomes = r->outcomes};
    if (!r->appender->ops->append(r->appender, &batch, e) ||
        !r->appender->ops->commit(r->appender, DURABILITY_PERIODIC, &position, e)) {
        r->appender->ops->rollback(r->appender);
        return false;
    }
    outcomes_take(r, again);
    return true;
}

// The rows whose series storage no longer had, a second time. What cannot be stored now is counted
// as refused, and not the collection with it: its first commit stands.
static void lost_commit(struct rows *r)
{
    struct error ignored = {0};
    if (!batch_commit(r, false, &ignored)) {
        for (u32 i = 0; i < r->count; i++) { // Without a ref: counted when resolving.
            r->counts.outcomes[APPEND_INVALID] += !series_ref_is_none(r->refs[i]);
        }
    }
}

bool rows_commit(struct rows *r, struct error *e)
{
    const u32 rows = r->count;
    metadata_send(r);
    markers_add(r);
    if (r->count == 0) {
        return true;
    }
    if (!batch_commit(r, true, e)) {
        // Not committed is as not seen: the next collection decides anew who is gone.
        for (u32 i = 0; i < rows; i++) {
            r->series[r->slots[i]].announced = false;
        }
        return err_in(e, "writing the host's samples");
    }
    if (r->count > 0) {
        lost_commit(r);
    }
    gone_drop(r);
    return true;
}
