// client_memory_test.c: every allocation of the library fails once, and nobody is harmed.
//
// The test is linked with --wrap for the allocators that the library calls.
#include "base/test.h"
#include "client/client_test_page.h"
#include "client/tmk_inner.h"

#include <errno.h>
#include <string.h>

void *__real_calloc(size_t n, size_t bytes);
void *__real_malloc(size_t bytes);
int __real_posix_memalign(void **out, size_t align, size_t bytes);
char *__real_strdup(const char *s);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_malloc(size_t bytes);
int __wrap_posix_memalign(void **out, size_t align, size_t bytes);
char *__wrap_strdup(const char *s);

static int fail_after = -1; // -1: never; 0: the next one fails

static bool fail_now(void)
{
    return fail_after >= 0 && fail_after-- == 0;
}

void *__wrap_calloc(size_t n, size_t bytes)
{
    return fail_now() ? NULL : __real_calloc(n, bytes);
}

void *__wrap_malloc(size_t bytes)
{
    return fail_now() ? NULL : __real_malloc(bytes);
}

int __wrap_posix_memalign(void **out, size_t align, size_t bytes)
{
    return fail_now() ? ENOMEM : __real_posix_memalign(out, align, bytes);
}

char *__wrap_strdup(const char *s)
{
    return fail_now() ? NULL : __real_strdup(s);
}

// A whole life; true if every part of it got its memory.
static bool life_run(void)
{
    static struct page page;
    static const double bounds[] = {1, 2};
    static const char *const labels[] = {"a", "b"};
    struct tmk_desc d = {.kind = TMK_COUNTER,
                         .name = "f_bytes_total",
                         .help = "F.",
                         .unit = "bytes",
                         .labels = labels,
                         .label_count = 2};
    struct tmk_registry *r = tmk_registry_new(NULL);
    struct tmk_family *f = tmk_family_register(r, &d, NULL);
    struct tmk_counter *c = tmk_counter_with(f, TMK_VALUES("x", "y"));
    struct tmk_histogram *h = tmk_histogram_register(r, "h", "H.", bounds, 2, NULL);
    bool process = tmk_process_register(r, NULL);
    tmk_counter_inc(c);
    tmk_counter_add_double(c, 0.5);
    tmk_histogram_observe(h, 0.5);
    // Without memory for a page of cells the fraction goes to the shared cell: it is never lost.
    assert_true(!c || tmk_counter_get(c) == 1.5);
    assert_true(!h || tmk_histogram_sum(h) == 0.5);
    memset(&page, 0, sizeof(page));
    assert_true(!r || tmk_expose(r, TMK_TEXT, page_write, &page));
    bool all = r && f && h && process && r->slots[tmk_slot_get()] && f->child_count == 1;
    tmk_registry_free(r);
    return all;
}

TEST(client_survives_each_failing_allocation)
{
    assert_true(life_run()); // takes this thread's slot
    int failed = 0;
    for (int n = 0; n < 200; n++) {
        fail_after = n;
        (void)life_run();
        if (fail_after >= 0) { // none was left to fail
            break;
        }
        failed++;
    }
    fail_after = -1;
    assert_in_range(failed, 30, 199);
    assert_true(life_run());
}
