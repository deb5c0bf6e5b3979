#include "tsdb/deleted_list.h"

#include "base/bits.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "os/fs.h"
#include "tsdb/head.h"

#define DELETED_VERSION 1U
#define FRAME_BYTES     (DELETED_HEAD_BYTES + 4)

static const char deleted_magic[8] = {'T', 'M', 'D', 'E', 'L', 'E', 'T', '1'};

struct deleted_list *deleted_list_ref(struct deleted_list *l)
{
    if (l) {
        atomic_fetch_add(&l->refs, 1);
    }
    return l;
}

void deleted_list_unref(struct deleted_list *l)
{
    if (l && atomic_fetch_sub(&l->refs, 1) == 1) {
        mem_free(l);
    }
}

str deleted_list_bytes(const struct deleted_list *l)
{
    return l ? (str){l->bytes, l->len} : STR_EMPTY;
}

// --- Entries -----------------------------------------------------------------------------------

bool deleted_entry_get(struct dec *d, struct label *items, struct deleted_entry *out)
{
    *out = (struct deleted_entry){.shard = dec_u8(d)};
    const u64 tenant = dec_varint(d);
    out->tenant.v = (u32)tenant;
    out->mark.id = dec_varint(d);
    out->mark.made_ms = dec_varsint(d);
    out->mark.min_ms = dec_varsint(d);
    out->mark.max_ms = dec_varsint(d);
    const u64 count = dec_varint(d);
    if (!dec_ok(d) || out->shard >= HEADS_MAX || tenant > UINT32_MAX ||
        count > DELETED_LABELS_MAX || out->mark.min_ms > out->mark.max_ms) {
        return false;
    }
    for (u64 i = 0; i < count; i++) {
        const str name = dec_lenstr(d);
        const str value = dec_lenstr(d);
        if (items) {
            items[i] = (struct label){.name = name, .value = value};
        }
    }
    out->set = (struct labels){.items = items, .count = items ? (u32)count : 0};
    return dec_ok(d);
}

// All but its labels.
static void entry_begin(struct deleted_making *m, const struct deleted_entry *x, u32 labels)
{
    struct buf *b = &m->bytes;
    buf_byte(b, x->shard);
    buf_varint(b, x->tenant.v);
    buf_varint(b, x->mark.id);
    buf_varsint(b, x->mark.made_ms);
    buf_varsint(b, x->mark.min_ms);
    buf_varsint(b, x->mark.max_ms);
    buf_varint(b, labels);
    m->counts[x->shard]++;
}

void deleted_put(struct deleted_making *m, const struct deleted_entry *x)
{
    entry_begin(m, x, x->set.count);
    for (u32 i = 0; i < x->set.count; i++) {
        buf_lenstr(&m->bytes, x->set.items[i].name);
        buf_lenstr(&m->bytes, x->set.items[i].value);
    }
}

void deleted_put_live(struct deleted_making *m, struct head *h, const struct tombstone *t)
{
    u32 symbols[2 * (HEAD_LABELS_MAX + 1)];
    lock_take(&h->lock);
    const u32 count = head_label_symbols(h, t->series, symbols);
    const struct deleted_entry x = {
        .mark = *t, .tenant = {h->rows[t->series].tenant}, .shard = (u8)h->id};
    entry_begin(m, &x, count - 1);
    for (u32 i = 2; i < 2 * count; i++) { // The first pair is the tenant's.
        buf_lenstr(&m->bytes, symtab_get(h->index.symbols, symbols[i]));
    }
    lock_drop(&h->lock);
}

// --- Lists -------------------------------------------------------------------------------------

void deleted_begin(struct deleted_making *m, const struct deleted_list *old)
{
    *m = (struct deleted_making){0};
    buf_init(&m->bytes, DELETED_BYTES_MAX - FRAME_BYTES);
    buf_str(&m->bytes, deleted_list_bytes(old));
    for (u32 i = 0; old && i < HEADS_MAX; i++) {
        m->counts[i] = old->counts[i];
    }
}

static bool making_fits(const struct deleted_making *m, struct error *e)
{
    for (u32 i = 0; i < HEADS_MAX; i++) {
        if (m->counts[i] > TOMBSTONES_MAX) {
            return err_set(e, ERR_LIMIT,
                           "more than %u deletions of series whose windows are not cut yet",
                           TOMBSTONES_MAX);
        }
    }
    return buf_ok(&m->bytes) ||
           err_set(e, ERR_LIMIT, "the file \"deleted\" would pass %zu bytes", DELETED_BYTES_MAX);
}

bool deleted_end(struct deleted_making *m, struct deleted_list **out, struct error *e)
{
    const bool ok = making_fits(m, e);
    const str bytes = buf_get(&m->bytes);
    *out = NULL;
    if (ok && bytes.len > 0) {
        *out = mem_new(1, sizeof(**out) + bytes.len);
        atomic_store(&(*out)->refs, 1);
        memcpy((*out)->counts, m->counts, sizeof(m->counts));
        (*out)->len = bytes.len;
        memcpy((*out)->bytes, bytes.ptr, bytes.len);
    }
    buf_fini(&m->bytes);
    return ok;
}

struct deleted_list *deleted_filtered(const struct deleted_list *l, tombstone_want *want,
                                      const void *ctx, u32 *dropped)
{
    struct deleted_making m;
    struct deleted_list *made;
    const str all = deleted_list_bytes(l);
    struct dec d = dec_of(all);
    deleted_begin(&m, NULL);
    while (dec_left(&d) > 0) {
        struct deleted_entry x;
        const size_t from = dec_offset(&d);
        CHECK(deleted_entry_get(&d, NULL, &x)); // It was made here, or read at the start.
        if (want(&x.mark, ctx)) {
            buf_str(&m.bytes, str_sub(all, from, dec_offset(&d)));
            m.counts[x.shard]++;
        } else {
            (*dropped)++;
        }
    }
    struct error never; // Not more than there were.
    CHECK(deleted_end(&m, &made, &never));
    return made;
}

// --- The file ----------------------------------------------------------------------------------

bool deleted_write(struct fs *fs, const char *path, const struct deleted_list *l, struct error *e)
{
    struct buf b;
    buf_init(&b, DELETED_BYTES_MAX);
    buf_add(&b, deleted_magic, sizeof(deleted_magic));
    buf_le32(&b, DELETED_VERSION);
    buf_str(&b, deleted_list_bytes(l));
    buf_le32(&b, crc32c(0, b.bytes, b.len));
    CHECK(buf_ok(&b)); // A list is that much smaller.
    const bool ok = fs_replace_file(fs, path, buf_get(&b), e);
    buf_fini(&b);
    return ok;
}

bool head_deleted_check(str file, struct error *e)
{
    if (file.len < FRAME_BYTES || memcmp(file.ptr, deleted_magic, sizeof(deleted_magic)) != 0) {
        return err_set(e, ERR_CORRUPT, "no list of deletions (%zu bytes)", file.len);
    }
    if (crc32c(0, file.ptr, file.len - 4) != load_le32(file.ptr + file.len - 4)) {
        return err_set(e, ERR_CORRUPT, "the checksum of the bytes from offset 0 to %zu is wrong",
                       file.len - 4);
    }
    return load_le32(file.ptr + 8) == DELETED_VERSION ||
           err_set(e, ERR_UNSUPPORTED, "deletions of format version %u; this release reads %u",
                   load_le32(file.ptr + 8), DELETED_VERSION);
}
