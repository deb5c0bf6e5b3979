// tmk_expose.c: the page, in text 0.0.4 or OpenMetrics 1.0.
//
// One pass over the families in order of registration; the text leaves through a small buffer, so
// the page itself is never held. A family all of whose callbacks have no value writes only its
// head.
#include "client/tmk_inner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OUT_BYTES = 4096 };

// Threads: owned by the one exposition.
struct out {
    tmk_write_fn *write;
    void *ctx;
    enum tmk_format format;
    bool created;
    bool failed;
    size_t used;
    char bytes[OUT_BYTES];
};

static void out_flush(struct out *o)
{
    if (o->used && !o->failed) {
        o->failed = !o->write(o->ctx, o->bytes, o->used);
    }
    o->used = 0;
}

static void out_put(struct out *o, const char *s, size_t n)
{
    while (n > 0 && !o->failed) {
        size_t room = OUT_BYTES - o->used;
        size_t part = n < room ? n : room;
        memcpy(o->bytes + o->used, s, part);
        o->used += part;
        s += part;
        n -= part;
        if (o->used == OUT_BYTES) {
            out_flush(o);
        }
    }
}

static void out_text(struct out *o, const char *s)
{
    out_put(o, s, strlen(s));
}

static void out_escaped(struct out *o, const char *s, bool quote)
{
    for (; *s; s++) {
        if (*s == '\n') {
            out_text(o, "\\n");
        } else if (*s == '\\' || (*s == '"' && quote)) {
            const char pair[2] = {'\\', *s};
            out_put(o, pair, 2);
        } else {
            out_put(o, s, 1);
        }
    }
}

static void out_double(struct out *o, double v)
{
    char text[TMK_NUMBER_BYTES_MAX];
    out_put(o, text, tmk_number_format(v, text));
}

static void out_u64(struct out *o, uint64_t v)
{
    char text[TMK_NUMBER_BYTES_MAX];
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
    out_put(o, text, (size_t)n);
}

static void head_write(struct out *o, const char *name, size_t name_bytes, const char *key)
{
    out_text(o, key);
    out_put(o, name, name_bytes);
    out_text(o, " ");
}

// OpenMetrics names a counter's family without _total.
static void family_head(struct out *o, const struct tmk_family *f)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    bool om = o->format == TMK_OPENMETRICS;
    size_t n = om ? tmk_name_base(f->name, f->kind) : strlen(f->name);
    head_write(o, f->name, n, "# HELP ");
    out_escaped(o, f->help, om);
    out_text(o, "\n");
    head_write(o, f->name, n, "# TYPE ");
    out_text(o, kinds[f->kind]);
    out_text(o, "\n");
    if (om && f->unit) {
        head_write(o, f->name, n, "# UNIT ");
        out_text(o, f->unit);
        out_text(o, "\n");
    }
}

// The bound as a label value: OpenMetrics wants a point in it, or the reader sees two series.
static void bound_write(struct out *o, double bound)
{
    char text[TMK_NUMBER_BYTES_MAX];
    size_t n = tmk_number_format(bound, text);
    out_put(o, text, n);
    if (o->format == TMK_OPENMETRICS && !strpbrk(text, ".eI")) {
        out_text(o, ".0");
    }
}

// name and suffix, the labels and, if bound is given, le.
static void sample_head(struct out *o, const struct tmk_child *c, const char *suffix,
                        const double *bound)
{
    const struct tmk_family *f = c->family;
    out_put(o, f->name, *suffix ? tmk_name_base(f->name, f->kind) : strlen(f->name));
    out_text(o, suffix);
    const char *value = c->key;
    const char *before = "{";
    for (size_t i = 0; i < f->label_count; i++) {
        out_text(o, before);
        out_text(o, f->labels[i]);
        out_text(o, "=\"");
        out_escaped(o, value, true);
        out_text(o, "\"");
        value += strlen(value) + 1;
        before = ",";
    }
    if (bound) {
        out_text(o, before);
        out_text(o, "le=\"");
        bound_write(o, *bound);
        out_text(o, "\"");
        before = ",";
    }
    out_text(o, *before == ',' ? "} " : " ");
}

static void sample_created(struct out *o, const struct tmk_child *c)
{
    if (o->format == TMK_OPENMETRICS && o->created) {
        sample_head(o, c, "_created", NULL);
        out_double(o, c->created_s);
        out_text(o, "\n");
    }
}

// Each bucket is read once, so that the lines agree with each other (I2).
static void histogram_write(struct out *o, const struct tmk_child *c)
{
    const struct tmk_family *f = c->family;
    uint64_t count = 0;
    for (size_t i = 0; i <= f->bound_count; i++) {
        const double bound = i < f->bound_count ? f->bounds[i] : INFINITY;
        count += __atomic_load_n(&c->cells[i], __ATOMIC_RELAXED);
        sample_head(o, c, "_bucket", &bound);
        out_u64(o, count);
        out_text(o, "\n");
    }
    sample_head(o, c, "_sum", NULL);
    out_double(o, tmk_cell_sum(c));
    out_text(o, "\n");
    sample_head(o, c, "_count", NULL);
    out_u64(o, count);
    out_text(o, "\n");
    sample_created(o, c);
}

