#include "tsdb/label_reader.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/dec.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"

#define PLACES_FIRST   64U
#define SLOTS_FIRST    128U
#define TEXT_ARENA_MAX ((size_t)8 << 30)

static void places_new(struct symbol_texts *t, u32 cap)
{
    t->places = MEM_NEW_N(str, cap);
    t->cap = cap;
    t->put = 0;
}

void symbol_texts_init(struct symbol_texts *t)
{
    *t = (struct symbol_texts){.arena = arena_new(TEXT_ARENA_MAX), .generation = 1};
    places_new(t, PLACES_FIRST);
}

void symbol_texts_fini(struct symbol_texts *t)
{
    arena_free(t->arena);
    mem_free(t->places);
    *t = (struct symbol_texts){0};
}

bool symbol_texts_are_many(const struct symbol_texts *t)
{
    return arena_bytes(t->arena) >= LABEL_TEXT_BYTES;
}

void symbol_texts_drop(struct symbol_texts *t)
{
    arena_reset(t->arena);
    memset(t->places, 0, t->cap * sizeof(*t->places));
    t->generation += t->generation == UINT32_MAX ? 2 : 1;
}

void label_reader_init(struct label_reader *r, const struct index_file *x)
{
    *r = (struct label_reader){.slots = MEM_NEW_N(struct label_slot, SLOTS_FIRST),
                               .cap = SLOTS_FIRST};
    symbol_reader_init(&r->symbols, x);
}

void label_reader_fini(struct label_reader *r)
{
    symbol_reader_fini(&r->symbols);
    mem_free(r->slots);
    *r = (struct label_reader){0};
}

static bool bad_series(struct error *e)
{
    return err_set(e, ERR_CORRUPT, "the series of the index contradict themselves");
}

static bool no_memory(struct error *e)
{
    return err_set(e, ERR_LIMIT, "the query's memory is used up by labels");
}

static str *place_of(const struct symbol_texts *t, str text)
{
    return &t->places[hash_str(text) & (t->cap - 1)];
}

static void places_double(struct symbol_texts *t)
{
    str *old = t->places;
    const u32 cap = t->cap;
    places_new(t, cap * 2);
    for (u32 i = 0; i < cap; i++) {
        if (old[i].ptr) {
            *place_of(t, old[i]) = old[i];
        }
    }
    mem_free(old);
}

// What is common and what is not have numbers of all kinds that are alike in their lower bits.
static inline u32 slot_of(const struct label_reader *r, u32 symbol)
{
    static_assert(LABEL_SLOTS <= 1U << 10, "the upper ten bits are enough");
    return symbol * 0x9E3779B1U >> 22 & (r->cap - 1);
}

static const struct label_slot *slot_find(const struct label_reader *r, u32 symbol)
{
    const u32 at = slot_of(r, symbol);
    const struct label_slot *slot = &r->slots[at];
    const struct label_slot *other = &r->slots[at ^ 1];
    return slot->number == symbol + 1 ? slot : other->number == symbol + 1 ? other : NULL;
}

// Who is there moves to the other of the two places and drives out who is there.
static void slot_put(struct label_reader *r, struct label_slot slot)
{
    const u32 at = slot_of(r, slot.number - 1);
    if (r->slots[at].number != 0) {
        r->slots[at ^ 1] = r->slots[at];
    }
    r->slots[at] = slot;
}

static void slots_double(struct label_reader *r)
{
    struct label_slot *old = r->slots;
    const u32 cap = r->cap;
    r->cap = cap * 2;
    r->put = 0;
    r->slots = MEM_NEW_N(struct label_slot, r->cap);
    for (u32 i = 0; i < cap; i++) {
        if (old[i].number != 0) {
            slot_put(r, old[i]);
        }
    }
    mem_free(old);
}

