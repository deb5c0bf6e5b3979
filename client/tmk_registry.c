// tmk_registry.c: birth and look-up of families and their label sets.
//
// Everything here may take the lock and ask for memory; nothing here runs on an increment.
#include "client/tmk_inner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHAINS_MAX = 1024 };

static double now_s(void)
{
    struct timespec t = {0, 0};
    (void)clock_gettime(CLOCK_REALTIME, &t);
    const long ms = t.tv_nsec / 1000000; // finer would only make the page longer
    return (double)t.tv_sec + (double)ms / 1e3;
}

static size_t limit_or(size_t asked, size_t otherwise, size_t most)
{
    size_t n = asked ? asked : otherwise;
    return n < most ? n : most;
}

struct tmk_registry *tmk_registry_new(const struct tmk_opts *opts)
{
    static const struct tmk_opts none = {0, 0, false};
    const struct tmk_opts *o = opts ? opts : &none;
    struct tmk_registry *r = calloc(1, sizeof(*r));
    if (!r) {
        return NULL;
    }
    if (pthread_mutex_init(&r->lock, NULL) != 0) {
        free(r);
        return NULL;
    }
    if (pthread_mutex_init(&r->fn_lock, NULL) != 0) {
        pthread_mutex_destroy(&r->lock);
        free(r);
        return NULL;
    }
    r->families_max = limit_or(o->families_max, 1024, TMK_FAMILIES_LIMIT);
    r->series_max = limit_or(o->series_max, TMK_SERIES_LIMIT, TMK_SERIES_LIMIT);
    r->created = o->created;
    return r;
}

static void child_free(struct tmk_child *c)
{
    if (c) {
        free(c->key);
        free(c->cells);
        free(c);
    }
}

static void family_free(struct tmk_family *f)
{
    if (!f) {
        return;
    }
    for (struct tmk_child *c = f->first; c;) {
        struct tmk_child *next = c->next;
        child_free(c);
        c = next;
    }
    child_free(f->overflow);
    for (size_t i = 0; i < f->label_count; i++) {
        free(f->labels[i]);
    }
    free(f->chains);
    free(f->bounds);
    free(f->unit);
    free(f->help);
    free(f->name);
    free(f);
}

void tmk_registry_free(struct tmk_registry *r)
{
    if (!r) {
        return;
    }
    for (struct tmk_family *f = r->first; f;) {
        struct tmk_family *next = f->next;
        family_free(f);
        f = next;
    }
    for (int i = 0; i < r->slot_high; i++) {
        for (int p = 0; r->slots[i] && p < TMK_PAGES_MAX; p++) {
            free(r->slots[i]->pages[p]);
        }
        free(r->slots[i]);
    }
    tmk_process_free(r->process);
    pthread_mutex_destroy(&r->fn_lock);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

// Both for the caller to free, on failure too. The id is taken under the lock.
static struct tmk_child *child_new(struct tmk_family *f, const char *key, size_t key_bytes)
{
    size_t cells = f->kind == TMK_HISTOGRAM ? f->bound_count + 1 : 1;
    size_t line = TMK_LINE_BYTES / sizeof(uint64_t);
    size_t bytes = (cells + line - 1) / line * TMK_LINE_BYTES;
    struct tmk_child *c = calloc(1, sizeof(*c));
    void *memory = NULL;
    if (!c || posix_memalign(&memory, TMK_LINE_BYTES, bytes) != 0) {
        free(c);
        return NULL;
    }
    memset(memory, 0, bytes);
    c->cells = memory;
    c->key = malloc(key_bytes + 1);
    if (!c->key) {
        child_free(c);
        return NULL;
    }
    if (key_bytes) {
        memcpy(c->key, key, key_bytes);
    }
    c->key_bytes = key_bytes;
    c->family = f;
    c->created_s = now_s();
    c->id = (uint32_t)f->registry->series_count++;
    return c;
}

static size_t key_hash(const char *key, size_t n)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < n; i++) {
        h = (h ^ (unsigned char)key[i]) * UINT64_C(1099511628211);
    }
    return (size_t)(h ^ (h >> 32));
}

