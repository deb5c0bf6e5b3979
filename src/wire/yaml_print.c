// yaml_print.c: a tree as YAML text again, secrets masked.

#include "base/buf.h"
#include "base/str.h"
#include "wire/json.h"
#include "wire/yaml.h"

// Threads: owned.
struct printer {
    struct buf *out;
    bool (*is_secret)(void *ctx, const str *keys, u32 depth);
    void *ctx;
    str keys[YAML_DEPTH_MAX];
    u32 key_count;
};

static void indent(struct printer *p, u32 depth)
{
    for (u32 i = 0; i < depth; i++) {
        buf_c(p->out, "  ");
    }
}

static bool has_control(str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((u8)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

// A block can be shown as one if no rule of blocks bends its text.
static bool block_fits(str s)
{
    if (s.len == 0 || s.ptr[0] == ' ' || s.ptr[0] == '\n' || str_ends(s, STR("\n\n"))) {
        return false;
    }
    str rest = s;
    str line;
    while (str_split_next(&rest, '\n', &line)) {
        if (has_control(line)) {
            return false;
        }
    }
    return true;
}

static void print_block(struct printer *p, str s, u32 depth)
{
    const bool newline = str_ends(s, STR("\n"));
    buf_c(p->out, newline ? "|\n" : "|-\n");
    str rest = newline ? str_sub(s, 0, s.len - 1) : s;
    str line;
    while (str_split_next(&rest, '\n', &line)) {
        if (line.len > 0) {
            indent(p, depth);
            buf_str(p->out, line);
        }
        buf_byte(p->out, '\n');
    }
}

// Plain where it stood, but an indicator at the start of a line: a question mark after a tab.
static bool looks_like_indicator(str s)
{
    return s.len > 0 && (s.ptr[0] == '?' || s.ptr[0] == '-' || s.ptr[0] == ':') &&
           (s.len == 1 || s.ptr[1] == ' ');
}

static void print_scalar(struct printer *p, const struct yaml_node *n, u32 depth)
{
    if (n->block && block_fits(n->scalar)) {
        print_block(p, n->scalar, depth);
        return;
    }
    if (n->quoted || has_control(n->scalar) || looks_like_indicator(n->scalar)) {
        json_quote(p->out, n->scalar); // YAML's double quotes take all of JSON's.
    } else {
        buf_str(p->out, n->scalar);
    }
    buf_byte(p->out, '\n');
}

static void print_node(struct printer *p, const struct yaml_node *n, u32 depth, bool inline_first);

static void print_key(struct printer *p, const struct yaml_node *key)
{
    if (key->quoted || has_control(key->scalar)) {
        json_quote(p->out, key->scalar);
    } else {
        buf_str(p->out, key->scalar);
    }
    buf_byte(p->out, ':');
}

static void print_value(struct printer *p, const struct yaml_node *n, u32 depth)
{
    if (n->kind == YAML_SCALAR) {
        if (n->quoted || n->scalar.len > 0) {
            buf_byte(p->out, ' ');
        }
        print_scalar(p, n, depth);
    } else if (n->count == 0) {
        buf_c(p->out, n->kind == YAML_SEQ ? " []\n" : " {}\n");
    } else {
        buf_byte(p->out, '\n');
        print_node(p, n, depth, false);
    }
}

static void print_map(struct printer *p, const struct yaml_node *n, u32 depth, bool inline_first)
{
    for (u32 i = 0; i < n->count; i++) {
        if (i > 0 || !inline_first) {
            indent(p, depth);
        }
        print_key(p, &n->keys[i]);
        p->keys[p->key_count++] = n->keys[i].scalar;
        if (p->is_secret(p->ctx, p->keys, p->key_count) && !yaml_is_null(&n->items[i])) {
            buf_c(p->out, " <secret>\n");
        } else {
            const bool list = n->items[i].kind == YAML_SEQ;
            print_value(p, &n->items[i], list ? depth : depth + 1);
        }
        p->key_count--;
    }
}

static void print_seq(struct printer *p, const struct yaml_node *n, u32 depth, bool inline_first)
{
    for (u32 i = 0; i < n->count; i++) {
        const struct yaml_node *item = &n->items[i];
        if (i > 0 || !inline_first) {
            indent(p, depth);
        }
        buf_byte(p->out, '-');
        if (item->kind != YAML_SCALAR && item->count > 0) {
            buf_byte(p->out, ' ');
            print_node(p, item, depth + 1, true);
        } else {
            print_value(p, item, depth + 1);
        }
    }
}

// Recursion: at most YAML_DEPTH_MAX deep. inline_first: what stands before is "- ", not a new line.
static void print_node(struct printer *p, const struct yaml_node *n, u32 depth, bool inline_first)
{
    switch (n->kind) {
    case YAML_SCALAR:
        print_scalar(p, n, depth);
        return;
    case YAML_SEQ:
        print_seq(p, n, depth, inline_first);
        return;
    case YAML_MAP:
        print_map(p, n, depth, inline_first);
        return;
    }
}

void yaml_print_masked(struct buf *out, const struct yaml_doc *doc,
                       bool (*is_secret)(void *ctx, const str *keys, u32 depth), void *ctx)
{
    struct printer p = {.out = out, .is_secret = is_secret, .ctx = ctx};
    const struct yaml_node *root = doc->root;
    if (root->kind != YAML_SCALAR && root->count == 0) {
        buf_c(out, root->kind == YAML_SEQ ? "[]\n" : "{}\n");
        return;
    }
    print_node(&p, root, 0, false);
}
