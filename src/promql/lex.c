// lex.c: see lex.h. One function per state; keywords are a table.
#include "promql/lex.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/utf8.h"
#include "promql/lex_scan.h"
#include "promql/parse_error.h"

static_assert(TOKEN_UNLESS - TOKEN_ADD == (int)OP_UNLESS - (int)OP_ADD, "operators in order");
static_assert(TOKEN_LIMIT_RATIO - TOKEN_SUM == (int)AGG_LIMIT_RATIO, "aggregators in order");

struct keyword {
    str word;
    enum token_kind kind;
};

static const struct keyword keywords[] = {
    {{"and", 3}, TOKEN_AND},
    {{"or", 2}, TOKEN_OR},
    {{"unless", 6}, TOKEN_UNLESS},
    {{"atan2", 5}, TOKEN_ATAN2},
    {{"sum", 3}, TOKEN_SUM},
    {{"avg", 3}, TOKEN_AVG},
    {{"count", 5}, TOKEN_COUNT},
    {{"min", 3}, TOKEN_MIN},
    {{"max", 3}, TOKEN_MAX},
    {{"group", 5}, TOKEN_GROUP},
    {{"stddev", 6}, TOKEN_STDDEV},
    {{"stdvar", 6}, TOKEN_STDVAR},
    {{"topk", 4}, TOKEN_TOPK},
    {{"bottomk", 7}, TOKEN_BOTTOMK},
    {{"count_values", 12}, TOKEN_COUNT_VALUES},
    {{"quantile", 8}, TOKEN_QUANTILE},
    {{"limitk", 6}, TOKEN_LIMITK},
    {{"limit_ratio", 11}, TOKEN_LIMIT_RATIO},
    {{"offset", 6}, TOKEN_OFFSET},
    {{"smoothed", 8}, TOKEN_SMOOTHED},
    {{"anchored", 8}, TOKEN_ANCHORED},
    {{"by", 2}, TOKEN_BY},
    {{"without", 7}, TOKEN_WITHOUT},
    {{"on", 2}, TOKEN_ON},
    {{"ignoring", 8}, TOKEN_IGNORING},
    {{"group_left", 10}, TOKEN_GROUP_LEFT},
    {{"group_right", 11}, TOKEN_GROUP_RIGHT},
    {{"fill", 4}, TOKEN_FILL},
    {{"fill_left", 9}, TOKEN_FILL_LEFT},
    {{"fill_right", 10}, TOKEN_FILL_RIGHT},
    {{"bool", 4}, TOKEN_BOOL},
    {{"start", 5}, TOKEN_START},
    {{"end", 3}, TOKEN_END_OF},
    {{"step", 4}, TOKEN_STEP},
    {{"range", 5}, TOKEN_RANGE},
    {{"max_of", 6}, TOKEN_MAX_OF},
    {{"min_of", 6}, TOKEN_MIN_OF},
    {{"inf", 3}, TOKEN_NUMBER},
    {{"nan", 3}, TOKEN_NUMBER},
};

void lex_init(struct lexer *l, str text, struct arena *a, struct parse_error *pe)
{
    CHECK(text.len <= PROMQL_BYTES_MAX);
    *l = (struct lexer){.text = text, .arena = a, .error = pe};
}

static struct token emit(struct lexer *l, enum token_kind kind)
{
    return (struct token){kind, {l->start, l->pos}};
}

static struct token emit_at(struct lexer *l, u32 width, enum token_kind kind)
{
    l->pos += width;
    return emit(l, kind);
}

