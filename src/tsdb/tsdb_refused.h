// tsdb_refused.h: what limits refused, counted by reason, tenant and job; private to the folder.
//
// Memory: at most a thousand jobs and reasons in each family; what is more is counted together.
// Threads: any; the counters are the registry's.
#ifndef TSDB_TSDB_REFUSED_H
#define TSDB_TSDB_REFUSED_H

#include "model/labels.h"
#include "model/sample.h"
#include "storage/storage.h"

struct head;
struct tsdb;

void tsdb_refused_register(struct tsdb *db); // There is a registry.
// The answers to a resolve: new series.
void tsdb_refused_sets(struct tsdb *db, struct tenant_id tenant, const struct labels *sets,
                       const u8 *outcomes, u32 n);
// The outcomes of a commit: samples of known series. Takes the head's lock for each refused one.
void tsdb_refused_batch(struct tsdb *db, struct head *h, struct tenant_id tenant,
                        const struct append_batch *b);

#endif
