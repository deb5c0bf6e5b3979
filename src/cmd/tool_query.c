// tool_query.c: see tool_query.h. The words on standard output are promtool's, since scripts read
// them; what the server warns of is told on standard error.
#include "cmd/tool_query.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "cmd/server.h"
#include "cmd/tool_args.h"
#include "cmd/tool_print.h"
#include "model/duration.h"
#include "net/http_client.h"
#include "net/url.h"
#include "os/clk.h"
#include "wire/json.h"

#include <stdio.h>

#define MEMORY_MAX       ((size_t)4 << 30) // Of an answer, its tree and its text.
#define ANSWER_BYTES_MAX ((u64)64 << 20)   // A value of it takes some 64 bytes of the tree.
#define FORM_BYTES_MAX   ((size_t)1 << 20)
#define PRINT_BYTES_MAX  ((size_t)1 << 30)
#define TIMEOUT_MS       600000 // The server's own comes first.

const char tool_query_usage[] =
    "       tidemark tool query instant [--time=T] SERVER EXPR\n"
    "       tidemark tool query range [--start=T] [--end=T] [--step=DURATION] SERVER EXPR\n"
    "       tidemark tool query series --match=SELECTOR… [--start=T] [--end=T] SERVER\n"
    "       tidemark tool query labels [--match=SELECTOR…] [--start=T] [--end=T] SERVER NAME\n"
    "       tidemark tool query explain [--analyze] [--time=T | --start=T --end=T "
    "--step=DURATION]\n"
    "                                   SERVER EXPR\n"
    "                                       each with -o promql or -o json\n"
    "T is RFC 3339 or seconds since 1970. SERVER is a URL: http://127.0.0.1:9090\n";

// Threads: owned.
struct question {
    struct clk *clk;
    struct arena *arena;
    str output;
    str time;
    str start;
    str end;
    str step;
    bool analyze;
    struct tool_list matches;
    struct tool_words words; // SERVER, then EXPR or NAME.
    struct buf path;         // Below the server's URL.
    struct buf form;
    const struct json_value *data;
};

static bool print_instant(struct buf *out, const struct question *q)
{
    return tool_print_result(out, q->data, q->arena);
}

static bool print_series(struct buf *out, const struct question *q)
{
    for (u32 i = 0; i < q->data->count; i++) {
        tool_print_labels(out, &q->data->items[i], q->arena);
        buf_byte(out, '\n');
    }
    return q->data->kind == JSONV_ARRAY;
}

static bool print_names(struct buf *out, const struct question *q)
{
    for (u32 i = 0; i < q->data->count; i++) {
        buf_str(out, q->data->items[i].text);
        buf_byte(out, '\n');
    }
    return q->data->kind == JSONV_ARRAY;
}

static bool print_plan(struct buf *out, const struct question *q)
{
    buf_str(out, json_get_str(q->data, STR("text")));
    return json_get(q->data, STR("text")) != NULL;
}

static void field_add(struct question *q, const char *name, str value)
{
    buf_c(&q->form, q->form.len > 0 ? "&" : "");
    url_encode(&q->form, str_c(name), false);
    buf_byte(&q->form, '=');
    url_encode(&q->form, value, false);
}

static void field_add_given(struct question *q, const char *name, str value)
{
    if (value.len > 0) {
        field_add(q, name, value);
    }
}

static bool times_check(const struct question *q)
{
    static const char *const names[] = {"evaluation time", "start time", "end time"};
    const str given[] = {q->time, q->start, q->end};
    i64 t_ms;
    for (u32 i = 0; i < ARRAY_LEN(given); i++) {
        if (given[i].len > 0 && !time_parse(given[i], &t_ms, NULL)) {
            (void)fprintf(stderr, "error parsing %s: cannot parse \"%.*s\" to a valid timestamp\n",
                          names[i], STR_ARG(given[i]));
            return false;
        }
    }
    return true;
}

static bool ask_instant(struct question *q)
{
    buf_c(&q->path, "/api/v1/query");
    field_add(q, "query", q->words.items[1]);
    field_add_given(q, "time", q->time);
    return true;
}

