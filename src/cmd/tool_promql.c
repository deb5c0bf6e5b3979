// tool_promql.c: see tool_promql.h. The words on standard output are promtool's.
#include "cmd/tool_promql.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "cmd/server.h"
#include "cmd/tool_args.h"
#include "model/labels.h"
#include "model/match.h"
#include "os/clk.h"
#include "promql/promql.h"

#include <stdio.h>

#define FORMAT_BYTES_MAX ((size_t)64 << 20)
#define MEMORY_MAX       ((size_t)16 << 20) // Of a matcher.

const char tool_promql_usage[] =
    "       tidemark tool promql format EXPR\n"
    "       tidemark tool promql label-matchers set [-t =|!=|=~|!~] EXPR NAME VALUE\n"
    "       tidemark tool promql label-matchers delete EXPR NAME\n"
    "                                       prints EXPR with that in every selector\n";

// What is wanted of an expression. Threads: owned.
struct wish {
    str expr;
    str name; // Empty: no matcher changes.
    str type;
    str value;
    bool is_set;
};

static int usage_fail(const char *text)
{
    (void)fprintf(stderr, "tidemark: %s\nusage:\n%s", text, tool_promql_usage);
    return EXIT_USAGE;
}

static bool op_parse(str text, enum match_op *op)
{
    static const enum match_op all[] = {MATCH_EQ, MATCH_NE, MATCH_RE, MATCH_NRE};
    for (u32 i = 0; i < ARRAY_LEN(all); i++) {
        if (str_eq_c(text, match_op_text(all[i]))) {
            *op = all[i];
            return true;
        }
    }
    return false;
}

static bool matchers_change(struct promql_query *q, const struct wish *w, struct arena *a,
                            struct error *e)
{
    struct matcher m;
    enum match_op op = MATCH_EQ;
    if (w->name.len == 0) {
        return true;
    }
    if (!label_name_valid(w->name)) {
        return err_set(e, ERR_INVALID, "invalid label name: %.*s", STR_ARG(w->name));
    }
    if (!w->is_set) {
        return promql_query_match(q, w->name, NULL, e);
    }
    if (!op_parse(w->type, &op)) {
        return err_set(e, ERR_INVALID, "invalid label match type: %.*s", STR_ARG(w->type));
    }
    return matcher_init(&m, a, op, w->name, w->value, e) && promql_query_match(q, w->name, &m, e);
}

// The new text must be an expression, too: {} is none.
static bool wish_print(const struct promql_engine *g, const struct wish *w, struct arena *a,
                       struct error *e)
{
    struct buf out;
    struct promql_query *q = promql_query_new(g, w->expr, NULL, e);
    bool ok = q != NULL && matchers_change(q, w, a, e);
    buf_init(&out, FORMAT_BYTES_MAX);
    if (ok) {
        promql_query_print_pretty(&out, q);
        ok = buf_ok(&out) || err_set(e, ERR_LIMIT, "its text is too long");
    }
    if (ok && !promql_check(g, buf_get(&out), NULL, e)) {
        ok = err_in(e, "%.*s would be no expression", STR_ARG(str_sub(buf_get(&out), 0, 200)));
    }
    if (ok) {
        (void)printf("%.*s\n", STR_ARG(buf_get(&out)));
    }
    buf_fini(&out);
    promql_query_free(q);
    return ok;
}

static int wish_run(const struct wish *w)
{
    struct promql_engine *g = promql_engine_new((struct promql_engine_opts){.clk = clk_real()});
    struct arena *a = arena_new(MEMORY_MAX);
    struct error e = {0};
    const bool ok = wish_print(g, w, a, &e);
    if (!ok) {
        (void)fprintf(stderr, "%s\n", e.text);
    }
    arena_free(a);
    promql_engine_free(g);
    return ok ? EXIT_OK : EXIT_RUNTIME;
}

static int label_matchers_run(int argc, char **argv)
{
    struct wish w = {.type = STR("=")};
    struct tool_words words = {.count = 0};
    struct error e = {0};
    bool ignored; // All of promtool's are experimental, and ask for it.
    const struct tool_flag flags[] = {
        {.name = "experimental", .is_set = &ignored},
        {.name = "label-match-type", .letter = 't', .value = &w.type},
    };
    const str verb = argc > 0 ? str_c(argv[0]) : STR_EMPTY;
    w.is_set = str_eq(verb, STR("set"));
    if (!w.is_set && !str_eq(verb, STR("delete"))) {
        return usage_fail("there are promql label-matchers set and delete");
    }
    if (!tool_args_parse(argc - 1, argv + 1, flags, w.is_set ? 2 : 1, &words, &e)) {
        return usage_fail(e.text);
    }
    if (words.count != (w.is_set ? 3U : 2U)) {
        return usage_fail(w.is_set ? "wanted are EXPR, NAME and VALUE"
                                   : "wanted are EXPR and NAME");
    }
    w.expr = words.items[0];
    w.name = words.items[1];
    w.value = words.items[2];
    if (w.name.len == 0) {
        return usage_fail("the name of a label is wanted");
    }
    return wish_run(&w);
}

int tool_promql_run(int argc, char **argv)
{
    const str verb = argc > 0 ? str_c(argv[0]) : STR_EMPTY;
    if (str_eq(verb, STR("label-matchers"))) {
        return label_matchers_run(argc - 1, argv + 1);
    }
    if (!str_eq(verb, STR("format"))) {
        return usage_fail("there are promql format and label-matchers");
    }
    const bool marked = argc == 3 && strcmp(argv[1], "--") == 0; // An expression may begin with -.
    if (argc != 2 && !marked) {
        return usage_fail("wanted is EXPR");
    }
    return wish_run(&(struct wish){.expr = str_c(argv[argc - 1])});
}
