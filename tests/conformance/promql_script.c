// promql_script.c: runs test scripts in upstream's language against this engine.
//
// usage: promql_script [--show N] FILE…
// Understood: load, load_with_nhcb, clear, eval instant, eval range, eval_fail, expected series,
// scalars, strings and range vectors, and `expect` lines. Instant expectations are checked again
// as the middle step of a range, and pinned to their time by `@` while asked at other times.
// Nothing is left out; what is not understood ends the program.
// Last line: "N passed, N failed".
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/num.h"
#include "base/str.h"
#include "model/duration.h"
#include "model/hist_bucket.h"
#include "pinned_query.h"
#include "promql/promql.h"
#include "series_notation.h"
#include "storage/memstore.h"
#include "text/re.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SERIES_MAX 512
#define NOTES_HELD 32

enum want_kind { WANT_WARN, WANT_INFO, WANT_FAIL, WANT_KINDS };

// One `eval` with its expectations. Threads: owned.
struct eval {
    str expr;
    bool is_range;
    i64 start_ms;
    i64 end_ms;
    i64 step_ms;
    bool fails;
    bool ordered;
    bool no_note[WANT_KINDS];
    bool any_note[WANT_KINDS]; // Expected without a text.
    str texts[WANT_KINDS][NOTES_HELD];
    bool is_regex[WANT_KINDS][NOTES_HELD];
    u32 text_count[WANT_KINDS];
    bool has_string;
    str string;
    bool has_scalar;
    f64 scalar;
    bool has_range_vector;
    i64 vector_start_ms;
    i64 vector_step_ms;
    struct noted_series series[SERIES_MAX];
    u32 series_count;
};

// Threads: owned.
struct script {
    const char *path;
    u32 line;
    struct storage *store;
    struct promql_engine *engine;
    struct arena *arena; // Of one eval.
    u32 show;
    u32 passed;
    u32 failed;
    u32 pinned; // Of what passed: so often asked again at another time.
};

// What the lines at hand belong to. Threads: owned.
struct block {
    enum { BLOCK_NONE, BLOCK_LOAD, BLOCK_EVAL } kind;
    i64 step_ms;
    struct eval *eval;
    bool has_nhcb; // Classic buckets are loaded as native histograms too.
    struct noted_series loads[SERIES_MAX];
    u32 load_count;
};

static void stop(const struct script *s, const char *why, str what)
{
    (void)fprintf(stderr, "%s:%u: %s: %.*s\n", s->path, s->line, why, STR_ARG(what));
    exit(2);
}

// ---- words -------------------------------------------------------------------------------------

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

// The next word; a label set in braces or a text in quotes does not end it.
static str take_word(str *rest)
{
    str s = str_trim(*rest);
    size_t n = 0;
    u32 depth = 0;
    char quote = 0;
    while (n < s.len && (quote || depth > 0 || !is_space(s.ptr[n]))) {
        char c = s.ptr[n];
        if (quote) {
            quote = c == quote && s.ptr[n - 1] != '\\' ? 0 : quote;
        } else if (c == '"' || c == '`' || c == '\'') {
            quote = c;
        } else if (c == '{') {
            depth++;
        } else if (c == '}') {
            depth--;
        }
        n++;
    }
    *rest = str_trim(str_sub(s, n, s.len));
    return str_sub(s, 0, n);
}

static bool take(str *rest, const char *word)
{
    str left = *rest;
    if (!str_eq_c(take_word(&left), word)) {
        return false;
    }
    *rest = left;
    return true;
}

static i64 time_of(const struct script *s, str text)
{
    i64 ms;
    f64 seconds;
    bool negative = text.len > 0 && text.ptr[0] == '-';
    str bare = negative ? str_sub(text, 1, text.len) : text;
    if (num_parse(bare, &seconds)) {
        ms = llround(seconds * 1000);
    } else if (!duration_parse(bare, &ms, NULL)) {
        stop(s, "no duration", text);
    }
    return negative ? -ms : ms;
}

static struct labels labels_of(struct script *s, str text)
{
    const struct matcher *ms;
    u32 count;
    struct error e;
    if (str_eq_c(text, "{}")) {
        return (struct labels){NULL, 0};
    }
    if (!promql_selector(s->arena, text, true, &ms, &count, &e)) {
        stop(s, e.text, text);
    }
    struct label *pairs = ARENA_NEW_N(s->arena, struct label, count);
    for (u32 i = 0; i < count; i++) {
        pairs[i] = (struct label){ms[i].name, ms[i].value};
    }
    return labels_from(s->arena, pairs, count);
}