// As promtool: the last five minutes, in 250 steps of whole seconds.
static bool ask_range(struct question *q)
{
    i64 start_ms;
    i64 end_ms = clk_wall_ms(q->clk);
    (void)(q->end.len > 0 && time_parse(q->end, &end_ms, NULL));
    start_ms = end_ms - 300000;
    (void)(q->start.len > 0 && time_parse(q->start, &start_ms, NULL));
    if (start_ms >= end_ms) {
        (void)fputs("start time is not before end time\n", stderr);
        return false;
    }
    const u64 span_ms = (u64)end_ms - (u64)start_ms;
    const u64 step_s = MAX(span_ms / 250000, 1U);
    buf_c(&q->path, "/api/v1/query_range");
    field_add(q, "query", q->words.items[1]);
    field_add(q, "start", arena_printf(q->arena, "%.3f", (f64)start_ms / 1000));
    field_add(q, "end", arena_printf(q->arena, "%.3f", (f64)end_ms / 1000));
    field_add(q, "step",
              q->step.len > 0 ? q->step
                              : arena_printf(q->arena, "%llu", (unsigned long long)step_s));
    return true;
}

static void matches_add(struct question *q)
{
    for (u32 i = 0; i < q->matches.count; i++) {
        field_add(q, "match[]", q->matches.items[i]);
    }
    field_add_given(q, "start", q->start);
    field_add_given(q, "end", q->end);
}

static bool ask_series(struct question *q)
{
    buf_c(&q->path, "/api/v1/series");
    matches_add(q);
    return true;
}

static bool ask_labels(struct question *q)
{
    buf_c(&q->path, "/api/v1/label/");
    url_encode(&q->path, q->words.items[1], false);
    buf_c(&q->path, "/values");
    matches_add(q);
    return true;
}

static bool ask_explain(struct question *q)
{
    buf_c(&q->path, "/api/v1/explain");
    field_add(q, "query", q->words.items[1]);
    field_add_given(q, "time", q->time);
    field_add_given(q, "start", q->start);
    field_add_given(q, "end", q->end);
    field_add_given(q, "step", q->step);
    field_add_given(q, "analyze", q->analyze ? STR("true") : STR_EMPTY);
    return true;
}

// Threads: frozen.
struct kind {
    const char *name;
    u32 words;
    bool matches; // At least one.
    bool is_get;
    bool (*ask)(struct question *q); // Fills path and form; what is wrong has been told.
    bool (*print)(struct buf *out, const struct question *q);
};
static const struct kind kinds[] = {
    {"instant", 2, false, false, ask_instant, print_instant},
    {"range", 2, false, false, ask_range, print_instant},
    {"series", 1, true, false, ask_series, print_series},
    {"labels", 2, false, true, ask_labels, print_names},
    {"explain", 2, false, false, ask_explain, print_plan},
};

static bool fetch(const struct question *q, const struct kind *kind, struct http_reply *reply,
                  struct error *e)
{
    static const struct http_pair headers[] = {
        {{"Content-Type", 12}, {"application/x-www-form-urlencoded", 33}}};
    str server = q->words.items[0];
    while (str_ends(server, STR("/"))) {
        server = str_sub(server, 0, server.len - 1);
    }
    const struct http_target_opts opts = {
        .url = server, .bytes_max = ANSWER_BYTES_MAX, .gzip = true};
    const str path = buf_get(&q->path);
    const str form = buf_get(&q->form);
    const str with_form = arena_printf(q->arena, "%.*s?%.*s", STR_ARG(path), STR_ARG(form));
    const struct http_fetch f = {.method = kind->is_get ? HTTP_GET : HTTP_POST,
                                 .path_query = kind->is_get ? with_form : path,
                                 .headers = headers,
                                 .header_count = kind->is_get ? 0 : 1,
                                 .body = kind->is_get ? STR_EMPTY : form,
                                 .timeout_ms = TIMEOUT_MS};
    struct http_client *c = http_client_new(1, e);
    struct http_target *t = c != NULL ? http_target_new(c, &opts, e) : NULL;
    const bool ok = t != NULL && http_fetch_wait(t, &f, q->arena, reply, e);
    http_target_free(t);
    http_client_free(c);
    return ok;
}

static bool is_success(const struct json_value *answer)
{
    return answer != NULL && str_eq_c(json_get_str(answer, STR("status")), "success") &&
           json_get(answer, STR("data")) != NULL;
}

static void notes_tell(const struct json_value *answer, const char *key, const char *prefix)
{
    const struct json_value *notes = json_get(answer, str_c(key));
    for (u32 i = 0; notes != NULL && notes->kind == JSONV_ARRAY && i < notes->count; i++) {
        (void)fprintf(stderr, "query %s: %.*s\n", prefix, STR_ARG(notes->items[i].text));
    }
}