static void number_write(struct out *o, const struct tmk_child *c)
{
    uint64_t cell = __atomic_load_n(&c->cells[0], __ATOMIC_RELAXED);
    sample_head(o, c, "", NULL);
    if (c->family->kind == TMK_GAUGE) {
        out_double(o, tmk_bits_double(cell));
    } else {
        double fractions = tmk_cell_sum(c);
        if (fractions == 0) {
            out_u64(o, cell);
        } else {
            out_double(o, (double)cell + fractions);
        }
    }
    out_text(o, "\n");
    if (c->family->kind == TMK_COUNTER) {
        sample_created(o, c);
    }
}

// The lock keeps tmk_fn_remove out while the callback runs.
static bool callback_write(struct out *o, struct tmk_registry *r, const struct tmk_child *c)
{
    pthread_mutex_lock(&r->fn_lock);
    tmk_value_fn *fn = c->fn;
    double v = fn ? fn(c->fn_ctx) : 0;
    pthread_mutex_unlock(&r->fn_lock);
    if (fn && !isnan(v)) {
        sample_head(o, c, "", NULL);
        out_double(o, v);
        out_text(o, "\n");
    }
    return fn != NULL;
}

static void child_write(struct out *o, struct tmk_registry *r, const struct tmk_child *c)
{
    if (c->family->kind == TMK_HISTOGRAM) {
        histogram_write(o, c);
    } else if (!callback_write(o, r, c)) {
        number_write(o, c);
    }
}

static struct tmk_family *family_first(struct tmk_registry *r)
{
    return __atomic_load_n(&r->first, __ATOMIC_ACQUIRE);
}

static struct tmk_family *family_next(const struct tmk_family *f)
{
    return __atomic_load_n(&f->next, __ATOMIC_ACQUIRE);
}

static void family_write(struct out *o, struct tmk_registry *r, const struct tmk_family *f)
{
    family_head(o, f);
    const struct tmk_child *c = __atomic_load_n(&f->first, __ATOMIC_ACQUIRE);
    for (; c; c = __atomic_load_n(&c->next, __ATOMIC_ACQUIRE)) {
        child_write(o, r, c);
    }
    if (f->overflow && __atomic_load_n(&f->overflow->used, __ATOMIC_RELAXED)) {
        child_write(o, r, f->overflow);
    }
}

// The registry's own two counters: what it could not take.
static void own_write(struct out *o, struct tmk_registry *r)
{
    const char *dropped = "tidemark_client_label_sets_dropped";
    const char *refused = "tidemark_client_values_refused";
    const char *total = o->format == TMK_OPENMETRICS ? "" : "_total";
    out_text(o, "# HELP ");
    out_text(o, dropped);
    out_text(o, total);
    out_text(o, " Look-ups answered by the overflow series: family full, or label set invalid.\n");
    out_text(o, "# TYPE ");
    out_text(o, dropped);
    out_text(o, total);
    out_text(o, " counter\n");
    for (struct tmk_family *f = family_first(r); f; f = family_next(f)) {
        if (f->label_count) {
            out_text(o, dropped);
            out_text(o, "_total{family=\"");
            out_text(o, f->name);
            out_text(o, "\"} ");
            out_u64(o, __atomic_load_n(&f->dropped, __ATOMIC_RELAXED));
            out_text(o, "\n");
        }
    }
    out_text(o, "# HELP ");
    out_text(o, refused);
    out_text(o, total);
    out_text(o, " Observations refused: NaN, or a counter asked to fall.\n# TYPE ");
    out_text(o, refused);
    out_text(o, total);
    out_text(o, " counter\n");
    out_text(o, refused);
    out_text(o, "_total ");
    out_u64(o, __atomic_load_n(&r->refused, __ATOMIC_RELAXED));
    out_text(o, "\n");
}

static void hooks_run(struct tmk_registry *r)
{
    pthread_mutex_lock(&r->fn_lock);
    for (size_t i = 0; i < r->hook_count; i++) {
        r->hooks[i].fn(r->hooks[i].ctx);
    }
    pthread_mutex_unlock(&r->fn_lock);
}

bool tmk_expose(struct tmk_registry *r, enum tmk_format format, tmk_write_fn *write, void *ctx)
{
    if (!r || !write) {
        return false;
    }
    struct out o;
    o.write = write;
    o.ctx = ctx;
    o.format = format;
    o.created = r->created;
    o.failed = false;
    o.used = 0;
    hooks_run(r);
    for (struct tmk_family *f = family_first(r); f && !o.failed; f = family_next(f)) {
        family_write(&o, r, f);
    }
    own_write(&o, r);
    if (format == TMK_OPENMETRICS) {
        out_text(&o, "# EOF\n");
    }
    out_flush(&o);
    return !o.failed;
}

const char *tmk_content_type(enum tmk_format format)
{
    return format == TMK_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                     : "text/plain; version=0.0.4; charset=utf-8";
}
