#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "wire/b64.h"

TEST(b64_matches_rfc_4648)
{
    static const char *const cases[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"},
                                           {"\xfb\xff\xfe", "+//+"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf text;
        struct buf bytes;
        buf_init(&text, 100);
        buf_init(&bytes, 100);
        struct error e = {0};
        b64_encode(str_c(cases[i][0]), &text);
        ASSERT_STR_EQ(buf_get(&text), str_c(cases[i][1]));
        ASSERT_OK(b64_decode(str_c(cases[i][1]), &bytes, &e), e);
        ASSERT_STR_EQ(buf_get(&bytes), str_c(cases[i][0]));
        buf_fini(&text);
        buf_fini(&bytes);
    }
}

TEST(b64_goes_round_for_every_byte_and_length)
{
    u8 bytes[512];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (u8)(i * 37 + i / 256);
    }
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        struct buf text;
        struct buf back;
        buf_init(&text, 1000);
        buf_init(&back, 1000);
        struct error e = {0};
        str in = str_make((const char *)bytes, len);
        b64_encode(in, &text);
        ASSERT_OK(b64_decode(buf_get(&text), &back, &e), e);
        ASSERT_STR_EQ(buf_get(&back), in);
        buf_fini(&text);
        buf_fini(&back);
    }
}

TEST(b64_refuses_other_spellings)
{
    static const char *const bad[] = {"Z",    "Zg",   "Zg=",      "Zh==",     "Zm9=",
                                      "====", "Z===", "Zm=v",     "Zg==Zg==", "Zm9v\n",
                                      "Zm 9", "-__-", "Zm9v====", "=m9v"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct buf out;
        buf_init(&out, 100);
        buf_c(&out, "kept");
        struct error e = {0};
        if (b64_decode(str_c(bad[i]), &out, &e)) {
            fail_msg("%s is accepted", bad[i]);
        }
        assert_int_equal(e.code, ERR_INVALID);
        ASSERT_STR_EQ(buf_get(&out), STR("kept"));
        buf_fini(&out);
    }
}

TEST(b64_names_the_limit)
{
    struct buf out;
    buf_init(&out, 2);
    struct error e = {0};
    assert_false(b64_decode(STR("Zm9v"), &out, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_non_null(strstr(e.text, "maximum is 2"));
    b64_encode(STR("foo"), &out);
    assert_false(buf_ok(&out));
    buf_fini(&out);
}
