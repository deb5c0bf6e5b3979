// head_image_parts_test.c: series told by the parts of their labels come back as they were, with
// their places in all sets; what contradicts itself is refused.
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "model/symtab.h"
#include "tsdb/head.h"
#include "tsdb/head_image_parts.h"
#include "tsdb/head_restore.h"
#include "tsdb/postings.h"
#include "tsdb/wal_entry.h"
#include "tsdb/wal_record.h"

#include <stdio.h>

#define SERIES 300U
#define LONG   70U  // More labels than a part may have.
#define RACKS  200U // From this series on: more targets of different labels than are remembered.
#define SALT   7U

static const struct head_limits plenty = {.series_max = 100000};

// Targets of which some series lack a label or have one more, series alone, and a long one.
static struct labels set_make(struct arena *a, u32 i)
{
    struct label *items = ARENA_NEW_N(a, struct label, LONG + 4);
    char *text = ARENA_NEW_N(a, char, (size_t)16 * LONG);
    u32 n = 0;
    (void)snprintf(text, 16, "m%u_%u", i / 10, i % 2);
    items[n++] = (struct label){LABEL_NAME, str_c(text)};
    if (i % 10 < 8 || i >= RACKS) {
        (void)snprintf(text + 16, 16, "host%u", i < RACKS ? i % 10 / 2 : RACKS + i % 40);
        items[n++] = (struct label){LABEL_INSTANCE, str_c(text + 16)};
        items[n++] = (struct label){LABEL_JOB, STR("j")};
    }
    for (u32 k = 0; i == 77 && k < LONG; k++) {
        (void)snprintf(text + 32 + (size_t)8 * k, 8, "l%03u", k);
        items[n++] = (struct label){str_c(text + 32 + (size_t)8 * k), STR("v")};
    }
    if (i >= RACKS) {
        (void)snprintf(text + 32, 8, "x%02u", i % 40);
        items[n++] = (struct label){str_c(text + 32), STR("v")};
    }
    if (i % 7 != 3) {
        items[n++] = (struct label){STR("zone"), i % 11 == 5 ? STR("other") : STR("here")};
    }
    return (struct labels){.items = items, .count = n};
}

static struct tenant_id tenant_of(u32 i)
{
    return (struct tenant_id){i % 5 == 4 ? 9 : 0};
}

static u32 series_find(struct head *h, struct arena *a, u32 i)
{
    const struct head_asker asker = {.tenant = tenant_of(i)};
    const struct labels set = set_make(a, i);
    struct series_ref ref;
    u8 outcome = APPEND_INVALID;
    head_resolve(h, &asker, &set, 1, &ref, &outcome);
    assert_int_equal(outcome, APPEND_STORED);
    return ref.ordinal;
}

static struct head *head_filled(struct head_limits *limits)
{
    struct arena *a = arena_new((size_t)16 << 20);
    struct head *h = head_new(0, 7200000, limits, (u64)1 << 24);
    for (u32 i = 0; i < SERIES; i++) {
        assert_int_equal(series_find(h, a, i), i);
    }
    arena_free(a);
    return h;
}

static void series_put(struct head *h, struct buf *out)
{
    static const char header[WAL_HEADER_BYTES];
    buf_add(out, header, sizeof(header));
    struct image_parts_out parts;
    image_parts_out_init(&parts, h);
    for (u32 from = 0; from < SERIES; from += 64) {
        u32 ordinals[64];
        u32 n = MIN(64U, SERIES - from);
        for (u32 i = 0; i < n; i++) {
            ordinals[i] = from + i;
        }
        head_turn_take(h);
        image_parts_put(&parts, out, ordinals, n, SALT);
        head_turn_drop(h);
    }
    image_parts_out_fini(&parts);
}

static bool on_series(void *ctx, struct tenant_id tenant, struct labels set, u32 ordinal)
{
    return head_restore(ctx, tenant, set, ordinal) == ordinal;
}

