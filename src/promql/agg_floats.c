// agg_floats.c: see agg_floats.h.
#include "promql/agg_floats.h"

#include "model/kahan.h"
#include "promql/float_avx2.h"
#include "promql/kahan_pair.h"
#include "promql/query_run.h"

bool agg_floats_knows(enum aggregate_op op)
{
    return op == AGG_SUM || op == AGG_COUNT || op == AGG_GROUP || op == AGG_MIN || op == AGG_MAX;
}

void agg_floats_init(struct agg_floats *a, enum aggregate_op op, u32 steps)
{
    *a = (struct agg_floats){.op = op, .steps = steps};
}

bool agg_floats_grow(struct agg_floats *a, struct run *r, u32 groups)
{
    if (groups > a->cap) {
        const u32 cap = MAX(groups, a->cap * 2);
        struct agg_row *rows = run_grow(r, a->rows, a->count, cap, sizeof(*rows));
        if (!rows) {
            return false;
        }
        a->rows = rows;
        a->cap = cap;
    }
    for (; a->count < groups; a->count++) {
        struct agg_row *row = &a->rows[a->count];
        row->values = RUN_NEW_N(r, f64, a->steps);
        row->lost = a->op == AGG_SUM ? RUN_NEW_N(r, f64, a->steps) : NULL;
        row->has = RUN_NEW_N(r, u64, column_words(a->steps));
        if (r->failed) {
            return false;
        }
    }
    return true;
}

// One more value where there is one.
static void sum_one(f64 *sum, f64 *lost, f64 v)
{
    struct kahan k = {.sum = *sum, .lost = *lost};
    kahan_add(&k, v);
    *sum = k.sum;
    *lost = k.lost;
}

static void fold_one(enum aggregate_op op, f64 *value, f64 v)
{
    if (op == AGG_COUNT) {
        ++*value;
    } else if (op == AGG_MIN) {
        *value = *value > v || isnan(*value) ? v : *value;
    } else if (op == AGG_MAX) {
        *value = *value < v || isnan(*value) ? v : *value;
    }
}

static f64 first_of(enum aggregate_op op, f64 v)
{
    return op == AGG_COUNT || op == AGG_GROUP ? 1 : v;
}

// The same of n steps from `begun` on.
static void sum_pairs(f64 *values, f64 *lost, const f64 *v, u32 begun, u32 n)
{
    u32 i = begun;
    for (; i + 2 <= n; i += 2) {
        f64_pair sum = pair_load(values + i);
        f64_pair cost = pair_load(lost + i);
        pair_add(&sum, &cost, pair_load(v + i));
        pair_store(values + i, sum);
        pair_store(lost + i, cost);
    }
    if (i < n) {
        sum_one(&values[i], &lost[i], v[i]);
    }
}

// Columns that have a value at each of n steps, one column after the other.
static void sum_columns(f64 *values, f64 *lost, const f64 *const *columns, u32 count, u32 n)
{
    const u32 done = avx2_sum(values, lost, columns, count, n);
    for (u32 k = 0; k < count; k++) {
        sum_pairs(values, lost, columns[k], done, n);
    }
}

static void extreme_stretch(enum aggregate_op op, f64 *values, const f64 *v, u32 n)
{
    u32 i = 0;
    for (; i + 2 <= n; i += 2) {
        f64_pair old = pair_load(values + i);
        f64_pair new = pair_load(v + i);
        i64_pair wins = op == AGG_MIN ? old > new : old < new;
        wins |= old != old; // NOLINT(misc-redundant-expression): a NaN is not what it is.
        pair_store(values + i, pair_choose(wins, new, old));
    }
    if (i < n) {
        fold_one(op, &values[i], v[i]);
    }
}

// n steps from `at` on that have a value on both sides.
static void fold_stretch(const struct agg_floats *a, const struct agg_row *row, u32 at,
                         const f64 *v, u32 n)
{
    f64 *values = row->values + at;
    if (a->op == AGG_SUM) {
        sum_columns(values, row->lost + at, &v, 1, n);
    } else if (a->op == AGG_MIN || a->op == AGG_MAX) {
        extreme_stretch(a->op, values, v, n);
    } else if (a->op == AGG_COUNT) {
        for (u32 i = 0; i < n; i++) {
            values[i]++;
        }
    }
}