static char byte_at(const struct lexer *l, u32 pos)
{
    if (pos >= l->text.len) {
        return '\0';
    }
    return l->text.ptr[pos];
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(struct lexer *l)
{
    while (l->pos < l->text.len && is_space(l->text.ptr[l->pos])) {
        l->pos++;
    }
}

// Inside a duration there are no comments until a number has come.
static void skip_blank(struct lexer *l)
{
    skip_space(l);
    while (byte_at(l, l->pos) == '#' && !l->duration_only) {
        while (l->pos < l->text.len && l->text.ptr[l->pos] != '\n' && l->text.ptr[l->pos] != '\r') {
            l->pos++;
        }
        skip_space(l);
    }
}

// Quotes the character at pos after what is wrong with it.
static struct token fail_rune(struct lexer *l, const char *what, u32 pos)
{
    const str quoted = rune_quoted(l->arena, l->text, pos);
    return lex_fail(l, l->start, "%s: %.*s", what, STR_ARG(quoted));
}

// fill, fill_left and fill_right are keywords only before a parenthesis, so that metrics may have
// these names.
static bool is_before_paren(const struct lexer *l)
{
    u32 pos = l->pos;
    while (pos < l->text.len && is_space(l->text.ptr[pos])) {
        pos++;
    }
    return byte_at(l, pos) == '(';
}

static enum token_kind word_kind(const struct lexer *l, str word)
{
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
        if (str_eq_nocase(keywords[i].word, word)) {
            const enum token_kind kind = keywords[i].kind;
            const bool is_fill =
                kind == TOKEN_FILL || kind == TOKEN_FILL_LEFT || kind == TOKEN_FILL_RIGHT;
            return is_fill && !is_before_paren(l) ? TOKEN_IDENTIFIER : kind;
        }
    }
    return str_find(word, ':') == STR_NONE ? TOKEN_IDENTIFIER : TOKEN_METRIC;
}

static struct token lex_word(struct lexer *l)
{
    while (lex_is_alnum(byte_at(l, l->pos)) || byte_at(l, l->pos) == ':') {
        l->pos++;
    }
    return emit(l, word_kind(l, str_sub(l->text, l->start, l->pos)));
}

// step, range, min_of, max_of: the only words there are inside brackets.
static bool scan_duration_word(struct lexer *l, enum token_kind *kind)
{
    u32 end = l->start;
    while (lex_is_alpha(byte_at(l, end))) {
        end++;
    }
    const enum token_kind found = word_kind(l, str_sub(l->text, l->start, end));
    if (found != TOKEN_STEP && found != TOKEN_RANGE && found != TOKEN_MIN_OF &&
        found != TOKEN_MAX_OF) {
        return false;
    }
    l->pos = end;
    *kind = found;
    return true;
}

static struct token lex_number(struct lexer *l)
{
    enum token_kind kind = TOKEN_NUMBER;
    if (!lex_scan_number(l, &kind)) {
        const str quoted = str_quoted(l->arena, str_sub(l->text, l->start, l->pos));
        return lex_fail(l, l->start, "bad number or duration syntax: %.*s", STR_ARG(quoted));
    }
    return emit(l, kind);
}

static struct token lex_string(struct lexer *l)
{
    struct token failure;
    if (!lex_scan_string(l, &failure)) {
        return failure;
    }
    return emit(l, TOKEN_STRING);
}

static struct token lex_right_paren(struct lexer *l)
{
    l->pos++;
    if (l->paren_depth == 0) {
        return lex_fail(l, l->pos, "unexpected right parenthesis ')'");
    }
    l->paren_depth--;
    return emit(l, TOKEN_RIGHT_PAREN);
}

static struct token lex_left_bracket(struct lexer *l)
{
    if (l->in_brackets) {
        return lex_fail(l, l->start, "unexpected left bracket '['");
    }
    l->in_brackets = true;
    l->duration_only = true;
    l->seen_colon = false;
    return emit_at(l, 1, TOKEN_LEFT_BRACKET);
}

static struct token lex_right_bracket(struct lexer *l)
{
    if (!l->in_brackets) {
        l->pos++;
        return lex_fail(l, l->start, "unexpected right bracket ']'");
    }
    l->in_brackets = false;
    l->duration_only = false;
    return emit_at(l, 1, TOKEN_RIGHT_BRACKET);
}

// After the first number in brackets: a colon or one of the four words.
static struct token lex_word_in_brackets(struct lexer *l)
{
    if (byte_at(l, l->pos) == ':') {
        if (l->seen_colon) {
            return lex_fail(l, l->start, "unexpected colon ':'");
        }
        l->seen_colon = true;
        return emit_at(l, 1, TOKEN_COLON);
    }
    enum token_kind kind;
    if (scan_duration_word(l, &kind)) {
        return emit(l, kind);
    }
    const str quoted = rune_quoted(l->arena, l->text, l->start);
    return lex_fail(l, l->start, "unexpected character: %.*s, expected ':'", STR_ARG(quoted));
}

