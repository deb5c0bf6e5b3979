#include "tsdb/postings.h"

#include "base/bits.h"
#include "base/buf.h"
#include "base/dec.h"
#include "base/error.h"

// The library's headers do not pass our own warnings.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <roaring/roaring.h>
#pragma GCC diagnostic pop

// Threads: guarded by the owner.
struct postings {
    roaring_bitmap_t *set; // NULL while there is at most one ordinal.
    u32 one;
    bool has_one; // Only while set is NULL.
};

struct postings *postings_new(void)
{
    return MEM_NEW(struct postings);
}

void postings_free(struct postings *p)
{
    if (!p) {
        return;
    }
    if (p->set) {
        roaring_bitmap_free(p->set);
    }
    mem_free(p);
}

struct postings *postings_copy(const struct postings *p)
{
    struct postings *c = postings_new();
    c->one = p->one;
    c->has_one = p->has_one;
    if (p->set) {
        c->set = roaring_bitmap_copy(p->set);
        CHECK(c->set);
    }
    return c;
}

static void set_make(struct postings *p)
{
    if (p->set) {
        return;
    }
    p->set = roaring_bitmap_create();
    CHECK(p->set);
    if (p->has_one) {
        roaring_bitmap_add(p->set, p->one);
        p->has_one = false;
    }
}

void postings_clear(struct postings *p)
{
    if (p->set) {
        roaring_bitmap_free(p->set);
    }
    *p = (struct postings){0};
}

void postings_add(struct postings *p, u32 ordinal)
{
    if (!p->set && (!p->has_one || p->one == ordinal)) {
        p->one = ordinal;
        p->has_one = true;
        return;
    }
    set_make(p);
    roaring_bitmap_add(p->set, ordinal);
}

void postings_add_all(struct postings *p, const u32 *ordinals, u32 n)
{
    if (n == 1) {
        postings_add(p, ordinals[0]);
    } else if (n > 1) {
        set_make(p);
        roaring_bitmap_add_many(p->set, n, ordinals);
    }
}

void postings_remove(struct postings *p, u32 ordinal)
{
    if (p->set) {
        roaring_bitmap_remove(p->set, ordinal);
    } else if (p->has_one && p->one == ordinal) {
        p->has_one = false;
    }
}

bool postings_has(const struct postings *p, u32 ordinal)
{
    return p->set ? roaring_bitmap_contains(p->set, ordinal) : p->has_one && p->one == ordinal;
}

void postings_have(const struct postings *p, const u32 *ordinals, u32 n, bool *has)
{
    const void *container = NULL; // Of the 64 Ki ordinals that were looked at last.
    u8 kind = 0;
    u32 high = UINT32_MAX;
    for (u32 i = 0; i < n; i++) {
        if (!p->set) {
            has[i] = p->has_one && p->one == ordinals[i];
            continue;
        }
        if (ordinals[i] >> 16 != high) {
            high = ordinals[i] >> 16;
            const i32 at = ra_get_index(&p->set->high_low_container, (u16)high);
            container =
                at < 0 ? NULL
                       : ra_get_container_at_index(&p->set->high_low_container, (u16)at, &kind);
        }
        has[i] = container && container_contains(container, (u16)ordinals[i], kind);
    }
}

u64 postings_count(const struct postings *p)
{
    return p->set ? roaring_bitmap_get_cardinality(p->set) : p->has_one;
}

u64 postings_bytes(const struct postings *p)
{
    return sizeof(*p) + (p->set ? roaring_bitmap_size_in_bytes(p->set) + 64 : 0);
}

void postings_or(struct postings *into, const struct postings *from)
{
    if (!from->set) {
        if (from->has_one) {
            postings_add(into, from->one);
        }
        return;
    }
    set_make(into);
    roaring_bitmap_or_inplace(into->set, from->set);
}

static void keep_one(struct postings *p, u32 ordinal, bool keep)
{
    if (p->set) {
        roaring_bitmap_free(p->set);
        p->set = NULL;
    }
    p->one = ordinal;
    p->has_one = keep;
}

void postings_and(struct postings *into, const struct postings *from)
{
    if (!from->set) {
        keep_one(into, from->one, from->has_one && postings_has(into, from->one));
    } else if (!into->set) {
        into->has_one = into->has_one && postings_has(from, into->one);
    } else {
        roaring_bitmap_and_inplace(into->set, from->set);
    }
}

void postings_andnot(struct postings *into, const struct postings *from)
{
    if (!from->set) {
        if (from->has_one) {
            postings_remove(into, from->one);
        }
    } else if (!into->set) {
        into->has_one = into->has_one && !postings_has(from, into->one);
    } else {
        roaring_bitmap_andnot_inplace(into->set, from->set);
    }
}

bool postings_intersects(const struct postings *a, const struct postings *b)
{
    if (!a->set) {
        return a->has_one && postings_has(b, a->one);
    }
    if (!b->set) {
        return b->has_one && postings_has(a, b->one);
    }
    return roaring_bitmap_intersect(a->set, b->set);
}

bool postings_next(const struct postings *p, u32 from, u32 *ordinal)
{
    if (!p->set) {
        *ordinal = p->one;
        return p->has_one && p->one >= from;
    }
    roaring_uint32_iterator_t it;
    roaring_init_iterator(p->set, &it);
    if (!roaring_move_uint32_iterator_equalorlarger(&it, from)) {
        return false;
    }
    *ordinal = it.current_value;
    return true;
}

