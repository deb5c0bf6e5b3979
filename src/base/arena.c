// arena.c: a list of chunks, newest first; see arena.h.
//
//   arena ─► chunk (newest, pieces are cut from it) ─► chunk ─► … ─► chunk (first, kept by reset)
//                     └─ header │ piece │ piece │ free │
//
// Under the address sanitizer every piece is a chunk of its own with the exact size asked for, so
// that a read past its end or after its death is seen.
#include "base/arena.h"

#include "base/alloc_fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PIECE_ALIGN     16
#define CHUNK_BYTES_MIN 4096
#define CHUNK_BYTES_MAX ((size_t)1 << 20)
#define POISON          0xDD

#ifdef __has_feature
#    if __has_feature(address_sanitizer)
#        define ONE_PIECE_A_CHUNK 1
#    endif
#endif
#ifdef __SANITIZE_ADDRESS__
#    define ONE_PIECE_A_CHUNK 1
#endif
#ifndef ONE_PIECE_A_CHUNK
#    define ONE_PIECE_A_CHUNK 0
#endif

// Threads: owned by the arena.
struct chunk {
    struct chunk *older;
    size_t cap;  // Bytes after the header.
    size_t used; // Of cap; what lies behind is dirty or fresh.
    size_t pad;  // Keeps the bytes after the header aligned.
};
static_assert(sizeof(struct chunk) % PIECE_ALIGN == 0, "pieces start right after the header");

// Lives in the arena itself. Threads: owned by the arena.
struct cleanup {
    struct cleanup *older;
    void (*fn)(void *arg);
    void *arg;
};

// Threads: owned.
struct arena {
    struct chunk *newest;
    struct cleanup *cleanups;
    size_t bytes_held; // (I1) ≤ bytes_max.
    size_t bytes_max;
    size_t next_cap; // What the next ordinary chunk asks for.
    bool was_full;
};

struct arena *arena_new(size_t bytes_max)
{
    CHECK(bytes_max > 0);
    struct arena *a = MEM_NEW(struct arena);
    a->bytes_max = bytes_max;
    a->next_cap = CHUNK_BYTES_MIN;
    return a;
}

static u8 *chunk_bytes(struct chunk *c)
{
    return (u8 *)(c + 1);
}

static void chunk_poison(struct chunk *c)
{
#ifndef NDEBUG
    memset(chunk_bytes(c), POISON, c->used);
#endif
    c->used = 0;
}

static void run_cleanups(struct arena *a)
{
    // A clean-up may register another one while it runs; that one runs next.
    while (a->cleanups) {
        struct cleanup *one = a->cleanups;
        a->cleanups = one->older;
        one->fn(one->arg);
    }
}

static void free_chunks(struct arena *a, struct chunk *keep)
{
    while (a->newest != keep) {
        struct chunk *c = a->newest;
        a->newest = c->older;
        a->bytes_held -= c->cap + sizeof(*c);
        chunk_poison(c);
        mem_free(c);
    }
}

void arena_free(struct arena *a)
{
    if (!a) {
        return;
    }
    run_cleanups(a);
    free_chunks(a, NULL);
    mem_free(a);
}

void arena_reset(struct arena *a)
{
    run_cleanups(a);
    struct chunk *first = a->newest;
    while (first && first->older) {
        first = first->older;
    }
    if (ONE_PIECE_A_CHUNK) {
        first = NULL;
    }
    free_chunks(a, first);
    if (first) {
        chunk_poison(first);
    }
    a->next_cap = CHUNK_BYTES_MIN;
    a->was_full = false;
}

// Adds a chunk with cap bytes; NULL if that passes the maximum or the system has no more.
static struct chunk *chunk_add(struct arena *a, size_t cap)
{
    size_t total = cap + sizeof(struct chunk);
    if (total < cap || total > a->bytes_max - a->bytes_held) {
        return NULL;
    }
    struct chunk *c = malloc(total);
    if (!c) {
        return NULL;
    }
    *c = (struct chunk){.older = a->newest, .cap = cap};
    a->newest = c;
    a->bytes_held += total;
    CHECK(a->bytes_held <= a->bytes_max); // (I1)
    return c;
}

// A chunk with room for one piece of the given rounded size.
static struct chunk *chunk_for(struct arena *a, size_t rounded)
{
    struct chunk *c = a->newest;
    if (c && rounded <= c->cap - c->used) {
        return c;
    }
    size_t budget = a->bytes_max - a->bytes_held;
    size_t room = budget > sizeof(struct chunk) ? budget - sizeof(struct chunk) : 0;
    size_t cap = MIN(a->next_cap, room);
    if (rounded <= cap) {
        a->next_cap = MIN(a->next_cap * 2, CHUNK_BYTES_MAX);
        return chunk_add(a, cap);
    }
    // A large piece stands alone. It goes behind the newest chunk, which may still have room.
    struct chunk *alone = chunk_add(a, rounded);
    if (alone && c && alone->older == c && c->used < c->cap) {
        alone->older = c->older;
        c->older = alone;
        a->newest = c;
    }
    return alone;
}