// + - * / % ^ ( ) and the comma mean the same everywhere outside braces.
static bool lex_common(struct lexer *l, struct token *t)
{
    switch (byte_at(l, l->pos)) {
    case ',':
        *t = emit_at(l, 1, TOKEN_COMMA);
        return true;
    case '+':
        *t = emit_at(l, 1, TOKEN_ADD);
        return true;
    case '-':
        *t = emit_at(l, 1, TOKEN_SUB);
        return true;
    case '*':
        *t = emit_at(l, 1, TOKEN_MUL);
        return true;
    case '/':
        *t = emit_at(l, 1, TOKEN_DIV);
        return true;
    case '%':
        *t = emit_at(l, 1, TOKEN_MOD);
        return true;
    case '^':
        *t = emit_at(l, 1, TOKEN_POW);
        return true;
    case '(':
        l->paren_depth++;
        *t = emit_at(l, 1, TOKEN_LEFT_PAREN);
        return true;
    case ')':
        *t = lex_right_paren(l);
        return true;
    case ']':
        *t = lex_right_bracket(l);
        return true;
    default:
        return false;
    }
}

static struct token lex_comparison(struct lexer *l, char c)
{
    const char next = byte_at(l, l->pos + 1);
    switch (c) {
    case '=':
        if (next == '~') {
            return lex_fail(l, l->start, "unexpected character after '=': '~'");
        }
        return next == '=' ? emit_at(l, 2, TOKEN_EQ) : emit_at(l, 1, TOKEN_EQUAL);
    case '!':
        if (next != '=') {
            return fail_rune(l, "unexpected character after '!'", l->pos + 1);
        }
        return emit_at(l, 2, TOKEN_NE);
    case '<':
        if (next == '/') {
            return emit_at(l, 2, TOKEN_TRIM_UPPER);
        }
        return next == '=' ? emit_at(l, 2, TOKEN_LE) : emit_at(l, 1, TOKEN_LT);
    default:
        if (next == '/') {
            return emit_at(l, 2, TOKEN_TRIM_LOWER);
        }
        return next == '=' ? emit_at(l, 2, TOKEN_GE) : emit_at(l, 1, TOKEN_GT);
    }
}

static struct token lex_end(struct lexer *l)
{
    if (l->duration_only) {
        return lex_fail(l, l->start, "unexpected end of input in duration expression");
    }
    if (l->paren_depth) {
        return lex_fail(l, l->start, "unclosed left parenthesis");
    }
    if (l->in_brackets) {
        return lex_fail(l, l->start, "unclosed left bracket");
    }
    return emit(l, TOKEN_END);
}

static bool starts_number(const struct lexer *l)
{
    const char c = byte_at(l, l->pos);
    return lex_is_digit(c) || (c == '.' && lex_is_digit(byte_at(l, l->pos + 1)));
}

static struct token lex_statement(struct lexer *l)
{
    struct token t;
    if (l->pos >= l->text.len) {
        return lex_end(l);
    }
    if (lex_common(l, &t)) {
        return t;
    }
    const char c = l->text.ptr[l->pos];
    if (c == '=' || c == '!' || c == '<' || c == '>') {
        return lex_comparison(l, c);
    }
    if (starts_number(l)) {
        return lex_number(l);
    }
    if (c == '"' || c == '\'' || c == '`') {
        return lex_string(l);
    }
    if (lex_is_alpha(c) || c == ':') {
        return l->in_brackets ? lex_word_in_brackets(l) : lex_word(l);
    }
    switch (c) {
    case '{':
        l->in_braces = true;
        return emit_at(l, 1, TOKEN_LEFT_BRACE);
    case '[':
        return lex_left_bracket(l);
    case '@':
        return emit_at(l, 1, TOKEN_AT);
    default:
        return fail_rune(l, "unexpected character", l->pos);
    }
}

static struct token lex_duration(struct lexer *l)
{
    struct token t;
    if (l->pos >= l->text.len) {
        return lex_end(l);
    }
    if (lex_common(l, &t)) {
        return t;
    }
    if (starts_number(l)) {
        l->seen_duration = true;
        l->duration_only = false;
        return lex_number(l);
    }
    if (byte_at(l, l->pos) == ':') {
        l->pos++;
        if (!l->seen_duration) {
            return lex_fail(l, l->pos, "unexpected colon before duration in duration expression");
        }
        if (l->seen_colon) {
            return lex_fail(l, l->pos, "unexpected repeated colon in duration expression");
        }
        l->seen_colon = true;
        return emit(l, TOKEN_COLON);
    }
    enum token_kind kind;
    if (scan_duration_word(l, &kind)) {
        return emit(l, kind);
    }
    return fail_rune(l, "unexpected character in duration expression", l->start);
}

