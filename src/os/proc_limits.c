// proc_limits.c: see proc_limits.h. Version 2 has one tree with memory.max and cpu.max, version 1 a
// tree per controller; a machine may have both mounted.
#include "os/proc_limits.h"

#include "base/arena.h"
#include "base/str.h"
#include "os/fs.h"

#define FILE_BYTES_MAX  ((size_t)64 << 10)
#define ARENA_BYTES_MAX ((size_t)4 << 20)
#define PATH_DEPTH_MAX  32

// The trimmed content, or the empty str.
static str file_text(struct fs *fs, struct arena *a, const char *path)
{
    str text = STR_EMPTY;
    return fs_read_file(fs, path, FILE_BYTES_MAX, a, &text, NULL) ? str_trim(text) : STR_EMPTY;
}

// Is controller one of the comma-separated names?
static bool names_controller(str names, str controller)
{
    str name;
    while (str_split_next(&names, ',', &name)) {
        if (str_eq(name, controller)) {
            return true;
        }
    }
    return false;
}

// The process's path in the tree of a controller ("" names version 2's only tree); false if none.
static bool group_path(str lines, str controller, str *path)
{
    str line;
    while (str_split_next(&lines, '\n', &line)) {
        str id;
        str names;
        if (!str_split_next(&line, ':', &id) || !str_split_next(&line, ':', &names)) {
            continue;
        }
        bool match = controller.len == 0 ? str_eq(id, STR("0")) && names.len == 0
                                         : names_controller(names, controller);
        if (match) {
            *path = line;
            return true;
        }
    }
    return false;
}

static u64 memory_limit_in(struct fs *fs, struct arena *a, str folder, const char *file)
{
    u64 limit = 0; // "max" is no number and leaves it.
    str path = arena_printf(a, "%.*s/%s", STR_ARG(folder), file);
    return parse_u64(file_text(fs, a, path.ptr), &limit) && limit > 0 ? limit : UINT64_MAX;
}

static u32 quota_rounded(u64 quota, u64 period)
{
    u64 count = period > 0 ? quota / period + (quota % period != 0) : UINT32_MAX;
    return (u32)MIN(MAX(count, 1), UINT32_MAX);
}

// "200000 100000" or "max 100000".
static u32 cpu_quota_v2_in(struct fs *fs, struct arena *a, str folder)
{
    str text = file_text(fs, a, arena_printf(a, "%.*s/cpu.max", STR_ARG(folder)).ptr);
    str first;
    u64 quota = 0;
    u64 period = 0;
    bool limited =
        str_split_next(&text, ' ', &first) && parse_u64(first, &quota) && parse_u64(text, &period);
    return limited ? quota_rounded(quota, period) : UINT32_MAX;
}

static u32 cpu_quota_v1_in(struct fs *fs, struct arena *a, str folder)
{
    u64 quota = 0;
    u64 period = 0;
    str quota_path = arena_printf(a, "%.*s/cpu.cfs_quota_us", STR_ARG(folder));
    str period_path = arena_printf(a, "%.*s/cpu.cfs_period_us", STR_ARG(folder));
    bool limited = parse_u64(file_text(fs, a, quota_path.ptr), &quota) &&
                   parse_u64(file_text(fs, a, period_path.ptr), &period);
    return limited ? quota_rounded(quota, period) : UINT32_MAX; // -1 is no u64: no quota.
}

// What a walk from the group up to the root of its tree gathers. Threads: owned by the frame.
struct limits {
    u64 memory;
    u32 cpus;
};

static void limits_walk(struct fs *fs, struct arena *a, str root, str path, struct limits *l)
{
    bool v2 = str_eq(root, STR("/sys/fs/cgroup"));
    for (u32 depth = 0; depth < PATH_DEPTH_MAX; depth++) {
        path = str_eq(path, STR("/")) ? STR_EMPTY : path;
        str folder = arena_printf(a, "%.*s%.*s", STR_ARG(root), STR_ARG(path));
        l->memory = MIN(
            l->memory, memory_limit_in(fs, a, folder, v2 ? "memory.max" : "memory.limit_in_bytes"));
        u32 cpus = v2 ? cpu_quota_v2_in(fs, a, folder) : cpu_quota_v1_in(fs, a, folder);
        l->cpus = MIN(l->cpus, cpus);
        if (path.len == 0) {
            return;
        }
        size_t slash = str_find_last(path, '/');
        path = slash == STR_NONE ? STR_EMPTY : str_sub(path, 0, slash);
    }
}

static struct limits group_limits(struct fs *fs, struct arena *a)
{
    struct limits l = {UINT64_MAX, UINT32_MAX};
    str groups = file_text(fs, a, "/proc/self/cgroup");
    static const struct {
        str controller;
        str root;
    } trees[] = {
        {{"", 0}, {"/sys/fs/cgroup", 14}},
        {{"memory", 6}, {"/sys/fs/cgroup/memory", 21}},
        {{"cpu", 3}, {"/sys/fs/cgroup/cpu", 18}},
    };
    for (size_t i = 0; i < ARRAY_LEN(trees); i++) {
        str path;
        if (group_path(groups, trees[i].controller, &path)) {
            limits_walk(fs, a, trees[i].root, path, &l);
        }
    }
    return l;
}

static u64 mem_total(struct fs *fs, struct arena *a)
{
    str lines = file_text(fs, a, "/proc/meminfo");
    str line;
    while (str_split_next(&lines, '\n', &line)) {
        u64 kib = 0;
        if (str_starts(line, STR("MemTotal:")) && str_ends(line, STR(" kB")) &&
            parse_u64(str_trim(str_sub(line, 9, line.len - 3)), &kib)) {
            return kib * 1024;
        }
    }
    return UINT64_MAX;
}

u64 proc_memory_limit_of(struct fs *fs)
{
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    u64 limit = MIN(mem_total(fs, a), group_limits(fs, a).memory);
    arena_free(a);
    return limit == UINT64_MAX ? 0 : limit;
}

u32 proc_cpu_quota_of(struct fs *fs)
{
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    u32 cpus = group_limits(fs, a).cpus;
    arena_free(a);
    return cpus;
}
