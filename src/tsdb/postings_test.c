// postings_test.c: walking what two sets have in common, beside the obvious way.
#include "base/buf.h"
#include "base/test.h"
#include "os/rng.h"
#include "tsdb/postings.h"

#define ORDINALS ((u32)200000) // Several containers.

// Threads: owned by the test.
struct drawn {
    struct postings *set;
    u8 *has;
};

static struct drawn draw(struct rng *r, u32 n, u32 from, u32 to)
{
    struct drawn d = {.set = postings_new(), .has = MEM_NEW_N(u8, ORDINALS)};
    for (u32 i = 0; i < n; i++) {
        const u32 ordinal = from + (u32)rng_below(r, to - from);
        postings_add(d.set, ordinal);
        d.has[ordinal] = 1;
    }
    return d;
}

static void drawn_free(struct drawn *d)
{
    postings_free(d->set);
    mem_free(d->has);
}

// In walks of three leaps each.
static bool next_both(const struct postings *a, const struct postings *b, u32 from, u32 *ordinal)
{
    enum postings_walk walk = POSTINGS_LATER;
    while (walk == POSTINGS_LATER) {
        u32 leaps = 3;
        walk = postings_next_both(a, b, from, &leaps, ordinal);
        assert_true(leaps <= 3);
        assert_true(walk != POSTINGS_LATER || (leaps == 0 && *ordinal > from));
        from = *ordinal;
    }
    return walk == POSTINGS_BOTH;
}

// All that both have, by next_both and one by one.
static void both_compare(const struct drawn *a, const struct drawn *b)
{
    u32 at = 0;
    u32 ordinal = 0;
    for (u32 i = 0; i < ORDINALS; i++) {
        if (a->has[i] && b->has[i]) {
            assert_true(next_both(a->set, b->set, at, &ordinal));
            assert_int_equal(ordinal, i);
            assert_true(next_both(b->set, a->set, i, &ordinal)); // From there on it is it.
            assert_int_equal(ordinal, i);
            at = i + 1;
        }
    }
    assert_false(next_both(a->set, b->set, at, &ordinal));
    assert_false(next_both(b->set, a->set, at, &ordinal));
}

TEST(postings_walk_what_two_sets_share)
{
    static const u32 sizes[] = {0, 1, 2, 30, 5000, 150000};
    struct rng r;
    rng_init(&r, 11);
    for (size_t x = 0; x < ARRAY_LEN(sizes); x++) {
        for (size_t y = 0; y < ARRAY_LEN(sizes); y++) {
            struct drawn a = draw(&r, sizes[x], 0, ORDINALS);
            struct drawn b = draw(&r, sizes[y], 0, ORDINALS);
            struct drawn late = draw(&r, sizes[y], ORDINALS / 2, ORDINALS);
            both_compare(&a, &b);
            both_compare(&a, &late);
            drawn_free(&a);
            drawn_free(&b);
            drawn_free(&late);
        }
    }
}

TEST(postings_tell_of_many_what_they_tell_of_one)
{
    static const u32 sizes[] = {0, 1, 2, 30, 5000, 150000};
    enum { ASKED = 3000 };
    static u32 asked[ASKED];
    static bool has[ASKED];
    struct rng r;
    rng_init(&r, 12);
    for (size_t x = 0; x < ARRAY_LEN(sizes); x++) {
        struct drawn d = draw(&r, sizes[x], 0, ORDINALS);
        if (sizes[x] > 30) {
            for (u32 i = 70000; i < 140000; i++) { // One container whole, another in part.
                postings_add(d.set, i);
            }
        }
        for (u32 i = 0; i < ASKED; i++) {
            asked[i] = i % 2 ? (u32)rng_below(&r, ORDINALS) : 65000 + i;
        }
        asked[0] = UINT32_MAX;
        struct buf out;
        buf_init(&out, 1 << 20);
        if (x % 2 == 1) {
            postings_encode(d.set, &out); // Which makes runs.
        }
        buf_fini(&out);
        postings_have(d.set, asked, ASKED, has);
        for (u32 i = 0; i < ASKED; i++) {
            assert_int_equal(has[i], postings_has(d.set, asked[i]));
        }
        drawn_free(&d);
    }
}

// Each second ordinal in one, the others in the other: a walk to the end is as long as both.
TEST(postings_walk_no_further_than_it_may)
{
    struct postings *even = postings_new();
    struct postings *odd = postings_new();
    u32 leaps = 100;
    u32 at = 0;
    for (u32 i = 0; i < ORDINALS; i += 2) {
        postings_add(even, i);
        postings_add(odd, i + 1);
    }
    assert_int_equal(postings_next_both(odd, even, 0, &leaps, &at), POSTINGS_LATER);
    assert_int_equal(leaps, 0);
    assert_int_equal(at, 201); // A leap goes to the next of each.
    leaps = ORDINALS;
    assert_int_equal(postings_next_both(odd, even, at, &leaps, &at), POSTINGS_END);
    postings_free(even);
    postings_free(odd);
}
