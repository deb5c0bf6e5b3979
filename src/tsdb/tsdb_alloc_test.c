// tsdb_alloc_test.c: each request for memory that has a limit is refused once: while data comes in, is
// cut, joined, deleted and read back at a start, and while it is read. The refusal is an error that
// names what is used up, or changes nothing; the same asked again gives the right answer.
//
// TIDEMARK_STRIDE=n refuses every n-th request, 1 each.
#include "base/alloc_fault.h"
#include "base/arena.h"
#include "base/error.h"
#include "tsdb/crash_fixture.h"
#include "tsdb/tsdb_inner.h"

#include <stdio.h>

static void open_again(struct world *w)
{
    if (!world_open(w)) {
        assert_true(world_open(w));
    }
}

// Refuses the request; 0: none. How many there were.
static u64 course_refused(u64 request)
{
    struct world *w = MEM_NEW(struct world);
    world_init(w, 7);
    fs_faulty_arm(w->faulty, 0, FS_FAULT_EIO, false);
    alloc_fault_arm(request);
    open_again(w);
    world_work(w, 60);
    world_close(w);
    open_again(w);
    world_work(w, 40);
    alloc_fault_disarm();
    const u64 requests = alloc_fault_calls();
    if (w->failures > 0) {
    print_message("# %llu: %s: %s\n", (unsigned long long)request, err_name(w->failure.code), w->failure.text);
    }
    world_check(w, false);
    world_work(w, 5);
    world_check(w, false);
    world_close(w);
    fs_mem_crash(w->mem, &w->f.rng);
    assert_true(world_open(w));
    world_check(w, true);
    world_close(w);
    world_fini(w);
    mem_free(w);
    return requests;
}

TEST(tsdb_survives_each_refused_request_for_memory)
{
    const u64 requests = course_refused(0);
    const u64 stride = fixture_env("TIDEMARK_STRIDE", 97);
    u64 tried = 0;
    for (u64 n = 1; n <= requests; n += stride) {
        (void)course_refused(n);
        tried++;
    }
    printf("# %llu of %llu requests refused\n", (unsigned long long)tried,
           (unsigned long long)requests);
}
