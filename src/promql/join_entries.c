// join_entries.c: signatures of both sides of a join, and the labels that come out.
//
// Cost: once per query, O(series). Memory: entries of the run, none per step.
// Threads: owned by the run.
#include "base/arena.h"
#include "base/str.h"
#include "promql/op_join.h"

static u32 *sign(struct op_join *o, struct run *r, const struct op *side)
{
    u32 *slot = RUN_NEW_N(r, u32, MAX(side->series_count, 1U));
    for (u32 i = 0; slot && i < side->series_count; i++) {
        struct labels ls;
        arena_reset(r->scratch);
        if (!label_rule_apply(&o->rule, r, side->series[i].labels, &ls)) {
            return NULL;
        }
        slot[i] = slots_put(&o->slots, r, ls);
        if (slot[i] == SLOT_NONE) {
            return NULL;
        }
    }
    return slot;
}

// The labels of a result: the many side's, as the matching leaves them, and what is included from
// the one side.
static bool result_labels(const struct op_join *o, struct run *r, struct labels many,
                          struct labels one, struct labels *out)
{
    const struct vector_matching *m = o->matching;
    bool drop_name =
        o->op < OP_EQ || (o->expr->binary.return_bool && !r->opts->delayed_name_removal);
    u64 bytes = (u64)(many.count + m->include_count + 2) * sizeof(struct label);
    if (!run_room(r, 3 * bytes) || (drop_name && !op_strip_name(r, many, &many))) {
        return false;
    }
    if (join_is_one_to_one(o)) {
        // The rule of an ignoring clause takes the name too; here it stays if it was not dropped.
        struct labels_builder b;
        labels_builder_init(&b, r->arena, many);
        for (u32 i = 0; i < m->label_count && !m->on; i++) {
            labels_builder_del(&b, m->labels[i]);
        }
        many = m->on ? labels_keep(r->arena, many, o->rule.names, o->rule.count)
                     : labels_builder_take(&b);
    }
    if (m->include_count > 0) {
        struct labels_builder b;
        labels_builder_init(&b, r->arena, many);
        for (u32 i = 0; i < m->include_count; i++) {
            labels_builder_set(&b, m->include[i], labels_get(one, m->include[i]));
        }
        many = labels_builder_take(&b);
    }
    *out = many;
    return true;
}

static bool add_entry(struct op_join *o, struct run *r, struct join_entry x)
{
    if (o->entry_count == o->entry_cap) {
        u32 cap = MAX(64U, o->entry_cap * 2);
        struct join_entry *grown = run_grow(r, o->entries, o->entry_cap, cap, sizeof(*grown));
        if (!grown) {
            return false;
        }
        o->entries = grown;
        o->entry_cap = cap;
    }
    o->entries[o->entry_count++] = x;
    return true;
}

// An entry for this pair unless the series has one with these labels already.
static bool add_pair(struct op_join *o, struct run *r, u32 many, struct labels one, u32 from)
{
    struct join_entry x = {.many = many};
    if (!result_labels(o, r, o->many->series[many].labels, one, &x.labels)) {
        return false;
    }
    for (u32 i = from; i < o->entry_count; i++) {
        if (labels_eq(o->entries[i].labels, x.labels)) {
            return true;
        }
    }
    return add_entry(o, r, x);
}

// Series of the one side, listed by signature. Threads: owned.
struct by_slot {
    u32 *starts;
    u32 *series;
};

static bool list_one(struct op_join *o, struct run *r, struct by_slot *b)
{
    u32 count = o->one->series_count;
    b->starts = RUN_NEW_N(r, u32, (u64)o->slots.count + 2);
    b->series = RUN_NEW_N(r, u32, MAX(count, 1U));
    if (!b->starts || !b->series) {
        return false;
    }
    for (u32 i = 0; i < count; i++) {
        b->starts[o->one_slot[i] + 2]++;
    }
    for (u32 s = 2; s < o->slots.count + 2; s++) {
        b->starts[s] += b->starts[s - 1];
    }
    for (u32 i = 0; i < count; i++) {
        b->series[b->starts[o->one_slot[i] + 1]++] = i;
    }
    return true;
}

static bool list_entries(struct op_join *o, struct run *r)
{
    struct by_slot ones;
    if (!list_one(o, r, &ones)) {
        return false;
    }
    bool includes = o->matching->include_count > 0;
    for (u32 i = 0; i < o->many->series_count; i++) {
        u32 slot = o->many_slot[i];
        u32 from = o->entry_count;
        u32 first = ones.starts[slot];
        u32 last = includes ? ones.starts[slot + 1] : MIN(first + 1, ones.starts[slot + 1]);
        for (u32 k = first; k < last; k++) {
            if (!add_pair(o, r, i, o->one->series[ones.series[k]].labels, from)) {
                return false;
            }
        }
        if (join_has_one_fill(o) && !add_pair(o, r, i, join_filled_labels(o, slot), from)) {
            return false;
        }
    }
    for (u32 i = 0; i < o->one->series_count && join_has_many_fill(o); i++) {
        struct join_entry x = {.many = i, .is_fill = true};
        if (!result_labels(o, r, join_filled_labels(o, o->one_slot[i]), o->one->series[i].labels,
                           &x.labels) ||
            !add_entry(o, r, x)) {
            return false;
        }
    }
    return true;
}

static u32 entry_slot(const struct op_join *o, const struct join_entry *x)
{
    return x->is_fill ? o->one_slot[x->many] : o->many_slot[x->many];
}

// In grouped matching two series of one signature may not give the same labels at the same step.
static bool share_taken(struct op_join *o, struct run *r)
{
    struct slots *seen = RUN_NEW(r, struct slots); // Lives as long as the run does.
    u32 *first = RUN_NEW_N(r, u32, MAX(o->entry_count, 1U));
    if (!seen || !first) {
        return false;
    }
    slots_init(seen, r);
    for (u32 i = 0; i < o->entry_count; i++) {
        u32 known = seen->count;
        u32 slot = slots_put(seen, r, o->entries[i].labels);
        if (slot == SLOT_NONE) {
            return false;
        }
        if (slot == known) {
            first[slot] = i;
            continue;
        }
        struct join_entry *before = &o->entries[first[slot]];
        if (entry_slot(o, before) != entry_slot(o, &o->entries[i])) {
            continue;
        }
        if (!before->taken) {
            before->taken = RUN_NEW_N(r, u64, MAX(o->words, 1U));
        }
        o->entries[i].taken = before->taken;
        if (!before->taken) {
            return false;
        }
    }
    return true;
}

bool join_entries_make(struct op_join *o, struct run *r)
{
    slots_init(&o->slots, r);
    o->many_slot = sign(o, r, o->many);
    o->one_slot = o->many_slot ? sign(o, r, o->one) : NULL;
    return o->one_slot && list_entries(o, r) && (join_is_one_to_one(o) || share_taken(o, r));
}
