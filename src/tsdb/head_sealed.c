#include "tsdb/head_sealed.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "os/fs.h"

#include <stdio.h>

#define UNIT 8U // Positions count units, from 1.

// Threads: owned by the background.
struct sealed_file {
    struct sealed_file *older;
    struct sealed_part part;
    struct fs_map map;
    bool synced;
    char path[512];
};

void sealed_store_init(struct sealed_store *s)
{
    *s = (struct sealed_store){.used = EXTENT_BYTES};
}

static struct extent *extent_at(const struct sealed_store *s, u32 i)
{
    return &s->pages[i / EXTENT_PAGE][i % EXTENT_PAGE];
}

void sealed_store_fini(struct sealed_store *s)
{
    sealed_reap(s);
    for (u32 i = s->spilled; i < s->extents; i++) {
        mem_free(atomic_load(&extent_at(s, i)->bytes));
    }
    for (u32 i = 0; i < EXTENT_PAGES; i++) {
        mem_free(s->pages[i]);
    }
    while (s->files) {
        struct sealed_file *f = s->files;
        s->files = f->older;
        fs_map_close(s->fs, &f->map);
        mem_free(f);
    }
    sealed_store_init(s);
}

void sealed_store_remove(struct sealed_store *s)
{
    struct error ignored; // The next start sweeps what stays.
    for (const struct sealed_file *f = s->files; f; f = f->older) {
        (void)!fs_unlink(s->fs, f->path, &ignored);
    }
    sealed_store_fini(s);
}

u64 sealed_store_bytes(const struct sealed_store *s)
{
    return (u64)(s->extents - s->reaped) * EXTENT_BYTES +
           (u64)(s->extents + EXTENT_PAGE - 1) / EXTENT_PAGE * EXTENT_PAGE * sizeof(struct extent);
}

static void extent_put(struct sealed_store *s, const u8 *bytes)
{
    u32 i = s->extents;
    CHECK(i < SEALED_EXTENTS_MAX);
    if (!s->pages[i / EXTENT_PAGE]) {
        s->pages[i / EXTENT_PAGE] = MEM_NEW_N(struct extent, EXTENT_PAGE);
    }
    atomic_store(&extent_at(s, i)->bytes, bytes);
    s->extents++;
}

static void extent_make(struct sealed_store *s)
{
    // Not zeroed: what is never written to costs nothing.
    s->last = MEM_GROW(NULL, EXTENT_BYTES, u8);
    extent_put(s, s->last);
    s->used = 0;
}

static u32 chunk_crc(const struct sealed *c, size_t bytes)
{
    return crc32c(0, (const u8 *)c + sizeof(c->crc), bytes - sizeof(c->crc));
}

u32 sealed_add(struct sealed_store *s, const struct sealed_new *v)
{
    size_t skip = v->present ? PRESENCE_BYTES : 0;
    size_t bytes = sizeof(struct sealed) + skip + v->packed.len;
    size_t room = (bytes + UNIT - 1) / UNIT * UNIT;
    CHECK(room <= EXTENT_BYTES && v->packed.len <= UINT16_MAX);
    CHECK((v->n == v->last - v->first + 1) == (v->present == NULL));
    if (room > EXTENT_BYTES - s->used) {
        if (s->last) { // No checksum agrees with it: nothing follows.
            memset(s->last + s->used, 0, EXTENT_BYTES - s->used);
        }
        extent_make(s);
    }
    u8 *at = s->last + s->used;
    struct sealed *c = (struct sealed *)(void *)at;
    memset(at + room - UNIT, 0, UNIT);
    *c = (struct sealed){.older = v->older,
                         .segment = v->segment,
                         .bytes = (u16)v->packed.len,
                         .n = v->n,
                         .first = v->first,
                         .last = v->last};
    if (skip > 0) {
        memcpy(c->data, v->present, skip);
    }
    memcpy(c->data + skip, v->packed.ptr, v->packed.len);
    c->crc = chunk_crc(c, bytes);
    u32 position = (u32)(((u64)(s->extents - 1) * EXTENT_BYTES + s->used) / UNIT) + 1;
    s->used += (u32)room;
    s->chunks++;
    return position;
}

const u8 *sealed_presence(const struct sealed *c)
{
    return c->n == c->last - c->first + 1 ? NULL : c->data;
}

