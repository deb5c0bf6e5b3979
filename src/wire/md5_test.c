// md5_test.c: the test suite of RFC 1321.

#include "base/str.h"
#include "base/test.h"
#include "wire/md5.h"

#include <stdio.h>

static void expect(str s, const char *want)
{
    u8 out[16];
    md5_of(s, out);
    char hex[33];
    for (size_t i = 0; i < 16; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", out[i]);
    }
    assert_string_equal(hex, want);
}

TEST(md5_answers_as_published)
{
    expect(STR_EMPTY, "d41d8cd98f00b204e9800998ecf8427e");
    expect(STR("abc"), "900150983cd24fb0d6963f7d28e17f72");
    expect(STR("12345678901234567890123456789012345678901234567890123456789012345678901234567890"),
           "57edf4a22be3c955ac49da2e2107b67a");
}