static void start_stretch(const struct agg_floats *a, const struct agg_row *row, u32 at,
                          const f64 *v, u32 n)
{
    if (a->op == AGG_COUNT || a->op == AGG_GROUP) {
        for (u32 i = 0; i < n; i++) {
            row->values[at + i] = 1;
        }
    } else {
        memcpy(row->values + at, v, n * sizeof(*v));
    }
}

void agg_floats_put(struct agg_floats *a, u32 group, u32 step, f64 v)
{
    const struct agg_row *row = &a->rows[group];
    if (!bits_has(row->has, step)) {
        bits_set(row->has, step);
        row->values[step] = first_of(a->op, v);
    } else if (row->lost) {
        sum_one(&row->values[step], &row->lost[step], v);
    } else {
        fold_one(a->op, &row->values[step], v);
    }
}

void agg_floats_put_all(struct agg_floats *a, u32 group, u32 step, const f64 *v, u32 n)
{
    if (n == 0) {
        return;
    }
    agg_floats_put(a, group, step, v[0]);
    const struct agg_row *row = &a->rows[group];
    f64 *value = &row->values[step];
    if (row->lost) {
        struct kahan k = {.sum = *value, .lost = row->lost[step]};
        for (u32 i = 1; i < n; i++) {
            kahan_add(&k, v[i]);
        }
        *value = k.sum;
        row->lost[step] = k.lost;
    } else if (a->op == AGG_COUNT) {
        *value += n - 1; // A whole number that a double has room for.
    } else {
        f64 folded = *value;
        for (u32 i = 1; i < n; i++) {
            fold_one(a->op, &folded, v[i]);
        }
        *value = folded;
    }
}

// How many bits from the lowest set one on are set.
static u32 run_of(u64 bits, u32 low)
{
    u64 gaps = ~(bits >> low);
    return gaps == 0 ? 64 : (u32)__builtin_ctzll(gaps);
}

// The bits less that run: adding its lowest bit carries through it.
static u64 without_run(u64 bits)
{
    return bits & (bits + (bits & (~bits + 1)));
}

// At most 64 steps, from a multiple of 64 on.
static void fold_word(const struct agg_floats *a, const struct agg_row *row, u32 from, const f64 *v,
                      u64 come)
{
    u64 *here = &row->has[from / 64];
    for (u64 both = come & *here; both != 0; both = without_run(both)) {
        u32 low = (u32)__builtin_ctzll(both);
        fold_stretch(a, row, from + low, v + from + low, run_of(both, low));
    }
    for (u64 fresh = come & ~*here; fresh != 0; fresh = without_run(fresh)) {
        u32 low = (u32)__builtin_ctzll(fresh);
        start_stretch(a, row, from + low, v + from + low, run_of(fresh, low));
    }
    *here |= come;
}

// The same of several columns, one after the other.
static void fold_words(const struct agg_floats *a, const struct agg_row *row, u32 from,
                       const struct column *const *columns, u32 count)
{
    const u32 steps = MIN(64U, a->steps - from);
    const u64 all = UINT64_MAX >> (64 - steps);
    const f64 *values[AGG_COLUMNS_MAX];
    u64 common = row->has[from / 64] & all;
    for (u32 k = 0; k < count; k++) {
        common &= columns[k]->present[from / 64];
        values[k] = columns[k]->values + from;
    }
    if (a->op == AGG_SUM && common == all) {
        sum_columns(row->values + from, row->lost + from, values, count, steps);
        return;
    }
    for (u32 k = 0; k < count; k++) {
        const struct column *c = columns[k];
        fold_word(a, row, from, c->values, c->present[from / 64] & all);
    }
}

void agg_floats_fold(struct agg_floats *a, u32 group, const struct column *const *columns,
                     u32 count)
{
    CHECK(count <= AGG_COLUMNS_MAX);
    for (u32 from = 0; from < a->steps; from += 64) {
        fold_words(a, &a->rows[group], from, columns, count);
    }
}

void agg_floats_get(const struct agg_floats *a, u32 group, struct column *out)
{
    const struct agg_row *row = &a->rows[group];
    memcpy(out->present, row->has, column_words(a->steps) * sizeof(u64));
    for (u32 i = 0; i < a->steps; i++) {
        out->values[i] = row->lost ? row->values[i] + row->lost[i] : row->values[i];
    }
}
