// head_pins_test.c: what is told of all series at once is what asking each of them tells.
#include "base/test.h"
#include "os/rng.h"
#include "tsdb/head_pins.h"

enum { SERIES = 50, PINS = 8, STEPS = 20000 };

// Threads: owned by the test.
struct rig {
    struct head_pins pins;
    u32 newest[SERIES]; // As the table keeps them.
    u64 pinned[PINS];
    u32 open;
    struct rng rng;
};

static bool each_all_seen(const struct rig *r, u64 commit)
{
    bool all = true;
    for (u32 i = 0; i < SERIES; i++) {
        const struct pin_ask ask = {.commit = commit, .newest = r->newest[i], .ordinal = i};
        all = all && pins_all_seen(&r->pins, &ask);
    }
    return all;
}

// One commit, or one pin more or less.
static void step(struct rig *r)
{
    const u64 chance = rng_below(&r->rng, 10);
    if (chance < 2 && r->open < PINS) {
        r->pinned[r->open++] = pins_open(&r->pins);
    } else if (chance < 5 && r->open > 0) {
        pins_close(&r->pins);
        r->pinned[rng_below(&r->rng, r->open)] = r->pinned[r->open - 1];
        r->open--;
    } else {
        for (u64 n = rng_below(&r->rng, 4); r->pins.readers > 0 && n > 0; n--) {
            const u32 series = (u32)rng_below(&r->rng, SERIES);
            pins_note(&r->pins, series, 1, &r->newest[series]);
        }
        r->pins.commit++;
    }
}

TEST(head_pins_tell_of_all_series_what_each_tells)
{
    struct rig r = {0};
    u32 yes = 0;
    u32 no = 0;
    pins_init(&r.pins);
    rng_init(&r.rng, 41);
    for (u32 i = 0; i < STEPS; i++) {
        step(&r);
        for (u32 k = 0; k < r.open; k++) {
            const bool all = pins_none_after(&r.pins, r.pinned[k]);
            assert_int_equal(all, each_all_seen(&r, r.pinned[k]));
            yes += all;
            no += !all;
        }
    }
    assert_true(yes > STEPS / 10 && no > STEPS / 10);
    pins_fini(&r.pins);
}

TEST(head_pins_tell_of_all_series_that_notes_were_lost)
{
    struct rig r = {0};
    pins_init(&r.pins);
    const u64 before = pins_open(&r.pins);
    pins_note(&r.pins, 1, 1, &r.newest[1]);
    r.pins.commit++;
    const u64 after = pins_open(&r.pins);
    assert_true(pins_none_after(&r.pins, after));
    for (u32 i = 0; i < PIN_NOTES_MAX; i++) { // Over the first note.
        pins_note(&r.pins, 2, 1, &r.newest[2]);
    }
    r.pins.commit++;
    const u64 last = pins_open(&r.pins);
    assert_false(pins_none_after(&r.pins, before));
    assert_false(pins_none_after(&r.pins, after));
    assert_true(pins_none_after(&r.pins, last));
    assert_true(each_all_seen(&r, last));
    pins_fini(&r.pins);
}
