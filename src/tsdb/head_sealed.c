#include "tsdb/head_sealed.h"

#include "base/error.h"
#include "base/hash.h"
#include "os/fs.h"

#define UNIT 8U // Positions count units, from 1.

// Threads: owned by the background.
struct sealed_file {
    struct sealed_file *older;
    struct fs_map map;
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

u64 sealed_store_bytes(const struct sealed_store *s)
{
    return (u64)(s->extents - s->reaped) * EXTENT_BYTES +
           (u64)(s->extents + EXTENT_PAGE - 1) / EXTENT_PAGE * EXTENT_PAGE * sizeof(struct extent);
}

static void extent_make(struct sealed_store *s)
{
    u32 i = s->extents;
    CHECK(i < EXTENT_PAGES * EXTENT_PAGE);
    if (!s->pages[i / EXTENT_PAGE]) {
        s->pages[i / EXTENT_PAGE] = MEM_NEW_N(struct extent, EXTENT_PAGE);
    }
    // Not zeroed: what is never written to costs nothing.
    s->last = MEM_GROW(NULL, EXTENT_BYTES, u8);
    atomic_store(&extent_at(s, i)->bytes, s->last);
    s->extents++;
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
        if (s->extents > 0) { // No checksum agrees with it: nothing follows.
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

bool sealed_damaged(struct error *e)
{
    return err_set(e, ERR_CORRUPT,
                   "a sealed chunk of the head is damaged; a restart reads it from the log again");
}

// How many sound chunks an extent begins with.
static u64 extent_count(const struct sealed_store *s, u32 extent, u32 end)
{
    u64 n = 0;
    u32 at = 0;
    while (at + sizeof(struct sealed) <= end) {
        const struct sealed *c = chunk_look(s, (u64)extent * EXTENT_BYTES + at);
        if (!c) {
            break;
        }
        n++;
        at += (u32)((chunk_bytes(c) + UNIT - 1) / UNIT * UNIT);
    }
    return n;
}

bool sealed_check(const struct sealed_store *s, struct error *e)
{
    u64 n = 0;
    for (u32 i = 0; i < s->extents; i++) {
        n += extent_count(s, i, i + 1 == s->extents ? s->used : EXTENT_BYTES);
    }
    return n == s->chunks ? true : sealed_damaged(e);
}

// Writes extents [from, from + n), maps the file and takes its name away.
static bool file_make(const struct sealed_store *s, struct sealed_file *f, struct fs *fs,
                      const char *path, u32 n, struct error *e)
{
    struct file *file = fs_open(fs, path, FS_TRUNCATE, e);
    if (!file) {
        return false;
    }
    bool ok = true;
    for (u32 i = 0; ok && i < n; i++) {
        str bytes = {(const char *)atomic_load(&extent_at(s, s->spilled + i)->bytes), EXTENT_BYTES};
        ok = fs_write_at(fs, file, (u64)i * EXTENT_BYTES, bytes, e);
    }
    fs_close(fs, file);
    ok = ok && fs_map_open(fs, path, &f->map, e);
    struct error ignored;
    (void)!fs_unlink(fs, path, &ignored); // If it stays, the next start sweeps it.
    if (!ok) {
        return false;
    }
    ok = f->map.len == (size_t)n * EXTENT_BYTES;
    for (u32 i = 0; ok && i < n; i++) {
        ok = memcmp(f->map.bytes + (size_t)i * EXTENT_BYTES,
                    atomic_load(&extent_at(s, s->spilled + i)->bytes), EXTENT_BYTES) == 0;
    }
    if (!ok) {
        fs_map_close(fs, &f->map);
        return err_set(e, ERR_CORRUPT, "%s does not hold what was written", path);
    }
    return true;
}

u32 sealed_full(const struct sealed_store *s)
{
    return s->extents > 0 ? s->extents - 1 : 0;
}

bool sealed_spill(struct sealed_store *s, u32 full, struct fs *fs, const char *path, bool *did,
                  struct error *e)
{
    u32 n = MIN(full - s->spilled, SPILL_MAX);
    *did = false;
    if (n < SPILL_MIN || s->old) { // What was moved before is still read from memory.
        return true;
    }
    struct sealed_file *f = MEM_NEW(struct sealed_file);
    if (!file_make(s, f, fs, path, n, e)) {
        mem_free(f);
        return false;
    }
    s->fs = fs;
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
