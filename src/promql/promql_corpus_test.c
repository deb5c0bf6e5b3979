// promql_corpus_test.c: every expression of upstream's test scripts, where they are at hand.
//
// $TIDEMARK_SHARED/promqltest/*.test; without it there is nothing to do. Parsing fails exactly
// where a script expects a parse error, and the canonical text of the rest is one.
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/test.h"
#include "promql/parse.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_BYTES_MAX (8 << 20)

struct tally {
    u32 taken;
    u32 refused;
};

static str file_read(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        fail_msg("cannot open %s", path);
    }
    char *bytes = MEM_NEW_N(char, FILE_BYTES_MAX);
    const str s = {bytes, fread(bytes, 1, FILE_BYTES_MAX, f)};
    assert_true(s.len < FILE_BYTES_MAX);
    (void)fclose(f);
    return s;
}

// The expression behind `eval instant at T` or `eval range from A to B step S`; empty if none.
static str expression_of(str line)
{
    const bool instant = str_starts(line, STR("eval instant at "));
    if (!instant && !str_starts(line, STR("eval range from "))) {
        return STR_EMPTY;
    }
    str rest = line;
    str word;
    for (u32 i = 0; i < (instant ? 4 : 8); i++) {
        (void)str_split_next(&rest, ' ', &word);
        rest = str_trim(rest);
    }
    return str_trim(rest);
}

static void check_canonical(struct arena *a, const struct expr *x)
{
    struct buf once;
    struct buf twice;
    struct parse_error pe;
    buf_init(&once, 1 << 20);
    buf_init(&twice, 1 << 20);
    expr_print(&once, x);
    const struct expr *again = parse_expr(a, buf_get(&once), NULL, &pe);
    if (!again) {
        fail_msg("%.*s: %s", STR_ARG(buf_get(&once)), pe.text);
    }
    expr_print(&twice, again);
    ASSERT_STR_EQ(buf_get(&twice), buf_get(&once));
    buf_fini(&once);
    buf_fini(&twice);
}

static void check_expression(str text, bool may_fail, struct tally *t)
{
    struct arena *a = arena_new(64 << 20);
    struct parse_error pe;
    const struct expr *x = parse_expr(a, text, NULL, &pe);
    if (x) {
        check_canonical(a, x);
        t->taken++;
    } else if (may_fail) {
        t->refused++;
    } else {
        fail_msg("%.*s: %u:%u: %s", STR_ARG(text), pe.line, pe.column, pe.text);
    }
    arena_free(a);
}

static void check_script(const char *path, struct tally *t)
{
    const str script = file_read(path);
    str rest = script;
    str line;
    str pending = STR_EMPTY;
    bool fails = false;
    while (str_split_next(&rest, '\n', &line)) {
        line = str_trim(line);
        if (str_starts(line, STR("expect fail"))) {
            fails = true;
        }
        const str next = expression_of(line);
        if (next.len || !rest.ptr) {
            if (pending.len) {
                check_expression(pending, fails, t);
            }
            pending = next;
            fails = false;
        }
    }
    if (pending.len) {
        check_expression(pending, fails, t);
    }
    mem_free(script.ptr);
}

TEST(corpus_of_test_scripts_parses)
{
    const char *shared = getenv("TIDEMARK_SHARED");
    char folder[512];
    char path[1024];
    (void)snprintf(folder, sizeof(folder), "%s/promqltest", shared ? shared : "");
    DIR *dir = shared ? opendir(folder) : NULL;
    if (!dir) {
        return; // Not at hand.
    }
    struct tally t = {0};
    u32 scripts = 0;
    for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (str_ends(str_c(entry->d_name), STR(".test"))) {
            (void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
            check_script(path, &t);
            scripts++;
        }
    }
    (void)closedir(dir);
    print_message("%u scripts: %u expressions parse, %u fail where they should\n", scripts, t.taken,
                  t.refused);
    assert_true(scripts > 0 && t.taken > 1000);
}
