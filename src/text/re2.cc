// re2.cc: the only file that knows RE2.

#include <cassert>
#include <cstdbool>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <re2/re2.h>
#include <string>
#include <vector>

extern "C" {
#include "base/base.h" // For check_failed; its C headers are in by now.
}
#include "text/re_prog.h"

struct re_prog {
    re_prog(re2::StringPiece pattern, const RE2::Options &options) : re(pattern, options)
    {
    }
    RE2 re;
};

namespace {

// Go's words for each refusal, because that is what people search the web for.
const char *reason_of(RE2::ErrorCode code)
{
    switch (code) {
    case RE2::NoError:
        return "no error";
    case RE2::ErrorInternal:
        return "internal error";
    case RE2::ErrorBadEscape:
        return "invalid escape sequence";
    case RE2::ErrorBadCharClass:
        return "invalid character class";
    case RE2::ErrorBadCharRange:
        return "invalid character class range";
    case RE2::ErrorMissingBracket:
        return "missing closing ]";
    case RE2::ErrorMissingParen:
        return "missing closing )";
    case RE2::ErrorUnexpectedParen:
        return "unexpected )";
    case RE2::ErrorTrailingBackslash:
        return "trailing backslash at end of expression";
    case RE2::ErrorRepeatArgument:
        return "missing argument to repetition operator";
    case RE2::ErrorRepeatSize:
        return "invalid repeat count";
    case RE2::ErrorRepeatOp:
        return "invalid nested repetition operator";
    case RE2::ErrorBadPerlOp:
        return "invalid or unsupported Perl syntax";
    case RE2::ErrorBadUTF8:
        return "invalid UTF-8";
    case RE2::ErrorBadNamedCapture:
        return "invalid named capture";
    case RE2::ErrorPatternTooLarge:
        return "expression too large";
    }
    return "unknown error";
}

re2::StringPiece piece_of(str s)
{
    return s.ptr ? re2::StringPiece(s.ptr, s.len) : re2::StringPiece("", 0);
}

void explain(char *why, size_t why_max, const char *reason, re2::StringPiece where)
{
    if (where.empty()) {
        (void)snprintf(why, why_max, "%s", reason);
        return;
    }
    const int len = static_cast<int>(where.size() < 120 ? where.size() : 120);
    (void)snprintf(why, why_max, "%s: `%.*s`", reason, len, where.data());
}

bool match_at(const re_prog *p, str text, size_t from, RE2::Anchor anchor, str *groups,
              u32 group_count)
{
    constexpr u32 on_stack = 16;
    re2::StringPiece few[on_stack];
    std::unique_ptr<re2::StringPiece[]> many;
    re2::StringPiece *pieces = few;
    if (group_count > on_stack) {
        many.reset(new re2::StringPiece[group_count]);
        pieces = many.get();
    }
    const re2::StringPiece t = piece_of(text);
    if (!p->re.Match(t, from, t.size(), anchor, pieces, static_cast<int>(group_count))) {
        return false;
    }
    for (u32 i = 0; i < group_count; i++) {
        groups[i].ptr = pieces[i].data();
        groups[i].len = pieces[i].size();
    }
    return true;
}

} // namespace

re_prog *re_prog_new(str pattern, re_prog_opts opts, char *why, size_t why_max)
{
    try {
        RE2::Options options;
        options.set_log_errors(false);
        options.set_max_mem(RE_PROG_BYTES_MAX);
        options.set_dot_nl(opts.dot_matches_newline);
        std::unique_ptr<re_prog> p(new re_prog(piece_of(pattern), options));
        if (!p->re.ok()) {
            explain(why, why_max, reason_of(p->re.error_code()), p->re.error_arg());
            return nullptr;
        }
        // RE2 takes the same name twice, Go does not.
        if (p->re.NamedCapturingGroups().size() != p->re.CapturingGroupNames().size()) {
            explain(why, why_max, "duplicate capture group name", {});
            return nullptr;
        }
        return p.release();
    } catch (const std::bad_alloc &) {
        explain(why, why_max, "out of memory", {});
    } catch (...) {
        explain(why, why_max, "internal error", {});
    }
    return nullptr;
}

void re_prog_free(re_prog *p)
{
    delete p;
}

u32 re_prog_group_count(const re_prog *p)
{
    return static_cast<u32>(p->re.NumberOfCapturingGroups()) + 1;
}

u32 re_prog_group_named(const re_prog *p, str name)
{
    try {
        const auto &named = p->re.NamedCapturingGroups();
        const auto found = named.find(std::string(name.ptr ? name.ptr : "", name.len));
        return found == named.end() ? 0 : static_cast<u32>(found->second);
    } catch (...) {
        return 0;
    }
}

// Running out of memory in a match has no honest answer, so it ends the process, as everywhere.
bool re_prog_match(const re_prog *p, str text, str *groups, u32 group_count)
{
    try {
        return match_at(p, text, 0, RE2::ANCHOR_BOTH, groups, group_count);
    } catch (...) {
        check_failed("re2 matches without an exception", __FILE__, __LINE__);
    }
}

bool re_prog_find(const re_prog *p, str text, size_t from, str *groups, u32 group_count)
{
    try {
        return match_at(p, text, from, RE2::UNANCHORED, groups, group_count);
    } catch (...) {
        check_failed("re2 searches without an exception", __FILE__, __LINE__);
    }
}

bool re_rune_is_word(str rune)
{
    try {
        static const RE2 word("[\\pL\\p{Nd}]");
        return RE2::FullMatch(piece_of(rune), word);
    } catch (...) {
        return false;
    }
}
