// grouping.c: see grouping.h.
#include "promql/grouping.h"

#include "base/arena.h"
#include "base/str.h"
#include "promql/query_run.h"

#include <stdlib.h>

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

bool label_rule_make(struct run *r, const str *names, u32 count, str extra, bool keep,
                     struct label_rule *out)
{
    str *sorted = RUN_NEW_N(r, str, (u64)count + 1);
    if (!sorted) {
        return false;
    }
    if (count > 0) {
        memcpy(sorted, names, count * sizeof(str));
    }
    if (extra.len > 0) {
        sorted[count++] = extra;
    }
    if (count > 1) {
        qsort(sorted, count, sizeof(str), by_text);
    }
    *out = (struct label_rule){.names = sorted, .count = count, .keep = keep};
    return true;
}

bool label_rule_apply(const struct label_rule *rule, struct run *r, struct labels from,
                      struct labels *to)
{
    if (!run_room(r, from.count * sizeof(struct label))) {
        return false;
    }
    *to = rule->keep ? labels_keep(r->scratch, from, rule->names, rule->count)
                     : labels_drop(r->scratch, from, rule->names, rule->count);
    return true;
}

bool grouping_make(struct grouping *g, struct run *r, const struct op_series *series, u32 count)
{
    slots_init(&g->slots, r);
    g->group_of = RUN_NEW_N(r, u32, MAX(count, 1U));
    if (!g->group_of) {
        return false;
    }
    if (g->rule.keep && g->rule.count == 0) { // All are one.
        return count == 0 || slots_put(&g->slots, r, (struct labels){.items = NULL}) == 0;
    }
    for (u32 i = 0; i < count; i++) {
        struct labels ls;
        arena_reset(r->scratch);
        if (!label_rule_apply(&g->rule, r, series[i].labels, &ls)) {
            return false;
        }
        g->group_of[i] = slots_put(&g->slots, r, ls);
        if (g->group_of[i] == SLOT_NONE) {
            return false;
        }
    }
    return true;
}