static void parse_values(struct script *s, str line, struct noted_series *w)
{
    while (line.len > 0) {
        str word = take_word(&line);
        const char *why = noted_add(w, s->arena, word);
        if (why) {
            stop(s, why, word);
        }
    }
}

static void parse_series(struct script *s, str line, struct noted_series *w)
{
    (void)noted_init(w, s->arena);
    w->labels = labels_of(s, take_word(&line));
    parse_values(s, line, w);
}

// ---- load --------------------------------------------------------------------------------------

static struct noted_series *load_of(struct script *s, struct block *b, struct labels ls)
{
    for (u32 i = 0; i < b->load_count; i++) {
        if (labels_eq(b->loads[i].labels, ls)) {
            return &b->loads[i];
        }
    }
    if (b->load_count == SERIES_MAX) {
        stop(s, "too many series", STR_EMPTY);
    }
    struct noted_series *w = &b->loads[b->load_count++];
    (void)noted_init(w, s->arena);
    w->labels = ls;
    return w;
}

// A line of values or, with @st behind the labels, of start times. Of a series given twice in one
// block the last one counts.
static void load_series(struct script *s, str line, struct block *b)
{
    str name = take_word(&line);
    bool starts = str_ends(name, STR("@st"));
    name = starts ? str_sub(name, 0, name.len - 3) : name;
    struct noted_series *w = load_of(s, b, labels_of(s, name));
    if (!starts) {
        w->count = 0;
        parse_values(s, line, w);
        return;
    }
    w->start_count = 0;
    while (line.len > 0) {
        str word = take_word(&line);
        const char *why = noted_add_start(w, word);
        if (why) {
            stop(s, why, word);
        }
    }
}

// One sample of a load as storage takes it. Threads: owned.
struct columns {
    struct series_ref *refs;
    i64 *t_ms;
    i64 *starts;
    u8 *kinds;
    f64 *values;
    const struct hist **hists;
    u8 *outcomes;
};

static struct columns make_columns(struct arena *a, u32 n)
{
    return (struct columns){.refs = ARENA_NEW_N(a, struct series_ref, n),
                            .t_ms = ARENA_NEW_N(a, i64, n),
                            .starts = ARENA_NEW_N(a, i64, n),
                            .kinds = ARENA_NEW_N(a, u8, n),
                            .values = ARENA_NEW_N(a, f64, n),
                            .hists = arena_alloc(a, n, sizeof(struct hist *)),
                            .outcomes = ARENA_NEW_N(a, u8, n)};
}

static u32 fill_columns(const struct script *s, const struct noted_series *w, i64 step_ms,
                        struct series_ref ref, struct columns *c)
{
    const struct hist *before = NULL;
    u32 n = 0;
    for (u32 i = 0; i < w->count; i++) {
        const struct noted_value *v = &w->values[i];
        if (!v->has) {
            continue;
        }
        c->refs[n] = ref;
        c->t_ms[n] = (i64)i * step_ms;
        c->values[n] = v->value;
        c->starts[n] = v->has_start ? c->t_ms[n] + v->start_ms : 0;
        if (v->hist) {
            struct hist *h = hist_copy(s->arena, v->hist);
            h->reset = noted_hint(before, v->hist);
            c->kinds[n] = SAMPLE_HIST;
            c->hists[n] = h;
        }
        before = v->hist;
        n++;
    }
    return n;
}

static void append_series(struct script *s, const struct noted_series *w, i64 step_ms)
{
    struct error e;
    struct storage_appender *a = storage_appender_open(s->store, TENANT_DEFAULT, STREAM_PUSH, &e);
    struct series_ref ref;
    u8 outcome;
    a->ops->resolve(a, &w->labels, 1, &ref, &outcome);
    struct columns c = make_columns(s->arena, w->count + 1);
    u32 n = fill_columns(s, w, step_ms, ref, &c);
    struct append_batch b = {.refs = c.refs,
                             .t_ms = c.t_ms,
                             .start_t_ms = w->start_count > 0 ? c.starts : NULL,
                             .kinds = c.kinds,
                             .values = c.values,
                             .hists = c.hists,
                             .n = n,
                             .outcomes = c.outcomes};
    if (!a->ops->append(a, &b, &e) || !a->ops->commit(a, DURABILITY_PERIODIC, NULL, &e)) {
        stop(s, "loading", str_c(e.text));
    }
    for (u32 i = 0; i < n; i++) {
        if (!append_is_stored((enum append_outcome)c.outcomes[i])) {
            stop(s, "a sample was refused",
                 str_c(append_outcome_text((enum append_outcome)c.outcomes[i])));
        }
    }
    storage_appender_close(a);
}

