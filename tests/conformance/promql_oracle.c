// promql_oracle.c: asks this engine what a real server was asked, and compares the answers.
//
// usage: promql_oracle DATA ANSWERS [--show N] [--only SUBSTRING]
// DATA: a line per series: {"labels": {…}, "samples": [[ms, "value"], …], "histograms": […]}.
// ANSWERS: a line per query: {"path", "params", "code", "body"}, body as the API answers it.
// Equal means: the same class of outcome; the same type, label sets and times; values within 1e-9;
// the order only where the query sorts; the same warnings and infos. Which of equal series topk,
// bottomk and limitk choose is open and counted apart. Last line: "N passed, N failed, N ties".
#include "base/arena.h"
#include "base/error.h"
#include "base/num.h"
#include "base/str.h"
#include "model/duration.h"
#include "model/hist_bucket.h"
#include "promql/promql.h"
#include "storage/memstore.h"
#include "wire/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES_MAX ((size_t)64 << 20)

// Threads: owned.
struct oracle {
    struct storage *store;
    struct promql_engine *engine;
    const char *only;
    u32 show;
    u32 passed;
    u32 failed;
    u32 ties;
    u32 notes_differ;
};

static void stop(const char *what, const char *why)
{
    (void)fprintf(stderr, "promql_oracle: %s: %s\n", what, why);
    exit(2);
}

// Calls fn for each line, parsed.
static void each_line(const char *path,
                      void (*fn)(struct oracle *o, const struct json_value *v, struct arena *a),
                      struct oracle *o)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    if (!f) {
        stop(path, "cannot be opened");
        return;
    }
    while ((n = getline(&line, &cap, f)) > 0) {
        struct error e;
        struct arena *a = arena_new((size_t)1 << 30);
        const struct json_value *v = json_parse(a, str_make(line, (size_t)n), LINE_BYTES_MAX, &e);
        if (!v) {
            stop(path, e.text);
        }
        fn(o, v, a);
        arena_free(a);
    }
    free(line);
    (void)fclose(f);
}

// ---- data --------------------------------------------------------------------------------------

static f64 value_of(str text)
{
    f64 v;
    if (str_eq_c(text, "stale")) {
        return stale_nan();
    }
    if (!num_parse(text, &v)) {
        stop("a value", "is no number");
    }
    return isnan(v) ? normal_nan() : v;
}

static struct labels labels_of(const struct json_value *v, struct arena *a)
{
    struct label *pairs = ARENA_NEW_N(a, struct label, v->count);
    for (u32 i = 0; i < v->count; i++) {
        pairs[i] = (struct label){v->keys[i], v->items[i].text};
    }
    return labels_from(a, pairs, v->count);
}

static f64 number_at(const struct json_value *v, const char *key)
{
    const struct json_value *x = json_get(v, str_c(key));
    return x ? x->number : 0;
}

static struct hist *hist_of(const struct json_value *v, struct arena *a)
{
    const struct json_value *spans = json_get(v, STR("pspans"));
    const struct json_value *deltas = json_get(v, STR("pdeltas"));
    struct hist_span *ss = ARENA_NEW_N(a, struct hist_span, spans->count);
    f64 *buckets = ARENA_NEW_N(a, f64, deltas->count);
    struct hist *h = ARENA_NEW(a, struct hist);
    f64 count = 0;
    for (u32 i = 0; i < spans->count; i++) {
        ss[i] = (struct hist_span){.offset = (i32)spans->items[i].items[0].integer,
                                   .length = (u32)spans->items[i].items[1].integer};
    }
    for (u32 i = 0; i < deltas->count; i++) {
        count += deltas->items[i].number;
        buckets[i] = count;
    }
    *h = (struct hist){.schema = (i32)number_at(v, "schema"),
                       .zero_threshold = number_at(v, "zt"),
                       .zero_count = number_at(v, "zc"),
                       .count = number_at(v, "count"),
                       .sum = number_at(v, "sum"),
                       .positive = {ss, spans->count, buckets, deltas->count}};
    return h;
}

