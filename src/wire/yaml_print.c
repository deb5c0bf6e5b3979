// yaml_print.c: a tree as YAML text again.

#include "base/buf.h"
#include "base/str.h"
#include "wire/json.h"
#include "wire/yaml.h"

static void indent(struct buf *out, u32 depth)
{
    for (u32 i = 0; i < depth; i++) {
        buf_c(out, "  ");
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

// YAML's double quotes take all of JSON's; but a DEL, which JSON leaves, YAML must not hold.
static void print_quoted(struct buf *out, str s)
{
    if (str_find(s, '\x7f') == STR_NONE) {
        json_quote(out, s);
        return;
    }
    struct buf quoted;
    buf_init(&quoted, out->max);
    json_quote(&quoted, s);
    for (size_t i = 0; i < quoted.len; i++) {
        if (quoted.bytes[i] == '\x7f') {
            buf_c(out, "\\x7f");
        } else {
            buf_byte(out, (u8)quoted.bytes[i]);
        }
    }
    out->full = out->full || quoted.full;
    buf_fini(&quoted);
}

static void print_block(struct buf *out, str s, u32 depth)
{
    const bool newline = str_ends(s, STR("\n"));
    buf_c(out, newline ? "|\n" : "|-\n");
    str rest = newline ? str_sub(s, 0, s.len - 1) : s;
    str line;
    while (str_split_next(&rest, '\n', &line)) {
        if (line.len > 0) {
            indent(out, depth);
            buf_str(out, line);
        }
        buf_byte(out, '\n');
    }
}

// Plain where it stood, after a tab, but at the start of a line an indicator or the end of the
// document.
static bool looks_like_indicator(str s)
{
    const bool begins = s.len > 0 && (s.ptr[0] == '?' || s.ptr[0] == '-' || s.ptr[0] == ':');
    return (begins && (s.len == 1 || s.ptr[1] == ' ')) || str_starts(s, STR("---")) ||
           str_starts(s, STR("..."));
}

static void print_scalar(struct buf *out, const struct yaml_node *n, u32 depth)
{
    if (n->block && block_fits(n->scalar)) {
        print_block(out, n->scalar, depth);
        return;
    }
    if (n->quoted || has_control(n->scalar) || looks_like_indicator(n->scalar)) {
        print_quoted(out, n->scalar);
    } else {
        buf_str(out, n->scalar);
    }
    buf_byte(out, '\n');
}

static void print_node(struct buf *out, const struct yaml_node *n, u32 depth, bool inline_first);

static void print_key(struct buf *out, const struct yaml_node *key)
{
    if (key->quoted || has_control(key->scalar) || looks_like_indicator(key->scalar)) {
        print_quoted(out, key->scalar);
    } else {
        buf_str(out, key->scalar);
    }
    buf_byte(out, ':');
}

static void print_value(struct buf *out, const struct yaml_node *n, u32 depth)
{
    if (n->kind == YAML_SCALAR) {
        if (n->quoted || n->scalar.len > 0) {
            buf_byte(out, ' ');
        }
        print_scalar(out, n, depth);
    } else if (n->count == 0) {
        buf_c(out, n->kind == YAML_SEQ ? " []\n" : " {}\n");
    } else {
        buf_byte(out, '\n');
        print_node(out, n, depth, false);
    }
}

static void print_map(struct buf *out, const struct yaml_node *n, u32 depth, bool inline_first)
{
    for (u32 i = 0; i < n->count; i++) {
        if (i > 0 || !inline_first) {
            indent(out, depth);
        }
        print_key(out, &n->keys[i]);
        const bool list = n->items[i].kind == YAML_SEQ;
        print_value(out, &n->items[i], list ? depth : depth + 1);
    }
}

static void print_seq(struct buf *out, const struct yaml_node *n, u32 depth, bool inline_first)
{
    for (u32 i = 0; i < n->count; i++) {
        const struct yaml_node *item = &n->items[i];
        if (i > 0 || !inline_first) {
            indent(out, depth);
        }
        buf_byte(out, '-');
        if (item->kind != YAML_SCALAR && item->count > 0) {
            buf_byte(out, ' ');
            print_node(out, item, depth + 1, true);
        } else {
            print_value(out, item, depth + 1);
        }
    }
}

// Recursion: as deep as the tree, of which a parsed one has YAML_DEPTH_MAX levels at most.
// inline_first: what stands before is "- ", not a new line.
static void print_node(struct buf *out, const struct yaml_node *n, u32 depth, bool inline_first)
{
    switch (n->kind) {
    case YAML_SCALAR:
        print_scalar(out, n, depth);
        return;
    case YAML_SEQ:
        print_seq(out, n, depth, inline_first);
        return;
    case YAML_MAP:
        print_map(out, n, depth, inline_first);
        return;
    }
}

void yaml_print(struct buf *out, const struct yaml_node *root)
{
    if (root->kind != YAML_SCALAR && root->count == 0) {
        buf_c(out, root->kind == YAML_SEQ ? "[]\n" : "{}\n");
        return;
    }
    print_node(out, root, 0, false);
}
