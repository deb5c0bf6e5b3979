// head_series_test.c: series made many at a time are found by each of their labels, and what is no
// label set is refused however much of it is known.
#include "base/arena.h"
#include "base/str.h"
#include "base/test.h"
#include "os/rng.h"
#include "tsdb/head.h"
#include "tsdb/head_series.h"
#include "tsdb/index_select.h"
#include "tsdb/postings.h"

enum { SETS = 600, TARGETS = 5 };

static struct labels set_make(struct arena *a, u32 i, u32 stride)
{
    struct label *l = ARENA_NEW_N(a, struct label, 5);
    const u32 target = i / stride % TARGETS;
    l[0] = (struct label){LABEL_NAME, arena_printf(a, "m%u", i % 70)};
    l[1] = (struct label){STR("cpu"), arena_printf(a, "%u", i)};
    l[2] = (struct label){LABEL_INSTANCE, arena_printf(a, "host-%u", target)};
    l[3] = (struct label){LABEL_JOB, STR("node")};
    l[4] = (struct label){STR("zone"), arena_printf(a, "z%u", target % 2)};
    return (struct labels){.items = l, .count = target == 4 ? 2 : 5}; // Some have no target.
}

static void set_check(const struct head *h, struct labels set, struct series_ref ref)
{
    struct label items[8];
    assert_true(labels_eq(head_labels(h, ref.ordinal, items), set));
    for (u32 k = 0; k < set.count; k++) {
        u32 pair = head_index_pair(&h->index, set.items[k].name, set.items[k].value);
        assert_int_not_equal(pair, MAP_NONE);
        assert_true(postings_has(h->index.pairs[pair].set, ref.ordinal));
    }
}

static u64 postings_sum(const struct head *h)
{
    u64 sum = 0;
    for (u32 i = 0; i < h->index.pair_count; i++) {
        sum += h->index.pairs[i].set ? postings_count(h->index.pairs[i].set) : 0;
    }
    return sum;
}

// Makes all sets in one call, and looks at each.
static void round_make(struct head *h, u32 stride)
{
    const struct head_asker asker = {.tenant = TENANT_DEFAULT};
    struct arena *a = arena_new((size_t)4 << 20);
    struct labels sets[SETS];
    struct series_ref refs[SETS];
    u8 outcomes[SETS];
    u64 labels = 0;
    for (u32 i = 0; i < SETS; i++) {
        sets[i] = set_make(a, i, stride);
        labels += sets[i].count + 1; // The tenant's.
    }
    head_resolve(h, &asker, sets, SETS, refs, outcomes);
    for (u32 i = 0; i < SETS; i++) {
        assert_int_equal(outcomes[i], APPEND_STORED);
        set_check(h, sets[i], refs[i]);
    }
    assert_int_equal(h->live, SETS);
    assert_int_equal(postings_sum(h), labels);
    h->pending_count = 0; // There is no log.
    arena_free(a);
}

TEST(head_makes_many_series_at_once)
{
    struct head_limits limits = {.series_max = 10000};
    struct head *h = head_new(0, 1000, &limits, (u64)1 << 20);
    static const u32 strides[] = {1, 7, 64, 100};
    for (u32 i = 0; i < ARRAY_LEN(strides); i++) {
        round_make(h, strides[i]); // From the second one on their ordinals fall.
        (void)head_collect(h, 1, i);
        assert_int_equal(head_collect(h, 1, i), SETS);
        assert_int_equal(postings_sum(h), 0);
        head_turn_take(h);
        head_release(h, i + 1);
        head_turn_drop(h);
    }
    head_free(h);
}

static enum append_outcome one_resolve(struct head *h, const char *const *pairs, size_t n)
{
    const struct head_asker asker = {.tenant = TENANT_DEFAULT};
    struct label items[8];
    struct series_ref ref;
    u8 outcome = APPEND_STORED;
    for (size_t i = 0; i < n; i++) {
        items[i] = (struct label){str_c(pairs[2 * i]), str_c(pairs[2 * i + 1])};
    }
    const struct labels set = {.items = items, .count = (u32)n};
    head_resolve(h, &asker, &set, 1, &ref, &outcome);
    return (enum append_outcome)outcome;
}

TEST(head_refuses_a_set_out_of_order_whose_parts_are_known)
{
    static const char *const one[] = {"__name__", "m",        "b", "x",   "c",
                                      "1",        "instance", "i", "job", "j"};
    static const char *const other[] = {"__name__", "m",        "d", "x",   "e",
                                        "1",        "instance", "k", "job", "j"};
    static const char *const wrong[] = {"__name__", "m",        "d", "x",   "c",
                                        "1",        "instance", "k", "job", "j"};
    static const char *const again[] = {"__name__", "n",        "d", "x",   "e",
                                        "1",        "instance", "k", "job", "j"};
    struct head_limits limits = {.series_max = 100};
    struct head *h = head_new(0, 1000, &limits, (u64)1 << 20);
    // Twice each, so that the targets have settled on what their series share.
    static const char *const one_more[] = {"__name__", "n",        "b", "x",   "c",
                                           "2",        "instance", "i", "job", "j"};
    static const char *const other_more[] = {"__name__", "n",        "d", "x",   "e",
                                             "2",        "instance", "k", "job", "j"};
    assert_int_equal(one_resolve(h, one_more, 5), APPEND_STORED);
    assert_int_equal(one_resolve(h, one, 5), APPEND_STORED);
    assert_int_equal(one_resolve(h, other_more, 5), APPEND_STORED);
    assert_int_equal(one_resolve(h, other, 5), APPEND_STORED);
    assert_int_equal(one_resolve(h, again, 5), APPEND_STORED);
    assert_int_equal(one_resolve(h, wrong, 5), APPEND_INVALID);
    assert_int_equal(h->live, 5);
    head_free(h);
}

