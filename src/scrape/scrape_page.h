// scrape_page.h: one page on its way from text to storage: its rows, its new series, its metadata.
//
// scrape_page.c reads the text into a page, scrape_store.c makes one transaction of it.
// Memory: in the target's arena, until the scrape is done. Threads: with the running scrape.
#ifndef SCRAPE_SCRAPE_PAGE_H
#define SCRAPE_SCRAPE_PAGE_H

#include "base/arena.h"
#include "scrape/scrape_inner.h"

#define SCRAPE_EXEMPLARS_MAX 10000U     // Of one page.
#define ENTRY_NONE           UINT32_MAX // A report's row: it has no cache entry.

// Rows of one page, columns as append_batch wants them.
struct page_rows {
    struct series_ref *refs;
    i64 *t_ms;
    f64 *values;
    u32 *entries; // Index into the cache; ENTRY_NONE for reports.
    u8 *outcomes;
    u32 count;
    u32 cap;
};

// New series of this page, to be resolved in one call.
struct page_fresh {
    struct labels *sets;
    u32 *entries;
    u32 count;
    u32 cap;
};

struct page {
    struct scrape_target *t;
    struct arena *a;
    str body; // Once it is read, as it was.
    enum expo_format format;
    i64 scrape_t_ms;
    struct page_rows rows;
    struct page_fresh fresh;
    struct metadata *metadata; // Changed families.
    u32 metadata_count;
    u32 metadata_cap;
    bool metadata_same;                 // As the page before said: it was not read.
    u64 samples;                        // Lines.
    u64 samples_post;                   // After metric relabelling.
    u64 outcomes[APPEND_OUTCOME_COUNT]; // Of samples that came to storage.
    u64 created;
    u64 exemplars;
    struct exemplar *kept; // Exemplars of rows, and the entries of their series.
    u32 *kept_entries;
    u32 kept_count;
    u32 kept_cap;
    u32 error_line;
    const char *reason;
};

// An empty page of a target whose cache expects the one before.
void page_init(struct page *p, struct scrape_target *t, i64 t_ms);
// The whole body into rows. false: the page fails, for reason and, mostly, at error_line.
bool page_read(struct page *p, str body, enum expo_format format, struct error *e) MUST_USE;
// Reads a good page again for those of its series that have no ref and were not tried yet: they are
// the fresh ones then. Nothing is counted twice. false: only some of them could be read.
bool page_read_lost(struct page *p, struct error *e) MUST_USE;
// One more row, of an entry of the cache or ENTRY_NONE.
void page_row(struct page *p, u32 entry, f64 value);

#endif
