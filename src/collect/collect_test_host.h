// collect_test_host.h: a host made of text, for the tests of this folder: a tree of files, answers
// of the kernel, a store to collect into and a way to read it.
// Threads: owned by the test.
#ifndef COLLECT_COLLECT_TEST_HOST_H
#define COLLECT_COLLECT_TEST_HOST_H

#include "base/base.h"
#include "base/buf.h"
#include "collect/collect.h"
#include "collect/collect_sys.h"
#include "os/fs.h"
#include "storage/storage.h"

enum { TREE_FILES_MAX = 96 };

struct tree_file {
    const char *path;
    str text;
};

struct test_host {
    struct fs fs; // First: the tree's calls find the rest.
    struct tree_file files[TREE_FILES_MAX];
    u32 file_count;
    u64 reads;
    u64 read_fails_at; // The n-th read says EIO; 0: none.

    struct collect_sys sys;
    const char *mount_broken; // statvfs of this path fails.
    bool remote_asked;        // Somebody wanted the size of a network file system.
    bool tcp_broken;
    struct tcp_counts tcp;

    struct storage storage; // Hands everything on to store, but may refuse a commit.
    struct storage *store;
    bool commit_fails;
    bool forgetful; // Takes samples and keeps none: memstore is too slow for a fuzzer.
    struct clk *clk;
    struct tmk_registry *registry;
    struct collect *collect;
    struct buf page;
    u32 series_max; // For the next open.
};

void test_host_init(struct test_host *h); // The whole tree, well.
void test_host_open(struct test_host *h); // Makes the collect.
void test_host_fini(struct test_host *h);
// text NULL removes the file. Both are borrowed.
void test_host_put(struct test_host *h, const char *path, const char *text);
void test_host_put_str(struct test_host *h, const char *path, str text);
str test_host_get(struct test_host *h, const char *path);
void test_host_collect(struct test_host *h, i64 t_ms); // Must be committed.
// What the store holds at t_ms, a line a sample, sorted: name{labels} value.
const char *test_host_page(struct test_host *h, i64 t_ms);
bool test_host_has(struct test_host *h, i64 t_ms, const char *line);
u32 test_host_stale(struct test_host *h, i64 t_ms); // Markers at t_ms.
const struct collector_status *test_host_collector(struct test_host *h, const char *name);

#endif
