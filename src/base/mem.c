// mem.c: allocation for long-lived structures; running out ends the process with a message.
#include "base/base.h"

#include <stdlib.h>

static size_t bytes_of(size_t count, size_t size)
{
    size_t bytes = 0;
    bool overflow = __builtin_mul_overflow(count, size, &bytes);
    CHECK(!overflow && "allocation size overflows");
    return bytes ? bytes : 1;
}

void *mem_new(size_t count, size_t size)
{
    void *ptr = calloc(1, bytes_of(count, size));
    CHECK(ptr && "out of memory");
    return ptr;
}

void *mem_grow(void *old, size_t count, size_t size)
{
    void *ptr = realloc(old, bytes_of(count, size));
    CHECK(ptr && "out of memory");
    return ptr;
}

void mem_free(const void *ptr)
{
    void *plain; // Takes the const off.
    memcpy(&plain, &ptr, sizeof(plain));
    free(plain);
}
