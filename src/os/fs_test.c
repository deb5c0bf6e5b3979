// The contract of fs.h, held against the real file system and the one in memory alike; then both
// driven by the same random calls.
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "os/fs.h"
#include "os/rng.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// A file system with an empty folder of its own.
struct place {
    struct fs *fs;
    char dir[64];
    bool is_real;
    struct arena *a;
    struct error e;
};

static void place_init(struct place *p, bool real)
{
    *p = (struct place){.is_real = real, .a = arena_new((size_t)64 << 20)};
    if (real) {
        const char *tmp = getenv("TMPDIR");
        (void)snprintf(p->dir, sizeof(p->dir), "%.30s/tidemark-fs-XXXXXX", tmp ? tmp : "/tmp");
        assert_non_null(mkdtemp(p->dir));
        p->fs = fs_real();
    } else {
        p->fs = fs_mem_new((u64)64 << 20);
        (void)snprintf(p->dir, sizeof(p->dir), "/place");
        ASSERT_OK(fs_make_dir(p->fs, p->dir, &p->e), p->e);
    }
}

static void place_fini(struct place *p)
{
    ASSERT_OK(fs_remove_tree(p->fs, p->dir, &p->e), p->e);
    arena_free(p->a);
    if (!p->is_real) {
        fs_mem_free(p->fs);
    }
}

static const char *at(struct place *p, const char *name)
{
    return arena_printf(p->a, "%s/%s", p->dir, name).ptr;
}

static void put(struct place *p, const char *name, str bytes)
{
    struct file *f = fs_open(p->fs, at(p, name), FS_TRUNCATE, &p->e);
    ASSERT_OK(f != NULL, p->e);
    ASSERT_OK(fs_write_at(p->fs, f, 0, bytes, &p->e), p->e);
    fs_close(p->fs, f);
}

static str get(struct place *p, const char *name)
{
    str text = STR_EMPTY;
    ASSERT_OK(fs_read_file(p->fs, at(p, name), 1 << 20, p->a, &text, &p->e), p->e);
    return text;
}

static void expect_code(bool ok, const struct error *e, enum err code)
{
    assert_false(ok);
    if (e->code != code) {
        fail_msg("got %s: %s", err_name(e->code), e->text);
    }
}

static void check_open_modes(struct place *p)
{
    expect_code(fs_open(p->fs, at(p, "f"), FS_READ, &p->e), &p->e, ERR_NOT_FOUND);
    assert_non_null(strstr(p->e.text, "/f")); // The path is told.
    put(p, "f", STR("hello"));
    expect_code(fs_open(p->fs, at(p, "f"), FS_CREATE_NEW, &p->e), &p->e, ERR_EXISTS);
    struct file *f = fs_open(p->fs, at(p, "f"), FS_WRITE, &p->e);
    ASSERT_OK(f != NULL, p->e);
    ASSERT_OK(fs_write_at(p->fs, f, 5, STR(" world"), &p->e), p->e);
    fs_close(p->fs, f);
    ASSERT_STR_EQ(get(p, "f"), STR("hello world"));
    f = fs_open(p->fs, at(p, "f"), FS_READ, &p->e);
    expect_code(fs_write_at(p->fs, f, 0, STR("x"), &p->e), &p->e, ERR_IO);
    fs_close(p->fs, f);
    f = fs_open(p->fs, at(p, "f"), FS_TRUNCATE, &p->e);
    u64 size = 1;
    ASSERT_OK(fs_size(p->fs, f, &size, &p->e), p->e);
    assert_int_equal(size, 0);
    fs_close(p->fs, f);
    f = fs_open(p->fs, at(p, "new"), FS_CREATE_NEW, &p->e);
    ASSERT_OK(f != NULL, p->e);
    fs_close(p->fs, f);
    fs_close(p->fs, NULL);
    expect_code(fs_open(p->fs, at(p, "no/f"), FS_WRITE, &p->e), &p->e, ERR_NOT_FOUND);
    expect_code(fs_open(p->fs, at(p, "f/f"), FS_WRITE, &p->e), &p->e, ERR_IO);
}

