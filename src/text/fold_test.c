// fold_test.c: case mapping of letters of any script, hostile bytes.

#include "base/buf.h"
#include "base/str.h"
#include "base/test.h"
#include "text/fold.h"

static void expect(void (*fold)(struct buf *, str), str s, const char *want)
{
    struct buf b;
    buf_init(&b, 4096);
    fold(&b, s);
    ASSERT_STR_EQ(buf_get(&b), str_c(want));
    buf_fini(&b);
}

TEST(fold_maps_every_script)
{
    expect(fold_lower, STR("AbC-9"), "abc-9");
    expect(fold_upper, STR("AbC-9"), "ABC-9");
    expect(fold_lower, STR("ÄÖÜ ΑΒΓ ЖЯ"), "äöü αβγ жя");
    expect(fold_upper, STR("äöü αβγ жя"), "ÄÖÜ ΑΒΓ ЖЯ");
    expect(fold_upper, STR("日本☺"), "日本☺");
}

TEST(fold_replaces_what_is_not_utf8)
{
    expect(fold_lower,
           STR("A\xff"
               "B"),
           "a\xef\xbf\xbd"
           "b");
}
