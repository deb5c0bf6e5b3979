#include "os/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#ifdef MADV_POPULATE_WRITE
#    define ADVICE_FETCH MADV_POPULATE_WRITE
#else
#    define ADVICE_FETCH 23 // Of Linux 5.14; older ones refuse it.
#endif

// Of the whole pages in the range; their bytes, 0 if it was refused.
static size_t pages_advise(void *from, size_t bytes, int advice)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t lead = (page - (uintptr_t)from % page) % page;
    if (bytes < lead + page) {
        return 0;
    }
    const size_t whole = (bytes - lead) / page * page;
    return madvise((char *)from + lead, whole, advice) == 0 ? whole : 0;
}

size_t pages_drop(void *from, size_t bytes)
{
    return pages_advise(from, bytes, MADV_DONTNEED);
}

bool pages_fetch(void *from, size_t bytes)
{
    return pages_advise(from, bytes, ADVICE_FETCH) > 0;
}
