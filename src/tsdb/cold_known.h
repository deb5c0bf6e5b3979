// cold_known.h: the file "cold": which cold blocks of the range that the head answers for a start
// has to find, and which it must not believe.
//
// A start that lacks one of them, or finds one damaged, believes none and reads the whole log. One
// of which nobody knew where its series ended is lost from then on: late samples were taken of
// them, and whatever it says later would pass over these.
// Costs: find O(n). Memory: 64 bytes each, at most COLD_KNOWN_MAX.
// Bytes: docs/format/head.md
// Threads: as struct tsdb's work turn; owned by open before.
#ifndef TSDB_COLD_KNOWN_H
#define TSDB_COLD_KNOWN_H

#include "tsdb/block.h"

struct error;
struct fs;

#define COLD_KNOWN_MAX     65536U
#define COLD_KNOWN_VERSION 1U

// Threads: a value.
struct cold_block {
    char id[BLOCK_ID_LEN + 1];
    bool lost;
    i64 min_ms;
    i64 max_ms; // Exclusive.
};
// Threads: as above.
struct cold_known {
    struct cold_block *items;
    u32 n;
    u32 cap;
    bool changed; // Since it was read or written.
};
void cold_known_fini(struct cold_known *k);
struct cold_block *cold_known_find(const struct cold_known *k, const char *id); // NULL: not known.
// Once; ERR_LIMIT beyond COLD_KNOWN_MAX.
bool cold_known_add(struct cold_known *k, const struct block_meta *m, struct error *e) MUST_USE;
void cold_known_lose(struct cold_known *k, struct cold_block *b);
bool cold_known_any_lost(const struct cold_known *k);
void cold_known_prune(struct cold_known *k, i64 floor); // Those that end at or before it.

bool cold_known_check(str file, struct error *e) MUST_USE; // What decode would say.
// Adds to an empty one.
bool cold_known_decode(str file, struct cold_known *k, struct error *e) MUST_USE;
// Absent: empty. ERR_CORRUPT: damaged; any other code: it cannot be known.
bool cold_known_read(struct fs *fs, const char *path, struct cold_known *k,
                     struct error *e) MUST_USE;
bool cold_known_write(struct fs *fs, const char *path, struct cold_known *k,
                      struct error *e) MUST_USE;

#endif
