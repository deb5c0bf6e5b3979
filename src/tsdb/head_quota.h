// head_quota.h: how many series of a shard are of one tenant, one job or one metric, where there is
// a limit on it.
//
// Counts are exact: a series is added when it is made and taken off when it leaves. A kind without
// a limit costs nothing.
// Costs: O(1) look-ups a series. Memory: 16 bytes and a place in a map for each tenant, job and
// metric name that has series.
// Threads: guarded by the shard's turn and lock, as its series are.
#ifndef TSDB_HEAD_QUOTA_H
#define TSDB_HEAD_QUOTA_H

#include "base/map.h"
#include "model/labels.h"
#include "model/sample.h"
#include "storage/storage.h"

struct symtab;

enum quota_kind { QUOTA_TENANT, QUOTA_JOB, QUOTA_METRIC, QUOTA_KINDS };

// Threads: as above.
struct head_quotas {
    u32 max[QUOTA_KINDS]; // 0 = no limit. Set before the first series.
    const struct symtab *symbols;
    struct quota_row *rows;
    u32 count;
    u32 cap;
    u32 free; // Chained.
    struct map by_key;
};
void head_quotas_init(struct head_quotas *q, const struct symtab *symbols);
void head_quotas_fini(struct head_quotas *q);
static inline bool head_quotas_any(const struct head_quotas *q)
{
    return q->max[QUOTA_TENANT] > 0 || q->max[QUOTA_JOB] > 0 || q->max[QUOTA_METRIC] > 0;
}

// APPEND_STORED, or the limit that refuses one more series with these labels.
enum append_outcome head_quotas_judge(const struct head_quotas *q, struct tenant_id tenant,
                                      struct labels set);
// Its labels have symbols.
void head_quotas_add(struct head_quotas *q, struct tenant_id tenant, struct labels set);
void head_quotas_remove(struct head_quotas *q, struct tenant_id tenant, struct labels set);

#endif