static void load_series(struct oracle *o, const struct json_value *v, struct arena *a)
{
    const struct json_value *samples = json_get(v, STR("samples"));
    const struct json_value *hists = json_get(v, STR("histograms"));
    u32 n = (samples ? samples->count : 0) + (hists ? hists->count : 0);
    struct labels ls = labels_of(json_get(v, STR("labels")), a);
    struct series_ref *refs = ARENA_NEW_N(a, struct series_ref, n);
    i64 *t_ms = ARENA_NEW_N(a, i64, n);
    f64 *values = ARENA_NEW_N(a, f64, n);
    u8 *kinds = ARENA_NEW_N(a, u8, n);
    u8 *outcomes = ARENA_NEW_N(a, u8, n);
    const struct hist **hs = arena_alloc(a, n, sizeof(*hs));
    struct error e;
    u32 at = 0;
    for (u32 i = 0; samples && i < samples->count; i++, at++) {
        t_ms[at] = samples->items[i].items[0].integer;
        values[at] = value_of(samples->items[i].items[1].text);
    }
    for (u32 i = 0; hists && i < hists->count; i++, at++) {
        t_ms[at] = json_get(&hists->items[i], STR("ts"))->integer;
        kinds[at] = SAMPLE_HIST;
        hs[at] = hist_of(&hists->items[i], a);
    }
    struct storage_appender *w = storage_appender_open(o->store, TENANT_DEFAULT, STREAM_PUSH, &e);
    struct series_ref ref;
    u8 outcome;
    w->ops->resolve(w, &ls, 1, &ref, &outcome);
    for (u32 i = 0; i < n; i++) {
        refs[i] = ref;
    }
    struct append_batch b = {.refs = refs,
                             .t_ms = t_ms,
                             .kinds = kinds,
                             .values = values,
                             .hists = hs,
                             .n = n,
                             .outcomes = outcomes};
    if (!w->ops->append(w, &b, &e) || !w->ops->commit(w, DURABILITY_PERIODIC, NULL, &e)) {
        stop("loading", e.text);
    }
    for (u32 i = 0; i < n; i++) {
        if (!append_is_stored((enum append_outcome)outcomes[i])) {
            stop("a sample was refused", append_outcome_text((enum append_outcome)outcomes[i]));
        }
    }
    storage_appender_close(w);
}

// ---- comparing ---------------------------------------------------------------------------------

static bool close_enough(f64 a, f64 b)
{
    if (a == b || (isnan(a) && isnan(b))) {
        return true;
    }
    return fabs(a - b) <= fmax(1e-9 * fmax(fabs(a), fabs(b)), 1e-12);
}

// The buckets that hold something, by their bounds.
static bool same_buckets(const struct hist *h, const struct json_value *want)
{
    struct hist_scan s;
    struct hist_bucket b;
    u32 at = 0;
    hist_scan_begin(&s, h, false);
    while (hist_scan_next(&s, &b)) {
        if (b.count == 0) {
            continue;
        }
        if (!want || at == want->count) {
            return false;
        }
        const struct json_value *w = &want->items[at++];
        if (b.lower != value_of(w->items[1].text) || b.upper != value_of(w->items[2].text) ||
            !close_enough(b.count, value_of(w->items[3].text))) {
            return false;
        }
    }
    return at == (want ? want->count : 0);
}

static bool same_point(const struct promql_point *p, const struct json_value *want, bool is_hist)
{
    if (fabs(want->items[0].number - (f64)p->t_ms / 1000) >= 5e-4 || is_hist != (p->hist != NULL)) {
        return false;
    }
    if (!is_hist) {
        return close_enough(p->value, value_of(want->items[1].text));
    }
    const struct json_value *h = &want->items[1];
    return close_enough(p->hist->count, value_of(json_get_str(h, STR("count")))) &&
           close_enough(p->hist->sum, value_of(json_get_str(h, STR("sum")))) &&
           same_buckets(p->hist, json_get(h, STR("buckets")));
}