enum { NEIGHBOURS = 4000, NEIGHBOUR_LABELS = 8 };

static const char *const neighbour_names[] = {"__name__", "device", "instance", "job",
                                              "mode",     "name",   "rack",     "zone"};

static struct labels neighbour_fresh(struct arena *a, struct rng *r)
{
    struct label *l = ARENA_NEW_N(a, struct label, NEIGHBOUR_LABELS + 1);
    u32 n = 0;
    for (u32 k = 0; k < ARRAY_LEN(neighbour_names); k++) {
        if (rng_below(r, 8) != 0) {
            l[n++] =
                (struct label){str_c(neighbour_names[k]),
                               arena_printf(a, "value-%llu", (unsigned long long)rng_below(r, 3))};
        }
    }
    return (struct labels){.items = l, .count = n};
}

// As the set before but for a label, or for what makes it a bad one.
static struct labels neighbour_make(struct arena *a, struct rng *r, struct labels before)
{
    const u64 kind = rng_below(r, 24);
    if (before.count < 2 || kind == 0) {
        return neighbour_fresh(a, r);
    }
    struct label *l = ARENA_NEW_N(a, struct label, NEIGHBOUR_LABELS + 1);
    u32 n = before.count;
    const u32 at = (u32)rng_below(r, n - 1);
    for (u32 i = 0; i < n; i++) { // Texts of its own, as requests have them.
        l[i].name = arena_str(a, before.items[i].name);
        l[i].value = arena_str(a, before.items[i].value);
    }
    switch (kind) {
    case 1: { // Out of order.
        const struct label swapped = l[at];
        l[at] = l[at + 1];
        l[at + 1] = swapped;
        break;
    }
    case 2:
        l[at].name = l[at + 1].name; // Twice.
        break;
    case 3:
        l[n - 1] = (struct label){STR("zzz"), STR("more")};
        break;
    case 4:
        n--;
        break;
    case 5:
        l[at].value = STR_EMPTY;
        break;
    case 6:
        break;
    default:
        l[at].value = arena_printf(a, "value-%llu", (unsigned long long)rng_below(r, 3));
    }
    return (struct labels){.items = l, .count = n};
}

static void neighbours_compare(const struct head *many, const struct head *alone)
{
    assert_int_equal(many->live, alone->live);
    assert_int_equal(many->count, alone->count);
    assert_int_equal(many->index.pairs_live, alone->index.pairs_live);
    assert_true(postings_sum(many) == postings_sum(alone));
    for (u32 i = 0; i < many->count; i++) {
        struct label items[2][NEIGHBOUR_LABELS + 1];
        const struct labels set = head_labels(many, i, items[0]);
        assert_true(labels_eq(set, head_labels(alone, i, items[1])));
        assert_true(many->hash[i] == head_key_hash(TENANT_DEFAULT, set));
        assert_true(many->hash[i] == alone->hash[i]);
        assert_int_equal(many->target[i] == PART_NONE, alone->target[i] == PART_NONE);
        set_check(many, set, (struct series_ref){.ordinal = i});
    }
}

// A set that comes alone is like no other.
TEST(head_makes_sets_that_are_like_the_one_before_as_if_each_came_alone)
{
    const struct head_asker asker = {.tenant = TENANT_DEFAULT};
    struct arena *a = arena_new((size_t)64 << 20);
    struct labels *sets = ARENA_NEW_N(a, struct labels, NEIGHBOURS);
    struct series_ref *refs = ARENA_NEW_N(a, struct series_ref, NEIGHBOURS);
    u8 *outcomes = ARENA_NEW_N(a, u8, NEIGHBOURS);
    u32 invalid = 0;
    for (u64 seed = 0; seed < 6; seed++) {
        struct head_limits limits[2] = {{.series_max = 100000}, {.series_max = 100000}};
        struct head *many = head_new(0, 1000, &limits[0], (u64)1 << 20);
        struct head *alone = head_new(0, 1000, &limits[1], (u64)1 << 20);
        struct rng r;
        rng_init(&r, seed);
        for (u32 from = 0; from < NEIGHBOURS; from += 500) {
            for (u32 i = from; i < from + 500; i++) {
                sets[i] = neighbour_make(a, &r, i > 0 ? sets[i - 1] : (struct labels){0});
            }
            head_resolve(many, &asker, sets + from, 500, refs + from, outcomes + from);
        }
        for (u32 i = 0; i < NEIGHBOURS; i++) {
            struct series_ref ref = {0, 0};
            u8 outcome = APPEND_INVALID;
            head_resolve(alone, &asker, &sets[i], 1, &ref, &outcome);
            assert_int_equal(outcome, outcomes[i]);
            assert_int_equal(ref.ordinal, refs[i].ordinal);
            assert_int_equal(ref.generation, refs[i].generation);
            invalid += outcome == APPEND_INVALID;
        }
        neighbours_compare(many, alone);
        assert_true(many->live > 300);
        head_free(many);
        head_free(alone);
    }
    assert_true(invalid > 100);
    arena_free(a);
}
