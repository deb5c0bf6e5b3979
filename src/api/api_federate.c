// api_federate.c: /federate: the newest sample of each matching series, as an exposition page.
//
// As upstream: samples within the lookback and not stale; sorted by name; everything untyped;
// external labels are added where absent, and an empty instance where there is none.
#include "api/api_inner.h"
#include "base/arena.h"
#include "base/num.h"
#include "base/str.h"
#include "os/clk.h"

#include <stdlib.h>

#define LINE_BYTES_MAX ((size_t)4 << 20)

// Threads: owned.
struct latest {
    struct labels labels;
    f64 value;
    i64 t_ms;
};

// Threads: owned.
struct page {
    struct latest *rows;
    u32 count;
    u32 cap;
    struct arena *arena;
    i64 start_ms;
    i64 end_ms;
    size_t bytes_max; // Of the arena, with room to spare for one more row.
};

// The newest float until now of the series the cursor stands on; false if there is none, or it is
// stale. A store may give samples outside of what was asked for.
static bool newest(struct series_cursor *c, const struct page *p, struct latest *out)
{
    struct series_run run;
    bool found = false;
    while (c->ops->run(c, &run)) {
        u32 n = run.n;
        while (n > 0 && run.t_ms[n - 1] > p->end_ms) {
            n--;
        }
        if (n == 0 || run.t_ms[n - 1] < p->start_ms) {
            continue;
        }
        found = run.kind == SAMPLE_FLOAT; // A histogram is newer: not for this format.
        if (found) {
            out->t_ms = run.t_ms[n - 1];
            out->value = run.values[n - 1];
        }
    }
    return found && !is_stale_nan(out->value);
}

static bool page_fill(struct page *p, struct storage_querier *q, const struct api_matchers *set,
                      const struct select_hints *hints, struct query_budget *budget,
                      struct error *e)
{
    struct storage_warnings w = {0};
    struct series_cursor *c = q->ops->select(q, set->ms, set->count, hints, budget, e);
    if (c == NULL) {
        return false;
    }
    while (c->ops->next(c)) {
        struct latest row;
        if (!newest(c, p, &row)) {
            continue;
        }
        if (arena_bytes(p->arena) > p->bytes_max) {
            (void)c->ops->close(c, &w, e);
            return err_set(e, ERR_LIMIT,
                           "the page needs more than the %zu bytes of one query (a "
                           "sixteenth of --memory.limit): select fewer series",
                           p->bytes_max);
        }
        if (p->count == p->cap) {
            const u32 cap = MAX(2 * p->cap, 256);
            p->rows = arena_grow(p->arena, p->rows, p->cap, cap, sizeof(*p->rows));
            p->cap = cap;
        }
        row.labels = labels_copy(p->arena, c->ops->labels(c));
        p->rows[p->count++] = row;
    }
    const bool ok = c->ops->close(c, &w, e);
    if (ok && w.partial) { // Nobody reads warnings of a page: what is not whole is an error (I2).
        return err_set(e, ERR_INTERNAL, "some stored data could not be read");
    }
    return ok;
}

static int row_order(const void *a, const void *b)
{
    const struct latest *x = a;
    const struct latest *y = b;
    const int order = str_cmp(labels_get(x->labels, LABEL_NAME), labels_get(y->labels, LABEL_NAME));
    return order ? order : labels_cmp(x->labels, y->labels);
}

static void escaped(struct buf *b, str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\n') {
            buf_c(b, "\\n");
        } else if (s.ptr[i] == '"' || s.ptr[i] == '\\') {
            buf_byte(b, '\\');
            buf_byte(b, (u8)s.ptr[i]);
        } else {
            buf_byte(b, (u8)s.ptr[i]);
        }
    }
}

static void quoted(struct buf *b, str s)
{
    buf_byte(b, '"');
    escaped(b, s);
    buf_byte(b, '"');
}

static void label_write(struct buf *b, str name, str value, bool *first)
{
    buf_c(b, *first ? "{" : ",");
    *first = false;
    if (label_name_valid_legacy(name)) {
        buf_str(b, name);
    } else {
        quoted(b, name);
    }
    buf_byte(b, '=');
    quoted(b, value);
}

