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

bool label_texts_copy(struct label_texts *t, struct run *r, struct labels ls, struct labels *out)
{
    if (!t->kept) {
        t->kept = RUN_NEW_N(r, str, LABEL_TEXTS);
    }
    if (!t->kept || !run_room(r, 0)) {
        return false;
    }
    struct label *items = arena_raw(r->arena, MAX(ls.count, 1U), sizeof(*items));
    for (u32 i = 0; i < ls.count; i++) {
        static const struct label none;
        const struct label *last = i < t->last.count ? &t->last.items[i] : &none;
        const struct label *l = &ls.items[i];
        items[i].name = str_eq(last->name, l->name) ? last->name : text_copy(t, r->arena, l->name);
        items[i].value =
            str_eq(last->value, l->value) ? last->value : text_copy(t, r->arena, l->value);
    }
    t->last = (struct labels){items, ls.count};
    *out = t->last;
    return true;
}