static void check_bytes(struct place *p)
{
    struct file *f = fs_open(p->fs, at(p, "f"), FS_WRITE, &p->e);
    u8 bytes[20];
    size_t got = 99;
    ASSERT_OK(fs_read_at(p->fs, f, 0, bytes, sizeof(bytes), &got, &p->e), p->e);
    assert_int_equal(got, 0);
    ASSERT_OK(fs_write_at(p->fs, f, 10, STR("end"), &p->e), p->e);
    ASSERT_OK(fs_write_at(p->fs, f, 0, STR_EMPTY, &p->e), p->e);
    ASSERT_OK(fs_read_at(p->fs, f, 8, bytes, sizeof(bytes), &got, &p->e), p->e);
    assert_int_equal(got, 5);
    assert_memory_equal(bytes, "\0\0end", 5);
    ASSERT_OK(fs_read_at(p->fs, f, 500, bytes, sizeof(bytes), &got, &p->e), p->e);
    assert_int_equal(got, 0);
    ASSERT_OK(fs_truncate(p->fs, f, 11, &p->e), p->e);
    ASSERT_OK(fs_truncate(p->fs, f, 13, &p->e), p->e); // Grown again: zeroes, not "nd".
    ASSERT_OK(fs_read_at(p->fs, f, 10, bytes, sizeof(bytes), &got, &p->e), p->e);
    assert_int_equal(got, 3);
    assert_memory_equal(bytes, "e\0\0", 3);
    ASSERT_OK(fs_reserve(p->fs, f, 100000, &p->e), p->e);
    u64 size = 0;
    ASSERT_OK(fs_size(p->fs, f, &size, &p->e), p->e);
    assert_int_equal(size, 13);
    ASSERT_OK(fs_sync(p->fs, f, &p->e), p->e);
    fs_close(p->fs, f);
}

static void check_names(struct place *p)
{
    put(p, "b", STR("bee"));
    put(p, "a", STR("ay"));
    ASSERT_OK(fs_make_dir(p->fs, at(p, "dir"), &p->e), p->e);
    ASSERT_OK(fs_make_dir(p->fs, at(p, "dir"), &p->e), p->e); // Exists is fine.
    expect_code(fs_make_dir(p->fs, at(p, "a"), &p->e), &p->e, ERR_EXISTS);
    expect_code(fs_make_dir(p->fs, at(p, "no/dir"), &p->e), &p->e, ERR_NOT_FOUND);
    ASSERT_OK(fs_rename(p->fs, at(p, "b"), at(p, "dir/b2"), &p->e), p->e);
    ASSERT_STR_EQ(get(p, "dir/b2"), STR("bee"));
    ASSERT_OK(fs_link(p->fs, at(p, "a"), at(p, "dir/a2"), &p->e), p->e);
    expect_code(fs_link(p->fs, at(p, "a"), at(p, "dir/a2"), &p->e), &p->e, ERR_EXISTS);
    struct fs_info *infos = NULL;
    size_t count = 0;
    ASSERT_OK(fs_list(p->fs, at(p, "dir"), p->a, &infos, &count, &p->e), p->e);
    assert_int_equal(count, 2);
    ASSERT_STR_EQ(infos[0].name, STR("a2"));
    ASSERT_STR_EQ(infos[1].name, STR("b2"));
    assert_int_equal(infos[1].bytes, 3);
    assert_false(infos[1].is_dir);
    struct fs_info info;
    ASSERT_OK(fs_stat(p->fs, at(p, "a"), &info, &p->e), p->e);
    assert_true(info.inode == infos[0].inode && info.inode != infos[1].inode);
    ASSERT_OK(fs_rename(p->fs, at(p, "dir/b2"), at(p, "a"), &p->e), p->e); // Replaces.
    ASSERT_STR_EQ(get(p, "a"), STR("bee"));
    ASSERT_STR_EQ(get(p, "dir/a2"), STR("ay"));
    ASSERT_OK(fs_stat(p->fs, at(p, "dir"), &info, &p->e), p->e);
    assert_true(info.is_dir);
    expect_code(fs_unlink(p->fs, at(p, "dir"), &p->e), &p->e, ERR_IO); // Not empty.
    ASSERT_OK(fs_unlink(p->fs, at(p, "dir/a2"), &p->e), p->e);
    ASSERT_OK(fs_unlink(p->fs, at(p, "dir"), &p->e), p->e);
    expect_code(fs_unlink(p->fs, at(p, "dir"), &p->e), &p->e, ERR_NOT_FOUND);
    expect_code(fs_rename(p->fs, at(p, "no"), at(p, "x"), &p->e), &p->e, ERR_NOT_FOUND);
    expect_code(fs_list(p->fs, at(p, "no"), p->a, &infos, &count, &p->e), &p->e, ERR_NOT_FOUND);
    ASSERT_OK(fs_sync_dir(p->fs, p->dir, &p->e), p->e);
    expect_code(fs_sync_dir(p->fs, at(p, "no"), &p->e), &p->e, ERR_NOT_FOUND);
}

