// push_walk_test.c: the order in which series came, as the push cache learns it; and the usual form
// of a series against the protobuf reader.
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "ingest/ingest.h"
#include "ingest/push_cache.h"
#include "ingest/push_usual.h"
#include "os/rng.h"
#include "os/thr.h"
#include "wire/pb.h"

#include <stdio.h>

#define CACHE_BYTES ((size_t)4 << 20)
#define TEXT_BYTES  64U

static const struct tenant_id other_tenant = {7};

// Bytes as a walk meets them: a key, then something that is no label. Threads: owned.
struct spelt {
    char text[TEXT_BYTES];
    struct push_key key;
};

// No key begins another, as no series' labels do: any record may be expected beside others' puts.
static void spell(struct spelt *s, u32 number)
{
    const int len =
        snprintf(s->text, sizeof(s->text), "s%u;%0*u|", number, (int)(number % 9 + 5), number);
    s->key.bytes = str_make(s->text, (size_t)len - 1);
    s->key.hash = push_key_hash(TENANT_DEFAULT, s->key.bytes);
}

static u32 walk_next(struct push_walk *w, u32 number)
{
    struct spelt s;
    struct series_ref ref = {0, 0};
    spell(&s, number);
    const size_t len = push_walk_next(w, (const u8 *)s.text, s.key.bytes.len + 1, &ref);
    assert_true(len == 0 || len == s.key.bytes.len);
    assert_int_equal(len > 0, !series_ref_is_none(ref));
    return ref.ordinal;
}

static u32 walk_find(struct push_walk *w, u32 number)
{
    struct spelt s;
    struct series_ref ref;
    spell(&s, number);
    (void)push_walk_find(w, &s.key, 1, &ref);
    return ref.ordinal;
}

static void put(struct push_cache *c, const u32 *numbers, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        struct spelt s;
        const struct series_ref ref = {numbers[i], 1};
        spell(&s, numbers[i]);
        push_cache_put(c, TENANT_DEFAULT, &s.key, &ref, 1);
    }
}

// How many of the series a request of this order has to look for; all must be known.
static u32 strays_of(struct push_cache *c, const u32 *numbers, u32 n)
{
    struct push_walk w;
    u32 strays = 0;
    push_walk_open(&w, c, TENANT_DEFAULT);
    for (u32 i = 0; i < n; i++) {
        const u32 expected = walk_next(&w, numbers[i]);
        strays += expected == 0;
        assert_int_equal(expected ? expected : walk_find(&w, numbers[i]), numbers[i]);
    }
    push_walk_close(&w);
    return strays;
}

TEST(push_walk_learns_the_order)
{
    static const u32 born[] = {11, 12, 13, 14, 15};
    static const u32 turned[] = {15, 13, 11, 14, 12};
    static const u32 fewer[] = {15, 11, 14, 12};
    static const u32 twice[] = {15, 15, 11, 14, 12};
    struct push_cache *c = push_cache_new(CACHE_BYTES);
    put(c, born, 5);
    assert_int_equal(strays_of(c, born, 5), 1); // The first has nothing before it.
    assert_int_equal(strays_of(c, turned, 5), 5);
    assert_int_equal(strays_of(c, turned, 5), 1);
    assert_int_equal(strays_of(c, fewer, 4), 2); // Where one stayed out.
    assert_int_equal(strays_of(c, fewer, 4), 1);
    assert_int_equal(strays_of(c, turned, 5), 2); // Where it came back.
    assert_int_equal(strays_of(c, turned, 5), 1);
    assert_int_equal(strays_of(c, twice, 5), 3); // No series comes after itself.
    push_cache_free(c);
}

TEST(push_walk_goes_on_behind_an_unknown_series)
{
    static const u32 born[] = {21, 22, 23};
    struct push_cache *c = push_cache_new(CACHE_BYTES);
    struct push_walk w;
    put(c, born, 3);
    push_walk_open(&w, c, TENANT_DEFAULT);
    assert_int_equal(walk_next(&w, 21), 0);
    assert_int_equal(walk_find(&w, 21), 21);
    assert_int_equal(walk_next(&w, 99), 0);
    assert_int_equal(walk_find(&w, 99), 0);
    assert_int_equal(walk_next(&w, 22), 22);
    assert_int_equal(walk_next(&w, 23), 23);
    assert_int_equal(walk_next(&w, 24), 0);
    push_walk_close(&w);
    push_cache_free(c);
}

TEST(push_walk_takes_only_whole_labels_of_its_tenant)
{
    static const u32 born[] = {31, 32};
    struct push_cache *c = push_cache_new(CACHE_BYTES);
    struct push_walk w;
    struct spelt s;
    struct series_ref ref;
    put(c, born, 2);
    push_walk_open(&w, c, TENANT_DEFAULT);
    assert_int_equal(walk_find(&w, 31), 31);
    spell(&s, 32);
    const size_t len = s.key.bytes.len;
    u8 *text = (u8 *)s.text;
    assert_int_equal(push_walk_next(&w, text, len, &ref), 0); // Nothing behind them.
    assert_int_equal(push_walk_next(&w, text, len - 1, &ref), 0);
    text[len] = USUAL_MESSAGE; // One more label.
    assert_int_equal(push_walk_next(&w, text, len + 1, &ref), 0);
    text[len] = USUAL_SAMPLE;
    text[0] ^= 1;
    assert_int_equal(push_walk_next(&w, text, len + 1, &ref), 0);
    text[0] ^= 1;
    assert_int_equal(push_walk_next(&w, text, len + 1, &ref), len);
    push_walk_close(&w);
    push_walk_open(&w, c, other_tenant);
    assert_int_equal(walk_find(&w, 31), 0);
    assert_int_equal(walk_next(&w, 32), 0);
    push_walk_close(&w);
    push_cache_free(c);
}

