#include "tsdb/cold_known.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/dec.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "os/fs.h"
#include "tsdb/stored_file.h"

#define HEAD_BYTES  12U
#define ENTRY_BYTES (1U + 8U + 8U + BLOCK_ID_LEN)
#define FILE_MAX    ((size_t)HEAD_BYTES + (size_t)COLD_KNOWN_MAX * ENTRY_BYTES + 4U)

static const char cold_magic[8] = {'T', 'M', 'C', 'O', 'L', 'D', 'B', '1'};

void cold_known_fini(struct cold_known *k)
{
    mem_free(k->items);
    *k = (struct cold_known){0};
}

struct cold_block *cold_known_find(const struct cold_known *k, const char *id)
{
    for (u32 i = 0; i < k->n; i++) {
        if (strcmp(k->items[i].id, id) == 0) {
            return &k->items[i];
        }
    }
    return NULL;
}

static bool known_put(struct cold_known *k, const struct cold_block *b, struct error *e)
{
    if (k->n == COLD_KNOWN_MAX) {
        return err_set(e, ERR_LIMIT, "more than %u cold blocks", COLD_KNOWN_MAX);
    }
    if (k->n == k->cap) {
        k->cap = MAX(8U, k->cap * 2);
        k->items = MEM_GROW(k->items, k->cap, struct cold_block);
    }
    k->items[k->n++] = *b;
    return true;
}

bool cold_known_add(struct cold_known *k, const struct block_meta *m, struct error *e)
{
    struct cold_block b = {.min_ms = m->min_ms, .max_ms = m->max_ms};
    memcpy(b.id, m->id, sizeof(b.id));
    if (cold_known_find(k, m->id)) {
        return true;
    }
    const bool ok = known_put(k, &b, e);
    k->changed = k->changed || ok;
    return ok;
}

void cold_known_lose(struct cold_known *k, struct cold_block *b)
{
    k->changed = k->changed || !b->lost;
    b->lost = true;
}

bool cold_known_any_lost(const struct cold_known *k)
{
    bool any = false;
    for (u32 i = 0; i < k->n; i++) {
        any = any || k->items[i].lost;
    }
    return any;
}

void cold_known_prune(struct cold_known *k, i64 floor)
{
    u32 kept = 0;
    for (u32 i = 0; i < k->n; i++) {
        if (k->items[i].max_ms > floor) {
            k->items[kept++] = k->items[i];
        }
    }
    k->changed = k->changed || kept < k->n;
    k->n = kept;
}

static bool entry_get(struct dec *d, struct cold_block *b)
{
    *b = (struct cold_block){0};
    const u8 state = dec_u8(d);
    b->lost = state == 1;
    b->min_ms = (i64)dec_le64(d);
    b->max_ms = (i64)dec_le64(d);
    const str id = dec_bytes(d, BLOCK_ID_LEN);
    if (!dec_ok(d) || state > 1 || b->min_ms >= b->max_ms || !block_id_good(id)) {
        return false;
    }
    memcpy(b->id, id.ptr, BLOCK_ID_LEN);
    return true;
}

bool cold_known_decode(str file, struct cold_known *k, struct error *e)
{
    if (file.len < HEAD_BYTES + 4 || memcmp(file.ptr, cold_magic, sizeof(cold_magic)) != 0) {
        return err_set(e, ERR_CORRUPT, "no list of cold blocks (%zu bytes)", file.len);
    }
    if (crc32c(0, file.ptr, file.len - 4) != load_le32(file.ptr + file.len - 4)) {
        return err_set(e, ERR_CORRUPT, "the checksum of the bytes from offset 0 to %zu is wrong",
                       file.len - 4);
    }
    if (load_le32(file.ptr + 8) != COLD_KNOWN_VERSION) {
        return err_set(e, ERR_UNSUPPORTED,
                       "a list of cold blocks of format version %u; this release reads %u",
                       load_le32(file.ptr + 8), COLD_KNOWN_VERSION);
    }
    struct dec d = dec_of(str_sub(file, HEAD_BYTES, file.len - 4));
    while (dec_left(&d) > 0) {
        struct cold_block b;
        const size_t at = file.len - 4 - dec_left(&d);
        if (!entry_get(&d, &b)) {
            return err_set(e, ERR_CORRUPT, "the cold block at offset %zu is impossible", at);
        }
        if (!known_put(k, &b, e)) {
            return false;
        }
    }
    return true;
}

bool cold_known_check(str file, struct error *e)
{
    struct cold_known k = {0};
    const bool ok = cold_known_decode(file, &k, e);
    cold_known_fini(&k);
    return ok;
}

bool cold_known_read(struct fs *fs, const char *path, struct cold_known *k, struct error *e)
{
    str file;
    struct error why = {0};
    struct arena *a = arena_new(FILE_MAX * 2);
    const bool there = stored_file_read(fs, path, FILE_MAX, a, &file, &why);
    const bool ok = there ? cold_known_decode(file, k, &why) : why.code == ERR_NOT_FOUND;
    arena_free(a);
    if (!ok) {
        cold_known_fini(k);
        return err_set(e, why.code, "%s: %s", path, why.text);
    }
    return true;
}

bool cold_known_write(struct fs *fs, const char *path, struct cold_known *k, struct error *e)
{
    struct buf b;
    buf_init(&b, FILE_MAX);
    buf_add(&b, cold_magic, sizeof(cold_magic));
    buf_le32(&b, COLD_KNOWN_VERSION);
    for (u32 i = 0; i < k->n; i++) {
        buf_byte(&b, k->items[i].lost);
        buf_le64(&b, (u64)k->items[i].min_ms);
        buf_le64(&b, (u64)k->items[i].max_ms);
        buf_add(&b, k->items[i].id, BLOCK_ID_LEN);
    }
    buf_le32(&b, crc32c(0, b.bytes, b.len));
    CHECK(buf_ok(&b)); // COLD_KNOWN_MAX
    const bool ok = fs_replace_file(fs, path, buf_get(&b), e);
    buf_fini(&b);
    k->changed = k->changed && !ok;
    return ok;
}