static bool answer_take(struct question *q, const struct http_reply *reply)
{
    struct error e = {0};
    const struct json_value *answer =
        json_parse(q->arena, reply->body, (size_t)ANSWER_BYTES_MAX, &e);
    const str type = json_get_str(answer, STR("errorType"));
    if (type.len > 0) {
        (void)fprintf(stderr, "query error: %.*s: %.*s\n", STR_ARG(type),
                      STR_ARG(json_get_str(answer, STR("error"))));
        return false;
    }
    if (reply->status != 200 || !is_success(answer)) {
        const str body = str_trim(str_sub(reply->body, 0, 500));
        (void)fprintf(stderr, "query error: no answer of the API, status %u: %.*s\n", reply->status,
                      STR_ARG(body));
        return false;
    }
    notes_tell(answer, "warnings", "warning");
    notes_tell(answer, "infos", "info");
    q->data = json_get(answer, STR("data"));
    return true;
}

static int answer_print(const struct question *q, const struct kind *kind)
{
    struct buf out;
    bool ok = true;
    buf_init(&out, PRINT_BYTES_MAX);
    if (str_eq_c(q->output, "json")) {
        const struct json_value *result = json_get(q->data, STR("result"));
        tool_print_json(&out, result != NULL ? result : q->data);
        buf_byte(&out, '\n');
    } else {
        ok = kind->print(&out, q);
    }
    if (!buf_ok(&out)) {
        (void)fprintf(stderr, "query error: the answer needs more than %zu bytes as text\n",
                      PRINT_BYTES_MAX);
        ok = false;
    } else if (!ok) {
        (void)fputs("query error: the answer is not of the form that was asked for\n", stderr);
    } else if (fwrite(out.bytes, 1, out.len, stdout) != out.len) {
        ok = false;
    }
    buf_fini(&out);
    return ok ? EXIT_OK : EXIT_RUNTIME;
}

static int question_run(struct question *q, const struct kind *kind)
{
    struct http_reply reply = {0};
    struct error e = {0};
    if (!times_check(q) || !kind->ask(q)) {
        return EXIT_RUNTIME;
    }
    if (!buf_ok(&q->form) || !buf_ok(&q->path)) {
        (void)fprintf(stderr, "query error: more than %zu bytes to ask\n", FORM_BYTES_MAX);
        return EXIT_RUNTIME;
    }
    if (!fetch(q, kind, &reply, &e)) {
        (void)fprintf(stderr, "query error: %s\n", e.text);
        return EXIT_RUNTIME;
    }
    return answer_take(q, &reply) ? answer_print(q, kind) : EXIT_RUNTIME;
}

static int usage_fail(const char *text)
{
    (void)fprintf(stderr, "tidemark: %s\nusage:\n%s", text, tool_query_usage);
    return EXIT_USAGE;
}

static int kind_run(struct question *q, const struct kind *kind, int argc, char **argv)
{
    const struct tool_flag flags[] = {
        {.name = "output", .letter = 'o', .value = &q->output},
        {.name = "format", .value = &q->output},
        {.name = "time", .value = &q->time},
        {.name = "start", .value = &q->start},
        {.name = "end", .value = &q->end},
        {.name = "step", .value = &q->step},
        {.name = "analyze", .is_set = &q->analyze},
        {.name = "match", .list = &q->matches},
    };
    struct error e = {0};
    if (!tool_args_parse(argc, argv, flags, ARRAY_LEN(flags), &q->words, &e)) {
        return usage_fail(e.text);
    }
    if (q->words.count != kind->words) {
        return usage_fail(kind->words == 1 ? "wanted is SERVER"
                                           : "wanted are SERVER and what to ask it for");
    }
    if (kind->matches && q->matches.count == 0) {
        return usage_fail("--match=SELECTOR is wanted");
    }
    if (!str_eq_c(q->output, "promql") && !str_eq_c(q->output, "json")) {
        return usage_fail("-o is promql or json");
    }
    return question_run(q, kind);
}

int tool_query_run(struct clk *clk, int argc, char **argv)
{
    for (u32 i = 0; argc > 0 && i < ARRAY_LEN(kinds); i++) {
        if (!str_eq_c(str_c(argv[0]), kinds[i].name)) {
            continue;
        }
        struct question *q = MEM_NEW(struct question);
        q->clk = clk;
        q->output = STR("promql");
        q->arena = arena_new(MEMORY_MAX);
        buf_init(&q->path, FORM_BYTES_MAX);
        buf_init(&q->form, FORM_BYTES_MAX);
        const int code = kind_run(q, &kinds[i], argc - 1, argv + 1);
        buf_fini(&q->form);
        buf_fini(&q->path);
        arena_free(q->arena);
        mem_free(q);
        return code;
    }
    return usage_fail("there are query instant, range, series, labels and explain");
}
