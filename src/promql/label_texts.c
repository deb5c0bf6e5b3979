// label_texts.c: see label_texts.h.
#include "promql/label_texts.h"

#include "base/arena.h"
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

bool label_texts_copy(struct label_texts *t, struct run *r, struct labels ls, struct labels *out)
{
    const u32 most = t->wanted ? MIN(ls.count, t->wanted_count) : ls.count;
    if (!t->kept) {
        t->kept = RUN_NEW_N(r, str, LABEL_TEXTS);
    }
    if (!t->kept || !run_room(r, 0)) {
        return false;
    }
    struct label *items = arena_raw(r->arena, MAX(most, 1U), sizeof(*items));
    const u32 count =
        t->wanted ? wanted_copy(t, r->arena, ls, items) : all_copy(t, r->arena, ls, items);
    t->last = (struct labels){items, count};
    *out = t->last;
    return true;
}