static void child_link(struct tmk_family *f, struct tmk_child *c)
{
    size_t chain = key_hash(c->key, c->key_bytes) & f->chain_mask;
    c->chain = f->chains[chain];
    f->chains[chain] = c;
    f->child_count++;
    if (f->last) {
        __atomic_store_n(&f->last->next, c, __ATOMIC_RELEASE); // partner: tmk_expose
    } else {
        __atomic_store_n(&f->first, c, __ATOMIC_RELEASE); // partner: tmk_expose
    }
    f->last = c;
}

static struct tmk_child *child_find(const struct tmk_family *f, const char *key, size_t n)
{
    struct tmk_child *c = f->chains[key_hash(key, n) & f->chain_mask];
    while (c && (c->key_bytes != n || memcmp(c->key, key, n) != 0)) {
        c = c->chain;
    }
    return c;
}

static bool strings_copy(struct tmk_family *f, const struct tmk_desc *d)
{
    f->name = strdup(d->name);
    f->help = strdup(d->help);
    f->unit = d->unit ? strdup(d->unit) : NULL;
    bool ok = f->name && f->help && (f->unit || !d->unit);
    for (; f->label_count < d->label_count; f->label_count++) {
        f->labels[f->label_count] = strdup(d->labels[f->label_count]);
        ok = ok && f->labels[f->label_count];
    }
    return ok;
}

static bool bounds_copy(struct tmk_family *f, const struct tmk_desc *d)
{
    if (d->bound_count == 0) {
        return true;
    }
    f->bounds = calloc(d->bound_count, sizeof(*f->bounds));
    if (!f->bounds) {
        return false;
    }
    memcpy(f->bounds, d->bounds, d->bound_count * sizeof(*f->bounds));
    f->bound_count = d->bound_count;
    return true;
}

static struct tmk_child *overflow_new(struct tmk_family *f)
{
    char key[TMK_LABELS_MAX * sizeof(TMK_OVERFLOW)];
    for (size_t i = 0; i < f->label_count; i++) {
        memcpy(key + i * sizeof(TMK_OVERFLOW), TMK_OVERFLOW, sizeof(TMK_OVERFLOW));
    }
    return child_new(f, key, f->label_count * sizeof(TMK_OVERFLOW));
}

static struct tmk_family *family_new(struct tmk_registry *r, const struct tmk_desc *d)
{
    struct tmk_family *f = calloc(1, sizeof(*f));
    if (!f) {
        return NULL;
    }
    f->registry = r;
    f->kind = d->kind;
    size_t children = d->children_max ? d->children_max : TMK_CHILDREN_DEFAULT;
    f->children_max = d->label_count ? children : 1;
    size_t chains = 1;
    while (chains < f->children_max && chains < CHAINS_MAX) {
        chains *= 2;
    }
    f->chain_mask = chains - 1;
    f->chains = calloc(chains, sizeof(struct tmk_child *));
    bool ok = strings_copy(f, d) && bounds_copy(f, d) && f->chains;
    if (ok && f->label_count) {
        f->overflow = overflow_new(f);
        ok = f->overflow != NULL;
    } else if (ok) {
        struct tmk_child *only = child_new(f, NULL, 0);
        ok = only != NULL;
        if (only) {
            child_link(f, only);
        }
    }
    if (!ok) {
        family_free(f);
        return NULL;
    }
    return f;
}

