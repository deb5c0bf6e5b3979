// head_quota.c: see head_quota.h.
#include "tsdb/head_quota.h"

#include "base/hash.h"
#include "model/symtab.h"

// Threads: as struct head_quotas.
struct quota_row {
    u32 kind;
    u32 tenant;
    u32 symbol; // Of the job or the name; the next free row.
    u32 series;
};

static u64 key_hash(const struct quota_row *k)
{
    return hash_mix(hash_mix(k->kind, k->tenant), k->symbol);
}

static bool row_eq(const void *ctx, u32 index, const void *key)
{
    const struct head_quotas *q = ctx;
    const struct quota_row *k = key;
    const struct quota_row *r = &q->rows[index];
    return r->kind == k->kind && r->tenant == k->tenant && r->symbol == k->symbol;
}

static u64 row_hash(const void *ctx, u32 index)
{
    const struct head_quotas *q = ctx;
    return key_hash(&q->rows[index]);
}

static const struct map_ops quota_ops = {.eq = row_eq, .hash_of = row_hash};

void head_quotas_init(struct head_quotas *q, const struct symtab *symbols)
{
    *q = (struct head_quotas){.symbols = symbols, .free = MAP_NONE};
    map_init(&q->by_key, &quota_ops, q);
}

void head_quotas_fini(struct head_quotas *q)
{
    mem_free(q->rows);
    map_fini(&q->by_key);
    *q = (struct head_quotas){0};
}

// false: there is no limit of this kind, or the set has no such label, or nobody has it.
static bool key_of(const struct head_quotas *q, enum quota_kind kind, struct tenant_id tenant,
                   struct labels set, struct quota_row *key)
{
    *key = (struct quota_row){.kind = kind, .tenant = tenant.v};
    if (q->max[kind] == 0) {
        return false;
    }
    if (kind == QUOTA_TENANT) {
        return true;
    }
    const str text = labels_get(set, kind == QUOTA_JOB ? LABEL_JOB : LABEL_NAME);
    key->symbol = text.len > 0 ? symtab_find(q->symbols, text) : SYMBOL_NONE;
    return key->symbol != SYMBOL_NONE;
}

enum append_outcome head_quotas_judge(const struct head_quotas *q, struct tenant_id tenant,
                                      struct labels set)
{
    static const enum append_outcome outcomes[QUOTA_KINDS] = {[QUOTA_TENANT] = APPEND_LIMIT_TENANT,
                                                              [QUOTA_JOB] = APPEND_LIMIT_JOB,
                                                              [QUOTA_METRIC] = APPEND_LIMIT_METRIC};
    for (u32 kind = 0; kind < QUOTA_KINDS; kind++) {
        struct quota_row key;
        if (key_of(q, (enum quota_kind)kind, tenant, set, &key)) {
            const u32 at = map_get(&q->by_key, key_hash(&key), &key);
            if (at != MAP_NONE && q->rows[at].series >= q->max[kind]) {
                return outcomes[kind];
            }
        }
    }
    return APPEND_STORED;
}

static u32 row_make(struct head_quotas *q, const struct quota_row *key)
{
    u32 at = q->free;
    if (at != MAP_NONE) {
        q->free = q->rows[at].symbol;
    } else {
        if (q->count == q->cap) {
            q->cap = MAX(64U, q->cap * 2);
            q->rows = MEM_GROW(q->rows, q->cap, struct quota_row);
        }
        at = q->count++;
    }
    q->rows[at] = *key;
    map_put(&q->by_key, key_hash(key), at);
    return at;
}

void head_quotas_add(struct head_quotas *q, struct tenant_id tenant, struct labels set)
{
    for (u32 kind = 0; kind < QUOTA_KINDS; kind++) {
        struct quota_row key;
        if (key_of(q, (enum quota_kind)kind, tenant, set, &key)) {
            const u32 at = map_get(&q->by_key, key_hash(&key), &key);
            const u32 row = at == MAP_NONE ? row_make(q, &key) : at;
            q->rows[row].series++;
        }
    }
}

void head_quotas_remove(struct head_quotas *q, struct tenant_id tenant, struct labels set)
{
    for (u32 kind = 0; kind < QUOTA_KINDS; kind++) {
        struct quota_row key;
        if (!key_of(q, (enum quota_kind)kind, tenant, set, &key)) {
            continue;
        }
        const u32 at = map_get(&q->by_key, key_hash(&key), &key);
        CHECK(at != MAP_NONE && q->rows[at].series > 0);
        if (--q->rows[at].series == 0) {
            CHECK(map_del(&q->by_key, key_hash(&key), &key));
            q->rows[at].symbol = q->free;
            q->free = at;
        }
    }
}
