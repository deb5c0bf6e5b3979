// Power cuts on the file system in memory, and faults on any call.
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "os/fs.h"
#include "os/rng.h"

static void put(struct fs *fs, const char *path, str bytes, bool sync)
{
    struct error e = {0};
    struct file *f = fs_open(fs, path, FS_TRUNCATE, &e);
    ASSERT_OK(f != NULL, e);
    ASSERT_OK(fs_write_at(fs, f, 0, bytes, &e), e);
    if (sync) {
        ASSERT_OK(fs_sync(fs, f, &e), e);
    }
    fs_close(fs, f);
}

// The content, or "absent".
static str look(struct fs *fs, const char *path, struct arena *a)
{
    struct error e = {0};
    str text = STR_EMPTY;
    if (fs_read_file(fs, path, 1 << 20, a, &text, &e)) {
        return text;
    }
    assert_int_equal(e.code, ERR_NOT_FOUND);
    return STR("absent");
}

TEST(fs_mem_synced_bytes_under_a_synced_name_survive)
{
    for (u64 seed = 0; seed < 50; seed++) {
        struct rng rng;
        struct error e = {0};
        rng_init(&rng, seed);
        struct arena *a = arena_new(1 << 20);
        struct fs *fs = fs_mem_new(1 << 20);
        ASSERT_OK(fs_make_dir(fs, "d", &e), e);
        put(fs, "d/f", STR("safe"), true);
        ASSERT_OK(fs_sync_dir(fs, "d", &e), e);
        ASSERT_OK(fs_sync_dir(fs, "/", &e), e);
        fs_mem_crash(fs, &rng);
        ASSERT_STR_EQ(look(fs, "d/f", a), STR("safe"));
        fs_mem_crash(fs, &rng);
        ASSERT_STR_EQ(look(fs, "d/f", a), STR("safe"));
        fs_mem_free(fs);
        arena_free(a);
    }
}

// How often of 200 crashes the file had each of these contents.
struct outcomes {
    u32 first;
    u32 second;
    u32 absent;
    u32 other;
};

static void note(struct outcomes *o, str got, str first, str second)
{
    o->first += str_eq(got, first);
    o->second += str_eq(got, second);
    o->absent += str_eq(got, STR("absent"));
    o->other += !str_eq(got, first) && !str_eq(got, second) && !str_eq(got, STR("absent"));
}

// One story with its outcome read from path.
typedef void (*story_fn)(struct fs *fs);

static struct outcomes play(story_fn story, const char *path, str first, str second)
{
    struct outcomes o = {0};
    for (u64 seed = 0; seed < 200; seed++) {
        struct rng rng;
        rng_init(&rng, seed);
        struct arena *a = arena_new(1 << 20);
        struct fs *fs = fs_mem_new(1 << 20);
        story(fs);
        fs_mem_crash(fs, &rng);
        note(&o, look(fs, path, a), first, second);
        fs_mem_free(fs);
        arena_free(a);
    }
    return o;
}

static void story_no_dir_sync(struct fs *fs)
{
    put(fs, "f", STR("bytes"), true);
}

TEST(fs_mem_a_name_without_its_folders_sync_may_be_lost)
{
    struct outcomes o = play(story_no_dir_sync, "f", STR("bytes"), STR("?"));
    assert_true(o.first > 20 && o.absent > 20 && o.other == 0);
}

static void story_folder_not_in_its_parent(struct fs *fs)
{
    struct error e = {0};
    ASSERT_OK(fs_make_dir(fs, "d", &e), e);
    put(fs, "d/f", STR("bytes"), true);
    ASSERT_OK(fs_sync_dir(fs, "d", &e), e);
}

TEST(fs_mem_a_folder_without_its_parents_sync_may_be_lost_whole)
{
    struct outcomes o = play(story_folder_not_in_its_parent, "d/f", STR("bytes"), STR("?"));
    assert_true(o.first > 20 && o.absent > 20 && o.other == 0);
}

static void story_no_file_sync(struct fs *fs)
{
    struct error e = {0};
    put(fs, "f", STR("bytes"), false);
    ASSERT_OK(fs_sync_dir(fs, ".", &e), e);
}

TEST(fs_mem_bytes_without_a_sync_may_be_lost)
{
    struct outcomes o = play(story_no_file_sync, "f", STR("bytes"), STR(""));
    assert_true(o.first > 20 && o.second > 20 && o.absent == 0);
}

static void story_replace(struct fs *fs)
{
    struct error e = {0};
    ASSERT_OK(fs_replace_file(fs, "f", STR("old"), &e), e);
    put(fs, "f.tmp", STR("new"), true);
    ASSERT_OK(fs_rename(fs, "f.tmp", "f", &e), e);
}

