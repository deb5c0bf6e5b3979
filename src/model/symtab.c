// symtab.c: interned strings in chunks that never move.
//
//   ids[k]      a chunk of 2^(k + 10) offsets; symbol s stands in the chunk of its top bit
//   chunks[i]   text bytes: varint length, bytes; a long text spans chunks that are one allocation
//
// Neither array of pointers is ever moved, so symtab_get needs no lock: whoever knows a symbol
// learnt it from somebody who interned it before.
// Invariants: (I1) bytes <= bytes_max. (I2) A text lies whole inside one allocation.

#include "model/symtab.h"

#include "base/bits.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/str.h"

#define ID_CHUNK_BITS   10
#define ID_CHUNKS       22
#define SYMBOL_OVERHEAD 14 // An offset, the hash index's slot at its average load, slack.
#define LENGTH_BYTES    5  // The longest varint of a u32.

// Threads: guarded by the owner's lock, but for symtab_get, symtab_place and symtab_texts.
struct symtab {
    u32 *ids[ID_CHUNKS];
    char **chunks;
    u8 *chunk_owned;
    u32 chunk_bits;
    u32 chunk_max;
    u32 chunk_count;
    u64 text_at; // Where the next text goes, over all chunks.
    u64 bytes;
    u64 bytes_max;
    u32 count;
    struct map map;
};

static inline str text_at(const struct symtab *s, u32 offset)
{
    const char *p = s->chunks[offset >> s->chunk_bits] + (offset & ((1U << s->chunk_bits) - 1));
    if (LIKELY((u8)*p < 0x80)) {
        return (str){p + 1, (u8)*p};
    }
    u64 len = 0;
    u32 shift = 0;
    u8 byte;
    do {
        byte = (u8)*p++;
        len |= (u64)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return (str){p, len};
}

static u32 *id_place(const struct symtab *s, u32 symbol, u32 *chunk)
{
    const u32 shifted = (symbol >> ID_CHUNK_BITS) + 1;
    *chunk = bits_width(shifted) - 1;
    CHECK(*chunk < ID_CHUNKS);
    const u32 first = ((1U << *chunk) - 1) << ID_CHUNK_BITS;
    return s->ids[*chunk] ? s->ids[*chunk] + (symbol - first) : NULL;
}

str symtab_get(const struct symtab *s, u32 symbol)
{
    u32 chunk;
    const u32 *place = id_place(s, symbol, &chunk);
    CHECK(place != NULL);
    return text_at(s, *place);
}

u32 symtab_place(const struct symtab *s, u32 symbol)
{
    u32 chunk;
    const u32 *place = id_place(s, symbol, &chunk);
    CHECK(place != NULL);
    return *place;
}

void symtab_texts(const struct symtab *s, const u32 *places, u32 n, str *texts)
{
    for (u32 i = 0; i < n; i++) {
        texts[i] = text_at(s, places[i]);
    }
}

static bool symbol_eq(const void *ctx, u32 symbol, const void *key)
{
    return str_eq(symtab_get(ctx, symbol), *(const str *)key);
}

static u64 symbol_hash(const void *ctx, u32 symbol)
{
    return hash_str(symtab_get(ctx, symbol));
}

static const struct map_ops symbol_ops = {symbol_eq, symbol_hash};

struct symtab *symtab_new(u64 bytes_max)
{
    struct symtab *s = MEM_NEW(struct symtab);
    // Offsets have 32 bits, so texts end at 4 GiB whatever may be asked for.
    s->bytes_max = MIN(bytes_max, (u64)UINT32_MAX);
    s->chunk_bits = MIN(MAX(bits_width(s->bytes_max / 256), 12U), 20U);
    // Each spanning text may leave the end of a chunk unused, hence twice as many.
    s->chunk_max = 2 * ((u32)(s->bytes_max >> s->chunk_bits) + 1);
    s->chunk_max = MIN(s->chunk_max, 1U << (32 - s->chunk_bits));
    s->chunks = MEM_NEW_N(char *, s->chunk_max);
    s->chunk_owned = MEM_NEW_N(u8, s->chunk_max);
    map_init(&s->map, &symbol_ops, s);
    return s;
}

void symtab_free(struct symtab *s)
{
    if (!s) {
        return;
    }
    map_fini(&s->map);
    for (u32 i = 0; i < s->chunk_count; i++) {
        if (s->chunk_owned[i]) {
            mem_free(s->chunks[i]);
        }
    }
    for (u32 i = 0; i < ID_CHUNKS; i++) {
        mem_free(s->ids[i]);
    }
    mem_free(s->chunks);
    mem_free(s->chunk_owned);
    mem_free(s);
}

// Makes sure that `need` bytes in one piece stand at text_at.
static bool room_make(struct symtab *s, u64 need)
{
    const u64 end = (u64)s->chunk_count << s->chunk_bits;
    if (need <= end - s->text_at) {
        return true;
    }
    const u64 chunk_bytes = 1ULL << s->chunk_bits;
    const u64 span = (need + chunk_bytes - 1) >> s->chunk_bits;
    if (span > s->chunk_max - s->chunk_count) {
        return false;
    }
    char *bytes = mem_new(span, chunk_bytes);
    s->chunk_owned[s->chunk_count] = 1;
    for (u64 i = 0; i < span; i++) {
        s->chunks[s->chunk_count + i] = bytes + (i << s->chunk_bits);
    }
    s->chunk_count += (u32)span;
    s->text_at = end;
    return true;
}

static u32 text_put(struct symtab *s, str text)
{
    const u64 offset = s->text_at;
    char *p = s->chunks[offset >> s->chunk_bits] + (offset & ((1ULL << s->chunk_bits) - 1));
    char *const start = p;
    u64 len = text.len;
    while (len >= 0x80) {
        *p++ = (char)(len | 0x80);
        len >>= 7;
    }
    *p++ = (char)len;
    if (text.len > 0) {
        memcpy(p, text.ptr, text.len);
    }
    s->text_at += (u64)(p - start) + text.len;
    return (u32)offset;
}

u32 symtab_find(const struct symtab *s, str text)
{
    return map_get(&s->map, hash_str(text), &text);
}

u32 symtab_intern(struct symtab *s, str text)
{
    const u64 hash = hash_str(text);
    const u32 known = map_get(&s->map, hash, &text);
    if (known != MAP_NONE) {
        return known;
    }
    const u64 cost = (u64)text.len + SYMBOL_OVERHEAD;
    if (cost > s->bytes_max - s->bytes || s->count == SYMBOL_NONE ||
        !room_make(s, (u64)text.len + LENGTH_BYTES)) {
        return SYMBOL_NONE;
    }
    const u32 symbol = s->count;
    u32 chunk;
    u32 *place = id_place(s, symbol, &chunk);
    if (!place) {
        s->ids[chunk] = MEM_NEW_N(u32, (size_t)1 << (chunk + ID_CHUNK_BITS));
        place = s->ids[chunk];
    }
    *place = text_put(s, text);
    s->count++;
    s->bytes += cost;
    map_put(&s->map, hash, symbol);
    return symbol;
}

u32 symtab_count(const struct symtab *s)
{
    return s->count;
}

u64 symtab_bytes(const struct symtab *s)
{
    return s->bytes;
}