static void append_loads(struct script *s, struct block *b)
{
    for (u32 i = 0; i < b->load_count; i++) {
        append_series(s, &b->loads[i], b->step_ms);
    }
    if (b->has_nhcb) {
        struct noted_series *made = ARENA_NEW_N(s->arena, struct noted_series, SERIES_MAX);
        u32 n = noted_from_classic(b->loads, b->load_count, made, SERIES_MAX, s->arena);
        for (u32 i = 0; i < n; i++) {
            append_series(s, &made[i], b->step_ms);
        }
    }
    b->load_count = 0;
    b->has_nhcb = false;
}

static void clear_store(struct script *s)
{
    memstore_free(s->store);
    s->store = memstore_new((struct memstore_opts){.ooo_window_ms = INT64_MAX});
}

// ---- checking ----------------------------------------------------------------------------------

static bool same_value(const struct noted_value *want, const struct promql_point *got)
{
    if (want->hist || got->hist) {
        return noted_same_hist(want, got->hist);
    }
    return noted_almost(want->value, got->value);
}

static const struct promql_series *find_series(const struct promql_result *got, struct labels ls)
{
    for (u32 i = 0; i < got->series_count; i++) {
        if (labels_eq(got->series[i].labels, ls)) {
            return &got->series[i];
        }
    }
    return NULL;
}

static u32 present(const struct noted_series *w)
{
    u32 n = 0;
    for (u32 i = 0; i < w->count; i++) {
        n += w->values[i].has;
    }
    return n;
}

// Each value that is wanted stands at its step, and nothing else does.
static bool same_steps(const struct promql_series *got, const struct noted_series *w, i64 start_ms,
                       i64 step_ms)
{
    u32 at = 0;
    for (u32 i = 0; i < w->count; i++) {
        if (!w->values[i].has) {
            continue;
        }
        if (at == got->count || got->points[at].t_ms != start_ms + (i64)i * step_ms ||
            !same_value(&w->values[i], &got->points[at])) {
            return false;
        }
        at++;
    }
    return at == got->count;
}

static bool same_matrix(const struct eval *x, const struct promql_result *got, i64 start_ms,
                        i64 step_ms)
{
    u32 wanted = 0;
    for (u32 i = 0; i < x->series_count; i++) {
        const struct noted_series *w = &x->series[i];
        const struct promql_series *s = find_series(got, w->labels);
        wanted += present(w) > 0;
        if (present(w) > 0 && (!s || !same_steps(s, w, start_ms, step_ms))) {
            return false;
        }
    }
    return got->series_count == wanted;
}

static bool same_vector(const struct eval *x, const struct promql_result *got)
{
    if (got->series_count != x->series_count) {
        return false;
    }
    for (u32 i = 0; i < x->series_count; i++) {
        const struct noted_series *w = &x->series[i];
        const struct promql_series *s = x->ordered ? &got->series[i] : find_series(got, w->labels);
        if (!s || !labels_eq(s->labels, w->labels) || s->count != 1 ||
            !same_value(&w->values[0], &s->points[0])) {
            return false;
        }
    }
    return true;
}

static bool same_answer(const struct eval *x, const struct promql_result *got)
{
    if (x->has_string) {
        return got->type == PROMQL_STRING && str_eq(got->string, x->string);
    }
    if (x->has_scalar) {
        return got->series_count == 1 && noted_almost(x->scalar, got->series[0].points[0].value) &&
               got->series[0].labels.count == 0;
    }
    if (x->is_range) {
        return same_matrix(x, got, x->start_ms, x->step_ms);
    }
    if (x->has_range_vector) {
        return same_matrix(x, got, x->vector_start_ms, x->vector_step_ms);
    }
    return got->type == PROMQL_VECTOR && same_vector(x, got);
}

static bool text_fits(str want, bool is_regex, str got)
{
    if (!is_regex) {
        return str_eq(want, got);
    }
    struct re *re = re_new_partial(want, NULL);
    bool fits = re && re_match(re, got);
    re_free(re);
    return fits;
}

