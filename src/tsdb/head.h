// head.h: one shard of the head: its series, their open chunks and the windows that hold the rest.
//
// There are two shards: what is scraped, pushed and collected, and what rules write (so that
// alerting never waits on ingest). A writer takes the shard's turn, checks its samples (head_check
// plans them), has the log written, then applies the plan. The turn is not a lock: the log's write
// happens while holding it, but with no lock held. The short lock is taken only to change or copy
// what readers see, in slices of HEAD_SLICE.
//
// Series are rows of a table, named by a 32-bit ordinal; nothing is allocated per series.
// An ordinal whose series left is given out again only once no log segment can mention it.
// Invariants:
//   (I1) Only the holder of the turn changes a shard; changes that readers can see happen under
//        the lock as well. So the holder reads without the lock.
//   (I2) A series' in-order samples rise by time; t_last is the newest of them.
//   (I3) A stored sample's time is at least t_floor, below which blocks hold everything.
// Threads: struct head is guarded by `lock` and its turn, as I1 says.
#ifndef TSDB_HEAD_H
#define TSDB_HEAD_H

#include "base/map.h"
#include "model/labels.h"
#include "os/thr.h"
#include "storage/storage.h"
#include "tsdb/head_ends.h"
#include "tsdb/head_gone.h"
#include "tsdb/head_group.h"
#include "tsdb/head_index.h"
#include "tsdb/head_labels.h"
#include "tsdb/head_limits.h"
#include "tsdb/head_pins.h"
#include "tsdb/head_plan.h"
#include "tsdb/head_quota.h"
#include "tsdb/head_row.h"
#include "tsdb/head_window.h"

#include <stdatomic.h>

// The hidden label of the tenant comes first in every series' symbols.
#define HEAD_SLICE       1024U
#define HEAD_LABELS_MAX  512U // Of one series; what comes through the API is bounded lower.
#define HEAD_WINDOWS_MAX 256U

// An ordinal that waits until no segment of the log mentions it. Threads: owned by the turn.
struct head_freed {
    u32 ordinal;
    u64 segment;
};

struct head {
    u32 id;
    i64 range_ms;
    struct head_limits *limits; // Of all shards.
    u32 own_max;                // Of this one: the reserve, for rules and reports, is not in it.
    u32 own_min;                // This many it may always have, whatever the others hold.
    u64 box_own_max;            // The same of the bytes of boxes.
    u64 box_own_min;
    u64 room; // Bytes that new series may take until somebody looks; UINT64_MAX = any.
    struct head_quotas quotas;
    struct lock lock;
    struct cond turn_free;
    bool turn_taken;

    // The series table: `cap` rows, `count` of them ever given out.
    u32 count;
    u32 cap;
    u32 live;
    u32 idle;                  // Of them (head_settle.h).
    struct head_counts seen;   // When head_settle last looked.
    struct head_counts seeing; // Owned by the turn, while it looks.
    struct head_row *rows;
    u64 *hash;   // Of tenant and labels.
    u32 *note;   // Low half of the number of the newest note in pins.
    u32 *target; // The other part of its labels; PART_NONE = there is none.
    struct head_parts parts;
    struct label *items;          // Room for one set, while the lock is held.
    u32 group_made;               // Index + 1 of the newest series' group; 0 = it may be gone.
    struct tenant_id tenant_made; // Of the newest series, and its text.
    str tenant_text;
    char tenant_bytes[16];
    struct map by_labels;
    struct head_ends ends; // Of series that left for cold blocks (head_cold.h).
    struct head_index index;

    struct head_group *groups;
    u32 group_count, group_cap;
    struct map by_group;
    u32 *free_groups;
    u32 free_group_count, free_group_cap;

    u32 *free_ordinals;
    u32 free_count, free_cap;
    struct head_freed *freed;
    u32 freed_count, freed_cap;
    struct head_gone gone;
    u64 slots_dropped;  // Bytes of the table that went back to the system.
    u32 generation_top; // Of all ever given out: a slot that went back begins above it.

    u64 alias_segment; // The log is not truncated within segments up to it. Of the replay.

    u32 *pending; // Series the log does not know yet. Owned by the turn.
    u32 pending_count, pending_cap;

    struct head_window **windows; // Rising by time.
    u32 window_count;
    struct open_cells cells;
    u32 segment_id;
    i64 t_floor;
    i64 t_short; // Before it a row may be short of its end: a start could not believe these.
    i64 t_max;   // T_NEVER when empty.
    struct head_pins pins;

