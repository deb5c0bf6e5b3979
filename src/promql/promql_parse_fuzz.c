// promql_parse_fuzz.c: any bytes parse or fail with a place; what parses prints one canonical text.
//
// promql_lex_planted_fuzz and promql_parse_planted_fuzz are this file with readers that believe a
// number, and a tree, to be short: a run that does not find it has not looked deep enough to count.
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/utf8.h"
#include "promql/parse.h"

#include <stdio.h>
#include <stdlib.h>

#define PRINT_BYTES_MAX (4 << 20)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

// What a careless caller would do with what the lexer and the parser give it.
static void tree_keep(const struct expr *x)
{
#if defined(TIDEMARK_PLANTED_NUMBER)
    char kept[5];
    const u32 len = x->span.end - x->span.start;
    memset(kept, 'x', x->kind == EXPR_NUMBER ? len : 0);
    CHECK(x->kind != EXPR_NUMBER || kept[0] == 'x');
#elif defined(TIDEMARK_PLANTED_HEIGHT)
    bool seen[4] = {false};
    seen[x->height - 1] = true;
    CHECK(!seen[0] || x->height == 1);
#else
    CHECK(x->height >= 1);
#endif
}

static void check_height(const struct expr *x)
{
    tree_keep(x);
    CHECK(x->height >= 1 && x->height <= PROMQL_DEPTH_MAX);
    CHECK(x->type != TYPE_NONE);
    for (u32 i = 0; i < expr_child_count(x); i++) {
        CHECK(expr_child(x, i)->height < x->height);
        CHECK(expr_child(x, i)->span.end <= x->span.end + 1 || x->kind == EXPR_MATRIX);
        check_height(expr_child(x, i));
    }
}

static void check_tree(struct arena *a, const struct expr *x)
{
    struct buf once;
    struct buf twice;
    struct parse_error pe;
    buf_init(&once, PRINT_BYTES_MAX);
    buf_init(&twice, PRINT_BYTES_MAX);
    check_height(x);
    expr_print(&once, x);
    CHECK(buf_ok(&once));
    if (once.len <= PROMQL_BYTES_MAX) {
        const struct expr *again = parse_expr(a, buf_get(&once), NULL, &pe);
        CHECK(again);
        expr_print(&twice, again);
        CHECK(str_eq(buf_get(&once), buf_get(&twice)));
    }
    buf_clear(&twice);
    expr_print_pretty(&twice, x);
    if (buf_ok(&twice) && twice.len <= PROMQL_BYTES_MAX) {
        CHECK(parse_expr(a, buf_get(&twice), NULL, &pe));
    }
    buf_clear(&twice);
    expr_print_json(&twice, x);
    CHECK(!buf_ok(&twice) || utf8_valid(buf_get(&twice)));
    buf_fini(&once);
    buf_fini(&twice);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    const str text = {(const char *)data, size};
    struct arena *a = arena_new(64 << 20);
    struct parse_error pe;
    const struct expr *x = parse_expr(a, text, NULL, &pe);
    if (x) {
        check_tree(a, x);
    } else {
        struct buf out;
        buf_init(&out, PRINT_BYTES_MAX);
        CHECK(pe.line > 0 && pe.column > 0 && pe.text[0]);
        CHECK(pe.span.start <= pe.span.end && pe.span.end <= size);
        CHECK(utf8_valid(str_c(pe.text)));
        parse_error_print_caret(&out, text, &pe);
        buf_fini(&out);
    }
    const struct matcher *ms;
    u32 count;
    (void)!parse_selector(a, text, &ms, &count, &pe);
    arena_free(a);
    return 0;
}
