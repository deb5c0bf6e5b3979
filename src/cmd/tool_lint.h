// tool_lint.h: `tidemark tool check metrics`: what is bad style on an exposition page, in the words
// of promtool.
//
// Threads: stateless.
#ifndef CMD_TOOL_LINT_H
#define CMD_TOOL_LINT_H

#include "base/base.h"

struct arena;
struct error;

// Threads: owned.
struct lint_problem {
    str metric;
    str text;
};

// Sorted by metric and text, each once. false: the page cannot be read.
bool tool_lint(str page, struct arena *a, struct lint_problem **problems, u32 *count,
               struct error *e) MUST_USE;
// How many series of a page are of one metric.
struct lint_series {
    str metric;
    u64 count;
};
// The greatest first. false: the page cannot be read.
bool tool_lint_series(str page, struct arena *a, struct lint_series **series, u32 *count,
                      struct error *e) MUST_USE;
// The words behind `check metrics`, and the page on standard input; an enum exit_code, 3 for
// problems as promtool; EXIT_USAGE with a reason.
int tool_lint_run(int argc, char **argv, struct error *e);

#endif