    u64 created_total;
    u64 removed_total;
    u64 stored_total;
};

struct head_rules {
    struct tenant_id tenant; // Of the writer: it may only write to its own series.
    i64 t_newest;            // Beyond it a sample is too new.
    i64 ooo_window_ms;
    bool reserve; // As of struct head_asker.
};

// Ordinals wait before they are used again, so there may be more of them than series; never more
// than this, which is also what a replay believes.
u32 head_slots_max(u32 series_max);

struct head *head_new(u32 id, i64 range_ms, struct head_limits *limits, u64 symbol_bytes_max);
void head_free(struct head *h); // Accepts NULL.

void head_turn_take(struct head *h);
void head_turn_drop(struct head *h);

// Who asks for series. Threads: a value.
struct head_asker {
    struct tenant_id tenant;
    bool reserve; // May use as many series as are kept back, and memory beyond its limit for them.
};
// Finds or makes series; takes the turn only if some are new. Outcomes: stored, a limit, invalid.
void head_resolve(struct head *h, const struct head_asker *asker, const struct labels *sets, u32 n,
                  struct series_ref *refs, u8 *outcomes);
// With the turn: makes a series at this ordinal (replay). Returns where it stands: elsewhere only
// if it is known under another ordinal and has samples there; MAP_NONE if the ordinal is taken or a
// limit refuses.
u32 head_restore(struct head *h, struct tenant_id tenant, struct labels set, u32 ordinal);
// Its job, empty if it has none; borrowed from the symbols. Needs the lock or the turn.
str head_job(const struct head *h, u32 ordinal);
// Tenant and labels (without the hidden one) of a live series, strings borrowed from the symbols.
// Needs the lock or the turn. items has room for head_label_count of it.
static inline bool head_live(const struct head *h, u32 ordinal)
{
    return ordinal < h->count && h->rows[ordinal].own != 0;
}
u32 head_label_count(const struct head *h, u32 ordinal);
u32 head_label_bytes(const struct head *h, u32 ordinal); // Of all names and values.
struct labels head_labels(const struct head *h, u32 ordinal, struct label *items);
// Name and value symbols, the hidden label first: room for 2 * (head_label_count + 1). Their count.
u32 head_label_symbols(const struct head *h, u32 ordinal, u32 *symbols);

// With the turn: how many series at the end of `pending` the log can be told of in so many bytes;
// at least one if there is any.
u32 head_pending_slice(const struct head *h, u64 bytes_max);

// Needs the lock or the turn: whether the writer's reference still names a series of its own.
bool head_ref_alive(const struct head *h, struct tenant_id tenant, struct series_ref ref);
// With the turn. Plans the sample if it is good. value: what is a box is a reference into the plan.
enum append_outcome head_check(struct head *h, struct head_plan *plan,
                               const struct head_rules *rules, struct series_ref ref, i64 t,
                               f64 value);
// The same for the samples of a batch of doubles alone, from this one on, until one looks like a
// reference: that one is left to the caller. Returns where it stopped.
u32 head_check_floats(struct head *h, struct head_plan *plan, const struct head_rules *rules,
                      const struct append_batch *b, u32 from);
void head_unplan(struct head *h, struct head_plan *plan); // Takes back what check noted.
// Makes the plan visible and empties it.
void head_apply(struct head *h, struct head_plan *plan);
void head_seal(struct head *h, u32 ordinal); // With the turn and the lock: what is open.
// Takes the turn by slices. No sample below floor is taken any more; what is open there is
// sealed, and the windows that end at or before it are frozen.
void head_freeze(struct head *h, i64 floor);
// Takes the turn by slices. Drops the windows before floor and the series that have nothing left.
// segment: the log's segment being written now. Returns how many series left.
u32 head_collect(struct head *h, i64 floor, u64 segment);
// With the turn, after a replay: series without samples leave, and every ordinal that is not in use
// waits as if it had just been freed.
void head_restored(struct head *h, u64 segment);
// With the turn: ordinals freed before this segment may be used again.
void head_release(struct head *h, u64 segment_first);

// Without boxes. In slices, O(pairs) after births. look: new series may take the rest of bytes_max.
u64 head_bytes(struct head *h);
u64 head_bytes_look(struct head *h, u64 bytes_max);
i64 window_floor(i64 t, i64 range_ms);
// The window of t, NULL if there is none. Needs the lock or the turn.
struct head_window *head_window_at(const struct head *h, i64 t);

#endif
