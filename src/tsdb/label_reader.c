#include "tsdb/label_reader.h"

#include "base/arena.h"
#include "base/dec.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"

#define TEXT_ARENA_MAX ((size_t)8 << 30)

void symbol_texts_init(struct symbol_texts *t)
{
    *t = (struct symbol_texts){.arena = arena_new(TEXT_ARENA_MAX),
                               .places = MEM_NEW_N(str, LABEL_PLACES),
                               .generation = 1};
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
    memset(t->places, 0, LABEL_PLACES * sizeof(*t->places));
    t->generation += t->generation == UINT32_MAX ? 2 : 1;
}

void label_reader_init(struct label_reader *r, const struct index_file *x)
{
    *r = (struct label_reader){.slots = MEM_NEW_N(struct label_slot, LABEL_SLOTS)};
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

// The text of a symbol that is not in its slot.
static bool slot_fill(struct label_reader *r, struct label_slot *slot, u32 symbol,
                      struct symbol_texts *t, struct error *e)
{
    str text = STR_EMPTY;
    if (!symbol_read(&r->symbols, symbol, &text, NULL)) {
        return bad_series(e);
    }
    str *place = &t->places[hash_str(text) & (LABEL_PLACES - 1)];
    if (!place->ptr || !str_eq(*place, text)) {
        char *copy = arena_try_raw(t->arena, text.len + 1, 1);
        if (!copy) {
            return no_memory(e);
        }
        memcpy(copy, text.ptr, text.len);
        *place = (str){copy, text.len};
    }
    *slot = (struct label_slot){.number = symbol + 1, .text = *place};
    return true;
}

// dec_varint(), but for what nearly all of them are, in place.
static inline u64 varint_next(struct dec *d)
{
    if (d->end - d->at >= 2 && !d->bad) {
        const u32 first = d->at[0];
        const u32 second = d->at[1];
        if (first < 0x80) {
            d->at += 1;
            return first;
        }
        if (second < 0x80) {
            d->at += 2;
            return (first & 0x7f) | second << 7;
        }
    }
    return dec_varint(d);
}

static inline bool text_get(struct label_reader *r, struct dec *d, struct symbol_texts *t, str *out,
                            struct error *e)
{
    const u64 symbol = varint_next(d);
    if (!dec_ok(d) || symbol >= r->symbols.index->symbol_count) {
        return bad_series(e);
    }
    struct label_slot *slot = &r->slots[symbol % LABEL_SLOTS];
    if (slot->number != symbol + 1 && !slot_fill(r, slot, (u32)symbol, t, e)) {
        return false;
    }
    *out = slot->text;
    return true;
}

bool label_reader_get(struct label_reader *r, u32 ordinal, struct symbol_texts *t, struct arena *a,
                      struct labels *out, struct error *e)
{
    const struct index_file *x = r->symbols.index;
    struct dec d = dec_of(index_file_series(x, ordinal));
    const u64 count = varint_next(&d);
    if (!dec_ok(&d) || count == 0 || count > dec_left(&d)) {
        return bad_series(e);
    }
    if (r->generation != t->generation) {
        memset(r->slots, 0, LABEL_SLOTS * sizeof(*r->slots));
        r->generation = t->generation;
    }
    (void)varint_next(&d); // The tenant's.
    (void)varint_next(&d);
    struct label *items = arena_try_raw(a, count, sizeof(*items));
    if (!items) {
        return no_memory(e);
    }
    for (u64 i = 0; i + 1 < count; i++) {
        if (!text_get(r, &d, t, &items[i].name, e) || !text_get(r, &d, t, &items[i].value, e)) {
            return false;
        }
    }
    *out = (struct labels){.items = items, .count = (u32)count - 1};
    return index_file_whole(x, e);
}