static bool is_wanted(const struct eval *x, enum want_kind kind, str note)
{
    bool found = x->any_note[kind];
    for (u32 i = 0; i < x->text_count[kind]; i++) {
        found = found || text_fits(x->texts[kind][i], x->is_regex[kind][i], note);
    }
    return found;
}

// All that are wanted are there, and once any is wanted, no others.
static bool same_notes(const struct eval *x, enum want_kind kind, const str *got, u32 count)
{
    bool wants = x->any_note[kind] || x->text_count[kind] > 0;
    if ((x->no_note[kind] && count > 0) || (wants && count == 0)) {
        return false;
    }
    for (u32 i = 0; i < x->text_count[kind]; i++) {
        bool found = false;
        for (u32 k = 0; k < count; k++) {
            found = found || text_fits(x->texts[kind][i], x->is_regex[kind][i], got[k]);
        }
        if (!found) {
            return false;
        }
    }
    for (u32 k = 0; k < count && wants; k++) {
        if (!is_wanted(x, kind, got[k])) {
            return false;
        }
    }
    return true;
}

static bool right_failure(const struct eval *x, const struct error *e)
{
    for (u32 i = 0; i < x->text_count[WANT_FAIL]; i++) {
        if (!text_fits(x->texts[WANT_FAIL][i], x->is_regex[WANT_FAIL][i], str_c(e->text))) {
            return false;
        }
    }
    return x->fails;
}

// The step in the middle of a range must answer what the instant answered.
static bool same_in_range(struct script *s, const struct eval *x, const struct promql_query *q)
{
    struct promql_request r = {.storage = s->store,
                               .query = q,
                               .start_ms = x->start_ms - 60000,
                               .end_ms = x->start_ms + 60000,
                               .step_ms = 60000};
    struct promql_result got;
    struct error e;
    if (!promql_range(s->engine, &r, s->arena, &got, &e)) {
        return false;
    }
    struct promql_series *kept = ARENA_NEW_N(s->arena, struct promql_series, got.series_count);
    u32 n = 0;
    for (u32 i = 0; i < got.series_count; i++) {
        for (u32 k = 0; k < got.series[i].count; k++) {
            if (got.series[i].points[k].t_ms == x->start_ms) {
                kept[n] = got.series[i];
                kept[n].points = &got.series[i].points[k];
                kept[n++].count = 1;
            }
        }
    }
    got.series = kept;
    got.series_count = n;
    got.type = PROMQL_VECTOR;
    return same_answer(x, &got);
}

static bool names_query_time(str expr)
{
    static const char *const names[] = {"start()", "end()", "step()", "range()", "sort"};
    bool names_it = false;
    for (u32 i = 0; i < ARRAY_LEN(names); i++) {
        names_it = names_it || str_contains(expr, str_c(names[i]));
    }
    return names_it;
}

static void show_point(const struct promql_point *p)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    if (p->hist) {
        hist_print(&b, p->hist);
        buf_printf(&b, " schema %d hint %d", p->hist->schema, (int)p->hist->reset);
    } else {
        buf_printf(&b, "%.12g", p->value);
    }
    printf(" [%lld %.*s]", (long long)p->t_ms, STR_ARG(buf_get(&b)));
    buf_fini(&b);
}

static void show(struct script *s, const struct eval *x, const char *why,
                 const struct promql_result *got)
{
    if (s->show == 0) {
        return;
    }
    s->show--;
    printf("%s:%u: %s: %.*s\n", s->path, s->line, why, STR_ARG(x->expr));
    for (u32 i = 0; got && i < got->series_count && i < 8; i++) {
        printf("   got");
        for (u32 k = 0; k < got->series[i].labels.count; k++) {
            printf(" %.*s=%.*s", STR_ARG(got->series[i].labels.items[k].name),
                   STR_ARG(got->series[i].labels.items[k].value));
        }
        for (u32 k = 0; k < got->series[i].count && k < 12; k++) {
            show_point(&got->series[i].points[k]);
        }
        printf("\n");
    }
    for (u32 i = 0; got && i < got->warning_count; i++) {
        printf("   %.*s\n", STR_ARG(got->warnings[i]));
    }
    for (u32 i = 0; got && i < got->info_count; i++) {
        printf("   %.*s\n", STR_ARG(got->infos[i]));
    }
}

