// cold_known_fuzz.c: foreign bytes as the file "cold". The first byte chooses: as they are, or as
// entries, with header and checksum put right. What is taken is told as names of blocks, and
// written and read again; then more becomes known, lost and forgotten, as while a store runs.
//
// cold_known_planted_fuzz is this file with a reader that believes that a list is short: a run
// that does not find it has not looked deep enough to count. No file of tests/corpus holds such a
// one.
#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "os/fs.h"
#include "tsdb/cold_known.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_BYTES ((size_t)1 << 20)

// What a careless caller would do with what is read.
static void ids_keep(const struct cold_known *k)
{
#ifdef TIDEMARK_PLANTED_FAULT
    char kept[3][BLOCK_ID_LEN + 1];
    for (u32 i = 0; i < k->n; i++) {
        memcpy(kept[i], k->items[i].id, sizeof(kept[i]));
        CHECK(kept[i][0] == k->items[i].id[0]);
    }
#else
    bool lost = false;
    for (u32 i = 0; i < k->n; i++) {
        lost = lost || k->items[i].lost;
    }
    CHECK(cold_known_any_lost(k) == lost && k->n <= COLD_KNOWN_MAX);
#endif
}

// As a start tells of one that is missing.
static void names_tell(const struct cold_known *k)
{
    for (u32 i = 0; i < k->n; i++) {
        const struct cold_block *b = &k->items[i];
        struct block_meta m = {.min_ms = b->min_ms, .max_ms = b->max_ms, .cold = 1};
        struct block_meta got = {0};
        char name[BLOCK_NAME];
        CHECK(strlen(b->id) == BLOCK_ID_LEN && b->min_ms < b->max_ms);
        memcpy(m.id, b->id, sizeof(m.id));
        block_name(&m, name);
        CHECK(block_name_parse((str){name, strlen(name)}, &got) && got.cold);
        CHECK(got.min_ms == b->min_ms && got.max_ms == b->max_ms && strcmp(got.id, b->id) == 0);
    }
}

static bool entries_same(const struct cold_known *a, const struct cold_known *b)
{
    bool same = a->n == b->n;
    for (u32 i = 0; same && i < a->n; i++) {
        const struct cold_block *x = &a->items[i];
        const struct cold_block *y = &b->items[i];
        same = strcmp(x->id, y->id) == 0 && x->lost == y->lost && x->min_ms == y->min_ms &&
               x->max_ms == y->max_ms;
    }
    return same;
}

static void write_again(struct fs *fs, struct cold_known *k)
{
    struct cold_known got = {0};
    struct error e = {0};
    CHECK(cold_known_write(fs, "/cold", k, &e) && !k->changed);
    CHECK(cold_known_read(fs, "/cold", &got, &e) && entries_same(k, &got));
    cold_known_fini(&got);
}

// One more, then all but the newest half of the time.
static void known_live(struct fs *fs, struct cold_known *k)
{
    struct block_meta m = {.min_ms = -1, .max_ms = 1, .id = "01HF7YAT00ABCDEFGHJKMNPQRS"};
    struct error e = {0};
    const u32 n = k->n + (cold_known_find(k, m.id) ? 0 : 1);
    CHECK(cold_known_add(k, &m, &e) && cold_known_add(k, &m, &e) && k->n == n);
    cold_known_lose(k, cold_known_find(k, m.id));
    CHECK(cold_known_any_lost(k));
    write_again(fs, k);
    cold_known_prune(k, k->items[k->n / 2].max_ms);
    CHECK(k->changed && k->n < n); // At least that one.
    write_again(fs, k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cold_known k = {0};
    struct error e = {0};
    struct buf file;
    if (size < 1) {
        return 0;
    }
    const str input = {(const char *)data + 1, size - 1};
    buf_init(&file, FILE_BYTES);
    if (data[0] % 2 == 0) {
        buf_add(&file, input.ptr, input.len);
    } else {
        buf_add(&file, "TMCOLDB1", 8);
        buf_le32(&file, COLD_KNOWN_VERSION);
        buf_add(&file, input.ptr, input.len);
        buf_le32(&file, crc32c(0, file.bytes, file.len));
    }
    struct fs *fs = fs_mem_new((u64)16 << 20);
    const bool ok = cold_known_decode(buf_get(&file), &k, &e);
    CHECK(ok == cold_known_check(buf_get(&file), &e));
    if (ok) {
        ids_keep(&k);
        names_tell(&k);
        write_again(fs, &k);
        known_live(fs, &k);
    }
    cold_known_fini(&k);
    fs_mem_free(fs);
    buf_fini(&file);
    return 0;
}
