// collect_filesystem.c: node_filesystem_* of the mounts of process 1.
//
// Left out: what node_exporter's default patterns leave out, and network and FUSE file systems
// (counted), because asking a dead server for its size never returns: see collect.h.
#include "base/str.h"
#include "collect/collect_run.h"
#include "collect/collect_sys.h"

enum { MOUNTS_MAX = 4096, MOUNT_BYTES_MAX = 4096 };
#define LABELS_MOUNT                                                                               \
    {                                                                                              \
        STR("device"), STR("fstype"), STR("mountpoint")                                            \
    }

enum fact { SIZE, FREE, AVAIL, FILES, FILES_FREE, READONLY, DEVICE_ERROR, FACTS };
static const struct family facts[FACTS] = {
    [SIZE] = {STR("node_filesystem_size_bytes"), METRIC_GAUGE, STR("Filesystem size in bytes."),
              LABELS_MOUNT},
    [FREE] = {STR("node_filesystem_free_bytes"), METRIC_GAUGE,
              STR("Filesystem free space in bytes."), LABELS_MOUNT},
    [AVAIL] = {STR("node_filesystem_avail_bytes"), METRIC_GAUGE,
               STR("Filesystem space available to non-root users in bytes."), LABELS_MOUNT},
    [FILES] = {STR("node_filesystem_files"), METRIC_GAUGE, STR("Filesystem total file nodes."),
               LABELS_MOUNT},
    [FILES_FREE] = {STR("node_filesystem_files_free"), METRIC_GAUGE,
                    STR("Filesystem total free file nodes."), LABELS_MOUNT},
    [READONLY] = {STR("node_filesystem_readonly"), METRIC_GAUGE,
                  STR("Filesystem read-only status."), LABELS_MOUNT},
    [DEVICE_ERROR] = {STR("node_filesystem_device_error"), METRIC_GAUGE,
                      STR("Whether an error occurred while getting statistics for the given "
                          "device."),
                      LABELS_MOUNT},
};

static const str types_left_out[] = {
    STR("autofs"),    STR("binfmt_misc"), STR("bpf"),    STR("cgroup"),     STR("cgroup2"),
    STR("configfs"),  STR("debugfs"),     STR("devpts"), STR("devtmpfs"),   STR("fusectl"),
    STR("hugetlbfs"), STR("iso9660"),     STR("mqueue"), STR("nsfs"),       STR("overlay"),
    STR("proc"),      STR("procfs"),      STR("pstore"), STR("rpc_pipefs"), STR("securityfs"),
    STR("selinuxfs"), STR("squashfs"),    STR("sysfs"),  STR("tracefs"),
};
static const str types_remote[] = {
    STR("9p"),    STR("afs"),  STR("beegfs"),    STR("ceph"),  STR("cifs"),   STR("coda"),
    STR("davfs"), STR("fuse"), STR("glusterfs"), STR("gpfs"),  STR("lustre"), STR("ncpfs"),
    STR("nfs"),   STR("nfs4"), STR("orangefs"),  STR("pvfs2"), STR("smb3"),   STR("smbfs"),
};
// The folder and all below it.
static const str trees_left_out[] = {STR("/dev"), STR("/proc"), STR("/sys")};
// Only what is below.
static const str contents_left_out[] = {STR("/run/credentials/"), STR("/var/lib/docker/"),
                                        STR("/var/lib/containers/storage/")};

static bool is_one_of(str s, const str *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(s, words[i])) {
            return true;
        }
    }
    return false;
}

