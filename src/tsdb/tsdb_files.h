// tsdb_files.h: what is done to the folder of a store from outside: it is looked at for damage, or
// made of a snapshot; samples of any age become blocks of it; one of its blocks is told apart.
//
// Beside tsdb.h, since nobody who serves needs it. tsdb_import reads its source several times: once
// for what is in it, then once for each group of block ranges whose samples fit in memory together;
// of a range that alone has more, once for each group of series.
// Costs: import O(passes × source) and a sort of the samples. analyze O(block).
// Memory: what the options allow. analyze holds 8 bytes a symbol, a bit a series, one page.
// Invariants:
//   (I1) A failed import has listed no block; only a failure while listing leaves those listed.
//   (I2) No block reaches past those that the folder has: what its log holds stays the log's.
// Threads: owned by the call, but for what is said at each struct.
#ifndef TSDB_TSDB_FILES_H
#define TSDB_TSDB_FILES_H

#include "base/base.h"
#include "model/labels.h"
#include "tsdb/tsdb_status.h"

struct arena;
struct clk;
struct error;
struct fs;
struct rng;

// ---- a folder as a whole ----

// Looks at a store's folder, or a snapshot, open or not; changes nothing. Threads: owned.
struct tsdb_verify {
    void (*damage)(void *ctx, str line); // Once for each place: file, where, what.
    void *ctx;
    u64 damages;
    u64 unread; // Places that memory or the system refused to show: then the whole has failed.
    u64 blocks;
    u64 segments;
    u64 bytes;
};
bool tsdb_verify(struct fs *fs, const char *dir, struct tsdb_verify *out, struct error *e) MUST_USE;
// dir, absent or empty, becomes a data folder with what the snapshot has, if that is all sound.
bool tsdb_restore(struct fs *fs, const char *snapshot, const char *dir, struct tsdb_verify *v,
                  struct error *e) MUST_USE;
bool tsdb_blocks_list(struct fs *fs, const char *dir, struct arena *a,
                      struct tsdb_block_info **infos, u32 *n, struct error *e) MUST_USE;

// ---- samples into blocks ----

// One sample of a source. Threads: a value, borrowed.
struct tsdb_import_sample {
    str series; // The same text means the same labels. Lives as long as the source.
    i64 t_ms;
    f64 value;
    u32 line;
};

struct tsdb_import_source;
// begin, next until it is false, end: a pass, each time over the same samples.
struct tsdb_import_ops {
    void (*begin)(struct tsdb_import_source *s);
    bool (*next)(struct tsdb_import_source *s, struct tsdb_import_sample *out);
    // Of the sample that next gave; sorted, strings in the arena or the source.
    bool (*labels)(struct tsdb_import_source *s, struct arena *a, struct labels *out,
                   struct error *e);
    bool (*end)(struct tsdb_import_source *s, struct error *e); // false: it did not get to the end.
};
// Threads: owned.
struct tsdb_import_source {
    const struct tsdb_import_ops *ops;
    const char *name; // For errors: "name:line: what".
};

// Zero means the default that stands beside each field. Threads: frozen.
struct tsdb_import_opts {
    struct fs *fs;
    struct clk *clk;
    struct rng *rng;
    const char *dir;      // Absent, empty, or a store that nobody has open.
    i64 block_range_ms;   // 2 h
    u64 series_bytes_max; // 2 GiB
    u64 sample_bytes_max; // 256 MiB
    void (*made)(void *ctx, const struct tsdb_block_info *b); // Each block, once all are listed.
    void *ctx;
};
struct tsdb_imported {
    u64 samples; // Read; the same one twice counts twice.
    u64 series;
    u32 blocks;
    u32 passes;
};
// Blocks of the same time may be there: both count, and are joined in time. ERR_EXISTS: its blocks
// end before the newest of these, so that its log may have samples as old; or it is no store's.
bool tsdb_import(const struct tsdb_import_opts *opts, struct tsdb_import_source *s,
                 struct tsdb_imported *out, struct error *e) MUST_USE;

// ---- what a block is made of ----

enum tsdb_top_kind {
    TOP_FRESH_PAIRS,   // Series that the block before has not, by "name=value".
    TOP_FRESH_NAMES,   // The same by label name.
    TOP_PAIRS,         // Series by "name=value".
    TOP_VALUE_LENGTHS, // Bytes of all its values, by label name.
    TOP_VALUES,        // Values by label name.
    TOP_METRICS,       // Series by metric name.
    TOP_METRIC_BYTES,
    TOP_SERIES_BYTES,
    TOP_KINDS
};
struct tsdb_top {
    struct tsdb_stat *items; // Largest first.
    u32 count;
};

#define ANALYSIS_LIMIT_MAX 10000U

// Bytes are those on disk: of chunks their share of the pages, of the index the series' entries.
struct tsdb_analysis {
    struct tsdb_block_info block;
    struct tsdb_block_info before; // Where there is one: the block before it in time.
    bool has_before;
    u64 label_names;
    u64 pairs;      // Different ones.
    u64 entries;    // Of all series.
    u64 fresh;      // Series that the block before has not.
    u64 gone;       // Series of the block before that this one has not.
    u64 time_bytes; // Columns that series share.
    u64 value_bytes;
    u64 index_bytes;
    struct tsdb_top tops[TOP_KINDS];
};
struct tsdb_analyze_opts {
    struct fs *fs;
    const char *dir;
    str id;    // Empty: the newest block.
    u32 limit; // Lines of each list, 1 … ANALYSIS_LIMIT_MAX.
};
// Lists in the arena.
bool tsdb_analyze(const struct tsdb_analyze_opts *opts, struct arena *a, struct tsdb_analysis *out,
                  struct error *e) MUST_USE;

#endif
