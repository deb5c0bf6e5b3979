// tsdb_admin.h: what is done to a store that is open and changes what it keeps: deletion,
// snapshots, retention.
//
// All but the out-of-order window wait for the turn of the background work; clean has it for as
// long as the rewriting of a block takes.
// Threads: from any thread, as tsdb.h says.
#ifndef TSDB_TSDB_ADMIN_H
#define TSDB_TSDB_ADMIN_H

#include "base/base.h"
#include "model/match.h"
#include "model/sample.h"

struct error;
struct tsdb;

// Samples of the series that match all matchers are deleted: at once for readers that come later,
// on disk once a block is rewritten a day after. Durable on return. *id is for tsdb_undelete.
struct tsdb_deletion {
    struct tenant_id tenant;
    const struct matcher *ms;
    u32 count;  // At least one.
    i64 min_ms; // Inclusive.
    i64 max_ms; // Inclusive.
};
bool tsdb_delete(struct tsdb *db, const struct tsdb_deletion *what, u64 *id,
                 struct error *e) MUST_USE;
// ERR_NOT_FOUND if there is none, or nothing of it is left.
bool tsdb_undelete(struct tsdb *db, u64 id, struct error *e) MUST_USE;
// Rewrites now every block that holds samples deleted more than a day ago.
bool tsdb_clean(struct tsdb *db, u32 *blocks, struct error *e) MUST_USE;

// Makes snapshots/NAME in the store's folder: a folder that can be opened as a store, which holds
// what was committed when it was asked for (skip_head: of blocks only). Links what does not change.
#define TSDB_SNAPSHOT_NAME 48
bool tsdb_snapshot(struct tsdb *db, bool skip_head, char name[TSDB_SNAPSHOT_NAME],
                   struct error *e) MUST_USE;

// Series that match keep their samples for another time than the general one.
struct tsdb_class {
    struct tenant_id tenant;
    const struct matcher *ms;
    u32 count;
    i64 keep_ms; // 0 = for ever
};
#define TSDB_CLASSES_MAX 64U
struct tsdb_retention {
    i64 ms;           // 0 = for ever
    u64 bytes;        // Of all blocks; 0 = no limit
    u32 disk_percent; // The same as a share of the disk; the lower of both counts. 0 = no limit
    const struct tsdb_class *classes; // The first that matches counts.
    u32 class_count;
};
// May change at any time, as at a reload. Copied; on failure what was before stays.
bool tsdb_set_retention(struct tsdb *db, const struct tsdb_retention *r, struct error *e) MUST_USE;
// So may the out-of-order window; it holds for the commits that follow.
void tsdb_set_ooo_window(struct tsdb *db, i64 ooo_window_ms);

#endif
