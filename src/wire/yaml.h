// yaml.h: YAML as a small frozen tree with places, for configuration and rule files.
//
// Parsing is O(bytes); libfyaml tells events, aliases and merge keys are resolved here. An alias
// shares its anchor's node, but counts as many nodes and levels as it stands for, so that a walk
// over the tree is bounded by YAML_NODES_MAX and YAML_DEPTH_MAX whatever the file says.
// Refused: duplicate keys, keys that are no scalars, a second document, bytes that are not UTF-8,
// control characters, aliases to what does not exist (yet), and what passes a maximum below.
// Memory: about 104 bytes a node and the text twice, in the arena; ERR_LIMIT when it is full.
// Threads: frozen once parsed; the arena keeps it.
#ifndef WIRE_YAML_H
#define WIRE_YAML_H

#include "base/base.h"

#include <stdarg.h>

struct arena;
struct buf;
struct error;
struct yaml_doc;

#define YAML_BYTES_MAX   (16 << 20)
#define YAML_NODES_MAX   200000
#define YAML_DEPTH_MAX   64
#define YAML_ANCHORS_MAX 1000

enum yaml_kind { YAML_SCALAR, YAML_SEQ, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    bool quoted; // In quotes, a block, or tagged !!str: always a string.
    bool block;  // A literal block (|): line and column are those of its first character.
    u32 line;    // From 1.
    u32 column;  // From 1, in characters.
    u32 count;   // Items, or pairs.
    u32 weight;  // Nodes of this tree with aliases followed.
    u32 height;  // Levels of it, likewise; 1 for a scalar.
    str scalar;
    const struct yaml_node *keys;  // YAML_MAP: scalars, each once.
    const struct yaml_node *items; // YAML_SEQ: items. YAML_MAP: values, in the keys' order.
    const struct yaml_doc *doc;
};

struct yaml_doc {
    str file; // As errors name it.
    str text;
    const struct yaml_node *root; // An empty text is a null scalar.
};

const struct yaml_doc *yaml_parse(struct arena *a, str file, str text, struct error *e) MUST_USE;

const char *yaml_kind_text(const struct yaml_node *n); // "a string", "a list", "a mapping", …
const struct yaml_node *yaml_get(const struct yaml_node *map, str key); // NULL if absent.

// What a plain scalar means, as Go's decoder (YAML 1.1 with its own liberties) takes it; false if
// it does not mean that. A quoted scalar is a string and nothing else.
bool yaml_is_null(const struct yaml_node *n);         // ~ null Null NULL, nothing.
bool yaml_bool(const struct yaml_node *n, bool *out); // true yes on y, false no off n.
bool yaml_i64(const struct yaml_node *n, i64 *out);   // 12 1_000 0x1f 0b11 0o17 017; 3.0 too.
bool yaml_u64(const struct yaml_node *n, u64 *out);
bool yaml_f64(const struct yaml_node *n, f64 *out); // 1.5 1e+3 .inf -.Inf .NaN

// "file:line:col: message", the line, and a caret under the column; what follows a key that sounds
// secret is masked in the line. Yields false.
bool yaml_error(struct error *e, const struct yaml_node *n, const char *format, ...)
    PRINTF_LIKE(3, 4);
// At a byte offset inside a scalar (an expression's error).
bool yaml_error_within(struct error *e, const struct yaml_node *n, size_t offset,
                       const char *format, ...) PRINTF_LIKE(4, 5);
bool yaml_verror(struct error *e, const struct yaml_node *n, size_t offset, const char *format,
                 va_list args);
// Where that offset stands in the file; exact for literal blocks and scalars of one line without
// escapes, else the scalar's start.
void yaml_place(const struct yaml_node *n, size_t offset, u32 *line, u32 *column);

// Writes the tree as YAML again: aliases followed, comments gone. Of a node made by hand it looks
// at kind, quoted, block, count, scalar, keys and items.
void yaml_print(struct buf *out, const struct yaml_node *root);

#endif
