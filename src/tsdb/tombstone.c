#include "tsdb/tombstone.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/dec.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "os/fs.h"
#include "tsdb/stored_file.h"

#include <stdlib.h>

#define FILE_BYTES_MAX ((size_t)256 << 20)
#define HEAD_BYTES     16U

static const char tomb_magic[8] = {'T', 'M', 'T', 'O', 'M', 'B', 'S', '1'};

bool tombstone_add(struct tombstone_list *l, struct tombstone t, struct error *e)
{
    if (l->n == TOMBSTONES_MAX) {
        return err_set(e, ERR_LIMIT, "more than %u deleted series in one block: clean first",
                       TOMBSTONES_MAX);
    }
    if (l->n == l->cap) {
        l->cap = MAX(64U, l->cap * 2);
        l->items = MEM_GROW(l->items, l->cap, struct tombstone);
    }
    l->items[l->n++] = t;
    return true;
}

void tombstone_list_fini(struct tombstone_list *l)
{
    mem_free(l->items);
    *l = (struct tombstone_list){0};
}

static int by_series(const void *a, const void *b)
{
    const struct tombstone *x = a;
    const struct tombstone *y = b;
    if (x->series != y->series) {
        return x->series < y->series ? -1 : 1;
    }
    if (x->min_ms != y->min_ms) {
        return x->min_ms < y->min_ms ? -1 : 1;
    }
    return x->id < y->id ? -1 : x->id > y->id;
}

struct tombstones *tombstones_make(struct tombstone_list *l)
{
    if (l->n == 0) {
        return NULL;
    }
    struct tombstones *t = mem_new(1, sizeof(*t) + l->n * sizeof(struct tombstone));
    qsort(l->items, l->n, sizeof(struct tombstone), by_series);
    for (u32 i = 0; i < l->n; i++) {
        const struct tombstone *last = i > 0 ? &l->items[i - 1] : NULL;
        if (!last || by_series(last, &l->items[i]) != 0 || last->max_ms != l->items[i].max_ms) {
            t->items[t->n++] = l->items[i];
        }
    }
    atomic_store(&t->refs, 1);
    return t;
}

struct tombstones *tombstones_ref(struct tombstones *t)
{
    if (t) {
        atomic_fetch_add(&t->refs, 1);
    }
    return t;
}

void tombstones_unref(struct tombstones *t)
{
    if (t && atomic_fetch_sub(&t->refs, 1) == 1) {
        mem_free(t);
    }
}

const struct tombstone *tombstones_find(const struct tombstones *t, u32 series, u32 *n)
{
    u32 low = 0;
    u32 high = t ? t->n : 0;
    while (low < high) {
        u32 mid = low + (high - low) / 2;
        if (t->items[mid].series < series) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *n = 0;
    while (t && low + *n < t->n && t->items[low + *n].series == series) {
        (*n)++;
    }
    return *n > 0 ? &t->items[low] : NULL;
}

u32 tombstones_due(const struct tombstones *t, i64 made_ms)
{
    u32 series = 0;
    u32 last = UINT32_MAX;
    for (u32 i = 0; t && i < t->n; i++) {
        if (t->items[i].made_ms <= made_ms && t->items[i].series != last) {
            last = t->items[i].series;
            series++;
        }
    }
    return series;
}

bool tombstones_write(struct fs *fs, const char *path, const struct tombstones *t, struct error *e)
{
    struct buf b;
    u32 n = t ? t->n : 0;
    struct tombstone last = {0};
    buf_init(&b, FILE_BYTES_MAX);
    buf_add(&b, tomb_magic, sizeof(tomb_magic));
    buf_le32(&b, TOMBSTONES_VERSION);
    buf_le32(&b, n);
    for (u32 i = 0; i < n; i++) {
        const struct tombstone *x = &t->items[i];
        buf_varint(&b, x->series - last.series);
        buf_varint(&b, x->id ^ last.id);
        buf_varint(&b, (u64)x->made_ms ^ (u64)last.made_ms);
        buf_varint(&b, (u64)x->min_ms ^ (u64)last.min_ms);
        buf_varint(&b, (u64)x->max_ms ^ (u64)last.max_ms);
        last = *x;
    }
    buf_le32(&b, crc32c(0, b.bytes, b.len));
    bool ok = buf_ok(&b) ? fs_replace_file(fs, path, buf_get(&b), e)
                         : err_set(e, ERR_LIMIT, "%s would pass %zu bytes", path, FILE_BYTES_MAX);
    buf_fini(&b);
    return ok;
}

bool tombstones_decode(str file, u32 series_count, struct tombstones **out, struct error *e)
{
    struct dec d = dec_of(file);
    str magic = dec_bytes(&d, sizeof(tomb_magic));
    u32 version = dec_le32(&d);
    u32 n = dec_le32(&d);
    if (!dec_ok(&d) || file.len < HEAD_BYTES + 4 ||
        memcmp(magic.ptr, tomb_magic, sizeof(tomb_magic)) != 0) {
        return err_set(e, ERR_CORRUPT, "no list of deletions (%zu bytes)", file.len);
    }
    if (version != TOMBSTONES_VERSION) {
        return err_set(e, ERR_UNSUPPORTED, "deletions of format version %u; this release reads %u",
                       version, TOMBSTONES_VERSION);
    }
    if (crc32c(0, file.ptr, file.len - 4) != load_le32(file.ptr + file.len - 4) ||
        n > TOMBSTONES_MAX || n > file.len / 5) {
        return err_set(e, ERR_CORRUPT, "the list of deletions is damaged");
    }
    struct tombstone_list l = {.cap = n};
    l.items = n > 0 ? MEM_NEW_N(struct tombstone, n) : NULL;
    struct tombstone last = {0};
    u64 series = 0;
    bool ok = true;
    for (; ok && l.n < n; l.n++) {
        u64 step = dec_varint(&d);
        series += MIN(step, UINT32_MAX);
        last.id ^= dec_varint(&d);
        last.made_ms = (i64)((u64)last.made_ms ^ dec_varint(&d));
        last.min_ms = (i64)((u64)last.min_ms ^ dec_varint(&d));
        last.max_ms = (i64)((u64)last.max_ms ^ dec_varint(&d));
        last.series = (u32)series;
        ok = dec_ok(&d) && series < series_count && last.min_ms <= last.max_ms;
        l.items[l.n] = last;
    }
    ok = ok && dec_left(&d) == 4;
    if (ok) {
        *out = tombstones_make(&l);
    }
    tombstone_list_fini(&l);
    return ok || err_set(e, ERR_CORRUPT, "the list of deletions contradicts itself");
}

bool tombstones_read(struct fs *fs, const char *path, u32 series_count, struct tombstones **out,
                     struct error *e)
{
    struct arena *a = arena_new(FILE_BYTES_MAX + (1U << 20));
    struct error why = {0};
    str file;
    bool ok = true;
    if (stored_file_read(fs, path, FILE_BYTES_MAX, a, &file, &why)) {
        ok = tombstones_decode(file, series_count, out, e) || err_in(e, "%s", path);
    } else if (why.code == ERR_NOT_FOUND) {
        *out = NULL;
    } else {
        ok = err_set(e, why.code, "%s", why.text);
    }
    arena_free(a);
    return ok;
}
