// symtab_test.c: interning, stability, limits.

#include "base/str.h"
#include "base/test.h"
#include "model/symtab.h"

#include <stdio.h>

TEST(symtab_names_each_string_once)
{
    struct symtab *s = symtab_new(1 << 20);
    const u32 a = symtab_intern(s, STR("a"));
    const u32 empty = symtab_intern(s, STR_EMPTY);
    assert_int_equal(a, 0);
    assert_int_equal(empty, 1);
    assert_int_equal(symtab_intern(s, STR("a")), a);
    assert_int_equal(symtab_find(s, STR("a")), a);
    assert_int_equal(symtab_find(s, STR_EMPTY), empty);
    assert_int_equal(symtab_find(s, STR("b")), SYMBOL_NONE);
    assert_int_equal(symtab_count(s), 2);
    ASSERT_STR_EQ(symtab_get(s, a), STR("a"));
    ASSERT_STR_EQ(symtab_get(s, empty), STR_EMPTY);
    symtab_free(s);
    symtab_free(NULL);
}

TEST(symtab_strings_stay_where_they_are)
{
    struct symtab *s = symtab_new(64 << 20);
    enum { MANY = 50000 };
    const u32 first = symtab_intern(s, STR("the very first"));
    const char *const where = symtab_get(s, first).ptr;
    for (u32 i = 0; i < MANY; i++) {
        char text[32];
        const int n = snprintf(text, sizeof(text), "value-%u", i);
        assert_int_equal(symtab_intern(s, (str){text, (size_t)n}), i + 1);
    }
    assert_ptr_equal(symtab_get(s, first).ptr, where);
    for (u32 i = 0; i < MANY; i++) {
        char text[32];
        const int n = snprintf(text, sizeof(text), "value-%u", i);
        ASSERT_STR_EQ(symtab_get(s, i + 1), ((str){text, (size_t)n}));
        assert_int_equal(symtab_find(s, (str){text, (size_t)n}), i + 1);
    }
    assert_int_equal(symtab_count(s), MANY + 1);
    symtab_free(s);
}

TEST(symtab_finds_texts_by_their_places)
{
    enum { TEXTS = 300 };
    static char bytes[TEXTS];
    struct symtab *s = symtab_new(1 << 20);
    u32 places[TEXTS];
    str texts[TEXTS];
    memset(bytes, 'a', sizeof(bytes));
    for (u32 i = 0; i < TEXTS; i++) {
        const u32 symbol = symtab_intern(s, str_make(bytes, i));
        places[TEXTS - 1 - i] = symtab_place(s, symbol);
    }
    symtab_texts(s, places, TEXTS, texts);
    for (u32 i = 0; i < TEXTS; i++) {
        ASSERT_STR_EQ(texts[i], str_make(bytes, TEXTS - 1 - i));
        assert_ptr_equal(texts[i].ptr, symtab_get(s, TEXTS - 1 - i).ptr);
    }
    symtab_free(s);
}

TEST(symtab_takes_texts_longer_than_its_chunks)
{
    struct symtab *s = symtab_new(1 << 20); // Chunks of 8 KiB.
    static char text[100000];
    for (u32 i = 0; i < 5; i++) {
        memset(text, 'a' + (int)i, sizeof(text));
        assert_int_equal(symtab_intern(s, (str){text, sizeof(text)}), 2 * i);
        assert_int_equal(symtab_intern(s, (str){text, i + 1}), 2 * i + 1);
    }
    for (u32 i = 0; i < 5; i++) {
        memset(text, 'a' + (int)i, sizeof(text));
        ASSERT_STR_EQ(symtab_get(s, 2 * i), ((str){text, sizeof(text)}));
        ASSERT_STR_EQ(symtab_get(s, 2 * i + 1), ((str){text, i + 1}));
    }
    symtab_free(s);
}

TEST(symtab_refuses_at_its_maximum_and_goes_on_answering)
{
    struct symtab *s = symtab_new(1000);
    u32 taken = 0;
    char text[16];
    for (;;) {
        const int n = snprintf(text, sizeof(text), "%06u", taken);
        if (symtab_intern(s, (str){text, (size_t)n}) == SYMBOL_NONE) {
            break;
        }
        taken++;
    }
    assert_int_equal(taken, 50); // 6 bytes and 14 beside.
    assert_true(symtab_bytes(s) <= 1000);
    assert_int_equal(symtab_intern(s, STR("000007")), 7);
    assert_int_equal(symtab_find(s, (str){text, 6}), SYMBOL_NONE);
    symtab_free(s);
}

TEST(symtab_refuses_one_text_beyond_all_bounds)
{
    struct symtab *s = symtab_new(1000);
    static char text[2000];
    assert_int_equal(symtab_intern(s, (str){text, sizeof(text)}), SYMBOL_NONE);
    assert_int_equal(symtab_intern(s, STR("small")), 0);
    symtab_free(s);
    s = symtab_new(0);
    assert_int_equal(symtab_intern(s, STR_EMPTY), SYMBOL_NONE);
    symtab_free(s);
}
