// collect_run.h: what one collector is, and what it is handed.
//
// A collector reads files of the host through run_read, cuts them up and adds rows. It fails with
// an error that names file and place; its rows of this collection are then taken back by the
// caller. Everything it reads comes from the kernel, or from whoever made the tree: nothing is
// trusted.
// Threads: everything here is owned by the collecting thread.
#ifndef COLLECT_COLLECT_RUN_H
#define COLLECT_COLLECT_RUN_H

#include "base/base.h"
#include "base/error.h"
#include "collect/collect_rows.h"

struct clk;
struct collect_sys;
struct fs;

enum {
    RUN_FILE_BYTES_MAX = 1 << 20, // of any file
    RUN_ATTR_BYTES_MAX = 8192,    // of a small file read beside it
    RUN_PATH_BYTES_MAX = 512,
    RUN_NETDEVS_MAX = 24, // devices whose /sys attributes are read
    RUN_NETDEV_NAME_MAX = 16
};

enum root { ROOT_PROC, ROOT_SYS, ROOT_FS, ROOT_UDEV, ROOT_COUNT };

// Threads: owned by the collecting thread.
struct run {
    struct fs *fs;
    struct collect_sys *sys;
    struct rows *rows;
    const char *roots[ROOT_COUNT];
    i64 t_ms;
    u32 mounts_skipped; // Network and FUSE file systems of this collection.

    // The one file held: reading the same path again within a collection costs nothing.
    char path[RUN_PATH_BYTES_MAX];
    char *text; // RUN_FILE_BYTES_MAX at most, grown as needed.
    size_t text_len;
    size_t text_cap;
};

// A small file, beside the one that run_read holds. Threads: owned by the collecting thread.
struct attr {
    str value; // White space at both ends trimmed; borrowed from bytes.
    char bytes[RUN_ATTR_BYTES_MAX];
};

struct collector {
    const char *name;   // As node_exporter calls it.
    size_t state_bytes; // Kept, zeroed at birth, between collections.
    bool (*collect)(struct run *r, void *state, struct error *e);
};

// The whole file; the text is borrowed until the next run_read. ERR_LIMIT beyond
// RUN_FILE_BYTES_MAX, ERR_NOT_FOUND if absent.
bool run_read(struct run *r, enum root root, const char *path, str *out, struct error *e) MUST_USE;
bool run_attr(struct run *r, enum root root, const char *path, struct attr *out,
              struct error *e) MUST_USE;
void run_fini(struct run *r);

// rows_add for a family without labels.
bool run_add(struct run *r, const struct family *f, f64 v, struct error *e) MUST_USE;

// The next line; false at the end. A last line without '\n' counts: the reader saw the whole file.
bool line_next(str *rest, str *line);
// The next word between blanks and tabs; false at the end of the line.
bool word_next(str *rest, str *word);
// The next word as a number; ERR_CORRUPT naming what if it is none.
bool word_u64(str *rest, const char *what, u64 *out, struct error *e) MUST_USE;
bool word_f64(str *rest, const char *what, f64 *out, struct error *e) MUST_USE;
// 1 to 16 hexadecimal digits, the whole word.
bool hex_u64(str word, u64 *out) MUST_USE;

extern const struct collector collector_arp;
extern const struct collector collector_conntrack;
extern const struct collector collector_cpu;
extern const struct collector collector_diskstats;
extern const struct collector collector_entropy;
extern const struct collector collector_filefd;
extern const struct collector collector_filesystem;
extern const struct collector collector_loadavg;
extern const struct collector collector_meminfo;
extern const struct collector collector_netclass;
extern const struct collector collector_netdev;
extern const struct collector collector_netstat;
extern const struct collector collector_os;
extern const struct collector collector_pressure;
extern const struct collector collector_sockstat;
extern const struct collector collector_softnet;
extern const struct collector collector_stat;
extern const struct collector collector_tcpstat;
extern const struct collector collector_time;
extern const struct collector collector_timex;
extern const struct collector collector_uname;
extern const struct collector collector_vmstat;

#endif
