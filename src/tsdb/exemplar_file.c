// exemplar_file.c: see exemplar_file.h.
#include "tsdb/exemplar_file.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>

#define HEADER_BYTES    16U
#define FOOTER_BYTES    16U
#define PAGE_HEAD       8U
#define PAGE_FULL       ((size_t)32 << 10) // A page is closed once it passes this.
#define PAGE_MAX        ((size_t)8 << 20)
#define SLICE_MAX       64U // Exemplars of a group.
#define GROUP_LABELS    4096U
#define GROUP_BYTES_MAX ((size_t)64 << 20) // Of all sources' groups of one series, when merged.

static const char file_magic[8] = {'T', 'M', 'E', 'X', 'E', 'M', 'P', '1'};

int exemplar_group_cmp(const struct exemplar_group *a, const struct exemplar_group *b)
{
    if (a->tenant.v != b->tenant.v) {
        return a->tenant.v < b->tenant.v ? -1 : 1;
    }
    return labels_cmp(a->labels, b->labels);
}

static int by_time(const void *a, const void *b)
{
    const struct exemplar *x = a;
    const struct exemplar *y = b;
    const u64 p = bits_of_f64(x->value);
    const u64 q = bits_of_f64(y->value);
    if (x->t_ms != y->t_ms) {
        return x->t_ms < y->t_ms ? -1 : 1;
    }
    if (p != q) {
        return p < q ? -1 : 1;
    }
    return labels_cmp(x->labels, y->labels);
}

u32 exemplars_settle(struct exemplar *items, u32 n)
{
    u32 kept = 0;
    if (n > 1) {
        qsort(items, n, sizeof(*items), by_time);
    }
    for (u32 i = 0; i < n; i++) {
        if (kept == 0 || by_time(&items[kept - 1], &items[i]) != 0) {
            items[kept++] = items[i];
        }
    }
    return kept;
}

static void le32_put(u8 *to, u32 v)
{
    memcpy(to, &v, sizeof(v)); // Little-endian: base/bits.h.
}

// --- Writing -------------------------------------------------------------------------------------

void exemplar_writer_init(struct exemplar_writer *w, struct fs *fs, const char *path)
{
    *w = (struct exemplar_writer){.fs = fs};
    (void)snprintf(w->path, sizeof(w->path), "%s", path);
    buf_init(&w->page, PAGE_MAX);
}

void exemplar_writer_close(struct exemplar_writer *w)
{
    outfile_close(&w->file);
    buf_fini(&w->page);
}

static bool writer_open(struct exemplar_writer *w, struct error *e)
{
    u8 header[HEADER_BYTES] = {0};
    if (!outfile_open(&w->file, w->fs, w->path, e)) {
        return false;
    }
    memcpy(header, file_magic, sizeof(file_magic));
    header[8] = EXEMPLARS_VERSION;
    outfile_add(&w->file, header, sizeof(header));
    w->is_open = true;
    return true;
}

static void page_write(struct exemplar_writer *w)
{
    u8 head[PAGE_HEAD];
    le32_put(head, (u32)w->page.len);
    le32_put(head + 4, crc32c(crc32c(0, head, 4), w->page.bytes, w->page.len));
    outfile_add(&w->file, head, sizeof(head));
    outfile_add(&w->file, w->page.bytes, w->page.len);
    buf_clear(&w->page);
    w->pages++;
}

static void labels_put(struct buf *out, struct labels ls)
{
    buf_varint(out, ls.count);
    for (u32 i = 0; i < ls.count; i++) {
        buf_lenstr(out, ls.items[i].name);
        buf_lenstr(out, ls.items[i].value);
    }
}

