#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "base/utf8.h"

#include <errno.h>

TEST(error_travels_and_gathers_context)
{
    struct error e = {0};
    assert_false(err_set(&e, ERR_CORRUPT, "crc differs at %d", 7));
    assert_int_equal(e.code, ERR_CORRUPT);
    assert_false(err_in(&e, "segment %s", "00001"));
    assert_false(err_in(&e, "opening the log"));
    assert_string_equal(e.text, "opening the log: segment 00001: crc differs at 7");
    assert_int_equal(e.code, ERR_CORRUPT);
    assert_null(err_null(&e, ERR_LIMIT, "too many"));
    assert_int_equal(e.code, ERR_LIMIT);
    err_clear(&e);
    assert_int_equal(e.code, ERR_NONE);
    assert_string_equal(e.text, "");
}

TEST(error_may_be_null)
{
    assert_false(err_set(NULL, ERR_IO, "x"));
    assert_null(err_null(NULL, ERR_IO, "x"));
    assert_false(err_in(NULL, "x"));
    assert_false(err_errno(NULL, EIO, "x"));
    err_clear(NULL);
}

TEST(error_own_text_may_be_an_argument)
{
    struct error e = {0};
    (void)err_set(&e, ERR_INVALID, "inner");
    (void)err_set(&e, ERR_INVALID, "outer (%s)", e.text);
    assert_string_equal(e.text, "outer (inner)");
}

TEST(error_of_errno_tells_its_kind)
{
    struct error e = {0};
    (void)err_errno(&e, ENOSPC, "writing %s", "wal/1");
    assert_int_equal(e.code, ERR_NO_SPACE);
    assert_string_equal(e.text, "writing wal/1: No space left on device");
    (void)err_errno(&e, EDQUOT, "x");
    assert_int_equal(e.code, ERR_NO_SPACE);
    (void)err_errno(&e, ENOENT, "x");
    assert_int_equal(e.code, ERR_NOT_FOUND);
    (void)err_errno(&e, EACCES, "x");
    assert_int_equal(e.code, ERR_IO);
}

TEST(error_text_is_cut_between_characters)
{
    for (size_t lead = 480; lead < 492; lead++) {
        char filler[500];
        memset(filler, 'a', sizeof(filler));
        struct error e = {0};
        (void)err_set(&e, ERR_INVALID, "%.*s\xE2\x82\xAC\xF0\x9F\x8C\x8A\xC3\xA9", (int)lead,
                      filler);
        str text = str_c(e.text);
        assert_true(text.len < sizeof(e.text));
        assert_true(text.len + 4 >= MIN(lead + 9, sizeof(e.text) - 1));
        assert_true(utf8_valid(text));
    }
}

static void context_without_error(void *arg)
{
    (void)err_in(arg, "context");
}

TEST(error_context_without_an_error_is_a_bug)
{
    struct error e = {0};
    assert_true(test_dies(context_without_error, &e));
}

TEST(error_names_are_all_different)
{
    for (int a = 0; a < ERR_COUNT; a++) {
        for (int b = 0; b < a; b++) {
            assert_string_not_equal(err_name((enum err)a), err_name((enum err)b));
        }
    }
}