TEST(fs_mem_a_rename_over_a_file_leaves_old_or_new)
{
    struct outcomes o = play(story_replace, "f", STR("old"), STR("new"));
    assert_true(o.first > 20 && o.second > 20 && o.absent == 0 && o.other == 0);
}

static void story_unlink(struct fs *fs)
{
    struct error e = {0};
    ASSERT_OK(fs_replace_file(fs, "f", STR("old"), &e), e);
    ASSERT_OK(fs_unlink(fs, "f", &e), e);
}

TEST(fs_mem_a_removal_may_come_back)
{
    struct outcomes o = play(story_unlink, "f", STR("old"), STR("?"));
    assert_true(o.first > 20 && o.absent > 20 && o.other == 0);
}

TEST(fs_mem_unsynced_writes_are_dropped_reordered_and_torn)
{
    u32 torn = 0;
    u32 reordered = 0;
    u32 shorter = 0;
    for (u64 seed = 0; seed < 300; seed++) {
        struct rng rng;
        struct error e = {0};
        rng_init(&rng, seed);
        struct arena *a = arena_new(8 << 20);
        struct fs *fs = fs_mem_new(8 << 20);
        char page[8192];
        memset(page, '0', sizeof(page));
        put(fs, "f", str_make(page, sizeof(page)), true);
        ASSERT_OK(fs_sync_dir(fs, ".", &e), e);
        struct file *f = fs_open(fs, "f", FS_WRITE, &e);
        memset(page, '1', sizeof(page));
        ASSERT_OK(fs_write_at(fs, f, 0, str_make(page, 8192), &e), e);
        memset(page, '2', sizeof(page));
        ASSERT_OK(fs_write_at(fs, f, 4096, str_make(page, 8192), &e), e);
        fs_mem_crash(fs, &rng);
        assert_false(fs_sync(fs, f, &e)); // It went away with the power.
        fs_close(fs, f);
        str got = look(fs, "f", a);
        assert_true(got.len == 8192 || got.len == 12288);
        shorter += got.len == 8192;
        for (size_t at = 0; at < got.len; at += 512) {
            char c = got.ptr[at];
            for (size_t k = at; k < at + 512; k++) {
                assert_int_equal(got.ptr[k], c); // A sector is whole.
            }
            assert_true(at >= 4096 || c != '2');
            assert_true(at < 8192 || c == '2' || c == '\0');
        }
        torn += got.ptr[0] != got.ptr[512];
        reordered += got.ptr[0] == '0' && got.ptr[4096] == '2';
        fs_mem_free(fs);
        arena_free(a);
    }
    assert_true(torn > 10 && reordered > 10 && shorter > 50 && shorter < 250);
}

// A log that appends and syncs must keep every acknowledged record, whatever the crash does.
TEST(fs_mem_a_careful_log_loses_nothing)
{
    for (u64 seed = 0; seed < 100; seed++) {
        struct rng rng;
        struct error e = {0};
        rng_init(&rng, seed);
        struct arena *a = arena_new(4 << 20);
        struct fs *fs = fs_mem_new(4 << 20);
        struct file *f = fs_open(fs, "log", FS_CREATE_NEW, &e);
        ASSERT_OK(fs_sync_dir(fs, ".", &e), e);
        struct buf written;
        buf_init(&written, 1 << 20);
        size_t durable = 0;
        u64 records = rng_below(&rng, 40);
        for (u64 i = 0; i < records; i++) {
            size_t from = written.len;
            buf_printf(&written, "record %llu %0*d;", (unsigned long long)i,
                       (int)rng_below(&rng, 900), 7);
            str record = str_sub(buf_get(&written), from, written.len);
            ASSERT_OK(fs_write_at(fs, f, from, record, &e), e);
            if (rng_below(&rng, 2)) {
                ASSERT_OK(fs_sync(fs, f, &e), e);
                durable = written.len;
            }
        }
        fs_mem_crash(fs, &rng);
        fs_close(fs, f);
        str got = look(fs, "log", a);
        assert_true(got.len >= durable && got.len <= written.len);
        assert_true(str_eq(str_sub(got, 0, durable), str_sub(buf_get(&written), 0, durable)));
        buf_fini(&written);
        fs_mem_free(fs);
        arena_free(a);
    }
}

TEST(fs_mem_crash_forgets_locks_and_frees_what_is_gone)
{
    struct rng rng;
    struct error e = {0};
    rng_init(&rng, 3);
    struct fs *fs = fs_mem_new(10000);
    struct file *lock = fs_lock(fs, "lock", &e);
    struct file *f = fs_open(fs, "f", FS_CREATE_NEW, &e);
    ASSERT_OK(fs_reserve(fs, f, 9000, &e), e);
    ASSERT_OK(fs_unlink(fs, "f", &e), e);
    fs_mem_crash(fs, &rng);
    u64 free_bytes = 0;
    u64 total = 0;
    ASSERT_OK(fs_space(fs, "/", &free_bytes, &total, &e), e);
    assert_int_equal(free_bytes, 10000);
    struct file *again = fs_lock(fs, "lock", &e);
    ASSERT_OK(again != NULL, e);
    fs_close(fs, lock); // The dead one's end frees nothing of the new one.
    assert_null(fs_lock(fs, "lock", &e));
    fs_close(fs, again);
    fs_close(fs, f);
    fs_mem_free(fs);
}