static bool same_points(const struct promql_series *s, const struct json_value *want)
{
    static const struct {
        const char *key;
        bool is_list;
        bool is_hist;
    } kinds[] = {{"value", false, false},
                 {"histogram", false, true},
                 {"values", true, false},
                 {"histograms", true, true}};
    u32 floats = 0;
    u32 hists = 0;
    for (u32 k = 0; k < ARRAY_LEN(kinds); k++) {
        const struct json_value *list = json_get(want, str_c(kinds[k].key));
        u32 at = 0;
        for (u32 i = 0; list && i < (kinds[k].is_list ? list->count : 1); i++) {
            while (at < s->count && (s->points[at].hist != NULL) != kinds[k].is_hist) {
                at++;
            }
            const struct json_value *p = kinds[k].is_list ? &list->items[i] : list;
            if (at == s->count || !same_point(&s->points[at++], p, kinds[k].is_hist)) {
                return false;
            }
            floats += !kinds[k].is_hist;
            hists += kinds[k].is_hist;
        }
    }
    return floats + hists == s->count;
}

static bool same_series(const struct promql_result *got, const struct json_value *want,
                        bool ordered, struct arena *a)
{
    if (want->count != got->series_count) {
        return false;
    }
    bool *used = ARENA_NEW_N(a, bool, want->count);
    for (u32 i = 0; i < want->count; i++) {
        struct labels ls = labels_of(json_get(&want->items[i], STR("metric")), a);
        bool found = false;
        for (u32 k = ordered ? i : 0; k < (ordered ? i + 1 : got->series_count) && !found; k++) {
            const struct promql_series *s = &got->series[k];
            if (!used[k] && labels_eq(s->labels, ls) && same_points(s, &want->items[i])) {
                used[k] = true;
                found = true;
            }
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static bool same_result(const struct promql_result *got, const struct json_value *data,
                        bool ordered, struct arena *a)
{
    const struct json_value *want = json_get(data, STR("result"));
    if (!str_eq_c(json_get_str(data, STR("resultType")), promql_type_text(got->type))) {
        return false;
    }
    switch (got->type) {
    case PROMQL_STRING:
        return str_eq(got->string, want->items[1].text);
    case PROMQL_SCALAR:
        return got->series_count == 1 && same_point(&got->series[0].points[0], want, false);
    case PROMQL_VECTOR:
    case PROMQL_MATRIX:
        break;
    }
    return same_series(got, want, ordered, a);
}

static bool same_texts(const str *got, u32 count, const struct json_value *want)
{
    u32 found = 0;
    for (u32 i = 0; want && i < want->count; i++) {
        for (u32 k = 0; k < count; k++) {
            found += str_eq(got[k], want->items[i].text);
        }
    }
    return count == (want ? want->count : 0) && found == count;
}

// ---- asking ------------------------------------------------------------------------------------

static i64 time_param(const struct json_value *params, const char *key)
{
    const struct json_value *v = json_get(params, str_c(key));
    return v ? (i64)llround(v->number * 1000) : 0;
}

static bool ask(struct oracle *o, const struct json_value *v, struct arena *a,
                struct promql_result *got, struct error *e)
{
    const struct json_value *params = json_get(v, STR("params"));
    struct promql_query *q =
        promql_query_new(o->engine, json_get_str(params, STR("query")), NULL, e);
    struct promql_request request = {.storage = o->store, .query = q};
    bool ok = false;
    if (q && str_eq_c(json_get_str(v, STR("path")), "query")) {
        request.start_ms = time_param(params, "time");
        ok = promql_instant(o->engine, &request, a, got, e);
    } else if (q) {
        request.start_ms = time_param(params, "start");
        request.end_ms = time_param(params, "end");
        request.step_ms = time_param(params, "step");
        ok = promql_range(o->engine, &request, a, got, e);
    }
    promql_query_free(q);
    return ok;
}

static void print_got(const struct promql_result *got)
{
    u32 shown = 0;
    for (u32 i = 0; i < got->series_count && shown < 12; i++) {
        for (u32 k = 0; k < got->series[i].labels.count; k++) {
            const struct label *l = &got->series[i].labels.items[k];
            printf(" %.*s=%.*s", STR_ARG(l->name), STR_ARG(l->value));
        }
        for (u32 k = 0; k < got->series[i].count && shown < 12; k++, shown++) {
            const struct promql_point *p = &got->series[i].points[k];
            printf(" [%lld %.17g%s]", (long long)p->t_ms, p->value, p->hist ? " hist" : "");
        }
        printf(";");
    }
    for (u32 i = 0; i < got->warning_count; i++) {
        printf(" | %.*s", STR_ARG(got->warnings[i]));
    }
    for (u32 i = 0; i < got->info_count; i++) {
        printf(" | %.*s", STR_ARG(got->infos[i]));
    }
}

static void show(struct oracle *o, const struct json_value *v, const struct promql_result *got,
                 const struct error *e)
{
    if (o->show == 0) {
        return;
    }
    o->show--;
    const struct json_value *params = json_get(v, STR("params"));
    printf("FAIL %.*s @ %.3f-%.3f/%.3f: %.*s\n  want %lld %.*s\n  got ",
           STR_ARG(json_get_str(v, STR("path"))), number_at(params, "start"),
           number_at(params, "end"), number_at(params, "step") + number_at(params, "time"),
           STR_ARG(json_get_str(params, STR("query"))),
           (long long)json_get(v, STR("code"))->integer,
           STR_ARG(json_get_str(json_get(v, STR("body")), STR("error"))));
    if (e) {
        printf("%s: %s\n", promql_error_type(e->code), e->text);
    } else {
        print_got(got);
        printf("\n");
    }
}

static bool is_tie_prone(str query)
{
    return str_contains(query, STR("topk")) || str_contains(query, STR("bottomk")) ||
           str_contains(query, STR("limitk"));
}

static void check_answer(struct oracle *o, const struct json_value *v, struct arena *a)
{
    const struct json_value *body = json_get(v, STR("body"));
    str query = json_get_str(json_get(v, STR("params")), STR("query"));
    bool instant = str_eq_c(json_get_str(v, STR("path")), "query");
    bool ordered = instant && str_starts(query, STR("sort"));
    bool want_ok = json_get(v, STR("code"))->integer < 400;
    struct promql_result got = {.series_count = 0};
    struct error e;
    if (o->only && !str_contains(query, str_c(o->only))) {
        return;
    }
    bool ok = ask(o, v, a, &got, &e);
    bool same = ok == want_ok;
    if (same && !ok) {
        same = str_eq_c(json_get_str(body, STR("errorType")), promql_error_type(e.code));
    }
    if (same && ok) {
        same = same_result(&got, json_get(body, STR("data")), ordered, a);
        bool told = same_texts(got.warnings, got.warning_count, json_get(body, STR("warnings"))) &&
                    same_texts(got.infos, got.info_count, json_get(body, STR("infos")));
        o->notes_differ += same && !told;
        same = same && told;
    }
    if (same) {
        o->passed++;
    } else if (ok && want_ok && is_tie_prone(query)) {
        o->ties++;
    } else {
        o->failed++;
        show(o, v, &got, ok ? NULL : &e);
    }
}

int main(int argc, char **argv)
{
    struct oracle o = {.show = 20};
    if (argc < 3) {
        stop("usage", "promql_oracle DATA ANSWERS [--show N] [--only SUBSTRING]");
    }
    for (int i = 3; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--only") == 0) {
            o.only = argv[i + 1];
        } else if (strcmp(argv[i], "--show") == 0) {
            o.show = (u32)strtoul(argv[i + 1], NULL, 10);
        }
    }
    o.store = memstore_new((struct memstore_opts){.series_max = 0});
    o.engine = promql_engine_new((struct promql_engine_opts){.clk = NULL});
    each_line(argv[1], load_series, &o);
    each_line(argv[2], check_answer, &o);
    printf("%u passed, %u failed, %u ties (%u differ in notes alone)\n", o.passed, o.failed, o.ties,
           o.notes_differ);
    promql_engine_free(o.engine);
    memstore_free(o.store);
    return o.failed > 0;
}
