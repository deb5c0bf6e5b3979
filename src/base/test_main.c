// test_main.c: the runner of every folder's tests; see test.h.
//
// usage: <folder>_test [pattern]: runs the tests whose name contains the pattern.
#include "base/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct test_case *tests; // Threads: written by constructors, before main.

void test_register(struct test_case *t)
{
    t->next = tests;
    tests = t;
}

bool test_dies(void (*fn)(void *arg), void *arg)
{
    (void)fflush(stdout);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (nowhere >= 0) {
            (void)dup2(nowhere, STDERR_FILENO);
        }
        (void)signal(SIGABRT, SIG_DFL);
        fn(arg);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static int by_name(const void *a, const void *b)
{
    const struct CMUnitTest *x = a;
    const struct CMUnitTest *y = b;
    return strcmp(x->name, y->name);
}

int main(int argc, char **argv)
{
    if (argc > 2) {
        (void)fprintf(stderr, "usage: %s [pattern]\n", argv[0]);
        return 2;
    }
    const char *pattern = argc == 2 ? argv[1] : "";
    size_t count = 0;
    for (const struct test_case *t = tests; t; t = t->next) {
        count += strstr(t->name, pattern) != NULL;
    }
    struct CMUnitTest *chosen = MEM_NEW_N(struct CMUnitTest, count);
    size_t at = 0;
    for (const struct test_case *t = tests; t; t = t->next) {
        if (strstr(t->name, pattern)) {
            chosen[at++] = (struct CMUnitTest){.name = t->name, .test_func = t->fn};
        }
    }
    qsort(chosen, count, sizeof(*chosen), by_name);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    int failed = count ? _cmocka_run_group_tests(argv[0], chosen, count, NULL, NULL) : 0;
    mem_free(chosen);
    (void)printf("%zu passed, %d failed\n", count - (size_t)failed, failed);
    if (count == 0) {
        (void)fprintf(stderr, "%s: no test matches \"%s\"\n", argv[0], pattern);
    }
    return failed == 0 && count > 0 ? 0 : 1;
}
