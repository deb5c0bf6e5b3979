// head_series.h: what makes and removes a row of the series table; of the files that do.
//
// Threads: with the turn; what changes the table with the lock as well.
#ifndef TSDB_HEAD_SERIES_H
#define TSDB_HEAD_SERIES_H

#include "base/map.h"
#include "model/labels.h"
#include "model/sample.h"
#include "tsdb/head.h"

#define HEAD_BIRTHS 64U // Series made per hold of the lock.

// Threads: owned by one look-up.
struct head_key {
    struct tenant_id tenant;
    struct labels labels;
    u64 hash;
    // Of a writer's batch, if the set before it was one of which head_parts_known knew all, and
    // nothing was made or found since: what they have in common (head_alike.h).
    u64 same;
};
u64 head_key_hash(struct tenant_id tenant, struct labels set);
bool head_set_valid(struct labels set);
bool head_series_known(const struct head *h, const struct head_key *k, struct series_ref *ref);
extern const struct map_ops head_series_ops; // Keys are struct head_key.
u64 head_series_hash_of(const void *ctx, u32 index);
extern const struct map_ops head_group_ops;

// A series whose parts are held. Threads: owned by the call.
struct head_series_new {
    struct tenant_id tenant;
    u64 hash;
    u32 group;
    u32 target;
    u32 own;
};
// Into the table and the map; into no set yet.
void head_series_enter(struct head *h, const struct head_series_new *s, u32 ordinal);
// New series of one target, which go into its sets together. Threads: owned by the call.
struct head_births {
    u32 n;
    u32 target;
    u32 ordinals[HEAD_BIRTHS];
};
// Without samples, and without an end (head_end_take). false: there is no room for its symbols.
// births: what waits to go into sets; within one hold of the lock head_births_end follows.
bool head_series_make(struct head *h, const struct head_key *k, u32 ordinal,
                      struct head_births *births);
void head_births_end(struct head *h, struct head_births *births);
// Its open chunk is sealed.
void head_series_forget(struct head *h, u32 ordinal, u64 segment);
void head_series_leave(struct head *h, u32 ordinal); // The same, but nobody may use its slot yet.
void head_slot_reserve(struct head *h, u32 ordinal); // It exists afterwards, free if it did not.
// Whether limits let one more be active, at this ordinal: APPEND_STORED, or the one that does not.
enum append_outcome head_room_judge(const struct head *h, const struct head_asker *asker,
                                    struct labels set, u32 ordinal);
// What a series to be is made of. Threads: owned by the call.
struct head_series_parts {
    u32 group;
    u32 target;
    u32 own;
};
// The usual case: a good set of the target before, of which all is there already. No reference.
bool head_parts_known(struct head *h, const struct head_key *k, struct head_series_parts *out);
// As head_series_make, of these; takes references.
void head_series_make_known(struct head *h, const struct head_key *k,
                            const struct head_series_parts *p, u32 ordinal,
                            struct head_births *births);
void head_freed_add(struct head *h, struct head_freed f);
void head_table_reserve(struct head *h, u32 cap);
u64 head_table_step(const struct head *h, u32 ordinal); // Bytes by which it grows for that one.

// false: there is no room for its symbols. *group: 0 if the set belongs to none.
bool head_group_of(struct head *h, str tenant, struct labels set, u32 *group);
void head_tenant_text(struct head *h, struct tenant_id tenant); // Makes tenant_text.
struct pair_walk head_pair_walk(const struct head *h, u32 ordinal);

// What the shard had before a series was made. Threads: owned by the call.
struct head_room {
    u64 bytes;
    u32 pairs;
};
u64 head_bytes_base(const struct head *h); // All but the sets of the index and the windows: O(1).
void head_room_charge(struct head *h, struct head_room was, u32 ordinal); // Off the room.

#endif
