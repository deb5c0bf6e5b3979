// tmpl_parse.c: from text to a tree: one pass, recursion bounded by TMPL_DEPTH_MAX.
//
//   template = { text | "{{" action "}}" }
//   action   = comment | "if" pipe | "range" pipe | "with" pipe | "else" [ "if" pipe ] | "end"
//            | "break" | "continue" | pipe
//   pipe     = [ $x [ "," $y ] ( ":=" | "=" ) ] command { "|" command }
//   command  = operand { operand }
//   operand  = ( literal | "." | $x | function | "(" pipe ")" ) { "." field }
#include "base/arena.h"
#include "base/error.h"
#include "base/num.h"
#include "base/str.h"
#include "base/utf8.h"
#include "tmpl/tmpl_inner.h"

#include <stdarg.h>
#include <stdio.h>

struct parser {
    struct tmpl *t;
    struct arena *arena;
    size_t at;    // In t->text.
    size_t limit; // End of the action being read.
    size_t next;  // Where the text behind that action starts.
    u32 depth;
    struct error *error;
};

bool tmpl_fail(const struct tmpl *t, u32 at, struct error *e, const char *format, ...)
{
    char message[300];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    u32 line = 1;
    u32 column = 1;
    for (u32 i = 0; i < at && i < t->text.len; i++) {
        column++;
        if (t->text.ptr[i] == '\n') {
            line++;
            column = 1;
        }
    }
    return err_set(e, ERR_INVALID, "template: %u:%u: %s", line, column, message);
}

#define FAIL(p, ...) tmpl_fail((p)->t, (u32)(p)->at, (p)->error, __VA_ARGS__)

