// client_test_page.h: a page caught in memory, for the tests of this folder.
// Threads: owned by the test.
#ifndef CLIENT_CLIENT_TEST_PAGE_H
#define CLIENT_CLIENT_TEST_PAGE_H

#include "client/tidemark.h"

struct page {
    char text[1 << 18];
    size_t n;
    size_t bytes_max; // writing more than this fails; 0: the whole of text
};

bool page_write(void *ctx, const char *bytes, size_t n);
// The page in this format, NUL-terminated; fails the test if it could not be written.
const char *page_get(struct page *p, struct tmk_registry *r, enum tmk_format format);

#endif