// What a piece takes of its chunk.
static size_t rounded_up(size_t bytes)
{
    return (MAX(bytes, 1) + PIECE_ALIGN - 1) & ~(size_t)(PIECE_ALIGN - 1);
}

// A piece, not zeroed, or NULL; *rounded: its bytes.
static u8 *piece_take(struct arena *a, size_t count, size_t size, size_t *rounded)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2) {
        return NULL;
    }
    *rounded = ONE_PIECE_A_CHUNK ? bytes : rounded_up(bytes);
    struct chunk *c = ONE_PIECE_A_CHUNK ? chunk_add(a, bytes) : chunk_for(a, *rounded);
    if (!c) {
        return NULL;
    }
    u8 *piece = chunk_bytes(c) + c->used;
    c->used += *rounded;
    return piece;
}

static void *piece_zeroed(struct arena *a, size_t count, size_t size)
{
    size_t rounded = 0;
    u8 *piece = piece_take(a, count, size, &rounded);
    return piece ? memset(piece, 0, rounded) : NULL;
}

static void *piece_raw(struct arena *a, size_t count, size_t size)
{
    size_t rounded = 0;
    u8 *piece = piece_take(a, count, size, &rounded);
#ifndef NDEBUG
    if (piece) {
        memset(piece, POISON, rounded); // Who reads what nobody wrote shall not find zeroes.
    }
#endif
    return piece;
}

void *arena_try(struct arena *a, size_t count, size_t size)
{
    void *piece = alloc_refused() ? NULL : piece_zeroed(a, count, size);
    a->was_full = a->was_full || !piece;
    return piece;
}

void *arena_try_raw(struct arena *a, size_t count, size_t size)
{
    void *piece = alloc_refused() ? NULL : piece_raw(a, count, size);
    a->was_full = a->was_full || !piece;
    return piece;
}

void *arena_alloc(struct arena *a, size_t count, size_t size)
{
    void *piece = piece_zeroed(a, count, size);
    CHECK(piece && "arena_alloc passes the arena's bytes_max (or the machine's memory)");
    return piece;
}

void *arena_raw(struct arena *a, size_t count, size_t size)
{
    void *piece = piece_raw(a, count, size);
    CHECK(piece && "arena_raw passes the arena's bytes_max (or the machine's memory)");
    return piece;
}

// Stretches the newest piece where it stands; false if it is not the newest or does not fit.
static bool stretch(struct arena *a, const void *piece, size_t bytes_old, size_t bytes_new)
{
    struct chunk *c = a->newest;
    size_t old = rounded_up(bytes_old);
    if (ONE_PIECE_A_CHUNK || !c || c->used < old || bytes_new > CHUNK_BYTES_MAX) {
        return false;
    }
    size_t start = c->used - old;
    size_t wanted = rounded_up(bytes_new);
    u8 *at = chunk_bytes(c) + start;
    if (piece != at || wanted > c->cap - start) {
        return false;
    }
    memset(at + bytes_old, 0, wanted - bytes_old);
    c->used = start + wanted;
    return true;
}

void *arena_grow(struct arena *a, void *old, size_t count_old, size_t count_new, size_t size)
{
    CHECK(count_new >= count_old);
    size_t bytes_old = count_old * size; // Did not overflow when it was made.
    size_t bytes_new = 0;
    if (old && !__builtin_mul_overflow(count_new, size, &bytes_new) &&
        stretch(a, old, bytes_old, bytes_new)) {
        return old;
    }
    void *piece = arena_alloc(a, count_new, size);
    if (old && bytes_old > 0) {
        memcpy(piece, old, bytes_old);
    }
    return piece;
}

const char *arena_cstr(struct arena *a, str s)
{
    CHECK(s.len < SIZE_MAX);
    char *copy = arena_alloc(a, s.len + 1, 1);
    if (s.len > 0) {
        memcpy(copy, s.ptr, s.len);
    }
    return copy; // The last byte is zero already.
}

str arena_str(struct arena *a, str s)
{
    return (str){arena_cstr(a, s), s.len};
}

str arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(len >= 0);
    char *text = arena_alloc(a, (size_t)len + 1, 1);
    int written = vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    CHECK(written == len);
    return (str){text, (size_t)len};
}

void arena_on_free(struct arena *a, void (*fn)(void *arg), void *arg)
{
    struct cleanup *one = ARENA_NEW(a, struct cleanup);
    *one = (struct cleanup){a->cleanups, fn, arg};
    a->cleanups = one;
}

bool arena_was_full(const struct arena *a)
{
    return a->was_full;
}

size_t arena_bytes(const struct arena *a)
{
    return a->bytes_held;
}

size_t arena_bytes_max(const struct arena *a)
{
    return a->bytes_max;
}

size_t arena_used(const struct arena *a)
{
    return a->bytes_held - (a->newest ? a->newest->cap - a->newest->used : 0);
}
