// meta_table.h: type, help and unit of metric families, the last word of each.
//
// set and same O(1) expected. Memory: the texts, of META_ROWS_MAX families at most.
// Threads: guarded by the db's lock.
#ifndef TSDB_META_TABLE_H
#define TSDB_META_TABLE_H

#include "base/map.h"
#include "model/sample.h"

// Type, help and unit by family. Threads: guarded by the db's lock.
struct meta_table {
    struct meta_row {
        struct tenant_id tenant;
        struct metadata m; // Strings of its own.
    } * rows;
    u32 count;
    u32 cap;
    struct map by_name;
};
void meta_table_init(struct meta_table *t);
void meta_table_fini(struct meta_table *t);
bool meta_table_same(const struct meta_table *t, struct tenant_id tenant, const struct metadata *m);
void meta_table_set(struct meta_table *t, struct tenant_id tenant, const struct metadata *m);

#define META_ROWS_MAX 100000U

#endif