static void slice_put(struct exemplar_writer *w, const struct exemplar_group *g, u32 from, u32 n)
{
    struct buf *out = &w->page;
    i64 before = 0;
    buf_varint(out, g->tenant.v);
    labels_put(out, g->labels);
    buf_varint(out, n);
    for (u32 i = from; i < from + n; i++) {
        const struct exemplar *x = &g->items[i];
        buf_varsint(out, (i64)((u64)x->t_ms - (u64)before));
        buf_byte(out, x->has_t);
        buf_f64(out, x->value);
        labels_put(out, x->labels);
        before = x->t_ms;
    }
}

bool exemplar_writer_add(struct exemplar_writer *w, const struct exemplar_group *g, struct error *e)
{
    if (g->n > 0 && !w->is_open && !writer_open(w, e)) {
        return false;
    }
    for (u32 from = 0; from < g->n; from += SLICE_MAX) {
        slice_put(w, g, from, MIN(SLICE_MAX, g->n - from));
        if (!buf_ok(&w->page)) {
            return err_set(e, ERR_LIMIT, "exemplars of one series pass %zu bytes", PAGE_MAX);
        }
        if (w->page.len >= PAGE_FULL) {
            page_write(w);
        }
    }
    return true;
}

bool exemplar_writer_finish(struct exemplar_writer *w, struct error *e)
{
    u8 footer[FOOTER_BYTES];
    if (!w->is_open) {
        return true;
    }
    if (w->page.len > 0) {
        page_write(w);
    }
    le32_put(footer, w->pages);
    le32_put(footer + 4, crc32c(0, footer, 4));
    memcpy(footer + 8, file_magic, sizeof(file_magic));
    outfile_add(&w->file, footer, sizeof(footer));
    return outfile_finish(&w->file, e);
}

// --- Reading -------------------------------------------------------------------------------------

static bool frame_check(str file, const char *path, struct error *e)
{
    if (file.len < HEADER_BYTES + FOOTER_BYTES ||
        memcmp(file.ptr, file_magic, sizeof(file_magic)) != 0) {
        return err_set(e, ERR_CORRUPT, "%s: no file of exemplars (%zu bytes)", path, file.len);
    }
    if (load_le32(file.ptr + 8) != EXEMPLARS_VERSION) {
        return err_set(e, ERR_UNSUPPORTED, "%s: format version %u; this release reads %u", path,
                       load_le32(file.ptr + 8), EXEMPLARS_VERSION);
    }
    const char *footer = file.ptr + file.len - FOOTER_BYTES;
    if (load_le32(file.ptr + 12) != 0 || memcmp(footer + 8, file_magic, 8) != 0 ||
        crc32c(0, footer, 4) != load_le32(footer + 4)) {
        return err_set(e, ERR_CORRUPT, "%s: the footer at offset %zu is damaged", path,
                       file.len - FOOTER_BYTES);
    }
    u64 at = HEADER_BYTES;
    u32 pages = 0;
    while (at + PAGE_HEAD <= file.len - FOOTER_BYTES) {
        at += PAGE_HEAD + (u64)load_le32(file.ptr + at);
        pages++;
    }
    return (at == file.len - FOOTER_BYTES && pages == load_le32(footer)) ||
           err_set(e, ERR_CORRUPT, "%s: its pages end at offset %llu of %zu", path,
                   (unsigned long long)at, file.len);
}

bool exemplar_file_open(struct exemplar_file *f, struct fs *fs, const char *path, struct error *e)
{
    struct error why = {0};
    *f = (struct exemplar_file){.fs = fs};
    if (!fs_map_open(fs, path, &f->map, &why)) {
        return why.code == ERR_NOT_FOUND || err_set(e, why.code, "%s", why.text);
    }
    f->mapped = true;
    if (!frame_check((str){(const char *)f->map.bytes, f->map.len}, path, e)) {
        exemplar_file_close(f);
        return false;
    }
    return true;
}

void exemplar_file_close(struct exemplar_file *f)
{
    if (f->mapped) {
        fs_map_close(f->fs, &f->map);
        f->mapped = false;
    }
}

