// label_texts_test.c: what is copied of labels is what is wanted of them, and texts are shared.
#include "base/arena.h"
#include "base/base.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "promql/label_texts.h"
#include "promql/query_run.h"

#include <stdio.h>

enum { SETS = 2000, LABELS = 6, TEXT = 24 };

// Threads: owned by the test.
struct scene {
    struct error error;
    struct run run;
    struct label_texts texts;
};

static void scene_up(struct scene *x, const str *wanted, u32 count)
{
    *x = (struct scene){.run = {.bytes_limit = (u64)8 << 20}};
    x->run.error = &x->error;
    x->run.arena = arena_new((size_t)16 << 20);
    x->run.scratch = arena_new((size_t)1 << 20);
    x->texts.wanted = wanted;
    x->texts.wanted_count = count;
}

static void scene_down(struct scene *x)
{
    arena_free(x->run.arena);
    arena_free(x->run.scratch);
}

// A set of labels in memory that is written over afterwards. Threads: owned by the test.
struct given {
    char texts[2 * LABELS][TEXT];
    struct label items[LABELS];
    struct labels labels;
};

// Names that begin alike and are of 1 to 20 bytes; which of them are there, the number says.
static void given_make(struct given *g, u32 number)
{
    static const char *const names[LABELS] = {"__name__", "__type__",          "a",
                                              "instance", "instance_of_a_job", "instances"};
    u32 n = 0;
    for (u32 i = 0; i < LABELS; i++) {
        if (number >> i & 1) {
            char *name = g->texts[2 * n];
            char *value = g->texts[2 * n + 1];
            (void)snprintf(name, TEXT, "%s", names[i]);
            (void)snprintf(value, TEXT, "value-%u", number % (10 * (i + 1)));
            g->items[n++] = (struct label){str_c(name), str_c(value)};
        }
    }
    g->labels = (struct labels){g->items, n};
}

// Of many sets, each copied and its origin overwritten: all that was copied is still right.
static void holds_with(const str *wanted, u32 count)
{
    struct scene x;
    struct given g;
    struct labels *got = MEM_NEW_N(struct labels, SETS);
    scene_up(&x, wanted, count);
    for (u32 i = 0; i < SETS; i++) {
        given_make(&g, i);
        assert_true(label_texts_copy(&x.texts, &x.run, g.labels, &got[i]));
        memset(&g, 'x', sizeof(g));
    }
    for (u32 i = 0; i < SETS; i++) {
        given_make(&g, i);
        const struct labels right =
            wanted ? labels_keep(x.run.scratch, g.labels, wanted, count) : g.labels;
        assert_true(labels_eq(got[i], right));
    }
    mem_free(got);
    scene_down(&x);
}

TEST(label_texts_are_those_that_are_wanted)
{
    const str few[] = {STR("__name__"), STR("__type__"), STR("__unit__"), STR("instance")};
    const str alike[] = {STR("a"), STR("b"), STR("instance_of_a_job"), STR("instances")};
    const str many[] = {STR("__name__"), STR("__type__"), STR("a"), STR("b"), STR("c"),
                        STR("instance"), STR("job"),      STR("x"), STR("y")};
    static_assert(ARRAY_LEN(many) > LABEL_WANTED, "more than are told apart by their first bytes");
    holds_with(NULL, 0);
    holds_with(few, 0);
    holds_with(few, ARRAY_LEN(few));
    holds_with(alike, ARRAY_LEN(alike));
    holds_with(many, ARRAY_LEN(many));
}

// Nobody looks whether the labels of a block's series are in order.
TEST(label_texts_of_names_that_come_again_are_no_more_than_are_wanted)
{
    const str names[] = {STR("a"), STR("b"), STR("c"), STR("d"), STR("e"),
                         STR("f"), STR("g"), STR("h"), STR("i")};
    struct label again[40];
    static_assert(ARRAY_LEN(names) > LABEL_WANTED, "more than are told apart by their first bytes");
    for (u32 i = 0; i < ARRAY_LEN(again); i++) {
        again[i] = (struct label){STR("a"), STR("value")};
    }
    for (u32 count = 1; count <= ARRAY_LEN(names); count++) {
        struct scene x;
        struct labels got;
        scene_up(&x, names, count);
        assert_true(
            label_texts_copy(&x.texts, &x.run, (struct labels){again, ARRAY_LEN(again)}, &got));
        assert_in_range(got.count, 1, count);
        for (u32 i = 0; i < got.count; i++) {
            ASSERT_STR_EQ(got.items[i].name, STR("a"));
        }
        scene_down(&x);
    }
}

TEST(label_texts_of_few_names_are_there_once)
{
    const str wanted[] = {STR("__name__"), STR("instance")};
    struct scene x;
    struct given g;
    struct labels first;
    struct labels again;
    scene_up(&x, wanted, ARRAY_LEN(wanted));
    given_make(&g, 1 | 8);
    assert_true(label_texts_copy(&x.texts, &x.run, g.labels, &first));
    const u64 bytes = arena_bytes(x.run.arena);
    for (u32 i = 0; i < SETS; i++) {
        given_make(&g, 1 | 8);
        assert_true(label_texts_copy(&x.texts, &x.run, g.labels, &again));
        assert_ptr_equal(again.items, first.items);
    }
    assert_int_equal(arena_bytes(x.run.arena), bytes);
    scene_down(&x);
}
