// base.h: the words every file speaks: sized integers, str, must-use, checks.
//
// Includes nothing but libc. Everything here is a value or a macro; nothing allocates.
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;
typedef double f64;

// A borrowed run of bytes, not NUL-terminated; whoever made the bytes owns them. The empty str may
// have a NULL ptr.
typedef struct str {
    const char *ptr;
    size_t len;
} str;

#define STR(literal) ((str){"" literal, sizeof(literal) - 1})
#define STR_EMPTY    ((str){NULL, 0})
// For printf("%.*s", STR_ARG(s)).
#define STR_ARG(s) (int)(s).len, ((s).ptr ? (s).ptr : "")

#define MUST_USE          __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a), nonnull(f)))
#define NO_RETURN         __attribute__((noreturn))
#define UNUSED            __attribute__((unused))
#define UNINIT            __attribute__((uninitialized)) // A large local, written before read.
#define LIKELY(x)         __builtin_expect(!!(x), 1)
#define UNLIKELY(x)       __builtin_expect(!!(x), 0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member)                                                            \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member))) // NOLINT(bugprone-macro-parentheses)
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

// CHECK guards against bugs of ours and stays on in release: it aborts with expression, place and
// backtrace. Never used on bytes from outside. DCHECK is for hot loops, off in release.
#define CHECK(cond) (LIKELY(cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__))
#ifdef NDEBUG
#    define DCHECK(cond) ((void)sizeof(!(cond)))
#else
#    define DCHECK(cond) CHECK(cond)
#endif
#ifdef __cplusplus
extern "C" { // The few C++ shims include this header too.
#endif
void check_failed(const char *expr, const char *file, int line) NO_RETURN;

// Aborting allocation for long-lived structures; never returns NULL. mem_new zeroes.
void *mem_new(size_t count, size_t size) MUST_USE __attribute__((malloc));
void *mem_grow(void *old, size_t count, size_t size) MUST_USE; // realloc; count * size checked.
void mem_free(const void *ptr);                                // Accepts NULL.
#ifdef __cplusplus
}
#endif
#define MEM_NEW(type)            ((type *)mem_new(1, sizeof(type)))
#define MEM_NEW_N(type, n)       ((type *)mem_new((n), sizeof(type)))
#define MEM_GROW(ptr, cap, type) ((type *)mem_grow((ptr), (cap), sizeof(type)))

#endif