TEST(fs_mem_full_disk_and_space_that_returns)
{
    struct error e = {0};
    struct arena *a = arena_new(1 << 20);
    struct fs *fs = fs_mem_new(1000);
    struct file *f = fs_open(fs, "f", FS_WRITE, &e);
    char bytes[1000];
    memset(bytes, 'x', sizeof(bytes));
    ASSERT_OK(fs_reserve(fs, f, 600, &e), e);
    struct file *g = fs_open(fs, "g", FS_WRITE, &e);
    assert_false(fs_write_at(fs, g, 0, str_make(bytes, 500), &e));
    assert_int_equal(e.code, ERR_NO_SPACE);
    assert_int_equal(look(fs, "g", a).len, 400);                   // What still fitted.
    ASSERT_OK(fs_write_at(fs, f, 0, str_make(bytes, 600), &e), e); // It was reserved.
    assert_false(fs_reserve(fs, f, 601, &e));
    assert_int_equal(e.code, ERR_NO_SPACE);
    assert_false(fs_truncate(fs, f, 5000, &e));
    ASSERT_OK(fs_unlink(fs, "f", &e), e);
    assert_false(fs_write_at(fs, g, 400, str_make(bytes, 1), &e)); // Still open.
    fs_close(fs, f);
    ASSERT_OK(fs_write_at(fs, g, 400, str_make(bytes, 600), &e), e);
    assert_false(fs_write_at(fs, g, 1000, str_make(bytes, 1), &e));
    fs_mem_set_capacity(fs, 2000);
    ASSERT_OK(fs_write_at(fs, g, 1000, str_make(bytes, 1000), &e), e);
    fs_mem_set_capacity(fs, 10); // Less than is used: nothing grows, nothing breaks.
    assert_false(fs_write_at(fs, g, 2000, str_make(bytes, 1), &e));
    ASSERT_OK(fs_write_at(fs, g, 0, str_make(bytes, 10), &e), e);
    fs_close(fs, g);
    fs_mem_free(fs);
    arena_free(a);
}

TEST(fs_a_failed_sync_poisons_the_file)
{
    struct rng rng;
    struct error e = {0};
    rng_init(&rng, 1);
    struct fs *mem = fs_mem_new(1 << 20);
    struct fs *fs = fs_faulty_new(mem);
    struct file *f = fs_open(fs, "f", FS_WRITE, &e);
    ASSERT_OK(fs_write_at(fs, f, 0, STR("x"), &e), e);
    fs_faulty_arm(fs, 1, FS_FAULT_EIO, false);
    assert_false(fs_sync(fs, f, &e));
    assert_int_equal(e.code, ERR_IO);
    assert_int_equal(fs_faulty_calls(fs), 1);
    assert_false(fs_sync(fs, f, &e)); // The fault is over, the file is not trusted again.
    assert_non_null(strstr(e.text, "earlier sync"));
    assert_false(fs_write_at(fs, f, 0, STR("y"), &e));
    assert_false(fs_truncate(fs, f, 0, &e));
    assert_false(fs_reserve(fs, f, 10, &e));
    assert_int_equal(fs_faulty_calls(fs), 1);
    char byte = 0;
    size_t got = 0;
    ASSERT_OK(fs_read_at(fs, f, 0, &byte, 1, &got, &e), e); // Reading goes on.
    assert_int_equal(byte, 'x');
    fs_close(fs, f);
    fs_faulty_free(fs);
    fs_mem_free(mem);
}

// Uses every call once; false at the first that fails.
static bool use_all(struct fs *fs, struct arena *a, struct error *e)
{
    struct fs_info info;
    struct fs_info *infos = NULL;
    struct fs_map map = {0};
    size_t count = 0;
    u64 numbers[2];
    struct file *lock = NULL;
    char byte[2];
    bool ok = fs_make_dir(fs, "d", e) && (lock = fs_lock(fs, "d/lock", e)) != NULL;
    struct file *f = ok ? fs_open(fs, "d/f", FS_WRITE, e) : NULL;
    ok = f && fs_reserve(fs, f, 100, e) && fs_write_at(fs, f, 0, STR("hello"), e) &&
         fs_truncate(fs, f, 4, e) && fs_size(fs, f, numbers, e) && fs_sync(fs, f, e) &&
         fs_read_at(fs, f, 0, byte, 2, &count, e) && fs_rename(fs, "d/f", "d/g", e) &&
         fs_link(fs, "d/g", "d/h", e) && fs_sync_dir(fs, "d", e) &&
         fs_list(fs, "d", a, &infos, &count, e) && fs_stat(fs, "d/h", &info, e) &&
         fs_map_open(fs, "d/h", &map, e) && fs_space(fs, "d", &numbers[0], &numbers[1], e) &&
         fs_unlink(fs, "d/h", e);
    fs_map_close(fs, &map);
    fs_close(fs, f);
    fs_close(fs, lock);
    return ok;
}

