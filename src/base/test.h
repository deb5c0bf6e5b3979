// test.h: TEST(name) { … } registers itself; cmocka's assert_* macros check.
//
// The runner (test_main.c) takes an optional name pattern (substring), prints TAP-like lines and
// ends with the plain line "N passed, N failed". Included by tests only.
// Threads: cases are linked by constructors, before main, and frozen from then on.
#ifndef BASE_TEST_H
#define BASE_TEST_H

// cmocka.h needs these four first.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "base/base.h"

struct test_case {
    const char *name;
    void (*fn)(void **state);
    struct test_case *next;
};
void test_register(struct test_case *t);

// True if fn aborts (a CHECK); it runs in a child process, whose stderr is dropped.
bool test_dies(void (*fn)(void *arg), void *arg);

#define TEST(name)                                                                                 \
    static void test_##name(void **cmocka_state);                                                  \
    __attribute__((constructor)) static void test_register_##name(void)                            \
    {                                                                                              \
        static struct test_case t = {#name, test_##name, NULL};                                    \
        test_register(&t);                                                                         \
    }                                                                                              \
    static void test_##name(UNUSED void **cmocka_state)

#define ASSERT_STR_EQ(got, want)                                                                   \
    do {                                                                                           \
        const str got_ = (got);                                                                    \
        const str want_ = (want);                                                                  \
        if (got_.len != want_.len || (got_.len && memcmp(got_.ptr, want_.ptr, got_.len) != 0)) {   \
            fail_msg("got \"%.*s\", want \"%.*s\"", STR_ARG(got_), STR_ARG(want_));                \
        }                                                                                          \
    } while (0)

#define ASSERT_OK(call, e)                                                                         \
    do {                                                                                           \
        if (!(call)) {                                                                             \
            fail_msg("%s: %s", #call, (e).text);                                                   \
        }                                                                                          \
    } while (0)

#endif
