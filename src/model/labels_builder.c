// labels_builder.c: edits on a label set that stays sorted.

#include "base/arena.h"
#include "base/str.h"
#include "model/labels.h"

#define BUILDER_ROOM 8 // Edits before the array must grow.

void labels_builder_init(struct labels_builder *b, struct arena *a, struct labels base)
{
    *b = (struct labels_builder){.arena = a, .count = base.count, .cap = base.count + BUILDER_ROOM};
    b->items = ARENA_NEW_N(a, struct label, b->cap);
    if (base.count > 0) {
        memcpy(b->items, base.items, base.count * sizeof(base.items[0]));
    }
}

// Where name stands, or where it would.
static u32 place_of(const struct labels_builder *b, str name, bool *found)
{
    u32 low = 0;
    u32 high = b->count;
    while (low < high) {
        const u32 middle = low + (high - low) / 2;
        const int order = str_cmp(b->items[middle].name, name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *found = false;
    return low;
}

void labels_builder_set(struct labels_builder *b, str name, str value)
{
    if (value.len == 0) {
        labels_builder_del(b, name);
        return;
    }
    bool found;
    const u32 at = place_of(b, name, &found);
    if (found) {
        b->items[at].value = value;
        return;
    }
    if (b->count == b->cap) {
        CHECK(b->cap <= UINT32_MAX / 2);
        b->items = arena_grow(b->arena, b->items, b->cap, (size_t)b->cap * 2, sizeof(b->items[0]));
        b->cap *= 2;
    }
    memmove(b->items + at + 1, b->items + at, (b->count - at) * sizeof(b->items[0]));
    b->items[at] = (struct label){name, value};
    b->count++;
}

void labels_builder_del(struct labels_builder *b, str name)
{
    bool found;
    const u32 at = place_of(b, name, &found);
    if (found) {
        memmove(b->items + at, b->items + at + 1, (b->count - at - 1) * sizeof(b->items[0]));
        b->count--;
    }
}

str labels_builder_get(const struct labels_builder *b, str name)
{
    bool found;
    const u32 at = place_of(b, name, &found);
    return found ? b->items[at].value : STR_EMPTY;
}

struct labels labels_builder_take(struct labels_builder *b)
{
    const struct labels ls = {b->items, b->count};
    *b = (struct labels_builder){.arena = b->arena};
    return ls;
}