void exemplar_reader_init(struct exemplar_reader *r, const struct exemplar_file *f)
{
    *r = (struct exemplar_reader){.file = f, .at = HEADER_BYTES, .d = dec_of(STR_EMPTY)};
}

// 0: a page is at hand; 1: there is none; 2: it is damaged.
enum page_state { PAGE_AT_HAND, PAGE_NONE, PAGE_DAMAGED };

static enum page_state page_next(struct exemplar_reader *r)
{
    const u8 *bytes = r->file->map.bytes;
    const u64 end = r->file->map.len - FOOTER_BYTES;
    if (r->at + PAGE_HEAD > end) {
        return PAGE_NONE;
    }
    r->page = r->at;
    const u64 len = load_le32(bytes + r->at);
    const char *body = (const char *)bytes + r->at + PAGE_HEAD;
    if (len > end - r->at - PAGE_HEAD) { // The lengths were good at open.
        r->at = end;
        return PAGE_DAMAGED;
    }
    r->at += PAGE_HEAD + len;
    if (crc32c(crc32c(0, bytes + r->page, 4), body, len) != load_le32(bytes + r->page + 4)) {
        return PAGE_DAMAGED;
    }
    r->d = dec_of((str){body, len});
    return PAGE_AT_HAND;
}

static bool told_labels(struct dec *d, struct arena *a, struct labels *out, bool *full)
{
    const u64 n = dec_varint(d);
    if (!dec_ok(d) || n > GROUP_LABELS || n > dec_left(d) / 2) {
        return false;
    }
    struct label *items = arena_try(a, n + 1, sizeof(*items));
    if (!items) {
        *full = true;
        return false;
    }
    for (u64 i = 0; i < n; i++) {
        items[i].name = dec_lenstr(d);
        items[i].value = dec_lenstr(d);
    }
    *out = (struct labels){.items = items, .count = (u32)n};
    return dec_ok(d);
}

static bool group_get(struct dec *d, struct arena *a, struct exemplar_group *g, bool *full)
{
    const u64 tenant = dec_varint(d);
    if (tenant > UINT32_MAX || !told_labels(d, a, &g->labels, full)) {
        return false;
    }
    const u64 n = dec_varint(d);
    if (!dec_ok(d) || n == 0 || n > SLICE_MAX) {
        return false;
    }
    g->tenant = (struct tenant_id){(u32)tenant};
    g->n = (u32)n;
    g->items = arena_try(a, n, sizeof(*g->items));
    *full = *full || !g->items;
    u64 t = 0;
    for (u64 i = 0; g->items && i < n; i++) {
        struct exemplar *x = &g->items[i];
        t += (u64)dec_varsint(d);
        x->t_ms = (i64)t;
        x->has_t = dec_u8(d) != 0;
        x->value = dec_f64(d);
        if (!told_labels(d, a, &x->labels, full)) {
            return false;
        }
    }
    return g->items && dec_ok(d);
}

bool exemplar_reader_next(struct exemplar_reader *r, struct arena *a, struct exemplar_group *g,
                          struct error *e)
{
    if (!r->file->mapped) {
        return false;
    }
    bool full = false;
    enum page_state s = dec_left(&r->d) > 0 ? PAGE_AT_HAND : page_next(r);
    if (s == PAGE_NONE) {
        return false;
    }
    if (s == PAGE_AT_HAND && group_get(&r->d, a, g, &full)) {
        return true;
    }
    r->d = dec_of(STR_EMPTY);
    return full ? err_set(e, ERR_LIMIT, "the exemplars found need more memory than one may use")
                : err_set(e, ERR_CORRUPT, "exemplars: the page at offset %llu is damaged",
                          (unsigned long long)r->page);
}

// --- Merging -------------------------------------------------------------------------------------

// Threads: owned by the merge.
struct merge_source {
    struct exemplar_reader reader;
    struct exemplar_group at;
    struct arena *arena; // Of the group at hand.
    bool live;
};