TEST(push_walk_holds_what_it_walks_in)
{
    enum { SERIES = 40000 }; // Many times what the cache can hold.
    const size_t bytes_max = (size_t)1 << 20;
    static const u32 born[] = {41, 42, 43};
    struct push_cache *c = push_cache_new(bytes_max);
    struct push_walk held;
    put(c, born, 3);
    push_walk_open(&held, c, TENANT_DEFAULT);
    assert_int_equal(walk_find(&held, 41), 41);
    for (u32 i = 100; i < SERIES; i++) {
        put(c, &i, 1);
    }
    assert_true(push_cache_bytes(c) <= bytes_max);
    assert_int_equal(walk_next(&held, 42), 42);
    assert_int_equal(walk_find(&held, 43), 43); // Copied, where there is room.
    push_walk_close(&held);
    for (u32 i = 100; i < SERIES; i++) {
        put(c, &i, 1);
    }
    assert_true(push_cache_bytes(c) <= bytes_max);
    push_walk_open(&held, c, TENANT_DEFAULT);
    assert_int_equal(walk_find(&held, 42), 0); // Nobody held it.
    assert_int_equal(walk_find(&held, SERIES - 1), SERIES - 1);
    push_walk_close(&held);
    push_cache_free(c);
}

// Threads: frozen while the threads run.
struct crowd {
    struct push_cache *cache;
    u32 count; // Series; the second half is only put while others walk over the first.
};

// A known series must be what it says it is.
static void crowd_walk(void *arg)
{
    const struct crowd *c = arg;
    for (u32 round = 0; round < 10; round++) {
        struct push_walk w;
        push_walk_open(&w, c->cache, TENANT_DEFAULT);
        for (u32 i = 1; i < c->count / 2; i++) {
            const u32 expected = walk_next(&w, i);
            const u32 got = expected ? expected : walk_find(&w, i);
            CHECK(got == 0 || got == i);
        }
        push_walk_close(&w);
    }
}

static void crowd_put(void *arg)
{
    const struct crowd *c = arg;
    for (u32 round = 0; round < 2; round++) {
        for (u32 i = 1; i < c->count; i++) {
            put(c->cache, &i, 1);
        }
    }
}

TEST(push_walk_beside_others)
{
    struct crowd c = {push_cache_new((size_t)1 << 20), 12000}; // More than it can hold.
    struct error e = {0};
    struct thr *threads[] = {thr_start("walk-0", crowd_walk, &c, &e),
                             thr_start("put", crowd_put, &c, &e),
                             thr_start("walk-1", crowd_walk, &c, &e)};
    for (u32 i = 0; i < ARRAY_LEN(threads); i++) {
        assert_non_null(threads[i]);
        thr_join(threads[i]);
    }
    push_cache_free(c.cache);
}

// ---- the usual form ----

static bool plain_sample(const u8 *at, size_t len, f64 *value, i64 *t_ms, size_t *taken)
{
    struct pb_reader r = pb_of(str_make((const char *)at, len));
    if (!pb_next(&r) || r.field != 2) {
        return false;
    }
    struct pb_reader in = pb_enter(&r);
    *value = 0;
    *t_ms = 0;
    while (pb_next(&in)) {
        if (in.field == 1) {
            *value = pb_f64(&in);
        } else if (in.field == 2) {
            *t_ms = pb_i64(&in);
        }
    }
    *taken = dec_offset(&r.dec);
    return pb_leave(&r, &in);
}

// Whatever the quick reader takes, the plain one reads in the same way.
static bool expect_same_sample(const u8 *at, size_t len)
{
    f64 quick_value = 0;
    f64 value = 1;
    i64 quick_t = 0;
    i64 t = 1;
    size_t taken = 0;
    static struct usual_last last; // Of whatever came before.
    const u8 *end = usual_sample(&last, at, at + len, &quick_value, &quick_t);
    if (!end) {
        return false;
    }
    assert_true(plain_sample(at, len, &value, &t, &taken));
    assert_int_equal(taken, end - at);
    assert_int_equal(t, quick_t);
    assert_int_equal(bits_of_f64(value), bits_of_f64(quick_value));
    return true;
}

TEST(push_usual_sample_is_what_protobuf_reads)
{
    struct rng rng;
    u32 taken = 0;
    rng_init(&rng, 5);
    for (u32 i = 0; i < 20000; i++) {
        struct buf b;
        buf_init(&b, 256);
        const size_t mark = pbw_begin(&b, 2);
        if (rng_below(&rng, 8) > 0) {
            pbw_f64(&b, 1, f64_of_bits(rng_u64(&rng)));
        }
        pbw_varint(&b, 2, rng_u64(&rng) >> rng_below(&rng, 64));
        pbw_end(&b, mark);
        buf_byte(&b, 0x12);
        taken += expect_same_sample((const u8 *)b.bytes, b.len);
        if (rng_below(&rng, 2) == 0) { // Damaged.
            b.bytes[rng_below(&rng, b.len)] = (char)rng_u64(&rng);
            (void)expect_same_sample((const u8 *)b.bytes, b.len);
            (void)expect_same_sample((const u8 *)b.bytes, rng_below(&rng, b.len));
        }
        buf_fini(&b);
    }
    assert_true(taken > 10000);
}