static struct token lex_label_name(struct lexer *l)
{
    while (lex_is_alnum(byte_at(l, l->pos))) {
        l->pos++;
    }
    return emit(l, TOKEN_IDENTIFIER);
}

static struct token lex_in_braces(struct lexer *l)
{
    if (l->pos >= l->text.len) {
        return lex_fail(l, l->start, "unexpected end of input inside braces");
    }
    const char c = l->text.ptr[l->pos];
    const char next = byte_at(l, l->pos + 1);
    if (lex_is_alpha(c)) {
        return lex_label_name(l);
    }
    switch (c) {
    case ',':
        return emit_at(l, 1, TOKEN_COMMA);
    case '"':
    case '\'':
    case '`':
        return lex_string(l);
    case '=':
        return next == '~' ? emit_at(l, 2, TOKEN_MATCHES) : emit_at(l, 1, TOKEN_EQUAL);
    case '!':
        if (next == '~') {
            return emit_at(l, 2, TOKEN_NOT_MATCHES);
        }
        if (next == '=') {
            return emit_at(l, 2, TOKEN_NE);
        }
        return fail_rune(l, "unexpected character after '!' inside braces", l->pos + 1);
    case '{':
        return lex_fail(l, l->start, "unexpected left brace '{'");
    case '}':
        l->in_braces = false;
        return emit_at(l, 1, TOKEN_RIGHT_BRACE);
    default:
        return fail_rune(l, "unexpected character inside braces", l->pos);
    }
}

struct token lex_next(struct lexer *l)
{
    if (l->last.kind == TOKEN_ERROR) {
        return l->last;
    }
    skip_blank(l);
    l->start = l->pos;
    if (l->in_braces) {
        l->last = lex_in_braces(l);
    } else {
        l->last = l->duration_only ? lex_duration(l) : lex_statement(l);
    }
    return l->last;
}

static const char *const described[TOKEN_KIND_COUNT] = {
    [TOKEN_IDENTIFIER] = "identifier ", [TOKEN_METRIC] = "metric identifier ",
    [TOKEN_STRING] = "string ",         [TOKEN_NUMBER] = "number ",
    [TOKEN_DURATION] = "duration ",
};

// The first ten characters, in quotes; whole if there are no more than ten bytes.
static str quoted_head(struct arena *a, str s)
{
    if (s.len <= 10) {
        return str_quoted(a, s);
    }
    size_t pos = 0;
    u32 code_point;
    for (u32 n = 0; n < 10 && pos < s.len; n++) {
        (void)utf8_next(s, &pos, &code_point);
    }
    return arena_printf(a, "%.*s...", STR_ARG(str_quoted(a, str_sub(s, 0, pos))));
}

str token_describe(struct arena *a, str text, struct token t)
{
    const str s = token_text(text, t);
    if (t.kind == TOKEN_END) {
        return STR("end of input");
    }
    if (t.kind == TOKEN_IDENTIFIER || t.kind == TOKEN_METRIC) {
        return arena_printf(a, "%s%.*s", described[t.kind], STR_ARG(str_quoted(a, s)));
    }
    if (t.kind >= TOKEN_ADD && t.kind <= TOKEN_AT) {
        return arena_printf(a, "<op:%.*s>", STR_ARG(s));
    }
    if (t.kind == TOKEN_NOT_MATCHES) {
        return STR("<op:!~>");
    }
    if (t.kind == TOKEN_MATCHES) {
        return STR("<op:=~>");
    }
    if (t.kind >= TOKEN_SUM && t.kind <= TOKEN_LIMIT_RATIO) {
        return arena_printf(a, "<aggr:%.*s>", STR_ARG(s));
    }
    if (t.kind >= TOKEN_BOOL && t.kind <= TOKEN_WITHOUT) {
        return arena_printf(a, "<%.*s>", STR_ARG(s));
    }
    const char *const kind = described[t.kind] ? described[t.kind] : "";
    return arena_printf(a, "%s%.*s", kind, STR_ARG(quoted_head(a, s)));
}