static bool point_left_out(str point)
{
    for (size_t i = 0; i < ARRAY_LEN(trees_left_out); i++) {
        const str tree = trees_left_out[i];
        if (str_starts(point, tree) && (point.len == tree.len || point.ptr[tree.len] == '/')) {
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(contents_left_out); i++) {
        if (str_starts(point, contents_left_out[i]) && point.len > contents_left_out[i].len) {
            return true;
        }
    }
    return false;
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

// The kernel writes blanks, tabs, line ends and backslashes as \ooo. NUL-terminates.
static bool point_unescape(str raw, char out[MOUNT_BYTES_MAX], str *point)
{
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        const char *p = raw.ptr + i;
        char c = *p;
        if (c == '\\' && raw.len - i > 3 && is_octal(p[1]) && is_octal(p[2]) && is_octal(p[3])) {
            c = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
            i += 3;
        }
        if (n + 1 >= MOUNT_BYTES_MAX || c == '\0') {
            return false;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    *point = str_make(out, n);
    return true;
}

static bool options_have(str options, str wanted)
{
    str option;
    while (str_split_next(&options, ',', &option)) {
        if (str_eq(option, wanted)) {
            return true;
        }
    }
    return false;
}

static bool mount_add(struct run *r, const str labels[3], const char *path, bool readonly,
                      struct error *e)
{
    struct mount_space m = {0};
    bool ok = r->sys->ops->mount_space(r->sys, path, &m, NULL);
    if (!rows_add(r->rows, &facts[DEVICE_ERROR], labels, !ok, e)) {
        return false;
    }
    const f64 block = (f64)m.block_bytes;
    const f64 values[] = {
        [SIZE] = (f64)m.blocks * block,        [FREE] = (f64)m.blocks_free * block,
        [AVAIL] = (f64)m.blocks_avail * block, [FILES] = (f64)m.files,
        [FILES_FREE] = (f64)m.files_free,      [READONLY] = readonly,
    };
    for (size_t i = 0; ok && i < ARRAY_LEN(values); i++) {
        if (!rows_add(r->rows, &facts[i], labels, values[i], e)) {
            return false;
        }
    }
    return true;
}

static bool mount_line(struct run *r, str line, struct error *e)
{
    str device;
    str raw;
    str type;
    str options;
    str point;
    char path[RUN_PATH_BYTES_MAX + MOUNT_BYTES_MAX];
    if (!word_next(&line, &device) || !word_next(&line, &raw) || !word_next(&line, &type) ||
        !word_next(&line, &options)) {
        return err_set(e, ERR_CORRUPT, "mounts: a line of fewer than four words");
    }
    // The root stands before the mount point, so that one buffer serves both.
    const str root = str_c(r->roots[ROOT_FS]);
    if (root.len >= RUN_PATH_BYTES_MAX) {
        return err_set(e, ERR_LIMIT, "rootfs longer than %d bytes", RUN_PATH_BYTES_MAX);
    }
    memcpy(path, root.ptr, root.len);
    if (!point_unescape(raw, path + root.len, &point)) {
        return err_set(e, ERR_CORRUPT, "mounts: a mount point longer than %d bytes, or with NUL",
                       MOUNT_BYTES_MAX - 1);
    }
    if (is_one_of(type, types_left_out, ARRAY_LEN(types_left_out)) || point_left_out(point)) {
        return true;
    }
    if (is_one_of(type, types_remote, ARRAY_LEN(types_remote)) || str_starts(type, STR("fuse."))) {
        r->mounts_skipped++;
        return true;
    }
    const str labels[] = {device, type, point};
    return mount_add(r, labels, path, options_have(options, STR("ro")), e);
}

static bool filesystem_collect(struct run *r, UNUSED void *state, struct error *e)
{
    str text;
    str line;
    u32 mounts = 0;
    r->mounts_skipped = 0;
    // Process 1 sees the host's mounts even if we live in a name space of our own; it may be
    // hidden.
    if (!run_read(r, ROOT_PROC, "1/mounts", &text, NULL) &&
        !run_read(r, ROOT_PROC, "self/mounts", &text, e)) {
        return false;
    }
    while (line_next(&text, &line)) {
        if (++mounts > MOUNTS_MAX) {
            return err_set(e, ERR_LIMIT, "mounts: more than %d", MOUNTS_MAX);
        }
        if (!mount_line(r, line, e)) {
            return false;
        }
    }
    return mounts > 0 || err_set(e, ERR_CORRUPT, "mounts: empty");
}

const struct collector collector_filesystem = {"filesystem", 0, filesystem_collect};
