// tmpl_inner.h: what the files of tmpl share: values, nodes, the function table's row.
//
// A template is a tree of nodes in the caller's arena; a run walks it with a stack of variables.
// Bounds: TMPL_DEPTH_MAX nested blocks and parentheses, TMPL_STEPS_MAX nodes walked, the output
// buffer's own maximum.
// Threads: nodes are frozen after parsing; a run is owned.
#ifndef TMPL_TMPL_INNER_H
#define TMPL_TMPL_INNER_H

#include "base/base.h"
#include "model/labels.h"
#include "tmpl/tmpl.h"

struct buf;

enum { TMPL_DEPTH_MAX = 32, TMPL_STEPS_MAX = 100000, TMPL_VARS_MAX = 64, TMPL_ARGS_MAX = 16 };
#define TMPL_TEXT_MAX   (64U << 10) // Of one template.
#define TMPL_STRING_MAX (1U << 20)  // Of one value made while running.

enum value_kind {
    VALUE_NIL,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_STRING,
    VALUE_LABELS, // $labels: a map from string to string.
    VALUE_SAMPLE,
    VALUE_SAMPLES, // What query gives.
    VALUE_ARGS,    // args: arg0, arg1, …
    VALUE_TIME,    // Milliseconds in `integer`.
    VALUE_DATA     // The dot at the top: .Labels, .Value, …
};

struct value {
    enum value_kind kind;
    bool boolean;
    i64 integer;
    f64 number;
    str string;
    struct labels labels;
    const struct tmpl_query_sample *samples; // VALUE_SAMPLE: one; VALUE_SAMPLES: count.
    const struct value *args;
    u32 count;
};

// ---- the tree ----

enum node_kind {
    NODE_TEXT,
    NODE_PIPE, // Prints, unless it declares a variable.
    NODE_IF,
    NODE_RANGE,
    NODE_WITH,
    NODE_BREAK,
    NODE_CONTINUE
};

enum operand_kind {
    OPERAND_VALUE,    // A literal.
    OPERAND_DOT,      // . with fields
    OPERAND_VARIABLE, // $x with fields
    OPERAND_CALL,     // A function's name; arguments follow in the command.
    OPERAND_PIPE      // ( pipeline ) with fields
};

struct operand {
    enum operand_kind kind;
    struct value literal;
    str name; // Variable (without $) or function.
    const struct tmpl_function *function;
    struct pipe *pipe;
    const str *fields; // .a.b after it.
    u32 field_count;
    u32 at; // Byte offset in the text, for errors.
};

struct command {
    struct operand *operands;
    u32 count;
};

struct pipe {
    struct command *commands;
    u32 count;
    str declares[2]; // $x :=, or $i, $x := in range; empty if none.
    u32 declare_count;
    bool assigns; // = rather than :=
    u32 at;
};

struct node {
    enum node_kind kind;
    str text;
    struct pipe *pipe;
    struct node *body; // if, range, with
    struct node *otherwise;
    struct node *next;
};

struct tmpl {
    str text;
    struct node *first;
};

// ---- a run ----

struct run {
    const struct tmpl *t;
    const struct tmpl_data *data;
    struct arena *arena;
    struct buf *out;
    struct {
        str name;
        struct value value;
    } vars[TMPL_VARS_MAX];
    u32 var_count;
    u32 steps;
    u32 depth;
    bool breaking;
    bool continuing;
};

struct tmpl_function {
    const char *name;
    u32 args_min;
    u32 args_max;
    bool (*call)(struct run *r, const struct value *args, u32 n, struct value *out,
                 struct error *e);
};
const struct tmpl_function *tmpl_function_find(str name); // NULL if there is none.

// "tmpl: line:col: " before the message.
bool tmpl_fail(const struct tmpl *t, u32 at, struct error *e, const char *format, ...)
    PRINTF_LIKE(4, 5);

struct value value_of_str(str s);
struct value value_of_f64(f64 v);
struct value value_of_bool(bool b);
bool value_truth(const struct value *v);                  // text/template's idea of truth.
void value_print(struct buf *out, const struct value *v); // As %v prints it.
bool value_number(const struct value *v, f64 *out);       // Numbers, and strings that are one.
bool value_field(struct run *r, const struct value *of, str name, struct value *out,
                 struct error *e);
// fmt.Sprintf; a wrong verb gives Go's %!verb(type=value) text.
void value_printf(struct buf *out, str format, const struct value *args, u32 n);

#endif
