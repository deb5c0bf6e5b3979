// re_fuzz.c: any pattern compiles or is refused; shortcuts answer as RE2 does; facts hold.
//
// re_planted_fuzz is this file with a reader that believes the prefix of a pattern to be short: a
// run that does not find it has not looked deep enough to count.

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/utf8.h"
#include "text/re.h"
#include "text/re_prog.h"
#include "text/re_scan.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

// What a careless caller would do with it.
static void prefix_keep(str prefix)
{
#ifdef TIDEMARK_PLANTED_FAULT
    char kept[2];
    memcpy(kept, prefix.ptr, prefix.len);
    CHECK(prefix.len == 0 || kept[0] == prefix.ptr[0]);
#else
    CHECK(prefix.len == 0 || prefix.ptr);
#endif
}

static void check_facts(const struct re *re, str text, bool matched)
{
    str prefix;
    if (matched && re_prefix(re, &prefix)) {
        prefix_keep(prefix);
        CHECK(str_starts(text, prefix));
    }
    str literal;
    if (re_literal(re, &literal)) {
        CHECK(matched == str_eq(text, literal));
    }
    if (re_matches_all(re)) {
        CHECK(matched);
    }
}

static void check_shortcut(str pattern, str text, bool matched)
{
    struct buf spelt;
    buf_init(&spelt, 1 << 16);
    struct error e;
    CHECK(re_scan(pattern, &spelt, &e));
    char why[128];
    struct re_prog *prog = re_prog_new(
        buf_get(&spelt), (struct re_prog_opts){.dot_matches_newline = true}, why, sizeof(why));
    CHECK(prog != NULL);
    CHECK(re_prog_match(prog, text, NULL, 0) == matched);
    re_prog_free(prog);
    buf_fini(&spelt);
}

// Pattern, text and template, each ended by a line feed.
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size > 4096) {
        return 0;
    }
    str rest = {(const char *)data, size};
    str pattern = STR_EMPTY;
    str text = STR_EMPTY;
    (void)str_split_next(&rest, '\n', &pattern);
    (void)str_split_next(&rest, '\n', &text);
    struct error e;
    struct re *re = re_new(pattern, &e);
    if (re) {
        const bool matched = re_match(re, text);
        if (utf8_valid(text)) {
            check_facts(re, text, matched);
            check_shortcut(pattern, text, matched);
        }
        str groups[8];
        u32 n;
        CHECK(re_match_groups(re, text, groups, ARRAY_LEN(groups), &n) == matched);
        struct buf out;
        buf_init(&out, 1 << 16);
        re_expand(re, rest, groups, n, &out);
        buf_fini(&out);
        re_free(re);
    }
    re = re_new_partial(pattern, &e);
    if (re) {
        struct buf out;
        buf_init(&out, 1 << 16);
        re_replace_all(re, text, rest, &out);
        buf_fini(&out);
        re_free(re);
    }
    return 0;
}