static void check_unlinked_file_lives_on(struct place *p)
{
    put(p, "f", STR("still here"));
    struct file *f = fs_open(p->fs, at(p, "f"), FS_READ, &p->e);
    ASSERT_OK(fs_unlink(p->fs, at(p, "f"), &p->e), p->e);
    char bytes[10];
    size_t got = 0;
    ASSERT_OK(fs_read_at(p->fs, f, 0, bytes, sizeof(bytes), &got, &p->e), p->e);
    assert_memory_equal(bytes, "still here", 10);
    fs_close(p->fs, f);
}

static void check_map(struct place *p)
{
    static const size_t lengths[] = {0, 1, 100, 4032, 4033, 4096, 8191, 8192};
    char *bytes = mem_new(8192, 1);
    memset(bytes, 'x', 8192);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        put(p, "m", str_make(bytes, lengths[i]));
        struct fs_map map = {0};
        ASSERT_OK(fs_map_open(p->fs, at(p, "m"), &map, &p->e), p->e);
        assert_int_equal(map.len, lengths[i]);
        for (size_t k = 0; k < map.len + 64; k++) {
            assert_int_equal(map.bytes[k], k < map.len ? 'x' : 0);
        }
        fs_map_close(p->fs, &map);
        fs_map_close(p->fs, &map); // Closed already.
    }
    mem_free(bytes);
    struct fs_map map;
    expect_code(fs_map_open(p->fs, at(p, "no"), &map, &p->e), &p->e, ERR_NOT_FOUND);
    expect_code(fs_map_open(p->fs, p->dir, &map, &p->e), &p->e, p->is_real ? ERR_INVALID : ERR_IO);
}

static void check_lock(struct place *p)
{
    struct file *f = fs_lock(p->fs, at(p, "lock"), &p->e);
    ASSERT_OK(f != NULL, p->e);
    expect_code(fs_lock(p->fs, at(p, "lock"), &p->e), &p->e, ERR_EXISTS);
    assert_non_null(strstr(p->e.text, "another process holds it"));
    fs_close(p->fs, f);
    f = fs_lock(p->fs, at(p, "lock"), &p->e);
    ASSERT_OK(f != NULL, p->e);
    fs_close(p->fs, f);
}

static void check_composites(struct place *p)
{
    ASSERT_OK(fs_replace_file(p->fs, at(p, "conf"), STR("one"), &p->e), p->e);
    ASSERT_OK(fs_replace_file(p->fs, at(p, "conf"), STR("two"), &p->e), p->e);
    ASSERT_STR_EQ(get(p, "conf"), STR("two"));
    assert_int_equal(get(p, "conf").ptr[3], '\0');
    struct fs_info info;
    expect_code(fs_stat(p->fs, at(p, "conf.tmp"), &info, &p->e), &p->e, ERR_NOT_FOUND);
    str text = STR("untouched");
    ASSERT_OK(fs_read_file(p->fs, at(p, "conf"), 3, p->a, &text, &p->e), p->e);
    expect_code(fs_read_file(p->fs, at(p, "conf"), 2, p->a, &text, &p->e), &p->e, ERR_LIMIT);
    assert_non_null(strstr(p->e.text, "maximum of 2 bytes"));
    ASSERT_STR_EQ(text, STR("two"));
    put(p, "empty", STR_EMPTY);
    ASSERT_STR_EQ(get(p, "empty"), STR(""));
    u64 free_bytes = 0;
    u64 total = 0;
    ASSERT_OK(fs_space(p->fs, p->dir, &free_bytes, &total, &p->e), p->e);
    assert_true(free_bytes > 0 && free_bytes <= total);
    ASSERT_OK(fs_remove_tree(p->fs, at(p, "absent"), &p->e), p->e);
}