// The text of a symbol that is not in its slot.
static bool slot_fill(struct label_reader *r, u32 symbol, struct symbol_texts *t, str *out,
                      struct error *e)
{
    str text = STR_EMPTY;
    if (!symbol_read(&r->symbols, symbol, &text, NULL)) {
        return bad_series(e);
    }
    if (t->put >= t->cap / 2 && t->cap < LABEL_PLACES) {
        places_double(t);
    }
    str *place = place_of(t, text);
    if (!place->ptr || !str_eq(*place, text)) {
        char *copy = arena_try_raw(t->arena, text.len + 1, 1);
        if (!copy) {
            return no_memory(e);
        }
        memcpy(copy, text.ptr, text.len);
        *place = (str){copy, text.len};
        t->put++;
    }
    if (r->put++ >= r->cap / 2 && r->cap < LABEL_SLOTS) {
        slots_double(r);
    }
    slot_put(r, (struct label_slot){.number = symbol + 1, .text = *place});
    *out = *place;
    return true;
}

static inline bool text_get(struct label_reader *r, struct dec *d, struct symbol_texts *t, str *out,
                            struct error *e)
{
    const u64 symbol = dec_varint_short(d);
    if (!dec_ok(d) || symbol >= r->symbols.index->symbol_count) {
        return bad_series(e);
    }
    const struct label_slot *slot = slot_find(r, (u32)symbol);
    if (!slot) {
        return slot_fill(r, (u32)symbol, t, out, e);
    }
    *out = slot->text;
    return true;
}

// How many of the first bytes of two texts are the same.
static size_t bytes_alike(str a, str b)
{
    const size_t both = MIN(a.len, b.len);
    size_t i = 0;
    for (; i + sizeof(u64) <= both; i += sizeof(u64)) {
        const u64 odd = load_le64(a.ptr + i) ^ load_le64(b.ptr + i);
        if (odd != 0) {
            return i + (size_t)__builtin_ctzll(odd) / 8;
        }
    }
    while (i < both && a.ptr[i] == b.ptr[i]) {
        i++;
    }
    return i;
}

// How many of the first labels of a series stand in the same bytes as those of the one before: they
// are the same then, and how many labels there are is, too.
static u32 labels_alike(const struct label_before *b, str bytes)
{
    const size_t alike = b->count > 0 ? bytes_alike(b->bytes, bytes) : 0;
    u32 same = 0;
    while (same < b->count && b->ends[same] <= alike) {
        same++;
    }
    return same;
}

// Those of count labels that are not the same, kept for the next series.
static bool labels_rest(struct label_reader *r, struct dec *d, struct symbol_texts *t,
                        struct label *items, u32 count, struct error *e)
{
    struct label_before *b = &r->before;
    for (u32 i = r->same; i < count; i++) {
        if (!text_get(r, d, t, &items[i].name, e) || !text_get(r, d, t, &items[i].value, e)) {
            return false;
        }
        if (i < LABELS_KEPT) {
            b->items[i] = items[i];
            b->ends[i] = (u32)(d->at - d->start);
            b->count = i + 1;
        }
    }
    return true;
}

bool label_reader_get(struct label_reader *r, u32 ordinal, struct symbol_texts *t, struct arena *a,
                      struct labels *out, struct error *e)
{
    const struct index_file *x = r->symbols.index;
    const str bytes = index_file_series(x, ordinal);
    struct dec d = dec_of(bytes);
    const u64 count = dec_varint_short(&d);
    if (!dec_ok(&d) || count == 0 || count > dec_left(&d) || bytes.len > UINT32_MAX) {
        return bad_series(e);
    }
    if (r->generation != t->generation) {
        memset(r->slots, 0, r->cap * sizeof(*r->slots));
        r->generation = t->generation;
        r->before.count = 0;
    }
    struct label *items = arena_try_raw(a, count, sizeof(*items));
    if (!items) {
        return no_memory(e);
    }
    (void)dec_varint_short(&d); // The tenant's.
    (void)dec_varint_short(&d);
    r->same = labels_alike(&r->before, bytes);
    r->before.bytes = bytes;
    r->before.count = r->same; // If the rest cannot be read.
    if (r->same > 0) {
        d.at = d.start + r->before.ends[r->same - 1];
        memcpy(items, r->before.items, r->same * sizeof(*items));
    }
    if (!labels_rest(r, &d, t, items, (u32)count - 1, e)) {
        return false;
    }
    *out = (struct labels){.items = items, .count = (u32)count - 1};
    return index_file_whole(x, e);
}
