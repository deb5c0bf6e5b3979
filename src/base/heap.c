// heap.c: see heap.h. items[0] is the least; the children of i are 2i + 1 and 2i + 2.
#include "base/heap.h"

void heap_init(struct heap *h)
{
    *h = (struct heap){0};
}

void heap_fini(struct heap *h)
{
    if (h) {
        mem_free(h->items);
        heap_init(h);
    }
}

static bool less(struct heap_item a, struct heap_item b)
{
    return a.key != b.key ? a.key < b.key : a.value < b.value;
}

static void sift_up(struct heap *h, u32 i)
{
    struct heap_item item = h->items[i];
    while (i > 0) {
        u32 parent = (i - 1) / 2;
        if (!less(item, h->items[parent])) {
            break;
        }
        h->items[i] = h->items[parent];
        i = parent;
    }
    h->items[i] = item;
}

static void sift_down(struct heap *h, u32 i)
{
    struct heap_item item = h->items[i];
    for (u64 child = 2 * (u64)i + 1; child < h->count; child = 2 * (u64)i + 1) {
        if (child + 1 < h->count && less(h->items[child + 1], h->items[child])) {
            child++;
        }
        if (!less(h->items[child], item)) {
            break;
        }
        h->items[i] = h->items[child];
        i = (u32)child;
    }
    h->items[i] = item;
}

void heap_push(struct heap *h, i64 key, u32 value)
{
    if (h->count == h->cap) {
        CHECK(h->cap <= UINT32_MAX / 2);
        h->cap = MAX(h->cap * 2, 8);
        h->items = MEM_GROW(h->items, h->cap, struct heap_item);
    }
    h->items[h->count++] = (struct heap_item){key, value};
    sift_up(h, h->count - 1);
}

static void remove_at(struct heap *h, u32 i)
{
    struct heap_item last = h->items[--h->count];
    if (i == h->count) {
        return;
    }
    h->items[i] = last;
    sift_down(h, i);
    sift_up(h, i);
}

struct heap_item heap_pop(struct heap *h)
{
    struct heap_item least = heap_peek(h);
    remove_at(h, 0);
    return least;
}

struct heap_item heap_peek(const struct heap *h)
{
    CHECK(h->count > 0);
    return h->items[0];
}

bool heap_remove(struct heap *h, u32 value)
{
    for (u32 i = 0; i < h->count; i++) {
        if (h->items[i].value == value) {
            remove_at(h, i);
            return true;
        }
    }
    return false;
}
