#include "tsdb/label_reader.h"

#include "base/arena.h"
#include "base/dec.h"
#include "base/error.h"

#define TEXT_ARENA_MAX ((size_t)8 << 30)

void label_reader_init(struct label_reader *r, const struct index_file *x)
{
    *r = (struct label_reader){.texts = arena_new(TEXT_ARENA_MAX),
                               .slots = MEM_NEW_N(struct label_slot, LABEL_SLOTS)};
    symbol_reader_init(&r->symbols, x);
}

void label_reader_fini(struct label_reader *r)
{
    symbol_reader_fini(&r->symbols);
    arena_free(r->texts);
    mem_free(r->slots);
    *r = (struct label_reader){0};
}

void label_reader_forget(struct label_reader *r)
{
    if (arena_bytes(r->texts) >= LABEL_TEXT_BYTES) {
        arena_reset(r->texts);
        memset(r->slots, 0, LABEL_SLOTS * sizeof(*r->slots));
    }
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
static bool slot_fill(struct label_reader *r, struct label_slot *slot, u32 symbol, struct error *e)
{
    str text = STR_EMPTY;
    if (!symbol_read(&r->symbols, symbol, &text, NULL)) {
        return bad_series(e);
    }
    char *copy = arena_try(r->texts, text.len + 1, 1);
    if (!copy) {
        return no_memory(e);
    }
    memcpy(copy, text.ptr, text.len);
    *slot = (struct label_slot){.number = symbol + 1, .text = {copy, text.len}};
    return true;
}

static bool text_get(struct label_reader *r, struct dec *d, str *out, struct error *e)
{
    const u64 symbol = dec_varint(d);
    if (!dec_ok(d) || symbol >= r->symbols.index->symbol_count) {
        return bad_series(e);
    }
    struct label_slot *slot = &r->slots[symbol % LABEL_SLOTS];
    if (slot->number != symbol + 1 && !slot_fill(r, slot, (u32)symbol, e)) {
        return false;
    }
    *out = slot->text;
    return true;
}

bool label_reader_get(struct label_reader *r, u32 ordinal, struct arena *a, struct labels *out,
                      struct error *e)
{
    const struct index_file *x = r->symbols.index;
    struct dec d = dec_of(index_file_series(x, ordinal));
    const u64 count = dec_varint(&d);
    if (!dec_ok(&d) || count == 0 || count > dec_left(&d)) {
        return bad_series(e);
    }
    (void)dec_varint(&d); // The tenant's.
    (void)dec_varint(&d);
    struct label *items = arena_try(a, count, sizeof(*items));
    if (!items) {
        return no_memory(e);
    }
    for (u64 i = 0; i + 1 < count; i++) {
        if (!text_get(r, &d, &items[i].name, e) || !text_get(r, &d, &items[i].value, e)) {
            return false;
        }
    }
    *out = (struct labels){.items = items, .count = (u32)count - 1};
    return index_file_whole(x, e);
}