static bool text_same(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

static bool family_same(const struct tmk_family *f, const struct tmk_desc *d)
{
    bool same = f->kind == d->kind && strcmp(f->name, d->name) == 0 &&
                text_same(f->unit, d->unit) && f->label_count == d->label_count &&
                f->bound_count == d->bound_count;
    for (size_t i = 0; same && i < f->label_count; i++) {
        same = strcmp(f->labels[i], d->labels[i]) == 0;
    }
    for (size_t i = 0; same && i < f->bound_count; i++) {
        same = tmk_double_bits(f->bounds[i]) == tmk_double_bits(d->bounds[i]);
    }
    return same;
}

static struct tmk_family *family_add(struct tmk_registry *r, const struct tmk_desc *d,
                                     struct tmk_error *e)
{
    for (struct tmk_family *f = r->first; f; f = f->next) {
        if (family_same(f, d)) {
            return f;
        }
        if (tmk_name_clash(f->name, f->kind, d->name, d->kind)) {
            tmk_error_set(e, "%.80s: clashes with %.80s, registered before", d->name, f->name);
            return NULL;
        }
    }
    if (r->family_count >= r->families_max || r->series_count >= r->series_max) {
        tmk_error_set(e, "%.80s: the registry is full (families_max %zu, series_max %zu)", d->name,
                      r->families_max, r->series_max);
        return NULL;
    }
    struct tmk_family *f = family_new(r, d);
    if (!f) {
        tmk_error_set(e, "%.80s: out of memory", d->name);
        return NULL;
    }
    if (r->last) {
        __atomic_store_n(&r->last->next, f, __ATOMIC_RELEASE); // partner: tmk_expose
    } else {
        __atomic_store_n(&r->first, f, __ATOMIC_RELEASE); // partner: tmk_expose
    }
    r->last = f;
    r->family_count++;
    return f;
}

struct tmk_family *tmk_family_register(struct tmk_registry *r, const struct tmk_desc *desc,
                                       struct tmk_error *e)
{
    if (!r || !desc) {
        tmk_error_set(e, "no registry or no description");
        return NULL;
    }
    if (!tmk_desc_check(desc, e)) {
        return NULL;
    }
    if (tmk_name_clash("tidemark_client_label_sets_dropped_total", TMK_COUNTER, desc->name,
                       desc->kind) ||
        tmk_name_clash("tidemark_client_values_refused_total", TMK_COUNTER, desc->name,
                       desc->kind)) {
        tmk_error_set(e, "%.80s: the registry writes this name itself", desc->name);
        return NULL;
    }
    pthread_mutex_lock(&r->lock);
    struct tmk_family *f = family_add(r, desc, e);
    pthread_mutex_unlock(&r->lock);
    return f;
}

// Joins the values into key, each with its NUL; 0 if they are not a label set of this family.
static size_t key_make(const struct tmk_family *f, const char *const *values, size_t count,
                       char key[TMK_KEY_BYTES_MAX])
{
    size_t n = 0;
    if (count != f->label_count || !values) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        size_t bytes = values[i] ? strnlen(values[i], TMK_VALUE_BYTES_MAX + 1) : 0;
        if (!values[i] || bytes > TMK_VALUE_BYTES_MAX || !tmk_utf8_valid(values[i], bytes)) {
            return 0;
        }
        memcpy(key + n, values[i], bytes);
        n += bytes;
        key[n++] = '\0';
    }
    return n;
}

static struct tmk_child *overflow_use(struct tmk_family *f)
{
    __atomic_store_n(&f->overflow->used, true, __ATOMIC_RELAXED);
    __atomic_fetch_add(&f->dropped, 1, __ATOMIC_RELAXED);
    return f->overflow;
}