static const char *run_eval(struct script *s, const struct eval *x, struct promql_result *got,
                            char *room, size_t room_bytes)
{
    struct error e = {.code = ERR_NONE};
    struct promql_query *q = promql_query_new(s->engine, x->expr, NULL, &e);
    struct promql_request r = {.storage = s->store,
                               .query = q,
                               .start_ms = x->start_ms,
                               .end_ms = x->end_ms,
                               .step_ms = x->step_ms};
    bool ok = q && (x->is_range ? promql_range(s->engine, &r, s->arena, got, &e)
                                : promql_instant(s->engine, &r, s->arena, got, &e));
    const char *why = NULL;
    if (!ok) {
        got->series_count = 0;
        (void)snprintf(room, room_bytes, "%s", e.text);
        why = right_failure(x, &e) ? NULL : room;
    } else if (x->fails) {
        why = "should fail";
    } else if (!same_answer(x, got)) {
        why = "wrong answer";
    } else if (!same_notes(x, WANT_WARN, got->warnings, got->warning_count) ||
               !same_notes(x, WANT_INFO, got->infos, got->info_count)) {
        why = "wrong notes";
    } else if (!x->is_range && got->type != PROMQL_MATRIX && got->type != PROMQL_STRING &&
               !x->ordered && !names_query_time(x->expr) && !same_in_range(s, x, q)) {
        why = "differs as a step of a range";
    }
    promql_query_free(q);
    return why;
}

// Pinned to its time, a query answers the same whenever it is asked.
static const char *run_pinned(struct script *s, const struct eval *x, struct promql_result *got,
                              char *room, size_t room_bytes)
{
    const i64 t = x->start_ms;
    const i64 others[] = {-10 * t, 0, t / 5, t, 10 * t, t - 1000, t + 1000};
    struct eval pinned = *x;
    pinned.expr = pinned_query(s->arena, x->expr, t);
    for (u32 i = 0; pinned.expr.len > 0 && i < ARRAY_LEN(others); i++) {
        char told[600];
        pinned.start_ms = others[i];
        const char *why = run_eval(s, &pinned, got, told, sizeof(told));
        if (why) {
            (void)snprintf(room, room_bytes, "at %lld, pinned as %.*s: %s", (long long)others[i],
                           STR_ARG(pinned.expr), why);
            return room;
        }
        s->pinned++;
    }
    return NULL;
}

static void check(struct script *s, const struct eval *x)
{
    struct promql_result got = {.series_count = 0};
    char room[600];
    const char *why = run_eval(s, x, &got, room, sizeof(room));
    if (!why && !x->is_range) {
        why = run_pinned(s, x, &got, room, sizeof(room));
    }
    if (!why) {
        s->passed++;
    } else {
        s->failed++;
        show(s, x, why, &got);
    }
}

// ---- the language ------------------------------------------------------------------------------

static void parse_eval(struct script *s, str rest, bool fails, struct eval *x)
{
    *x = (struct eval){.fails = fails};
    if (take(&rest, "instant")) {
        if (!take(&rest, "at")) {
            stop(s, "at is missing", rest);
        }
        x->start_ms = time_of(s, take_word(&rest));
    } else {
        x->is_range = true;
        if (!take(&rest, "range") || !take(&rest, "from")) {
            stop(s, "neither instant nor range", rest);
        }
        x->start_ms = time_of(s, take_word(&rest));
        (void)take(&rest, "to");
        x->end_ms = time_of(s, take_word(&rest));
        (void)take(&rest, "step");
        x->step_ms = time_of(s, take_word(&rest));
    }
    x->expr = rest;
}

static void expect_note(struct script *s, struct eval *x, enum want_kind kind, str rest)
{
    bool is_regex = str_starts(rest, STR("regex:"));
    if (rest.len == 0) {
        x->any_note[kind] = true;
        return;
    }
    size_t colon = str_find(rest, ':');
    if (colon == STR_NONE || x->text_count[kind] == NOTES_HELD) {
        stop(s, "no text", rest);
    }
    u32 at = x->text_count[kind]++;
    x->texts[kind][at] = str_trim(str_sub(rest, colon + 1, rest.len));
    x->is_regex[kind][at] = is_regex;
}