TEST(fs_faulty_fails_every_call_once)
{
    static const struct {
        enum fs_fault fault;
        enum err code;
    } faults[] = {{FS_FAULT_EIO, ERR_IO},
                  {FS_FAULT_ENOSPC, ERR_NO_SPACE},
                  {FS_FAULT_EMFILE, ERR_IO},
                  {FS_FAULT_SHORT, ERR_IO}};
    struct arena *a = arena_new((size_t)16 << 20);
    for (size_t k = 0; k < ARRAY_LEN(faults); k++) {
        u64 calls = 1000;
        for (u64 nth = 0; nth <= calls; nth++) {
            struct error e = {0};
            struct fs *mem = fs_mem_new(1 << 20);
            struct fs *fs = fs_faulty_new(mem);
            fs_faulty_arm(fs, nth, faults[k].fault, nth % 2 == 0);
            bool ok = use_all(fs, a, &e);
            if (nth == 0) {
                ASSERT_OK(ok, e); // Never armed.
                calls = fs_faulty_calls(fs);
                assert_int_equal(calls, 17);
            } else if (ok) {
                assert_int_equal(faults[k].fault, FS_FAULT_SHORT); // A short read is no failure.
                assert_int_equal(nth, 9);
            } else {
                assert_int_equal(fs_faulty_calls(fs), nth);
                assert_int_equal(e.code, faults[k].code);
            }
            fs_faulty_free(fs);
            fs_mem_free(mem);
        }
    }
    arena_free(a);
}

TEST(fs_faulty_interruption_is_not_seen)
{
    struct arena *a = arena_new((size_t)16 << 20);
    for (u64 nth = 1; nth <= 17; nth++) {
        struct error e = {0};
        struct fs *mem = fs_mem_new(1 << 20);
        struct fs *fs = fs_faulty_new(mem);
        fs_faulty_arm(fs, nth, FS_FAULT_EINTR, true);
        ASSERT_OK(use_all(fs, a, &e), e);
        fs_faulty_free(fs);
        fs_mem_free(mem);
    }
    arena_free(a);
}

TEST(fs_faulty_short_write_leaves_half)
{
    struct error e = {0};
    struct arena *a = arena_new(1 << 20);
    struct fs *mem = fs_mem_new(1 << 20);
    struct fs *fs = fs_faulty_new(mem);
    struct file *f = fs_open(fs, "f", FS_WRITE, &e);
    fs_faulty_arm(fs, 1, FS_FAULT_SHORT, false);
    assert_false(fs_write_at(fs, f, 0, STR("12345678"), &e));
    ASSERT_STR_EQ(look(mem, "f", a), STR("1234"));
    char bytes[8];
    size_t got = 0;
    fs_faulty_arm(fs, 1, FS_FAULT_SHORT, false);
    ASSERT_OK(fs_read_at(fs, f, 0, bytes, 4, &got, &e), e);
    assert_int_equal(got, 2);
    fs_close(fs, f);
    fs_faulty_free(fs);
    fs_mem_free(mem);
    arena_free(a);
}

// Under every fault the file is the old one or the new one, and true means durable.
TEST(fs_replace_file_is_old_or_new_under_every_fault_and_crash)
{
    for (u64 nth = 1; nth <= 8; nth++) {
        for (u64 seed = 0; seed < 40; seed++) {
            struct rng rng;
            struct error e = {0};
            rng_init(&rng, seed);
            struct arena *a = arena_new(1 << 20);
            struct fs *mem = fs_mem_new(1 << 20);
            struct fs *fs = fs_faulty_new(mem);
            ASSERT_OK(fs_replace_file(fs, "f", STR("old"), &e), e);
            fs_faulty_arm(fs, nth, seed % 2 ? FS_FAULT_EIO : FS_FAULT_SHORT, seed % 3 == 0);
            bool ok = fs_replace_file(fs, "f", STR("new"), &e);
            assert_true(ok || nth <= 5 + 1);
            fs_mem_crash(mem, &rng);
            str got = look(mem, "f", a);
            assert_true(str_eq(got, STR("new")) || (!ok && str_eq(got, STR("old"))));
            fs_faulty_free(fs);
            fs_mem_free(mem);
            arena_free(a);
        }
    }
}
