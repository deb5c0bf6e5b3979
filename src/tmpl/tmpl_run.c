// tmpl_run.c: walks the tree of a template. Steps and depth are bounded (tmpl_inner.h), variables
// live on one small stack whose height is restored at the end of each block.
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "tmpl/tmpl_inner.h"

static bool pipe_eval(struct run *r, const struct pipe *p, const struct value *dot,
                      struct value *out, struct error *e);

static bool var_push(struct run *r, str name, const struct value *v, u32 at, struct error *e)
{
    if (r->var_count == TMPL_VARS_MAX) {
        return tmpl_fail(r->t, at, e, "more than %d variables", TMPL_VARS_MAX);
    }
    r->vars[r->var_count].name = name;
    r->vars[r->var_count].value = *v;
    r->var_count++;
    return true;
}

static struct value *var_find(struct run *r, str name)
{
    for (u32 i = r->var_count; i > 0; i--) {
        if (str_eq(r->vars[i - 1].name, name)) {
            return &r->vars[i - 1].value;
        }
    }
    return NULL;
}

static bool fields_eval(struct run *r, const struct operand *o, struct value *v, struct error *e)
{
    for (u32 i = 0; i < o->field_count; i++) {
        const struct value of = *v;
        struct error why;
        if (!value_field(r, &of, o->fields[i], v, &why)) {
            return tmpl_fail(r->t, o->at, e, "%s", why.text);
        }
    }
    return true;
}

static bool call_eval(struct run *r, const struct operand *o, const struct value *args, u32 n,
                      struct value *out, struct error *e)
{
    const struct tmpl_function *f = o->function;
    if (n < f->args_min || n > f->args_max) {
        return tmpl_fail(r->t, o->at, e, "wrong number of args for %s: want %u to %u, got %u",
                         f->name, f->args_min, f->args_max, n);
    }
    struct error why = {0};
    if (!f->call(r, args, n, out, &why)) {
        return tmpl_fail(r->t, o->at, e, "error calling %s: %s", f->name, why.text);
    }
    return true;
}

static bool operand_eval(struct run *r, const struct operand *o, const struct value *dot,
                         struct value *out, struct error *e)
{
    switch (o->kind) {
    case OPERAND_VALUE:
        *out = o->literal;
        return true;
    case OPERAND_DOT:
        *out = *dot;
        return fields_eval(r, o, out, e);
    case OPERAND_VARIABLE: {
        const struct value *v = var_find(r, o->name);
        if (!v) {
            return tmpl_fail(r->t, o->at, e, "undefined variable \"$%.*s\"", STR_ARG(o->name));
        }
        *out = *v;
        return fields_eval(r, o, out, e);
    }
    case OPERAND_CALL:
        return call_eval(r, o, NULL, 0, out, e);
    case OPERAND_PIPE:
        return pipe_eval(r, o->pipe, dot, out, e) && fields_eval(r, o, out, e);
    }
    return false;
}

// One command; piped (may be NULL) becomes its last argument.
static bool command_eval(struct run *r, const struct command *c, const struct value *dot,
                         const struct value *piped, struct value *out, struct error *e)
{
    const struct operand *head = &c->operands[0];
    if (head->kind != OPERAND_CALL) {
        if (piped) {
            return tmpl_fail(r->t, head->at, e, "can't give argument to a non-function");
        }
        return operand_eval(r, head, dot, out, e);
    }
    struct value args[TMPL_ARGS_MAX + 1];
    u32 n = 0;
    for (u32 i = 1; i < c->count; i++) {
        if (!operand_eval(r, &c->operands[i], dot, &args[n++], e)) {
            return false;
        }
    }
    if (piped) {
        args[n++] = *piped;
    }
    return call_eval(r, head, args, n, out, e);
}

static bool pipe_eval(struct run *r, const struct pipe *p, const struct value *dot,
                      struct value *out, struct error *e)
{
    if (++r->steps > TMPL_STEPS_MAX) {
        return tmpl_fail(r->t, p->at, e, "more than %d steps", TMPL_STEPS_MAX);
    }
    struct value v = {0};
    for (u32 i = 0; i < p->count; i++) {
        const struct value piped = v;
        if (!command_eval(r, &p->commands[i], dot, i ? &piped : NULL, &v, e)) {
            return false;
        }
    }
    if (p->declare_count == 1 && p->assigns) {
        struct value *target = var_find(r, p->declares[0]);
        if (!target) {
            return tmpl_fail(r->t, p->at, e, "undefined variable \"$%.*s\"",
                             STR_ARG(p->declares[0]));
        }
        *target = v;
    } else if (p->declare_count == 1 && !var_push(r, p->declares[0], &v, p->at, e)) {
        return false;
    }
    *out = v;
    return true;
}

static bool list_run(struct run *r, const struct node *n, const struct value *dot, struct error *e);

static bool block_run(struct run *r, const struct node *n, const struct value *dot, struct error *e)
{
    const u32 height = r->var_count;
    const bool ok = list_run(r, n, dot, e);
    r->var_count = height;
    return ok;
}