static struct tmk_child *child_with(struct tmk_family *f, enum tmk_kind kind,
                                    const char *const *values, size_t count)
{
    if (!f || f->kind != kind) {
        return NULL;
    }
    if (f->label_count == 0) {
        return f->first; // there is one, whatever values were given
    }
    char key[TMK_KEY_BYTES_MAX];
    size_t n = key_make(f, values, count, key);
    if (n == 0) {
        return overflow_use(f);
    }
    struct tmk_registry *r = f->registry;
    pthread_mutex_lock(&r->lock);
    struct tmk_child *c = child_find(f, key, n);
    if (!c && f->child_count < f->children_max && r->series_count < r->series_max) {
        c = child_new(f, key, n);
        if (c) {
            child_link(f, c);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return c ? c : overflow_use(f);
}

struct tmk_counter *tmk_counter_with(struct tmk_family *f, const char *const *values, size_t count)
{
    return (struct tmk_counter *)child_with(f, TMK_COUNTER, values, count);
}

struct tmk_gauge *tmk_gauge_with(struct tmk_family *f, const char *const *values, size_t count)
{
    return (struct tmk_gauge *)child_with(f, TMK_GAUGE, values, count);
}

struct tmk_histogram *tmk_histogram_with(struct tmk_family *f, const char *const *values,
                                         size_t count)
{
    return (struct tmk_histogram *)child_with(f, TMK_HISTOGRAM, values, count);
}

static struct tmk_family *plain_register(struct tmk_registry *r, enum tmk_kind kind,
                                         const char *name, const char *help, struct tmk_error *e)
{
    struct tmk_desc d;
    memset(&d, 0, sizeof(d));
    d.kind = kind;
    d.name = name;
    d.help = help;
    return tmk_family_register(r, &d, e);
}

struct tmk_counter *tmk_counter_register(struct tmk_registry *r, const char *name, const char *help,
                                         struct tmk_error *e)
{
    return tmk_counter_with(plain_register(r, TMK_COUNTER, name, help, e), NULL, 0);
}

struct tmk_gauge *tmk_gauge_register(struct tmk_registry *r, const char *name, const char *help,
                                     struct tmk_error *e)
{
    return tmk_gauge_with(plain_register(r, TMK_GAUGE, name, help, e), NULL, 0);
}

struct tmk_histogram *tmk_histogram_register(struct tmk_registry *r, const char *name,
                                             const char *help, const double *bounds,
                                             size_t bound_count, struct tmk_error *e)
{
    struct tmk_desc d;
    memset(&d, 0, sizeof(d));
    d.kind = TMK_HISTOGRAM;
    d.name = name;
    d.help = help;
    d.bounds = bounds;
    d.bound_count = bound_count;
    return tmk_histogram_with(tmk_family_register(r, &d, e), NULL, 0);
}

bool tmk_family_fn(struct tmk_family *f, const char *const *values, size_t count, tmk_value_fn *fn,
                   void *ctx, struct tmk_error *e)
{
    if (!f || f->kind == TMK_HISTOGRAM || !fn) {
        return tmk_error_set(e, "a callback needs a family of counters or gauges");
    }
    struct tmk_child *c = child_with(f, f->kind, values, count);
    if (c == f->overflow) {
        return tmk_error_set(e, "%.80s: label set refused or children_max %zu reached", f->name,
                             f->children_max);
    }
    pthread_mutex_lock(&f->registry->fn_lock);
    c->fn = fn;
    c->fn_ctx = ctx;
    pthread_mutex_unlock(&f->registry->fn_lock);
    return true;
}

static bool plain_fn(struct tmk_family *f, tmk_value_fn *fn, void *ctx, struct tmk_error *e)
{
    return f && tmk_family_fn(f, NULL, 0, fn, ctx, e);
}

bool tmk_gauge_fn(struct tmk_registry *r, const char *name, const char *help, tmk_value_fn *fn,
                  void *ctx, struct tmk_error *e)
{
    return plain_fn(plain_register(r, TMK_GAUGE, name, help, e), fn, ctx, e);
}

bool tmk_counter_fn(struct tmk_registry *r, const char *name, const char *help, tmk_value_fn *fn,
                    void *ctx, struct tmk_error *e)
{
    return plain_fn(plain_register(r, TMK_COUNTER, name, help, e), fn, ctx, e);
}

bool tmk_hook_register(struct tmk_registry *r, tmk_hook_fn *fn, void *ctx, struct tmk_error *e)
{
    if (!r || !fn) {
        return tmk_error_set(e, "no registry or no hook");
    }
    pthread_mutex_lock(&r->fn_lock);
    bool room = r->hook_count < TMK_HOOKS_MAX;
    if (room) {
        r->hooks[r->hook_count].fn = fn;
        r->hooks[r->hook_count++].ctx = ctx;
    }
    pthread_mutex_unlock(&r->fn_lock);
    return room || tmk_error_set(e, "%d hooks are registered already", TMK_HOOKS_MAX);
}

// A removed callback leaves its last known value behind: nothing. The series stays, unwritten.
static double value_gone(void *ctx)
{
    (void)ctx;
    return NAN;
}

void tmk_fn_remove(struct tmk_registry *r, const void *ctx)
{
    if (!r) {
        return;
    }
    pthread_mutex_lock(&r->fn_lock);
    size_t kept = 0;
    for (size_t i = 0; i < r->hook_count; i++) {
        if (r->hooks[i].ctx != ctx) {
            r->hooks[kept++] = r->hooks[i];
        }
    }
    r->hook_count = kept;
    struct tmk_family *f = __atomic_load_n(&r->first, __ATOMIC_ACQUIRE);
    for (; f; f = __atomic_load_n(&f->next, __ATOMIC_ACQUIRE)) {
        struct tmk_child *c = __atomic_load_n(&f->first, __ATOMIC_ACQUIRE);
        for (; c; c = __atomic_load_n(&c->next, __ATOMIC_ACQUIRE)) {
            if (c->fn && c->fn_ctx == ctx) {
                c->fn = value_gone;
                c->fn_ctx = NULL;
            }
        }
    }
    pthread_mutex_unlock(&r->fn_lock);
}