static void parse_expect(struct script *s, struct eval *x, str rest)
{
    if (take(&rest, "fail")) {
        x->fails = true;
        expect_note(s, x, WANT_FAIL, rest);
    } else if (take(&rest, "warn")) {
        expect_note(s, x, WANT_WARN, rest);
    } else if (take(&rest, "info")) {
        expect_note(s, x, WANT_INFO, rest);
    } else if (take(&rest, "no_warn")) {
        x->no_note[WANT_WARN] = true;
    } else if (take(&rest, "no_info")) {
        x->no_note[WANT_INFO] = true;
    } else if (take(&rest, "ordered")) {
        x->ordered = true;
    } else if (take(&rest, "string")) {
        x->has_string = true;
        x->string = rest.len >= 2 ? str_sub(rest, 1, rest.len - 1) : rest;
    } else if (take(&rest, "range")) {
        (void)take(&rest, "vector");
        (void)take(&rest, "from");
        x->has_range_vector = true;
        x->vector_start_ms = time_of(s, take_word(&rest));
        (void)take(&rest, "to");
        (void)take_word(&rest);
        (void)take(&rest, "step");
        x->vector_step_ms = time_of(s, take_word(&rest));
    } else {
        stop(s, "unknown expectation", rest);
    }
}

static void parse_wanted(struct script *s, struct eval *x, str line)
{
    f64 v;
    if (num_parse(line, &v)) {
        x->has_scalar = true;
        x->scalar = v;
    } else if (x->series_count == SERIES_MAX) {
        stop(s, "too many series", line);
    } else {
        parse_series(s, line, &x->series[x->series_count++]);
    }
}

static void finish(struct script *s, struct block *b)
{
    if (b->kind == BLOCK_EVAL) {
        check(s, b->eval);
    }
    append_loads(s, b);
    b->kind = BLOCK_NONE;
    arena_reset(s->arena);
}

static void run_line(struct script *s, struct block *b, str line)
{
    str rest = str_trim(line);
    str word = rest;
    word = take_word(&word);
    bool begins =
        str_eq_c(word, "clear") || str_starts(word, STR("load")) || str_starts(word, STR("eval"));
    if (rest.len > 0 && rest.ptr[0] == '#') {
        return;
    }
    if (rest.len == 0 || begins) {
        finish(s, b);
    }
    if (rest.len == 0) {
        return;
    }
    if (begins && take(&rest, "clear")) {
        clear_store(s);
    } else if (begins && take(&rest, "load")) {
        b->kind = BLOCK_LOAD;
        b->step_ms = time_of(s, take_word(&rest));
    } else if (begins && str_starts(rest, STR("load_with_nhcb"))) {
        (void)take_word(&rest);
        b->kind = BLOCK_LOAD;
        b->has_nhcb = true;
        b->step_ms = time_of(s, take_word(&rest));
    } else if (begins) {
        bool fails = take(&rest, "eval_fail");
        (void)take(&rest, "eval");
        b->kind = BLOCK_EVAL;
        b->eval = ARENA_NEW(s->arena, struct eval);
        parse_eval(s, rest, fails, b->eval);
    } else if (b->kind == BLOCK_LOAD) {
        load_series(s, rest, b);
    } else if (b->kind == BLOCK_EVAL && take(&rest, "expect")) {
        parse_expect(s, b->eval, rest);
    } else if (b->kind == BLOCK_EVAL) {
        parse_wanted(s, b->eval, rest);
    } else {
        stop(s, "not understood", rest);
    }
}

static void run_file(struct script *s, const char *path)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    FILE *f = fopen(path, "r");
    s->path = path;
    s->line = 0;
    if (!f) {
        stop(s, "cannot be opened", STR_EMPTY);
        return;
    }
    struct arena *texts = arena_new((size_t)1 << 30); // Lines live as long as the file is read.
    struct block *b = MEM_NEW(struct block);
    clear_store(s);
    u32 before[] = {s->passed, s->failed};
    while ((n = getline(&line, &cap, f)) >= 0) {
        s->line++;
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) {
            n--;
        }
        run_line(s, b, arena_str(texts, str_make(line, (size_t)n)));
    }
    finish(s, b);
    mem_free(b);
    printf("%s: %u passed, %u failed\n", path, s->passed - before[0], s->failed - before[1]);
    arena_free(texts);
    free(line);
    (void)fclose(f);
}

int main(int argc, char **argv)
{
    struct script s = {.show = 20};
    s.arena = arena_new((size_t)4 << 30);
    s.engine = promql_engine_new((struct promql_engine_opts){.delayed_name_removal = true});
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--show") == 0 && i + 1 < argc) {
            s.show = (u32)strtoul(argv[++i], NULL, 10);
        } else {
            run_file(&s, argv[i]);
        }
    }
    printf("%u answers of queries pinned to their time\n", s.pinned);
    printf("%u passed, %u failed\n", s.passed, s.failed);
    memstore_free(s.store);
    promql_engine_free(s.engine);
    arena_free(s.arena);
    return s.failed > 0;
}
