// scrape_cache.h: the series that a target's pages spelt, so that a line costs a comparison.
// Memory: at most 2 M series and 256 MiB of text a target. Threads: with the running scrape.
#ifndef SCRAPE_SCRAPE_CACHE_H
#define SCRAPE_SCRAPE_CACHE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/map.h"
#include "storage/storage.h"

// One series as its page spells it. Threads: with its cache.
struct cache_entry {
    u64 hash;
    u32 text_at; // In texts.
    u32 text_len;
    struct series_ref ref; // Zero: refused, resolved again next time.
    u32 seen;              // The iteration that saw it last.
    u32 staged;            // The iteration that is to resolve it: a page may hold it twice.
    u8 refusal;            // enum append_outcome of the last resolve.
    bool dropped;          // By metric relabelling.
    bool tracked;          // Gets a staleness marker when it vanishes.
};

// Series text → ref, checked by position first: exporters repeat their lines in order. Entries that
// were not seen for two good pages are dropped when they are a third of all; while pages fail, what
// the last good one had stays, so that its series are not new when the target is well again.
// Threads: owned by the thread that runs the target's scrape.
struct scrape_cache {
    struct cache_entry *entries;
    u32 count;
    u32 cap;
    struct buf texts;
    struct map map;
    u32 *order; // Entry at each sample position of the last page.
    u32 order_count;
    u32 order_cap;
    u32 position;
    u32 iteration;
    bool full; // The page under way found no room.
};
void scrape_cache_init(struct scrape_cache *c);
void scrape_cache_fini(struct scrape_cache *c);
void scrape_cache_begin(struct scrape_cache *c); // A new page.
// The entry of this series text, or NULL. Moves the position.
struct cache_entry *scrape_cache_get(struct scrape_cache *c, str text);
// The entry that this position had in the page before, if storage knows it or relabelling drops it,
// with its text; NULL if there is none. scrape_cache_pass moves on behind it.
struct cache_entry *scrape_cache_expected(const struct scrape_cache *c, str *text);
void scrape_cache_pass(struct scrape_cache *c);
// Adds one behind a miss; NULL when the cache holds as much as it may.
struct cache_entry *scrape_cache_add(struct scrape_cache *c, str text);
// After a page, good or failed: forgets what is long gone.
void scrape_cache_sweep(struct scrape_cache *c, bool good);
u32 scrape_cache_index(const struct scrape_cache *c, const struct cache_entry *e);

#endif
