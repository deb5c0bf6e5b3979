// column.c: see column.h.
#include "promql/column.h"

#include "promql/query_run.h"

bool column_init(struct run *r, struct column *c, u32 steps)
{
    const u64 words = column_words(steps);
    u64 *present = run_alloc_raw(r, words + steps, sizeof(u64)); // The values behind it.
    if (!present) {
        return false;
    }
    memset(present, 0, words * sizeof(u64));
    *c = (struct column){
        .values = (f64 *)(void *)(present + words), .present = present, .steps = steps};
    return true;
}

bool column_set_hist(struct run *r, struct column *c, u32 i, const struct hist *h)
{
    if (!c->hists) {
        c->hists = run_alloc_made(r, c->steps, sizeof(void *));
        if (!c->hists) {
            return false;
        }
    }
    c->hists[i] = h;
    bits_set(c->present, i);
    return true;
}

void column_clear(struct column *c)
{
    memset(c->present, 0, column_words(c->steps) * sizeof(u64));
    if (c->hists) {
        memset(c->hists, 0, c->steps * sizeof(void *));
    }
}

bool column_copy(struct run *r, struct column *to, const struct column *from)
{
    CHECK(to->steps == from->steps);
    memcpy(to->values, from->values, from->steps * sizeof(f64));
    memcpy(to->present, from->present, column_words(from->steps) * sizeof(u64));
    if (!from->hists && !to->hists) {
        return true;
    }
    if (!to->hists) {
        to->hists = run_alloc(r, to->steps, sizeof(void *));
        if (!to->hists) {
            return false;
        }
    }
    for (u32 i = 0; i < from->steps; i++) {
        to->hists[i] = column_has(from, i) ? column_hist(from, i) : NULL;
    }
    return true;
}

u32 column_count(const struct column *c)
{
    u32 n = 0;
    for (u32 i = 0; i < column_words(c->steps); i++) {
        n += (u32)__builtin_popcountll(c->present[i]);
    }
    return n;
}
