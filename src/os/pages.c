#include "os/pages.h"

#include <sys/mman.h>
#include <unistd.h>

size_t pages_drop(void *from, size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t lead = (page - (uintptr_t)from % page) % page;
    if (bytes < lead + page) {
        return 0;
    }
    const size_t whole = (bytes - lead) / page * page;
    return madvise((char *)from + lead, whole, MADV_DONTNEED) == 0 ? whole : 0;
}
