// notes.c: see notes.h.
#include "promql/notes.h"

#include "base/arena.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/num.h"
#include "base/str.h"
#include "model/duration.h"
#include "promql/parse.h"
#include "promql/query_run.h"
#include "text/quote.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define KIND_BIT ((u64)1)
#define FREE_KEY ((u64)0)

static u64 key_of(enum note_kind kind, str text)
{
    const u64 key = (hash_str(text) & ~KIND_BIT) | (kind == NOTE_INFO ? KIND_BIT : 0);
    return key == FREE_KEY ? KIND_BIT << 1 : key;
}

static struct note *note_find(struct notes *ns, u64 key)
{
    for (u32 i = 0; i < ns->count; i++) {
        if (ns->items[i].key == key) {
            return &ns->items[i];
        }
    }
    return NULL;
}

// Where a key stands, or would; there is a free place.
static u64 *other_place(const struct notes *ns, u64 key)
{
    u32 at = (u32)(key >> 32) & (ns->other_cap - 1);
    while (ns->other_keys[at] != FREE_KEY && ns->other_keys[at] != key) {
        at = (at + 1) & (ns->other_cap - 1);
    }
    return &ns->other_keys[at];
}

static bool others_grow(struct run *r)
{
    struct notes *ns = &r->notes;
    const struct notes old = *ns;
    if (((u64)ns->omitted[NOTE_WARNING] + ns->omitted[NOTE_INFO]) * 2 < ns->other_cap) {
        return true;
    }
    const u32 cap = MAX(64U, old.other_cap * 2);
    u64 *keys = old.other_cap < UINT32_MAX / 4 ? RUN_NEW_N(r, u64, cap) : NULL;
    if (!keys) {
        return run_fail(r, ERR_LIMIT, "the query has too many annotations");
    }
    ns->other_keys = keys;
    ns->other_cap = cap;
    for (u32 i = 0; i < old.other_cap; i++) {
        if (old.other_keys[i] != FREE_KEY) {
            *other_place(ns, old.other_keys[i]) = old.other_keys[i];
        }
    }
    return true;
}

// One that there is no place for: counted the first time.
static void other_add(struct run *r, u64 key)
{
    struct notes *ns = &r->notes;
    u64 *place = others_grow(r) ? other_place(ns, key) : NULL;
    if (place && *place == FREE_KEY) {
        *place = key;
        ns->omitted[key & KIND_BIT ? NOTE_INFO : NOTE_WARNING]++;
    }
}

static struct note *note_add(struct run *r, enum note_kind kind, struct text_span at, str text)
{
    struct notes *ns = &r->notes;
    const u64 key = key_of(kind, text);
    struct note *n = note_find(ns, key);
    if (n) {
        if (r->op_order >= n->order) {
            n->span = at;
            n->order = r->op_order;
        }
        return n;
    }
    if (!ns->items) {
        ns->items = RUN_NEW_N(r, struct note, NOTES_MAX);
    }
    if (ns->count == NOTES_MAX) {
        other_add(r, key);
        return NULL;
    }
    if (!ns->items || !run_room(r, text.len)) {
        return NULL; // The run has failed.
    }
    n = &ns->items[ns->count++];
    *n = (struct note){.kind = kind,
                       .text = arena_str(r->arena, text),
                       .span = at,
                       .order = r->op_order,
                       .key = key};
    return n;
}

void notes_again(struct run *r, const struct notes *told)
{
    const u32 order = r->op_order;
    for (u32 i = 0; i < told->count; i++) {
        const struct note *n = &told->items[i];
        r->op_order = n->order;
        note_add(r, n->kind, n->span, n->text);
    }
    r->op_order = order;
    // Who has others has told as many as there is place for: r has no place any more either.
    for (u32 i = 0; i < told->other_cap && !r->failed; i++) {
        const u64 key = told->other_keys[i];
        if (key != FREE_KEY && !note_find(&r->notes, key)) {
            other_add(r, key);
        }
    }
}

static void note_format(struct run *r, enum note_kind kind, struct text_span at, const char *format,
                        va_list args) __attribute__((format(printf, 4, 0)));
static void note_format(struct run *r, enum note_kind kind, struct text_span at, const char *format,
                        va_list args)
{
    char text[NOTE_TEXT_BYTES_MAX];
    int n = vsnprintf(text, sizeof(text), format, args);
    if (n > 0) {
        note_add(r, kind, at, str_make(text, MIN((size_t)n, sizeof(text) - 1)));
    }
}

void note_warning(struct run *r, struct text_span at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    note_format(r, NOTE_WARNING, at, format, args);
    va_end(args);
}

void note_info(struct run *r, struct text_span at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    note_format(r, NOTE_INFO, at, format, args);
    va_end(args);
}