// The i-th element of what range walks, and its key.
static struct value element(const struct value *of, u32 i, struct value *key)
{
    *key = (struct value){.kind = VALUE_INT, .integer = i};
    if (of->kind == VALUE_SAMPLES) {
        return (struct value){.kind = VALUE_SAMPLE, .samples = &of->samples[i]};
    }
    if (of->kind == VALUE_LABELS) {
        *key = value_of_str(of->labels.items[i].name);
        return value_of_str(of->labels.items[i].value);
    }
    return of->args[i];
}

static bool range_once(struct run *r, const struct node *n, const struct value *of, u32 i,
                       struct error *e)
{
    const u32 height = r->var_count;
    struct value key;
    const struct value item = element(of, i, &key);
    const struct pipe *p = n->pipe;
    bool ok = true;
    if (p->declare_count == 2) {
        ok = var_push(r, p->declares[0], &key, p->at, e) &&
             var_push(r, p->declares[1], &item, p->at, e);
    } else if (p->declare_count == 1) {
        ok = var_push(r, p->declares[0], &item, p->at, e);
    }
    ok = ok && list_run(r, n->body, &item, e);
    r->var_count = height;
    return ok;
}

static bool range_run(struct run *r, const struct node *n, const struct value *dot, struct error *e)
{
    struct pipe values = *n->pipe; // The declared names get the elements, not the whole.
    values.declare_count = 0;
    struct value v = {0};
    if (!pipe_eval(r, &values, dot, &v, e)) {
        return false;
    }
    if (v.kind != VALUE_SAMPLES && v.kind != VALUE_LABELS && v.kind != VALUE_ARGS &&
        v.kind != VALUE_NIL) {
        return tmpl_fail(r->t, n->pipe->at, e, "range can't iterate over this value");
    }
    const u32 count = v.kind == VALUE_LABELS ? v.labels.count : v.count;
    for (u32 i = 0; i < count && !r->breaking; i++) {
        if (!range_once(r, n, &v, i, e)) {
            return false;
        }
        r->continuing = false;
    }
    r->breaking = false;
    return count > 0 || block_run(r, n->otherwise, dot, e);
}

static bool pipe_node_run(struct run *r, const struct node *n, const struct value *dot,
                          struct error *e)
{
    struct value v = {0};
    if (!pipe_eval(r, n->pipe, dot, &v, e)) {
        return false;
    }
    if (n->pipe->declare_count == 0) {
        value_print(r->out, &v);
    }
    return true;
}

static bool node_run(struct run *r, const struct node *n, const struct value *dot, struct error *e)
{
    struct value v = {0};
    switch (n->kind) {
    case NODE_TEXT:
        buf_str(r->out, n->text);
        return true;
    case NODE_PIPE:
        return pipe_node_run(r, n, dot, e);
    case NODE_IF:
    case NODE_WITH: {
        const u32 height = r->var_count;
        bool ok = pipe_eval(r, n->pipe, dot, &v, e);
        if (ok) {
            const struct value *inner = n->kind == NODE_WITH && value_truth(&v) ? &v : dot;
            ok = block_run(r, value_truth(&v) ? n->body : n->otherwise, inner, e);
        }
        r->var_count = height;
        return ok;
    }
    case NODE_RANGE:
        return range_run(r, n, dot, e);
    case NODE_BREAK:
        r->breaking = true;
        return true;
    case NODE_CONTINUE:
        r->continuing = true;
        return true;
    }
    return false;
}

static bool list_run(struct run *r, const struct node *n, const struct value *dot, struct error *e)
{
    for (; n && !r->breaking && !r->continuing; n = n->next) {
        if (++r->steps > TMPL_STEPS_MAX) {
            return tmpl_fail(r->t, 0, e, "more than %d steps", TMPL_STEPS_MAX);
        }
        if (!node_run(r, n, dot, e)) {
            return false;
        }
    }
    return true;
}

bool tmpl_run(const struct tmpl *t, const struct tmpl_data *data, struct arena *a, struct buf *out,
              struct error *e)
{
    struct run r = {.t = t, .data = data, .arena = a, .out = out};
    const struct value dot = {.kind = VALUE_DATA};
    static const char *const names[][2] = {{"labels", "Labels"},
                                           {"externalLabels", "ExternalLabels"},
                                           {"externalURL", "ExternalURL"},
                                           {"value", "Value"}};
    bool ok = var_push(&r, STR_EMPTY, &dot, 0, e); // $ is the dot at the start.
    for (u32 i = 0; ok && i < ARRAY_LEN(names); i++) {
        struct value v = {0};
        ok = value_field(&r, &dot, str_c(names[i][1]), &v, e) &&
             var_push(&r, str_c(names[i][0]), &v, 0, e);
    }
    ok = ok && list_run(&r, t->first, &dot, e);
    if (ok && !buf_ok(out)) {
        return err_set(e, ERR_LIMIT, "template: output is longer than %zu bytes", out->max);
    }
    return ok;
}