// false at the first record that is refused. again: a record of series is read twice.
static bool series_get(struct head *h, str bytes, bool again)
{
    struct wal_reader r;
    struct wal_decoder d;
    struct image_parts_in parts;
    struct error e = {0};
    bool ok = true;
    wal_decoder_init(&d, (struct wal_sink){.ctx = h, .series = on_series}, 100000);
    image_parts_in_init(&parts, h, 100000);
    wal_reader_init(&r, bytes, bytes.len, SALT);
    while (ok && wal_reader_next(&r)) {
        assert_int_equal(r.bad_bytes, 0);
        switch ((int)r.kind) {
        case WAL_IMAGE_PARTS:
            ok = image_parts_get(&parts, r.payload);
            break;
        case WAL_IMAGE_SERIES:
            ok = image_series_get(&parts, r.payload) &&
                 (!again || image_series_get(&parts, r.payload));
            break;
        default:
            ok = wal_decode(&d, (u8)r.kind, r.payload, &e) && d.series_refused == 0;
        }
    }
    ok = ok && r.bad_bytes == 0 && image_parts_whole(&parts);
    image_parts_in_fini(&parts);
    wal_decoder_fini(&d);
    if (ok) {
        head_restore_sets(h);
    }
    return ok;
}

static void sets_compare(const struct head *a, const struct head *b)
{
    assert_int_equal(a->index.pairs_live, b->index.pairs_live);
    for (u32 i = 0; i < a->index.pair_count; i++) {
        const struct head_pair *p = &a->index.pairs[i];
        u32 at =
            head_index_pair(&b->index, symtab_get(a->index.symbols, a->index.names[p->name].symbol),
                            symtab_get(a->index.symbols, p->value));
        assert_true(at != MAP_NONE);
        struct postings *both = postings_copy(p->set);
        assert_true(postings_count(both) == postings_count(b->index.pairs[at].set));
        postings_and(both, b->index.pairs[at].set);
        assert_true(postings_count(both) == postings_count(p->set));
        postings_free(both);
    }
}

TEST(head_image_parts_are_the_series_as_they_were)
{
    struct head_limits limits[2] = {plenty, plenty};
    struct arena *a = arena_new((size_t)16 << 20);
    struct head *was = head_filled(&limits[0]);
    struct head *is = head_new(0, 7200000, &limits[1], (u64)1 << 24);
    struct buf out;
    buf_init(&out, (size_t)16 << 20);
    series_put(was, &out);
    assert_true(series_get(is, buf_get(&out), false));
    assert_int_equal(is->live, SERIES);
    sets_compare(was, is);
    for (u32 i = 0; i < SERIES; i++) {
        struct label items[2][LONG + 4];
        assert_true(was->hash[i] == is->hash[i]);
        assert_int_equal(was->rows[i].tenant, is->rows[i].tenant);
        assert_int_equal(was->rows[i].group == 0, is->rows[i].group == 0);
        assert_true(labels_eq(head_labels(was, i, items[0]), head_labels(is, i, items[1])));
        assert_true(str_eq(head_job(was, i), head_job(is, i)));
        assert_int_equal(series_find(is, a, i), i); // Found, not made again.
    }
    assert_int_equal(is->group_count, was->group_count);
    // Nothing is held once the image is there: the same leaves both.
    head_restored(was, 1);
    head_restored(is, 1);
    assert_int_equal(is->live, 0);
    assert_int_equal(was->index.pairs_live, 0);
    assert_int_equal(is->index.pairs_live, 0);
    assert_int_equal(is->parts.by_text.count, 0);
    buf_fini(&out);
    head_free(was);
    head_free(is);
    arena_free(a);
}

TEST(head_image_parts_of_a_series_that_is_there_are_refused)
{
    struct head_limits limits[2] = {plenty, plenty};
    struct head *was = head_filled(&limits[0]);
    struct head *is = head_new(0, 7200000, &limits[1], (u64)1 << 24);
    struct buf out;
    buf_init(&out, (size_t)16 << 20);
    series_put(was, &out);
    assert_false(series_get(is, buf_get(&out), true));
    buf_fini(&out);
    head_free(was);
    head_free(is);
}

// Threads: a value.
struct part_text {
    bool target;
    u64 word; // Tenant, or mask.
    const char *names;
};