void note_bent(struct run *r, struct text_span at, str metric, const struct note_bend *bend)
{
    char text[NOTE_TEXT_BYTES_MAX];
    int n = snprintf(text, sizeof(text), "%s%s%s",
                     "input to histogram_quantile needed to be fixed for monotonicity (see "
                     "https://prometheus.io/docs/prometheus/latest/querying/functions/"
                     "#histogram_quantile)",
                     metric.len > 0 ? " for metric name " : "",
                     metric.len > 0 ? run_quoted(r, metric) : "");
    struct note *note = note_add(r, NOTE_INFO, at, str_make(text, (size_t)n));
    if (!note) {
        return;
    }
    if (!note->has_bend) {
        note->has_bend = true;
        note->bend = *bend;
        return;
    }
    struct note_bend *b = &note->bend;
    b->min_ms = MIN(b->min_ms, bend->min_ms);
    b->max_ms = MAX(b->max_ms, bend->max_ms);
    b->min_bucket = fmin(b->min_bucket, bend->min_bucket);
    b->max_bucket = fmax(b->max_bucket, bend->max_bucket);
    b->max_diff = fmax(b->max_diff, bend->max_diff);
    b->samples += bend->samples;
}

// Has the same been told just now? Else it is noted that it will be.
static bool is_told(struct run *r, const void *what, f64 value, struct text_span at)
{
    struct note_memo *m = &r->notes.memo;
    bool told = r->notes.count > 0 && m->what == what && m->place == at.start &&
                m->order == r->op_order && bits_of_f64(m->value) == bits_of_f64(value);
    *m = (struct note_memo){.what = what, .value = value, .place = at.start, .order = r->op_order};
    return told;
}

void note_ignored_hist_in_range(struct run *r, struct text_span at, str metric)
{
    if (is_told(r, metric.ptr, 1, at)) {
        return;
    }
    note_info(r, at,
              "ignored histograms in a range containing both floats and histograms for metric "
              "name %s",
              run_quoted(r, metric));
}

void note_ignored_hist_in_aggregation(struct run *r, struct text_span at, const char *op)
{
    if (is_told(r, op, 2, at)) {
        return;
    }
    note_info(r, at, "ignored histogram in %s aggregation", op);
}

void note_mixed_range(struct run *r, struct text_span at, str metric)
{
    if (is_told(r, metric.ptr, 3, at)) {
        return;
    }
    note_warning(r, at, "encountered a mix of histograms and floats for metric name %s",
                 run_quoted(r, metric));
}

void note_bad_quantile(struct run *r, struct text_span at, f64 q)
{
    if (is_told(r, NULL, q, at)) {
        return;
    }
    note_warning(r, at, "quantile value should be between 0 and 1, got %s", run_number(r, q));
}

const char *run_quoted(struct run *r, str s)
{
    struct buf b;
    buf_init(&b, NOTE_TEXT_BYTES_MAX);
    quote_go(&b, s);
    str quoted = b.full ? STR("\"…\"") : buf_get(&b);
    const char *text = run_room(r, quoted.len + 1) ? arena_cstr(r->scratch, quoted) : "";
    buf_fini(&b);
    return text;
}

const char *run_number(struct run *r, f64 v)
{
    char text[NUM_TEXT_MAX];
    size_t n = num_go(text, v);
    return run_room(r, n + 1) ? arena_cstr(r->scratch, str_make(text, n)) : "";
}

static size_t seconds_print(char out[40], i64 t_ms)
{
    return time_print_rfc3339(out, t_ms / 1000 * 1000);
}

static void bend_print(struct buf *b, const struct note_bend *bend)
{
    char low[NUM_TEXT_MAX];
    char high[NUM_TEXT_MAX];
    char diff[NUM_TEXT_MAX];
    char from[40];
    char to[40];
    size_t low_len = num_go(low, bend->min_bucket);
    size_t high_len = num_go(high, bend->max_bucket);
    size_t diff_len = num_fixed(diff, bend->max_diff, 'g', 2);
    size_t from_len = seconds_print(from, bend->min_ms);
    size_t to_len = seconds_print(to, bend->max_ms);
    buf_printf(b,
               ", from buckets %.*s to %.*s, with a max diff of %.*s, over %u samples from %.*s to "
               "%.*s",
               (int)low_len, low, (int)high_len, high, (int)diff_len, diff, bend->samples,
               (int)from_len, from, (int)to_len, to);
}

void notes_print(const struct notes *ns, enum note_kind kind, str query, struct arena *a,
                 const str **texts, u32 *count)
{
    str *out = ARENA_NEW_N(a, str, ns->count + 1);
    u32 n = 0;
    const char *prefix = kind == NOTE_WARNING ? "PromQL warning: " : "PromQL info: ";
    for (u32 i = 0; i < ns->count; i++) {
        const struct note *note = &ns->items[i];
        if (note->kind != kind) {
            continue;
        }
        u32 line;
        u32 column;
        text_position(query, note->span.start, &line, &column);
        struct buf b;
        buf_init(&b, (size_t)4 * NOTE_TEXT_BYTES_MAX);
        buf_c(&b, prefix);
        buf_str(&b, note->text);
        if (note->has_bend) {
            bend_print(&b, &note->bend);
        }
        buf_printf(&b, " (%u:%u)", line, column);
        out[n++] = arena_str(a, buf_get(&b));
        buf_fini(&b);
    }
    if (ns->omitted[kind] > 0) {
        out[n++] = arena_printf(a, "%u more %s annotations omitted", ns->omitted[kind],
                                kind == NOTE_WARNING ? "warning" : "info");
    }
    *texts = out;
    *count = n;
}
