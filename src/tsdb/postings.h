// postings.h: a set of 32-bit series ordinals: Roaring containers behind our own words.
//
// add, remove, has O(log containers); or, and, andnot O(containers); an empty or one-element set
// takes no container at all (most label values of a busy index belong to one series).
// decode checks every count and order before the library sees the bytes, because that library
// trusts what it reads.
// Bytes: docs/format/index.md (the portable Roaring format).
// Threads: guarded by the owner.
#ifndef TSDB_POSTINGS_H
#define TSDB_POSTINGS_H

#include "base/base.h"

struct buf;
struct error;
struct postings;

struct postings *postings_new(void);
void postings_free(struct postings *p); // Accepts NULL.
struct postings *postings_copy(const struct postings *p);

void postings_add(struct postings *p, u32 ordinal);
void postings_add_all(struct postings *p, const u32 *ordinals, u32 n); // Rising.
void postings_remove(struct postings *p, u32 ordinal);
void postings_clear(struct postings *p);
bool postings_has(const struct postings *p, u32 ordinal);
// The same of many; faster where neighbours lie side by side.
void postings_have(const struct postings *p, const u32 *ordinals, u32 n, bool *has);
u64 postings_count(const struct postings *p);
u64 postings_bytes(const struct postings *p); // Memory held.

void postings_or(struct postings *into, const struct postings *from);
void postings_and(struct postings *into, const struct postings *from);
void postings_andnot(struct postings *into, const struct postings *from);
bool postings_intersects(const struct postings *a, const struct postings *b);
bool postings_next(const struct postings *p, u32 from, u32 *ordinal); // The least at or above from.
// What a walk over two sets came to.
enum postings_walk {
    POSTINGS_END,   // There is no more.
    POSTINGS_BOTH,  // *ordinal is in both.
    POSTINGS_LATER, // No leap is left; *ordinal is where to go on.
};
// The least at or above `from` that is in both; a is the smaller one. *leaps: how often it may go
// on from one set's to the other's, lowered by each; sets that lie between each other without
// meeting take one for each ordinal.
enum postings_walk postings_next_both(const struct postings *a, const struct postings *b, u32 from,
                                      u32 *leaps, u32 *ordinal);
// All ordinals, rising; out holds postings_count of them.
void postings_list(const struct postings *p, u32 *out);

void postings_encode(const struct postings *p, struct buf *out);
// Every ordinal is below ordinals. NULL with ERR_CORRUPT.
struct postings *postings_decode(str bytes, u32 ordinals, struct error *e) MUST_USE;

#endif