static void part_write(struct buf *out, const struct part_text *p)
{
    str rest = str_c(p->names);
    str name;
    u32 n = 0;
    struct buf labels;
    buf_init(&labels, 4096);
    while (str_split_next(&rest, ',', &name)) {
        buf_varint(&labels, 0);
        buf_lenstr(&labels, name);
        buf_lenstr(&labels, STR("v"));
        n++;
    }
    buf_byte(out, p->target);
    buf_varint(out, p->word);
    buf_varint(out, n);
    buf_add(out, labels.bytes, labels.len);
    buf_fini(&labels);
}

// One series of the first part and the one with that number; whether it is taken.
static bool parts_taken(const struct part_text *texts, u32 n, i64 number)
{
    struct head_limits limits = plenty;
    struct image_parts_in in;
    struct buf parts;
    struct buf series;
    struct head *h = head_new(0, 7200000, &limits, (u64)1 << 24);
    buf_init(&parts, 4096);
    buf_init(&series, 4096);
    buf_varint(&parts, n);
    for (u32 i = 0; i < n; i++) {
        part_write(&parts, &texts[i]);
    }
    buf_varint(&series, 1);
    buf_varint(&series, 0);
    buf_varsint(&series, 1);
    buf_varsint(&series, number);
    image_parts_in_init(&in, h, 1000);
    bool ok = image_parts_get(&in, buf_get(&parts)) && image_series_get(&in, buf_get(&series)) &&
              image_parts_whole(&in);
    image_parts_in_fini(&in);
    if (ok) {
        head_restore_sets(h);
    }
    buf_fini(&parts);
    buf_fini(&series);
    head_free(h);
    return ok;
}

static bool pair_taken(struct part_text target, struct part_text own, i64 number)
{
    return parts_taken((struct part_text[]){target, own}, 2, number);
}

// The second one seems to have a series, and shares a pair with one that has.
TEST(head_image_parts_that_are_told_twice_are_refused)
{
    const struct part_text target = {true, 0, "instance,job"};
    const struct part_text own = {false, 13, "__name__"};
    const struct part_text other = {false, 5, "__name__"};
    assert_true(parts_taken((struct part_text[]){target, own}, 2, 2));
    assert_false(parts_taken((struct part_text[]){target, own, other}, 3, 2)); // Has none.
    assert_false(parts_taken((struct part_text[]){target, own, other, other}, 4, 2));
    assert_false(parts_taken((struct part_text[]){target, own, target}, 3, 2));
}

TEST(head_image_parts_that_make_no_set_are_refused)
{
    const struct part_text target = {true, 0, "instance,job"};
    // Tenant, __name__, instance, job: positions 0, 2 and 3 are the target's.
    const struct part_text own = {false, 13, "__name__"};
    assert_true(pair_taken(target, own, 2));
    assert_false(pair_taken(target, own, 1)); // A target is no own part,
    assert_false(pair_taken(own, own, 2));    // nor the other way round;
    assert_false(pair_taken(target, own, 0)); // nor is there such a number,
    assert_false(pair_taken(target, own, 3));
    assert_false(pair_taken(target, own, INT64_MIN));
    const struct part_text bad_targets[] = {
        {true, 0, "instance"},              // No group.
        {true, 0, "job,instance"},          // Not in order.
        {true, 0, "instance,instance,job"}, // Twice.
        {true, 0, "instance,job,zone"},     // One more than the mask has.
        {true, (u64)UINT32_MAX + 1, "instance,job"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad_targets); i++) {
        assert_false(pair_taken(bad_targets[i], own, 2));
    }
    const struct part_text bad_owns[] = {
        {false, 14, "__name__"},      // The tenant is not first.
        {false, 7, "__name__"},       // Behind the target's, but it sorts before them.
        {false, 13, "instance"},      // Twice in all.
        {false, 13, "z"},             // Sorts behind.
        {false, 13 + 16, "__name__"}, // More than the target has.
        {false, 13 + 32, "__name__"}, // Behind a gap.
        {false, UINT64_MAX, "__name__"},
        {false, 0, "__name__"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad_owns); i++) {
        assert_false(pair_taken(target, bad_owns[i], 2));
    }
}