static bool source_step(struct merge_source *s, struct error *e)
{
    struct error why = {0};
    arena_reset(s->arena);
    s->live = exemplar_reader_next(&s->reader, s->arena, &s->at, &why);
    return s->live || why.code == ERR_NONE || err_set(e, why.code, "%s", why.text);
}

static struct labels labels_hold(struct arena *a, struct labels ls, bool *full)
{
    struct label *items = arena_try(a, ls.count + 1ULL, sizeof(*items));
    *full = *full || !items;
    if (!items) {
        return (struct labels){0};
    }
    if (ls.count > 0) {
        memcpy(items, ls.items, ls.count * sizeof(*items)); // The texts lie in the map.
    }
    return (struct labels){.items = items, .count = ls.count};
}

// Adds a group's exemplars to those of its series.
static bool group_join(struct arena *a, struct exemplar_group *to, u32 *cap,
                       const struct exemplar_group *from)
{
    bool full = false;
    if (to->n + from->n > *cap) {
        u32 more = MAX(*cap * 2, to->n + from->n);
        struct exemplar *items = arena_try(a, more, sizeof(*items));
        if (!items) {
            return false;
        }
        if (to->n > 0) {
            memcpy(items, to->items, to->n * sizeof(*items));
        }
        to->items = items;
        *cap = more;
    }
    for (u32 i = 0; i < from->n; i++) {
        struct exemplar *x = &to->items[to->n++];
        *x = from->items[i];
        x->labels = labels_hold(a, x->labels, &full);
    }
    return !full;
}

static const struct exemplar_group *group_least(const struct merge_source *sources, u32 n)
{
    const struct exemplar_group *least = NULL;
    for (u32 i = 0; i < n; i++) {
        if (sources[i].live && (!least || exemplar_group_cmp(&sources[i].at, least) < 0)) {
            least = &sources[i].at;
        }
    }
    return least;
}

// All groups of the least series, as one. *any is false at the end.
static bool series_next(struct merge_source *sources, u32 n, struct arena *a,
                        struct exemplar_group *out, bool *any, struct error *e)
{
    u32 cap = 0;
    bool full = false;
    const struct exemplar_group *least = group_least(sources, n);
    *any = least != NULL;
    if (!least) {
        return true;
    }
    *out = (struct exemplar_group){.tenant = least->tenant};
    out->labels = labels_hold(a, least->labels, &full);
    for (u32 i = 0; i < n && !full; i++) {
        struct merge_source *s = &sources[i];
        while (!full && s->live && exemplar_group_cmp(&s->at, out) == 0) {
            full = !group_join(a, out, &cap, &s->at);
            if (!source_step(s, e)) {
                return false;
            }
        }
    }
    return !full || err_set(e, ERR_LIMIT, "the exemplars of one series need more than %zu bytes",
                            GROUP_BYTES_MAX);
}

bool exemplar_files_merge(struct exemplar_file *const *files, u32 n, struct exemplar_writer *w,
                          struct error *e)
{
    struct arena *a = arena_new(GROUP_BYTES_MAX);
    struct merge_source *sources = MEM_NEW_N(struct merge_source, (size_t)n + 1);
    bool ok = true;
    bool any = true;
    for (u32 i = 0; i < n; i++) {
        sources[i].arena = arena_new(PAGE_MAX * 8);
        exemplar_reader_init(&sources[i].reader, files[i]);
        ok = ok && source_step(&sources[i], e);
    }
    while (ok && any) {
        struct exemplar_group g;
        arena_reset(a);
        ok = series_next(sources, n, a, &g, &any, e);
        if (ok && any) {
            g.n = exemplars_settle(g.items, g.n);
            ok = exemplar_writer_add(w, &g, e);
        }
    }
    for (u32 i = 0; i < n; i++) {
        arena_free(sources[i].arena);
    }
    mem_free(sources);
    arena_free(a);
    return ok;
}
