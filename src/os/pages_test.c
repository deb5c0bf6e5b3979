// pages_test.c: pages that go back and pages that are fetched.
#include "base/test.h"
#include "os/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#define PAGES 64U

static u32 resident(void *from, size_t page)
{
    unsigned char there[PAGES];
    u32 n = 0;
    assert_int_equal(mincore(from, PAGES * page, there), 0);
    for (u32 i = 0; i < PAGES; i++) {
        n += there[i] & 1;
    }
    return n;
}

TEST(pages_that_are_fetched_are_there_with_what_they_held)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    u8 *bytes =
        mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(bytes != MAP_FAILED);
    assert_int_equal(madvise(bytes, PAGES * page, MADV_NOHUGEPAGE), 0);
    bytes[5 * page + 7] = 42;
    assert_int_equal(resident(bytes, page), 1);
    assert_false(pages_fetch(bytes + 1, page)); // No whole page.
    assert_int_equal(resident(bytes, page), 1);
    if (pages_fetch(bytes + 1, (PAGES - 1) * page)) { // Else the system is older than Linux 5.14.
        assert_int_equal(resident(bytes, page), PAGES - 2);
    }
    assert_int_equal(bytes[5 * page + 7], 42);
    bytes[9 * page] = 1;
    assert_int_equal(pages_drop(bytes + page, 20 * page), 20 * page);
    assert_true(bytes[5 * page + 7] == 0 && bytes[9 * page] == 0);
    assert_int_equal(munmap(bytes, PAGES * page), 0);
}
