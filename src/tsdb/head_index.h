// head_index.h: the head's symbols and postings: label pair → set of series, name → its pairs.
//
// Every pair in use has a dense id. Whoever holds an id drops it when the pair's last series has
// left; then it is given out again.
// Memory: a posting set per pair, 24 bytes beside it (56 where an order is kept), and the symbols,
// which are kept until the head is closed (bounded by bytes_max).
// Threads: guarded by the shard's lock.
#ifndef TSDB_HEAD_INDEX_H
#define TSDB_HEAD_INDEX_H

#include "base/map.h"
#include "model/symtab.h"

#include <stdatomic.h>

struct postings;

// One value of a name.
struct head_value {
    u64 handle;
    u32 place;      // Of its text, as symtab_place tells.
    u32 first;      // One of its series, the least when it was looked for,
    u32 generation; // while the row is of this generation. 0: none was found.
    i64 seen_ms;    // Of a sample that it had then; T_NEVER: of none.
};
// All values of a name by their texts. Threads: frozen; refs atomic; missed guarded by the shard's
// lock.
struct head_order {
    _Atomic u32 refs;
    u32 count;
    u64 removed; // While the shard has removed no more series than so many, all firsts stand.
    u64 commit;  // Who reads as of this commit or a later one sees all samples that were seen.
    u64 missed;  // What looks around this cost since, in rows read.
    struct head_value items[];
};
struct head_order *head_order_new(u32 count); // One reference, items zeroed.
struct head_order *head_order_ref(struct head_order *o);
void head_order_unref(struct head_order *o); // Accepts NULL.

// Threads: guarded by the shard's lock.
struct head_pair {
    u32 name;     // Index into names; the next free pair when set is NULL.
    u32 value;    // Symbol.
    u32 position; // Where it stands in its name's list.
    u32 uses;     // How often it was given out: a handle tells of which time it is.
    struct postings *set;
};

// Threads: guarded by the shard's lock.
struct head_name {
    u32 symbol;
    u32 *pairs;
    u32 count;
    u32 cap;
    struct head_order *order; // NULL: nobody asked since a value came or left.
    u32 changes;              // How often one did.
};

// Threads: guarded by the shard's lock.
struct head_index {
    struct symtab *symbols;
    struct head_pair *pairs;
    u32 pair_count;
    u32 pair_cap;
    u32 pair_free; // Head of the free chain, MAP_NONE if none.
    u32 pairs_live;
    u32 ordered; // Pairs in all orders that are kept.
    struct head_name *names;
    u32 name_count;
    u32 name_cap;
    struct map by_pair;
    struct map by_name;
    u64 sets_bytes;  // When they were looked at last,
    u64 sets_births; // with so many series made and removed.
};

void head_index_init(struct head_index *x, u64 symbol_bytes_max);
void head_index_fini(struct head_index *x);

// The id of a pair, made without series if it is new.
u32 head_index_pair_make(struct head_index *x, u32 name_symbol, u32 value_symbol);
void head_index_pair_drop(struct head_index *x, u32 pair); // If no series has it.

u32 head_index_pair(const struct head_index *x, str name, str value); // MAP_NONE if absent.
// What a reader may keep while it does not hold the lock. A pair whose last series has left may be
// given out for another one meanwhile: its old handle then has no postings (NULL) ever after.
static inline u64 head_index_handle(const struct head_index *x, u32 pair)
{
    return (u64)x->pairs[pair].uses << 32 | pair;
}
static inline const struct postings *head_index_postings(const struct head_index *x, u64 handle)
{
    const struct head_pair *p = &x->pairs[(u32)handle];
    return p->uses == (u32)(handle >> 32) ? p->set : NULL;
}
// NULL if absent.
const struct head_name *head_index_name(const struct head_index *x, str name);
// Keeps an order of all pairs of the name, in place of what was kept, if no value has come or left
// since `changes`: then it takes a reference.
bool head_index_order_keep(struct head_index *x, u32 name, u32 changes, struct head_order *order);
// Memory held: O(1) without the sets, and that of the sets of pairs [from, to).
u64 head_index_bytes_base(const struct head_index *x);
u64 head_index_bytes_sets(const struct head_index *x, u32 from, u32 to);

#endif
