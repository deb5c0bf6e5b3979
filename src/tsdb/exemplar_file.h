// exemplar_file.h: the exemplars of a block: the file `exemplars` beside its data.
//
//   header (16) · page · page … · footer (16)
//   page: bytes (4) · CRC-32C (4) · groups: a series' labels once, then its exemplars
//
// Groups are sorted by tenant and labels; one that is long goes on as another of the same labels.
// Series are told by their labels, so that files are merged without their blocks. A block without
// the file has none. A damaged page is told and passed over.
// Costs: all are linear; look-ups read the whole file. Memory: a page while writing; a group of
// one source each while merging.
// Bytes: docs/format/block.md
// Threads: a writer and a reader are owned; a file is frozen once open.
#ifndef TSDB_EXEMPLAR_FILE_H
#define TSDB_EXEMPLAR_FILE_H

#include "base/buf.h"
#include "base/dec.h"
#include "model/labels.h"
#include "model/sample.h"
#include "os/fs.h"
#include "tsdb/outfile.h"

struct arena;
struct error;

#define EXEMPLARS_VERSION 1U

// Exemplars of one series, by time. Threads: a value, borrowed.
struct exemplar_group {
    struct tenant_id tenant;
    struct labels labels;
    struct exemplar *items;
    u32 n;
};
int exemplar_group_cmp(const struct exemplar_group *a, const struct exemplar_group *b);
// Sorts by time and drops what is there twice; how many are left.
u32 exemplars_settle(struct exemplar *items, u32 n);

// The file is made with the first group. Threads: owned.
struct exemplar_writer {
    struct fs *fs;
    char path[560];
    struct outfile file;
    struct buf page;
    u32 pages;
    bool is_open;
};
void exemplar_writer_init(struct exemplar_writer *w, struct fs *fs, const char *path);
bool exemplar_writer_add(struct exemplar_writer *w, const struct exemplar_group *g,
                         struct error *e) MUST_USE;
bool exemplar_writer_finish(struct exemplar_writer *w, struct error *e) MUST_USE;
void exemplar_writer_close(struct exemplar_writer *w);

// Threads: frozen after open.
struct exemplar_file {
    struct fs *fs;
    struct fs_map map;
    bool mapped; // There is one.
};
// An absent file is an empty one. ERR_CORRUPT: it is damaged as a whole.
bool exemplar_file_open(struct exemplar_file *f, struct fs *fs, const char *path,
                        struct error *e) MUST_USE;
void exemplar_file_close(struct exemplar_file *f);
static inline u64 exemplar_file_bytes(const struct exemplar_file *f)
{
    return f->mapped ? f->map.len : 0;
}

// Threads: owned.
struct exemplar_reader {
    const struct exemplar_file *file;
    u64 at;       // Of the next page.
    struct dec d; // The page at hand.
    u64 page;     // Its offset.
};
void exemplar_reader_init(struct exemplar_reader *r, const struct exemplar_file *f);
// The next group, in the arena, its texts in the map. false: there is none, or a page is damaged
// (then e is set, and a further call goes on behind it) or the arena full (ERR_LIMIT).
bool exemplar_reader_next(struct exemplar_reader *r, struct arena *a, struct exemplar_group *g,
                          struct error *e);

// Writes what all files say into one, which is made if there is anything. A damaged page fails it.
bool exemplar_files_merge(struct exemplar_file *const *files, u32 n, struct exemplar_writer *w,
                          struct error *e) MUST_USE;

#endif
