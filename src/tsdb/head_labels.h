// head_labels.h: the label sets of a shard's series, in parts that are stored once.
//
//   series ─┬► target part: tenant, job, instance, cluster, zone …   one for the series of a target
//           └► own part: __name__, device, mode …                     one for all targets alike
//
// What of a set belongs to the target is learnt: the first series of a column group offers all but
// its name, and each later one that lacks something of it narrows the offer. So series cost eight
// bytes wherever many targets show the same families. A part is a list of label pairs, by id, in
// the order of the set; an own part also says where the target's pairs stand among them. Sets
// without a group, or longer than PART_BITS, are own parts alone.
// Cost: find O(labels); read O(labels). Parts go with their last series, and take pairs along that
// no series has any more.
// Threads: guarded by the shard's lock.
#ifndef TSDB_HEAD_LABELS_H
#define TSDB_HEAD_LABELS_H

#include "base/map.h"
#include "model/labels.h"

struct head_index;

#define PART_NONE    UINT32_MAX
#define PART_BITS    64U
#define PART_GUESSES 4096U

// A set as it comes from outside, the hidden label of the tenant first. Threads: owned by one
// look-up.
struct label_texts {
    const struct label *items;
    u32 n;
    // Not 0: its names are those of the set that was matched and found before this one, and so are
    // its values at these positions.
    u64 same;
};

// Threads: guarded by the shard's lock.
struct label_part {
    u64 hash;
    u64 mask; // Positions in the whole set that are the target's.
    u32 at;   // Of its pairs in the pool; the next free part.
    u32 refs;
    u32 count;
    u32 bytes; // Of its texts.
};

// Threads: guarded by the shard's lock.
struct head_parts {
    struct head_index *index;
    struct label_part *parts;
    u32 count;
    u32 cap;
    u32 free; // Chained.
    u32 *pool;
    u32 pool_len;
    u32 pool_cap;
    u32 pool_waste;
    struct map by_text;
    // The target part that a set was matched with last, its texts, and where they stood in the set.
    struct label *match_texts;
    u32 match_part;
    u64 match_mask;
    // By own part, of which the remainder counts: the one that came after it last. Targets of one
    // kind tell their series in the same order.
    u32 *after;
    u32 own_last;
};
void head_parts_init(struct head_parts *p, struct head_index *index);
void head_parts_fini(struct head_parts *p);
u64 head_parts_bytes(const struct head_parts *p);

// The part of the positions that are (target) or are not in mask, found or made, with one more
// reference; PART_NONE if there is no room for its symbols.
u32 head_part_get(struct head_parts *p, const struct label_texts *set, u64 mask, bool target);
// The same of an own part, if it is there, with no reference. Quick for the one that came after the
// one before when that was asked for last; that one is there still if set->same is not 0.
u32 head_part_find(struct head_parts *p, const struct label_texts *set, u64 mask);
void head_part_ref(struct head_parts *p, u32 part);
void head_part_unref(struct head_parts *p, u32 part);
// Which positions of a set a target part holds; *all: every pair of the part is among them.
u64 head_part_match(struct head_parts *p, u32 part, const struct label_texts *set, bool *all);
// Quick: whether all of the part that was matched last stand where they stood then.
bool head_part_again(const struct head_parts *p, u32 part, const struct label_texts *set,
                     u64 *mask);

// The pair ids of a set in order: as many as count says; target may be PART_NONE. Threads: owned by
// the call.
struct pair_walk {
    const u32 *mine;
    const u32 *theirs;
    u64 mask;
};
struct pair_walk head_parts_walk(const struct head_parts *p, u32 target, u32 own);
static inline u32 pair_walk_next(struct pair_walk *w)
{
    bool theirs = w->mask & 1;
    w->mask >>= 1;
    return theirs ? *w->theirs++ : *w->mine++;
}
u32 head_parts_bytes_of(const struct head_parts *p, u32 target, u32 own); // Of their texts.
u32 head_parts_count(const struct head_parts *p, u32 target, u32 own);
// Whether the set is this one, the hidden label aside.
bool head_parts_equal(const struct head_parts *p, u32 target, u32 own, struct labels set);
void head_parts_pack(struct head_parts *p); // If much of the pool is waste.

#endif
