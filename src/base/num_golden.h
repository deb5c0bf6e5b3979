// num_golden.h: the rows of num_golden.c, which num_test.c walks. Threads: frozen.
#ifndef BASE_NUM_GOLDEN_H
#define BASE_NUM_GOLDEN_H

#include "base/base.h"

struct num_text_case {
    u64 bits;
    const char *json;
    const char *go;
    const char *plain;
    const char *exp;
};
struct num_fixed_case {
    u64 bits;
    char verb;
    int precision;
    const char *text;
};
struct num_parse_case {
    const char *text;
    bool ok;
    u64 bits; // 0x7ff8000000000000 stands for any NaN.
};

extern const struct num_text_case num_text_cases[];
extern const size_t num_text_case_count;
extern const struct num_fixed_case num_fixed_cases[];
extern const size_t num_fixed_case_count;
extern const struct num_parse_case num_parse_cases[];
extern const size_t num_parse_case_count;

#endif
