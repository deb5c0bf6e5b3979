// label_texts.c: see label_texts.h.
#include "promql/label_texts.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/hash.h"
#include "base/str.h"
#include "promql/query_run.h"

static str text_copy(struct label_texts *t, struct arena *a, str s)
{
    str *place = &t->kept[hash_str(s) % LABEL_TEXTS];
    if (!str_eq(*place, s)) {
        *place = arena_str(a, s);
    }
    return *place;
}

static bool is_before(str a, str b)
{
    return a.len > 0 && b.len > 0 && a.ptr[0] != b.ptr[0] ? (u8)a.ptr[0] < (u8)b.ptr[0]
                                                          : str_cmp(a, b) < 0;
}

static void label_copy(struct label_texts *t, struct arena *a, const struct label *l, u32 at,
                       struct label *out)
{
    static const struct label none;
    const struct label *last = at < t->last.count ? &t->last.items[at] : &none;
    out->name = str_eq(last->name, l->name) ? last->name : text_copy(t, a, l->name);
    out->value = str_eq(last->value, l->value) ? last->value : text_copy(t, a, l->value);
}

// Of the wanted names those that are there; how many. Both are sorted.
static u32 wanted_copy(struct label_texts *t, struct arena *a, struct labels ls,
                       struct label *items)
{
    u32 n = 0;
    for (u32 i = 0, k = 0; i < ls.count; i++) {
        while (k < t->wanted_count && is_before(t->wanted[k], ls.items[i].name)) {
            k++;
        }
        if (k == t->wanted_count) {
            break;
        }
        if (str_eq(t->wanted[k], ls.items[i].name)) {
            label_copy(t, a, &ls.items[i], n, &items[n]);
            n++;
            k++;
        }
    }
    return n;
}

static u32 all_copy(struct label_texts *t, struct arena *a, struct labels ls, struct label *items)
{
    for (u32 i = 0; i < ls.count; i++) {
        label_copy(t, a, &ls.items[i], i, &items[i]);
    }
    return ls.count;
}

// The first eight bytes; a shorter name is told by them and its length.
static u64 head_of(str name)
{
    u64 head = 0;
    if (name.len >= sizeof(head)) {
        return load_le64(name.ptr);
    }
    for (size_t i = 0; i < name.len; i++) {
        head |= (u64)(u8)name.ptr[i] << (8 * i);
    }
    return head;
}

static bool is_named(const struct label_texts *t, u32 k, str name, u64 head)
{
    return t->heads[k] == head && t->names[k].len == name.len &&
           (name.len <= sizeof(head) || memcmp(t->names[k].ptr, name.ptr, name.len) == 0);
}

// Of few wanted names those that are there, their texts shared; how many. Whose labels name one
// twice, as those of a damaged block may, has no more than are wanted.
static u32 few_find(struct label_texts *t, struct arena *a, struct labels ls, struct label *items)
{
    u32 n = 0;
    for (u32 i = 0; i < ls.count && n < t->wanted_count; i++) {
        const struct label *l = &ls.items[i];
        const u64 head = head_of(l->name);
        u32 k = 0;
        while (k < t->wanted_count && !is_named(t, k, l->name, head)) {
            k++;
        }
        if (k < t->wanted_count) {
            const str last = n < t->last.count ? t->last.items[n].value : STR_EMPTY;
            items[n++] = (struct label){t->names[k],
                                        str_eq(last, l->value) ? last : text_copy(t, a, l->value)};
        }
    }
    return n;
}

static bool are_same(struct labels a, const struct label *items, u32 n)
{
    bool same = a.count == n && a.items;
    for (u32 i = 0; same && i < n; i++) {
        same =
            str_same(a.items[i].name, items[i].name) && str_same(a.items[i].value, items[i].value);
    }
    return same;
}

static struct labels few_copy(struct label_texts *t, struct arena *a, struct labels ls)
{
    UNINIT struct label items[LABEL_WANTED];
    const u32 n = few_find(t, a, ls, items);
    u64 hash = 0;
    for (u32 i = 0; i < n; i++) {
        hash = (hash ^ (uintptr_t)items[i].value.ptr) * 0x9e3779b97f4a7c15ULL;
    }
    static_assert(LABEL_SETS == 1U << 6, "the upper bits of the hash");
    struct labels *set = &t->sets[hash >> 58];
    if (!are_same(*set, items, n)) {
        struct label *copy = arena_raw(a, MAX(n, 1U), sizeof(*copy));
        memcpy(copy, items, n * sizeof(*copy));
        *set = (struct labels){copy, n};
    }
    return *set;
}

static bool texts_begin(struct label_texts *t, struct run *r)
{
    t->kept = RUN_NEW_N(r, str, LABEL_TEXTS);
    if (!t->kept || !t->wanted || t->wanted_count > LABEL_WANTED) {
        return t->kept != NULL;
    }
    t->sets = RUN_NEW_N(r, struct labels, LABEL_SETS);
    t->names = RUN_NEW_N(r, str, t->wanted_count);
    if (!t->sets || !t->names) {
        return false;
    }
    for (u32 k = 0; k < t->wanted_count; k++) {
        t->names[k] = arena_str(r->arena, t->wanted[k]);
        t->heads[k] = head_of(t->wanted[k]);
    }
    return true;
}

bool label_texts_copy(struct label_texts *t, struct run *r, struct labels ls, struct labels *out)
{
    const u32 most = t->wanted ? MIN(ls.count, t->wanted_count) : ls.count;
    if ((!t->kept && !texts_begin(t, r)) || !run_room(r, 0)) {
        return false;
    }
    if (t->sets) {
        t->last = few_copy(t, r->arena, ls);
        *out = t->last;
        return true;
    }
    struct label *items = arena_raw(r->arena, MAX(most, 1U), sizeof(*items));
    const u32 count =
        t->wanted ? wanted_copy(t, r->arena, ls, items) : all_copy(t, r->arena, ls, items);
    t->last = (struct labels){items, count};
    *out = t->last;
    return true;
}