static char peek(const struct parser *p)
{
    return p->at < p->limit ? p->t->text.ptr[p->at] : '\0';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void skip_space(struct parser *p)
{
    while (p->at < p->limit && is_space(peek(p))) {
        p->at++;
    }
}

static str take_word(struct parser *p)
{
    const size_t from = p->at;
    while (is_word(peek(p))) {
        p->at++;
    }
    return str_sub(p->t->text, from, p->at);
}

// ---- literals ----

static bool hex_digits(struct parser *p, u32 count, u32 *out)
{
    *out = 0;
    for (u32 i = 0; i < count; i++, p->at++) {
        const char c = peek(p);
        const u32 digit = c >= '0' && c <= '9'   ? (u32)(c - '0')
                          : c >= 'a' && c <= 'f' ? (u32)(c - 'a' + 10)
                          : c >= 'A' && c <= 'F' ? (u32)(c - 'A' + 10)
                                                 : 16;
        if (digit == 16) {
            return false;
        }
        *out = *out * 16 + digit;
    }
    return true;
}

// After a backslash: appends what the escape means.
static bool escape_read(struct parser *p, char *out, size_t *len)
{
    static const char from[] = "abfnrtv\\'\"";
    static const char to[] = "\a\b\f\n\r\t\v\\'\"";
    const char c = peek(p);
    p->at++;
    const char *known = c ? strchr(from, c) : NULL;
    if (known) {
        out[(*len)++] = to[known - from];
        return true;
    }
    u32 code;
    if (c == 'x' && hex_digits(p, 2, &code)) {
        out[(*len)++] = (char)code;
        return true;
    }
    if ((c == 'u' && hex_digits(p, 4, &code)) || (c == 'U' && hex_digits(p, 8, &code))) {
        char utf8[4];
        const size_t n = utf8_put(utf8, code);
        memcpy(out + *len, utf8, n);
        *len += n;
        return n > 0;
    }
    return false;
}

static bool string_read(struct parser *p, str *out)
{
    const char quote = peek(p);
    p->at++;
    const size_t from = p->at;
    char *text = ARENA_NEW_N(p->arena, char, p->limit - from + 1);
    size_t len = 0;
    while (p->at < p->limit && peek(p) != quote) {
        if (quote == '"' && peek(p) == '\n') {
            break;
        }
        if (quote == '"' && peek(p) == '\\') {
            p->at++;
            if (!escape_read(p, text, &len)) {
                return FAIL(p, "unknown escape in string");
            }
            continue;
        }
        text[len++] = peek(p);
        p->at++;
    }
    if (peek(p) != quote) {
        return FAIL(p, "unterminated quoted string");
    }
    p->at++;
    *out = str_make(text, len);
    return true;
}

static bool number_read(struct parser *p, struct value *out)
{
    const size_t from = p->at;
    while (is_word(peek(p)) || peek(p) == '.' ||
           ((peek(p) == '+' || peek(p) == '-') &&
            (p->at == from || (p->t->text.ptr[p->at - 1] | 0x20) == 'e'))) {
        p->at++;
    }
    const str s = str_sub(p->t->text, from, p->at);
    if (parse_i64(s, &out->integer)) {
        out->kind = VALUE_INT;
        return true;
    }
    if (num_parse(s, &out->number)) {
        out->kind = VALUE_FLOAT;
        return true;
    }
    p->at = from;
    return FAIL(p, "bad number syntax: \"%.*s\"", STR_ARG(s));
}

// ---- pipelines ----

static bool pipe_read(struct parser *p, struct pipe **out);

static bool fields_read(struct parser *p, struct operand *o)
{
    str found[TMPL_ARGS_MAX];
    while (peek(p) == '.') {
        p->at++;
        const str name = take_word(p);
        if (name.len == 0) {
            return FAIL(p, "expected a field name after the dot");
        }
        if (o->field_count == TMPL_ARGS_MAX) {
            return FAIL(p, "more than %d fields in a row", TMPL_ARGS_MAX);
        }
        found[o->field_count++] = name;
    }
    if (o->field_count > 0) {
        str *fields = ARENA_NEW_N(p->arena, str, o->field_count);
        memcpy(fields, found, o->field_count * sizeof(str));
        o->fields = fields;
    }
    return true;
}

static bool dot_read(struct parser *p, struct operand *o)
{
    o->kind = OPERAND_DOT;
    if (p->at + 1 < p->limit && is_word(p->t->text.ptr[p->at + 1])) {
        return fields_read(p, o);
    }
    p->at++;
    return true;
}

static bool name_read(struct parser *p, struct operand *o)
{
    const str name = take_word(p);
    if (str_eq(name, STR("true")) || str_eq(name, STR("false"))) {
        o->literal = value_of_bool(name.ptr[0] == 't');
        return true;
    }
    if (str_eq(name, STR("nil"))) {
        return true;
    }
    o->kind = OPERAND_CALL;
    o->name = name;
    o->function = tmpl_function_find(name);
    if (!o->function) {
        p->at -= name.len;
        return FAIL(p, "function \"%.*s\" not defined", STR_ARG(name));
    }
    return true;
}

static bool paren_read(struct parser *p, struct operand *o)
{
    if (++p->depth > TMPL_DEPTH_MAX) {
        return FAIL(p, "more than %d levels of nesting", TMPL_DEPTH_MAX);
    }
    p->at++;
    o->kind = OPERAND_PIPE;
    if (!pipe_read(p, &o->pipe)) {
        return false;
    }
    if (peek(p) != ')') {
        return FAIL(p, "unclosed left parenthesis");
    }
    p->at++;
    p->depth--;
    return fields_read(p, o);
}

static bool operand_read(struct parser *p, struct operand *o)
{
    const char c = peek(p);
    *o = (struct operand){.kind = OPERAND_VALUE, .at = (u32)p->at};
    if (c == '"' || c == '`') {
        o->literal.kind = VALUE_STRING;
        return string_read(p, &o->literal.string);
    }
    if ((c >= '0' && c <= '9') || c == '-' || c == '+') {
        return number_read(p, &o->literal);
    }
    if (c == '$') {
        p->at++;
        o->kind = OPERAND_VARIABLE;
        o->name = take_word(p);
        return fields_read(p, o);
    }
    if (c == '.') {
        return dot_read(p, o);
    }
    if (c == '(') {
        return paren_read(p, o);
    }
    if (is_word(c)) {
        return name_read(p, o);
    }
    return c ? FAIL(p, "unexpected \"%c\" in operand", c) : FAIL(p, "missing value for command");
}

static bool command_read(struct parser *p, struct command *c)
{
    struct operand found[TMPL_ARGS_MAX] = {0};
    while (true) {
        skip_space(p);
        const char next = peek(p);
        if (c->count > 0 && (next == '\0' || next == '|' || next == ')')) {
            break;
        }
        if (c->count == TMPL_ARGS_MAX) {
            return FAIL(p, "more than %d operands in one command", TMPL_ARGS_MAX);
        }
        if (!operand_read(p, &found[c->count])) {
            return false;
        }
        c->count++;
    }
    if (c->count > 1 && found[0].kind != OPERAND_CALL) {
        p->at = found[0].at;
        return FAIL(p, "can't give argument to a non-function");
    }
    c->operands = ARENA_NEW_N(p->arena, struct operand, c->count);
    memcpy(c->operands, found, c->count * sizeof(struct operand));
    return true;
}

// $x :=, $x =, $i, $x := — or nothing, and then p->at stays.
static void declaration_read(struct parser *p, struct pipe *pipe)
{
    const size_t from = p->at;
    str names[2];
    u32 count = 0;
    while (count < 2 && peek(p) == '$') {
        p->at++;
        names[count++] = take_word(p);
        skip_space(p);
        if (peek(p) != ',') {
            break;
        }
        p->at++;
        skip_space(p);
    }
    const bool declares =
        peek(p) == ':' && p->at + 1 < p->limit && p->t->text.ptr[p->at + 1] == '=';
    if (count > 0 && (declares || peek(p) == '=')) {
        p->at += declares ? 2 : 1;
        pipe->assigns = !declares;
        memcpy(pipe->declares, names, sizeof(names));
        pipe->declare_count = count;
        return;
    }
    p->at = from;
}

static bool pipe_read(struct parser *p, struct pipe **out)
{
    struct pipe *pipe = ARENA_NEW(p->arena, struct pipe);
    struct command found[TMPL_ARGS_MAX] = {0};
    skip_space(p);
    pipe->at = (u32)p->at;
    declaration_read(p, pipe);
    while (true) {
        if (pipe->count == TMPL_ARGS_MAX) {
            return FAIL(p, "more than %d commands in one pipeline", TMPL_ARGS_MAX);
        }
        if (!command_read(p, &found[pipe->count])) {
            return false;
        }
        pipe->count++;
        if (peek(p) != '|') {
            break;
        }
        p->at++;
    }
    pipe->commands = ARENA_NEW_N(p->arena, struct command, pipe->count);
    memcpy(pipe->commands, found, pipe->count * sizeof(struct command));
    *out = pipe;
    return true;
}

// ---- blocks ----

enum stop { STOP_NONE, STOP_FAILED, STOP_TEXT_END, STOP_ELSE, STOP_END };

// Finds "}}" from `from`, outside of strings. STR_NONE if there is none.
static size_t action_end(str text, size_t from)
{
    char quote = '\0';
    for (size_t i = from; i + 1 < text.len; i++) {
        const char c = text.ptr[i];
        if (quote) {
            i += quote == '"' && c == '\\';
            quote = c == quote ? '\0' : quote;
        } else if (c == '"' || c == '`') {
            quote = c;
        } else if (c == '}' && text.ptr[i + 1] == '}') {
            return i;
        }
    }
    return STR_NONE;
}

static struct node *node_add(struct parser *p, struct node ***tail, enum node_kind kind)
{
    struct node *n = ARENA_NEW(p->arena, struct node);
    n->kind = kind;
    **tail = n;
    *tail = &n->next;
    return n;
}

static enum stop list_read(struct parser *p, struct node **first);

// The body of if, range or with, up to its end; an "else if" nests.
static bool block_read(struct parser *p, struct node *n)
{
    if (!pipe_read(p, &n->pipe)) {
        return false;
    }
    if (p->at != p->limit) {
        return FAIL(p, "unexpected text after the pipeline");
    }
    if (++p->depth > TMPL_DEPTH_MAX) {
        return FAIL(p, "more than %d levels of nesting", TMPL_DEPTH_MAX);
    }
    enum stop stop = list_read(p, &n->body);
    if (stop == STOP_ELSE) {
        skip_space(p);
        if (p->at < p->limit) {
            const enum node_kind kind = n->kind;
            const str word = take_word(p);
            if (!str_eq(word, kind == NODE_WITH ? STR("with") : STR("if"))) {
                return FAIL(p, "unexpected \"%.*s\" after else", STR_ARG(word));
            }
            n->otherwise = ARENA_NEW(p->arena, struct node);
            n->otherwise->kind = kind == NODE_WITH ? NODE_WITH : NODE_IF;
            p->depth--;
            return block_read(p, n->otherwise);
        }
        stop = list_read(p, &n->otherwise);
    }
    p->depth--;
    if (stop == STOP_FAILED) {
        return false;
    }
    if (stop != STOP_END) {
        return FAIL(p, "unexpected end of the template: a block has no {{end}}");
    }
    return true;
}

static enum stop keyword_read(struct parser *p, struct node ***tail, bool *done)
{
    static const struct {
        const char *word;
        enum node_kind kind;
    } blocks[] = {{"if", NODE_IF}, {"range", NODE_RANGE}, {"with", NODE_WITH}};
    const size_t from = p->at;
    const str word = take_word(p);
    *done = true;
    for (u32 i = 0; i < ARRAY_LEN(blocks); i++) {
        if (str_eq_c(word, blocks[i].word)) {
            return block_read(p, node_add(p, tail, blocks[i].kind)) ? STOP_NONE : STOP_FAILED;
        }
    }
    if (str_eq(word, STR("else"))) {
        return STOP_ELSE;
    }
    if (str_eq(word, STR("end"))) {
        return STOP_END;
    }
    if (str_eq(word, STR("break")) || str_eq(word, STR("continue"))) {
        (void)node_add(p, tail, word.ptr[0] == 'b' ? NODE_BREAK : NODE_CONTINUE);
        return STOP_NONE;
    }
    p->at = from;
    *done = false;
    return STOP_NONE;
}

// One {{ … }}, p->at behind the opening braces. STOP_NONE means: go on.
static enum stop action_read(struct parser *p, struct node ***tail)
{
    skip_space(p);
    bool done;
    const enum stop stop = keyword_read(p, tail, &done);
    if (done) {
        return stop;
    }
    struct node *n = node_add(p, tail, NODE_PIPE);
    if (!pipe_read(p, &n->pipe)) {
        return STOP_FAILED;
    }
    if (p->at != p->limit) {
        (void)FAIL(p, "unexpected \"%c\" in command", peek(p));
        return STOP_FAILED;
    }
    return STOP_NONE;
}

// Sets limit to the end of the action whose inside starts at p->at and *after to what follows it,
// trimming as {{- and -}} ask.
static bool action_bounds(struct parser *p, size_t *after)
{
    const str text = p->t->text;
    if (p->at + 1 < text.len && text.ptr[p->at] == '-' && is_space(text.ptr[p->at + 1])) {
        p->at++;
    }
    const size_t close = action_end(text, p->at);
    if (close == STR_NONE) {
        return FAIL(p, "unclosed action");
    }
    p->limit = close;
    *after = close + 2;
    if (close > p->at && text.ptr[close - 1] == '-' && is_space(text.ptr[close - 2])) {
        p->limit = close - 1;
        while (*after < text.len && is_space(text.ptr[*after])) {
            (*after)++;
        }
    }
    while (p->limit > p->at && is_space(text.ptr[p->limit - 1])) {
        p->limit--;
    }
    return true;
}

static bool comment_skip(const struct parser *p, size_t at, size_t *after)
{
    const str rest = str_sub(p->t->text, at, p->t->text.len);
    const size_t dash = str_starts(rest, STR("- /*")) ? 2 : 0;
    if (!str_starts(str_sub(rest, dash, rest.len), STR("/*"))) {
        return false;
    }
    const size_t end = str_find_str(rest, STR("*/"));
    if (end == STR_NONE) {
        return false;
    }
    size_t i = at + end + 2;
    const bool trim = str_starts(str_sub(rest, end + 2, rest.len), STR(" -}}"));
    i += trim ? 4 : 2;
    while (trim && i < p->t->text.len && is_space(p->t->text.ptr[i])) {
        i++;
    }
    *after = i;
    return true;
}

static void text_add(struct parser *p, struct node ***tail, size_t from, size_t to)
{
    const str text = p->t->text;
    if (to + 3 < text.len && text.ptr[to + 2] == '-' && is_space(text.ptr[to + 3])) {
        while (to > from && is_space(text.ptr[to - 1])) {
            to--;
        }
    }
    if (to > from) {
        node_add(p, tail, NODE_TEXT)->text = str_sub(text, from, to);
    }
}

// Reads text and actions up to the {{else}} or {{end}} that belongs to the caller, or to the end of
// the template. After STOP_ELSE, what stands behind the word is still to be read.
static enum stop list_read(struct parser *p, struct node **first)
{
    struct node **tail = first;
    const str text = p->t->text;
    while (true) {
        const size_t open = str_find_str(str_sub(text, p->next, text.len), STR("{{"));
        if (open == STR_NONE) {
            text_add(p, &tail, p->next, text.len);
            p->next = text.len;
            return STOP_TEXT_END;
        }
        const size_t action = p->next + open;
        text_add(p, &tail, p->next, action);
        p->at = action + 2;
        if (comment_skip(p, p->at, &p->next)) {
            continue;
        }
        if (!action_bounds(p, &p->next)) {
            return STOP_FAILED;
        }
        const enum stop stop = action_read(p, &tail);
        if (stop != STOP_NONE) {
            return stop;
        }
    }
}

struct tmpl *tmpl_compile(struct arena *a, str text, struct error *e)
{
    if (text.len > TMPL_TEXT_MAX) {
        return err_null(e, ERR_LIMIT, "template of %zu bytes, at most %u", text.len, TMPL_TEXT_MAX);
    }
    struct tmpl *t = ARENA_NEW(a, struct tmpl);
    t->text = arena_str(a, text);
    struct error ignored;
    struct parser p = {.t = t, .arena = a, .error = e ? e : &ignored};
    switch (list_read(&p, &t->first)) {
    case STOP_TEXT_END:
        return t;
    case STOP_ELSE:
    case STOP_END:
        (void)FAIL(&p, "unexpected {{end}} or {{else}}");
        return NULL;
    case STOP_NONE:
    case STOP_FAILED:
        break;
    }
    return NULL;
}
