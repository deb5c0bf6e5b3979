// scrape_cache.h: the series that a target's pages spelt, so that a line costs a comparison.
// Memory: at most 2 M series, 256 MiB of their text, 64 MiB of # lines a target. Threads: with the
// running scrape.
#ifndef SCRAPE_SCRAPE_CACHE_H
#define SCRAPE_SCRAPE_CACHE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/map.h"
#include "ingest/ingest.h"
#include "storage/storage.h"

// One series as its page spells it. Threads: with its cache.
struct cache_entry {
    u64 hash;
    u32 text_at; // In texts.
    u32 text_len;
    struct series_ref ref; // Zero: refused, resolved again next time.
    u32 seen;              // The iteration of the last page that had it and was stored.
    u32 read;              // The stamp of the last page that had it.
    u32 staged;            // The iteration that is to resolve it: a page may hold it twice.
    u8 refusal;            // enum append_outcome of the last resolve.
    bool dropped;          // By metric relabelling.
    bool tracked;          // Gets a staleness marker when it vanishes,
    bool read_tracked;     // and when the page under way is stored.
};

// A run of # lines as they stood between two samples. Threads: with its cache.
struct cache_lines {
    u32 text_at; // In line_texts.
    u32 text_len;
    u32 count;
    bool typed; // As struct expo_piece has them.
    bool united;
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
    u32 *order; // At each position of the last page: an entry, or lines (by CACHE_LINES).
    u32 order_count;
    u32 order_cap;
    u32 position;
    u32 iteration;
    u32 stamp;          // Of what was read: of the page under way, or of none.
    bool full;          // The page under way found no room.
    bool lines_lost;    // Nor for its # lines.
    bool lines_trusted; // What the lines say was understood and stored.
    u32 lines_seen;     // Runs of lines of the page under way,
    u32 lines_passed;   // known by position,
    u32 lines_before;   // and all of the last good page.
    u32 entries_read;   // Of the page under way.
    struct cache_lines *lines;
    u32 lines_count;
    u32 lines_cap;
    struct buf line_texts;
};
#define CACHE_LINES 0x80000000U
void scrape_cache_init(struct scrape_cache *c);
void scrape_cache_fini(struct scrape_cache *c);
void scrape_cache_begin(struct scrape_cache *c); // A new page.
// Nothing is expected of the next page; series are found by their text.
void scrape_cache_forget(struct scrape_cache *c);
// The entry of this series text, or NULL. Moves the position.
struct cache_entry *scrape_cache_get(struct scrape_cache *c, str text);
// The same, and moves nothing.
struct cache_entry *scrape_cache_find(const struct scrape_cache *c, str text);
// What the page before had from this position on, up to the first that has to be looked at: a
// series that storage does not know (and relabelling does not drop), lines that are not trusted.
// At most CACHE_AHEAD; returns how many. scrape_cache_pass moves on behind some of them.
#define CACHE_AHEAD 64U
u32 scrape_cache_expect(const struct scrape_cache *c, struct expo_piece *pieces);
void scrape_cache_pass(struct scrape_cache *c, u32 n);
// The entry of a position passed; NULL: lines.
static inline struct cache_entry *scrape_cache_at(const struct scrape_cache *c, u32 position)
{
    const u32 at = c->order[position];
    return at & CACHE_LINES ? NULL : &c->entries[at];
}
// The page under way has this series.
static inline void scrape_cache_read(struct scrape_cache *c, struct cache_entry *e, bool tracked)
{
    c->entries_read += e->read != c->stamp;
    e->read = c->stamp;
    e->read_tracked = tracked;
}
static inline bool scrape_cache_is_read(const struct scrape_cache *c, const struct cache_entry *e)
{
    return e->read == c->stamp;
}
// The page under way failed: it has no series.
void scrape_cache_unread(struct scrape_cache *c);
// The page under way is stored: what was read of it is what the next one is compared with.
void scrape_cache_seen(struct scrape_cache *c);
// A run of lines that stands here. As far as there is room.
void scrape_cache_lines(struct scrape_cache *c, const struct expo_piece *run);
// Whether all lines were passed, and no others stood in the page before.
bool scrape_cache_lines_same(const struct scrape_cache *c);
// Adds one behind a miss; NULL when the cache holds as much as it may.
struct cache_entry *scrape_cache_add(struct scrape_cache *c, str text);
// After a page, good or failed: forgets what is long gone.
void scrape_cache_sweep(struct scrape_cache *c, bool good);
u32 scrape_cache_index(const struct scrape_cache *c, const struct cache_entry *e);

#endif
