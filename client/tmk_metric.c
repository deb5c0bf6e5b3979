// tmk_metric.c: the paths that run inside the measured program.
//
// All atomics are relaxed unless said: a number needs no order with its neighbours. Fractions go to
// a cell that only the calling thread writes, so a plain load and store do; a sum over cells in a
// fixed order never falls while none of them falls (rounding is monotone), which keeps (I1).
#include "client/tmk_inner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double tmk_bits_double(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

uint64_t tmk_double_bits(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

static uint64_t cell_get(const uint64_t *cell)
{
    return __atomic_load_n(cell, __ATOMIC_RELAXED);
}

static void cell_add_shared(uint64_t *cell, double v)
{
    uint64_t old = cell_get(cell);
    while (!__atomic_compare_exchange_n(cell, &old, tmk_double_bits(tmk_bits_double(old) + v), true,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

static void slot_high_raise(struct tmk_registry *r, int slot)
{
    int high = __atomic_load_n(&r->slot_high, __ATOMIC_RELAXED);
    while (slot >= high && !__atomic_compare_exchange_n(&r->slot_high, &high, slot + 1, true,
                                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
    }
}

// The first fraction of this thread on this page: the only time that memory is asked for.
static uint64_t *page_make(struct tmk_registry *r, int slot, uint32_t page)
{
    struct tmk_slot *s = r->slots[slot]; // only this thread stores it
    if (!s) {
        s = calloc(1, sizeof(*s));
        if (!s) {
            return NULL;
        }
        __atomic_store_n(&r->slots[slot], s, __ATOMIC_RELEASE); // partner: tmk_cell_sum
        slot_high_raise(r, slot);
    }
    void *cells = NULL;
    if (posix_memalign(&cells, TMK_LINE_BYTES, TMK_PAGE_CELLS * sizeof(uint64_t)) != 0) {
        return NULL;
    }
    memset(cells, 0, TMK_PAGE_CELLS * sizeof(uint64_t));
    __atomic_store_n(&s->pages[page], (uint64_t *)cells, __ATOMIC_RELEASE); // partner: tmk_cell_sum
    return cells;
}

static uint64_t *cell_mine(const struct tmk_child *c)
{
    int slot = tmk_slot_get();
    if (slot < 0) {
        return NULL;
    }
    struct tmk_registry *r = c->family->registry;
    uint32_t page = c->id / TMK_PAGE_CELLS;
    struct tmk_slot *s = r->slots[slot];
    uint64_t *cells = s ? s->pages[page] : NULL;
    if (!cells) {
        cells = page_make(r, slot, page);
    }
    return cells ? &cells[c->id % TMK_PAGE_CELLS] : NULL;
}

void tmk_cell_add(struct tmk_child *c, double v)
{
    uint64_t *cell = cell_mine(c);
    if (!cell) {
        cell_add_shared(&c->spare, v);
        return;
    }
    double now = tmk_bits_double(cell_get(cell)) + v;
    __atomic_store_n(cell, tmk_double_bits(now), __ATOMIC_RELAXED);
}

double tmk_cell_sum(const struct tmk_child *c)
{
    const struct tmk_registry *r = c->family->registry;
    double sum = tmk_bits_double(cell_get(&c->spare));
    int high = __atomic_load_n(&r->slot_high, __ATOMIC_ACQUIRE);
    for (int i = 0; i < high; i++) {
        const struct tmk_slot *s = __atomic_load_n(&r->slots[i], __ATOMIC_ACQUIRE);
        const uint64_t *cells =
            s ? __atomic_load_n(&s->pages[c->id / TMK_PAGE_CELLS], __ATOMIC_ACQUIRE) : NULL;
        if (cells) {
            sum += tmk_bits_double(cell_get(&cells[c->id % TMK_PAGE_CELLS]));
        }
    }
    return sum;
}

static void value_refuse(struct tmk_child *c)
{
    __atomic_fetch_add(&c->family->registry->refused, 1, __ATOMIC_RELAXED);
}

void tmk_counter_inc(struct tmk_counter *c)
{
    tmk_counter_add(c, 1);
}

void tmk_counter_add(struct tmk_counter *c, uint64_t n)
{
    if (c) {
        __atomic_fetch_add(&c->child.cells[0], n, __ATOMIC_RELAXED);
    }
}

void tmk_counter_add_double(struct tmk_counter *c, double v)
{
    if (!c) {
        return;
    }
    if (!(v >= 0) || isinf(v)) {
        value_refuse(&c->child);
        return;
    }
    tmk_cell_add(&c->child, v);
}

double tmk_counter_get(const struct tmk_counter *c)
{
    return c ? (double)cell_get(&c->child.cells[0]) + tmk_cell_sum(&c->child) : 0;
}

void tmk_gauge_set(struct tmk_gauge *g, double v)
{
    if (g) {
        __atomic_store_n(&g->child.cells[0], tmk_double_bits(v), __ATOMIC_RELAXED);
    }
}

void tmk_gauge_add(struct tmk_gauge *g, double v)
{
    if (g) {
        cell_add_shared(&g->child.cells[0], v);
    }
}

double tmk_gauge_get(const struct tmk_gauge *g)
{
    return g ? tmk_bits_double(cell_get(&g->child.cells[0])) : 0;
}

// The first bound that is not below v: buckets are closed above.
static size_t bucket_find(const double *bounds, size_t n, double v)
{
    size_t lo = 0;
    while (n > 0) {
        size_t half = n / 2;
        bool above = bounds[lo + half] < v;
        lo = above ? lo + half + 1 : lo;
        n = above ? n - half - 1 : half;
    }
    return lo;
}

void tmk_histogram_observe(struct tmk_histogram *h, double v)
{
    if (!h) {
        return;
    }
    if (isnan(v)) {
        value_refuse(&h->child);
        return;
    }
    const struct tmk_family *f = h->child.family;
    size_t bucket = bucket_find(f->bounds, f->bound_count, v);
    __atomic_fetch_add(&h->child.cells[bucket], 1, __ATOMIC_RELAXED);
    tmk_cell_add(&h->child, v);
}

void tmk_histogram_add(struct tmk_histogram *h, const uint64_t *counts, size_t n, double sum)
{
    if (!h) {
        return;
    }
    if (n != h->child.family->bound_count + 1 || isnan(sum)) {
        value_refuse(&h->child);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        __atomic_fetch_add(&h->child.cells[i], counts[i], __ATOMIC_RELAXED);
    }
    tmk_cell_add(&h->child, sum);
}

uint64_t tmk_histogram_count(const struct tmk_histogram *h)
{
    uint64_t count = 0;
    for (size_t i = 0; h && i <= h->child.family->bound_count; i++) {
        count += cell_get(&h->child.cells[i]);
    }
    return count;
}

double tmk_histogram_sum(const struct tmk_histogram *h)
{
    return h ? tmk_cell_sum(&h->child) : 0;
}