str sealed_bytes(const struct sealed *c)
{
    size_t skip = sealed_presence(c) ? PRESENCE_BYTES : 0;
    return (str){(const char *)c->data + skip, c->bytes};
}

static size_t chunk_bytes(const struct sealed *c)
{
    return sizeof(*c) + (sealed_presence(c) ? PRESENCE_BYTES : 0) + c->bytes;
}

// No checksum of zeroes is zero, so that what was never written is not taken for a chunk.
static const struct sealed *chunk_look(const struct sealed_store *s, u64 offset)
{
    u32 in = (u32)(offset % EXTENT_BYTES);
    DCHECK(offset / EXTENT_BYTES < s->extents);
    const u8 *at = atomic_load(&extent_at(s, (u32)(offset / EXTENT_BYTES))->bytes) + in;
    const struct sealed *c = (const struct sealed *)(const void *)at;
    if (in + sizeof(*c) > EXTENT_BYTES || chunk_bytes(c) > EXTENT_BYTES - in ||
        chunk_crc(c, chunk_bytes(c)) != c->crc) {
        return NULL;
    }
    return c;
}

const struct sealed *sealed_at(const struct sealed_store *s, u32 position)
{
    return chunk_look(s, (u64)(position - 1) * UNIT);
}

bool sealed_within(const struct sealed_store *s, u64 position)
{
    return position != SEALED_NONE && position <= (u64)s->extents * (EXTENT_BYTES / UNIT);
}

bool sealed_damaged(struct error *e)
{
    return err_set(e, ERR_CORRUPT,
                   "a sealed chunk of the head is damaged; a restart reads it from the log again");
}

const struct sealed *sealed_walk(const struct sealed_store *s, u64 *place)
{
    u32 extent = (u32)(*place / EXTENT_BYTES);
    u32 at = (u32)(*place % EXTENT_BYTES);
    for (; extent < s->extents; extent++, at = 0) {
        u32 end = extent + 1 == s->extents ? s->used : EXTENT_BYTES;
        const struct sealed *c = at + sizeof(struct sealed) <= end
                                     ? chunk_look(s, (u64)extent * EXTENT_BYTES + at)
                                     : NULL;
        if (c) {
            u32 room = (u32)((chunk_bytes(c) + UNIT - 1) / UNIT * UNIT);
            *place = (u64)extent * EXTENT_BYTES + at + room;
            return c;
        }
    }
    *place = (u64)s->extents * EXTENT_BYTES;
    return NULL;
}

bool sealed_check(const struct sealed_store *s, struct error *e)
{
    u64 n = 0;
    u64 place = 0;
    while (sealed_walk(s, &place)) {
        n++;
    }
    return n == s->chunks ? true : sealed_damaged(e);
}

static void path_of(char path[512], const char *stem, u32 number)
{
    (void)snprintf(path, 512, "%.470s-%u" SEALED_SUFFIX, stem, number);
}

// Writes the next n extents that are in memory alone.
static bool file_write(const struct sealed_store *s, struct sealed_file *f, struct fs *fs,
                       struct error *e)
{
    struct file *file = fs_open(fs, f->path, FS_TRUNCATE, e);
    if (!file) {
        return false;
    }
    bool ok = true;
    for (u32 i = 0; ok && i < f->part.extents; i++) {
        str bytes = {(const char *)sealed_extent(s, s->spilled + i), EXTENT_BYTES};
        ok = fs_write_at(fs, file, (u64)i * EXTENT_BYTES, bytes, e);
    }
    fs_close(fs, file);
    return ok;
}

// And maps them, the same bytes.
static bool file_make(const struct sealed_store *s, struct sealed_file *f, struct fs *fs,
                      struct error *e)
{
    if (!file_write(s, f, fs, e) || !fs_map_open(fs, f->path, &f->map, e)) {
        return false;
    }
    bool same = f->map.len == (size_t)f->part.extents * EXTENT_BYTES;
    for (u32 i = 0; same && i < f->part.extents; i++) {
        same = memcmp(f->map.bytes + (size_t)i * EXTENT_BYTES, sealed_extent(s, s->spilled + i),
                      EXTENT_BYTES) == 0;
    }
    if (!same) {
        fs_map_close(fs, &f->map);
        return err_set(e, ERR_CORRUPT, "%s does not hold what was written", f->path);
    }
    f->part.crc = crc32c(0, f->map.bytes, f->map.len);
    return true;
}