// Of two containers of many: whichever stands behind goes on to where the other stands.
static enum postings_walk sets_next_both(const struct postings *a, const struct postings *b,
                                         u32 from, u32 *leaps, u32 *ordinal)
{
    roaring_uint32_iterator_t at;
    roaring_uint32_iterator_t other;
    roaring_init_iterator(a->set, &at);
    if (!roaring_move_uint32_iterator_equalorlarger(&at, from)) {
        return POSTINGS_END;
    }
    bool both = roaring_bitmap_contains(b->set, at.current_value);
    if (!both) {
        roaring_init_iterator(b->set, &other); // Needed by few.
    }
    while (!both && *leaps > 0) {
        --*leaps;
        if (!roaring_move_uint32_iterator_equalorlarger(&other, at.current_value) ||
            !roaring_move_uint32_iterator_equalorlarger(&at, other.current_value)) {
            return POSTINGS_END;
        }
        both = at.current_value == other.current_value;
    }
    *ordinal = at.current_value;
    return both ? POSTINGS_BOTH : POSTINGS_LATER;
}

enum postings_walk postings_next_both(const struct postings *a, const struct postings *b, u32 from,
                                      u32 *leaps, u32 *ordinal)
{
    if (a->set && b->set) {
        return sets_next_both(a, b, from, leaps, ordinal);
    }
    const struct postings *one = a->set ? b : a;
    *ordinal = one->one;
    return one->has_one && one->one >= from && postings_has(one == a ? b : a, one->one)
               ? POSTINGS_BOTH
               : POSTINGS_END;
}

void postings_list(const struct postings *p, u32 *out)
{
    if (p->set) {
        roaring_bitmap_to_uint32_array(p->set, out);
    } else if (p->has_one) {
        out[0] = p->one;
    }
}

void postings_encode(const struct postings *p, struct buf *out)
{
    roaring_bitmap_t *set = p->set ? p->set : roaring_bitmap_create();
    CHECK(set);
    if (!p->set && p->has_one) {
        roaring_bitmap_add(set, p->one);
    }
    roaring_bitmap_run_optimize(set);
    size_t len = roaring_bitmap_portable_size_in_bytes(set);
    char *room = buf_room(out, len);
    if (room) {
        buf_commit(out, roaring_bitmap_portable_serialize(set, room));
    }
    if (!p->set) {
        roaring_bitmap_free(set);
    }
}

#define COOKIE_PLAIN 12346U
#define COOKIE_RUNS  12347U
#define NO_OFFSETS   4U // Sets with runs and fewer containers carry no offset column.
#define ARRAY_MAX    4096U

// One container: counts, order and length agree.
static void container_check(struct dec *d, u32 cardinality, bool is_run)
{
    if (is_run) {
        u32 runs = dec_le16(d);
        u32 next = 0;
        u32 seen = 0;
        for (u32 i = 0; i < runs && dec_ok(d); i++) {
            u32 start = dec_le16(d);
            u32 more = dec_le16(d);
            if (start < next || start + more > UINT16_MAX) {
                dec_fail(d);
            }
            next = start + more + 1;
            seen += more + 1;
        }
        if (seen != cardinality) {
            dec_fail(d);
        }
        return;
    }
    if (cardinality > ARRAY_MAX) {
        u32 seen = 0;
        for (u32 i = 0; i < 1024 && dec_ok(d); i++) {
            seen += (u32)__builtin_popcountll(dec_le64(d));
        }
        if (seen != cardinality) {
            dec_fail(d);
        }
        return;
    }
    u32 next = 0;
    for (u32 i = 0; i < cardinality && dec_ok(d); i++) {
        u32 v = dec_le16(d);
        if (v < next) {
            dec_fail(d);
        }
        next = v + 1;
    }
}

static bool portable_check(str bytes)
{
    struct dec d = dec_of(bytes);
    u32 cookie = dec_le32(&d);
    bool runs = (cookie & 0xffffU) == COOKIE_RUNS;
    if (!runs && cookie != COOKIE_PLAIN) {
        return false;
    }
    u32 count = runs ? (cookie >> 16) + 1 : dec_le32(&d);
    if (count > 65536) {
        return false;
    }
    str run_bits = runs ? dec_bytes(&d, (count + 7) / 8) : STR_EMPTY;
    str heads = dec_bytes(&d, (u64)count * 4);
    str offsets = !runs || count >= NO_OFFSETS ? dec_bytes(&d, (u64)count * 4) : STR_EMPTY;
    u32 key_next = 0;
    for (u32 i = 0; i < count && dec_ok(&d); i++) {
        u32 head = load_le32(heads.ptr + (size_t)i * 4);
        u32 key = head & 0xffffU;
        bool is_run = runs && ((u8)run_bits.ptr[i / 8] >> (i % 8) & 1);
        if (key < key_next ||
            (offsets.len && load_le32(offsets.ptr + (size_t)i * 4) != dec_offset(&d))) {
            return false;
        }
        key_next = key + 1;
        container_check(&d, (head >> 16) + 1, is_run);
    }
    return dec_ok(&d) && dec_left(&d) == 0;
}

struct postings *postings_decode(str bytes, u32 ordinals, struct error *e)
{
    if (!portable_check(bytes)) {
        return err_null(e, ERR_CORRUPT, "a posting set contradicts itself");
    }
    roaring_bitmap_t *set = roaring_bitmap_portable_deserialize_safe(bytes.ptr, bytes.len);
    if (!set) {
        return err_null(e, ERR_CORRUPT, "a posting set cannot be read");
    }
    if (!roaring_bitmap_is_empty(set) && roaring_bitmap_maximum(set) >= ordinals) {
        roaring_bitmap_free(set);
        return err_null(e, ERR_CORRUPT, "a posting set names series that do not exist");
    }
    struct postings *p = postings_new();
    p->set = set;
    return p;
}