static void check_tree_depth(struct place *p)
{
    str path = arena_printf(p->a, "%s/deep", p->dir);
    for (int i = 0; i < 12; i++) {
        ASSERT_OK(fs_make_dir(p->fs, path.ptr, &p->e), p->e);
        path = arena_printf(p->a, "%s/d", path.ptr);
    }
    expect_code(fs_remove_tree(p->fs, at(p, "deep"), &p->e), &p->e, ERR_LIMIT);
    ASSERT_OK(fs_remove_tree(p->fs, at(p, "deep/d/d/d/d"), &p->e), p->e);
    ASSERT_OK(fs_remove_tree(p->fs, at(p, "deep"), &p->e), p->e);
}

TEST(fs_contract_holds_for_real_and_memory)
{
    static void (*const checks[])(struct place *) = {
        check_open_modes, check_bytes, check_names,      check_unlinked_file_lives_on,
        check_map,        check_lock,  check_composites, check_tree_depth,
    };
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        for (int real = 0; real < 2; real++) {
            struct place p;
            place_init(&p, real != 0);
            checks[i](&p);
            place_fini(&p);
        }
    }
}

TEST(fs_real_never_walks_out_through_a_link)
{
    struct place inside;
    struct place outside;
    place_init(&inside, true);
    place_init(&outside, true);
    put(&outside, "precious", STR("x"));
    assert_int_equal(symlink(outside.dir, at(&inside, "way-out")), 0);
    assert_int_equal(symlink("/nowhere/at/all", at(&inside, "broken")), 0);
    assert_int_equal(symlink(at(&outside, "precious"), at(&inside, "to-file")), 0);
    struct fs_info *infos = NULL;
    size_t count = 0;
    ASSERT_OK(fs_list(inside.fs, inside.dir, inside.a, &infos, &count, &inside.e), inside.e);
    assert_int_equal(count, 3);
    ASSERT_STR_EQ(infos[1].name, STR("to-file"));
    assert_int_equal(infos[1].bytes, 1); // Of what it leads to.
    assert_false(infos[2].is_dir);
    place_fini(&inside);
    ASSERT_STR_EQ(get(&outside, "precious"), STR("x"));
    place_fini(&outside);
}

TEST(fs_real_reads_proc_files_and_does_not_hang_on_a_fifo)
{
    struct place p;
    place_init(&p, true);
    str text;
    ASSERT_OK(fs_read_file(p.fs, "/proc/self/maps", 1 << 20, p.a, &text, &p.e), p.e);
    assert_true(str_contains(text, STR("os_test")));
    assert_int_equal(mkfifo(at(&p, "fifo"), 0600), 0);
    expect_code(fs_read_file(p.fs, at(&p, "fifo"), 100, p.a, &text, &p.e), &p.e, ERR_IO);
    struct fs_map map;
    expect_code(fs_map_open(p.fs, at(&p, "fifo"), &map, &p.e), &p.e, ERR_INVALID);
    place_fini(&p);
}

TEST(fs_list_beyond_the_arena_is_an_error)
{
    struct place p;
    place_init(&p, true);
    for (int i = 0; i < 200; i++) {
        put(&p, arena_printf(p.a, "file-with-a-rather-long-name-%d", i).ptr, STR_EMPTY);
    }
    struct arena *small = arena_new(8000);
    struct fs_info *infos = NULL;
    size_t count = 7;
    expect_code(fs_list(p.fs, p.dir, small, &infos, &count, &p.e), &p.e, ERR_LIMIT);
    assert_int_equal(count, 7);
    arena_free(small);
    place_fini(&p);
}