u32 sealed_full(const struct sealed_store *s)
{
    return s->extents > 0 ? s->extents - 1 : 0;
}

bool sealed_spill(struct sealed_store *s, u32 full, struct fs *fs, const char *stem, bool *did,
                  struct error *e)
{
    u32 n = MIN(full - s->spilled, SPILL_MAX);
    *did = false;
    if (n < SPILL_MIN || s->old) { // What was moved before is still read from memory.
        return true;
    }
    struct sealed_file *f = MEM_NEW(struct sealed_file);
    f->part = (struct sealed_part){.number = s->file_next, .extents = n};
    path_of(f->path, stem, f->part.number);
    if (!file_make(s, f, fs, e)) {
        struct error ignored;
        (void)!fs_unlink(fs, f->path, &ignored); // If it stays, the next start sweeps it.
        mem_free(f);
        return false;
    }
    s->fs = fs;
    s->file_next++;
    f->older = s->files;
    s->files = f;
    s->old = MEM_NEW_N(const u8 *, n);
    for (u32 i = 0; i < n; i++) {
        struct extent *x = extent_at(s, s->spilled + i);
        s->old[i] = atomic_load(&x->bytes);
        atomic_store(&x->bytes, f->map.bytes + (size_t)i * EXTENT_BYTES);
    }
    s->spilled += n;
    *did = true;
    return true;
}

void sealed_reap(struct sealed_store *s)
{
    for (u32 i = 0; s->old && i < s->spilled - s->reaped; i++) {
        mem_free(s->old[i]);
    }
    mem_free(s->old);
    s->old = NULL;
    s->reaped = s->spilled;
}

u32 sealed_parts(const struct sealed_store *s, struct sealed_part *out, u32 max)
{
    u32 n = 0;
    for (const struct sealed_file *f = s->files; f; f = f->older) {
        n++;
    }
    u32 at = n;
    for (const struct sealed_file *f = s->files; f; f = f->older) {
        at--;
        if (at < max) {
            out[at] = f->part;
        }
    }
    return n;
}

bool sealed_uses(const struct sealed_store *s, str name)
{
    for (const struct sealed_file *f = s->files; f; f = f->older) {
        const char *slash = strrchr(f->path, '/');
        if (str_eq(str_c(slash ? slash + 1 : f->path), name)) {
            return true;
        }
    }
    return false;
}

bool sealed_sync(struct sealed_store *s, struct error *e)
{
    for (struct sealed_file *f = s->files; f; f = f->older) {
        if (f->synced) {
            continue;
        }
        struct file *file = fs_open(s->fs, f->path, FS_WRITE, e);
        if (!file) {
            return false;
        }
        f->synced = fs_sync(s->fs, file, e);
        fs_close(s->fs, file);
        if (!f->synced) {
            return false;
        }
    }
    return true;
}

const u8 *sealed_extent(const struct sealed_store *s, u32 i)
{
    return atomic_load(&extent_at(s, i)->bytes);
}

bool sealed_load_file(struct sealed_store *s, struct fs *fs, const char *stem,
                      const struct sealed_part *part, struct error *e)
{
    struct sealed_file *f = MEM_NEW(struct sealed_file);
    f->part = *part;
    f->synced = true;
    path_of(f->path, stem, part->number);
    if (!fs_map_open(fs, f->path, &f->map, e)) {
        mem_free(f);
        return false;
    }
    if (part->extents > SEALED_EXTENTS_MAX - s->extents ||
        f->map.len != (u64)part->extents * EXTENT_BYTES ||
        crc32c(0, f->map.bytes, f->map.len) != part->crc) {
        (void)err_set(e, ERR_CORRUPT, "%s is not what the head image speaks of", f->path);
        fs_map_close(fs, &f->map);
        mem_free(f);
        return false;
    }
    CHECK(s->extents == s->spilled);
    s->fs = fs;
    f->older = s->files;
    s->files = f;
    s->file_next = part->number + 1;
    for (u32 i = 0; i < part->extents; i++) {
        extent_put(s, f->map.bytes + (size_t)i * EXTENT_BYTES);
    }
    s->spilled += part->extents;
    s->reaped = s->spilled;
    return true;
}

void sealed_load_extent(struct sealed_store *s, str bytes)
{
    CHECK(bytes.len <= EXTENT_BYTES);
    extent_make(s);
    memcpy(s->last, bytes.ptr, bytes.len);
    s->used = (u32)bytes.len;
}
