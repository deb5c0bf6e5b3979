// tool_args.h: the words behind a tool's name: flags, each given once unless it is a list, and the
// rest in their order.
//
// "--name=value", "--name value" and for one letter "-o value" are the same; "--" ends the flags.
// Threads: owned.
#ifndef CMD_TOOL_ARGS_H
#define CMD_TOOL_ARGS_H

#include "base/base.h"

struct error;

#define TOOL_LIST_MAX  256U
#define TOOL_WORDS_MAX 4U

// One that a tool takes; value points to where it goes. Threads: owned.
struct tool_flag {
    const char *name;       // "output", without dashes
    char letter;            // 'o'; 0: none
    str *value;             // Of a flag with a value.
    bool *is_set;           // Of a flag without one.
    struct tool_list *list; // Of one that may be given often.
};
struct tool_list {
    str items[TOOL_LIST_MAX];
    u32 count;
};
struct tool_words {
    str items[TOOL_WORDS_MAX];
    u32 count;
};

// false: an unknown flag, one without its value, or more than TOOL_WORDS_MAX words.
bool tool_args_parse(int argc, char **argv, const struct tool_flag *flags, u32 flag_count,
                     struct tool_words *words, struct error *e) MUST_USE;

#endif
