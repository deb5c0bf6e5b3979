#include "tsdb/box_store.h"

#include "base/arena.h"

#define UNIT 8U // References count units.
#define HEAD 8U

static void held_add(const struct box_store *s, u64 bytes)
{
    if (s->held) {
        atomic_fetch_add(s->held, bytes);
    }
}

void box_store_fini(struct box_store *s)
{
    u8 **extents = atomic_load(&s->extents);
    held_add(s, 0 - box_store_bytes(s));
    for (u32 i = 0; i < s->count; i++) {
        mem_free(extents[i]);
    }
    mem_free(extents);
    *s = (struct box_store){.count = 0};
}

u64 box_store_bytes(const struct box_store *s)
{
    // What of the last extent was never written to is not there.
    return s->count > 0 ? (s->count - 1) * (u64)BOX_EXTENT + s->used : 0;
}

bool box_store_room(const struct box_store *s)
{
    return s->count < BOX_EXTENTS_MAX - BOX_EXTENTS_LOW;
}

static void extent_make(struct box_store *s)
{
    CHECK(s->count < BOX_EXTENTS_MAX);
    u8 **extents = atomic_load(&s->extents);
    if (!extents) {
        extents = MEM_NEW_N(u8 *, BOX_EXTENTS_MAX);
        atomic_store(&s->extents, extents);
    }
    extents[s->count++] = MEM_NEW_N(u8, BOX_EXTENT); // Zeroes end it.
    s->used = 0;
}

f64 box_store_add(struct box_store *s, str bytes)
{
    size_t room = (HEAD + bytes.len + UNIT - 1) / UNIT * UNIT;
    u64 before = box_store_bytes(s);
    CHECK(room <= BOX_EXTENT);
    if (s->count == 0 || room > BOX_EXTENT - s->used) {
        extent_make(s);
    }
    u64 len = bytes.len;
    u8 *at = atomic_load(&s->extents)[s->count - 1] + s->used;
    memcpy(at, &len, sizeof(len));
    memcpy(at + HEAD, bytes.ptr, bytes.len);
    u64 position = (s->count - 1) * (u64)BOX_EXTENT + s->used;
    s->used += (u32)room;
    held_add(s, box_store_bytes(s) - before);
    return box_ref(BOX_KEPT, (u32)(position / UNIT));
}

const u8 *box_store_extent(const struct box_store *s, u32 i)
{
    return atomic_load(&s->extents)[i];
}

bool box_store_load(struct box_store *s, str bytes, struct arena *scratch)
{
    size_t at = 0;
    u64 len = 0;
    if (bytes.len > BOX_EXTENT || bytes.len % UNIT != 0 || s->count == BOX_EXTENTS_MAX) {
        return false;
    }
    while (at + HEAD <= bytes.len) {
        struct box b;
        memcpy(&len, bytes.ptr + at, sizeof(len));
        if (len == 0) {
            break;
        }
        if (len > bytes.len - at - HEAD ||
            !box_decode((str){bytes.ptr + at + HEAD, len}, scratch, &b)) {
            return false;
        }
        arena_reset(scratch);
        at += (HEAD + len + UNIT - 1) / UNIT * UNIT;
    }
    const u64 before = box_store_bytes(s);
    extent_make(s);
    memcpy(atomic_load(&s->extents)[s->count - 1], bytes.ptr, bytes.len);
    s->used = (u32)bytes.len;
    held_add(s, box_store_bytes(s) - before);
    return true;
}

str box_store_get(const struct box_store *s, f64 ref)
{
    u64 len;
    const u64 position = (u64)box_index(ref) * UNIT;
    const u64 within = position % BOX_EXTENT;
    u8 **extents = atomic_load(&s->extents);
    const u8 *extent =
        extents && position / BOX_EXTENT < BOX_EXTENTS_MAX ? extents[position / BOX_EXTENT] : NULL;
    if (!extent) {
        return STR_EMPTY;
    }
    memcpy(&len, extent + within, sizeof(len));
    return len <= BOX_EXTENT - within - HEAD ? (str){(const char *)extent + within + HEAD, len}
                                             : STR_EMPTY;
}

bool box_store_open(const struct box_store *s, f64 *values, u32 n, struct box_list *list)
{
    if (box_store_empty(s) || !box_any(values, n)) {
        return true;
    }
    for (u32 i = 0; i < n; i++) {
        struct box b;
        if (is_box(values[i]) && (!box_decode(box_store_get(s, values[i]), list->arena, &b) ||
                                  !box_list_add(list, b, &values[i]))) {
            return false; // The bytes are good, they are ours: there is no room.
        }
    }
    return true;
}
