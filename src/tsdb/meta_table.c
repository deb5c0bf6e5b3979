#include "tsdb/meta_table.h"

#include "base/hash.h"
#include "base/str.h"

// Threads: owned by one look-up.
struct meta_key {
    struct tenant_id tenant;
    str name;
};

static u64 key_hash(struct tenant_id tenant, str name)
{
    return hash_mix(tenant.v, hash_str(name));
}

static bool row_eq(const void *ctx, u32 index, const void *key)
{
    const struct meta_table *t = ctx;
    const struct meta_key *k = key;
    return t->rows[index].tenant.v == k->tenant.v && str_eq(t->rows[index].m.name, k->name);
}

static u64 row_hash(const void *ctx, u32 index)
{
    const struct meta_table *t = ctx;
    return key_hash(t->rows[index].tenant, t->rows[index].m.name);
}

static const struct map_ops meta_ops = {.eq = row_eq, .hash_of = row_hash};

void meta_table_init(struct meta_table *t)
{
    *t = (struct meta_table){0};
    map_init(&t->by_name, &meta_ops, t);
}

static void row_free(struct meta_row *r)
{
    mem_free(r->m.name.ptr); // The three texts are one block.
}

void meta_table_fini(struct meta_table *t)
{
    for (u32 i = 0; i < t->count; i++) {
        row_free(&t->rows[i]);
    }
    mem_free(t->rows);
    map_fini(&t->by_name);
}

static u32 row_find(const struct meta_table *t, struct tenant_id tenant, str name)
{
    struct meta_key k = {.tenant = tenant, .name = name};
    return map_get(&t->by_name, key_hash(tenant, name), &k);
}

bool meta_table_same(const struct meta_table *t, struct tenant_id tenant, const struct metadata *m)
{
    u32 at = row_find(t, tenant, m->name);
    return at != MAP_NONE && t->rows[at].m.type == m->type && str_eq(t->rows[at].m.help, m->help) &&
           str_eq(t->rows[at].m.unit, m->unit);
}

static str put(char **at, str s)
{
    str copy = {*at, s.len};
    if (s.len > 0) {
        memcpy(*at, s.ptr, s.len);
    }
    *at += s.len;
    return copy;
}

static void row_set(struct meta_row *r, struct tenant_id tenant, const struct metadata *m)
{
    char *block = MEM_NEW_N(char, m->name.len + m->help.len + m->unit.len + 1);
    r->tenant = tenant;
    r->m.type = m->type;
    r->m.name = put(&block, m->name);
    r->m.help = put(&block, m->help);
    r->m.unit = put(&block, m->unit);
}

void meta_table_set(struct meta_table *t, struct tenant_id tenant, const struct metadata *m)
{
    u32 at = row_find(t, tenant, m->name);
    if (at != MAP_NONE) {
        struct meta_row old = t->rows[at];
        row_set(&t->rows[at], tenant, m);
        row_free(&old);
        return;
    }
    if (t->count == META_ROWS_MAX) {
        return;
    }
    if (t->count == t->cap) {
        t->cap = MAX(64U, t->cap * 2);
        t->rows = MEM_GROW(t->rows, t->cap, struct meta_row);
    }
    at = t->count++;
    row_set(&t->rows[at], tenant, m);
    map_put(&t->by_name, key_hash(tenant, m->name), at);
}
