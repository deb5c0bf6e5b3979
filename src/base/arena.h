// arena.h: memory that dies with a run (a request, a query, a scrape, a reload).
//
// arena_alloc O(1) amortised from chunks that double up to 1 MiB; nothing is freed singly.
// Large pieces get a chunk of their own. Clean-ups run newest first on reset and free.
// Invariants: (I1) bytes_used never passes bytes_max: beyond it, arena_try returns NULL and
// arena_alloc aborts, so whoever works on foreign sizes asks arena_try.
// Debug builds poison what is freed. Threads: owned by one thread at a time.
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/base.h"

struct arena;

struct arena *arena_new(size_t bytes_max);
void arena_free(struct arena *a);  // Accepts NULL.
void arena_reset(struct arena *a); // Frees everything but the first chunk.

// 16-byte aligned, zeroed.
void *arena_alloc(struct arena *a, size_t count, size_t size) MUST_USE;
void *arena_try(struct arena *a, size_t count, size_t size) MUST_USE; // NULL beyond bytes_max.
// The same, not zeroed: for columns of which only what was written is read.
void *arena_try_raw(struct arena *a, size_t count, size_t size) MUST_USE;
void *arena_raw(struct arena *a, size_t count, size_t size) MUST_USE;
#define ARENA_NEW(a, type)      ((type *)arena_alloc((a), 1, sizeof(type)))
#define ARENA_NEW_N(a, type, n) ((type *)arena_alloc((a), (n), sizeof(type)))

// Grows an array made in this arena from count_old to count_new elements; copies unless it is the
// newest piece and fits. The old pointer is dead.
void *arena_grow(struct arena *a, void *old, size_t count_old, size_t count_new,
                 size_t size) MUST_USE;

str arena_str(struct arena *a, str s) MUST_USE;          // A copy; also NUL-terminated.
const char *arena_cstr(struct arena *a, str s) MUST_USE; // A NUL-terminated copy.
str arena_printf(struct arena *a, const char *format, ...) MUST_USE PRINTF_LIKE(2, 3);

void arena_on_free(struct arena *a, void (*fn)(void *arg), void *arg);
// Whether arena_try had to say no since the arena was made or reset: what a decoder of foreign
// bytes could not read was no damage then.
bool arena_was_full(const struct arena *a);
size_t arena_bytes(const struct arena *a); // Bytes held from the system.
size_t arena_bytes_max(const struct arena *a);
size_t arena_used(const struct arena *a); // Those, but for what is left of the newest chunk.

#endif
