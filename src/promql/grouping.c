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

// What was found out of series whose texts are the same ones (label_texts.h): neighbours have the
// same names, and few different values stand where it matters. Threads: owned by the call.
enum { MEMO_LABELS = 4, MEMO_ENTRIES = 64 };
struct group_memo {
    struct labels like;  // Whose names were looked at last,
    u32 pattern;         // for the so manieth time,
    u32 at[MEMO_LABELS]; // and which of its labels are kept.
    u32 count;
    bool fits; // No more are kept than there is room for.
    struct {
        u32 pattern;
        u32 group;
        str values[MEMO_LABELS];
    } entries[MEMO_ENTRIES];
};

static bool names_same(struct labels a, struct labels b)
{
    bool same = a.count == b.count;
    for (u32 i = 0; same && i < a.count; i++) {
        same = str_same(a.items[i].name, b.items[i].name);
    }
    return same;
}

// Labels of other names: which of them are kept?
static void memo_turn(struct group_memo *m, const struct label_rule *rule, struct labels ls)
{
    m->like = ls;
    m->pattern++;
    m->count = 0;
    m->fits = true;
    for (u32 i = 0, k = 0; i < ls.count && m->fits; i++) {
        while (k < rule->count && str_cmp(rule->names[k], ls.items[i].name) < 0) {
            k++;
        }
        if (k == rule->count || !str_eq(rule->names[k], ls.items[i].name)) {
            continue;
        }
        m->fits = m->count < MEMO_LABELS;
        if (m->fits) {
            m->at[m->count++] = i;
        }
    }
}

// Where the group of these labels stands, if anywhere; NULL: it is not kept.
static u32 *memo_place(struct group_memo *m, const struct label_rule *rule, struct labels ls,
                       bool *known)
{
    u64 hash = 0;
    if (!names_same(m->like, ls)) {
        memo_turn(m, rule, ls);
    }
    if (!m->fits) {
        return NULL;
    }
    for (u32 k = 0; k < m->count; k++) {
        hash = (hash ^ (uintptr_t)ls.items[m->at[k]].value.ptr) * 0x9e3779b97f4a7c15ULL;
    }
    const u32 at = (u32)(hash >> 58) % MEMO_ENTRIES;
    *known = m->entries[at].pattern == m->pattern;
    for (u32 k = 0; k < m->count; k++) {
        const str value = ls.items[m->at[k]].value;
        *known = *known && str_same(m->entries[at].values[k], value);
        m->entries[at].values[k] = value;
    }
    m->entries[at].pattern = m->pattern;
    return &m->entries[at].group;
}

static bool group_find(struct grouping *g, struct run *r, struct labels of, u32 *group)
{
    struct labels ls;
    arena_reset(r->scratch);
    if (!label_rule_apply(&g->rule, r, of, &ls)) {
        return false;
    }
    *group = slots_put(&g->slots, r, ls);
    return *group != SLOT_NONE;
}

bool grouping_begin(struct grouping *g, struct run *r)
{
    slots_init(&g->slots, r);
    g->memo = RUN_NEW(r, struct group_memo);
    return g->memo != NULL;
}

bool grouping_add(struct grouping *g, struct run *r, struct labels ls, u32 *group)
{
    bool known = false;
    if (g->rule.keep && g->rule.count == 0 && g->slots.count > 0) { // All are one.
        *group = 0;
        return true;
    }
    u32 *place = g->rule.keep ? memo_place(g->memo, &g->rule, ls, &known) : NULL;
    if (known) {
        *group = *place;
        return true;
    }
    if (!group_find(g, r, ls, group)) {
        return false;
    }
    if (place) {
        *place = *group;
    }
    return true;
}

bool grouping_make(struct grouping *g, struct run *r, const struct op_series *series, u32 count)
{
    g->group_of = RUN_NEW_N(r, u32, MAX(count, 1U));
    if (!g->group_of || !grouping_begin(g, r)) {
        return false;
    }
    if (g->rule.keep && g->rule.count == 0) { // All are one; there may be no labels.
        return count == 0 || slots_put(&g->slots, r, (struct labels){.items = NULL}) == 0;
    }
    for (u32 i = 0; i < count; i++) {
        if (!grouping_add(g, r, series[i].labels, &g->group_of[i])) {
            return false;
        }
    }
    return true;
}
