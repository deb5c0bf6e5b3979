// import_series.h: the series of an import: found by their text, numbered in the order of labels.
//
//   add (first pass) ─► sort ─► find (later passes): the rank
// Costs: add and find O(text); labels are parsed once for each text. sort O(n log n).
// Memory: bytes_max, else ERR_LIMIT: per series its text's place, 8 bytes a label, and the symbols.
// Threads: owned.
#ifndef TSDB_IMPORT_SERIES_H
#define TSDB_IMPORT_SERIES_H

#include "base/map.h"
#include "tsdb/tsdb_files.h"

#define IMPORT_LABELS_MAX 512U
#define IMPORT_NONE       UINT32_MAX

struct symtab;

// pairs: name, value, … as symbol numbers, the hidden one first.
struct import_row {
    u32 *pairs;
    u32 count;
    u32 number; // In the order of coming.
};

struct import_text {
    str text;
    u32 series; // A number until sort, then a rank.
};

// Threads: owned.
struct import_series {
    struct arena *arena;  // The pairs.
    struct arena *labels; // Of one series.
    struct symtab *symbols;
    struct map by_text;
    struct map by_pairs; // Until sort.
    struct import_text *texts;
    u32 text_count;
    u32 text_cap;
    struct import_row *rows; // After sort: by rank.
    u32 count;
    u32 cap;
    str *sorted; // After sort: the symbols in their order, to which pairs refer then.
    u32 symbol_count;
    u64 bytes_max;
};
void import_series_init(struct import_series *t, u64 bytes_max);
void import_series_fini(struct import_series *t);
bool import_series_add(struct import_series *t, struct tsdb_import_source *s,
                       const struct tsdb_import_sample *v, struct error *e) MUST_USE;
void import_series_sort(struct import_series *t);
u32 import_series_find(const struct import_series *t, str text); // IMPORT_NONE if absent.

#endif