// Both must answer alike: success, code, sizes and bytes.
static void random_call(struct place *real, struct place *mem, struct rng *rng)
{
    static const char *const names[] = {"a", "b", "c", "d/a", "d/b", "d", "e"};
    const char *x = names[rng_below(rng, ARRAY_LEN(names))];
    const char *y = names[rng_below(rng, ARRAY_LEN(names))];
    u64 kind = rng_below(rng, 8);
    u64 offset = rng_below(rng, 9000);
    enum fs_open how = (enum fs_open)rng_below(rng, 4);
    char bytes[3000];
    size_t len = rng_below(rng, sizeof(bytes));
    rng_fill(rng, bytes, len);
    bool ok[2];
    struct place *both[2] = {real, mem};
    for (size_t i = 0; i < 2; i++) {
        struct place *p = both[i];
        struct fs_info info;
        err_clear(&p->e);
        switch (kind) {
        case 0:
            ok[i] = fs_rename(p->fs, at(p, x), at(p, y), &p->e);
            break;
        case 1:
            ok[i] = fs_link(p->fs, at(p, x), at(p, y), &p->e);
            break;
        case 2:
            ok[i] = fs_unlink(p->fs, at(p, x), &p->e);
            break;
        case 3:
            ok[i] = fs_make_dir(p->fs, at(p, x), &p->e);
            break;
        case 4:
            ok[i] = fs_stat(p->fs, at(p, x), &info, &p->e);
            break;
        default: {
            struct file *f = NULL;
            // A folder opens for reading on a real system only; nobody of ours does it.
            bool is_dir = fs_stat(p->fs, at(p, x), &info, NULL) && info.is_dir;
            f = is_dir ? NULL : fs_open(p->fs, at(p, x), how, &p->e);
            ok[i] = f && fs_write_at(p->fs, f, offset, str_make(bytes, len), &p->e);
            ok[i] = ok[i] && (kind != 6 || fs_truncate(p->fs, f, offset / 2, &p->e));
            fs_close(p->fs, f);
        }
        }
    }
    if (ok[0] != ok[1] || real->e.code != mem->e.code) {
        fail_msg("call %llu on %s, %s: real \"%s\", memory \"%s\"", (unsigned long long)kind, x, y,
                 real->e.text, mem->e.text);
    }
}

static void same_tree(struct place *real, struct place *mem, const char *dir)
{
    struct place *both[2] = {real, mem};
    struct fs_info *infos[2];
    size_t counts[2] = {0, 0};
    for (size_t i = 0; i < 2; i++) {
        struct place *p = both[i];
        const char *path = dir ? at(p, dir) : p->dir;
        ASSERT_OK(fs_list(p->fs, path, p->a, &infos[i], &counts[i], &p->e), p->e);
    }
    assert_int_equal(counts[0], counts[1]);
    for (size_t k = 0; k < counts[0]; k++) {
        ASSERT_STR_EQ(infos[0][k].name, infos[1][k].name);
        assert_int_equal(infos[0][k].is_dir, infos[1][k].is_dir);
        const char *name = dir ? arena_printf(real->a, "%s/%s", dir, infos[0][k].name.ptr).ptr
                               : infos[0][k].name.ptr;
        if (infos[0][k].is_dir) {
            same_tree(real, mem, name);
        } else {
            assert_int_equal(infos[0][k].bytes, infos[1][k].bytes);
            assert_true(str_eq(get(real, name), get(mem, name)));
        }
    }
}

TEST(fs_memory_answers_as_the_real_one)
{
    for (u64 seed = 0; seed < 15; seed++) {
        struct place real;
        struct place mem;
        struct rng rng;
        rng_init(&rng, seed);
        place_init(&real, true);
        place_init(&mem, false);
        for (int i = 0; i < 300; i++) {
            random_call(&real, &mem, &rng);
        }
        same_tree(&real, &mem, NULL);
        place_fini(&real);
        place_fini(&mem);
    }
}
