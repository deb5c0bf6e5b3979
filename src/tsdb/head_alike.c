#include "tsdb/head_alike.h"

#include "base/hash.h"
#include "base/str.h"

static bool text_same(str a, str b)
{
    return str_same(a, b) || str_eq(a, b);
}

u64 head_alike_next(struct head_alike *a, struct labels set, u64 *same)
{
    const struct label *before = a->before.items;
    const u32 shared = MIN(set.count, a->before.count);
    bool names = set.count == a->before.count;
    u64 values = 1;
    u64 hash = 0;
    if (set.count > ALIKE_LABELS_MAX) {
        a->before = (struct labels){0};
        *same = 0;
        return labels_hash(set);
    }
    for (u32 k = 0; k < set.count; k++) {
        const struct label *l = &set.items[k];
        if (k >= shared || !text_same(l->name, before[k].name)) {
            names = false;
            a->names[k] = hash_str(l->name);
        }
        if (k < shared && text_same(l->value, before[k].value)) {
            values |= (u64)2 << k;
        } else {
            a->values[k] = hash_str(l->value);
        }
        hash = hash_mix(hash_mix(hash, a->names[k]), a->values[k]);
    }
    a->before = set;
    *same = names ? values : 0;
    return hash;
}