static void labels_write(struct buf *b, const struct latest *row, str name, struct labels external)
{
    bool first = true;
    if (!metric_name_valid_legacy(name)) {
        buf_byte(b, '{');
        quoted(b, name);
        first = false;
    } else {
        buf_str(b, name);
    }
    for (u32 i = 0; i < row->labels.count; i++) {
        if (!str_eq(row->labels.items[i].name, LABEL_NAME)) {
            label_write(b, row->labels.items[i].name, row->labels.items[i].value, &first);
        }
    }
    for (u32 i = 0; i < external.count; i++) {
        if (!labels_has(row->labels, external.items[i].name)) {
            label_write(b, external.items[i].name, external.items[i].value, &first);
        }
    }
    if (!labels_has(row->labels, LABEL_INSTANCE) && !labels_has(external, LABEL_INSTANCE)) {
        label_write(b, LABEL_INSTANCE, STR_EMPTY, &first);
    }
    if (!first) {
        buf_byte(b, '}');
    }
}

static void page_write(struct http_response *rs, const struct page *p, struct labels external)
{
    struct buf b;
    str last = STR_EMPTY;
    char number[NUM_TEXT_MAX];
    buf_init(&b, LINE_BYTES_MAX);
    for (u32 i = 0; i < p->count; i++) {
        const struct latest *row = &p->rows[i];
        const str name = labels_get(row->labels, LABEL_NAME);
        if (name.len == 0 || (i > 0 && labels_eq(row->labels, p->rows[i - 1].labels))) {
            continue; // Without a name no line can be written; two match[] may find one series.
        }
        if (!str_eq(name, last)) {
            buf_c(&b, "# TYPE ");
            if (metric_name_valid_legacy(name)) {
                buf_str(&b, name);
            } else {
                quoted(&b, name);
            }
            buf_c(&b, " untyped\n");
            last = name;
        }
        labels_write(&b, row, name, external);
        buf_byte(&b, ' ');
        buf_add(&b, number, num_go(number, row->value));
        buf_byte(&b, ' ');
        buf_i64(&b, row->t_ms);
        buf_byte(&b, '\n');
        if (b.len > 32768 && buf_ok(&b)) { // A full one is no whole line: told below.
            if (!http_write(rs, buf_get(&b))) {
                break;
            }
            buf_clear(&b);
        }
    }
    if (!buf_ok(&b)) {
        http_fail(rs, "a series is too large for a line");
    } else {
        (void)http_write(rs, buf_get(&b));
    }
    buf_fini(&b);
}

void api_federate(struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    const struct api_services *svc = api_ready(rq, rs);
    struct api_matchers *sets = NULL;
    u32 set_count = 0;
    struct error e;
    if (svc == NULL) {
        return;
    }
    if (!api_matchers_read(rq, &sets, &set_count, &e)) {
        http_text(rs, api_status_of(&e), "%s", e.text);
        return;
    }
    const i64 now_ms = clk_wall_ms(api->opts.clk);
    struct page p = {.start_ms = now_ms - api->opts.lookback_ms,
                     .end_ms = now_ms,
                     .bytes_max = (size_t)api->opts.query_bytes_max,
                     .arena = arena_new((size_t)api->opts.query_bytes_max * 4)};
    const struct select_hints hints = {.start_ms = p.start_ms, .end_ms = now_ms, .sorted = true};
    struct query_budget budget = api_budget(api, rq, API_NO_TIMEOUT);
    struct storage_querier *q =
        storage_querier_open(svc->storage, TENANT_DEFAULT, p.start_ms, now_ms, &e);
    bool ok = q != NULL;
    for (u32 i = 0; ok && i < set_count; i++) {
        ok = page_fill(&p, q, &sets[i], &hints, &budget, &e);
    }
    storage_querier_close(q);
    if (ok) {
        const struct api_control *control = &api->opts.control;
        const struct labels external = control->external_labels
                                           ? control->external_labels(control->ctx, rq->arena)
                                           : (struct labels){0};
        (void)http_header_set(rs, STR("Content-Type"),
                              STR("text/plain; version=0.0.4; charset=utf-8; "
                                  "escaping=allow-utf-8"));
        if (p.count > 0) {
            qsort(p.rows, p.count, sizeof(*p.rows), row_order);
        }
        page_write(rs, &p, external);
    } else {
        http_text(rs, api_status_of(&e), "%s", e.text);
    }
    arena_free(p.arena);
}
