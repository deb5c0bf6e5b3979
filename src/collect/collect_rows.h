// collect_rows.h: the rows of one collection and the series they belong to.
//
// A row finds its series by family and label values in a hash table; the series keeps its ref, so
// that storage resolves it once. Life of a series:
//
//   rows_add ──► new ──commit──► committed ──collection without it──► marker, freed after commit
//
// Operations and cost: add O(1) expected and free of allocation for a known series; commit O(rows).
// Memory: as collect.h says. Threads: owned by the collecting thread.
#ifndef COLLECT_COLLECT_ROWS_H
#define COLLECT_COLLECT_ROWS_H

#include "base/base.h"
#include "model/sample.h"
#include "storage/storage.h"

struct error;
struct rows;
struct storage;

#define FAMILY_LABELS_MAX 12

// What a row says of its metric. For the many that are known beforehand these are static tables;
// where the kernel makes the names, they live until rows_add returns.
// Threads: frozen.
struct family {
    str name;
    enum metric_type type;
    str help;
    str labels[FAMILY_LABELS_MAX]; // Beside job and instance; ends at the first empty one.
};

struct rows_counts {
    u64 outcomes[APPEND_OUTCOME_COUNT];
    u64 dropped_duplicate; // A second row of a series in one collection.
    u64 dropped_limit;     // Beyond series_max.
    u64 metadata_failed;
    u32 stale;  // Markers of the last commit.
    u32 series; // Live.
};

struct rows *rows_new(struct storage *s, str job, str instance, u32 series_max,
                      struct error *e) MUST_USE;
void rows_free(struct rows *r); // Accepts NULL.

void rows_limit(struct rows *r, u32 series_max); // From now on.
void rows_begin(struct rows *r, i64 t_ms);       // Forgets what was not committed.
// One value per label of the family. Bytes that are not UTF-8 become U+FFFD; values are cut at
// ROW_VALUE_BYTES_MAX. A duplicate is dropped and counted; false only beyond series_max.
#define ROW_VALUE_BYTES_MAX 1024
bool rows_add(struct rows *r, const struct family *f, const str *values, f64 v,
              struct error *e) MUST_USE;
u32 rows_count(const struct rows *r);
u32 rows_fresh(const struct rows *r);     // Rows whose series was never committed.
void rows_cut(struct rows *r, u32 count); // Takes back all rows from count on.
bool rows_commit(struct rows *r, struct error *e) MUST_USE;
const struct rows_counts *rows_counts_get(const struct rows *r);

#endif
